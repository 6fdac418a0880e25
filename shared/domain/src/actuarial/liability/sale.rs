//! A sale's own share for its points, and what sales, gifts and their reversals come to.

use crate::units::allocate::divide_half_up;
use crate::units::currency::Currency;
use crate::units::micro::{Micro, times};
use crate::units::money::{Money, OutOfRange, Points, Rate};
use serde::{Deserialize, Serialize};

/// What an amount of a sale is net of its VAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sale {
    /// VAT on the sale.
    pub rate: Rate,
    /// Whether the amount contains it.
    pub inclusive: bool,
}

impl Sale {
    /// The net of an amount in micro-units: `amount / (1 + rate)`, half up.
    pub fn net(self, amount: Micro) -> Result<Micro, OutOfRange> {
        if self.inclusive { amount.share(Rate::SCALE, Rate::SCALE + self.rate.scaled()) } else { Ok(amount) }
    }
}

/// What points are worth on their own in millionths of minor units: `points x value x rate`, with `value` in
/// currency units per point.
///
/// Source: IFRS 15 B42, an option's stand-alone selling price takes into account how likely it is
/// to be exercised; ASC 606-10-55-44; CAS 14 art. 35.
pub fn stand_alone_value(currency: Currency, points: Points, value: Rate, rate: Rate) -> Result<Micro, OutOfRange> {
    let exact = times(times(i128::from(points.get()), value.scaled())?, rate.scaled())?;
    // Both scales are powers of ten, and that of the rates is the larger one.
    let unit = i128::from(currency.minor_per_unit()) * Micro::SCALE;
    Ok(Micro::new(divide_half_up(exact, Rate::SCALE * Rate::SCALE / unit)?))
}

/// The part of a sale's net price that is for its points: `net x points / (net + points)`, both at
/// their stand-alone selling prices, half up. `all`: of all points of the seller's that
/// the sale issued, of which `own` are these.
///
/// Source: IFRS 15 paragraphs 74-76 and B40, Example 52; ASC 606-10-55-42; CAS 14 art. 20 and 35.
/// Done once, at the sale: later estimates change when it is earned, not how much it is
/// (paragraph 88).
pub fn sale_share(net: Micro, own: Micro, all: Micro) -> Result<Micro, OutOfRange> {
    let whole = net.plus(all)?;
    if whole.is_zero() { Ok(Micro::ZERO) } else { net.share(own.get(), whole.get()) }
}

/// What stands of a sale or gift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Of the sale that issued them, as reported, be it another line's; nothing of a gift.
    pub amount: Money,
    /// Net of VAT, where parts of it are taxed by codes of their own; else it is net of the line's rate.
    pub net: Option<Micro>,
    /// Of one cohort.
    pub points: Points,
}

/// What stands of a sale's price, and of all points that the seller bears of it, at their stand-alone selling prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    pub net: Micro,
    pub points: Micro,
}

/// The terms that points of a sale or gift are valued by for good, in the books of one of their payers.
#[derive(Debug, Clone, Copy)]
pub struct Valuation {
    pub currency: Currency,
    /// Currency units per point.
    pub face_value: Rate,
    /// The same for points that nobody paid for: their cost.
    pub grant_value: Rate,
    /// The part of the points that was expected to be redeemed when they were issued.
    pub rate: Rate,
    /// What the payer bears of their cost.
    pub share: Rate,
}

/// Points taken back with refunded sales or with points that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawn {
    /// Open ones, spent ones and expired ones.
    pub points: Points,
    /// Spent already: now members' debts.
    pub owed: Points,
    /// Expired before.
    pub gone: Points,
}

impl Withdrawn {
    fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        Ok(Self {
            points: self.points.plus(other.points)?,
            owed: self.owed.plus(other.owed)?,
            gone: self.gone.plus(other.gone)?,
        })
    }
}

