//! The rulebook as it is written: TOML, unknown fields refused.

#![allow(clippy::wildcard_enum_match_arm, reason = "a value of TOML is of the type that is asked for, or it is not")]

use super::{RulebookError, RulebookErrors};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// A table of the file. Every field is read whatever is wrong with the others; one
/// that cannot be read gets a placeholder, and its path is noted.
pub trait Table: Sized {
    const FIELDS: &'static [Field];

    fn read(fields: &mut Fields<'_>, notes: &mut Notes) -> Self;
}

/// What a field of a table is, for the reference.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    /// How it is read, such as `required`.
    pub how: &'static str,
    /// What it is where it is left out, as `Debug` writes it; nothing for tables.
    pub default: fn() -> String,
    pub about: &'static str,
}

/// Tables as they are written: each field with what it means, its type, how it is read
/// and what it is where it is left out.
macro_rules! tables {
    ($($(#[doc = $about:literal])* $name:ident {
        $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $how:ident($($default:expr)?),)*
    })*) => {$(
        $(#[doc = $about])*
        pub struct $name {
            $(pub $field: $type,)*
        }

        impl $crate::terms::rulebook::read::Table for $name {
            const FIELDS: &'static [$crate::terms::rulebook::read::Field] = &[$(
                $crate::terms::rulebook::read::Field {
                    name: stringify!($field),
                    how: stringify!($how),
                    default: || {
                        let written: &[String] = &[$({
                            let default: $type = $default;
                            format!("{default:?}")
                        })?];
                        written.concat()
                    },
                    about: concat!($($doc),+),
                },
            )*];

            fn read(
                fields: &mut $crate::terms::rulebook::read::Fields<'_>,
                notes: &mut $crate::terms::rulebook::read::Notes,
            ) -> Self {
                Self { $($field: fields.$how(stringify!($field), $($default,)? notes),)* }
            }
        }
    )*};
}
pub(super) use tables;

tables! {
    /// Who gets which share.
    Share {
        /// A line; in a split also `redeemer`, whichever line redeemed.
        to: String = required(String::new()),
        /// Its share of one.
        share: String = required(String::new()),
    }
}

/// What could not be read.
pub struct Notes {
    pub lines: Lines,
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

    pub fn optional<T: for<'de> Deserialize<'de>>(&mut self, name: &'static str, default: T, notes: &mut Notes) -> T {
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

    pub fn required<T: for<'de> Deserialize<'de>>(&mut self, name: &'static str, instead: T, notes: &mut Notes) -> T {
        if !self.values.contains_key(name) {
            self.missing(name, notes);
        }
        self.optional(name, instead, notes)
    }

    pub fn table<T: Table>(&mut self, name: &'static str, notes: &mut Notes) -> Spanned<T> {
        match self.values.remove(name) {
            Some((_, value)) => read(value, self.path(name), notes),
            None => {
                self.missing(name, notes);
                blank(self.at..self.at, &self.path(name), notes)
            }
        }
    }

    pub fn tables<T: Table>(&mut self, name: &'static str, notes: &mut Notes) -> Vec<Spanned<T>> {
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

    pub fn some_tables<T: Table>(&mut self, name: &'static str, notes: &mut Notes) -> Vec<Spanned<T>> {
        if !self.values.contains_key(name) {
            self.missing(name, notes);
        }
        self.tables(name, notes)
    }

    /// As [`tables`](Self::tables), where one table may stand for a list of one.
    pub fn one_or_more<T: Table>(&mut self, name: &'static str, notes: &mut Notes) -> Vec<Spanned<T>> {
        match self.values.get(name).map(|(_, value)| value.get_ref()) {
            Some(DeValue::Table(_)) => vec![self.table(name, notes)],
            Some(_) | None => self.tables(name, notes),
        }
    }

    /// A table of tables that may have these names.
    pub fn named_tables<T: Table>(
        &mut self,
        name: &'static str,
        names: &[&'static str],
        notes: &mut Notes,
    ) -> Vec<Option<Spanned<T>>> {
        let none = || names.iter().map(|_| None).collect();
        let Some((_, value)) = self.values.remove(name) else { return none() };
        let (at, path) = (value.span().start, self.path(name));
        let DeValue::Table(table) = value.into_inner() else {
            notes.cannot_read(at, &path, "must be a table".to_owned());
            return none();
        };
        let mut fields = Fields::of(table, at, path);
        let mut of = |name: &&'static str| {
            let (_, value) = fields.values.remove(*name)?;
            Some(read(value, fields.path(name), notes))
        };
        let tables = names.iter().map(&mut of).collect();
        fields.finish(names.iter().copied(), notes);
        tables
    }

    fn finish<'n>(self, known: impl Iterator<Item = &'n str>, notes: &mut Notes) {
        let known: Vec<String> = known.map(|field| format!("`{field}`")).collect();
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
            fields.finish(T::FIELDS.iter().map(|field| field.name), notes);
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
    notes.unread.extend(T::FIELDS.iter().map(|field| format!("{path}.{}", field.name)));
    Spanned::new(span, read)
}

/// Text that is no TOML is refused as a whole; what is none of the format is noted.
/// `known` are the names of the tables.
pub fn parse<T>(
    text: &str,
    known: &[&'static str],
    file: impl FnOnce(&mut Fields<'_>, &mut Notes) -> T,
) -> Result<(T, Notes), RulebookErrors> {
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
    let file = file(&mut fields, &mut notes);
    fields.finish(known.iter().copied(), &mut notes);
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
