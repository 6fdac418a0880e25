//! A rulebook is accepted as a whole or refused with everything that is wrong.

use super::keys::OfScheme;
use super::read::{Lines, Notes, Share};
use super::table::{PROGRAMME_BEGINS, Span, Table};
use super::{Rulebook, RulebookError, RulebookErrors};
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::id::{LineId, SchemeId};
use crate::units::limits::SHARES_MAX;
use crate::units::money::{Money, Rate};
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// What was found so far.
pub struct Check {
    lines: Lines,
    known: BTreeMap<LineId, Place>,
    /// Of the programme's own.
    schemes: BTreeSet<SchemeId>,
    /// Of the amounts, if it was accepted.
    currency: Option<Currency>,
    errors: Vec<RulebookError>,
    warnings: Vec<RulebookError>,
    outdated: Vec<RulebookError>,
    /// What has a placeholder, for which it is refused already.
    unread: BTreeSet<String>,
}

/// Where a rule stands, for its errors.
#[derive(Clone)]
pub struct Place {
    line: usize,
    path: String,
}

impl Place {
    /// A section, or the rulebook, as a whole.
    pub fn whole(path: &str) -> Self {
        Self { line: 0, path: path.to_owned() }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    fn finding(&self, field: &str, rule: impl ToString) -> RulebookError {
        let field = if field.is_empty() { self.path.clone() } else { format!("{}.{field}", self.path) };
        RulebookError { line: self.line, field, rule: rule.to_string() }
    }
}

impl Check {
    pub fn new(notes: Notes) -> Self {
        let Notes { lines, errors, unread } = notes;
        Self {
            lines,
            known: BTreeMap::new(),
            schemes: BTreeSet::new(),
            currency: None,
            errors,
            warnings: Vec::new(),
            outdated: Vec::new(),
            unread,
        }
    }

    /// The rulebook with its warnings, unless anything was refused.
    pub fn finish(mut self, rulebook: Option<Rulebook>) -> Result<Rulebook, RulebookErrors> {
        match rulebook {
            Some(rulebook) if self.errors.is_empty() => {
                Ok(Rulebook { warnings: self.warnings, outdated: self.outdated, ..rulebook })
            }
            _ => {
                self.errors.sort_by_key(|error| error.line);
                Err(RulebookErrors(self.errors))
            }
        }
    }

    pub fn place_of<T>(&self, path: String, spanned: &Spanned<T>) -> Place {
        Place { line: self.lines.of(spanned.span().start), path }
    }

    /// Makes a line known to the rules; false if it is already.
    pub fn add_line(&mut self, line: LineId, place: Place) -> bool {
        self.known.insert(line, place).is_none()
    }

    pub fn has_line(&self, line: &LineId) -> bool {
        self.known.contains_key(line)
    }

    pub fn lines(&self) -> impl Iterator<Item = LineId> + use<> {
        self.known.keys().cloned().collect::<Vec<_>>().into_iter()
    }

    /// Makes the programme's own schemes known to the rules.
    pub fn set_schemes(&mut self, schemes: BTreeSet<SchemeId>) {
        self.schemes = schemes;
    }

    pub fn place_of_line(&self, line: &LineId) -> Place {
        self.known.get(line).cloned().unwrap_or_else(|| Place::whole("lines"))
    }

    pub fn refuse(&mut self, place: &Place, field: &str, rule: impl ToString) {
        let found = place.finding(field, rule);
        if !self.unread.contains(&found.field) {
            self.errors.push(found);
        }
    }

    pub fn warn(&mut self, place: &Place, field: &str, rule: impl ToString) {
        self.warnings.push(place.finding(field, rule));
    }

    /// What was accepted once, so that what came into force is still read.
    pub fn refuse_if_new(&mut self, place: &Place, field: &str, rule: impl ToString) {
        self.outdated.push(place.finding(field, rule));
    }

    pub fn parsed<T, E: ToString>(&mut self, place: &Place, field: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.refuse(place, field, error.to_string())).ok()
    }

    pub fn set_currency(&mut self, currency: Option<Currency>) {
        self.currency = currency;
    }

    /// Of the amounts; none where it was refused.
    pub fn currency(&self) -> Option<Currency> {
        self.currency
    }

    /// As [`amount`](Self::amount), or none at all.
    pub fn amount_or_zero(&mut self, place: &Place, field: &str, text: &str) -> Option<Money> {
        let is_zero = text.starts_with('0') && text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        if is_zero { Some(Money::ZERO) } else { self.amount(place, field, text) }
    }

    /// An amount; nothing is said of it where the currency itself was refused.
    pub fn amount(&mut self, place: &Place, field: &str, text: &str) -> Option<Money> {
        match self.currency {
            Some(currency) => self.parsed(place, field, currency.parse_money(text)),
            None => Some(Money::ZERO),
        }
    }

    /// Text that every file can carry.
    pub fn printable(&mut self, place: &Place, field: &str, text: &str, most: usize) {
        if text.chars().count() > most || text.chars().any(unprintable) {
            self.refuse(place, field, format!("must be at most {most} printable characters"));
        }
    }

    pub fn known_line(&mut self, place: &Place, field: &str, text: &str) -> Option<LineId> {
        let line = self.parsed(place, field, LineId::parse(text))?;
        if !self.known.contains_key(&line) {
            self.refuse(place, field, format!("line {line} is not among the programme's lines"));
            return None;
        }
        Some(line)
    }

