//! Schemes of the programme's own: claims whose cost several lines bear together.

use super::changes::{Comparison, shares_words};
use super::check::{Check, Place};
use super::keys::{Everywhere, OfScheme};
use super::liability::Liability;
use super::prices::{OfPoints, Prices};
use super::read::tables;
use super::section::Section;
use super::table::{Span, Table};
use super::{Rulebook, RulebookError};
use crate::actuarial::experience::Life;
use crate::claims::lot::{Cohort, Expiry};
use crate::terms::split::FundingTerms;
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::id::{LineId, SchemeId};
use crate::units::limits::{EXPIRY_DAYS_MAX, EXPIRY_MONTHS_MAX, NAME_MAX, SCHEME_OWN_ID_MAX, SCHEMES_MAX};
use crate::units::money::{Money, Rate};
use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// What stands in `to` for the line of the sale.
const SELLER: &str = "line";
/// Names that mean something else where a scheme's may stand.
const RESERVED: [&str; 5] = ["redeemer", SELLER, "leg", "members", "*"];

/// A scheme of the programme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemeTerms {
    pub name: String,
    pub name_zh: String,
    pub unit: Unit,
    pub accounting: Accounting,
    /// Lines that honour its claims; none: every line that redeems.
    usable_at: Option<BTreeSet<LineId>>,
    expiry: SchemeExpiry,
    /// Currency units per point.
    repay_price: Option<Rate>,
    /// By the first day of the month of issue.
    funders: Table<(), Funders>,
}

/// What a claim is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    Point,
}

/// How claims of a scheme stand in the books of the line whose sale gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accounting {
    /// The seller's share is a part of the sale's price (IFRS 15.74, CAS 14 art. 20).
    Allocate,
    /// All of it is a marketing expense.
    Grant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Funders {
    /// By name; the shares sum to one.
    Lines(Bear),
    /// The line of each sale: its claims are of an instance `scheme.line`.
    Seller,
}

/// Who bears which share, and the most of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bear {
    shares: Vec<(LineId, Rate)>,
    caps: Vec<(LineId, Money)>,
    over: Option<LineId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SchemeExpiry {
    Months(u32),
    Days(u32),
    On(NaiveDate),
    Never,
}

/// The expiry as it is written.
#[derive(Debug, Deserialize, Default)]
#[serde(
    deny_unknown_fields,
    expecting = "must be one of { months = 12 }, { days = 30 }, { day = \"2025-09-30\" }, { never = true }"
)]
pub struct ExpiryFile {
    months: Option<u32>,
    days: Option<u32>,
    day: Option<String>,
    never: Option<bool>,
}

tables! {
    SchemeFile {
        /// At most 16 of A-Z a-z 0-9 . _ -, and no line's id.
        id: String = required(String::new()),
        /// What its claims are counted in: `point`.
        unit: Unit = optional(Unit::Point),
        /// In reports and pages; without it the id.
        name: String = optional(String::new()),
        /// The same in Chinese; without it the name.
        name_zh: String = optional(String::new()),
        /// How the seller books its share: `allocate`, as a part of the sale's price, or `grant`, as a marketing expense. Shares
        /// of others are granted.
        accounting: Accounting = optional(Accounting::Allocate),
        /// The lines that honour its claims, or `*` for every line that redeems.
        usable_at: Vec<String> = optional(vec!["*".to_owned()]),
        /// One of `{ months = 3 }`, at the end of the third month after the month of issue; `{ days = 30 }` after the day of
        /// issue; `{ day = "2025-09-30" }`; `{ never = true }`.
        expiry: ExpiryFile = required(ExpiryFile::default()),
        /// What claims of other schemes pay for a point of a member's debt to this one, in currency units; without it the face
        /// value.
        repay_price: Option<String> = optional(None),
        /// Who bears the cost: [[schemes.funders]].
        funders: Vec<Spanned<FundersFile>> = some_tables(),
    }

    FundersFile {
        /// First day of issue, the first of a month.
        from: String = required(String::new()),
        /// Last day of issue, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// Who bears which share; they sum to 1. `line` alone stands for the line of the sale.
        shares: Vec<Spanned<FunderFile>> = some_tables(),
        /// The funder that bears what is above the others' caps.
        over: Option<String> = optional(None),
    }

    FunderFile {
        /// A line, or `line`.
        to: String = required(String::new()),
        /// Its share of one.
        share: String = required(String::new()),
        /// The most that it bears under these terms, an amount; only with `over`.
        cap: Option<String> = optional(None),
    }
}