/// What a period's sales, gifts and their reversals come to in one cohort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Valued {
    /// Earned with the payer's own sales. Points are the cohort's, amounts the payer's.
    pub sold: Points,
    /// CL of these sales, by [`sale_share`].
    pub allocated: Micro,
    /// Given without a sale of the payer's own.
    pub given: Points,
    /// At their value, and so much of it as is expected to be redeemed.
    pub given_value: Micro,
    pub provided: Micro,
    /// H of all points issued, in micro-points.
    pub at_issue: Micro,
    pub refunded: Withdrawn,
    /// What had been allocated to the refunded parts of sales.
    pub back: Micro,
    pub revoked: Withdrawn,
    pub revoked_value: Micro,
    /// So much of it as was expected to be redeemed.
    pub provided_back: Micro,
    /// H of all points withdrawn.
    pub withdrawn_at_issue: Micro,
}

impl Valuation {
    fn allocated(&self, points: Points, price: Price) -> Result<Micro, OutOfRange> {
        sale_share(price.net, self.stand_alone(points)?, price.points)
    }

    /// What the payer's part of points of a sale is worth on its own.
    pub fn stand_alone(&self, points: Points) -> Result<Micro, OutOfRange> {
        stand_alone_value(self.currency, points, self.face_value, self.rate)?.part(self.share)
    }

    /// What its part of points costs that nobody paid for, if so much of them is redeemed.
    pub fn cost(&self, points: Points, rate: Rate) -> Result<Micro, OutOfRange> {
        stand_alone_value(self.currency, points, self.grant_value, rate)?.part(self.share)
    }

    fn expected(&self, points: Points) -> Result<Micro, OutOfRange> {
        Micro::of_points(points).part(self.rate)
    }
}

impl Valued {
    /// Adds points of a sale of the payer's own. What is refunded of it later is valued by the same terms: what is left
    /// is valued again, so that parts sum to the whole and a full refund leaves nothing.
    pub fn sell(&mut self, by: &Valuation, points: Points, price: Price) -> Result<(), OutOfRange> {
        self.sold.add(points)?;
        self.allocated.add(by.allocated(points, price)?)?;
        self.at_issue.add(by.expected(points)?)
    }

    pub fn give(&mut self, by: &Valuation, points: Points) -> Result<(), OutOfRange> {
        self.given.add(points)?;
        self.given_value.add(by.cost(points, Rate::ONE)?)?;
        self.provided.add(by.cost(points, by.rate)?)?;
        self.at_issue.add(by.expected(points)?)
    }

    /// Takes back points of a sale of the payer's own: what stood of them and of the sale, and what is left of both.
    pub fn refund(
        &mut self,
        by: &Valuation,
        before: (Points, Price),
        left: (Points, Price),
        withdrawn: Withdrawn,
    ) -> Result<(), OutOfRange> {
        self.refunded = self.refunded.plus(withdrawn)?;
        self.back.add(by.allocated(before.0, before.1)?.minus(by.allocated(left.0, left.1)?)?)?;
        self.withdrawn_at_issue.add(by.expected(before.0)?.minus(by.expected(left.0)?)?)
    }

    pub fn revoke(
        &mut self,
        by: &Valuation,
        before: Points,
        left: Points,
        withdrawn: Withdrawn,
    ) -> Result<(), OutOfRange> {
        self.revoked = self.revoked.plus(withdrawn)?;
        self.revoked_value.add(by.cost(before, Rate::ONE)?.minus(by.cost(left, Rate::ONE)?)?)?;
        self.provided_back.add(by.cost(before, by.rate)?.minus(by.cost(left, by.rate)?)?)?;
        self.withdrawn_at_issue.add(by.expected(before)?.minus(by.expected(left)?)?)
    }

    pub fn merge(&mut self, other: &Self) -> Result<(), OutOfRange> {
        self.sold.add(other.sold)?;
        self.allocated.add(other.allocated)?;
        self.given.add(other.given)?;
        self.given_value.add(other.given_value)?;
        self.provided.add(other.provided)?;
        self.at_issue.add(other.at_issue)?;
        self.refunded = self.refunded.plus(other.refunded)?;
        self.back.add(other.back)?;
        self.revoked = self.revoked.plus(other.revoked)?;
        self.revoked_value.add(other.revoked_value)?;
        self.provided_back.add(other.provided_back)?;
        self.withdrawn_at_issue.add(other.withdrawn_at_issue)
    }

    pub fn issued(&self) -> Result<Points, OutOfRange> {
        self.sold.plus(self.given)
    }

    pub fn withdrawn(&self) -> Result<Withdrawn, OutOfRange> {
        self.refunded.plus(self.revoked)
    }
}
