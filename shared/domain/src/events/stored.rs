//! What was decided, as it is kept: named numbers and texts. The ledger keeps them
//! and never looks in.

use super::taxes::Taxes;
use crate::claims::account::Repayment;
use crate::claims::lot::Slice;
use crate::terms::rulebook::Awarded;
use crate::units::id::{AwardId, SchemeId, TaxCode};
use crate::units::moment::rfc3339_utc;
use crate::units::money::{Money, Points};
use chrono::{DateTime, Utc};
use std::fmt::Write;

/// A stored value that cannot be read, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken(pub &'static str);

pub trait Store {
    fn number(&mut self, name: &'static str, number: i64);
    fn text(&mut self, name: &'static str, text: String);
}

pub trait Load {
    fn number(&self, name: &'static str) -> Result<Option<i64>, Broken>;
    fn text(&self, name: &'static str) -> Result<Option<&str>, Broken>;
}

// Short, because every name is stored and paid for with every item.

/// Slices `funder|issued|expires:points;...`: issued, spent, or for a reversal those of
/// the original.
pub const SLICES: &str = "s";
/// Debts repaid `creditor:funder|issued|expires:points;...`
pub const REPAID: &str = "y";
/// What awards gave `award:scheme:points;...`
pub const AWARDS: &str = "aw";
/// Value granted or given back, in minor units.
pub const VALUE: &str = "g";
/// For a reversal: when its original happened, in UTC.
pub const ORIGINAL_AT: &str = "t";
/// For a reversal: the value or the amount of the original.
pub const ORIGINAL_VALUE: &str = "w";
/// For a reversal: points reversed before.
pub const BEFORE: &str = "q";
/// For a return: points given back now.
pub const RETURNED: &str = "n";
/// For a refund: the amount refunded before.
pub const BEFORE_AMOUNT: &str = "qa";
/// For a withdrawal: the points reversed before of each slice `points;...`
pub const BEFORE_BY_SLICE: &str = "qs";
/// For a refund: the amount refunded now.
pub const REFUNDED: &str = "b";
/// For a refund: the amounts of the sale by tax code `code:minor;...`
pub const ORIGINAL_TAXES: &str = "xo";
/// For a refund: the amounts refunded before of each tax code `minor;...`
pub const BEFORE_BY_TAX: &str = "xq";
/// For a refund: the amounts refunded now by tax code.
pub const REFUNDED_BY_TAX: &str = "xn";
/// For a return: the tax code of its original.
pub const ORIGINAL_TAX: &str = "xc";
/// For a withdrawal: the points withdrawn now of each slice `points;...`
pub const WITHDRAWN: &str = "ns";
/// For a withdrawal: slices that were taken from their lots.
pub const TAKEN: &str = "ts";
/// For a withdrawal: slices that expired unspent.
pub const GONE: &str = "gs";
/// For a withdrawal: slices that were spent already.
pub const OWED: &str = "e";

impl dyn Store + '_ {
    pub(super) fn money(&mut self, name: &'static str, amount: Money) {
        self.number(name, amount.minor());
    }

    pub(super) fn points(&mut self, name: &'static str, points: Points) {
        self.number(name, points.get());
    }

    pub(super) fn moment(&mut self, name: &'static str, moment: DateTime<Utc>) {
        self.text(name, rfc3339_utc(moment));
    }

    /// None at all are not stored.
    pub(super) fn slices(&mut self, name: &'static str, slices: &[Slice]) {
        self.list(name, slices, |text, slice| slice.write(text));
    }

    pub(super) fn repaid(&mut self, repaid: &[Repayment]) {
        self.list(REPAID, repaid, |text, Repayment { creditor, paid }| {
            text.push_str(creditor.as_str());
            text.push(':');
            paid.write(text);
        });
    }

    pub(super) fn awards(&mut self, awards: &[Awarded]) {
        self.list(AWARDS, awards, |text, Awarded { award, scheme, points }| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{award}:{scheme}:{points}");
        });
    }

    /// The points of each slice.
    pub fn by_slice(&mut self, name: &'static str, points: &[Points]) {
        self.list(name, points, |text, points| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{points}");
        });
    }

    /// None at all are not stored.
    pub(super) fn taxes(&mut self, name: &'static str, taxes: &Taxes) {
        if !taxes.is_empty() {
            self.text(name, taxes.to_string());
        }
    }

    /// One for each tax code.
    pub fn amounts(&mut self, name: &'static str, amounts: &[Money]) {
        self.list(name, amounts, |text, amount| {
            let _ = write!(text, "{}", amount.minor());
        });
    }

    fn list<T>(&mut self, name: &'static str, parts: &[T], write: impl Fn(&mut String, &T)) {
        if parts.is_empty() {
            return;
        }
        let mut text = String::with_capacity(parts.len() * 32);
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                text.push(';');
            }
            write(&mut text, part);
        }
        self.text(name, text);
    }
}

