//! A rulebook is accepted as a whole or refused with everything that is wrong.

mod accounting;

use super::wire::{self, Lines, Notes, RulebookFile};
use super::{
    Beneficiary, BurnRule, Dated, EarnRule, Line, ReferenceScope, Rulebook, RulebookError, RulebookErrors, Span,
    SplitRule,
};
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::id::LineId;
use crate::units::limits::{
    BANK_ACCOUNT_MAX, EXPIRY_MONTHS_MAX, LINES_MAX, NAME_MAX, REFUND_MONTHS_MAX, RULES_MAX, SEAL_AFTER_HOURS_MAX,
    SHARES_MAX,
};
use crate::units::money::{Money, Points, Rate};
use crate::units::pseudonym::{KEY_NAME_MAX, KeySource, SAMPLE_KEY_NAME};
use chrono::{Days, NaiveDate, TimeDelta};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

pub fn checked(text: &str, file: RulebookFile, notes: Notes, hash: String) -> Result<Rulebook, RulebookErrors> {
    let Notes { errors, unread, .. } = notes;
    let mut check = Check { lines: Lines::of_text(text), known: BTreeSet::new(), errors, warnings: Vec::new(), unread };
    let rulebook = check.rulebook(file, hash);
    match rulebook {
        Some(rulebook) if check.errors.is_empty() => Ok(Rulebook { warnings: check.warnings, ..rulebook }),
        _ => {
            check.errors.sort_by_key(|error| error.line);
            Err(RulebookErrors(check.errors))
        }
    }
}

struct Check {
    lines: Lines,
    known: BTreeSet<LineId>,
    errors: Vec<RulebookError>,
    warnings: Vec<RulebookError>,
    /// What has a placeholder, for which it is refused already.
    unread: BTreeSet<String>,
}

/// Where a rule stands, for its errors.
#[derive(Clone)]
struct Place {
    line: usize,
    path: String,
}

impl Place {
    fn finding(&self, field: &str, rule: impl ToString) -> RulebookError {
        let field = if field.is_empty() { self.path.clone() } else { format!("{}.{field}", self.path) };
        RulebookError { line: self.line, field, rule: rule.to_string() }
    }
}

impl Check {
    fn place<T>(&self, table: &str, index: usize, spanned: &Spanned<T>) -> Place {
        Place { line: self.lines.of(spanned.span().start), path: format!("{table}[{index}]") }
    }

    fn refuse(&mut self, place: &Place, field: &str, rule: impl ToString) {
        let found = place.finding(field, rule);
        if !self.unread.contains(&found.field) {
            self.errors.push(found);
        }
    }

    fn warn(&mut self, place: &Place, field: &str, rule: impl ToString) {
        self.warnings.push(place.finding(field, rule));
    }

