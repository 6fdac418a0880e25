//! Rules in force between dates, by key: a rule for something specific goes before
//! one for everything.

use crate::units::calendar::Period;
use chrono::{Days, NaiveDate};
use std::collections::{BTreeMap, BTreeSet};

/// The first day of a rule that names none: nothing comes before it.
pub const PROGRAMME_BEGINS: &str = "0001-01-01";

/// Values in force between dates, both included; no two overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated<T>(Vec<Span<T>>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span<T> {
    pub from: NaiveDate,
    /// `None`: without end.
    pub to: Option<NaiveDate>,
    pub value: T,
}

impl<T> Span<T> {
    fn overlaps(&self, other: &Self) -> bool {
        self.to.is_none_or(|to| other.from <= to) && other.to.is_none_or(|to| self.from <= to)
    }
}

impl<T> Default for Dated<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Dated<T> {
    pub fn on(&self, day: NaiveDate) -> Option<&T> {
        // In the order of their first days, as none overlaps another.
        let begun = self.0.partition_point(|span| span.from <= day);
        let span = self.0.get(begun.checked_sub(1)?)?;
        span.to.is_none_or(|to| day <= to).then_some(&span.value)
    }

    pub fn spans(&self) -> &[Span<T>] {
        &self.0
    }
}

/// The first month since which an answer has been that of `month`, in a programme that began with `first`. It changes on
/// the edges only, so between two of them the month before each tells.
pub fn unchanged_since<A: PartialEq>(
    first: Period,
    month: Period,
    edges: impl IntoIterator<Item = NaiveDate>,
    answer: impl Fn(Period) -> A,
) -> Period {
    let edges = edges.into_iter().map(Period::of_day);
    let mut months: BTreeSet<Period> = edges.filter(|edge| *edge < month).collect();
    months.insert(first.min(month));
    let now = answer(month);
    months.into_iter().rev().take_while(|edge| answer(*edge) == now).last().unwrap_or(month)
}

/// What is looked up, and under which patterns: the most specific first.
pub trait Key {
    type Pattern: Ord;

    fn patterns(&self) -> impl Iterator<Item = Self::Pattern>;
}

/// Dated rules by pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<P, T>(BTreeMap<P, Dated<T>>);

impl<P, T> Default for Table<P, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<P: Ord, T> Table<P, T> {
    /// The rule in force for a key: of its most specific pattern that has one on the day.
    pub fn on(&self, key: &impl Key<Pattern = P>, day: NaiveDate) -> Option<&T> {
        key.patterns().find_map(|pattern| self.0.get(&pattern)?.on(day))
    }

    /// The rules of a pattern itself.
    pub fn of(&self, pattern: &P) -> Option<&Dated<T>> {
        self.0.get(pattern)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&P, &Dated<T>)> {
        self.0.iter()
    }

    pub fn patterns(&self) -> impl Iterator<Item = &P> {
        self.0.keys()
    }

    /// Every rule, whatever it is for.
    pub fn spans(&self) -> impl Iterator<Item = &Span<T>> {
        self.0.values().flat_map(Dated::spans)
    }

    /// Adds a rule, unless another of the same pattern overlaps it: then says so.
    pub(super) fn insert<E>(
        &mut self,
        pattern: P,
        span: Span<T>,
        overlap: impl FnOnce(&Span<T>, &Span<T>) -> E,
    ) -> Result<(), E> {
        let dated = self.0.entry(pattern).or_default();
        if let Some(other) = dated.0.iter().find(|other| span.overlaps(other)) {
            return Err(overlap(&span, other));
        }
        let at = dated.0.partition_point(|other| other.from < span.from);
        dated.0.insert(at, span);
        Ok(())
    }

    /// The first day from `start` on, and to `last` if there is one, that has no rule
    /// for a key.
    pub fn first_gap(
        &self,
        key: &impl Key<Pattern = P>,
        start: NaiveDate,
        last: Option<NaiveDate>,
    ) -> Option<NaiveDate> {
        let patterns = key.patterns().filter_map(|pattern| self.0.get(&pattern));
        let spans = patterns.flat_map(Dated::spans);
        let mut spans: Vec<(NaiveDate, Option<NaiveDate>)> = spans.map(|span| (span.from, span.to)).collect();
        spans.sort();
        let mut covered_until = start;
        for (from, to) in spans {
            if from > covered_until {
                break;
            }
            let to = to?;
            covered_until = covered_until.max(to.checked_add_days(Days::new(1))?);
        }
        last.is_none_or(|last| covered_until <= last).then_some(covered_until)
    }

    /// The days on which the answer for a key may become another.
    pub fn edges(&self, key: &impl Key<Pattern = P>) -> BTreeSet<NaiveDate> {
        let rules = key.patterns().filter_map(|pattern| self.0.get(&pattern));
        let spans = rules.flat_map(Dated::spans);
        let days = spans.flat_map(|span| [Some(span.from), span.to.and_then(|to| to.checked_add_days(Days::new(1)))]);
        days.flatten().collect()
    }
}
