//! Items to domain types and back.

use crate::attributes::*;
use crate::error::LedgerError;
use crate::keys::{self, Key};
use crate::store::Item;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use interline_domain::account::{Account, Repayment, shard};
use interline_domain::calendar::Period;
use interline_domain::entry::{Action, Command, Entry, EntryKind, Original, Outcome, rfc3339_utc};
use interline_domain::id::{LineId, MemberId, Reference};
use interline_domain::lot::{Cohort, Slice};
use interline_domain::money::{Money, Points};
use interline_domain::plan::Reversed;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

/// What lies under an event's key in its home.
#[derive(Debug, Clone)]
pub enum Found {
    Entry(Box<Recorded>),
    /// The event came late and is booked in this period.
    Stub {
        booked: Period,
    },
    /// File digest -> why the event was refused there.
    Refusals(BTreeMap<String, RememberedRefusal>),
}

/// An entry with what the ledger noted beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub entry: Entry,
    /// What the member could spend after it, so that a retry gets the first answer.
    pub balance: Points,
    pub recorded_at: DateTime<Utc>,
    /// The digest of the file that it came in; `None`: through the API.
    pub source: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RememberedRefusal {
    pub field: String,
    pub code: String,
    pub rule: String,
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn string(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub fn with_key(key: &Key) -> Item {
    HashMap::from([(PK.to_owned(), string(&key.pk)), (SK.to_owned(), string(&key.sk))])
}

/// Reads attributes of one item and says which item is broken.
pub struct Reader<'a> {
    item: &'a Item,
}

impl<'a> Reader<'a> {
    pub fn new(item: &'a Item) -> Self {
        Self { item }
    }

    fn broken(&self, attribute: &str) -> LedgerError {
        let key = |name: &str| self.item.get(name).and_then(|value| value.as_s().ok()).map_or("?", String::as_str);
        LedgerError::Broken { item: keys::without_member(key(PK), key(SK)), attribute: attribute.to_owned() }
    }

    pub fn text(&self, attribute: &str) -> Result<&'a str, LedgerError> {
        self.optional_text(attribute)?.ok_or_else(|| self.broken(attribute))
    }

    fn optional_text(&self, attribute: &str) -> Result<Option<&'a str>, LedgerError> {
        match self.item.get(attribute) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(self.broken(attribute)),
        }
    }

    fn optional_number(&self, attribute: &str) -> Result<Option<i64>, LedgerError> {
        match self.item.get(attribute) {
            None => Ok(None),
            Some(AttributeValue::N(text)) => text.parse().map(Some).map_err(|_| self.broken(attribute)),
            Some(_) => Err(self.broken(attribute)),
        }
    }

    pub fn number(&self, attribute: &str) -> Result<i64, LedgerError> {
        self.optional_number(attribute)?.ok_or_else(|| self.broken(attribute))
    }

    fn map(&self, attribute: &str) -> Result<Vec<(&'a str, &'a AttributeValue)>, LedgerError> {
        match self.item.get(attribute) {
            None => Ok(Vec::new()),
            Some(AttributeValue::M(map)) => Ok(map.iter().map(|(key, value)| (key.as_str(), value)).collect()),
            Some(_) => Err(self.broken(attribute)),
        }
    }

    fn points_map<K: Ord>(
        &self,
        attribute: &str,
        key: impl Fn(&str) -> Option<K>,
    ) -> Result<BTreeMap<K, Points>, LedgerError> {
        let mut points = BTreeMap::new();
        for (text, value) in self.map(attribute)? {
            let value = value.as_n().ok().and_then(|text| text.parse().ok());
            let (Some(key), Some(value)) = (key(text), value) else { return Err(self.broken(attribute)) };
            points.insert(key, Points::new(value));
        }
        Ok(points)
    }

    fn moment(&self, attribute: &str) -> Result<DateTime<Utc>, LedgerError> {
        let moment = DateTime::parse_from_rfc3339(self.text(attribute)?);
        Ok(moment.map_err(|_| self.broken(attribute))?.to_utc())
    }

    fn sortable_moment(&self, attribute: &str) -> Result<DateTime<Utc>, LedgerError> {
        let moment = DateTime::parse_from_rfc3339(&format!("{}Z", self.text(attribute)?));
        Ok(moment.map_err(|_| self.broken(attribute))?.to_utc())
    }

    fn slices(&self, attribute: &str) -> Result<Vec<Slice>, LedgerError> {
        let text = self.optional_text(attribute)?.unwrap_or_default();
        let slices = text.split_terminator(';').map(|slice| {
            let (cohort, points) = slice.rsplit_once(':')?;
            Some(Slice { cohort: Cohort::parse(cohort)?, points: Points::new(points.parse().ok()?) })
        });
        slices.collect::<Option<_>>().ok_or_else(|| self.broken(attribute))
    }

    fn repaid(&self) -> Result<Vec<Repayment>, LedgerError> {
        let text = self.optional_text(REPAID)?.unwrap_or_default();
        let repaid = text.split_terminator(';').map(|repayment| {
            let (creditor, slice) = repayment.split_once(':')?;
            let (cohort, points) = slice.rsplit_once(':')?;
            Some(Repayment {
                creditor: LineId::parse(creditor).ok()?,
                paid: Slice { cohort: Cohort::parse(cohort)?, points: Points::new(points.parse().ok()?) },
            })
        });
        repaid.collect::<Option<_>>().ok_or_else(|| self.broken(REPAID))
    }
}

