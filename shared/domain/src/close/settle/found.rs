//! What the checks of a close found, one after the other.

use crate::close::checks::CheckId;
use crate::close::settlement::{Check, Reread};
use crate::units::currency::Currency;
use crate::units::money::Money;

pub(super) struct Checks(pub(super) Vec<Check>);

impl Checks {
    /// Names the month and, if it fails, the shards.
    pub(super) fn unchanged(&mut self, check: CheckId, reread: &Reread<'_>) {
        let (shards, changed) = (reread.recorded.len().max(reread.found.len()), reread.changed());
        let text = |shards: usize| format!("{shards} of {}", reread.period);
        let actual = match changed.is_empty() {
            true => text(shards),
            false => format!("{}, not {changed:?}", text(shards - changed.len())),
        };
        self.equal(check, text(shards), actual);
    }

    pub(super) fn amounts(&mut self, check: CheckId, currency: Currency, expected: Money, actual: Money) {
        self.equal(check, currency.show(expected), currency.show(actual));
    }

    pub(super) fn equal<T: PartialEq + ToString>(&mut self, check: CheckId, expected: T, actual: T) {
        let pass = expected == actual;
        self.0.push(Check { check, expected: expected.to_string(), actual: actual.to_string(), pass });
    }
}
