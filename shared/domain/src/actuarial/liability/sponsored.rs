//! Sales that issue points of a sponsor, too. The seller's own books share the price with his points only, the
//! sponsor's provide for points that nobody paid him for; in the group's they are one, and the sale paid for all.

use super::cohort::CohortLiability;
use super::sale::{Price, Valuation, sale_share};
use crate::units::micro::Micro;
use crate::units::money::{Money, OutOfRange, Points, Rate};
use serde::{Deserialize, Serialize};

/// A sale with all of its points, at their stand-alone selling prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupSale {
    /// With what the seller bears of the points.
    pub own: Price,
    pub sponsors: Micro,
}

impl GroupSale {
    /// What the group allocates to a sponsor's points beyond what the seller does to his own.
    fn share(&self, sponsor: Micro) -> Result<Micro, OutOfRange> {
        if self.sponsors.is_zero() {
            return Ok(Micro::ZERO);
        }
        let Price { net, points } = self.own;
        let all = points.plus(self.sponsors)?;
        let beyond = sale_share(net, all, all)?.minus(sale_share(net, points, points)?)?;
        beyond.share(sponsor.get(), self.sponsors.get())
    }
}

/// A seller's points of a cohort, in the part of one who bears their cost, refunds deducted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sponsored {
    /// X: what the group allocates to them and the seller does not.
    pub share: Micro,
    /// At the value of points that nobody paid for.
    pub value: Micro,
}

/// Of a cohort's sponsored points, in minor units: in all, and what is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunOff {
    pub all: Money,
    pub left: Money,
}

impl RunOff {
    pub fn used(self) -> Result<Money, OutOfRange> {
        self.all.minus(self.left)
    }

    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        Ok(Self { all: self.all.plus(other.all)?, left: self.left.plus(other.left)? })
    }
}

impl Sponsored {
    /// Moves them from what stood of a sale to what stands: what is left is valued again, so that parts sum to the
    /// whole and a full refund leaves nothing.
    pub fn moved(
        &mut self,
        by: &Valuation,
        before: (&GroupSale, Points),
        after: (&GroupSale, Points),
    ) -> Result<(), OutOfRange> {
        let share = |(sale, points): (&GroupSale, Points)| sale.share(by.stand_alone(points)?);
        let value = |(_, points): (&GroupSale, Points)| by.cost(points, Rate::ONE);
        self.share.add(share(after)?.minus(share(before)?)?)?;
        self.value.add(value(after)?.minus(value(before)?)?)
    }

    pub fn merge(&mut self, other: &Self) -> Result<(), OutOfRange> {
        self.share.add(other.share)?;
        self.value.add(other.value)
    }

    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// X, and what R of E leave of it: all of it is earned where nothing is expected.
    pub fn contract(&self, cohort: &CohortLiability) -> Result<RunOff, OutOfRange> {
        let (redeemed, expected) = (Micro::of_points(cohort.redeemed()?), cohort.expected);
        let used = if expected.is_positive() { self.share.share(redeemed.get(), expected.get())? } else { self.share };
        Ok(RunOff { all: self.share.money()?, left: self.share.minus(used)?.money()? })
    }

    /// P: what of the sponsor's provision is for them, as it is measured now, and what R of E leave of it.
    pub fn provision(&self, cohort: &CohortLiability) -> Result<RunOff, OutOfRange> {
        if !cohort.issued.is_positive() {
            return Ok(RunOff::default());
        }
        let (issued, redeemed) = (Micro::of_points(cohort.issued), Micro::of_points(cohort.redeemed()?));
        let of = |points: Micro| self.value.share(points.get(), issued.get())?.money();
        Ok(RunOff { all: of(cohort.expected)?, left: of(cohort.expected.minus(redeemed)?)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micro(yuan: i64) -> Micro {
        Micro::of_money(Money::from_minor(yuan * 100))
    }

    #[test]
    fn sponsors_share_what_the_group_allocates_beyond_the_sellers_points() {
        let sale = GroupSale { own: Price { net: micro(1_000), points: micro(80) }, sponsors: micro(80) };
        let of = |sponsor| sale.share(sponsor).and_then(Micro::money).unwrap().minor();
        assert_eq!((of(micro(80)), of(micro(20)), of(Micro::ZERO)), (6_386, 1_596, 0));
        assert_eq!(GroupSale { sponsors: Micro::ZERO, ..sale }.share(micro(1)), Ok(Micro::ZERO));
        assert_eq!(
            GroupSale { own: Price { net: micro(1_000), points: Micro::ZERO }, ..sale }
                .share(micro(80))
                .and_then(Micro::money)
                .unwrap()
                .minor(),
            7_407
        );
    }

    #[test]
    fn what_runs_off_follows_the_cohort_and_what_is_never_redeemed_is_earned_with_it() {
        let sponsored = Sponsored { share: micro(60), value: micro(80) };
        let cohort = |redeemed, expected| CohortLiability {
            issued: Points::new(100),
            redeemed_own: Points::new(redeemed),
            expected: Micro::of_points(Points::new(expected)),
            ..CohortLiability::default()
        };
        let told = |redeemed, expected| {
            let cohort = cohort(redeemed, expected);
            let of = |run_off: RunOff| (run_off.all.minor() / 100, run_off.left.minor() / 100);
            (of(sponsored.contract(&cohort).unwrap()), of(sponsored.provision(&cohort).unwrap()))
        };
        assert_eq!(told(0, 100), ((60, 60), (80, 80)));
        assert_eq!(told(25, 50), ((60, 30), (40, 20)));
        assert_eq!(told(25, 25), ((60, 0), (20, 0)));
        assert_eq!(told(0, 0), ((60, 0), (0, 0)));
    }
}