pub fn account_item(member: &MemberId, account: &Account) -> Item {
    let mut item = with_key(&keys::account(member));
    item.insert(VERSION.to_owned(), number(account.version));
    let lots = account.lots.iter().map(|(cohort, points)| (cohort.to_string(), number(points)));
    item.insert(LOTS.to_owned(), AttributeValue::M(lots.collect()));
    if !account.debts.is_empty() {
        let debts = account.debts.iter().map(|(line, points)| (line.to_string(), number(points)));
        item.insert(DEBTS.to_owned(), AttributeValue::M(debts.collect()));
    }
    if !account.recent.is_empty() {
        let bytes: Vec<u8> = account.recent.iter().flat_map(|hash| hash.to_be_bytes()).collect();
        item.insert(RECENT.to_owned(), AttributeValue::B(Blob::new(bytes)));
    }
    if let Some(period) = account.returned_in {
        item.insert(RETURNED_IN.to_owned(), string(period));
    }
    if !account.redeemed.is_empty() {
        let redeemed = account.redeemed.iter().map(|((line, day), points)| (format!("{line}|{day}"), number(points)));
        item.insert(REDEEMED.to_owned(), AttributeValue::M(redeemed.collect()));
    }
    item
}

pub fn account(item: &Item) -> Result<Account, LedgerError> {
    let reader = Reader::new(item);
    let recent = match item.get(RECENT) {
        None => Default::default(),
        Some(AttributeValue::B(bytes)) => bytes
            .as_ref()
            .chunks(8)
            .map(|chunk| chunk.iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte)))
            .collect(),
        Some(_) => return Err(reader.broken(RECENT)),
    };
    Ok(Account {
        version: u64::try_from(reader.number(VERSION)?).map_err(|_| reader.broken(VERSION))?,
        lots: reader.points_map(LOTS, Cohort::parse)?,
        debts: reader.points_map(DEBTS, |text| LineId::parse(text).ok())?,
        recent,
        returned_in: match reader.optional_text(RETURNED_IN)? {
            None => None,
            Some(text) => Some(Period::parse(text).map_err(|_| reader.broken(RETURNED_IN))?),
        },
        redeemed: reader.points_map(REDEEMED, |text| {
            let (line, day) = text.split_once('|')?;
            Some((LineId::parse(line).ok()?, NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?))
        })?,
    })
}