    fn parsed<T, E: ToString>(&mut self, place: &Place, field: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.refuse(place, field, error.to_string())).ok()
    }

    /// Text that every file can carry.
    fn printable(&mut self, place: &Place, field: &str, text: &str, most: usize) {
        if text.chars().count() > most || text.chars().any(unprintable) {
            self.refuse(place, field, format!("must be at most {most} printable characters"));
        }
    }

    fn known_line(&mut self, place: &Place, field: &str, text: &str) -> Option<LineId> {
        let line = self.parsed(place, field, LineId::parse(text))?;
        if !self.known.contains(&line) {
            self.refuse(place, field, format!("line {line} is not among the programme's lines"));
            return None;
        }
        Some(line)
    }

    /// `Some(None)` for the wildcard.
    fn line_or_any(&mut self, place: &Place, field: &str, text: &str) -> Option<Option<LineId>> {
        if text == "*" { Some(None) } else { self.known_line(place, field, text).map(Some) }
    }

    fn date(&mut self, place: &Place, field: &str, text: &str) -> Option<NaiveDate> {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|date| date.to_string() == text);
        self.parsed(place, field, date.ok_or("must be a date such as 2017-01-31"))
    }

    fn span<T>(&mut self, place: &Place, from: &str, to: Option<&str>, value: Option<T>) -> Option<Span<T>> {
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

    fn insert<T>(&mut self, place: &Place, dated: &mut Dated<T>, span: Span<T>) {
        let overlaps =
            |other: &Span<T>| span.to.is_none_or(|to| other.from <= to) && other.to.is_none_or(|to| span.from <= to);
        if let Some(other) = dated.0.iter().find(|other| overlaps(other)) {
            let until = other.to.map_or("on".to_owned(), |to| format!("to {to}"));
            self.refuse(place, "from", format!("overlaps the rule in force from {} {until}", other.from));
            return;
        }
        dated.0.push(span);
        dated.0.sort_by_key(|span| span.from);
    }

    fn shares(&mut self, place: &Place, field: &str, shares: &[Spanned<wire::Share>]) -> Vec<(String, Rate)> {
        if shares.is_empty() || shares.len() > SHARES_MAX {
            self.refuse(place, field, format!("must have 1 to {SHARES_MAX} parts"));
        }
        let mut seen = BTreeSet::new();
        let mut parts = Vec::new();
        for share in shares.iter().map(Spanned::get_ref) {
            if !seen.insert(share.to.as_str()) {
                self.refuse(place, field, format!("{} stands in it twice", share.to));
            }
            if let Some(rate) = self.parsed(place, field, Rate::parse(&share.share)) {
                parts.push((share.to.clone(), rate));
            }
        }
        let sum: i128 = parts.iter().map(|(_, rate)| rate.scaled()).sum();
        if parts.len() == shares.len() && sum != Rate::SCALE {
            let sum = rust_decimal::Decimal::from_i128_with_scale(sum, crate::units::limits::RATE_SCALE).normalize();
            self.refuse(place, field, format!("shares must sum to 1, they sum to {sum}"));
        }
        parts
    }

    /// Whether there are so many rules or lines that they are not compared.
    fn too_many(&mut self, file: &RulebookFile) -> bool {
        let terms = [file.earn.len(), file.burn.len(), file.prices.len(), file.splits.len(), file.expiry.len()];
        let accounting = [file.liability.len(), file.urr_override.len(), file.vat.len()];
        let rules: usize = terms.into_iter().chain(accounting).sum();
        if rules > RULES_MAX {
            let whole = Place { line: 0, path: "rulebook".to_owned() };
            self.refuse(&whole, "", format!("has {rules} rules, the limit is {RULES_MAX}"));
        }
        rules > RULES_MAX || file.lines.len() > LINES_MAX
    }

    fn hours_and_months(&mut self, place: &Place, seal_after_hours: u32, refund_months: u32) {
        if seal_after_hours < 1 {
            self.refuse(place, "seal_after_hours", "must be at least 1: writers' clocks differ");
        }
        if seal_after_hours > SEAL_AFTER_HOURS_MAX {
            self.refuse(place, "seal_after_hours", format!("must be at most {SEAL_AFTER_HOURS_MAX}, a month"));
        }
        if !(1..=REFUND_MONTHS_MAX).contains(&refund_months) {
            self.refuse(place, "refund_months", format!("must be 1 to {REFUND_MONTHS_MAX}"));
        }
    }

    fn rulebook(&mut self, file: RulebookFile, hash: String) -> Option<Rulebook> {
        let too_many = self.too_many(&file);
        let lines = self.lines(&file.lines);
        if too_many {
            // Every rule is compared with others; of so many that would not end.
            return None;
        }
        let place = Place { line: self.lines.of(file.programme.span().start), path: "programme".to_owned() };
        let programme = file.programme.into_inner();
        let zone = self.parsed(
            &place,
            "time_zone",
            programme.time_zone.parse().map_err(|_| "must be an IANA time zone such as Asia/Shanghai"),
        );
        let first_period = self.parsed(&place, "first_period", Period::parse(&programme.first_period));
        let platform = self.known_line(&place, "platform", &programme.platform);
        let currency = self.parsed(&place, "currency", Currency::parse(&programme.currency));
        self.printable(&place, "name", &programme.name, NAME_MAX);
        self.hours_and_months(&place, programme.seal_after_hours, programme.refund_months);
        let pseudonym_key = self.pseudonym_key(&place, programme.pseudonym_key, programme.pseudonym_salt);

        let earn = self.earn(file.earn, currency);
        let burn = self.burn(file.burn);
        let prices = self.prices(file.prices);
        let splits = self.splits(file.splits);
        let expiry = self.expiry(file.expiry);
        let liability = self.liability(file.liability);
        let overrides = self.overrides(file.urr_override);
        let vat = self.vat(file.vat);
        let accounts = self.accounts(file.accounts);
        let rulebook = Rulebook {
            hash,
            name: programme.name,
            // Refused already when there is none; what follows needs neither.
            currency: currency.unwrap_or(Currency::NONE),
            zone: zone.unwrap_or(chrono_tz::Tz::UTC),
            first_period: first_period?,
            platform: platform?,
            netting: programme.netting,
            disclose: programme.disclose,
            seal_after: TimeDelta::hours(i64::from(programme.seal_after_hours)),
            refund_months: programme.refund_months,
            pseudonym_key: pseudonym_key?,
            allow_phone_members: programme.allow_phone_members,
            lines,
            earn,
            burn,
            prices,
            splits,
            expiry,
            accounts,
            liability,
            overrides,
            vat,
            warnings: Vec::new(),
        };
        self.those_named_take_part(&rulebook);
        self.every_pair_has_a_price(&rulebook);
        self.every_funder_has_an_expiry(&rulebook);
        self.every_funder_has_liability_terms(&rulebook);
        self.every_pair_has_a_vat_rule(&rulebook);
        self.points_create_no_money(&rulebook);
        Some(rulebook)
    }

    fn pseudonym_key(&mut self, place: &Place, name: Option<String>, salt: Option<String>) -> Option<KeySource> {
        match (name, salt) {
            (Some(name), None) => {
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                if name.is_empty() || name.len() > KEY_NAME_MAX || !name.bytes().all(allowed) {
                    let rule = format!("must be 1 to {KEY_NAME_MAX} of A-Z a-z 0-9 _ -, the name of the key");
                    self.refuse(place, "pseudonym_key", rule);
                }
                if name == SAMPLE_KEY_NAME {
                    self.warn(
                        place,
                        "pseudonym_key",
                        "is the sample's key, which is no secret; name a key of the programme's own before anything \
                         is recorded: it stays for the programme's life",
                    );
                }
                Some(KeySource::Named(name))
            }
            (None, Some(salt)) => {
                if salt.len() < 8 {
                    self.refuse(place, "pseudonym_salt", "must have at least 8 characters");
                }
                self.warn(
                    place,
                    "pseudonym_salt",
                    "lies in every pack with the rulebook, so whoever has one can find out who a member is; a new \
                     programme names a secret key instead: pseudonym_key = \"name\"",
                );
                Some(KeySource::Salt(salt))
            }
            (Some(_), Some(_)) => {
                self.refuse(place, "pseudonym_salt", "must be left out where pseudonym_key names the key");
                None
            }
            (None, None) => {
                self.refuse(place, "pseudonym_key", "is missing: the name of the key that pseudonyms are made with");
                None
            }
        }
    }

    fn lines(&mut self, lines: &[Spanned<wire::Line>]) -> Vec<Line> {
        let mut checked = Vec::new();
        for (index, spanned) in lines.iter().enumerate() {
            let place = self.place("lines", index, spanned);
            let line = spanned.get_ref();
            if index == LINES_MAX {
                self.refuse(&place, "", format!("a programme has at most {LINES_MAX} lines"));
                break;
            }
            for (field, text) in [("name", &line.name), ("name_zh", &line.name_zh), ("entity", &line.entity)] {
                self.printable(&place, field, text, NAME_MAX);
            }
            self.printable(&place, "bank_account", &line.bank_account, BANK_ACCOUNT_MAX);
            let Some(id) = self.parsed(&place, "id", LineId::parse(&line.id)) else { continue };
            if id.as_str() == "redeemer" {
                self.refuse(&place, "id", "`redeemer` stands for the redeeming line of a split");
            }
            if !id.as_str().starts_with(|first: char| first.is_ascii_alphanumeric()) {
                // It names folders of reports, where `..` is another.
                self.refuse(&place, "id", "must begin with a letter or a digit");
            }
            if !self.known.insert(id.clone()) {
                self.refuse(&place, "id", format!("line {id} stands twice"));
                continue;
            }
            let name_zh = if line.name_zh.is_empty() { line.name.clone() } else { line.name_zh.clone() };
            let entity = if line.entity.is_empty() { name_zh.clone() } else { line.entity.clone() };
            let bank_account = line.bank_account.clone();
            let reference_scopes = self.reference_scopes(&place, &line.reference_scope);
            let (first_day, last_day) = self.days_of_line(&place, line);
            checked.push(Line {
                id,
                name: line.name.clone(),
                name_zh,
                entity,
                bank_account,
                first_day,
                last_day,
                reference_scopes,
            });
        }
        checked.sort_by(|one, other| one.id.cmp(&other.id));
        checked
    }

    fn days_of_line(&mut self, place: &Place, line: &wire::Line) -> (NaiveDate, Option<NaiveDate>) {
        let from = line.from.as_deref().and_then(|text| self.date(place, "from", text)).unwrap_or(NaiveDate::MIN);
        let to = line.to.as_deref().and_then(|text| self.date(place, "to", text));
        if to.is_some_and(|to| to < from) {
            self.refuse(place, "to", "is before `from`");
        }
        (from, to)
    }

    fn reference_scopes(&mut self, place: &Place, scopes: &wire::ReferenceScopes) -> Vec<(NaiveDate, ReferenceScope)> {
        let dated = match scopes {
            wire::ReferenceScopes::Always(scope) => return vec![(NaiveDate::MIN, *scope)],
            wire::ReferenceScopes::Dated(dated) => dated,
        };
        let mut scopes: Vec<(NaiveDate, ReferenceScope)> = Vec::new();
        for dated in dated {
            let Some(from) = self.date(place, "reference_scope", &dated.from) else { continue };
            if scopes.last().is_some_and(|(before, _)| *before >= from) {
                self.refuse(place, "reference_scope", format!("{from} is not after the day before it"));
            }
            scopes.push((from, dated.scope));
        }
        scopes
    }

    fn earn(
        &mut self,
        rules: Vec<Spanned<wire::Earn>>,
        currency: Option<Currency>,
    ) -> BTreeMap<LineId, Dated<EarnRule>> {
        let mut earn: BTreeMap<LineId, Dated<EarnRule>> = BTreeMap::new();
        for (index, spanned) in rules.into_iter().enumerate() {
            let place = self.place("earn", index, &spanned);
            let rule = spanned.into_inner();
            let line = self.known_line(&place, "line", &rule.line);
            let points_per_unit = self.parsed(&place, "points_per_unit", Rate::parse(&rule.points_per_unit));
            let minimum_amount = match (&rule.minimum_amount, currency) {
                (Some(text), Some(currency)) => self.parsed(&place, "minimum_amount", currency.parse_money(text)),
                // Without a currency no amount can be read.
                (None, _) | (Some(_), None) => Some(Money::ZERO),
            };
            let multiplier = match &rule.multiplier {
                None => Some(Rate::ONE),
                Some(text) => self.parsed(&place, "multiplier", Rate::parse(text)),
            };
            if multiplier.is_some_and(|multiplier| multiplier < Rate::ONE) {
                self.refuse(&place, "multiplier", "must be at least 1");
            }
            let mut sponsors = Vec::new();
            if !rule.sponsors.is_empty() {
                let nothing = multiplier == Some(Rate::ONE) || points_per_unit.is_some_and(Rate::is_zero);
                if nothing {
                    self.refuse(&place, "sponsors", "would never pay: they pay for what a multiplier above 1 adds");
                }
                for (to, share) in self.shares(&place, "sponsors", &rule.sponsors) {
                    if share.is_zero() {
                        self.refuse(&place, "sponsors", format!("{to} would never pay: its share is 0"));
                    }
                    sponsors.extend(self.known_line(&place, "sponsors", &to).map(|line| (line, share)));
                }
                // Funders in order: the tie rule of the allocation.
                sponsors.sort();
            }
            let value = points_per_unit.zip(minimum_amount).zip(multiplier).map(
                |((points_per_unit, minimum_amount), multiplier)| EarnRule {
                    points_per_unit,
                    minimum_amount,
                    multiplier,
                    sponsors,
                },
            );
            let span = self.span(&place, &rule.from, rule.to.as_deref(), value);
            if let (Some(line), Some(span)) = (line, span) {
                self.insert(&place, earn.entry(line).or_default(), span);
            }
        }
        earn
    }

    fn burn(&mut self, rules: Vec<Spanned<wire::Burn>>) -> BTreeMap<LineId, Dated<BurnRule>> {
        let mut burn: BTreeMap<LineId, Dated<BurnRule>> = BTreeMap::new();
        for (index, spanned) in rules.into_iter().enumerate() {
            let place = self.place("burn", index, &spanned);
            let rule = spanned.into_inner();
            let line = self.known_line(&place, "line", &rule.line);
            let value = self.parsed(&place, "value", Rate::parse(&rule.value));
            if value.is_some_and(Rate::is_zero) {
                self.refuse(&place, "value", "must be more than zero");
            }
            if rule.step == 0 {
                self.refuse(&place, "step", "must be at least 1");
            }
            let max_bill_share = match &rule.max_bill_share {
                None => Some(None),
                Some(text) => self.parsed(&place, "max_bill_share", Rate::parse(text)).map(Some),
            };
            if max_bill_share.flatten().is_some_and(|share| share > Rate::ONE) {
                self.refuse(&place, "max_bill_share", "must be at most 1");
            }
            if max_bill_share.flatten().is_some_and(Rate::is_zero) {
                self.refuse(&place, "max_bill_share", "must be more than zero, or nobody could redeem");
            }
            self.caps_can_be_met(&place, &rule);
            let points = |limit: u32| Points::new(i64::from(limit));
            let value = value.zip(max_bill_share).map(|(value, max_bill_share)| BurnRule {
                value,
                minimum: points(rule.minimum),
                step: points(rule.step.max(1)),
                max_per_order: rule.max_per_order.map(points),
                max_bill_share,
                max_per_day: rule.max_per_day.map(points),
                max_per_month: rule.max_per_month.map(points),
            });
            let span = self.span(&place, &rule.from, rule.to.as_deref(), value);
            if let (Some(line), Some(span)) = (line, span) {
                self.insert(&place, burn.entry(line).or_default(), span);
            }
        }
        burn
    }

    fn caps_can_be_met(&mut self, place: &Place, rule: &wire::Burn) {
        let step = u64::from(rule.step.max(1));
        let least = u64::from(rule.minimum.max(1)).div_ceil(step) * step;
        let caps = [
            ("max_per_order", rule.max_per_order),
            ("max_per_day", rule.max_per_day),
            ("max_per_month", rule.max_per_month),
        ];
        for (field, cap) in caps {
            if cap.is_some_and(|cap| u64::from(cap) < least) {
                let rule = format!("must be at least {least}, the fewest points that minimum and step allow");
                self.refuse(place, field, rule);
            }
        }
    }

    fn prices(&mut self, rules: Vec<Spanned<wire::Price>>) -> BTreeMap<LineId, BTreeMap<Option<LineId>, Dated<Rate>>> {
        let mut prices: BTreeMap<LineId, BTreeMap<Option<LineId>, Dated<Rate>>> = BTreeMap::new();
        for (index, spanned) in rules.into_iter().enumerate() {
            let place = self.place("prices", index, &spanned);
            let rule = spanned.into_inner();
            let redeemer = self.known_line(&place, "redeemer", &rule.redeemer);
            let funder = self.line_or_any(&place, "funder", &rule.funder);
            let price = self.parsed(&place, "price", Rate::parse(&rule.price));
            let span = self.span(&place, &rule.from, rule.to.as_deref(), price);
            if let (Some(redeemer), Some(funder), Some(span)) = (redeemer, funder, span) {
                self.insert(&place, prices.entry(redeemer).or_default().entry(funder).or_default(), span);
            }
        }
        prices
    }

    fn splits(
        &mut self,
        rules: Vec<Spanned<wire::Split>>,
    ) -> BTreeMap<(Option<LineId>, Option<LineId>), Dated<SplitRule>> {
        let mut splits: BTreeMap<(Option<LineId>, Option<LineId>), Dated<SplitRule>> = BTreeMap::new();
        for (index, spanned) in rules.into_iter().enumerate() {
            let place = self.place("splits", index, &spanned);
            let rule = spanned.into_inner();
            self.parsed(&place, "rule", crate::units::id::Reference::parse(&rule.rule));
            let payer = self.line_or_any(&place, "payer", &rule.payer);
            let redeemer = self.line_or_any(&place, "redeemer", &rule.redeemer);
            let mut shares = Vec::new();
            for (to, share) in self.shares(&place, "shares", &rule.shares) {
                if to == "redeemer" {
                    shares.push((Beneficiary::Redeemer, share));
                } else if let Some(line) = self.known_line(&place, "shares", &to) {
                    shares.push((Beneficiary::Line(line), share));
                }
            }
            // The redeeming line first, then by name: the tie rule of the allocation.
            shares.sort();
            let value = Some(SplitRule { rule: rule.rule, shares });
            let span = self.span(&place, &rule.from, rule.to.as_deref(), value);
            if let (Some(payer), Some(redeemer), Some(span)) = (payer, redeemer, span) {
                self.insert(&place, splits.entry((payer, redeemer)).or_default(), span);
            }
        }
        splits
    }

    fn expiry(&mut self, rules: Vec<Spanned<wire::Expiry>>) -> BTreeMap<Option<LineId>, Dated<Option<u32>>> {
        let mut expiry: BTreeMap<Option<LineId>, Dated<Option<u32>>> = BTreeMap::new();
        for (index, spanned) in rules.into_iter().enumerate() {
            let place = self.place("expiry", index, &spanned);
            let rule = spanned.into_inner();
            let funder = self.line_or_any(&place, "funder", &rule.funder);
            let value = match (rule.months, rule.never) {
                (Some(months), false) if (1..=EXPIRY_MONTHS_MAX).contains(&months) => Some(Some(months)),
                (None, true) => Some(None),
                (Some(_), false) => {
                    self.refuse(&place, "months", format!("must be 1 to {EXPIRY_MONTHS_MAX}"));
                    None
                }
                (Some(_), true) | (None, false) => {
                    self.refuse(&place, "months", "either `months` or `never = true` must be given");
                    None
                }
            };
            let span = self.span(&place, &rule.from, rule.to.as_deref(), value);
            if let (Some(funder), Some(span)) = (funder, span) {
                self.insert(&place, expiry.entry(funder).or_default(), span);
            }
        }
        expiry
    }

    /// A line funds points once it has an earn rule (the rate may be zero) or
    /// sponsors another's; then points may also be owed to it, also after its last day.
    fn every_pair_has_a_price(&mut self, rulebook: &Rulebook) {
        let funders = funders(rulebook);
        let payees: BTreeSet<LineId> = funders.iter().cloned().chain(rulebook.burn.keys().cloned()).collect();
        let whole = Place { line: 0, path: "prices".to_owned() };
        for payee in &payees {
            let last = rulebook.last_day_as_payee(payee, &funders);
            for funder in &funders {
                let rules = rulebook.prices.get(payee);
                let specific = rules.and_then(|rules| rules.get(&Some(funder.clone())));
                let general = rules.and_then(|rules| rules.get(&None));
                let spans = specific.into_iter().chain(general).flat_map(|dated| dated.spans());
                if let Some(day) = first_gap(rulebook.first_day_of(&[funder, payee]), last, spans) {
                    let rule = format!("no price for points of {funder} redeemed at {payee} on {day}");
                    self.refuse(&whole, "", rule);
                }
            }
        }
    }

    fn every_funder_has_an_expiry(&mut self, rulebook: &Rulebook) {
        let whole = Place { line: 0, path: "expiry".to_owned() };
        for funder in funders(rulebook) {
            let specific = rulebook.expiry.get(&Some(funder.clone()));
            let spans = specific.into_iter().chain(rulebook.expiry.get(&None)).flat_map(|dated| dated.spans());
            let last = rulebook.line(&funder).and_then(|line| line.last_day);
            if let Some(day) = first_gap(rulebook.first_day_of(&[&funder]), last, spans) {
                self.refuse(&whole, "", format!("no rule for points issued by {funder} on {day}"));
            }
        }
    }

    /// Who pays or is paid by a rule of another line takes part while it may be used.
    fn those_named_take_part(&mut self, rulebook: &Rulebook) {
        if let Some(line) = rulebook.line(&rulebook.platform)
            && (line.first_day > rulebook.first_period.first_day() || line.last_day.is_some())
        {
            let whole = Place { line: 0, path: "lines".to_owned() };
            self.refuse(&whole, "", format!("{}, the platform, takes part the whole programme long", line.id));
        }
        let earn = Place { line: 0, path: "earn".to_owned() };
        for (earner, rules) in &rulebook.earn {
            let Some(own) = rulebook.line(earner) else { continue };
            for span in rules.spans() {
                let first = span.from.max(rulebook.first_day_of(&[earner]));
                let last = span.to.into_iter().chain(own.last_day).min();
                if last.is_some_and(|last| last < first) {
                    continue;
                }
                for sponsor in span.value.sponsors.iter().filter_map(|(sponsor, _)| rulebook.line(sponsor)) {
                    let beyond = sponsor.last_day.filter(|end| last.is_none_or(|last| last > *end));
                    if sponsor.first_day > first || beyond.is_some() {
                        let day = beyond.and_then(|end| end.succ_opt()).map_or(first, |day| day.max(first));
                        let text = format!("{} sponsors {earner} on {day} and does not take part then", sponsor.id);
                        self.refuse(&earn, "", text);
                    }
                }
            }
        }
    }

    /// A yuan spent must earn points worth less than a yuan, or sales paid with
    /// points would pay for themselves.
    fn points_create_no_money(&mut self, rulebook: &Rulebook) {
        let whole = Place { line: 0, path: "earn".to_owned() };
        for (earner, earn) in &rulebook.earn {
            for (redeemer, burn) in &rulebook.burn {
                let both = earn.spans().iter().flat_map(|one| burn.spans().iter().map(move |other| (one, other)));
                let mut creating = both.filter(|(one, other)| {
                    let best = one.value.points_per_unit.scaled() * one.value.multiplier.scaled();
                    let worth = best.checked_mul(other.value.value.scaled());
                    worth.is_none_or(|worth| worth >= Rate::SCALE.pow(3))
                });
                // One of a pair of lines: two thousand rules on either side would be four million errors.
                if let Some((one, other)) = creating.next() {
                    let rule = format!(
                        "earning {} points per unit at {earner} and spending them at {redeemer} for {} each creates money",
                        one.value.points_per_unit, other.value.value
                    );
                    self.refuse(&whole, "", rule);
                }
            }
        }
    }
}

