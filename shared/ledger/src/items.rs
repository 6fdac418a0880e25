//! Items to domain types and back.

use crate::attributes::*;
use crate::error::LedgerError;
use crate::keys::{self, EntryKey, Key, Name, Place};
use crate::lots;
use crate::store::Item;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use interline_domain::claims::account::Account;
use interline_domain::events::{
    self, Action, Broken, Command, Entry, EntryKind, Event, Field, Fields, Head, Load, Origin, Refusal, Reversed, Rule,
    Said, Store, Taxes, amounts, by_slice,
};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, MemberId, Reference, SchemeId, TaxCode};
use interline_domain::units::moment::{parse_day, rfc3339_utc};
use interline_domain::units::money::{Money, Points};
use interline_domain::units::scope::Scope;
use interline_domain::units::shard::Shard;
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
    pub rule: Rule,
    pub field: String,
    /// What was said.
    pub text: String,
}

impl RememberedRefusal {
    pub fn of(refusal: &Refusal) -> Self {
        Self { rule: refusal.rule(), field: refusal.field().to_owned(), text: refusal.to_string() }
    }
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

    /// Where the item lies.
    pub fn key(&self) -> Result<Key, LedgerError> {
        Ok(Key { pk: self.text(PK)?.to_owned(), sk: self.text(SK)?.to_owned() })
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

    fn moment(&self, attribute: &str) -> Result<DateTime<Utc>, LedgerError> {
        let moment = DateTime::parse_from_rfc3339(self.text(attribute)?);
        Ok(moment.map_err(|_| self.broken(attribute))?.to_utc())
    }

    fn sortable_moment(&self, attribute: &str) -> Result<DateTime<Utc>, LedgerError> {
        let moment = DateTime::parse_from_rfc3339(&format!("{}Z", self.text(attribute)?));
        Ok(moment.map_err(|_| self.broken(attribute))?.to_utc())
    }
}

impl Load for Reader<'_> {
    fn number(&self, name: &'static str) -> Result<Option<i64>, Broken> {
        self.optional_number(name).map_err(|_| Broken(name))
    }

    fn text(&self, name: &'static str) -> Result<Option<&str>, Broken> {
        self.optional_text(name).map_err(|_| Broken(name))
    }
}

/// What a caller said, as it was stored.
impl Fields for Reader<'_> {
    type Error = LedgerError;

    fn amount(&self, _field: &Field) -> Result<Option<Money>, LedgerError> {
        Ok(self.optional_number(AMOUNT)?.map(Money::from_minor))
    }

    fn points(&self, _field: &Field) -> Result<Option<Points>, LedgerError> {
        Ok(self.optional_number(POINTS)?.map(Points::new))
    }

    fn origin(&self, _field: &Field) -> Result<Option<Origin>, LedgerError> {
        let origin = |text: &str| origin(text).ok_or_else(|| self.broken(REVERSES));
        self.optional_text(REVERSES)?.map(origin).transpose()
    }

    fn taxes(&self, _field: &Field, _amount: Option<Money>) -> Result<Option<Taxes>, LedgerError> {
        let taxes = |text: &str| Taxes::parse(text).ok_or_else(|| self.broken(TAXES));
        self.optional_text(TAXES)?.map(taxes).transpose()
    }

    fn tax_code(&self, _field: &Field) -> Result<Option<TaxCode>, LedgerError> {
        let code = |text: &str| TaxCode::parse(text).map_err(|_| self.broken(TAX));
        self.optional_text(TAX)?.map(code).transpose()
    }

    fn missing(&self, field: &Field) -> LedgerError {
        self.broken(attribute(field))
    }

    /// No entry was recorded with it.
    fn refused(&self, _refusal: Refusal) -> LedgerError {
        self.broken(REVERSES)
    }
}

/// The attribute of what a caller said.
fn attribute(field: &Field) -> &'static str {
    match field.form {
        events::Form::Amount => AMOUNT,
        events::Form::Points => POINTS,
        events::Form::Origin => REVERSES,
        events::Form::Taxes => TAXES,
        events::Form::TaxCode => TAX,
    }
}

struct Attributes<'a>(&'a mut Item);

impl Attributes<'_> {
    fn put(&mut self, name: &str, value: AttributeValue) {
        self.0.insert(name.to_owned(), value);
    }
}

impl Said for Attributes<'_> {
    fn amount(&mut self, _field: &'static Field, amount: Money) {
        self.put(AMOUNT, number(amount.minor()));
    }

    fn points(&mut self, _field: &'static Field, points: Points) {
        self.put(POINTS, number(points));
    }

    fn origin(&mut self, _field: &'static Field, Origin { kind, reference, on }: &Origin) {
        let on = on.map(|day| format!("@{day}")).unwrap_or_default();
        self.put(REVERSES, string(format!("{}:{reference}{on}", kind.code())));
    }

    fn taxes(&mut self, _field: &'static Field, taxes: &Taxes) {
        self.put(TAXES, string(taxes));
    }

    fn tax_code(&mut self, _field: &'static Field, code: &TaxCode) {
        self.put(TAX, string(code));
    }
}

