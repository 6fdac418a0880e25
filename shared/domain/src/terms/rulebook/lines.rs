//! The lines that take part.

use super::bank::{CNY, EUR};
use super::changes::Comparison;
use super::check::{Check, Place};
use super::read::tables;
use super::{Dimension, Line, ReferenceScope, Rulebook};
use crate::units::bank::{check_account, check_cnaps, latin, parse_bic};
use crate::units::calendar::Period;
use crate::units::id::LineId;
use crate::units::limits::{AUX_CODE_MAX, BANK_ACCOUNT_MAX, LINES_MAX, NAME_MAX, TAX_ID_MAX};
use crate::units::scope::Scope;
use crate::units::tax_id::TaxId;
use chrono::NaiveDate;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

tables! {
    LineFile {
        /// The line's code in every file and path: at most 16 of A-Z a-z 0-9 . _ -. It never changes.
        id: String = required(String::new()),
        /// Its name.
        name: String = required(String::new()),
        /// Its Chinese name; without it the name.
        name_zh: String = optional(String::new()),
        /// The legal entity that keeps the books; without it its legal name, without that the Chinese name.
        entity: String = optional(String::new()),
        /// The name by which the bank account is held, as the bank knows it; without it the entity, where that is
        /// given. A bank compares it with the account.
        legal_name: String = optional(String::new()),
        /// The same in Latin letters, for payments in another currency than CNY; without it the legal name, if it
        /// has such letters only.
        legal_name_en: String = optional(String::new()),
        /// The taxpayer's number. In a programme in CNY the unified social credit code, whose check digit must be
        /// right (GB 32100), or an id of 15 places from before.
        tax_id: String = optional(String::new()),
        /// The bank and its branch, such as `中国工商银行上海市静安支行`.
        bank_name: String = optional(String::new()),
        /// The bank account that payments are made from and to: an IBAN, or a number as the bank writes it.
        bank_account: String = optional(String::new()),
        /// The branch's number in the payment system of the People's Bank of China (联行号), 12 digits.
        cnaps: String = optional(String::new()),
        /// The bank's BIC.
        bic: String = optional(String::new()),
        /// Its codes in accounting programs, `{ customer, supplier, department, project }`: as customer and supplier in
        /// the other lines' books, as department and project in its own. Needed where an account's `aux` asks.
        aux: BTreeMap<Dimension, String> = optional(BTreeMap::new()),
        /// It takes part from this day on; without it from the programme's first.
        from: Option<String> = optional(None),
        /// It records nothing but reversals after this day.
        to: Option<String> = optional(None),
        /// Within what a reference names one event: `line`, for ever, or `month` or `day` where tills number anew; or
        /// a list of `{ from, scope }`.
        reference_scope: ReferenceScopes = optional(ReferenceScopes::Always(ReferenceScope::Line)),
    }
}

