//! What every kind of event says of itself.

use super::EntryKind;
use super::canonical::Canonical;
use super::entry::{Entry, Head};
use super::field::{Field, Fields, Origin, Said};
use super::refusal::Refusal;
use super::stored::{Broken, Load, Store};
use super::taxes::Taxes;
use crate::claims::account::{Account, Repayment};
use crate::claims::lot::{Cohort, Slice};
use crate::legs::ControlKind;
use crate::legs::{Legs, Paid, RatingError};
use crate::terms::rulebook::{Awarded, Rulebook};
use crate::units::calendar::Period;
use crate::units::id::{SchemeId, TaxCode};
use crate::units::money::{Money, OutOfRange, Points};
use chrono::NaiveDate;
use chrono::{DateTime, Utc};
use std::fmt;

/// What was asked for, with what was decided of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Did<K: Kind> {
    pub asked: K,
    pub fact: K::Fact,
}

/// Where and when an event is decided.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    pub rulebook: &'a Rulebook,
    pub head: &'a Head,
    /// Of the event, in the programme's time zone.
    pub day: NaiveDate,
    /// The period that will clear it.
    pub booked: Period,
    /// What is to be taken back, if the ledger has it.
    pub target: Option<Target<'a>>,
}

/// The event that a reversal takes back, as the ledger found it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub entry: &'a Entry,
    /// How much of it has been reversed so far.
    pub reversed: &'a Reversed,
    /// By which it was decided.
    pub rulebook: &'a Rulebook,
}

/// How much of an entry has been reversed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reversed {
    pub points: Points,
    pub amount: Money,
    /// For a sale or points given: the points of each slice. Empty as long as nothing is reversed.
    pub by_slice: Vec<Points>,
    /// For a sale with tax codes: the amount of each part, in the codes' order. Empty as long as nothing is reversed.
    pub by_tax: Vec<Money>,
}

impl Reversed {
    /// Of the slice at a place.
    pub fn of_slice(&self, at: usize) -> Points {
        self.by_slice.get(at).copied().unwrap_or_default()
    }
}

/// What of an entry can be taken back, in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reversible<'a> {
    /// Of a sale.
    pub amount: Option<Money>,
    /// Where each slice is taken back for itself.
    pub slices: Option<&'a [Slice]>,
}

/// A member's lots and debts as an entry moves them.
pub trait Balances {
    fn lot(&mut self, cohort: &Cohort, points: Points) -> Result<(), OutOfRange>;
    fn debt(&mut self, creditor: &SchemeId, points: Points) -> Result<(), OutOfRange>;
}

impl dyn Balances + '_ {
    pub(super) fn gain(&mut self, slices: &[Slice]) -> Result<(), OutOfRange> {
        slices.iter().try_for_each(|slice| self.lot(&slice.cohort, slice.points))
    }

    pub(super) fn lose(&mut self, slices: &[Slice]) -> Result<(), OutOfRange> {
        slices.iter().try_for_each(|slice| self.lot(&slice.cohort, slice.points.negated()?))
    }

    pub(super) fn pay(&mut self, repaid: &[Repayment]) -> Result<(), OutOfRange> {
        repaid.iter().try_for_each(|Repayment { creditor, paid }| {
            self.lot(&paid.cohort, paid.points.negated()?)?;
            self.debt(creditor, paid.points.negated()?)
        })
    }
}

