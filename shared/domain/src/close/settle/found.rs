//! What the checks of a close found, one after the other.

use crate::close::checks::{CheckId, Severity};
use crate::close::settlement::{Check, Reread};
use crate::units::currency::Currency;
use crate::units::money::Money;

/// What is found is named up to so many.
const NAMED_MAX: usize = 20;
const NONE: &str = "none";

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
        self.equal_or(check.row().severity, check, expected, actual);
    }

    /// As [`equal`](Self::equal), where it depends on the terms what follows.
    pub(super) fn equal_or<T: PartialEq + ToString>(
        &mut self,
        severity: Severity,
        check: CheckId,
        expected: T,
        actual: T,
    ) {
        let pass = expected == actual;
        self.0.push(Check {
            check,
            expected: expected.to_string(),
            actual: actual.to_string(),
            pass,
            severity,
            accepted: None,
        });
    }

    /// Something that lies within bounds, or does not.
    pub(super) fn within(&mut self, check: CheckId, bounds: String, actual: String, pass: bool) {
        self.0.push(Check { check, expected: bounds, actual, pass, severity: check.row().severity, accepted: None });
    }

    /// None of a kind, or those that are.
    pub(super) fn none(&mut self, check: CheckId, found: Vec<String>) {
        self.none_or(check.row().severity, check, found);
    }

    /// As [`none`](Self::none), where it depends on the terms what follows.
    pub(super) fn none_or(&mut self, severity: Severity, check: CheckId, found: Vec<String>) {
        let pass = found.is_empty();
        let more = found.len().saturating_sub(NAMED_MAX);
        let mut named: Vec<String> = found.into_iter().take(NAMED_MAX).collect();
        named.extend((more > 0).then(|| format!("{more} more")));
        let actual = if pass { NONE.to_owned() } else { named.join("; ") };
        self.0.push(Check { check, expected: NONE.to_owned(), actual, pass, severity, accepted: None });
    }
}
