//! A report as a table, before it becomes a file.

use crate::words::{Words, value_words};
use interline_domain::units::currency::Currency;
use interline_domain::units::money::{Money, Points, Rate};
use rust_decimal::Decimal;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The byte order mark by which Excel knows UTF-8.
pub const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Digits of a number that a spreadsheet shows as they are.
const SHOWN_DIGITS: usize = 11;

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Codes, names, dates.
    Text(String),
    Money(Money),
    Points(Points),
    Count(u64),
    /// A rate, a share or an age; is never summed.
    Rate(Decimal),
    /// A part of one, which people read in percent.
    Percent(Decimal),
    /// A word of ours, which people read in their language.
    Word(&'static str, Words),
    Empty,
}

impl Cell {
    pub fn text(text: impl ToString) -> Self {
        Cell::Text(text.to_string())
    }

    pub fn word(code: &'static str) -> Self {
        Cell::Word(code, value_words(code))
    }

    pub fn part(rate: Rate) -> Self {
        Cell::Percent(rate.decimal())
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// The file's name without its ending.
    pub name: &'static str,
    /// Of its amounts.
    pub currency: Currency,
    pub columns: Vec<Heading>,
    pub rows: Vec<Vec<Cell>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Heading {
    pub name: Cow<'static, str>,
    pub words: Words,
    /// Whether the sum of the column means something.
    pub sum: bool,
}

/// What a file adds up to, for the manifest: of the columns whose sum means something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    pub rows: u64,
    pub sums: BTreeMap<String, String>,
}

impl Sheet {
    pub fn totals(&self) -> Totals {
        let mut money: BTreeMap<&str, i128> = BTreeMap::new();
        let mut whole: BTreeMap<&str, i128> = BTreeMap::new();
        for row in &self.rows {
            for (column, cell) in self.columns.iter().zip(row).filter(|(column, _)| column.sum) {
                let column = column.name.as_ref();
                match cell {
                    Cell::Money(amount) => *money.entry(column).or_default() += i128::from(amount.minor()),
                    Cell::Points(points) => *whole.entry(column).or_default() += i128::from(points.get()),
                    Cell::Count(count) => *whole.entry(column).or_default() += i128::from(*count),
                    Cell::Text(_) | Cell::Word(..) | Cell::Rate(_) | Cell::Percent(_) | Cell::Empty => {}
                }
            }
        }
        let money =
            money.into_iter().map(|(column, sum)| (column.to_owned(), self.currency.show_minor(sum).to_string()));
        let whole = whole.into_iter().map(|(column, sum)| (column.to_owned(), sum.to_string()));
        Totals { rows: self.rows.len() as u64, sums: money.chain(whole).collect() }
    }

    /// RFC 4180 with CRLF and a byte order mark; all decimals of the currency, no separators,
    /// no trailer.
    pub fn csv(&self) -> Vec<u8> {
        let mut bytes = BOM.to_vec();
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(&mut bytes);
        // Writing to memory cannot fail.
        let _ = writer.write_record(self.columns.iter().map(|column| column.name.as_ref()));
        for row in &self.rows {
            let _ = writer.write_record(row.iter().map(|cell| self.cell_text(cell)));
        }
        let _ = writer.flush();
        drop(writer);
        bytes
    }

    fn cell_text(&self, cell: &Cell) -> String {
        match cell {
            Cell::Text(text) => kept_as_text(text).into_owned(),
            Cell::Money(amount) => self.currency.show(*amount).to_string(),
            Cell::Points(points) => points.to_string(),
            Cell::Count(count) => count.to_string(),
            Cell::Word(code, _) => (*code).to_owned(),
            Cell::Rate(rate) | Cell::Percent(rate) => rate.to_string(),
            Cell::Empty => String::new(),
        }
    }
}

/// As [`neutral`], and so does what it would take for a number and write otherwise: digits of
/// which it keeps fifteen and shows eleven, and those before which there is a zero.
fn kept_as_text(text: &str) -> Cow<'_, str> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match digits && (text.len() > SHOWN_DIGITS || (text.len() > 1 && text.starts_with('0'))) {
        true => Cow::Owned(format!("'{text}")),
        false => neutral(text),
    }
}

/// Text that a spreadsheet would take for a formula gets an apostrophe in front.
/// East Asian ones also know the signs in full width.
pub fn neutral(text: &str) -> Cow<'_, str> {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠') => {
            Cow::Owned(format!("'{text}"))
        }
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Column, column, summed};

    #[test]
    fn digits_that_are_no_number_stay_what_they_are() {
        for (text, written) in [
            ("6217001234567890123", "'6217001234567890123"),
            ("0217", "'0217"),
            ("102290000003", "'102290000003"),
            ("22210107", "22210107"),
            ("0", "0"),
            ("6217-0000-0000-0002", "6217-0000-0000-0002"),
            ("DE89370400440532013000", "DE89370400440532013000"),
            ("=1", "'=1"),
            ("", ""),
        ] {
            assert_eq!(kept_as_text(text), written);
        }
    }

    #[test]
    fn formulas_in_text_are_neutralised_and_negative_amounts_stay_numbers() {
        let sheet = Sheet {
            name: "test",
            currency: Currency::parse("CNY").unwrap(),
            columns: [column("text", "", ""), summed("amount", "", "")].iter().map(Column::heading).collect(),
            rows: ["=1+1", "+1", "-1", "@x", "\tx", "＝1", "中文", "a,\"b\""]
                .iter()
                .map(|text| vec![Cell::text(text), Cell::Money(Money::from_minor(-150))])
                .collect(),
        };
        let text = String::from_utf8(sheet.csv()).unwrap();
        assert_eq!(
            text,
            "\u{feff}text,amount\r\n'=1+1,-1.50\r\n'+1,-1.50\r\n'-1,-1.50\r\n'@x,-1.50\r\n'\tx,-1.50\r\n'＝1,-1.50\r\n中文,-1.50\r\n\"a,\"\"b\"\"\",-1.50\r\n"
        );
        assert_eq!(sheet.totals().sums["amount"], "-12.00");
    }
}
