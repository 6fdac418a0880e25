//! The formulas, one by one.

use super::{LiabilityError, not_negative};
use crate::units::allocate::{divide_half_up, exact_value, largest_remainder};
use crate::units::currency::Currency;
use crate::units::money::{Money, OutOfRange, Points, Rate};

/// A sale's price in its two parts, which sum to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// Revenue now.
    pub goods: Money,
    /// The contract liability at issue, CL0.
    pub points: Money,
}

/// The stand-alone selling price of points in currency units times [`Rate::SCALE`]:
/// `points x face x URR`, rounded half up. So fine a unit leaves room in an
/// i128 for its product with any price.
fn stand_alone_exact(points: Points, face: Rate, urr: Rate) -> Result<i128, LiabilityError> {
    not_negative(&[("points", points.get())])?;
    let exact = exact_value(points, face)?.checked_mul(urr.min(Rate::ONE).scaled()).ok_or(OutOfRange)?;
    Ok(divide_half_up(exact, Rate::SCALE)?)
}

/// `points x face x URR`: what points are worth on their own. `face`: currency
/// units per point. This is the amount of an allocation's weight, and the
/// expense and liability of points granted without a sale.
///
/// Source: IFRS 15 B42, an option's stand-alone selling price takes into account
/// how likely it is to be exercised; ASC 606-10-55-44; CAS 14 art. 35.
pub fn stand_alone_value(currency: Currency, points: Points, face: Rate, urr: Rate) -> Result<Money, LiabilityError> {
    Ok(currency.round_value(stand_alone_exact(points, face, urr)?)?)
}

/// Shares a price between goods and points by their stand-alone selling prices:
/// `CL0 = price x points / (goods + points)`, to the minor unit by largest
/// remainder; between equal remainders the goods come first. `goods`: what the
/// goods cost without points. Without any stand-alone price all is goods.
///
/// Source: IFRS 15 paragraphs 74-76 and B40, Example 52;
/// ASC 606-10-55-42; CAS 14 art. 20 and 35. Done once, at the sale: later
/// estimates change when CL0 is earned, not how much it is (paragraph 88).
pub fn allocate_price(
    currency: Currency,
    price: Money,
    goods: Money,
    points: Points,
    face: Rate,
    urr: Rate,
) -> Result<Allocation, LiabilityError> {
    not_negative(&[("the price", price.minor()), ("the goods' price", goods.minor())])?;
    let weights = [currency.exact(goods)?, stand_alone_exact(points, face, urr)?];
    let parts = largest_remainder(price.minor(), &weights)?;
    let points = Money::from_minor(parts.last().copied().unwrap_or_default());
    Ok(Allocation { goods: price.minus(points)?, points })
}

/// Points expected to be redeemed in the end, E: `urr x issued` to the nearest
/// point, but not less than is redeemed and not more than has not expired.
pub fn expected_redemptions(
    urr: Rate,
    issued: Points,
    redeemed: Points,
    expired: Points,
) -> Result<Points, LiabilityError> {
    let possible = issued.minus(expired)?;
    if redeemed.is_negative() || expired.is_negative() || possible < redeemed {
        return Err(LiabilityError::Overdrawn { issued, redeemed, expired });
    }
    let exact = i128::from(issued.get()).checked_mul(urr.scaled()).ok_or(OutOfRange)?;
    let estimate = divide_half_up(exact, Rate::SCALE)?;
    Ok(Points::new(i64::try_from(estimate).unwrap_or(i64::MAX)).clamp(redeemed, possible))
}

/// The remote method as a rate for [`expected_redemptions`]: while no breakage
/// can be expected, every point counts as to be redeemed; once redemption is
/// remote, none beyond those made, and the rest is released. (When points
/// expire, the rest is released without it.)
///
/// Source: IFRS 15 B46, second case; ASC 606-10-55-48; CAS 14 art. 39.
pub const fn remote_rate(remote: bool) -> Rate {
    if remote { Rate::ZERO } else { Rate::ONE }
}

/// What has been released of CL0 since the issue: `CL0 x redeemed / expected`,
/// rounded half up. Cumulative, so that periods tie whatever their number: a
/// period's release is the difference, and the liability is `CL0 - recognised`.
///
/// `expected` counts as no less than `redeemed`. When both are zero no
/// redemption is to come, and CL0 is released in full.
///
/// Source: IFRS 15 B46 (breakage in proportion to the pattern of rights
/// exercised) and Example 52; ASC 606-10-55-48; CAS 14 art. 39.
pub fn recognised(cl0: Money, redeemed: Points, expected: Points) -> Result<Money, LiabilityError> {
    not_negative(&[("CL0", cl0.minor()), ("redeemed", redeemed.get())])?;
    let expected = expected.max(redeemed);
    if expected.is_zero() {
        return Ok(cl0);
    }
    let exact = i128::from(cl0.minor()) * i128::from(redeemed.get());
    Ok(Money::from_minor_wide(divide_half_up(exact, i128::from(expected.get()))?)?)
}

/// What the funder keeps of a release when another line delivers: the release
/// less what that line is owed. Negative when the settlement price is higher.
///
/// Source: IFRS 15 B36, an agent's revenue is what it keeps after paying the
/// other party; ASC 606-10-55-38; CAS 14 art. 34.
pub fn agent_revenue(released: Money, owed: Money) -> Result<Money, OutOfRange> {
    released.minus(owed)
}
