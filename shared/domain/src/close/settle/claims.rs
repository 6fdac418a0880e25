//! Members' claims against the points and debts of a settlement.

use super::found::Checks;
use crate::claims::lot::{Cohort, Expiry};
use crate::close::checks::CheckId;
use crate::close::settlement::{CohortBalance, Debt, Settlement};
use crate::units::id::SchemeId;
use crate::units::money::{OutOfRange, Points};
use std::collections::BTreeMap;

/// What members hold by the entries of all months up to a settlement's, and how many
/// accounts are something else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MembersClaims {
    /// Entries of the settlement's month.
    pub entries: u64,
    /// Whether they are as many in every shard as were tallied. In a month that is still
    /// open more may have come between the two steps.
    pub as_tallied: bool,
    pub lots: BTreeMap<Cohort, Points>,
    pub debts: BTreeMap<SchemeId, Points>,
    /// How many members owe each creditor something.
    pub indebted: BTreeMap<SchemeId, u64>,
    pub differing: u64,
}

impl MembersClaims {
    /// Adds those of another shard.
    pub fn add(
        &mut self,
        entries: u64,
        lots: &[CohortBalance],
        (debts, indebted): (&[Debt], &BTreeMap<SchemeId, u64>),
        differing: usize,
    ) -> Result<(), OutOfRange> {
        self.entries = self.entries.checked_add(entries).ok_or(OutOfRange)?;
        self.differing = self.differing.checked_add(differing as u64).ok_or(OutOfRange)?;
        for CohortBalance { cohort, points } in lots {
            self.lots.entry(cohort.clone()).or_default().add(*points)?;
        }
        for Debt { creditor, points } in debts {
            self.debts.entry(creditor.clone()).or_default().add(*points)?;
        }
        for (creditor, members) in indebted {
            let sum = self.indebted.entry(creditor.clone()).or_default();
            *sum = sum.checked_add(*members).ok_or(OutOfRange)?;
        }
        self.lots.retain(|_, points| !points.is_zero());
        self.debts.retain(|_, points| !points.is_zero());
        Ok(())
    }
}

impl Settlement {
    /// Adds the lines of the checklist by which members' claims are proven.
    pub fn prove_claims(&mut self, claims: &MembersClaims, tallied: u64, is_final: bool) -> Result<(), OutOfRange> {
        self.indebted.clone_from(&claims.indebted);
        let mut checks = Checks(std::mem::take(&mut self.checklist));
        if is_final || claims.as_tallied {
            checks.equal(CheckId::ClaimsEntries, tallied, claims.entries);
            self.compare_claims(&mut checks, claims)?;
        }
        checks.equal(CheckId::AccountsDiffering, 0, claims.differing);
        self.checklist = checks.0;
        Ok(())
    }

    fn compare_claims(&self, checks: &mut Checks, claims: &MembersClaims) -> Result<(), OutOfRange> {
        let last_day = self.state.period.last_day();
        let is_open = |cohort: &Cohort| match cohort.expires {
            Expiry::On(day) => day > last_day,
            Expiry::Never => true,
        };
        let held = claims.lots.iter().filter(|(cohort, _)| is_open(cohort));
        let held: BTreeMap<&Cohort, Points> = held.map(|(cohort, points)| (cohort, *points)).collect();
        let closing: BTreeMap<&Cohort, Points> =
            self.state.cohorts.iter().map(|balance| (&balance.cohort, balance.points)).collect();
        let sum = |points: &BTreeMap<&Cohort, Points>| Points::sum(points.values().copied());
        checks.equal(CheckId::ClaimsCohorts, sum(&closing)?, sum(&held)?);
        checks.equal(CheckId::ClaimsCohortsApart, 0, differing(&closing, &held));
        let owed: BTreeMap<&SchemeId, Points> =
            self.state.debts.iter().map(|debt| (&debt.creditor, debt.points)).collect();
        let of_members: BTreeMap<&SchemeId, Points> =
            claims.debts.iter().map(|(creditor, points)| (creditor, *points)).collect();
        checks.equal(CheckId::ClaimsDebts, 0, differing(&owed, &of_members));
        Ok(())
    }
}

/// How many keys have other points in one map than in the other; none is zero.
fn differing<K: Ord>(one: &BTreeMap<K, Points>, other: &BTreeMap<K, Points>) -> usize {
    let changed = one.iter().filter(|(key, points)| other.get(*key) != Some(*points)).count();
    changed + other.keys().filter(|key| !one.contains_key(*key)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_either_side_differ_once() {
        let of = |pairs: &[(u8, i64)]| -> BTreeMap<u8, Points> {
            pairs.iter().map(|(key, points)| (*key, Points::new(*points))).collect()
        };
        for (one, other, expected) in [
            (&[][..], &[][..], 0),
            (&[(1, 5)], &[(1, 5)], 0),
            (&[(1, 5)], &[(1, 4)], 1),
            (&[(1, 5)], &[], 1),
            (&[], &[(1, 5)], 1),
            (&[(1, 5), (2, 1)], &[(2, 1), (3, 5)], 2),
        ] {
            assert_eq!(differing(&of(one), &of(other)), expected, "{one:?} {other:?}");
        }
    }
}
