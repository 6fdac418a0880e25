//! Errors as callers see them: RFC 9457 problems with a stable type.

use crate::failure::{Class, Failure};
use crate::payments::NotConfirmed;
use interline_domain::close::period::CloseRefusal;
use interline_domain::events::{Refusal, Rule};
use interline_ledger::{LedgerError, Rejection};
use interline_reports::bucket::StoreError;
use serde_json::{Value, json};
use std::fmt;

/// What every problem's `type` starts with.
pub const TYPE_PREFIX: &str = "urn:interline:problem:";

/// One row of the table of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub slug: &'static str,
    pub status: u16,
    pub title: &'static str,
}

const fn kind(slug: &'static str, status: u16, title: &'static str) -> Kind {
    Kind { slug, status, title }
}

impl Kind {
    /// What an event is refused with.
    pub const fn of(rule: Rule) -> Self {
        let row = rule.row();
        kind(row.code, row.status, row.title)
    }
}

pub const INVALID_JSON: Kind = kind("invalid-json", 400, "The body is not the JSON that this call takes");
pub const INVALID_FIELD: Kind = kind("invalid-field", 400, "A field has a value that is not accepted");
pub const INVALID_CURSOR: Kind = kind("invalid-cursor", 400, "The cursor is not one that this list gave out");
pub const FORBIDDEN: Kind = kind("forbidden", 403, "The caller may not do this");
pub const NO_SUCH_PATH: Kind = kind("no-such-path", 404, "There is nothing under this path");
pub const NOT_FOUND: Kind = kind("not-found", 404, "What was asked for does not exist");
pub const METHOD_NOT_ALLOWED: Kind = kind("method-not-allowed", 405, "The path does not take this method");
pub const CONFLICT: Kind = kind("conflict", 409, "The reference is recorded with other content");
pub const PERIOD_FINAL: Kind = kind("period-final", 409, "The period has a final run, which is immutable");
pub const PREDECESSOR_OPEN: Kind = kind("predecessor-open", 409, "The period before is not final yet");
pub const TOO_EARLY: Kind = kind("too-early", 409, "The period may not be sealed yet");
pub const PERIOD_EMPTY: Kind =
    kind("period-empty", 409, "The period has no entries, and nobody said that this is right");
pub const CLOSE_UNDER_WAY: Kind = kind("close-under-way", 409, "A run of the period is under way");
pub const NOTHING_TO_CONFIRM: Kind = kind("nothing-to-confirm", 409, "No payment of the period is left to confirm");
pub const PAYMENTS_PLANNED: Kind =
    kind("payments-planned", 409, "Payments of the period are booked as planned, at its close");
pub const BODY_TOO_LARGE: Kind = kind("body-too-large", 413, "The body is too large");
pub const NOT_AS_ORDERED: Kind = kind("not-as-ordered", 422, "What was paid is not what was ordered");
pub const INTERNAL: Kind = kind("internal", 500, "Something is wrong on our side");
pub const UNAVAILABLE: Kind = kind("unavailable", 503, "Not possible at this moment; try again");

/// Every problem that a caller can meet.
pub const KINDS: [Kind; 43] = [
    INVALID_JSON,
    INVALID_FIELD,
    INVALID_CURSOR,
    FORBIDDEN,
    NO_SUCH_PATH,
    NOT_FOUND,
    Kind::of(Rule::UnknownLine),
    METHOD_NOT_ALLOWED,
    CONFLICT,
    PERIOD_FINAL,
    PREDECESSOR_OPEN,
    TOO_EARLY,
    PERIOD_EMPTY,
    CLOSE_UNDER_WAY,
    NOTHING_TO_CONFIRM,
    PAYMENTS_PLANNED,
    BODY_TOO_LARGE,
    Kind::of(Rule::PhoneLikeMember),
    Kind::of(Rule::InTheFuture),
    Kind::of(Rule::BeforeProgramme),
    Kind::of(Rule::LineNotActive),
    Kind::of(Rule::NoEarnRule),
    Kind::of(Rule::NoBurnRule),
    Kind::of(Rule::InsufficientPoints),
    Kind::of(Rule::BelowMinimum),
    Kind::of(Rule::OffStep),
    Kind::of(Rule::AboveOrderCap),
    Kind::of(Rule::AboveBillCap),
    Kind::of(Rule::BillMissing),
    Kind::of(Rule::AboveDayCap),
    Kind::of(Rule::AboveMonthCap),
    Kind::of(Rule::TargetNotFound),
    Kind::of(Rule::NotReversible),
    Kind::of(Rule::BeforeTarget),
    Kind::of(Rule::AlreadyReversed),
    Kind::of(Rule::MoreThanLeft),
    Kind::of(Rule::UnknownTaxCode),
    Kind::of(Rule::TaxesNotTheAmount),
    Kind::of(Rule::Superfluous),
    Kind::of(Rule::OutOfRange),
    NOT_AS_ORDERED,
    INTERNAL,
    UNAVAILABLE,
];

