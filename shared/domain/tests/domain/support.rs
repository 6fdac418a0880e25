//! Short ways to say what a test is about.

use chrono::{DateTime, FixedOffset, NaiveDate};
use interline_domain::claims::account::Account;
use interline_domain::claims::lot::{Cohort, Slice};
use interline_domain::close::netting::{Nets, nets};
use interline_domain::close::tally::{Detail, Fold, SaleRates, Tally, TallyError};
use interline_domain::events::{
    Action, Command, Entry, Event, Head, Issue, Plan, Refusal, Returned, Spent, Target, Withdrawal, plan,
};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::currency::Currency;
use interline_domain::units::id::{LineId, MemberId, Reference, SchemeId};
use interline_domain::units::money::{Money, Points};
use interline_domain::units::shard::Shard;
use std::collections::BTreeMap;

pub fn rulebook(text: &str) -> Rulebook {
    Rulebook::parse(text).unwrap_or_else(|errors| panic!("{errors}"))
}

pub fn line(text: &str) -> LineId {
    LineId::parse(text).unwrap()
}

pub fn member(text: &str) -> MemberId {
    MemberId::parse(text).unwrap()
}

pub fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

pub fn points(points: i64) -> Points {
    Points::new(points)
}

/// The currency of the tests' programmes, unless they say another.
pub fn cny() -> Currency {
    Currency::parse("CNY").unwrap()
}

pub fn money(text: &str) -> Money {
    cny().parse_money(text).unwrap()
}

pub fn shown(amount: Money) -> String {
    cny().show(amount).to_string()
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn at(text: &str) -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339(text).unwrap()
}

pub fn period(text: &str) -> Period {
    Period::parse(text).unwrap()
}

/// `funder|issued|expires`
pub fn cohort(text: &str) -> Cohort {
    Cohort::parse(text).unwrap()
}

pub fn slice(lot: &str, number: i64) -> Slice {
    Slice { cohort: cohort(lot), points: points(number) }
}

pub fn scheme(text: &str) -> SchemeId {
    SchemeId::parse(text).unwrap()
}

pub fn account(lots: &[(&str, i64)]) -> Account {
    Account { lots: lots.iter().map(|(lot, number)| (cohort(lot), points(*number))).collect(), ..Account::default() }
}

pub fn command(at_line: &str, name: &str, occurred_at: &str, action: Action) -> Command {
    let (line, reference) = (line(at_line), reference(name));
    Command { head: Head { line, reference, member: member("m1"), occurred_at: at(occurred_at) }, action }
}

/// Plans an event that comes in time.
pub fn plan_in_time(
    rulebook: &Rulebook,
    account: &Account,
    command: &Command,
    target: Option<Target<'_>>,
) -> Result<Plan, Refusal> {
    plan(rulebook, account, command, rulebook.period(command.occurred()), target)
}

/// What a test asks of a row of the detail part.
pub struct Row {
    pub scheme: SchemeId,
    pub redeemer: LineId,
    pub amount: Money,
    pub crosses_lines: bool,
    pub is_late: bool,
}

/// Every entry folded where it belongs, all periods and shards merged.
pub fn fold<'e>(rulebook: &Rulebook, entries: impl IntoIterator<Item = &'e Entry>) -> (Tally, Vec<Row>) {
    let rates = SaleRates::default();
    let mut folds: BTreeMap<(Period, Shard), Fold<'_>> = BTreeMap::new();
    let mut details = Vec::new();
    for entry in entries {
        let place = (entry.booked, rulebook.shards(entry.booked).of(&entry.head.member));
        let fold = folds.entry(place).or_insert_with(|| Fold::new(rulebook, &rates, place.0, place.1));
        let row = |detail: Detail<'_>| {
            details.push(Row {
                scheme: detail.slice.cohort.scheme.clone(),
                redeemer: detail.slice.redeemer.clone(),
                amount: detail.slice.amount,
                crosses_lines: detail.crosses_lines,
                is_late: detail.entry.is_late(),
            });
            Ok::<(), TallyError>(())
        };
        fold.add(entry, row).unwrap();
    }
    let mut whole = Tally::default();
    for fold in folds.into_values() {
        whole.merge(&fold.finish()).unwrap();
    }
    (whole, details)
}

pub fn tally<'e>(rulebook: &Rulebook, entries: impl IntoIterator<Item = &'e Entry>) -> Tally {
    fold(rulebook, entries).0
}

pub fn nets_of(tally: &Tally) -> Nets {
    let owed = tally.obligations.iter().map(|(key, sum)| (key.scheme.line(), &key.redeemer, sum.amount));
    let owed: Vec<(LineId, &LineId, Money)> = owed.collect();
    nets(owed.iter().map(|(payer, redeemer, amount)| (payer, *redeemer, *amount))).unwrap()
}

/// `payer>redeemer` and what is owed before any split, where it is not zero.
pub fn obligations_of(tally: &Tally) -> BTreeMap<String, String> {
    let mut pairs: BTreeMap<String, Money> = BTreeMap::new();
    for (key, obligation) in &tally.obligations {
        pairs.entry(format!("{}>{}", key.scheme, key.redeemer)).or_default().add(obligation.amount).unwrap();
    }
    pairs.into_iter().filter(|(_, amount)| !amount.is_zero()).map(|(pair, amount)| (pair, shown(amount))).collect()
}

/// What a sale or a gift issued.
pub fn issue(entry: &Entry) -> Option<&Issue> {
    match &entry.event {
        Event::Accrual(did) => Some(&did.fact),
        Event::Grant(did) => Some(&did.fact),
        Event::Redemption(_) | Event::Refund(_) | Event::GiveBack(_) | Event::Revocation(_) => None,
    }
}

/// What a reversal took back of a sale or a gift.
pub fn withdrawal(entry: &Entry) -> Option<&Withdrawal> {
    match &entry.event {
        Event::Refund(did) => Some(&did.fact.withdrawal),
        Event::Revocation(did) => Some(&did.fact),
        Event::Accrual(_) | Event::Redemption(_) | Event::GiveBack(_) | Event::Grant(_) => None,
    }
}

/// What was given back of a redemption.
pub fn given_back(entry: &Entry) -> Option<&Returned> {
    if let Event::GiveBack(did) = &entry.event { Some(&did.fact) } else { None }
}

/// What a redemption spent.
pub fn spent(entry: &Entry) -> Option<&Spent> {
    if let Event::Redemption(did) = &entry.event { Some(&did.fact) } else { None }
}