pub const NAME: &str = "schemes";
pub const ABOUT: &str = "Claims of the programme's own, whose cost several lines bear together: campaigns. Prices, splits, \
                         liability and overrides of rates name a scheme where they name a line's points.";

/// The ids of the schemes, so that rules of them may stand before them.
pub fn ids(files: &[Spanned<SchemeFile>]) -> BTreeSet<SchemeId> {
    files.iter().filter_map(|file| SchemeId::parse(&file.get_ref().id).ok()).collect()
}

pub fn check(files: Vec<Spanned<SchemeFile>>, check: &mut Check) -> BTreeMap<SchemeId, SchemeTerms> {
    let mut schemes = BTreeMap::new();
    if files.len() > SCHEMES_MAX {
        check.refuse(&Place::whole(NAME), "", format!("a programme has at most {SCHEMES_MAX} schemes"));
        return schemes;
    }
    for (index, spanned) in files.into_iter().enumerate() {
        let place = check.place_of(format!("{NAME}[{index}]"), &spanned);
        let file = spanned.into_inner();
        let id = named(&place, &file.id, check);
        let terms = terms(&place, file, check);
        if let Some((id, terms)) = id.zip(terms)
            && schemes.insert(id.clone(), terms).is_some()
        {
            check.refuse(&place, "id", format!("scheme {id} stands twice"));
        }
    }
    for (id, line) in schemes.keys().flat_map(|id| check.lines().map(move |line| (id, line))).collect::<Vec<_>>() {
        let instance = SchemeId::parse(&format!("{id}.{line}")).ok();
        if instance.is_some_and(|of| schemes.contains_key(&of) || check.has_line(of.as_line())) {
            check.refuse(&Place::whole(NAME), "id", format!("{id}.{line} could be two things"));
        }
    }
    schemes
}

fn named(place: &Place, text: &str, check: &mut Check) -> Option<SchemeId> {
    let id = check.parsed(place, "id", SchemeId::parse(text))?;
    if text.len() > SCHEME_OWN_ID_MAX {
        check.refuse(place, "id", format!("is longer than {SCHEME_OWN_ID_MAX} characters"));
    }
    if !text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        check.refuse(place, "id", "must begin with a letter or a digit");
    }
    if RESERVED.contains(&text) {
        check.refuse(place, "id", format!("`{text}` stands for something else"));
    }
    if check.has_line(id.as_line()) {
        check.refuse(place, "id", format!("{id} is a line, whose own points are a scheme of its name"));
    }
    Some(id)
}

fn terms(place: &Place, file: SchemeFile, check: &mut Check) -> Option<SchemeTerms> {
    check.printable(place, "name", &file.name, NAME_MAX);
    check.printable(place, "name_zh", &file.name_zh, NAME_MAX);
    let name = if file.name.is_empty() { file.id } else { file.name };
    let name_zh = if file.name_zh.is_empty() { name.clone() } else { file.name_zh };
    let usable_at = match file.usable_at.as_slice() {
        [all] if all == "*" => Some(None),
        [] => {
            check.refuse(place, "usable_at", "must name a line, or `*`");
            None
        }
        lines => {
            let known: Vec<_> = lines.iter().filter_map(|line| check.known_line(place, "usable_at", line)).collect();
            Some(Some(known.into_iter().collect()))
        }
    };
    let expiry = expiry(place, &file.expiry, check);
    let repay_price = match file.repay_price.as_deref() {
        None => Some(None),
        Some(text) => check.parsed(place, "repay_price", Rate::parse(text)).map(Some),
    };
    let mut funders = Table::default();
    for (index, spanned) in file.funders.into_iter().enumerate() {
        let place = check.place_of(format!("{}.funders[{index}]", place.path()), &spanned);
        let file = spanned.into_inner();
        let bear = bear(&place, &file, check);
        let Some(span) = check.months(&place, &file.from, file.to.as_deref(), bear) else { continue };
        let twice = |_: &Span<Funders>, other: &Span<Funders>| format!("overlaps those in force from {}", other.from);
        if let Err(rule) = funders.insert((), span, twice) {
            check.refuse(&place, "from", rule);
        }
    }
    let kinds: BTreeSet<bool> = funders.spans().map(|span| span.value == Funders::Seller).collect();
    if kinds.len() > 1 {
        check.refuse(place, "funders", "are the line of each sale always or never: else open claims have no funder");
    }
    let (unit, accounting) = (file.unit, file.accounting);
    let (usable_at, expiry, repay_price) = (usable_at?, expiry?, repay_price?);
    Some(SchemeTerms { name, name_zh, unit, accounting, usable_at, expiry, repay_price, funders })
}

