//! What sales with points of sponsors come to in the group's books beyond those of its entities.

use crate::actuarial::liability::{CohortLiability, RunOff, Sponsored};
use crate::units::id::LineId;
use crate::units::money::OutOfRange;
use std::collections::BTreeMap;

/// Since the first period, in minor units: rounded by cohort, as the entities' books are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SponsoredSums {
    /// X, by seller and sponsor.
    pub(super) contract: BTreeMap<(LineId, LineId), RunOff>,
    /// P, by sponsor.
    pub(super) provision: BTreeMap<LineId, RunOff>,
}

impl SponsoredSums {
    /// Adds a cohort of a sponsor's, with what each seller's sales issued of it.
    pub fn add(
        &mut self,
        sponsor: &LineId,
        cohort: &CohortLiability,
        sellers: &BTreeMap<LineId, Sponsored>,
    ) -> Result<(), OutOfRange> {
        let mut all = Sponsored::default();
        for (seller, of) in sellers {
            let sum = self.contract.entry((seller.clone(), sponsor.clone())).or_default();
            *sum = sum.plus(of.contract(cohort)?)?;
            all.merge(of)?;
        }
        if !sellers.is_empty() {
            let sum = self.provision.entry(sponsor.clone()).or_default();
            *sum = sum.plus(all.provision(cohort)?)?;
        }
        Ok(())
    }
}
