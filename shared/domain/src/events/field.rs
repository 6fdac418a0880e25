//! The fields of events: how JSON bodies, files' rows and stored items are read and
//! written alike.

use super::EntryKind;
use super::refusal::Refusal;
use super::taxes::Taxes;
use crate::units::id::{Reference, TaxCode};
use crate::units::money::{Money, Points};
use chrono::NaiveDate;
use std::fmt;

/// A field that a caller may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// In files, in refusals, and where events are compared.
    pub name: &'static str,
    /// In JSON bodies.
    pub json: &'static str,
    pub form: Form,
}

/// How the value of a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Currency units, as a decimal.
    Amount,
    /// A whole number.
    Points,
    /// An earlier event.
    Origin,
    /// Parts of the amount by tax code: `13`, or `13:80.00;9:20.00`.
    Taxes,
    /// One tax code.
    TaxCode,
}

pub const AMOUNT: Field = Field { name: "amount", json: "amount", form: Form::Amount };
/// What a member buys with points and with money.
pub const BILL: Field = Field { name: "amount", json: "bill", form: Form::Amount };
pub const POINTS: Field = Field { name: "points", json: "points", form: Form::Points };
/// How a sale is taxed, or what is refunded of it.
pub const TAXES: Field = Field { name: "tax", json: "taxes", form: Form::Taxes };
/// How what points pay for is taxed.
pub const TAX: Field = Field { name: "tax", json: "tax", form: Form::TaxCode };
pub const REVERSES: Field = Field { name: "reverses", json: "reverses", form: Form::Origin };

/// The event that a reversal takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub kind: EntryKind,
    pub reference: Reference,
    /// A day of it, where its line's references recur; without it the reversal's own.
    pub on: Option<NaiveDate>,
}

/// `kind:reference`, with `@day` where one is named.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.reference)?;
        self.on.map_or(Ok(()), |day| write!(f, "@{day}"))
    }
}

/// Where an event's fields are read from. A field that is not there is `None`.
pub trait Fields {
    type Error;

    fn amount(&self, field: &Field) -> Result<Option<Money>, Self::Error>;
    fn points(&self, field: &Field) -> Result<Option<Points>, Self::Error>;
    fn origin(&self, field: &Field) -> Result<Option<Origin>, Self::Error>;
    /// Parts of `amount`.
    fn taxes(&self, field: &Field, amount: Option<Money>) -> Result<Option<Taxes>, Self::Error>;
    fn tax_code(&self, field: &Field) -> Result<Option<TaxCode>, Self::Error>;

    fn missing(&self, field: &Field) -> Self::Error;
    fn refused(&self, refusal: Refusal) -> Self::Error;

    fn required<T>(
        &self,
        field: &Field,
        read: impl Fn(&Self, &Field) -> Result<Option<T>, Self::Error>,
    ) -> Result<T, Self::Error> {
        read(self, field)?.ok_or_else(|| self.missing(field))
    }

    /// Refuses a field that another kind behind the same word has.
    fn none<T>(
        &self,
        field: &Field,
        read: impl Fn(&Self, &Field) -> Result<Option<T>, Self::Error>,
        because: &'static str,
    ) -> Result<(), Self::Error> {
        match read(self, field)? {
            None => Ok(()),
            Some(_) => Err(self.refused(Refusal::Superfluous(field.name, because))),
        }
    }
}

/// Is told every field that an event has.
pub trait Said {
    fn amount(&mut self, field: &'static Field, amount: Money);
    fn points(&mut self, field: &'static Field, points: Points);
    fn origin(&mut self, field: &'static Field, origin: &Origin);
    fn taxes(&mut self, field: &'static Field, taxes: &Taxes);
    fn tax_code(&mut self, field: &'static Field, code: &TaxCode);
}