fn expiry(place: &Place, file: &ExpiryFile, check: &mut Check) -> Option<SchemeExpiry> {
    match (file.months, file.days, file.day.as_deref(), file.never) {
        (Some(months), None, None, None) if (1..=EXPIRY_MONTHS_MAX).contains(&months) => {
            Some(SchemeExpiry::Months(months))
        }
        (Some(_), None, None, None) => {
            check.refuse(place, "expiry.months", format!("must be 1 to {EXPIRY_MONTHS_MAX}"));
            None
        }
        (None, Some(days), None, None) if (1..=EXPIRY_DAYS_MAX).contains(&days) => Some(SchemeExpiry::Days(days)),
        (None, Some(_), None, None) => {
            check.refuse(place, "expiry.days", format!("must be 1 to {EXPIRY_DAYS_MAX}"));
            None
        }
        (None, None, Some(day), None) => check.date(place, "expiry.day", day).map(SchemeExpiry::On),
        (None, None, None, Some(true)) => Some(SchemeExpiry::Never),
        _ => {
            check.refuse(place, "expiry", "must be one of months, days, day and never = true");
            None
        }
    }
}

fn bear(place: &Place, file: &FundersFile, check: &mut Check) -> Option<Funders> {
    let shares = file.shares.iter().map(Spanned::get_ref);
    let parts = check.parts(place, "shares", shares.clone().map(|of| (of.to.as_str(), of.share.as_str())).collect());
    if let [(to, _)] = parts.as_slice()
        && to == SELLER
    {
        if file.over.is_some() || shares.clone().any(|of| of.cap.is_some()) {
            check.refuse(place, "over", "the line of each sale bears all of it, without a cap");
        }
        return Some(Funders::Seller);
    }
    let mut lines = Vec::new();
    for (to, share) in parts {
        if to == SELLER {
            check.refuse(place, "shares", "`line` bears all of it or none: instances have one funder each");
            return None;
        }
        if share.is_zero() {
            check.refuse(place, "shares", format!("{to} bears nothing: leave it out"));
        }
        lines.push((check.known_line(place, "shares", &to)?, share));
    }
    let (caps, over) = caps(place, file, check)?;
    // By name: the tie rule of the allocation.
    lines.sort();
    (!lines.is_empty()).then_some(Funders::Lines(Bear { shares: lines, caps, over }))
}

/// The caps by line, and who bears what is above them.
type Caps = (Vec<(LineId, Money)>, Option<LineId>);

/// What is above a cap needs somebody who has none.
fn caps(place: &Place, file: &FundersFile, check: &mut Check) -> Option<Caps> {
    let mut caps = Vec::new();
    for of in file.shares.iter().map(Spanned::get_ref) {
        let Some(text) = &of.cap else { continue };
        caps.push((LineId::parse(&of.to).ok()?, check.amount(place, "shares", text)?));
    }
    caps.sort();
    let over = match &file.over {
        Some(text) => Some(check.known_line(place, "over", text)?),
        None => None,
    };
    let is_funder = over.as_ref().is_some_and(|over| file.shares.iter().any(|of| over.as_str() == of.get_ref().to));
    let is_capped = over.as_ref().is_some_and(|over| caps.iter().any(|(line, _)| line == over));
    match (&over, caps.is_empty()) {
        (None, true) => {}
        (None, false) => check.refuse(place, "over", "is missing: who bears what is above the caps"),
        (Some(_), true) => check.refuse(place, "over", "has a meaning only where somebody has a cap"),
        (Some(over), false) if !is_funder || is_capped => {
            check.refuse(place, "over", format!("{over} must be one of the funders, without a cap"));
        }
        (Some(_), false) => {}
    }
    Some((caps, over))
}