    /// A scheme that claims may be of: the points of a line, or one of the programme's own.
    pub fn scheme(&mut self, place: &Place, field: &str, text: &str) -> Option<SchemeId> {
        match SchemeId::parse(text).ok().filter(|scheme| self.schemes.contains(scheme)) {
            Some(scheme) => Some(scheme),
            None => self.known_line(place, field, text).map(|line| SchemeId::of(&line)),
        }
    }

    /// One of the programme's own schemes.
    pub fn own_scheme(&mut self, place: &Place, field: &str, text: &str) -> Option<SchemeId> {
        let scheme = self.parsed(place, field, SchemeId::parse(text))?;
        if !self.schemes.contains(&scheme) {
            self.refuse(place, field, format!("scheme {scheme} is not among the programme's [[schemes]]"));
            return None;
        }
        Some(scheme)
    }

    /// As [`line_or_any`](Self::line_or_any), of a scheme.
    pub fn scheme_or_any(&mut self, place: &Place, field: &str, text: &str) -> Option<Option<SchemeId>> {
        if text == "*" { Some(None) } else { self.scheme(place, field, text).map(Some) }
    }

    /// `Some(None)` for the wildcard.
    pub fn line_or_any(&mut self, place: &Place, field: &str, text: &str) -> Option<Option<LineId>> {
        if text == "*" { Some(None) } else { self.known_line(place, field, text).map(Some) }
    }

    pub fn date(&mut self, place: &Place, field: &str, text: &str) -> Option<NaiveDate> {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|date| date.to_string() == text);
        self.parsed(place, field, date.ok_or("must be a date such as 2017-01-31"))
    }

    pub fn span<T>(&mut self, place: &Place, from: &str, to: Option<&str>, value: Option<T>) -> Option<Span<T>> {
        let from = self.date(place, "from", from);
        let to = match to {
            None => Some(None),
            Some(text) => self.date(place, "to", text).map(Some),
        };
        let (from, to, value) = (from?, to?, value?);
        if to.is_some_and(|to| to < from) {
            self.refuse(place, "to", "is before `from`");
            return None;
        }
        Some(Span { from, to, value })
    }

    /// Some rules are by cohort and month, so they change with the month.
    pub fn months<T>(&mut self, place: &Place, from: &str, to: Option<&str>, value: Option<T>) -> Option<Span<T>> {
        let span = self.span(place, from, to, value)?;
        if Period::of_day(span.from).first_day() != span.from {
            self.refuse(place, "from", "must be the first day of a month");
        }
        if span.to.is_some_and(|to| Period::of_day(to).last_day() != to) {
            self.refuse(place, "to", "must be the last day of a month");
        }
        Some(span)
    }

    /// As [`months`](Self::months), from the programme's first day on where no other is given.
    pub fn months_of_programme<T>(
        &mut self,
        place: &Place,
        from: Option<&str>,
        to: Option<&str>,
        value: Option<T>,
    ) -> Option<Span<T>> {
        match from {
            Some(from) => self.months(place, from, to, value),
            None => self.months(place, PROGRAMME_BEGINS, to, value),
        }
    }

    pub fn at_most_one(&mut self, place: &Place, field: &str, rate: Option<Rate>) -> Option<Rate> {
        if rate.is_some_and(|rate| rate > Rate::ONE) {
            self.refuse(place, field, "must be at most 1, which is 100 %");
            return None;
        }
        rate
    }

    /// Whoever issues points has a rule for each of its days.
    pub fn every_funder_has_a_rule<T>(
        &mut self,
        rulebook: &Rulebook,
        section: &str,
        table: &Table<Option<SchemeId>, T>,
    ) {
        for funder in rulebook.funders() {
            let last = rulebook.line(&funder).and_then(|line| line.last_day);
            if let Some(day) =
                table.first_gap(&OfScheme(&SchemeId::of(&funder)), rulebook.first_day_of(&[&funder]), last)
            {
                self.refuse(&Place::whole(section), "", format!("no rule for points issued by {funder} on {day}"));
            }
        }
    }

    pub fn shares(&mut self, place: &Place, field: &str, shares: &[Spanned<Share>]) -> Vec<(String, Rate)> {
        let shares = shares.iter().map(Spanned::get_ref).map(|share| (share.to.as_str(), share.share.as_str()));
        self.parts(place, field, shares.collect())
    }

    /// Parts that sum to one: who, and how much.
    pub fn parts(&mut self, place: &Place, field: &str, shares: Vec<(&str, &str)>) -> Vec<(String, Rate)> {
        if shares.is_empty() || shares.len() > SHARES_MAX {
            self.refuse(place, field, format!("must have 1 to {SHARES_MAX} parts"));
        }
        let mut seen = BTreeSet::new();
        let mut parts = Vec::new();
        let count = shares.len();
        for (to, share) in shares {
            if !seen.insert(to) {
                self.refuse(place, field, format!("{to} stands in it twice"));
            }
            if let Some(rate) = self.parsed(place, field, Rate::parse(share)) {
                parts.push((to.to_owned(), rate));
            }
        }
        let sum: i128 = parts.iter().map(|(_, rate)| rate.scaled()).sum();
        if parts.len() == count && sum != Rate::SCALE {
            let sum = rust_decimal::Decimal::from_i128_with_scale(sum, crate::units::limits::RATE_SCALE).normalize();
            self.refuse(place, field, format!("shares must sum to 1, they sum to {sum}"));
        }
        parts
    }
}

/// Control characters, and those that XML does not have.
pub fn unprintable(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}')
}