/// One for the whole programme, or one from each day on.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "must be \"line\", \"month\" or \"day\", or a list of { from, scope }")]
pub enum ReferenceScopes {
    Always(ReferenceScope),
    Dated(Vec<DatedScope>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatedScope {
    pub from: String,
    pub scope: ReferenceScope,
}

pub fn check(lines: &[Spanned<LineFile>], check: &mut Check) -> Vec<Line> {
    let mut checked = Vec::new();
    for (index, spanned) in lines.iter().enumerate() {
        let place = check.place_of(format!("lines[{index}]"), spanned);
        let line = spanned.get_ref();
        if index == LINES_MAX {
            check.refuse(&place, "", format!("a programme has at most {LINES_MAX} lines"));
            break;
        }
        names(&place, line, check);
        let bic = bank(&place, line, check);
        aux_codes(&place, &line.aux, check);
        let Some(id) = check.parsed(&place, "id", LineId::parse(&line.id)) else { continue };
        if id.as_str() == "redeemer" {
            check.refuse(&place, "id", "`redeemer` stands for the redeeming line of a split");
        }
        if !id.as_str().starts_with(|first: char| first.is_ascii_alphanumeric()) {
            // It names folders of reports, where `..` is another.
            check.refuse(&place, "id", "must begin with a letter or a digit");
        }
        if !check.add_line(id.clone(), place.clone()) {
            check.refuse(&place, "id", format!("line {id} stands twice"));
            continue;
        }
        let name_zh = if line.name_zh.is_empty() { line.name.clone() } else { line.name_zh.clone() };
        let first_of = |texts: [&String; 2]| texts.into_iter().find(|text| !text.is_empty()).cloned();
        let legal_name = first_of([&line.legal_name, &line.entity]).unwrap_or_default();
        let entity = first_of([&line.entity, &line.legal_name]).unwrap_or_else(|| name_zh.clone());
        let reference_scopes = reference_scopes(&place, &line.reference_scope, check);
        let (first_day, last_day) = days_of_line(&place, line, check);
        checked.push(Line {
            id,
            name: line.name.clone(),
            name_zh,
            entity,
            legal_name,
            legal_name_en: line.legal_name_en.clone(),
            tax_id: line.tax_id.clone(),
            bank_name: line.bank_name.clone(),
            bank_account: line.bank_account.clone(),
            cnaps: line.cnaps.clone(),
            bic,
            aux: line.aux.clone(),
            first_day,
            last_day,
            reference_scopes,
        });
    }
    checked.sort_by(|one, other| one.id.cmp(&other.id));
    checked
}

fn aux_codes(place: &Place, codes: &BTreeMap<Dimension, String>, check: &mut Check) {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    for (dimension, code) in codes {
        let fits = (1..=AUX_CODE_MAX).contains(&code.len()) && code.bytes().all(allowed) && !code.starts_with('-');
        if !fits {
            let rule =
                format!("{} must be 1 to {AUX_CODE_MAX} of A-Z a-z 0-9 . _ -, no hyphen first", dimension.word());
            check.refuse(place, "aux", rule);
        }
    }
}

fn names(place: &Place, line: &LineFile, check: &mut Check) {
    for (field, text) in [
        ("name", &line.name),
        ("name_zh", &line.name_zh),
        ("entity", &line.entity),
        ("legal_name", &line.legal_name),
        ("legal_name_en", &line.legal_name_en),
        ("bank_name", &line.bank_name),
    ] {
        check.printable(place, field, text, NAME_MAX);
    }
    if !line.legal_name_en.is_empty() && latin(&line.legal_name_en).is_none() {
        check.refuse(place, "legal_name_en", "must be in letters that EPC217-08 writes as Latin ones");
    }
}

/// Answers the BIC; empty if there is none.
fn bank(place: &Place, line: &LineFile, check: &mut Check) -> String {
    check.printable(place, "bank_account", &line.bank_account, BANK_ACCOUNT_MAX);
    check.printable(place, "tax_id", &line.tax_id, TAX_ID_MAX);
    check.parsed(place, "bank_account", check_account(&line.bank_account));
    if !line.cnaps.is_empty() {
        check.parsed(place, "cnaps", check_cnaps(&line.cnaps));
    }
    match line.bic.as_str() {
        "" => String::new(),
        bic => check.parsed(place, "bic", parse_bic(bic)).unwrap_or_default(),
    }
}

fn days_of_line(place: &Place, line: &LineFile, check: &mut Check) -> (NaiveDate, Option<NaiveDate>) {
    let from = line.from.as_deref().and_then(|text| check.date(place, "from", text)).unwrap_or(NaiveDate::MIN);
    let to = line.to.as_deref().and_then(|text| check.date(place, "to", text));
    if to.is_some_and(|to| to < from) {
        check.refuse(place, "to", "is before `from`");
    }
    (from, to)
}

fn reference_scopes(place: &Place, scopes: &ReferenceScopes, check: &mut Check) -> Vec<(NaiveDate, ReferenceScope)> {
    let dated = match scopes {
        ReferenceScopes::Always(scope) => return vec![(NaiveDate::MIN, *scope)],
        ReferenceScopes::Dated(dated) => dated,
    };
    let mut scopes: Vec<(NaiveDate, ReferenceScope)> = Vec::new();
    for dated in dated {
        let Some(from) = check.date(place, "reference_scope", &dated.from) else { continue };
        if scopes.last().is_some_and(|(before, _)| *before >= from) {
            check.refuse(place, "reference_scope", format!("{from} is not after the day before it"));
        }
        scopes.push((from, dated.scope));
    }
    scopes
}

impl Rulebook {
    pub fn line(&self, id: &LineId) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == *id)
    }

    /// The lines that take part on some day of a period.
    pub fn lines_of(&self, period: Period) -> impl Iterator<Item = &Line> {
        let begins = move |line: &&Line| line.first_day <= period.last_day();
        let goes_on = move |line: &&Line| line.last_day.is_none_or(|day| day >= period.first_day());
        self.lines.iter().filter(begins).filter(goes_on)
    }