/// Reads what [`Store`] was given.
pub(super) struct Loaded<'a, L>(pub(super) &'a L);

impl<L: Load> Loaded<'_, L> {
    fn number(&self, name: &'static str) -> Result<i64, Broken> {
        self.0.number(name)?.ok_or(Broken(name))
    }

    pub(super) fn money(&self, name: &'static str) -> Result<Money, Broken> {
        self.number(name).map(Money::from_minor)
    }

    pub(super) fn points(&self, name: &'static str) -> Result<Points, Broken> {
        self.number(name).map(Points::new)
    }

    pub(super) fn moment(&self, name: &'static str) -> Result<DateTime<Utc>, Broken> {
        let text = self.0.text(name)?.ok_or(Broken(name))?;
        DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc()).map_err(|_| Broken(name))
    }

    pub(super) fn slices(&self, name: &'static str) -> Result<Vec<Slice>, Broken> {
        self.list(name, Slice::parse)
    }

    pub(super) fn repaid(&self) -> Result<Vec<Repayment>, Broken> {
        self.list(REPAID, |text| {
            let (creditor, paid) = text.split_once(':')?;
            Some(Repayment { creditor: SchemeId::parse(creditor).ok()?, paid: Slice::parse(paid)? })
        })
    }

    pub(super) fn awards(&self) -> Result<Vec<Awarded>, Broken> {
        self.list(AWARDS, |text| {
            let mut parts = text.split(':');
            let (award, scheme, points) = (parts.next()?, parts.next()?, parts.next()?);
            let points = Points::new(points.parse().ok()?);
            Some(Awarded { award: AwardId::parse(award).ok()?, scheme: SchemeId::parse(scheme).ok()?, points })
        })
    }

    pub(super) fn taxes(&self, name: &'static str) -> Result<Taxes, Broken> {
        Taxes::parse(self.0.text(name)?.unwrap_or_default()).ok_or(Broken(name))
    }

    pub(super) fn tax_code(&self, name: &'static str) -> Result<Option<TaxCode>, Broken> {
        self.0.text(name)?.map(|text| TaxCode::parse(text).map_err(|_| Broken(name))).transpose()
    }

    pub(super) fn amounts(&self, name: &'static str) -> Result<Vec<Money>, Broken> {
        self.list(name, |text| text.parse().ok().map(Money::from_minor))
    }

    pub(super) fn by_slice(&self, name: &'static str) -> Result<Vec<Points>, Broken> {
        self.list(name, |text| text.parse().ok().map(Points::new))
    }

    fn list<T>(&self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Broken> {
        let text = self.0.text(name)?.unwrap_or_default();
        text.split_terminator(';').map(parse).collect::<Option<_>>().ok_or(Broken(name))
    }
}

/// The amounts of each tax code, as [`Store`] was given them.
pub fn amounts<L: Load>(from: &L, name: &'static str) -> Result<Vec<Money>, Broken> {
    Loaded(from).amounts(name)
}

/// The points of each slice, as [`Store`] was given them.
pub fn by_slice<L: Load>(from: &L, name: &'static str) -> Result<Vec<Points>, Broken> {
    Loaded(from).by_slice(name)
}
