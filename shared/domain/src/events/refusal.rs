//! Why an event is refused.

use super::EntryKind;
use crate::units::calendar::Period;
use crate::units::currency::Shown;
use crate::units::id::{LineId, Reference, TaxCode};
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
    #[error("the programme has no tax code {code} in {month}")]
    UnknownTaxCode { code: TaxCode, month: Period },
    #[error("its parts are {0} together and not the amount")]
    TaxesNotTheAmount(Shown),
    #[error("is more than is left of {0} to reverse")]
    MoreTaxedThanLeft(TaxCode),
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

/// What an event is measured by: one for each problem that a caller can meet with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    UnknownLine,
    PhoneLikeMember,
    InTheFuture,
    BeforeProgramme,
    LineNotActive,
    NoEarnRule,
    NoBurnRule,
    InsufficientPoints,
    BelowMinimum,
    OffStep,
    AboveOrderCap,
    AboveBillCap,
    BillMissing,
    AboveDayCap,
    AboveMonthCap,
    TargetNotFound,
    NotReversible,
    BeforeTarget,
    AlreadyReversed,
    MoreThanLeft,
    UnknownTaxCode,
    TaxesNotTheAmount,
    Superfluous,
    OutOfRange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub rule: Rule,
    /// A stable word for the rule.
    pub code: &'static str,
    /// The field that breaks it, unless the refusal names one.
    pub field: &'static str,
    /// Whether the same event may be accepted later because other events changed
    /// the account. Such a refusal is remembered with the file it stood in.
    pub by_state: bool,
    /// What the API answers with.
    pub status: u16,
    pub title: &'static str,
}

const fn row(
    rule: Rule,
    (code, field, by_state): (&'static str, &'static str, bool),
    (status, title): (u16, &'static str),
) -> Row {
    Row { rule, code, field, by_state, status, title }
}

/// In the order of [`Rule`].
pub const RULES: [Row; 24] = [
    row(Rule::UnknownLine, ("unknown-line", "line", false), (404, "The programme has no such line")),
    row(
        Rule::PhoneLikeMember,
        ("phone-like-member", "member", false),
        (422, "The member's id looks like a phone number"),
    ),
    row(Rule::InTheFuture, ("in-the-future", "occurred_at", false), (422, "The event lies in the future")),
    row(
        Rule::BeforeProgramme,
        ("before-programme", "occurred_at", false),
        (422, "The event lies before the programme began"),
    ),
    row(Rule::LineNotActive, ("line-not-active", "line", false), (422, "The line does not take part on that day")),
    row(Rule::NoEarnRule, ("no-earn-rule", "line", false), (422, "The line issues no points on that day")),
    row(Rule::NoBurnRule, ("no-burn-rule", "line", false), (422, "The line redeems no points on that day")),
    row(Rule::InsufficientPoints, ("insufficient-points", "points", true), (422, "The member has not enough points")),
    row(Rule::BelowMinimum, ("below-minimum", "points", false), (422, "Fewer points than the line's minimum")),
    row(Rule::OffStep, ("off-step", "points", false), (422, "Not a multiple of the line's step")),
    row(Rule::AboveOrderCap, ("above-order-cap", "points", false), (422, "More points than an order may take")),
    row(Rule::AboveBillCap, ("above-bill-cap", "points", false), (422, "More points than may pay for this bill")),
    row(Rule::BillMissing, ("bill-missing", "amount", false), (422, "The line needs to know the bill")),
    row(Rule::AboveDayCap, ("above-day-cap", "points", true), (422, "More points than the member may redeem in a day")),
    row(
        Rule::AboveMonthCap,
        ("above-month-cap", "points", true),
        (422, "More points than the member may redeem in a month"),
    ),
    row(Rule::TargetNotFound, ("target-not-found", "reverses", true), (422, "There is no such event to reverse")),
    row(Rule::NotReversible, ("not-reversible", "reverses", false), (422, "Events of this kind cannot be reversed")),
    row(
        Rule::BeforeTarget,
        ("before-target", "occurred_at", false),
        (422, "The reversal lies before what it reverses"),
    ),
    row(Rule::AlreadyReversed, ("already-reversed", "reverses", true), (422, "The event is reversed in full already")),
    row(Rule::MoreThanLeft, ("more-than-left", "points", true), (422, "More than is left to reverse")),
    row(Rule::UnknownTaxCode, ("unknown-tax-code", "tax", false), (422, "The programme has no such tax code")),
    row(Rule::TaxesNotTheAmount, ("taxes-not-the-amount", "tax", false), (422, "The taxed parts are not the amount")),
    row(Rule::Superfluous, ("superfluous-field", "", false), (422, "The field has no place in this event")),
    row(Rule::OutOfRange, ("out-of-range", "points", false), (422, "A number becomes too large")),
];

const _: () = {
    let mut at = 0;
    while at < RULES.len() {
        assert!(RULES[at].rule as usize == at, "the table is in the order of its rules");
        at += 1;
    }
};

impl Rule {
    pub const fn row(self) -> &'static Row {
        &RULES[self as usize]
    }

    pub fn from_code(code: &str) -> Option<Self> {
        RULES.iter().find(|row| row.code == code).map(|row| row.rule)
    }
}