/// The methods of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow(pub Vec<&'static str>);

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub kind: Kind,
    pub detail: String,
    pub field: Option<String>,
    /// What the path takes instead.
    pub allow: Option<Box<Allow>>,
    /// For the log only; never sent.
    pub internal: Option<String>,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), field: None, allow: None, internal: None }
    }

    pub fn field(kind: Kind, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(kind, detail) }
    }

    pub fn invalid(field: impl Into<String>, rule: impl ToString) -> Self {
        Self::field(INVALID_FIELD, field, rule.to_string())
    }

    /// A field that a body must have; with those it stands in before it.
    pub fn missing(field: &str) -> Self {
        Self::field(INVALID_JSON, field, format!("missing field `{}`", name(field)))
    }

    /// A field that stands in a body twice.
    pub fn twice(field: &str) -> Self {
        Self::field(INVALID_JSON, field, format!("duplicate field `{}`", name(field)))
    }

    pub fn takes(allow: Allow) -> Self {
        let problem = Self::new(METHOD_NOT_ALLOWED, format!("the path takes {allow}"));
        Self { allow: Some(Box::new(allow)), ..problem }
    }

    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(NOT_FOUND, what)
    }

    pub fn json(&self) -> Value {
        let Kind { slug, status, title } = self.kind;
        let mut json = json!({
            "type": format!("{TYPE_PREFIX}{slug}"), "title": title, "status": status, "detail": self.detail,
        });
        if let Some(field) = &self.field {
            json["field"] = json!(field);
        }
        json
    }

    fn unavailable(internal: String) -> Self {
        let detail = "too busy or out of reach for a moment; repeat the request as it is";
        Self { internal: Some(internal), ..Self::new(UNAVAILABLE, detail) }
    }

    fn internal(error: &dyn std::error::Error) -> Self {
        let detail = "something went wrong, and we have been told; the request may be repeated as it is";
        Self { internal: Some(error.to_string()), ..Self::new(INTERNAL, detail) }
    }
}

/// A field's own name.
fn name(field: &str) -> &str {
    field.rsplit('.').next().unwrap_or(field)
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        Self::field(Kind::of(refusal.rule()), refusal.field(), refusal.to_string())
    }
}

impl From<&Rejection> for Problem {
    fn from(rejection: &Rejection) -> Self {
        let kind = match rejection {
            Rejection::Refused(refusal) => Kind::of(refusal.rule()),
            Rejection::RefusedBefore(before) => Kind::of(before.rule),
            Rejection::Conflict(_) => CONFLICT,
        };
        Self::field(kind, rejection.field(), rejection.to_string())
    }
}

impl From<&CloseRefusal> for Problem {
    fn from(refusal: &CloseRefusal) -> Self {
        let kind = match refusal {
            CloseRefusal::BeforeProgramme { .. } | CloseRefusal::NotBegun { .. } => NOT_FOUND,
            CloseRefusal::PredecessorOpen { .. } => PREDECESSOR_OPEN,
            CloseRefusal::TooEarly { .. } => TOO_EARLY,
            CloseRefusal::Empty(_) => PERIOD_EMPTY,
            CloseRefusal::UnderWay { .. } => CLOSE_UNDER_WAY,
            CloseRefusal::AlreadyFinal { .. } => PERIOD_FINAL,
            CloseRefusal::NotSealed(_) => return Self::internal(refusal),
        };
        Self::new(kind, refusal.to_string())
    }
}

impl From<CloseRefusal> for Problem {
    fn from(refusal: CloseRefusal) -> Self {
        Self::from(&refusal)
    }
}

impl From<NotConfirmed> for Problem {
    fn from(error: NotConfirmed) -> Self {
        let said = error.to_string();
        match error {
            NotConfirmed::NotFinal(_) => Self::not_found(said),
            NotConfirmed::Nothing(_) => Self::new(NOTHING_TO_CONFIRM, said),
            NotConfirmed::Planned(_) => Self::new(PAYMENTS_PLANNED, said),
            NotConfirmed::TooEarly { .. } | NotConfirmed::OtherAmount { .. } => Self::new(NOT_AS_ORDERED, said),
            NotConfirmed::AtOnce(_) => Self::unavailable(said),
            NotConfirmed::Failed(failure) => failure.into(),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        if matches!(failure.class(), Class::Retryable | Class::TimedOut) {
            return Self::unavailable(failure.to_string());
        }
        match &failure {
            Failure::Ledger(error) => match error {
                LedgerError::Unavailable(_)
                | LedgerError::Conflicted
                | LedgerError::WrongClock { .. }
                | LedgerError::Refused(_)
                | LedgerError::Contention(_)
                | LedgerError::Broken { .. }
                | LedgerError::PeriodChanged(_)
                | LedgerError::RulebookChanged
                | LedgerError::NoRulebook
                | LedgerError::Rulebook { .. } => Self::internal(error),
                LedgerError::Close(refusal) => refusal.into(),
            },
            Failure::Close(refusal) => refusal.into(),
            other => Self::internal(other),
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        Failure::from(error).into()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Failure::from(error).into()
    }
}

impl From<interline_domain::units::money::OutOfRange> for Problem {
    fn from(_: interline_domain::units::money::OutOfRange) -> Self {
        Self::from(&Refusal::OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interline_domain::events::RULES;

    #[test]
    fn every_rule_of_events_is_a_problem_and_a_conflict_is_told_alike_by_the_ledger() {
        for row in RULES {
            assert!(KINDS.contains(&Kind::of(row.rule)), "{}", row.code);
        }
        assert_eq!(Rejection::Conflict("amount").code(), CONFLICT.slug);
    }

    #[test]
    fn every_problem_has_its_own_type() {
        for (at, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..at].iter().all(|other| other.slug != kind.slug), "{}", kind.slug);
        }
    }
}