/// What the rulebook must say of every scheme.
pub fn audit(rulebook: &Rulebook, check: &mut Check) {
    for (id, terms) in &rulebook.schemes {
        for span in terms.funders.spans() {
            if let Some(day) = rulebook.sections.liability.first_gap(&OfScheme(id), span.from, span.to) {
                let rule = format!("no rule for claims of {id} issued on {day}");
                check.refuse(&Place::whole(Liability::NAME), "", rule);
            }
            take_part(rulebook, id, span, check);
        }
        let first = terms.funders.spans().map(|span| span.from).min();
        // Its claims may pay a debt to whoever funds points, too.
        let funders = rulebook.funders();
        let payees: BTreeSet<&LineId> = funders.iter().chain(rulebook.sections.burn.patterns()).collect();
        for redeemer in payees {
            let start = first.map(|first| first.max(rulebook.first_day_of(&[redeemer])));
            let last = rulebook.last_day_as_payee(redeemer, &funders);
            let key = OfPoints { redeemer, scheme: id };
            let gap = start.and_then(|start| rulebook.sections.prices.first_gap(&key, start, last));
            if let Some(day) = gap {
                let rule = format!("no price for claims of {id} redeemed at {redeemer} on {day}");
                check.refuse(&Place::whole(Prices::NAME), "", rule);
            }
        }
    }
}

/// Who bears the cost of claims takes part while they are issued.
fn take_part(rulebook: &Rulebook, id: &SchemeId, span: &Span<Funders>, check: &mut Check) {
    let Funders::Lines(Bear { shares, .. }) = &span.value else { return };
    for line in shares.iter().filter_map(|(line, _)| rulebook.line(line)) {
        let first = span.from.max(rulebook.first_period.first_day());
        let beyond = line.last_day.filter(|end| span.to.is_none_or(|to| to > *end));
        if line.first_day > first || beyond.is_some() {
            let day = beyond.and_then(|end| end.succ_opt()).map_or(first, |day| day.max(first));
            let text = format!("{} bears claims of {id} on {day} and does not take part then", line.id);
            check.refuse(&Place::whole(NAME), "funders", text);
        }
    }
}

/// What two rulebooks say differently of schemes.
pub fn compare(comparison: &mut Comparison<'_>) {
    let currency = comparison.currency();
    let ids: BTreeSet<&SchemeId> = comparison.books().iter().flat_map(|book| book.schemes.keys()).collect();
    for id in ids {
        let of = |book: &'_ Rulebook| book.schemes.get(id).cloned();
        let spans = comparison.books().map(of).into_iter().flatten().flat_map(|terms| {
            let spans = terms.funders.spans().map(|span| (span.from, span.to)).collect::<Vec<_>>();
            spans.into_iter()
        });
        let days = spans.flat_map(|(from, to)| [Some(from), to.and_then(|to| to.checked_add_days(Days::new(1)))]);
        let days: BTreeSet<NaiveDate> = days.flatten().collect();
        comparison.of_days(
            &format!("{NAME}: {id}"),
            days,
            |book, day| book.schemes.get(id)?.words(currency, day),
            String::clone,
        );
    }
}

/// A scheme once there stays, and is counted in what it was.
pub fn follows(before: &Rulebook, after: &Rulebook) -> impl Iterator<Item = RulebookError> {
    let stays = |old: &SchemeTerms, new: &SchemeTerms| new.unit == old.unit && new.is_of_seller() == old.is_of_seller();
    let gone = before.schemes.iter().filter(move |(id, old)| after.schemes.get(id).is_none_or(|new| !stays(old, new)));
    gone.map(|(id, _)| RulebookError {
        line: 0,
        field: NAME.to_owned(),
        rule: format!("scheme {id} must stay, with its unit, and be of the line of each sale or not: a member may hold claims of it"),
    })
}

impl SchemeTerms {
    /// Whether the line of each sale bears its claims.
    fn is_of_seller(&self) -> bool {
        self.funders.spans().any(|span| span.value == Funders::Seller)
    }

    fn honours(&self, line: &LineId) -> bool {
        self.usable_at.as_ref().is_none_or(|lines| lines.contains(line))
    }

