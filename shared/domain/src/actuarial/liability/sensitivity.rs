//! What the books would be if members redeemed more, or less, than is expected.

use super::CohortLiability;
use crate::units::micro::Micro;
use crate::units::money::{OutOfRange, Points, Rate};

impl CohortLiability {
    /// So many micro-points more or less than is expected as a rate of N is, within what is redeemed already and what
    /// can be. None where nothing is open to expectation.
    pub fn expecting(&self, less: bool, rate: Rate) -> Result<Option<Micro>, OutOfRange> {
        if self.is_over || !self.outstanding()?.is_positive() {
            return Ok(None);
        }
        let step = Micro::of_points(self.issued).part(rate)?;
        let moved = if less { self.expected.minus(step)? } else { self.expected.plus(step)? };
        let (least, most) = (self.redeemed()?.max(Points::ZERO), self.issued.minus(self.expired)?);
        Ok(Some(moved.min(Micro::of_points(most)).max(Micro::of_points(least))))
    }

    /// The contract liability's closing if `expected` micro-points were redeemed in all: CL x (1 - R / E).
    pub fn closing_at(&self, expected: Micro) -> Result<Micro, OutOfRange> {
        if self.is_over || !expected.is_positive() {
            return Ok(Micro::ZERO);
        }
        let redeemed = Micro::of_points(self.redeemed()?.max(Points::ZERO));
        self.allocated.minus(self.allocated.share(redeemed.get(), expected.get())?)
    }

    /// The provision's: G x (E - R) / N.
    pub fn provision_at(&self, expected: Micro) -> Result<Micro, OutOfRange> {
        if self.is_over || !self.issued.is_positive() {
            return Ok(Micro::ZERO);
        }
        let to_come = expected.minus(Micro::of_points(self.redeemed()?))?.max(Micro::ZERO);
        self.given_value.share(to_come.get(), Micro::of_points(self.issued).get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::id::LineId;
    use crate::units::money::Money;

    /// 1,000 points for 100.00 and given ones for 10.00; 300 redeemed, 600 expected.
    fn cohort(expected: i64) -> CohortLiability {
        CohortLiability {
            issued: Points::new(1_000),
            redeemed_own: Points::new(200),
            redeemed_other: [(LineId::parse("mall").unwrap(), Points::new(100))].into(),
            expected: Micro::of_points(Points::new(expected)),
            allocated: Micro::of_money(Money::from_minor(10_000)),
            given_value: Micro::of_money(Money::from_minor(1_000)),
            ..CohortLiability::default()
        }
    }

    fn at(of: &CohortLiability, less: bool) -> Option<(i64, i64, i64)> {
        let expected = of.expecting(less, Rate::FIVE_PERCENT).unwrap()?;
        let minor = |amount: Result<Micro, OutOfRange>| amount.unwrap().money().unwrap().minor();
        Some((expected.points().unwrap().get(), minor(of.closing_at(expected)), minor(of.provision_at(expected))))
    }

    #[test]
    fn another_estimate_closes_by_the_cohorts_own_formula() {
        let of = cohort(600);
        // 100.00 x (1 - 300 / 600) and 10.00 x (600 - 300) / 1,000: what is booked.
        assert_eq!(of.closing_at(of.expected).unwrap().money(), Ok(Money::from_minor(5_000)));
        assert_eq!(of.provision_at(of.expected).unwrap().money(), Ok(Money::from_minor(300)));
        // 100.00 x (1 - 300 / 650) = 53.846..; 100.00 x (1 - 300 / 550) = 45.4545..
        assert_eq!(at(&of, false), Some((650, 5_385, 350)));
        assert_eq!(at(&of, true), Some((550, 4_545, 250)));
    }

    #[test]
    fn no_estimate_goes_below_what_is_redeemed_or_above_what_can_be() {
        assert_eq!(at(&cohort(310), true), Some((300, 0, 0)));
        // 100.00 x (1 - 300 / 1,000)
        assert_eq!(at(&cohort(980), false), Some((1_000, 7_000, 700)));
        let expired = CohortLiability { expired: Points::new(100), ..cohort(880) };
        assert_eq!(at(&expired, false).map(|of| of.0), Some(900));
        for over in [
            CohortLiability { is_over: true, ..cohort(600) },
            CohortLiability { expired: Points::new(700), ..cohort(300) },
        ] {
            assert_eq!(at(&over, false), None);
        }
    }
}
