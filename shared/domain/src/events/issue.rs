//! Points issued, by a sale or without one.

use super::canonical::Canonical;
use super::kind::{At, Balances, Show};
use super::refusal::Refusal;
use super::stored::{AWARDS, Broken, Load, Loaded, REPAID, SLICES, Store};
use crate::claims::account::{Account, Repayment};
use crate::claims::lot::{Cohort, Slice};
use crate::terms::rulebook::Awarded;
use crate::units::calendar::Period;
use crate::units::id::SchemeId;
use crate::units::money::{OutOfRange, Points};

/// Points issued; none for a sale too small. A sponsor's lot follows the line's own, those of awards follow both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Issue {
    pub slices: Vec<Slice>,
    pub repaid: Vec<Repayment>,
    /// What awards gave of them, in the order of the rulebook.
    pub awards: Vec<Awarded>,
}

impl Issue {
    pub(super) const STORED: &'static [&'static str] = &[SLICES, REPAID, AWARDS];

    /// Credits points by scheme, each once.
    pub(super) fn of(at: &At<'_>, account: &mut Account, issued: Vec<(SchemeId, Points)>) -> Result<Self, Refusal> {
        let mut issue = Issue::default();
        for (scheme, points) in issued {
            let expires = at.rulebook.expiry(&scheme, at.day);
            let cohort = Cohort { expires, issued: Period::of_day(at.day), scheme };
            let slice = Slice { cohort, points };
            issue.repaid.extend(account.credit(&slice, at.day)?);
            issue.slices.push(slice);
        }
        Ok(issue)
    }

    pub(super) fn points(&self) -> Result<Points, OutOfRange> {
        Points::sum(self.slices.iter().map(|slice| slice.points))
    }

    pub(super) fn store(&self, to: &mut dyn Store) {
        to.slices(SLICES, &self.slices);
        to.repaid(&self.repaid);
        to.awards(&self.awards);
    }

    pub(super) fn load<L: Load>(from: &L) -> Result<Self, Broken> {
        let from = Loaded(from);
        Ok(Self { slices: from.slices(SLICES)?, repaid: from.repaid()?, awards: from.awards()? })
    }

    pub(super) fn write_canonical(&self, text: &mut Canonical) {
        text.slices("issued", &self.slices);
        text.repaid(&self.repaid);
    }

    pub(super) fn moves(&self, balances: &mut dyn Balances) -> Result<(), OutOfRange> {
        balances.gain(&self.slices)?;
        balances.pay(&self.repaid)
    }

    pub(super) fn show(&self, to: &mut dyn Show) {
        to.slices("slices", &self.slices);
        to.repaid("debts_repaid", &self.repaid);
        if !self.awards.is_empty() {
            to.awards("awards", &self.awards);
        }
    }
}

impl At<'_> {
    pub(super) fn no_earn_rule(&self) -> Refusal {
        Refusal::NoEarnRule { line: self.head.line.clone(), day: self.day }
    }
}
