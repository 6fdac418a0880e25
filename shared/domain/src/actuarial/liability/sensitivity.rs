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
