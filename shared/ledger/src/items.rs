//! Items to domain types and back.

use crate::attributes::*;
use crate::error::LedgerError;
use crate::keys::{self, Key, Name, Place};
use crate::lots;
use crate::store::Item;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use interline_domain::account::{Account, Repayment};
use interline_domain::calendar::Period;
use interline_domain::entry::{Action, Command, Entry, EntryKind, Original, Outcome, Reversed, Scope, rfc3339_utc};
use interline_domain::id::{LineId, MemberId, Reference};
use interline_domain::lot::{Cohort, Slice};
use interline_domain::moment::parse_day;
use interline_domain::money::{Money, Points};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

/// An entry with what the ledger noted beside it. Nothing of that is in a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub entry: Entry,
    /// What the member could spend after it, so that a retry gets the first answer.
    pub balance: Points,
    pub recorded_at: DateTime<Utc>,
    /// It is the member's n-th entry, from one on and without a gap.
    pub sequence: u64,
    /// SHA-256 of the rulebook that decided it, in 64 hexadecimal digits.
    pub rulebook: String,
    pub source: EntrySource,
}

/// A call of the API: the person's session at the role, and the call's id, by which it
/// is found in the API's log and in the function's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub by: String,
    pub request: String,
}

/// Where an entry came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntrySource {
    /// Nobody is noted where the program itself recorded it.
    Api(Option<Asked>),
    /// The file's SHA-256, in 64 hexadecimal digits.
    File(String),
}

impl EntrySource {
    pub fn is_file(&self, digest: &str) -> bool {
        match self {
            EntrySource::Api(_) => false,
            EntrySource::File(file) => file == digest,
        }
    }
}

/// What is known of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// File digest -> why the event was refused there. Nothing is recorded.
    Refused(Refusals),
    Recorded {
        place: Place,
        fingerprint: Vec<u8>,
        reversed: Reversed,
    },
}

pub type Refusals = BTreeMap<String, RememberedRefusal>;

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

    pub fn broken(&self, attribute: &str) -> LedgerError {
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

    fn unsigned(&self, attribute: &str) -> Result<u64, LedgerError> {
        u64::try_from(self.number(attribute)?).map_err(|_| self.broken(attribute))
    }

    fn bytes(&self, attribute: &str) -> Result<Option<&'a [u8]>, LedgerError> {
        match self.item.get(attribute) {
            None => Ok(None),
            Some(AttributeValue::B(bytes)) => Ok(Some(bytes.as_ref())),
            Some(_) => Err(self.broken(attribute)),
        }
    }

    /// A SHA-256 in hexadecimal digits.
    fn digest(&self, attribute: &str) -> Result<Option<String>, LedgerError> {
        match self.bytes(attribute)? {
            Some(bytes) if bytes.len() != 32 => Err(self.broken(attribute)),
            bytes => Ok(bytes.map(hex)),
        }
    }

    /// The points of each slice.
    fn by_slice(&self, attribute: &str) -> Result<Vec<Points>, LedgerError> {
        let text = self.optional_text(attribute)?.unwrap_or_default();
        let points = text.split_terminator(';').map(|points| points.parse().ok().map(Points::new));
        points.collect::<Option<_>>().ok_or_else(|| self.broken(attribute))
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
    item.insert(SEQUENCE.to_owned(), number(account.sequence));
    item.insert(LOTS.to_owned(), AttributeValue::B(Blob::new(lots::pack(&account.lots))));
    if !account.debts.is_empty() {
        let debts = account.debts.iter().map(|(line, points)| (line.to_string(), number(points)));
        item.insert(DEBTS.to_owned(), AttributeValue::M(debts.collect()));
    }
    if let Some(period) = account.returned_in {
        item.insert(RETURNED_IN.to_owned(), string(period));
    }
    if let Some(day) = account.forgotten_before {
        item.insert(FORGOTTEN_BEFORE.to_owned(), string(day));
    }
    if !account.redeemed.is_empty() {
        let redeemed = account.redeemed.iter().map(|((line, day), points)| (format!("{line}|{day}"), number(points)));
        item.insert(REDEEMED.to_owned(), AttributeValue::M(redeemed.collect()));
    }
    item
}

