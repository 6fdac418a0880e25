//! The rulebook as it is written: TOML, unknown fields refused.

#![allow(clippy::wildcard_enum_match_arm, reason = "a value of TOML is of the type that is asked for, or it is not")]

use super::{Account, Disclosure, Netting, ReferenceScope, RulebookError, RulebookErrors, VatTreatment};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// A table of the file. Every field is read whatever is wrong with the others; one
/// that cannot be read gets a placeholder, and its path is noted.
pub trait Table: Sized {
    const FIELDS: &'static [&'static str];

    fn read(fields: &mut Fields<'_>, notes: &mut Notes) -> Self;
}

macro_rules! tables {
    ($($(#[$about:meta])* $name:ident { $($field:ident: $type:ty = $how:ident($($default:expr)?),)* })*) => {$(
        $(#[$about])*
        pub struct $name {
            $(pub $field: $type,)*
        }

        impl Table for $name {
            const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];

            fn read(fields: &mut Fields<'_>, notes: &mut Notes) -> Self {
                Self { $($field: fields.$how(stringify!($field), $($default,)? notes),)* }
            }
        }
    )*};
}

tables! {
    RulebookFile {
        programme: Spanned<Programme> = table(),
        lines: Vec<Spanned<Line>> = some_tables(),
        earn: Vec<Spanned<Earn>> = tables(),
        burn: Vec<Spanned<Burn>> = tables(),
        prices: Vec<Spanned<Price>> = tables(),
        splits: Vec<Spanned<Split>> = tables(),
        expiry: Vec<Spanned<Expiry>> = tables(),
        liability: Vec<Spanned<Liability>> = tables(),
        urr_override: Vec<Spanned<UrrOverride>> = tables(),
        vat: Vec<Spanned<Vat>> = tables(),
        accounts: Accounts = accounts(),
    }
    Programme {
        name: String = required(String::new()),
        currency: String = required(String::new()),
        time_zone: String = required(String::new()),
        first_period: String = required(String::new()),
        platform: String = required(String::new()),
        netting: Netting = required(Netting::Hub),
        disclose: Disclosure = optional(Disclosure::Totals),
        seal_after_hours: u32 = optional(1),
        refund_months: u32 = optional(12),
        pseudonym_key: Option<String> = optional(None),
        pseudonym_salt: Option<String> = optional(None),
        allow_phone_members: bool = optional(false),
    }
    Line {
        id: String = required(String::new()),
        name: String = required(String::new()),
        name_zh: String = optional(String::new()),
        entity: String = optional(String::new()),
        bank_account: String = optional(String::new()),
        from: Option<String> = optional(None),
        to: Option<String> = optional(None),
        reference_scope: ReferenceScopes = optional(ReferenceScopes::Always(ReferenceScope::Line)),
    }
    Earn {
        line: String = required(String::new()),
        from: String = required(String::new()),
        to: Option<String> = optional(None),
        points_per_unit: String = required(String::new()),
        minimum_amount: Option<String> = optional(None),
        multiplier: Option<String> = optional(None),
        sponsors: Vec<Spanned<Share>> = tables(),
    }
    Burn {
        line: String = required(String::new()),
        from: String = required(String::new()),
        to: Option<String> = optional(None),
        value: String = required(String::new()),
        minimum: u32 = optional(1),
        step: u32 = optional(1),
        max_per_order: Option<u32> = optional(None),
        max_bill_share: Option<String> = optional(None),
        max_per_day: Option<u32> = optional(None),
        max_per_month: Option<u32> = optional(None),
    }
    Price {
        redeemer: String = required(String::new()),
        funder: String = optional(any()),
        from: String = required(String::new()),
        to: Option<String> = optional(None),
        price: String = required(String::new()),
    }
    Split {
        rule: String = required(String::new()),
        payer: String = optional(any()),
        redeemer: String = optional(any()),
        from: String = required(String::new()),
        to: Option<String> = optional(None),
        shares: Vec<Spanned<Share>> = some_tables(),
    }
    Share {
        to: String = required(String::new()),
        share: String = required(String::new()),
    }
    Expiry {
        funder: String = optional(any()),
        from: String = required(String::new()),
        to: Option<String> = optional(None),
        months: Option<u32> = optional(None),
        never: bool = optional(false),
    }
    Liability {
        funder: String = optional(any()),
        from: String = required(String::new()),
        to: Option<String> = optional(None),
        face_value: String = required(String::new()),
        initial_urr: String = optional("1".to_owned()),
        method: Method = optional(Method::CatchUp),
        remote_after_months: Option<u32> = optional(None),
        vat_rate: String = optional("0".to_owned()),
        tax_inclusive: bool = optional(true),
    }
    UrrOverride {
        funder: String = required(String::new()),
        issued: String = required(String::new()),
        urr: String = required(String::new()),
        reason: String = optional(String::new()),
    }
    Vat {
        funder: String = optional(any()),
        redeemer: String = optional(any()),
        product: String = optional(any()),
        from: String = required(String::new()),
        to: Option<String> = optional(None),
        treatment: VatTreatment = required(VatTreatment::None),
        rate: String = optional("0".to_owned()),
    }
    AccountName {
        code: String = required(String::new()),
        name: String = required(String::new()),
    }
}

pub type Accounts = BTreeMap<Account, Spanned<AccountName>>;

/// One for the whole programme, or one from each day on.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be \"line\", \"month\" or \"day\", or a list of { from, scope }")]
pub enum ReferenceScopes {
    Always(ReferenceScope),
    Dated(Vec<DatedScope>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatedScope {
    pub from: String,
    pub scope: ReferenceScope,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    CatchUp,
    Remote,
}

fn any() -> String {
    "*".to_owned()
}

/// What could not be read.
pub struct Notes {
    lines: Lines,
    pub errors: Vec<RulebookError>,
    /// Paths of the fields that have a placeholder, and of all that they lie in.
    pub unread: BTreeSet<String>,
}

impl Notes {
    fn refuse(&mut self, byte: usize, field: &str, rule: String) {
        self.errors.push(RulebookError { line: self.lines.of(byte), field: field.to_owned(), rule });
    }

    fn cannot_read(&mut self, byte: usize, field: &str, rule: String) {
        self.refuse(byte, field, rule);
        self.placeholder(field);
    }

    fn placeholder(&mut self, field: &str) {
        let ends = field.match_indices(['.', '[']).map(|(at, _)| at).chain([field.len()]);
        self.unread.extend(ends.map(|end| field[..end].to_owned()));
    }
}

/// The fields of a table that are still to be read, with the place of each name.
pub struct Fields<'i> {
    at: usize,
    path: String,
    values: BTreeMap<String, (usize, Spanned<DeValue<'i>>)>,
}

impl<'i> Fields<'i> {
    fn of(table: DeTable<'i>, at: usize, path: String) -> Self {
        let values = table.into_iter().map(|(name, value)| {
            let byte = name.span().start;
            (name.into_inner().into_owned(), (byte, value))
        });
        Self { at, path, values: values.collect() }
    }

    fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn missing(&self, name: &str, notes: &mut Notes) {
        // Nothing lies before the root: what it lacks concerns the file as a whole.
        let rule = format!("missing field `{name}`");
        notes.cannot_read(self.at, &self.path(name), rule);
    }

    fn optional<T: for<'de> Deserialize<'de>>(&mut self, name: &'static str, default: T, notes: &mut Notes) -> T {
        let Some((_, value)) = self.values.remove(name) else { return default };
        let at = value.span().start;
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => value,
            Err(error) => {
                let at = error.span().map_or(at, |span| span.start);
                notes.cannot_read(at, &self.path(name), error.message().to_owned());
                default
            }
        }
    }

    fn required<T: for<'de> Deserialize<'de>>(&mut self, name: &'static str, instead: T, notes: &mut Notes) -> T {
        if !self.values.contains_key(name) {
            self.missing(name, notes);
        }
        self.optional(name, instead, notes)
    }

    fn table<T: Table>(&mut self, name: &'static str, notes: &mut Notes) -> Spanned<T> {
        match self.values.remove(name) {
            Some((_, value)) => read(value, self.path(name), notes),
            None => {
                self.missing(name, notes);
                blank(self.at..self.at, &self.path(name), notes)
            }
        }
    }

    fn tables<T: Table>(&mut self, name: &'static str, notes: &mut Notes) -> Vec<Spanned<T>> {
        let Some((_, value)) = self.values.remove(name) else { return Vec::new() };
        let (at, path) = (value.span().start, self.path(name));
        match value.into_inner() {
            DeValue::Array(tables) => {
                let indexed = tables.into_iter().enumerate();
                indexed.map(|(index, value)| read(value, format!("{path}[{index}]"), notes)).collect()
            }
            other => {
                let rule = format!("invalid type: {}, expected a list of tables", other.type_str());
                notes.cannot_read(at, &path, rule);
                Vec::new()
            }
        }
    }

    fn some_tables<T: Table>(&mut self, name: &'static str, notes: &mut Notes) -> Vec<Spanned<T>> {
        if !self.values.contains_key(name) {
            self.missing(name, notes);
        }
        self.tables(name, notes)
    }

    fn accounts(&mut self, name: &'static str, notes: &mut Notes) -> Accounts {
        let Some((_, value)) = self.values.remove(name) else { return Accounts::new() };
        let (at, path) = (value.span().start, self.path(name));
        let DeValue::Table(table) = value.into_inner() else {
            notes.cannot_read(at, &path, "must be a table".to_owned());
            return Accounts::new();
        };
        let mut accounts = Fields::of(table, at, path);
        let mut chart = Accounts::new();
        for account in Account::ALL {
            if let Some((_, value)) = accounts.values.remove(account.word()) {
                chart.insert(account, read(value, accounts.path(account.word()), notes));
            }
        }
        accounts.finish(&Account::ALL.map(Account::word), notes);
        chart
    }

    fn finish(self, known: &[&str], notes: &mut Notes) {
        let known: Vec<String> = known.iter().map(|field| format!("`{field}`")).collect();
        for (name, (at, _)) in &self.values {
            let rule = format!("unknown field `{name}`, expected one of {}", known.join(", "));
            notes.refuse(*at, &self.path(name), rule);
        }
    }
}

fn read<T: Table>(value: Spanned<DeValue<'_>>, path: String, notes: &mut Notes) -> Spanned<T> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(table) => {
            let mut fields = Fields::of(table, span.start, path);
            let read = T::read(&mut fields, notes);
            fields.finish(T::FIELDS, notes);
            Spanned::new(span, read)
        }
        other => {
            let rule = format!("invalid type: {}, expected a table", other.type_str());
            notes.cannot_read(span.start, &path, rule);
            blank(span, &path, notes)
        }
    }
}

