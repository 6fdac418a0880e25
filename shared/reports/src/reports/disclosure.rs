//! What the notes to the accounts tell of points, in one table to filter: the roll-forwards, what was earned of the
//! year's opening balance, when the rest is expected to be used, what another estimate would make of it, and the
//! estimate itself. Amounts of different things stand in one column, so nothing adds up.
//!
//! Source: IFRS 15 paragraphs 116 to 120 and B46; CAS 14 art. 41 to 44; IAS 1.125.

mod estimate;
mod measures;
mod movements;

use crate::report::{Report, Scope, Source, column};
use crate::sheet::Cell;
use crate::words::{Words, value_words, words};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, OutOfRange};

pub const REPORT: Report = Report {
    name: "disclosure",
    title: words("披露", "Disclosure"),
    scope: Scope::Programme,
    columns: &[
        column("table", "附注表", "Table"),
        column("book", "账簿", "Book"),
        column("funder", "承担方", "Funder"),
        column("item", "项目", "Item"),
        column("span", "期间口径", "Span"),
        column("from", "起始月", "From"),
        column("to", "截止月", "To"),
        column("amount", "金额", "Amount"),
        column("number", "数值", "Number"),
        column("unit", "单位", "Unit"),
        column("note", "说明", "Note"),
    ],
    rows,
};

/// The word of all lines together.
const ALL: &str = "*";

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let mut rows = movements::rows(source)?;
    rows.extend(measures::rows(source)?);
    rows.extend(estimate::rows(source)?);
    Ok(rows.into_iter().map(|row| row.cells(source)).collect())
}

/// What is told: its word, and how people read it.
#[derive(Debug, Clone)]
struct Item(&'static str, Words);

const fn item(word: &'static str, zh: &'static str, en: &'static str) -> Item {
    Item(word, words(zh, en))
}

enum Value {
    Amount(Money),
    Part(Cell),
    Number(Cell, &'static str),
    Text,
}

struct Row {
    table: &'static str,
    /// Empty of what is of both.
    book: &'static str,
    /// None: of all lines.
    funder: Option<LineId>,
    item: Item,
    span: &'static str,
    from: Period,
    to: Period,
    value: Value,
    note: String,
}

impl Row {
    fn cells(self, source: &Source<'_>) -> Vec<Cell> {
        let (amount, number, unit) = match self.value {
            Value::Amount(amount) => {
                (Cell::Money(amount), Cell::Empty, Cell::text(source.about.rulebook.currency.code()))
            }
            Value::Part(part) => (Cell::Empty, part, Cell::word("rate")),
            Value::Number(number, unit) => (Cell::Empty, number, Cell::word(unit)),
            Value::Text => (Cell::Empty, Cell::Empty, Cell::Empty),
        };
        let known = |word: &'static str| if word.is_empty() { Cell::Empty } else { Cell::word(word) };
        vec![
            Cell::word(self.table),
            known(self.book),
            self.funder.map_or(Cell::Word(ALL, value_words(ALL)), Cell::text),
            Cell::Word(self.item.0, self.item.1),
            known(self.span),
            Cell::text(self.from),
            Cell::text(self.to),
            amount,
            number,
            unit,
            Cell::text(self.note),
        ]
    }
}
