//! Where every voucher of a close is posted.

use super::events::BooksEvent;
use super::voucher::{Voucher, VoucherLine, dimension_of};
use crate::terms::rulebook::{Account, BooksTerms, InputVat, Rulebook, Side};
use crate::units::calendar::Period;
use crate::units::id::LineId;
use crate::units::limits::SUMMARY_MAX;
use crate::units::money::{Money, OutOfRange};
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// An amount for an account. On which side it stands is decided by account, event and sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting<'a> {
    role: Account,
    with: Option<&'a LineId>,
    /// Of debit and credit the one it was said on, and how much: either sign.
    said: (Side, Money),
}

impl<'a> Posting<'a> {
    pub fn debit(role: Account, amount: Money) -> Self {
        Self { role, with: None, said: (Side::Debit, amount) }
    }

    pub fn credit(role: Account, amount: Money) -> Self {
        Self { role, with: None, said: (Side::Credit, amount) }
    }

    /// The other line.
    #[must_use]
    pub fn with(self, line: &'a LineId) -> Self {
        Self { with: Some(line), ..self }
    }

    /// Debit less credit.
    fn amount(&self) -> Result<Money, OutOfRange> {
        match self.said {
            (Side::Debit, amount) => Ok(amount),
            (Side::Credit, amount) => amount.negated(),
        }
    }
}

/// Why something could not be posted: a mistake of the program, never of a caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BooksError {
    #[error("a posting of {} in the books of {entity} is {} minor units off balance", .event.word(), .off.minor())]
    Unbalanced { entity: LineId, event: BooksEvent, off: Money },
    #[error("{} is no account of {}", .role.word(), .event.word())]
    NoAccount { event: BooksEvent, role: Account },
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

/// The books of all entities for a period.
pub struct Books<'a> {
    rulebook: &'a Rulebook,
    period: Period,
    terms: BooksTerms,
    /// By entity, event and which of several vouchers of it.
    vouchers: BTreeMap<(LineId, BooksEvent, usize), Vec<VoucherLine>>,
}

impl<'a> Books<'a> {
    pub fn new(rulebook: &'a Rulebook, period: Period) -> Self {
        Self { rulebook, period, terms: rulebook.books(period), vouchers: BTreeMap::new() }
    }

    pub fn terms(&self) -> &BooksTerms {
        &self.terms
    }

    /// Where input VAT stands when it arises.
    pub fn input_vat(&self) -> Account {
        match self.terms.input_vat {
            InputVat::Pending => Account::InputVatPending,
            InputVat::Direct => Account::InputVat,
        }
    }

    /// Adds lines that balance to an entity's voucher of an event. Amounts of zero are no lines.
    pub fn post(&mut self, entity: &LineId, event: BooksEvent, lines: &[Posting<'_>]) -> Result<(), BooksError> {
        self.post_apart(entity, event, 0, lines)
    }

    /// As [`post`](Self::post), to one of several vouchers of the event.
    pub(super) fn post_apart(
        &mut self,
        entity: &LineId,
        event: BooksEvent,
        which: usize,
        lines: &[Posting<'_>],
    ) -> Result<(), BooksError> {
        let mut off = Money::ZERO;
        let mut posted = Vec::new();
        for line in lines {
            let amount = line.amount()?;
            off.add(amount)?;
            let side = event.row().side(line.role);
            let usual = side.ok_or(BooksError::NoAccount { event, role: line.role })?;
            if !amount.is_zero() {
                posted.push(self.line(entity, event, usual, (line.role, line.with), amount)?);
            }
        }
        if !off.is_zero() {
            return Err(BooksError::Unbalanced { entity: entity.clone(), event, off });
        }
        if !posted.is_empty() {
            self.vouchers.entry((entity.clone(), event, which)).or_default().extend(posted);
        }
        Ok(())
    }

    fn line(
        &self,
        entity: &LineId,
        event: BooksEvent,
        usual: Side,
        (role, with): (Account, Option<&LineId>),
        amount: Money,
    ) -> Result<VoucherLine, OutOfRange> {
        let where_positive = if amount.is_negative() { Side::Credit } else { Side::Debit };
        let side = match role.natural_side() {
            _ if !self.terms.red => where_positive,
            Some(natural) => natural,
            None if event.row().is_given_back => usual,
            None => where_positive,
        };
        let (debit, credit) = match side {
            Side::Debit => (amount, Money::ZERO),
            Side::Credit => (Money::ZERO, amount.negated()?),
        };
        let account = self.rulebook.accounts.of(role);
        let code = |dimension| {
            let line = self.rulebook.line(dimension_of(dimension, entity, with)?)?;
            line.aux.get(&dimension).cloned()
        };
        Ok(VoucherLine {
            summary: self.summary(event, with),
            role,
            full_name: account.full_name(),
            aux: account.aux.iter().filter_map(|dimension| Some((*dimension, code(*dimension)?))).collect(),
            account: account.code,
            account_name: account.name,
            debit,
            credit,
            counterparty: with.cloned(),
        })
    }

    fn summary(&self, event: BooksEvent, with: Option<&LineId>) -> String {
        let mut text = format!("{} {}", self.period, event.word_zh());
        if let Some(line) = with.and_then(|line| self.rulebook.line(line)) {
            text.push(' ');
            text.push_str(&line.name_zh);
        }
        text.chars().take(SUMMARY_MAX).collect()
    }

    /// Every voucher on the period's last day, numbered for each entity.
    pub fn numbered(self) -> Vec<Voucher> {
        let (day, first) = (self.period.last_day(), self.terms.first_number);
        self.numbered_by(|_| day, |_, _| first)
    }

    /// Numbered for each entity and month: by the day of each voucher, and each month's first number.
    pub(super) fn numbered_by(
        self,
        day: impl Fn(usize) -> NaiveDate,
        first: impl Fn(&LineId, Period) -> u32,
    ) -> Vec<Voucher> {
        let word = self.terms.voucher_word;
        let mut next: BTreeMap<(LineId, Period), u32> = BTreeMap::new();
        let numbered = self.vouchers.into_iter().map(|((entity, event, which), lines)| {
            let date = day(which);
            let month = Period::of_day(date);
            let next = next.entry((entity.clone(), month)).or_insert_with(|| first(&entity, month));
            let number = *next;
            *next = next.saturating_add(1);
            Voucher { entity, word: word.clone(), number, date, event, lines }
        });
        numbered.collect()
    }
}