/// What stands for a table that is none.
fn blank<T: Table>(span: std::ops::Range<usize>, path: &str, notes: &mut Notes) -> Spanned<T> {
    let mut unheard = Notes { lines: Lines::of_text(""), errors: Vec::new(), unread: BTreeSet::new() };
    let read = T::read(&mut Fields::of(DeTable::new(), span.start, path.to_owned()), &mut unheard);
    notes.unread.extend(T::FIELDS.iter().map(|field| format!("{path}.{field}")));
    Spanned::new(span, read)
}

/// Text that is no TOML is refused as a whole; what is none of the format is noted.
pub fn parse(text: &str) -> Result<(RulebookFile, Notes), RulebookErrors> {
    let lines = Lines::of_text(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mut errors: Vec<RulebookError> = errors
            .iter()
            .map(|error| RulebookError {
                line: error.span().map_or(0, |span| lines.of(span.start)),
                field: "rulebook".to_owned(),
                rule: error.message().to_owned(),
            })
            .collect();
        errors.sort_by_key(|error| error.line);
        errors.dedup();
        return Err(RulebookErrors(errors));
    }
    let mut notes = Notes { lines, errors: Vec::new(), unread: BTreeSet::new() };
    let mut fields = Fields::of(table.into_inner(), 0, String::new());
    let file = RulebookFile::read(&mut fields, &mut notes);
    fields.finish(RulebookFile::FIELDS, &mut notes);
    Ok((file, notes))
}

/// The byte of every line's end.
pub struct Lines(Vec<usize>);

impl Lines {
    pub fn of_text(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of a byte, counted from one.
    pub fn of(&self, byte: usize) -> usize {
        self.0.partition_point(|end| *end < byte) + 1
    }
}