pub fn account(item: &Item) -> Result<Account, LedgerError> {
    let reader = Reader::new(item);
    let lots = reader.bytes(LOTS)?.and_then(lots::unpack).ok_or_else(|| reader.broken(LOTS))?;
    let day = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d");
    let forgotten_before = reader.optional_text(FORGOTTEN_BEFORE)?.map(day).transpose();
    Ok(Account {
        sequence: reader.unsigned(SEQUENCE)?,
        lots,
        debts: reader.points_map(DEBTS, |text| LineId::parse(text).ok())?,
        returned_in: match reader.optional_text(RETURNED_IN)? {
            None => None,
            Some(text) => Some(Period::parse(text).map_err(|_| reader.broken(RETURNED_IN))?),
        },
        forgotten_before: forgotten_before.map_err(|_| reader.broken(FORGOTTEN_BEFORE))?,
        redeemed: reader.points_map(REDEEMED, |text| {
            let (line, date) = text.split_once('|')?;
            Some((LineId::parse(line).ok()?, day(date).ok()?))
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

pub fn entry_name(entry: &Entry) -> Name {
    name(&entry.command, entry.scope)
}

pub fn name(command: &Command, scope: Scope) -> Name {
    Name { line: command.line.clone(), kind: command.kind(), reference: command.reference.clone(), scope }
}

/// The item of an entry. Fails where a digest is none.
pub fn entry_item(recorded: &Recorded) -> Result<Item, LedgerError> {
    let Recorded { entry, balance, recorded_at, sequence, rulebook, source } = recorded;
    let command = &entry.command;
    let mut item = with_key(&keys::entry(&entry_name(entry), &Place::of(entry)));
    item.insert(RULEBOOK.to_owned(), digest(rulebook)?);
    match source {
        EntrySource::File(file) => {
            item.insert(FILE.to_owned(), digest(file)?);
        }
        EntrySource::Api(Some(Asked { by, request })) => {
            item.insert(ASKED_BY.to_owned(), string(by));
            item.insert(REQUEST.to_owned(), string(request));
        }
        EntrySource::Api(None) => {}
    }
    let mut put = |name: &str, value: AttributeValue| {
        item.insert(name.to_owned(), value);
    };
    put(MEMBER, string(&command.member));
    put(OCCURRED, string(sortable(command.occurred())));
    put(OFFSET, number(command.occurred_at.offset().local_minus_utc()));
    put(RECORDED, string(rfc3339_utc(*recorded_at)));
    put(BALANCE, number(balance));
    put(SEQUENCE, number(sequence));
    if let Some(amount) = command.amount() {
        put(AMOUNT, number(amount.minor()));
    }
    if let Some(points) = command.points() {
        put(POINTS, number(points));
    }
    if let Action::Reverse { kind, reference, on, .. } = &command.action {
        let on = on.map(|day| format!("@{day}")).unwrap_or_default();
        put(REVERSES, string(format!("{}:{reference}{on}", kind.code())));
    }
    put_outcome(&mut item, &entry.outcome);
    Ok(item)
}

fn put_outcome(item: &mut Item, outcome: &Outcome) {
    let mut put = |name: &str, value: AttributeValue| {
        item.insert(name.to_owned(), value);
    };
    let repaid = match outcome {
        Outcome::Issued { repaid, .. } | Outcome::Returned { repaid, .. } | Outcome::Withdrawn { repaid, .. } => repaid,
        Outcome::Redeemed { .. } => &Vec::new(),
    };
    if !repaid.is_empty() {
        put(REPAID, repaid_text(repaid));
    }
    let original = match outcome {
        Outcome::Issued { slices, .. } | Outcome::Redeemed { slices, .. } => {
            put_slices(&mut put, SLICES, slices);
            None
        }
        Outcome::Returned { original, .. } | Outcome::Withdrawn { original, .. } => Some(original),
    };
    if let Some(Original { at, value, slices }) = original {
        put_slices(&mut put, SLICES, slices);
        put(ORIGINAL_AT, string(rfc3339_utc(*at)));
        put(ORIGINAL_VALUE, number(value.minor()));
    }
    match outcome {
        Outcome::Issued { .. } => {}
        Outcome::Redeemed { value, .. } => put(VALUE, number(value.minor())),
        Outcome::Returned { before, points, value, .. } => {
            put(BEFORE, number(before));
            put(RETURNED, number(points));
            put(VALUE, number(value.minor()));
        }
        Outcome::Withdrawn { before, amount, points, taken, gone, owed, .. } => {
            put(BEFORE, number(before.points));
            put(BEFORE_AMOUNT, number(before.amount.minor()));
            put(REFUNDED, number(amount.minor()));
            put_by_slice(&mut put, BEFORE_BY_SLICE, &before.by_slice);
            put_by_slice(&mut put, WITHDRAWN, points);
            for (name, slices) in [(TAKEN, taken), (GONE, gone), (OWED, owed)] {
                put_slices(&mut put, name, slices);
            }
        }
    }
}

fn put_slices(put: &mut impl FnMut(&str, AttributeValue), name: &str, slices: &[Slice]) {
    if !slices.is_empty() {
        put(name, slices_text(slices));
    }
}

fn put_by_slice(put: &mut impl FnMut(&str, AttributeValue), name: &str, points: &[Points]) {
    if !points.is_empty() {
        let texts: Vec<String> = points.iter().map(Points::to_string).collect();
        put(name, string(texts.join(";")));
    }
}

fn repaid_text(repaid: &[Repayment]) -> AttributeValue {
    let texts: Vec<String> = repaid
        .iter()
        .map(|Repayment { creditor, paid }| format!("{creditor}:{}:{}", paid.cohort, paid.points))
        .collect();
    string(texts.join(";"))
}

/// What is known of the reference of an entry.
pub fn recorded_reference(entry: &Entry, reversed: &Reversed) -> Item {
    let mut item = with_key(&keys::reference(&entry_name(entry)));
    let mut put = |name: &str, value: AttributeValue| {
        item.insert(name.to_owned(), value);
    };
    put(ENTRY_AT, string(Place::of(entry).text()));
    put(FINGERPRINT, AttributeValue::B(Blob::new(entry.command.fingerprint())));
    if *reversed != Reversed::default() {
        put(POINTS, number(reversed.points));
        put(AMOUNT, number(reversed.amount.minor()));
        put_by_slice(&mut put, REVERSED_BY_SLICE, &reversed.by_slice);
    }
    item
}

pub fn refused_reference(key: &Key, refusals: &Refusals) -> Item {
    let mut item = with_key(key);
    item.insert(REFUSALS.to_owned(), refusals_value(refusals));
    item
}

pub fn refusals_value(refusals: &Refusals) -> AttributeValue {
    let texts = refusals.iter().map(|(digest, RememberedRefusal { field, code, rule })| {
        (digest.clone(), string(format!("{field}|{code}|{rule}")))
    });
    AttributeValue::M(texts.collect())
}

/// A reference item.
pub fn known(item: &Item) -> Result<Known, LedgerError> {
    let reader = Reader::new(item);
    if item.contains_key(REFUSALS) {
        let mut refusals = Refusals::new();
        for (digest, value) in reader.map(REFUSALS)? {
            let text = value.as_s().map_err(|_| reader.broken(REFUSALS))?;
            let mut parts = text.splitn(3, '|').map(str::to_owned);
            let (Some(field), Some(code), Some(rule)) = (parts.next(), parts.next(), parts.next()) else {
                return Err(reader.broken(REFUSALS));
            };
            refusals.insert(digest.to_owned(), RememberedRefusal { field, code, rule });
        }
        return Ok(Known::Refused(refusals));
    }
    let reversed = Reversed {
        points: Points::new(reader.optional_number(POINTS)?.unwrap_or_default()),
        amount: Money::from_minor(reader.optional_number(AMOUNT)?.unwrap_or_default()),
        by_slice: reader.by_slice(REVERSED_BY_SLICE)?,
    };
    Ok(Known::Recorded {
        place: Place::parse(reader.text(ENTRY_AT)?).ok_or_else(|| reader.broken(ENTRY_AT))?,
        fingerprint: reader.bytes(FINGERPRINT)?.ok_or_else(|| reader.broken(FINGERPRINT))?.to_vec(),
        reversed,
    })
}

pub fn recorded(item: &Item) -> Result<Recorded, LedgerError> {
    let reader = Reader::new(item);
    let (entry, sequence) = cleared(item)?;
    Ok(Recorded {
        entry,
        balance: Points::new(reader.number(BALANCE)?),
        recorded_at: reader.moment(RECORDED)?,
        sequence,
        rulebook: reader.digest(RULEBOOK)?.ok_or_else(|| reader.broken(RULEBOOK))?,
        source: match (reader.digest(FILE)?, item.contains_key(ASKED_BY)) {
            (Some(file), _) => EntrySource::File(file),
            (None, false) => EntrySource::Api(None),
            (None, true) => EntrySource::Api(Some(Asked {
                by: reader.text(ASKED_BY)?.to_owned(),
                request: reader.text(REQUEST)?.to_owned(),
            })),
        },
    })
}

/// An entry and its place among its member's, of the attributes [`CLEARED`].
pub fn cleared(item: &Item) -> Result<(Entry, u64), LedgerError> {
    let reader = Reader::new(item);
    Ok((entry(&reader)?, reader.unsigned(SEQUENCE)?))
}

fn entry(reader: &Reader<'_>) -> Result<Entry, LedgerError> {
    let broken = |attribute: &str| reader.broken(attribute);
    let booked = keys::booked(reader.text(PK)?).ok_or_else(|| broken(PK))?;
    let (name, origin) = keys::parse_entry(reader.text(SK)?).ok_or_else(|| broken(SK))?;
    let offset = i32::try_from(reader.number(OFFSET)?).ok().and_then(FixedOffset::east_opt);
    let occurred_at = reader.sortable_moment(OCCURRED)?.with_timezone(&offset.ok_or_else(|| broken(OFFSET))?);
    let member = MemberId::parse(reader.text(MEMBER)?).map_err(|_| broken(MEMBER))?;
    let amount = reader.optional_number(AMOUNT)?.map(Money::from_minor);
    let points = reader.optional_number(POINTS)?.map(Points::new);
    let money = |attribute: &str| reader.number(attribute).map(Money::from_minor);
    let (action, outcome) = match name.kind {
        EntryKind::Accrual => (Action::Accrue { amount: amount.ok_or_else(|| broken(AMOUNT))? }, issued(reader)?),
        EntryKind::Adjustment => (Action::Grant { points: points.ok_or_else(|| broken(POINTS))? }, issued(reader)?),
        EntryKind::Redemption => (
            Action::Redeem { points: points.ok_or_else(|| broken(POINTS))?, bill: amount },
            Outcome::Redeemed { value: money(VALUE)?, slices: reader.slices(SLICES)? },
        ),
        EntryKind::Reversal => {
            let (kind, reference, on) = reverses(reader.text(REVERSES)?).ok_or_else(|| broken(REVERSES))?;
            (Action::Reverse { kind, reference, on, amount, points }, reversal(reader, kind)?)
        }
    };
    let Name { line, reference, scope, .. } = name;
    let command = Command { line, reference, member, occurred_at, action };
    Ok(Entry { command, scope, home: origin.unwrap_or(booked), booked, outcome })
}

fn issued(reader: &Reader<'_>) -> Result<Outcome, LedgerError> {
    Ok(Outcome::Issued { slices: reader.slices(SLICES)?, repaid: reader.repaid()? })
}

/// `code:reference` or `code:reference@day`.
fn reverses(text: &str) -> Option<(EntryKind, Reference, Option<NaiveDate>)> {
    let (code, reference) = text.split_once(':')?;
    let (reference, on) = match reference.split_once('@') {
        None => (reference, None),
        Some((reference, day)) => (reference, Some(parse_day(day)?)),
    };
    Some((EntryKind::from_code(code)?, Reference::parse(reference).ok()?, on))
}

fn reversal(reader: &Reader<'_>, of: EntryKind) -> Result<Outcome, LedgerError> {
    let money = |attribute: &str| reader.number(attribute).map(Money::from_minor);
    let points = |attribute: &str| reader.number(attribute).map(Points::new);
    let original =
        Original { at: reader.moment(ORIGINAL_AT)?, value: money(ORIGINAL_VALUE)?, slices: reader.slices(SLICES)? };
    match of {
        EntryKind::Redemption => Ok(Outcome::Returned {
            original,
            before: points(BEFORE)?,
            points: points(RETURNED)?,
            value: money(VALUE)?,
            repaid: reader.repaid()?,
        }),
        EntryKind::Accrual | EntryKind::Adjustment => Ok(Outcome::Withdrawn {
            original,
            before: Reversed {
                points: points(BEFORE)?,
                amount: money(BEFORE_AMOUNT)?,
                by_slice: reader.by_slice(BEFORE_BY_SLICE)?,
            },
            amount: money(REFUNDED)?,
            points: reader.by_slice(WITHDRAWN)?,
            taken: reader.slices(TAKEN)?,
            gone: reader.slices(GONE)?,
            owed: reader.slices(OWED)?,
            repaid: reader.repaid()?,
        }),
        EntryKind::Reversal => Err(reader.broken(REVERSES)),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A SHA-256 that came as hexadecimal digits.
fn digest(text: &str) -> Result<AttributeValue, LedgerError> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    match bytes.filter(|bytes| bytes.len() == 32 && hex(bytes) == text) {
        Some(bytes) => Ok(AttributeValue::B(Blob::new(bytes))),
        None => Err(LedgerError::Refused(format!("{text:?} is not a SHA-256 in hexadecimal digits"))),
    }
}