    pub fn line_ids(&self) -> BTreeSet<&LineId> {
        self.lines.iter().map(|line| &line.id).collect()
    }

    /// Within what the references of a line's events of a day name one event.
    pub fn reference_scope(&self, line: &LineId, day: NaiveDate) -> ReferenceScope {
        let scopes = self.line(line).map_or(&[][..], |line| &line.reference_scopes);
        scopes.iter().rev().find(|(from, _)| *from <= day).map_or(ReferenceScope::Line, |(_, scope)| *scope)
    }

    /// What tells an event of a day from those of its line with the same reference.
    pub fn scope(&self, line: &LineId, day: NaiveDate) -> Scope {
        match self.reference_scope(line, day) {
            ReferenceScope::Line => Scope::Line,
            ReferenceScope::Month => Scope::Month(Period::of_day(day)),
            ReferenceScope::Day => Scope::Day(day),
        }
    }

    /// The day from which on all these lines take part.
    pub(super) fn first_day_of(&self, lines: &[&LineId]) -> NaiveDate {
        let first_days = lines.iter().filter_map(|id| self.line(id)).map(|line| line.first_day);
        first_days.fold(self.first_period.first_day(), NaiveDate::max)
    }

    /// A line that only redeems is owed nothing new after its last day.
    pub(super) fn last_day_as_payee(&self, payee: &LineId, funders: &BTreeSet<LineId>) -> Option<NaiveDate> {
        if funders.contains(payee) { None } else { self.line(payee)?.last_day }
    }
}

/// The platform takes part as long as the programme does.
pub fn audit(rulebook: &Rulebook, check: &mut Check) {
    if let Some(line) = rulebook.line(&rulebook.platform)
        && (line.first_day > rulebook.first_period.first_day() || line.last_day.is_some())
    {
        let text = format!("{}, the platform, takes part the whole programme long", line.id);
        check.refuse(&Place::whole("lines"), "", text);
    }
    for line in &rulebook.lines {
        let place = check.place_of_line(&line.id);
        tax_id(rulebook, line, &place, check);
        holder(rulebook, line, &place, check);
        if rulebook.has_payments() {
            account(rulebook, line, &place, check);
        }
    }
}

fn tax_id(rulebook: &Rulebook, line: &Line, place: &Place, check: &mut Check) {
    if rulebook.currency.code() != CNY || line.tax_id.is_empty() {
        return;
    }
    match check.parsed(place, "tax_id", TaxId::parse(&line.tax_id)) {
        Some(TaxId::Old) => {
            check.warn(place, "tax_id", "is from before the unified social credit code; no check digit is tried")
        }
        Some(TaxId::Unified) | None => {}
    }
}

/// Whose account is paid from must be known where the rulebook says how payments are made.
fn holder(rulebook: &Rulebook, line: &Line, place: &Place, check: &mut Check) {
    if line.holder(rulebook.currency).is_some() {
        return;
    }
    let (field, name) = match rulebook.currency.code() {
        CNY => ("legal_name", "the name that its bank account is held by"),
        _ => ("legal_name_en", "the name that its bank account is held by, in Latin letters"),
    };
    match rulebook.has_payments() {
        true => check.refuse(place, field, format!("is missing: {name}; there is `[payments]`")),
        false => check.warn(place, field, format!("is missing: {name}; without it no payment is ordered")),
    }
}

/// Without them a month in which the line pays or is paid is not closed.
fn account(rulebook: &Rulebook, line: &Line, place: &Place, check: &mut Check) {
    let account = line.account();
    if account.is_none() {
        check.warn(place, "bank_account", "is missing, or has letters that no payment order can carry");
    }
    let says_its_bank = rulebook.currency.code() == EUR && account.is_some_and(|account| account.is_sepa());
    if !line.has_bank() && !says_its_bank {
        check.warn(place, "bic", "is missing, and so is `cnaps`: no payment order can name the bank");
    }
}

/// When each line takes part.
pub fn compare(comparison: &mut Comparison<'_>) {
    for id in comparison.lines() {
        let lines = comparison.books().into_iter().filter_map(|book| book.line(id));
        let days = lines.flat_map(|line| [Some(line.first_day), line.last_day.and_then(|last| last.succ_opt())]);
        comparison.of_days(
            &format!("lines: {id}"),
            days.flatten().collect(),
            |book, day| book.line(id).map(|line| line.takes_part(day)),
            |takes_part| if *takes_part { "takes part" } else { "does not take part" }.to_owned(),
        );
    }
}