    fn expires(&self, day: NaiveDate) -> Expiry {
        match self.expiry {
            SchemeExpiry::Months(months) => Expiry::On(Period::of_day(day).plus_months(months).last_day()),
            SchemeExpiry::Days(days) => day.checked_add_days(Days::new(days.into())).map_or(Expiry::Never, Expiry::On),
            SchemeExpiry::On(last) => Expiry::On(last),
            SchemeExpiry::Never => Expiry::Never,
        }
    }

    fn words(&self, currency: Currency, day: NaiveDate) -> Option<String> {
        let shares = match self.funders.on(&Everywhere, day)? {
            Funders::Lines(Bear { shares, caps, over }) => {
                let cap = |(line, cap): &(LineId, Money)| format!(", {line} at most {}", currency.show(*cap));
                let over = over.iter().map(|line| format!(", above it {line}"));
                shares_words(shares) + &caps.iter().map(cap).chain(over).collect::<String>()
            }
            Funders::Seller => format!(" {SELLER}=1"),
        };
        let usable = match &self.usable_at {
            None => "everywhere".to_owned(),
            Some(lines) => format!("at {}", lines.iter().map(LineId::as_str).collect::<Vec<_>>().join(", ")),
        };
        let expiry = match self.expiry {
            SchemeExpiry::Months(months) => format!("{months} months"),
            SchemeExpiry::Days(days) => format!("{days} days"),
            SchemeExpiry::On(day) => format!("until {day}"),
            SchemeExpiry::Never => "never expires".to_owned(),
        };
        let accounting = match self.accounting {
            Accounting::Allocate => "allocated",
            Accounting::Grant => "granted",
        };
        let repaid = self.repay_price.map(|price| format!(", debts repaid at {price}")).unwrap_or_default();
        Some(format!("funded by{shares}, {expiry}, usable {usable}, {accounting}{repaid}"))
    }
}

impl Rulebook {
    pub fn has_schemes(&self) -> bool {
        !self.schemes.is_empty()
    }

    /// The programme's own schemes, by id.
    pub fn schemes(&self) -> impl Iterator<Item = (&SchemeId, &SchemeTerms)> {
        self.schemes.iter()
    }

    /// Whether claims of a scheme are a line's own points.
    pub fn is_line(&self, scheme: &SchemeId) -> bool {
        !self.has_schemes() || self.scheme(scheme).is_none()
    }

    /// The terms of a scheme, also of an instance; none of a line's own points.
    pub fn scheme(&self, id: &SchemeId) -> Option<&SchemeTerms> {
        self.instance(id).map(|(terms, _)| terms)
    }

    /// The scheme that an instance is of, or the scheme itself: rules name it.
    pub(super) fn ruled<'s>(&'s self, id: &'s SchemeId) -> &'s SchemeId {
        if !self.has_schemes() || self.schemes.contains_key(id) {
            return id;
        }
        self.parts(id).map_or(id, |(scheme, _)| scheme)
    }

    fn instance(&self, id: &SchemeId) -> Option<(&SchemeTerms, Option<&LineId>)> {
        match self.schemes.get(id) {
            Some(terms) => Some((terms, None)),
            None => self.parts(id).and_then(|(scheme, line)| Some((self.schemes.get(scheme)?, Some(line)))),
        }
    }

    fn parts(&self, id: &SchemeId) -> Option<(&SchemeId, &LineId)> {
        let of = |(at, _): (usize, &str)| {
            let (scheme, line) =
                (SchemeId::parse(&id.as_str()[..at]).ok()?, LineId::parse(&id.as_str()[at + 1..]).ok()?);
            Some((self.schemes.get_key_value(&scheme)?.0, &self.line(&line)?.id))
        };
        if self.has_schemes() { id.as_str().match_indices('.').find_map(of) } else { None }
    }

    /// What is issued of a scheme on a day by a sale of a line: an instance where the line of the sale bears the cost.
    /// None where nobody bears it.
    pub(super) fn issued_by(&self, scheme: &SchemeId, line: &LineId, day: NaiveDate) -> Option<SchemeId> {
        match self.schemes.get(scheme)?.funders.on(&Everywhere, day)? {
            Funders::Lines(_) => Some(scheme.clone()),
            Funders::Seller => SchemeId::parse(&format!("{scheme}.{line}")).ok(),
        }
    }