/// Control characters, and those that XML does not have.
fn unprintable(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}')
}

fn funders(rulebook: &Rulebook) -> BTreeSet<LineId> {
    let rules = rulebook.earn.values().flat_map(|dated| dated.spans());
    let sponsors = rules.flat_map(|span| span.value.sponsors.iter().map(|(line, _)| line.clone()));
    rulebook.earn.keys().cloned().chain(sponsors).collect()
}

/// The first day from `start` on, and to `last` if there is one, that no span covers.
fn first_gap<'a, T: 'a>(
    start: NaiveDate,
    last: Option<NaiveDate>,
    spans: impl Iterator<Item = &'a Span<T>>,
) -> Option<NaiveDate> {
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

impl Rulebook {
    /// The day from which on all these lines take part.
    fn first_day_of(&self, lines: &[&LineId]) -> NaiveDate {
        let first_days = lines.iter().filter_map(|id| self.line(id)).map(|line| line.first_day);
        first_days.fold(self.first_period.first_day(), NaiveDate::max)
    }

    /// A line that only redeems is owed nothing new after its last day.
    fn last_day_as_payee(&self, payee: &LineId, funders: &BTreeSet<LineId>) -> Option<NaiveDate> {
        if funders.contains(payee) { None } else { self.line(payee)?.last_day }
    }
}