fn slices_text(slices: &[Slice]) -> AttributeValue {
    let mut text = String::new();
    for (at, slice) in slices.iter().enumerate() {
        let separator = if at == 0 { "" } else { ";" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{}:{}", slice.cohort, slice.points);
    }
    AttributeValue::S(text)
}

/// In UTC without its `Z`, before which a fraction of a second would sort.
fn sortable(moment: DateTime<Utc>) -> String {
    rfc3339_utc(moment).trim_end_matches('Z').to_owned()
}

/// Where an entry lies: in its home, or late in the period that clears it.
pub fn entry_key(entry: &Entry) -> Key {
    let shard = shard(&entry.command.member);
    if entry.is_late() {
        keys::late(entry.booked, shard, &entry.command, entry.home)
    } else {
        keys::home(entry.home, shard, &entry.command)
    }
}

pub fn entry_item(recorded: &Recorded) -> Item {
    let Recorded { entry, balance, recorded_at, source } = recorded;
    let command = &entry.command;
    let mut item = with_key(&entry_key(entry));
    let mut put = |name: &str, value: AttributeValue| {
        item.insert(name.to_owned(), value);
    };
    put(MEMBER, string(&command.member));
    put(OCCURRED, string(sortable(command.occurred())));
    put(OFFSET, number(command.occurred_at.offset().local_minus_utc()));
    put(RECORDED, string(rfc3339_utc(*recorded_at)));
    put(BALANCE, number(balance));
    put(FINGERPRINT, AttributeValue::B(Blob::new(command.fingerprint())));
    if let Some(digest) = source {
        put(SOURCE, string(digest));
    }
    if let Some(amount) = command.amount() {
        put(AMOUNT, number(amount.minor()));
    }
    if let Some(points) = command.points() {
        put(POINTS, number(points));
    }
    if let Action::Reverse { kind, reference, .. } = &command.action {
        put(REVERSES, string(format!("{}:{reference}", kind.code())));
    }
    let mut put_repaid = |repaid: &[Repayment]| {
        if !repaid.is_empty() {
            let texts: Vec<String> = repaid
                .iter()
                .map(|Repayment { creditor, paid }| format!("{creditor}:{}:{}", paid.cohort, paid.points))
                .collect();
            put(REPAID, string(texts.join(";")));
        }
    };
    match &entry.outcome {
        Outcome::Issued { slices, repaid } => {
            put_repaid(repaid);
            if !slices.is_empty() {
                put(SLICES, slices_text(slices));
            }
        }
        Outcome::Redeemed { value, slices } => {
            put(VALUE, number(value.minor()));
            put(SLICES, slices_text(slices));
        }
        Outcome::Returned { original, before, points, value, repaid } => {
            put_repaid(repaid);
            put(SLICES, slices_text(&original.slices));
            put(ORIGINAL_AT, string(rfc3339_utc(original.at)));
            put(ORIGINAL_VALUE, number(original.value.minor()));
            put(BEFORE, number(before));
            put(RETURNED, number(points));
            put(VALUE, number(value.minor()));
        }
        Outcome::Withdrawn { original_at, amount, taken, owed } => {
            put(ORIGINAL_AT, string(rfc3339_utc(*original_at)));
            put(REFUNDED, number(amount.minor()));
            put(SLICES, slices_text(taken));
            put(OWED, slices_text(owed));
        }
    }
    item
}

pub fn stub_item(entry: &Entry) -> Item {
    let home = keys::home(entry.home, shard(&entry.command.member), &entry.command);
    let mut item = with_key(&home);
    item.insert(BOOKED.to_owned(), string(entry.booked));
    item
}

pub fn refusal_item(key: &Key, refusals: &BTreeMap<String, RememberedRefusal>) -> Item {
    let mut item = with_key(key);
    item.insert(REFUSALS.to_owned(), refusals_value(refusals));
    item
}

pub fn refusals_value(refusals: &BTreeMap<String, RememberedRefusal>) -> AttributeValue {
    let texts = refusals.iter().map(|(digest, RememberedRefusal { field, code, rule })| {
        (digest.clone(), string(format!("{field}|{code}|{rule}")))
    });
    AttributeValue::M(texts.collect())
}

pub fn reversed_item(key: &Key, reversed: Reversed) -> Item {
    let mut item = with_key(key);
    item.insert(POINTS.to_owned(), number(reversed.points));
    item.insert(AMOUNT.to_owned(), number(reversed.amount.minor()));
    item
}

pub fn reversed(item: &Item) -> Result<Reversed, LedgerError> {
    let reader = Reader::new(item);
    Ok(Reversed { points: Points::new(reader.number(POINTS)?), amount: Money::from_minor(reader.number(AMOUNT)?) })
}

/// An item of an event partition.
pub fn found(item: &Item) -> Result<Found, LedgerError> {
    let reader = Reader::new(item);
    if item.contains_key(REFUSALS) {
        let mut refusals = BTreeMap::new();
        for (digest, value) in reader.map(REFUSALS)? {
            let text = value.as_s().map_err(|_| reader.broken(REFUSALS))?;
            let mut parts = text.splitn(3, '|').map(str::to_owned);
            let (Some(field), Some(code), Some(rule)) = (parts.next(), parts.next(), parts.next()) else {
                return Err(reader.broken(REFUSALS));
            };
            refusals.insert(digest.to_owned(), RememberedRefusal { field, code, rule });
        }
        return Ok(Found::Refusals(refusals));
    }
    if item.contains_key(BOOKED) {
        let booked = Period::parse(reader.text(BOOKED)?).map_err(|_| reader.broken(BOOKED))?;
        return Ok(Found::Stub { booked });
    }
    recorded(item).map(|recorded| Found::Entry(Box::new(recorded)))
}

/// What of an item of an event partition is cleared in its period. Stubs and
/// refusals are kept for retries only; they clear nothing.
pub fn cleared(item: &Item) -> Result<Option<Entry>, LedgerError> {
    if item.contains_key(REFUSALS) || item.contains_key(BOOKED) {
        return Ok(None);
    }
    entry(&Reader::new(item)).map(Some)
}

pub fn recorded(item: &Item) -> Result<Recorded, LedgerError> {
    let reader = Reader::new(item);
    Ok(Recorded {
        entry: entry(&reader)?,
        balance: Points::new(reader.number(BALANCE)?),
        recorded_at: reader.moment(RECORDED)?,
        source: reader.optional_text(SOURCE)?.map(str::to_owned),
    })
}

fn entry(reader: &Reader<'_>) -> Result<Entry, LedgerError> {
    let broken = |attribute: &str| reader.broken(attribute);
    let mut partition = reader.text(PK)?.split('#').skip(1);
    let booked = partition.next().and_then(|text| Period::parse(text).ok()).ok_or_else(|| broken(PK))?;
    let mut parts = reader.text(SK)?.split('#');
    let line = parts.next().and_then(|text| LineId::parse(text).ok()).ok_or_else(|| broken(SK))?;
    let kind = parts.next().and_then(EntryKind::from_code).ok_or_else(|| broken(SK))?;
    let reference = parts.next().and_then(|text| Reference::parse(text).ok()).ok_or_else(|| broken(SK))?;
    let home = match parts.next() {
        None => booked,
        Some(origin) => Period::parse(origin).map_err(|_| broken(SK))?,
    };
    let offset = i32::try_from(reader.number(OFFSET)?).ok().and_then(FixedOffset::east_opt);
    let occurred_at = reader.sortable_moment(OCCURRED)?.with_timezone(&offset.ok_or_else(|| broken(OFFSET))?);
    let member = MemberId::parse(reader.text(MEMBER)?).map_err(|_| broken(MEMBER))?;
    let amount = reader.optional_number(AMOUNT)?.map(Money::from_minor);
    let points = reader.optional_number(POINTS)?.map(Points::new);
    let issued = || -> Result<Outcome, LedgerError> {
        Ok(Outcome::Issued { slices: reader.slices(SLICES)?, repaid: reader.repaid()? })
    };
    let money = |attribute: &str| reader.number(attribute).map(Money::from_minor);
    let (action, outcome) = match kind {
        EntryKind::Accrual => (Action::Accrue { amount: amount.ok_or_else(|| broken(AMOUNT))? }, issued()?),
        EntryKind::Adjustment => (Action::Grant { points: points.ok_or_else(|| broken(POINTS))? }, issued()?),
        EntryKind::Redemption => (
            Action::Redeem { points: points.ok_or_else(|| broken(POINTS))?, bill: amount },
            Outcome::Redeemed { value: money(VALUE)?, slices: reader.slices(SLICES)? },
        ),
        EntryKind::Reversal => {
            let reverses = reader
                .text(REVERSES)?
                .split_once(':')
                .and_then(|(code, reference)| Some((EntryKind::from_code(code)?, Reference::parse(reference).ok()?)));
            let (kind, reference) = reverses.ok_or_else(|| broken(REVERSES))?;
            let original_at = reader.moment(ORIGINAL_AT)?;
            let outcome = match kind {
                EntryKind::Redemption => Outcome::Returned {
                    original: Original {
                        at: original_at,
                        value: money(ORIGINAL_VALUE)?,
                        slices: reader.slices(SLICES)?,
                    },
                    before: Points::new(reader.number(BEFORE)?),
                    points: Points::new(reader.number(RETURNED)?),
                    value: money(VALUE)?,
                    repaid: reader.repaid()?,
                },
                EntryKind::Accrual | EntryKind::Adjustment => Outcome::Withdrawn {
                    original_at,
                    amount: money(REFUNDED)?,
                    taken: reader.slices(SLICES)?,
                    owed: reader.slices(OWED)?,
                },
                EntryKind::Reversal => return Err(broken(REVERSES)),
            };
            (Action::Reverse { kind, reference, amount, points }, outcome)
        }
    };
    let command = Command { line, reference, member, occurred_at, action };
    Ok(Entry { command, home, booked, outcome })
}