    /// The lines that bear schemes of the programme's own.
    pub(super) fn scheme_funders(&self) -> BTreeSet<LineId> {
        let spans = self.schemes.values().flat_map(|terms| terms.funders.spans());
        let lines = spans.filter_map(|span| match &span.value {
            Funders::Lines(Bear { shares, .. }) => Some(shares),
            // Whoever sells earns, and is a funder already.
            Funders::Seller => None,
        });
        lines.flatten().map(|(line, _)| line.clone()).collect()
    }

    /// The first day of a stretch on which nobody bears the cost of a scheme's claims.
    pub(super) fn unfunded(&self, scheme: &SchemeId, from: NaiveDate, to: Option<NaiveDate>) -> Option<NaiveDate> {
        self.schemes.get(scheme)?.funders.first_gap(&Everywhere, from, to)
    }

    /// Who bears the cost of a scheme's claims that were issued in a month: of a line's own points that line.
    pub fn funding(&self, scheme: &SchemeId, issued: Period) -> FundingTerms {
        let alone = |line: LineId| FundingTerms::new(scheme.to_string(), vec![(line, Rate::ONE)]);
        match self.instance(scheme) {
            None => alone(scheme.line()),
            Some((_, Some(line))) => alone(line.clone()),
            Some((terms, None)) => match terms.funders.on(&Everywhere, issued.first_day()) {
                Some(Funders::Lines(Bear { shares, caps, over })) => FundingTerms {
                    rule: scheme.to_string(),
                    shares: shares.clone(),
                    caps: caps.clone(),
                    over: over.clone(),
                },
                // Nothing is issued in such a month.
                Some(Funders::Seller) | None => alone(self.platform.clone()),
            },
        }
    }

    /// Those lines with their shares, as the rulebook knows them.
    pub fn funders_of(&self, scheme: &SchemeId, issued: Period) -> Vec<(&LineId, Rate)> {
        let funding = self.funding(scheme, issued);
        let of = funding.shares.iter().filter_map(|(payer, share)| Some((&self.line(payer)?.id, *share)));
        of.collect()
    }

    /// Whether a line honours claims of a scheme.
    pub fn is_usable(&self, scheme: &SchemeId, line: &LineId) -> bool {
        !self.has_schemes() || self.scheme(scheme).is_none_or(|terms| terms.honours(line))
    }

    /// Whether the seller's share of claims that its sales give is a part of their price.
    pub fn is_allocated(&self, scheme: &SchemeId) -> bool {
        self.scheme(scheme).is_none_or(|terms| terms.accounting == Accounting::Allocate)
    }

    /// What claims of other schemes pay for a point of a debt to one of the programme's own, in currency units.
    pub fn repay_price(&self, scheme: &SchemeId, month: Period) -> Option<Rate> {
        let face_value = || Some(self.liability(scheme, month)?.face_value);
        self.scheme(scheme)?.repay_price.or_else(face_value)
    }

    /// Every scheme of the programme's own that is issued in a month, instances among them.
    pub fn schemes_issued(&self, month: Period) -> Vec<SchemeId> {
        let lines = || self.lines.iter().map(|line| &line.id);
        let of = |scheme| lines().filter_map(move |line| self.issued_by(scheme, line, month.first_day()));
        let issued: BTreeSet<SchemeId> = self.schemes.keys().flat_map(of).collect();
        issued.into_iter().collect()
    }

    /// When claims of a scheme of the programme's own expire that are issued on a day.
    pub(super) fn scheme_expiry(&self, scheme: &SchemeId, day: NaiveDate) -> Option<Expiry> {
        Some(self.scheme(scheme)?.expires(day))
    }

    /// How long claims of such a scheme live that are issued in a month.
    pub(super) fn scheme_lives(&self, scheme: &SchemeId, month: Period) -> Option<BTreeSet<Life>> {
        let terms = self.scheme(scheme)?;
        let days = month.first_day().iter_days().take_while(|day| *day <= month.last_day());
        let life = |day| Life::of(&Cohort { expires: terms.expires(day), issued: month, scheme: scheme.clone() });
        Some(days.map(life).collect())
    }
}