impl Store for Attributes<'_> {
    fn number(&mut self, name: &'static str, value: i64) {
        self.put(name, number(value));
    }

    fn text(&mut self, name: &'static str, text: String) {
        self.put(name, AttributeValue::S(text));
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
        debts: reader.points_map(DEBTS, |text| SchemeId::parse(text).ok())?,
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

/// In UTC without its `Z`, before which a fraction of a second would sort.
fn sortable(moment: DateTime<Utc>) -> String {
    rfc3339_utc(moment).trim_end_matches('Z').to_owned()
}

pub fn name(command: &Command, scope: Scope) -> Name {
    Name::of(&command.head, command.kind(), scope)
}

/// Whether an item lies at a key.
pub fn is_at(item: &Item, key: &Key) -> bool {
    Reader::new(item).key().is_ok_and(|at| at == *key)
}

/// The item of an entry in a shard of the period that clears it. Fails where a digest is none.
pub fn entry_item(recorded: &Recorded, shard: Shard) -> Result<Item, LedgerError> {
    let Recorded { entry, balance, recorded_at, sequence, rulebook, source } = recorded;
    let head = &entry.head;
    let mut item = with_key(&EntryKey::of(entry, shard).key());
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
    put(MEMBER, string(&head.member));
    put(OCCURRED, string(sortable(head.occurred())));
    put(OFFSET, number(head.occurred_at.offset().local_minus_utc()));
    put(RECORDED, string(rfc3339_utc(*recorded_at)));
    put(BALANCE, number(balance));
    put(SEQUENCE, number(sequence));
    let mut attributes = Attributes(&mut item);
    entry.event.say(&mut attributes);
    entry.event.store(&mut attributes);
    Ok(item)
}

/// What is known of the reference of an entry.
pub fn recorded_reference(entry: &Entry, shard: Shard, reversed: &Reversed) -> Item {
    let EntryKey { name, place } = EntryKey::of(entry, shard);
    let mut item = with_key(&keys::reference(&name));
    let mut put = |name: &str, value: AttributeValue| {
        item.insert(name.to_owned(), value);
    };
    put(ENTRY_AT, string(place));
    put(FINGERPRINT, AttributeValue::B(Blob::new(entry.fingerprint())));
    if *reversed != Reversed::default() {
        put(POINTS, number(reversed.points));
        put(AMOUNT, number(reversed.amount.minor()));
        let attributes: &mut dyn Store = &mut Attributes(&mut item);
        attributes.by_slice(REVERSED_BY_SLICE, &reversed.by_slice);
        attributes.amounts(REVERSED_BY_TAX, &reversed.by_tax);
    }
    item
}

pub fn refused_reference(key: &Key, refusals: &Refusals) -> Item {
    let mut item = with_key(key);
    item.insert(REFUSALS.to_owned(), refusals_value(refusals));
    item
}

pub fn refusals_value(refusals: &Refusals) -> AttributeValue {
    let texts = refusals.iter().map(|(digest, RememberedRefusal { rule, field, text })| {
        (digest.clone(), string(format!("{field}|{}|{text}", rule.row().code)))
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
            let refusal = remembered(text).ok_or_else(|| reader.broken(REFUSALS))?;
            refusals.insert(digest.to_owned(), refusal);
        }
        return Ok(Known::Refused(refusals));
    }
    let reversed = Reversed {
        points: Points::new(reader.optional_number(POINTS)?.unwrap_or_default()),
        amount: Money::from_minor(reader.optional_number(AMOUNT)?.unwrap_or_default()),
        by_slice: by_slice(&reader, REVERSED_BY_SLICE).map_err(|Broken(name)| reader.broken(name))?,
        by_tax: amounts(&reader, REVERSED_BY_TAX).map_err(|Broken(name)| reader.broken(name))?,
    };
    Ok(Known::Recorded {
        place: Place::parse(reader.text(ENTRY_AT)?).ok_or_else(|| reader.broken(ENTRY_AT))?,
        fingerprint: reader.bytes(FINGERPRINT)?.ok_or_else(|| reader.broken(FINGERPRINT))?.to_vec(),
        reversed,
    })
}

/// `field|code|text`
fn remembered(text: &str) -> Option<RememberedRefusal> {
    let mut parts = text.splitn(3, '|');
    let (field, code, text) = (parts.next()?, parts.next()?, parts.next()?);
    Some(RememberedRefusal { rule: Rule::from_code(code)?, field: field.to_owned(), text: text.to_owned() })
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

/// The attributes from which a month is closed and accounts are proven: all of an entry
/// but what was noted beside it for its caller.
pub fn cleared_attributes() -> Vec<&'static str> {
    let mut names = HEAD.to_vec();
    for name in Event::stored_names() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// An entry and its place among its member's, of [`cleared_attributes`].
pub fn cleared(item: &Item) -> Result<(Entry, u64), LedgerError> {
    let reader = Reader::new(item);
    Ok((entry(&reader)?, reader.unsigned(SEQUENCE)?))
}

fn entry(reader: &Reader<'_>) -> Result<Entry, LedgerError> {
    let broken = |attribute: &str| reader.broken(attribute);
    let EntryKey { name, place } = EntryKey::parse(reader.text(PK)?, reader.text(SK)?).map_err(broken)?;
    let offset = i32::try_from(reader.number(OFFSET)?).ok().and_then(FixedOffset::east_opt);
    let occurred_at = reader.sortable_moment(OCCURRED)?.with_timezone(&offset.ok_or_else(|| broken(OFFSET))?);
    let member = MemberId::parse(reader.text(MEMBER)?).map_err(|_| broken(MEMBER))?;
    let Name { line, kind, reference, scope } = name;
    let action = Action::read(kind, reader)?;
    let event = Event::load(action, reader).map_err(|Broken(name)| broken(name))?;
    let head = Head { line, reference, member, occurred_at };
    Ok(Entry { head, scope, home: place.home, booked: place.booked, event })
}

/// `code:reference` or `code:reference@day`.
fn origin(text: &str) -> Option<Origin> {
    let (code, reference) = text.split_once(':')?;
    let (reference, on) = match reference.split_once('@') {
        None => (reference, None),
        Some((reference, day)) => (reference, Some(parse_day(day)?)),
    };
    Some(Origin { kind: EntryKind::from_code(code)?, reference: Reference::parse(reference).ok()?, on })
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
