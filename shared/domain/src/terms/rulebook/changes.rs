//! What a rulebook answers otherwise than the one before it, found by look-up and
//! not by text: on every day on which either book begins or ends a rule.

use super::keys::{Everywhere, OfLine, OfScheme};
use super::table::{Key, Table};
use super::{Account, Dimension, Disclosure, Line, Netting, ReferenceScope, Rulebook, RulebookError, RulebookErrors};
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::id::{LineId, SchemeId};
use crate::units::money::Rate;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One answer that is another, on each day from the first to the last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    /// Such as `prices: points of shop redeemed at inn`.
    pub rule: String,
    pub from: NaiveDate,
    /// `None`: without end.
    pub to: Option<NaiveDate>,
    pub was: String,
    pub becomes: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, from, to, was, becomes } = self;
        match to {
            Some(to) => write!(f, "{rule}, {from} to {to}: {was} -> {becomes}"),
            None => write!(f, "{rule}, from {from} on: {was} -> {becomes}"),
        }
    }
}

/// A term that counts for all that is still to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undated {
    pub term: String,
    pub was: String,
    pub becomes: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Differences {
    pub undated: Vec<Undated>,
    pub dated: Vec<Change>,
    /// Within what a reference names one event: never another on a day that is past.
    pub identity: Vec<Change>,
    /// By which the entries of months are found: never another in a month that has begun.
    pub fixed: Vec<Change>,
    /// Lines that are new, with their first days.
    pub joining: Vec<(LineId, NaiveDate)>,
}

impl Differences {
    pub fn is_empty(&self) -> bool {
        self.undated.is_empty()
            && self.dated.is_empty()
            && self.identity.is_empty()
            && self.fixed.is_empty()
            && self.joining.is_empty()
    }

    /// What changes on days before `today` that no closed month has. Refused where a
    /// day of a closed month would have another answer.
    pub fn past(&self, closed: &BTreeSet<Period>, today: NaiveDate) -> Result<Vec<Change>, RulebookErrors> {
        let mut errors = Vec::new();
        let mut past = Vec::new();
        let mut refuse = |rule: &str, text: String| {
            errors.push(RulebookError { line: 0, field: rule.to_owned(), rule: text });
        };
        for change in &self.dated {
            let Change { rule, from, to, was, becomes } = change;
            let concerned =
                |period: &&Period| period.last_day() >= *from && to.is_none_or(|to| period.first_day() <= to);
            if let Some(period) = closed.iter().find(concerned) {
                let day = period.first_day().max(*from);
                refuse(rule, format!("was {was} and cannot become {becomes} on {day}: month {period} is closed"));
            } else if let Some(yesterday) = today.pred_opt().filter(|yesterday| from <= yesterday) {
                let to = to.map_or(yesterday, |to| to.min(yesterday));
                past.push(Change { to: Some(to), ..change.clone() });
            }
        }
        for Change { rule, from, was, becomes, .. } in self.identity.iter().filter(|change| change.from < today) {
            refuse(rule, format!("was {was} and cannot become {becomes} on {from}, a day that is past"));
        }
        let tomorrow = today.succ_opt().unwrap_or(today);
        for Change { rule, from, was, becomes, .. } in self.fixed.iter().filter(|change| change.from <= tomorrow) {
            let text = format!(
                "was {was} and cannot become {becomes} on {from}: that month has begun, or begins tomorrow; say it \
                 from a later month on"
            );
            refuse(rule, text);
        }
        for (line, from) in &self.joining {
            if let Some(period) = closed.iter().find(|period| period.last_day() >= *from) {
                let day = period.first_day().max(*from);
                let text =
                    format!("a new line cannot take part on {day}: month {period} is closed; give it a later `from`");
                refuse(&format!("lines: {line}"), text);
            }
        }
        if errors.is_empty() { Ok(past) } else { Err(RulebookErrors(errors)) }
    }
}

/// A time in which an answer is another: first day, last day, was, becomes.
type Stretch = (NaiveDate, Option<NaiveDate>, String, String);

pub type Lines<'a> = BTreeSet<&'a LineId>;

/// A line that pays another for its own points.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    pub payer: &'a LineId,
    pub scheme: &'a SchemeId,
    pub payee: &'a LineId,
}

/// Two rulebooks, and what was found to differ.
pub struct Comparison<'a> {
    before: &'a Rulebook,
    after: &'a Rulebook,
    /// Those of both books.
    lines: Lines<'a>,
    /// Their own schemes, and those of the programme's, under the names of lines.
    schemes: BTreeMap<&'a LineId, &'a SchemeId>,
    undated: Vec<Undated>,
    changes: Vec<Change>,
    fixed: Vec<Change>,
}