impl Refusal {
    pub const fn rule(&self) -> Rule {
        match self {
            Refusal::UnknownLine(_) => Rule::UnknownLine,
            Refusal::PhoneLikeMember => Rule::PhoneLikeMember,
            Refusal::InTheFuture => Rule::InTheFuture,
            Refusal::BeforeProgramme(_) => Rule::BeforeProgramme,
            Refusal::LineNotActive { .. } => Rule::LineNotActive,
            Refusal::NoEarnRule { .. } => Rule::NoEarnRule,
            Refusal::NoBurnRule { .. } => Rule::NoBurnRule,
            Refusal::InsufficientPoints { .. } => Rule::InsufficientPoints,
            Refusal::BelowMinimum(_) => Rule::BelowMinimum,
            Refusal::OffStep(_) => Rule::OffStep,
            Refusal::AboveOrderCap(_) => Rule::AboveOrderCap,
            Refusal::AboveBillCap { .. } => Rule::AboveBillCap,
            Refusal::BillMissing(_) => Rule::BillMissing,
            Refusal::AboveDayCap { .. } => Rule::AboveDayCap,
            Refusal::AboveMonthCap { .. } => Rule::AboveMonthCap,
            Refusal::TargetNotFound { .. } => Rule::TargetNotFound,
            Refusal::NotReversible(_) => Rule::NotReversible,
            Refusal::BeforeTarget(_) => Rule::BeforeTarget,
            Refusal::AlreadyReversed => Rule::AlreadyReversed,
            Refusal::MorePointsThanLeft(_) | Refusal::MoreAmountThanLeft(_) | Refusal::MoreTaxedThanLeft(_) => {
                Rule::MoreThanLeft
            }
            Refusal::UnknownTaxCode { .. } => Rule::UnknownTaxCode,
            Refusal::TaxesNotTheAmount(_) => Rule::TaxesNotTheAmount,
            Refusal::Superfluous(..) => Rule::Superfluous,
            Refusal::OutOfRange => Rule::OutOfRange,
        }
    }

    /// A stable word for the rule.
    pub const fn code(&self) -> &'static str {
        self.rule().row().code
    }

    pub const fn field(&self) -> &'static str {
        if let Refusal::Superfluous(field, _) = self {
            return field;
        }
        if let Refusal::MoreAmountThanLeft(_) = self {
            return "amount";
        }
        if let Refusal::MoreTaxedThanLeft(_) = self {
            return "tax";
        }
        self.rule().row().field
    }

    /// Whether the same event may be accepted later because other events changed
    /// the account.
    pub const fn depends_on_state(&self) -> bool {
        self.rule().row().by_state
    }
}
