//! What a rulebook answers otherwise than the one before it, found by look-up and
//! not by text: on every day on which either book begins or ends a rule.

use super::{
    BurnRule, Dated, EarnRule, LiabilityTerms, Method, Product, ReferenceScope, Rulebook, RulebookError,
    RulebookErrors, SplitRule, VatRule,
};
use crate::terms::split::SplitTerms;
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::id::LineId;
use crate::units::money::Rate;
use chrono::{Days, NaiveDate};
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
    /// Lines that are new, with their first days.
    pub joining: Vec<(LineId, NaiveDate)>,
}

impl Differences {
    pub fn is_empty(&self) -> bool {
        self.undated.is_empty() && self.dated.is_empty() && self.identity.is_empty() && self.joining.is_empty()
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

type Lines<'a> = BTreeSet<&'a LineId>;

struct Comparison<'a> {
    before: &'a Rulebook,
    after: &'a Rulebook,
    /// Those of both books.
    lines: Lines<'a>,
    changes: Vec<Change>,
}

impl Rulebook {
    /// What this rulebook changes of the one before. A line that is new had no answers
    /// before, so none of them is a change.
    pub fn differences(&self, before: &Rulebook) -> Differences {
        let old = before.line_ids();
        let joining = self.lines.iter().filter(|line| !old.contains(&line.id));
        let joining = joining.map(|line| (line.id.clone(), line.first_day.max(self.first_period.first_day())));
        let lines = self.line_ids().intersection(&old).copied().collect();
        let mut comparison = Comparison { before, after: self, lines, changes: Vec::new() };
        comparison.reference_scopes();
        let identity = std::mem::take(&mut comparison.changes);
        comparison.lines();
        comparison.earn_and_burn();
        comparison.issue();
        comparison.prices();
        comparison.splits();
        comparison.vat();
        Differences { undated: undated(before, self), dated: comparison.changes, identity, joining: joining.collect() }
    }

    /// From this day on something may be looked up of all these lines.
    fn together(&self, lines: &[&LineId]) -> Option<NaiveDate> {
        lines
            .iter()
            .map(|id| self.line(id).map(|line| line.first_day))
            .try_fold(NaiveDate::MIN, |latest, first| first.map(|first| latest.max(first)))
    }
}

impl<'a> Comparison<'a> {
    fn start(&self) -> NaiveDate {
        self.after.first_period.first_day()
    }

