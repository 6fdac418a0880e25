//! How the vouchers of a month are written.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::keys::Everywhere;
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::units::calendar::Period;
use crate::units::limits::{FIRST_NUMBER_MAX, PREPARED_BY_MAX, VOUCHER_WORD_MAX};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// What of the sales is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sales {
    /// Only what is deferred for their points: the tills' own vouchers have receipts, revenue and VAT.
    Deferral,
    /// Receipts, revenue and VAT, too.
    Full,
}

/// Where input VAT stands when it arises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputVat {
    /// On its own account until a person certifies the invoice.
    Pending,
    Direct,
}

/// When payments are posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cash {
    /// Once the bank has carried them out.
    Confirmed,
    /// At the close, with the day on which they are to be paid.
    Planned,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BooksTerms {
    pub voucher_word: String,
    pub first_number: u32,
    /// None: payments go on after the vouchers of the close.
    pub cash_first_number: Option<u32>,
    /// What would be negative stands as a negative figure on its own side, and not on the other.
    pub red: bool,
    pub prepared_by: String,
    pub sales: Sales,
    pub input_vat: InputVat,
    pub cash: Cash,
}

impl Default for BooksTerms {
    fn default() -> Self {
        Self {
            voucher_word: WORD.to_owned(),
            first_number: 1,
            cash_first_number: None,
            red: true,
            prepared_by: PREPARED_BY.to_owned(),
            sales: Sales::Deferral,
            input_vat: InputVat::Pending,
            cash: Cash::Confirmed,
        }
    }
}

/// The word for a general voucher in Chinese accounting programs.
const WORD: &str = "记";
const PREPARED_BY: &str = "Interline";

tables! {
    BooksFile {
        /// First day, the first of a month; without it the programme's first.
        from: Option<String> = optional(None),
        /// Last day, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// The kind of voucher in the accounting program.
        voucher_word: String = optional(WORD.to_owned()),
        /// From which number on the vouchers of each entity and month are numbered.
        first_number: u32 = optional(1),
        /// From which number on those of payments are numbered, by the month of payment; without it after the vouchers
        /// of the close. To be given where the month of payment has vouchers of its own with the same word.
        cash_first_number: Option<u32> = optional(None),
        /// Whether profit, loss and tax stand on their own side as negative figures, and what is given back on the side
        /// of what it reverses; otherwise everything stands where it is positive.
        red: bool = optional(true),
        /// Who prepared the vouchers.
        prepared_by: String = optional(PREPARED_BY.to_owned()),
        /// `deferral`: of sales only what is deferred for their points is posted; `full`: receipts, revenue and VAT, too.
        sales: Sales = optional(Sales::Deferral),
        /// `pending`: input VAT waits on an account of its own for the invoice's certification; `direct`: it does not.
        input_vat: InputVat = optional(InputVat::Pending),
        /// `confirmed`: payments are posted once they were made; `planned`: at the close, with the day of payment.
        cash: Cash = optional(Cash::Confirmed),
    }
}

pub struct BooksSection;

impl Section for BooksSection {
    const NAME: &'static str = "books";
    const ABOUT: &'static str = "How vouchers are written, by the month that is closed.";
    type File = BooksFile;
    type Pattern = ();
    type Rule = BooksTerms;

    fn check(rule: BooksFile, place: &Place, check: &mut Check) -> Option<((), Span<BooksTerms>)> {
        for (field, text, most) in [
            ("voucher_word", &rule.voucher_word, VOUCHER_WORD_MAX),
            ("prepared_by", &rule.prepared_by, PREPARED_BY_MAX),
        ] {
            check.printable(place, field, text, most);
            if text.trim() != text || text.is_empty() {
                check.refuse(place, field, "must neither be empty nor begin or end with a blank");
            }
        }
        let numbers = [("first_number", Some(rule.first_number)), ("cash_first_number", rule.cash_first_number)];
        for (field, number) in numbers {
            if number.is_some_and(|number| !(1..=FIRST_NUMBER_MAX).contains(&number)) {
                check.refuse(place, field, format!("must be 1 to {FIRST_NUMBER_MAX}"));
            }
        }
        let BooksFile { from, to, voucher_word, first_number, cash_first_number, red, prepared_by, .. } = rule;
        let value = BooksTerms {
            voucher_word,
            first_number,
            cash_first_number,
            red,
            prepared_by,
            sales: rule.sales,
            input_vat: rule.input_vat,
            cash: rule.cash,
        };
        Some(((), check.months_of_programme(place, from.as_deref(), to.as_deref(), Some(value))?))
    }

    fn compare(comparison: &mut Comparison<'_>) {
        comparison.of_programme(
            BooksSection::NAME,
            |book| &book.sections.books,
            |book, day| book.books(Period::of_day(day)),
            words,
        );
    }
}

fn words(terms: &BooksTerms) -> String {
    let BooksTerms { voucher_word, first_number, cash_first_number, red, prepared_by, sales, input_vat, cash } = terms;
    let mut text = format!("{voucher_word} from {first_number}");
    if let Some(number) = cash_first_number {
        let _ = write!(text, ", payments from {number}");
    }
    let sales = match sales {
        Sales::Deferral => "deferral",
        Sales::Full => "full",
    };
    let input_vat = match input_vat {
        InputVat::Pending => "pending",
        InputVat::Direct => "direct",
    };
    let cash = match cash {
        Cash::Confirmed => "confirmed",
        Cash::Planned => "planned",
    };
    let _ = write!(text, ", red {red}, by {prepared_by}, sales {sales}, input VAT {input_vat}, cash {cash}");
    text
}

impl Rulebook {
    /// How the vouchers of a period are written.
    pub fn books(&self, period: Period) -> BooksTerms {
        self.sections.books.on(&Everywhere, period.first_day()).cloned().unwrap_or_default()
    }
}