impl Rulebook {
    /// What this rulebook changes of the one before. A line that is new had no answers
    /// before, so none of them is a change.
    pub fn differences(&self, before: &Rulebook) -> Differences {
        let old = before.line_ids();
        let joining = self.lines.iter().filter(|line| !old.contains(&line.id));
        let joining = joining.map(|line| (line.id.clone(), line.first_day.max(self.first_period.first_day())));
        let lines: Lines<'_> = self.lines.iter().map(|line| &line.id).filter(|line| old.contains(line)).collect();
        let known: Vec<SchemeId> = lines.iter().map(|line| SchemeId::of(line)).collect();
        let own = self.schemes.keys().filter(|scheme| before.schemes.contains_key(scheme));
        let schemes = known.iter().chain(own).map(|scheme| (scheme.as_line(), scheme)).collect();
        let (undated, changes, fixed) = Default::default();
        let mut comparison = Comparison { before, after: self, lines, schemes, undated, changes, fixed };
        comparison.reference_scopes();
        let identity = std::mem::take(&mut comparison.changes);
        comparison.programme();
        Rulebook::compare(&mut comparison);
        let Comparison { undated, changes: dated, fixed, .. } = comparison;
        Differences { undated, dated, identity, fixed, joining: joining.collect() }
    }

    /// From this day on something may be looked up of all these lines.
    fn together(&self, lines: &[&LineId]) -> Option<NaiveDate> {
        lines
            .iter()
            .map(|id| {
                let is_scheme = self.schemes.keys().any(|scheme| scheme == *id);
                self.line(id).map(|line| line.first_day).or_else(|| is_scheme.then_some(NaiveDate::MIN))
            })
            .try_fold(NaiveDate::MIN, |latest, first| first.map(|first| latest.max(first)))
    }
}

impl<'a> Comparison<'a> {
    pub fn books(&self) -> [&'a Rulebook; 2] {
        [self.before, self.after]
    }