    /// Where the answers of both books differ, on the days on which both have one to
    /// give. `None` is an answer, too: there is no rule.
    fn stretches<T: PartialEq>(
        &self,
        mut days: BTreeSet<NaiveDate>,
        answer: impl Fn(&'a Rulebook, NaiveDate) -> Option<T>,
        words: impl Fn(&T) -> String,
    ) -> Vec<Stretch> {
        let start = self.start();
        days.insert(start);
        let days: Vec<NaiveDate> = days.into_iter().filter(|day| *day >= start).collect();
        let text = |answer: Option<T>| answer.map_or_else(|| "none".to_owned(), |answer| words(&answer));
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

    fn lines(&mut self) {
        for id in self.lines.clone() {
            let of = |book: &'a Rulebook| book.line(id);
            let days = [of(self.before), of(self.after)].into_iter().flatten();
            let days = days.flat_map(|line| [Some(line.first_day), line.last_day.and_then(|last| last.succ_opt())]);
            let stretches = self.stretches(
                days.flatten().collect(),
                |book, day| of(book).map(|line| line.takes_part(day)),
                |takes_part| if *takes_part { "takes part" } else { "does not take part" }.to_owned(),
            );
            self.add(&format!("lines: {id}"), stretches);
        }
    }

    fn reference_scopes(&mut self) {
        for id in self.lines.clone() {
            let of = |book: &'a Rulebook| book.line(id).into_iter().flat_map(|line| &line.reference_scopes);
            let days = of(self.before).chain(of(self.after)).map(|(day, _)| *day).collect();
            let stretches = self.stretches(
                days,
                |book, day| Some(book.reference_scope(id, day)),
                |scope| match scope {
                    ReferenceScope::Line => "line".to_owned(),
                    ReferenceScope::Month => "month".to_owned(),
                    ReferenceScope::Day => "day".to_owned(),
                },
            );
            self.add(&format!("reference_scope: {id}"), stretches);
        }
    }

    fn earn_and_burn(&mut self) {
        for id in self.lines.clone() {
            let books = [self.before, self.after];
            let active = |day| books.iter().all(|book| book.line(id).is_some_and(|line| line.takes_part(day)));
            let mut days = self.first_days(&[id]);
            let ends = books.iter().filter_map(|book| book.line(id)?.last_day?.succ_opt());
            days.extend(ends);
            let with = |edges: BTreeSet<NaiveDate>| edges.into_iter().chain(days.iter().copied()).collect();
            let earn = self.stretches(
                with(edges(books.iter().filter_map(|book| book.earn.get(id)))),
                |book, day| active(day).then(|| book.earn(id, day))?,
                |rule| earn_words(self.after.currency, rule),
            );
            let burn = self.stretches(
                with(edges(books.iter().filter_map(|book| book.burn.get(id)))),
                |book, day| active(day).then(|| book.burn(id, day))?,
                |rule| burn_words(rule),
            );
            self.add(&format!("earn: {id}"), earn);
            self.add(&format!("burn: {id}"), burn);
        }
    }

    /// What counts for points by who issues them and when.
    fn issue(&mut self) {
        let mut expiry: BTreeMap<Stretch, Lines<'a>> = BTreeMap::new();
        let mut liability: BTreeMap<Stretch, Lines<'a>> = BTreeMap::new();
        for id in self.lines.clone() {
            let keys = [Some(id.clone()), None];
            let known = self.known(&[id]);
            let found = self.stretches(
                self.days(&[id], &keys, |book| &book.expiry),
                |book, day| known(day).then(|| book.expiry_months(id, day)),
                |months| months.map_or_else(|| "never".to_owned(), |months| format!("{months} months")),
            );
            for stretch in found {
                expiry.entry(stretch).or_default().insert(id);
            }
            let found = self.stretches(
                self.days(&[id], &keys, |book| &book.liability),
                |book, day| known(day).then(|| book.liability(id, Period::of_day(day)))?,
                |terms| liability_words(terms),
            );
            for stretch in found {
                liability.entry(stretch).or_default().insert(id);
            }
        }
        for (table, found) in [("expiry", expiry), ("liability", liability)] {
            for (stretch, funders) in found {
                let rule = format!("{table}: points of {}", self.names(&funders));
                self.add(&rule, vec![stretch]);
            }
        }
    }

    fn prices(&mut self) {
        let found = self.pairs(|this, funder, redeemer| {
            let books = [this.before, this.after];
            let keys = [Some(funder.clone()), None];
            let table = |book: &'a Rulebook, key| book.prices.get(redeemer).and_then(|rules| rules.get(key));
            let changed = keys.iter().any(|key| table(this.before, key) != table(this.after, key));
            if !changed {
                return Vec::new();
            }
            let tables = books.iter().flat_map(|book| keys.iter().filter_map(|key| table(book, key)));
            let mut days = edges(tables);
            days.extend(this.first_days(&[funder, redeemer]));
            let known = this.known(&[funder, redeemer]);
            this.stretches(days, |book, day| known(day).then(|| book.price(funder, redeemer, day))?, Rate::to_string)
        });
        for (funders, redeemers, stretch) in found {
            let rule = format!("prices: points of {} redeemed at {}", self.names(&funders), self.names(&redeemers));
            self.add(&rule, vec![stretch]);
        }
    }

    fn splits(&mut self) {
        let found = self.pairs(|this, payer, redeemer| {
            let (one, other) = (Some(payer.clone()), Some(redeemer.clone()));
            let keys = [(one.clone(), other.clone()), (one, None), (None, other), (None, None)];
            if !this.changed(&keys, |book| &book.splits) {
                return Vec::new();
            }
            let known = this.known(&[payer, redeemer]);
            this.stretches(
                this.days(&[payer, redeemer], &keys, |book| &book.splits),
                |book, day| known(day).then(|| book.split(payer, redeemer, day))?,
                |rule: &&SplitRule| SplitTerms::from(*rule).to_string(),
            )
        });
        for (payers, redeemers, stretch) in found {
            let rule = format!("splits: what {} owes at {}", self.names(&payers), self.names(&redeemers));
            self.add(&rule, vec![stretch]);
        }
    }

    fn vat(&mut self) {
        for product in Product::ALL {
            let found = self.pairs(|this, funder, redeemer| {
                let keys = Rulebook::vat_keys(funder, redeemer, product);
                if !this.changed(&keys, |book| &book.vat) {
                    return Vec::new();
                }
                let known = this.known(&[funder, redeemer]);
                this.stretches(
                    this.days(&[funder, redeemer], &keys, |book| &book.vat),
                    |book, day| known(day).then(|| book.vat(funder, redeemer, product, Period::of_day(day))),
                    vat_words,
                )
            });
            for (funders, redeemers, stretch) in found {
                let (funders, redeemers) = (self.names(&funders), self.names(&redeemers));
                self.add(&format!("vat: {} from {funders} to {redeemers}", product.word()), vec![stretch]);
            }
        }
    }

    /// The same change of many pairs is one.
    fn pairs(
        &self,
        compare: impl Fn(&Self, &'a LineId, &'a LineId) -> Vec<Stretch>,
    ) -> Vec<(Lines<'a>, Lines<'a>, Stretch)> {
        let mut funders: BTreeMap<(Stretch, &LineId), Lines<'a>> = BTreeMap::new();
        for redeemer in &self.lines {
            for funder in &self.lines {
                for stretch in compare(self, funder, redeemer) {
                    funders.entry((stretch, redeemer)).or_default().insert(funder);
                }
            }
        }
        let mut redeemers: BTreeMap<(Stretch, Lines<'a>), Lines<'a>> = BTreeMap::new();
        for ((stretch, redeemer), funders) in funders {
            redeemers.entry((stretch, funders)).or_default().insert(redeemer);
        }
        redeemers.into_iter().map(|((stretch, funders), redeemers)| (funders, redeemers, stretch)).collect()
    }

    fn names(&self, lines: &Lines<'_>) -> String {
        if lines.len() > 1 && lines.len() == self.lines.len() {
            return "every line".to_owned();
        }
        lines.iter().map(|line| line.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Whether a day has an answer in both books: what was not yet to be looked up
    /// cannot have been answered.
    fn known(&self, lines: &[&LineId]) -> impl Fn(NaiveDate) -> bool + use<> {
        let first = self.before.together(lines).max(self.after.together(lines));
        move |day| first.is_some_and(|first| first <= day)
    }

    fn first_days(&self, lines: &[&LineId]) -> BTreeSet<NaiveDate> {
        [self.before, self.after].into_iter().filter_map(|book| book.together(lines)).collect()
    }

    fn changed<K: Ord + 'a, T: PartialEq + 'a>(
        &self,
        keys: &[K],
        of: impl Fn(&'a Rulebook) -> &'a BTreeMap<K, Dated<T>>,
    ) -> bool {
        keys.iter().any(|key| of(self.before).get(key) != of(self.after).get(key))
    }

    fn days<K: Ord + 'a, T: 'a>(
        &self,
        lines: &[&LineId],
        keys: &[K],
        of: impl Fn(&'a Rulebook) -> &'a BTreeMap<K, Dated<T>>,
    ) -> BTreeSet<NaiveDate> {
        let books = [of(self.before), of(self.after)];
        let mut days = edges(books.iter().flat_map(|book| keys.iter().filter_map(|key| book.get(key))));
        days.extend(self.first_days(lines));
        days
    }
}

/// The days on which an answer may become another.
fn edges<'a, T: 'a>(tables: impl Iterator<Item = &'a Dated<T>>) -> BTreeSet<NaiveDate> {
    let spans = tables.flat_map(|table| table.spans());
    let days = spans.flat_map(|span| [Some(span.from), span.to.and_then(|to| to.checked_add_days(Days::new(1)))]);
    days.flatten().collect()
}

fn undated(before: &Rulebook, after: &Rulebook) -> Vec<Undated> {
    let mut found = Vec::new();
    let mut compare = |term: String, was: String, becomes: String| {
        if was != becomes {
            found.push(Undated { term, was, becomes });
        }
    };
    compare("name".to_owned(), before.name.clone(), after.name.clone());
    compare(
        "netting".to_owned(),
        format!("{:?}", before.netting).to_lowercase(),
        format!("{:?}", after.netting).to_lowercase(),
    );
    compare(
        "disclose".to_owned(),
        format!("{:?}", before.disclose).to_lowercase(),
        format!("{:?}", after.disclose).to_lowercase(),
    );
    let hours = |book: &Rulebook| book.seal_after.num_hours().to_string();
    compare("seal_after_hours".to_owned(), hours(before), hours(after));
    compare("refund_months".to_owned(), before.refund_months.to_string(), after.refund_months.to_string());
    let phones = |book: &Rulebook| book.allow_phone_members.to_string();
    compare("allow_phone_members".to_owned(), phones(before), phones(after));
    for line in &after.lines {
        let Some(old) = before.line(&line.id) else { continue };
        for (field, was, becomes) in [
            ("name", &old.name, &line.name),
            ("name_zh", &old.name_zh, &line.name_zh),
            ("entity", &old.entity, &line.entity),
            ("bank_account", &old.bank_account, &line.bank_account),
        ] {
            compare(format!("lines: {field} of {}", line.id), was.clone(), becomes.clone());
        }
    }
    for account in super::Account::ALL {
        let name = |book: &Rulebook| {
            let (code, name) = book.accounts.of(account);
            format!("{code} {name}")
        };
        compare(format!("accounts: {}", account.word()), name(before), name(after));
    }
    let cohorts: BTreeSet<_> = before.overrides.keys().chain(after.overrides.keys()).collect();
    for (funder, issued) in cohorts {
        let rate = |book: &Rulebook| {
            let rate = book.urr_override(funder, *issued);
            rate.map_or_else(|| "none".to_owned(), |rate| format!("{} ({})", rate.rate(), rate.reason()))
        };
        compare(format!("urr_override: {funder} {issued}"), rate(before), rate(after));
    }
    found
}

fn shares<'a>(parts: impl Iterator<Item = (&'a LineId, &'a Rate)>) -> String {
    parts.map(|(line, share)| format!(" {line}={share}")).collect()
}

fn earn_words(currency: Currency, rule: &EarnRule) -> String {
    let mut words = format!("{} points per unit", rule.points_per_unit);
    if !rule.minimum_amount.is_zero() {
        words += &format!(", from {}", currency.show(rule.minimum_amount));
    }
    if rule.multiplier != Rate::ONE {
        words += &format!(", times {}", rule.multiplier);
    }
    if !rule.sponsors.is_empty() {
        words += &format!(", sponsored by{}", shares(rule.sponsors.iter().map(|(line, share)| (line, share))));
    }
    words
}

fn burn_words(rule: &BurnRule) -> String {
    let mut words = format!("{} a point, minimum {}, step {}", rule.value, rule.minimum, rule.step);
    let caps = [("an order", rule.max_per_order), ("a day", rule.max_per_day), ("a month", rule.max_per_month)];
    for (of, cap) in caps {
        words += &cap.map_or_else(String::new, |cap| format!(", at most {cap} {of}"));
    }
    words + &rule.max_bill_share.map_or_else(String::new, |share| format!(", at most {share} of the bill"))
}

fn liability_words(terms: &LiabilityTerms) -> String {
    let method = match terms.method {
        Method::CatchUp | Method::Remote { after_months: None } => terms.method.word().to_owned(),
        Method::Remote { after_months: Some(months) } => format!("{} after {months} months", terms.method.word()),
    };
    let inclusive = if terms.tax_inclusive { "included" } else { "on top" };
    format!(
        "face value {}, initial rate {}, {method}, VAT {} {inclusive}",
        terms.face_value, terms.initial_urr, terms.vat_rate
    )
}

fn vat_words(rule: &VatRule) -> String {
    let treatment = match rule.treatment {
        super::VatTreatment::None => return "none".to_owned(),
        super::VatTreatment::ThirdPartyConsideration => "third-party-consideration",
        super::VatTreatment::MarketingService => "marketing-service",
    };
    format!("{treatment} {}", rule.rate)
}
