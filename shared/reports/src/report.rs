//! What a report is. Its CSV file, its tab of the workbook and what pages link to are made
//! of its description.

use crate::about::About;
use crate::document::Comparison;
use crate::sheet::{Cell, Heading, Sheet};
use crate::words::{Words, words};
use interline_domain::close::settlement::Settlement;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::id::LineId;
use interline_domain::units::money::OutOfRange;
use std::borrow::Cow;

pub struct Report {
    /// The file's name without its ending.
    pub name: &'static str,
    /// Also the name of its tab, so no longer than 31 characters in both languages.
    pub title: Words,
    pub scope: Scope,
    pub columns: &'static [Column],
    /// Cell by cell in the order of the columns.
    pub rows: fn(&Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange>,
}

/// Where a report lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Once, and in the workbook.
    Programme,
    /// So, and in the folder of each line that it concerns with what concerns it.
    ProgrammeAndLines,
    /// In the folder of each line.
    EachLine,
    /// Once, and in the workbook, and in the folder of each line that it concerns: where the programme has schemes of
    /// its own.
    OfSchemes,
}

/// What the rows are of.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub about: &'a About<'a>,
    pub settlement: &'a Settlement,
    /// The month beside others.
    pub comparison: &'a Comparison,
    /// The line whose own part is asked for; none: everything.
    pub line: Option<&'a LineId>,
}

pub struct Column {
    pub name: &'static str,
    pub words: Words,
    /// Whether the sum of its rows means something.
    pub sum: bool,
    /// How many there are of it, with their numbers from zero on behind the name and in place
    /// of `{}` in the words; one without a number if this is not said.
    many: Option<fn(&Settlement) -> usize>,
}

pub const fn column(name: &'static str, zh: &'static str, en: &'static str) -> Column {
    Column { name, words: words(zh, en), sum: false, many: None }
}

pub const fn summed(name: &'static str, zh: &'static str, en: &'static str) -> Column {
    let mut column = column(name, zh, en);
    column.sum = true;
    column
}

pub const fn numbered(
    name: &'static str,
    zh: &'static str,
    en: &'static str,
    many: fn(&Settlement) -> usize,
) -> Column {
    let mut column = column(name, zh, en);
    column.many = Some(many);
    column
}

impl Report {
    /// The file's name.
    pub fn file(&self) -> String {
        format!("{}.csv", self.name)
    }

    pub fn is_of_programme(&self) -> bool {
        match self.scope {
            Scope::Programme | Scope::ProgrammeAndLines => true,
            Scope::EachLine | Scope::OfSchemes => false,
        }
    }

    /// Whether a pack of the programme has it.
    pub fn is_in_pack(&self, rulebook: &Rulebook) -> bool {
        self.is_of_programme() || self.scope == Scope::OfSchemes && rulebook.has_schemes()
    }

    pub fn sheet(&self, source: &Source<'_>) -> Result<Sheet, OutOfRange> {
        Ok(Sheet {
            name: self.name,
            currency: source.about.rulebook.currency,
            columns: self.columns.iter().flat_map(|column| column.headings(source.settlement)).collect(),
            rows: (self.rows)(source)?,
        })
    }
}

impl Column {
    /// Of a table that is no report of a settlement.
    pub fn heading(&self) -> Heading {
        Heading { name: Cow::Borrowed(self.name), words: self.words.clone(), sum: self.sum }
    }

    fn headings(&self, settlement: &Settlement) -> Vec<Heading> {
        let Some(many) = self.many else { return vec![self.heading()] };
        let numbered = |number: usize| {
            let with = |text: &str| Cow::Owned(text.replace("{}", &number.to_string()));
            let words = Words { zh: with(&self.words.zh), en: with(&self.words.en) };
            Heading { name: Cow::Owned(format!("{}_{number}", self.name)), words, sum: self.sum }
        };
        (0..many(settlement)).map(numbered).collect()
    }
}

impl Source<'_> {
    pub fn concerns(&self, line: &LineId) -> bool {
        self.line.is_none_or(|own| own == line)
    }
}