    /// The lines of both books.
    pub fn lines(&self) -> Lines<'a> {
        self.lines.clone()
    }

    /// Notes a term that counts for all that is still to come, if it is another.
    pub fn undated(&mut self, term: String, was: String, becomes: String) {
        if was != becomes {
            self.undated.push(Undated { term, was, becomes });
        }
    }

    /// Of both books, as it stays for the programme's life.
    pub fn currency(&self) -> Currency {
        self.after.currency
    }

    /// What is answered for a line while it takes part, by rules that are for one line each.
    pub fn by_line<T: PartialEq + 'a, A: PartialEq>(
        &mut self,
        section: &str,
        table: impl Fn(&'a Rulebook) -> &'a Table<LineId, T>,
        answer: impl Fn(&'a Rulebook, &LineId, NaiveDate) -> Option<A>,
        words: impl Fn(&A) -> String,
    ) {
        let books = self.books();
        for id in self.lines() {
            let active = |day| books.iter().all(|book| book.line(id).is_some_and(|line| line.takes_part(day)));
            let Some(mut days) = self.edges(&table, &OfLine(id)) else { continue };
            days.extend(self.first_days(&[id]));
            days.extend(books.iter().filter_map(|book| book.line(id)?.last_day?.succ_opt()));
            let found = self.stretches(days, |book, day| active(day).then(|| answer(book, id, day))?, &words);
            self.add(&format!("{section}: {id}"), found);
        }
    }

    /// What is answered for a line's own points. The same change of several lines is one.
    pub fn by_scheme<T: PartialEq + 'a, A: PartialEq>(
        &mut self,
        section: &str,
        table: impl Fn(&'a Rulebook) -> &'a Table<Option<SchemeId>, T>,
        answer: impl Fn(&'a Rulebook, &SchemeId, NaiveDate) -> Option<A>,
        words: impl Fn(&A) -> String,
    ) {
        let mut funders: BTreeMap<Stretch, Lines<'a>> = BTreeMap::new();
        for (id, scheme) in &self.schemes {
            let Some(mut days) = self.edges(&table, &OfScheme(scheme)) else { continue };
            days.extend(self.first_days(&[id]));
            let known = self.known(&[id]);
            for stretch in self.stretches(days, |book, day| known(day).then(|| answer(book, scheme, day))?, &words) {
                funders.entry(stretch).or_default().insert(id);
            }
        }
        for (stretch, funders) in funders {
            let rule = format!("{section}: points of {}", self.names(&funders));
            self.add(&rule, vec![stretch]);
        }
    }

    /// What is answered for one line that pays another. The same change of several pairs is one.
    pub fn by_pair<K: Key, T: PartialEq + 'a, A: PartialEq>(
        &mut self,
        rule: impl Fn(&str, &str) -> String,
        table: impl Fn(&'a Rulebook) -> &'a Table<K::Pattern, T>,
        key: impl Fn(Pair<'a>) -> K,
        answer: impl Fn(&'a Rulebook, Pair<'a>, NaiveDate) -> Option<A>,
        words: impl Fn(&A) -> String,
    ) where
        K::Pattern: 'a,
    {
        let mut payers: BTreeMap<(Stretch, &LineId), Lines<'a>> = BTreeMap::new();
        for payee in self.lines() {
            for (payer, scheme) in &self.schemes {
                let pair = Pair { payer, scheme, payee };
                let Some(mut days) = self.edges(&table, &key(pair)) else { continue };
                days.extend(self.first_days(&[payer, payee]));
                let known = self.known(&[payer, payee]);
                let found = self.stretches(days, |book, day| known(day).then(|| answer(book, pair, day))?, &words);
                for stretch in found {
                    payers.entry((stretch, payee)).or_default().insert(payer);
                }
            }
        }
        let mut payees: BTreeMap<(Stretch, Lines<'a>), Lines<'a>> = BTreeMap::new();
        for ((stretch, payee), payers) in payers {
            payees.entry((stretch, payers)).or_default().insert(payee);
        }
        for ((stretch, payers), payees) in payees {
            let rule = rule(&self.names(&payers), &self.names(&payees));
            self.add(&rule, vec![stretch]);
        }
    }

    /// What is answered for the programme as a whole.
    pub fn of_programme<T: PartialEq + 'a, A: PartialEq>(
        &mut self,
        section: &str,
        table: impl Fn(&'a Rulebook) -> &'a Table<(), T>,
        answer: impl Fn(&'a Rulebook, NaiveDate) -> A,
        words: impl Fn(&A) -> String,
    ) {
        if let Some(days) = self.edges(&table, &Everywhere) {
            let found = self.stretches(days, |book, day| Some(answer(book, day)), words);
            self.add(section, found);
        }
    }

    /// As [`of_programme`](Self::of_programme), of what stays once its month has begun.
    pub fn of_programme_for_good<T: PartialEq + 'a, A: PartialEq>(
        &mut self,
        section: &str,
        table: impl Fn(&'a Rulebook) -> &'a Table<(), T>,
        answer: impl Fn(&'a Rulebook, NaiveDate) -> A,
        words: impl Fn(&A) -> String,
    ) {
        let changes = std::mem::take(&mut self.changes);
        self.of_programme(section, table, answer, words);
        self.fixed.extend(std::mem::replace(&mut self.changes, changes));
    }

    /// Where the answers of both books differ from one of these days on. `None` is an answer,
    /// too: there is no rule.
    pub fn of_days<A: PartialEq>(
        &mut self,
        rule: &str,
        days: BTreeSet<NaiveDate>,
        answer: impl Fn(&'a Rulebook, NaiveDate) -> Option<A>,
        words: impl Fn(&A) -> String,
    ) {
        let found = self.stretches(days, answer, words);
        self.add(rule, found);
    }

    fn stretches<A: PartialEq>(
        &self,
        mut days: BTreeSet<NaiveDate>,
        answer: impl Fn(&'a Rulebook, NaiveDate) -> Option<A>,
        words: impl Fn(&A) -> String,
    ) -> Vec<Stretch> {
        let start = self.after.first_period.first_day();
        days.insert(start);
        let days: Vec<NaiveDate> = days.into_iter().filter(|day| *day >= start).collect();
        let text = |answer: Option<A>| answer.map_or_else(|| "none".to_owned(), |answer| words(&answer));
        let mut stretches: Vec<Stretch> = Vec::new();
        for (at, day) in days.iter().enumerate() {
            let (was, becomes) = (answer(self.before, *day), answer(self.after, *day));
            if was == becomes {
                continue;
            }
            let to = days.get(at + 1).and_then(|next| next.pred_opt());
            let (was, becomes) = (text(was), text(becomes));
            match stretches.last_mut() {
                Some(last)
                    if last.1.and_then(|to| to.succ_opt()) == Some(*day) && (&last.2, &last.3) == (&was, &becomes) =>
                {
                    last.1 = to;
                }
                _ => stretches.push((*day, to, was, becomes)),
            }
        }
        stretches
    }

    fn add(&mut self, rule: &str, stretches: Vec<Stretch>) {
        self.changes.extend(stretches.into_iter().map(|(from, to, was, becomes)| Change {
            rule: rule.to_owned(),
            from,
            to,
            was,
            becomes,
        }));
    }

    fn reference_scopes(&mut self) {
        for id in self.lines() {
            let of = |book: &'a Rulebook| book.line(id).into_iter().flat_map(|line| &line.reference_scopes);
            let days = of(self.before).chain(of(self.after)).map(|(day, _)| *day).collect();
            self.of_days(
                &format!("reference_scope: {id}"),
                days,
                |book, day| Some(book.reference_scope(id, day)),
                |scope| match scope {
                    ReferenceScope::Line => "line".to_owned(),
                    ReferenceScope::Month => "month".to_owned(),
                    ReferenceScope::Day => "day".to_owned(),
                },
            );
        }
    }

    /// What bears no dates.
    fn programme(&mut self) {
        let Self { before, after, .. } = *self;
        let netting = |book: &Rulebook| match book.netting {
            Netting::Hub => "hub".to_owned(),
            Netting::Direct => "direct".to_owned(),
        };
        let disclose = |book: &Rulebook| match book.disclose {
            Disclosure::Totals => "totals".to_owned(),
            Disclosure::Pairs => "pairs".to_owned(),
        };
        let hours = |book: &Rulebook| book.seal_after.num_hours().to_string();
        let phones = |book: &Rulebook| book.allow_phone_members.to_string();
        for (term, was, becomes) in [
            ("name", before.name.clone(), after.name.clone()),
            ("netting", netting(before), netting(after)),
            ("disclose", disclose(before), disclose(after)),
            ("seal_after_hours", hours(before), hours(after)),
            ("refund_months", before.refund_months.to_string(), after.refund_months.to_string()),
            ("allow_phone_members", phones(before), phones(after)),
        ] {
            self.undated(term.to_owned(), was, becomes);
        }
        for line in &after.lines {
            let Some(old) = before.line(&line.id) else { continue };
            for (field, was, becomes) in [
                ("name", &old.name, &line.name),
                ("name_zh", &old.name_zh, &line.name_zh),
                ("entity", &old.entity, &line.entity),
                ("legal_name", &old.legal_name, &line.legal_name),
                ("legal_name_en", &old.legal_name_en, &line.legal_name_en),
                ("tax_id", &old.tax_id, &line.tax_id),
                ("bank_name", &old.bank_name, &line.bank_name),
                ("bank_account", &old.bank_account, &line.bank_account),
                ("cnaps", &old.cnaps, &line.cnaps),
                ("bic", &old.bic, &line.bic),
            ] {
                self.undated(format!("lines: {field} of {}", line.id), was.clone(), becomes.clone());
            }
            for dimension in Dimension::ALL {
                let code = |line: &Line| line.aux.get(&dimension).cloned().unwrap_or_default();
                self.undated(format!("lines: {} code of {}", dimension.word(), line.id), code(old), code(line));
            }
        }
        for account in Account::ALL {
            let name = |book: &Rulebook| {
                let of = book.accounts.of(*account);
                let aux: String = of.aux.iter().map(|dimension| format!(", by {}", dimension.word())).collect();
                format!("{} {}{aux}", of.code, of.full_name())
            };
            self.undated(format!("accounts: {}", account.word()), name(before), name(after));
        }
    }

    fn names(&self, lines: &Lines<'_>) -> String {
        let mut names: Vec<&str> = Vec::new();
        let all = self.lines.len() > 1 && self.lines.is_subset(lines);
        names.extend(all.then_some("every line"));
        names.extend(lines.iter().filter(|line| !all || !self.lines.contains(*line)).map(|line| line.as_str()));
        names.join(", ")
    }

    /// Whether a day has an answer in both books: what was not yet to be looked up
    /// cannot have been answered.
    fn known(&self, lines: &[&LineId]) -> impl Fn(NaiveDate) -> bool + use<> {
        let first = self.before.together(lines).max(self.after.together(lines));
        move |day| first.is_some_and(|first| first <= day)
    }

    fn first_days(&self, lines: &[&LineId]) -> BTreeSet<NaiveDate> {
        self.books().into_iter().filter_map(|book| book.together(lines)).collect()
    }

    /// The days on which the answer for a key may become another in either book; none if both
    /// have the same rules for it.
    fn edges<K: Key, T: PartialEq + 'a>(
        &self,
        table: &impl Fn(&'a Rulebook) -> &'a Table<K::Pattern, T>,
        key: &K,
    ) -> Option<BTreeSet<NaiveDate>>
    where
        K::Pattern: 'a,
    {
        let [before, after] = self.books().map(table);
        key.patterns().any(|pattern| before.of(&pattern) != after.of(&pattern)).then(|| {
            let mut days = before.edges(key);
            days.extend(after.edges(key));
            days
        })
    }
}

/// Such as ` shop=0.5 inn=0.5`.
pub fn shares_words(shares: &[(LineId, Rate)]) -> String {
    shares.iter().map(|(line, share)| format!(" {line}={share}")).collect()
}