/// What a caller is told of what was decided, by the names of the API.
pub trait Show {
    fn money(&mut self, name: &'static str, amount: Money);
    fn slices(&mut self, name: &'static str, slices: &[Slice]);
    fn repaid(&mut self, name: &'static str, repaid: &[Repayment]);
    fn awards(&mut self, name: &'static str, awards: &[Awarded]);
}

/// One kind of event.
///
/// *Conservation*: what [`moves`](Kind::moves) does to lots, less what expired with
/// its cohort, is what the claims of [`legs`](Kind::legs) say; what it does to debts is
/// what they say is owed less what they say is repaid.
pub trait Kind: Sized + Clone + fmt::Debug + PartialEq + Eq {
    /// What callers call it.
    const WORD: EntryKind;
    /// What it takes back, if its word stands for several kinds.
    const REVERSES: Option<EntryKind> = None;
    /// Where control totals count it.
    const CONTROL: ControlKind;
    /// What callers say beside line, reference, member and time.
    const FIELDS: &'static [Field];
    /// The names under which its fact is stored.
    const STORED: &'static [&'static str];
    /// What is decided of it, and kept.
    type Fact: Clone + fmt::Debug + PartialEq + Eq;

    fn read<F: Fields>(from: &F) -> Result<Self, F::Error>;
    fn say(&self, said: &mut dyn Said);

    fn origin(&self) -> Option<&Origin> {
        None
    }

    /// Decides it on the account as it stands, and changes that. For a reversal also
    /// what is reversed of its target from now on.
    fn decide(&self, at: &At<'_>, account: &mut Account) -> Result<(Self::Fact, Option<Reversed>), Refusal>;

    fn store(fact: &Self::Fact, to: &mut dyn Store);
    fn load<L: Load>(from: &L) -> Result<Self::Fact, Broken>;
    fn write_canonical(fact: &Self::Fact, text: &mut Canonical);

    fn points(did: &Did<Self>) -> Result<Points, OutOfRange>;
    fn legs<'a>(
        did: &'a Did<Self>,
        head: &'a Head,
        rulebook: &'a Rulebook,
        legs: &mut Legs<'_, 'a>,
    ) -> Result<(), RatingError>;
    fn moves(fact: &Self::Fact, balances: &mut dyn Balances) -> Result<(), OutOfRange>;
    fn show(fact: &Self::Fact, to: &mut dyn Show) -> Result<(), OutOfRange>;

    /// The amount sold or refunded.
    fn consideration(_did: &Did<Self>) -> Money {
        Money::ZERO
    }

    /// That amount by tax code, if it has any.
    fn taxes(_did: &Did<Self>) -> Option<&Taxes> {
        None
    }

    /// What points paid of a bill.
    fn paid(_did: &Did<Self>) -> Option<Paid> {
        None
    }

    /// When what it is about was sold: a refund is of its sale's day.
    fn sold_at(_did: &Did<Self>, head: &Head) -> DateTime<Utc> {
        head.occurred()
    }

    fn reversible(_did: &Did<Self>) -> Option<Reversible<'_>> {
        None
    }

    fn recount(
        _did: &Did<Self>,
        _head: &Head,
        _booked: Period,
        _rulebook: &Rulebook,
        _account: &mut Account,
    ) -> Result<(), OutOfRange> {
        Ok(())
    }
}

impl<'a> At<'a> {
    /// That each part is of a code of the event's month, and all of them are the amount.
    pub(super) fn taxed(&self, taxes: &Taxes, amount: Money) -> Result<(), Refusal> {
        if taxes.is_empty() {
            return Ok(());
        }
        taxes.iter().try_for_each(|(code, _)| self.known(code))?;
        self.parts_of(taxes, amount)
    }

    /// That a code stands for something in the event's month.
    pub(super) fn known(&self, code: &TaxCode) -> Result<(), Refusal> {
        let month = Period::of_day(self.day);
        let unknown = || Refusal::UnknownTaxCode { code: code.clone(), month };
        self.rulebook.tax_code(code, month).map(|_| ()).ok_or_else(unknown)
    }

    pub(super) fn parts_of(&self, taxes: &Taxes, amount: Money) -> Result<(), Refusal> {
        let parts = taxes.sum()?;
        if parts == amount { Ok(()) } else { Err(Refusal::TaxesNotTheAmount(self.rulebook.currency.show(parts))) }
    }

    /// The member's own entry that a reversal takes back.
    pub(super) fn target(&self, origin: &Origin) -> Result<Target<'a>, Refusal> {
        let not_found = || Refusal::TargetNotFound { kind: origin.kind, reference: origin.reference.clone() };
        let whose = |entry: &Entry| entry.head.line == self.head.line && entry.head.member == self.head.member;
        let target = self.target.filter(|target| whose(target.entry)).ok_or_else(not_found)?;
        let happened = target.entry.head.occurred();
        if self.head.occurred() < happened {
            return Err(Refusal::BeforeTarget(happened));
        }
        Ok(target)
    }
}
