//! Why an event is refused.

use super::word::EntryKind;
use crate::units::calendar::Period;
use crate::units::currency::Shown;
use crate::units::id::{LineId, Reference};
use crate::units::limits::FUTURE_TOLERANCE_MINUTES;
use crate::units::money::{OutOfRange, Points};
use chrono::{DateTime, NaiveDate, Utc};

/// Why an event is refused. The text names the rule; [`Refusal::field`] the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("line {0} is not among the programme's lines")]
    UnknownLine(LineId),
    #[error("looks like a phone number: send an id of the programme's own, which names nobody")]
    PhoneLikeMember,
    #[error("lies more than {FUTURE_TOLERANCE_MINUTES} minutes in the future")]
    InTheFuture,
    #[error("lies before the programme's first period {0}")]
    BeforeProgramme(Period),
    #[error("line {line} does not take part on {day}")]
    LineNotActive { line: LineId, day: NaiveDate },
    #[error("line {line} issues no points on {day}")]
    NoEarnRule { line: LineId, day: NaiveDate },
    #[error("line {line} redeems no points on {day}")]
    NoBurnRule { line: LineId, day: NaiveDate },
    #[error("the member has {available} points, {requested} were asked for")]
    InsufficientPoints { available: Points, requested: Points },
    #[error("is below the minimum of {0} points")]
    BelowMinimum(Points),
    #[error("is not a multiple of {0} points")]
    OffStep(Points),
    #[error("is above the limit of {0} points an order")]
    AboveOrderCap(Points),
    #[error("is above the {cap} points that may pay for a bill of {bill}")]
    AboveBillCap { cap: Points, bill: Shown },
    #[error("is required: line {0} limits points to a share of the bill")]
    BillMissing(LineId),
    #[error("is above the {left} points left of the member's limit for the day")]
    AboveDayCap { left: Points },
    #[error("is above the {left} points left of the member's limit for the month")]
    AboveMonthCap { left: Points },
    #[error("no {kind} {reference} of this line and member was found")]
    TargetNotFound { kind: EntryKind, reference: Reference },
    #[error("a {0} cannot be reversed")]
    NotReversible(EntryKind),
    #[error("lies before the event that it reverses ({0})")]
    BeforeTarget(DateTime<Utc>),
    #[error("is already reversed in full")]
    AlreadyReversed,
    #[error("is more than the {0} points left to reverse")]
    MorePointsThanLeft(Points),
    #[error("is more than the {0} left to reverse")]
    MoreAmountThanLeft(Shown),
    #[error("must be empty: {1}")]
    Superfluous(&'static str, &'static str),
    #[error("makes a number that is out of range")]
    OutOfRange,
}

impl From<OutOfRange> for Refusal {
    fn from(_: OutOfRange) -> Self {
        Refusal::OutOfRange
    }
}

impl Refusal {
    /// A stable word for the rule.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::UnknownLine(_) => "unknown-line",
            Refusal::PhoneLikeMember => "phone-like-member",
            Refusal::InTheFuture => "in-the-future",
            Refusal::BeforeProgramme(_) => "before-programme",
            Refusal::LineNotActive { .. } => "line-not-active",
            Refusal::NoEarnRule { .. } => "no-earn-rule",
            Refusal::NoBurnRule { .. } => "no-burn-rule",
            Refusal::InsufficientPoints { .. } => "insufficient-points",
            Refusal::BelowMinimum(_) => "below-minimum",
            Refusal::OffStep(_) => "off-step",
            Refusal::AboveOrderCap(_) => "above-order-cap",
            Refusal::AboveBillCap { .. } => "above-bill-cap",
            Refusal::BillMissing(_) => "bill-missing",
            Refusal::AboveDayCap { .. } => "above-day-cap",
            Refusal::AboveMonthCap { .. } => "above-month-cap",
            Refusal::TargetNotFound { .. } => "target-not-found",
            Refusal::NotReversible(_) => "not-reversible",
            Refusal::BeforeTarget(_) => "before-target",
            Refusal::AlreadyReversed => "already-reversed",
            Refusal::MorePointsThanLeft(_) | Refusal::MoreAmountThanLeft(_) => "more-than-left",
            Refusal::Superfluous(..) => "superfluous-field",
            Refusal::OutOfRange => "out-of-range",
        }
    }

    pub fn field(&self) -> &'static str {
        match self {
            Refusal::UnknownLine(_) => "line",
            Refusal::PhoneLikeMember => "member",
            Refusal::InTheFuture | Refusal::BeforeProgramme(_) | Refusal::BeforeTarget(_) => "occurred_at",
            Refusal::LineNotActive { .. } | Refusal::NoEarnRule { .. } | Refusal::NoBurnRule { .. } => "line",
            Refusal::InsufficientPoints { .. }
            | Refusal::BelowMinimum(_)
            | Refusal::OffStep(_)
            | Refusal::AboveOrderCap(_)
            | Refusal::AboveBillCap { .. }
            | Refusal::AboveDayCap { .. }
            | Refusal::AboveMonthCap { .. }
            | Refusal::MorePointsThanLeft(_) => "points",
            Refusal::BillMissing(_) | Refusal::MoreAmountThanLeft(_) => "amount",
            Refusal::TargetNotFound { .. } | Refusal::NotReversible(_) | Refusal::AlreadyReversed => "reverses",
            Refusal::Superfluous(field, _) => field,
            Refusal::OutOfRange => "points",
        }
    }

    /// Whether the same event may be accepted later because other events changed
    /// the account. Such a refusal is remembered with the file it stood in.
    pub fn depends_on_state(&self) -> bool {
        match self {
            Refusal::InsufficientPoints { .. }
            | Refusal::AboveDayCap { .. }
            | Refusal::AboveMonthCap { .. }
            | Refusal::TargetNotFound { .. }
            | Refusal::AlreadyReversed
            | Refusal::MorePointsThanLeft(_)
            | Refusal::MoreAmountThanLeft(_) => true,
            Refusal::UnknownLine(_)
            | Refusal::PhoneLikeMember
            | Refusal::InTheFuture
            | Refusal::BeforeProgramme(_)
            | Refusal::LineNotActive { .. }
            | Refusal::NoEarnRule { .. }
            | Refusal::NoBurnRule { .. }
            | Refusal::BelowMinimum(_)
            | Refusal::OffStep(_)
            | Refusal::AboveOrderCap(_)
            | Refusal::AboveBillCap { .. }
            | Refusal::BillMissing(_)
            | Refusal::NotReversible(_)
            | Refusal::BeforeTarget(_)
            | Refusal::Superfluous(..)
            | Refusal::OutOfRange => false,
        }
    }
}
