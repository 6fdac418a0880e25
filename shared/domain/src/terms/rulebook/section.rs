//! What every section of the rulebook says of itself.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::read;
use super::table::{PROGRAMME_BEGINS, Span, Table};
use toml::Spanned;

/// The rules of a section, by what they are for and when.
pub type Rules<S> = Table<<S as Section>::Pattern, <S as Section>::Rule>;

/// A table of the rulebook that may stand in it several times, each with its dates.
pub trait Section {
    /// Its name in the file.
    const NAME: &'static str;
    /// What its rules decide, for the reference.
    const ABOUT: &'static str;
    /// One of its tables as it is written.
    type File: read::Table;
    /// What a rule is for.
    type Pattern: Ord;
    type Rule;

    /// One rule, unless something is wrong with it.
    fn check(file: Self::File, place: &Place, check: &mut Check) -> Option<(Self::Pattern, Span<Self::Rule>)>;

    /// What is wrong with a rule that overlaps another of its pattern, and in which field.
    fn overlap(_: &Span<Self::Rule>, other: &Span<Self::Rule>) -> (&'static str, String) {
        let until = other.to.map_or("on".to_owned(), |to| format!("to {to}"));
        let since = match other.from.to_string() {
            first if first == PROGRAMME_BEGINS => "the programme's first day".to_owned(),
            from => from,
        };
        ("from", format!("overlaps the rule in force from {since} {until}"))
    }

    /// What all rules of a rulebook together must be.
    fn audit(_: &Rulebook, _: &mut Check) {}

    /// What two rulebooks answer differently.
    fn compare(comparison: &mut Comparison<'_>);
}

/// The rules of a section as they are written.
pub fn rules<S: Section>(files: Vec<Spanned<S::File>>, check: &mut Check) -> Rules<S> {
    let mut table = Table::default();
    for (index, spanned) in files.into_iter().enumerate() {
        let place = check.place_of(format!("{}[{index}]", S::NAME), &spanned);
        if let Some((pattern, span)) = S::check(spanned.into_inner(), &place, check)
            && let Err((field, rule)) = table.insert(pattern, span, S::overlap)
        {
            check.refuse(&place, field, rule);
        }
    }
    table
}
