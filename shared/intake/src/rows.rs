//! Reads a line's event file: a stream of physical lines, each of them one event or the reason why not.
//!
//! No field may hold a line break, so a quote that is never closed spoils its own line only.

mod hints;
mod numbers;

use crate::rejects::{COLUMNS as REJECT_COLUMNS, REJECTED_ROW, restored};
use chrono::{DateTime, FixedOffset};
use flate2::read::MultiGzDecoder;
use interline_domain::events::{
    Action, Command, EntryKind, Field, Fields as EventFields, Head, Origin, Refusal, Taxes, fields_of,
};
use interline_domain::units::currency::Currency;
use interline_domain::units::id::{IdError, LineId, MemberId, Reference, TaxCode};
use interline_domain::units::limits::LINES_MAX;
use interline_domain::units::moment::{parse_day, parse_occurred_at};
use interline_domain::units::money::{Money, Points};
use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read, Take};

/// Rows of one file, the header and blank lines not counted.
pub const ROWS_MAX: usize = 1_000_000;
/// Bytes of one file after it is uncompressed: a gzip bomb stops here.
pub const BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Bytes of one physical line without its line break; what is longer is never held in memory.
pub const LINE_MAX_BYTES: usize = 64 * 1024;
/// Bytes of a row that are kept to show it again.
pub const RAW_MAX_BYTES: usize = 1024;

/// What stood on one line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The physical line in the file; the first is 1, and blank lines count.
    pub number: u64,
    /// As received, without its line break, at most [`RAW_MAX_BYTES`] of it. What is not UTF-8 is replaced.
    pub raw: String,
    /// Whether `raw` is less than what was received.
    pub is_cut: bool,
    pub parsed: Result<Command, RowError>,
}

/// Why a row is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct RowError {
    /// The column, or `row` if the line as a whole is at fault.
    pub field: &'static str,
    /// A stable word for the rule.
    pub code: &'static str,
    /// The rule as a sentence about the field.
    pub rule: String,
}

/// What stands in a file.
#[derive(Debug)]
pub struct Events {
    header: Header,
    pub rows: Vec<Row>,
}

impl Events {
    /// The file's own columns in its order.
    pub fn columns(&self) -> Vec<&'static str> {
        self.header.own().map(Column::name).collect()
    }

    /// The values of a row in the file's own columns; `None` if they cannot be told apart.
    pub fn values<'a>(&self, row: &'a Row) -> Option<Vec<Cow<'a, str>>> {
        if row.is_cut || row.parsed.as_ref().is_err_and(|error| error.field == ROW) {
            return None;
        }
        let mut values = self.header.values(&row.raw).ok()?;
        Some(self.header.own().map(|column| std::mem::take(&mut values.own[column as usize])).collect())
    }

    /// A row whose values cannot be told apart, as it first came.
    pub fn unread<'a>(&self, row: &'a Row) -> Cow<'a, str> {
        let as_it_is = Cow::Borrowed(row.raw.as_str());
        match &row.parsed {
            Err(error) if error.code == NOT_CORRECTED && !row.is_cut => {
                self.header.values(&row.raw).map_or(as_it_is, |values| values.unread)
            }
            _ => as_it_is,
        }
    }
}

/// The columns of a file that was not read as far as its own.
pub fn usual_columns() -> Vec<&'static str> {
    Column::ALL.into_iter().filter(|column| *column != Column::Tax).map(Column::name).collect()
}

/// Every column that a file may have.
pub fn all_columns() -> Vec<&'static str> {
    Column::ALL.map(Column::name).to_vec()
}

/// Why nothing at all is taken from a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("the file is empty: it must start with a line of column names")]
    EmptyFile,
    #[error("the file is a workbook (or a zip): save the sheet as CSV UTF-8")]
    Workbook,
    #[error("the file is a web page or XML, as some programs save a workbook: save the sheet as CSV UTF-8")]
    Markup,
    #[error("the file is an archive: send it as CSV, or as CSV compressed with gzip")]
    Archive,
    #[error("the file is UTF-16: save it as UTF-8")]
    Utf16,
    #[error("the file is not text: save the sheet as CSV UTF-8")]
    NotText,
    #[error("the lines end with CR only: save as CSV UTF-8")]
    CrOnly,
    #[error("the file is compressed with gzip, but neither named nor labelled so")]
    Compressed,
    #[error("the line of column names cannot be read: {}", .0.rule)]
    Header(RowError),
    #[error("the columns are separated by {0}: separate them by commas")]
    Separator(&'static str),
    #[error("column {0:?} is unknown; the columns are {names}, separated by commas", names = Column::names())]
    UnknownColumn(String),
    #[error("column {0:?} must be written {1}, in small letters and without white space around it")]
    OtherwiseWritten(String, &'static str),
    #[error("column \"\" is unknown: there is a comma too many at the end of the line of column names")]
    TrailingComma,
    #[error("column {0} is missing")]
    MissingColumn(&'static str),
    #[error("column {0} is there twice")]
    DuplicateColumn(&'static str),
    #[error("the file has more than {0} rows: split it")]
    TooManyRows(usize),
    #[error("the file has more than {0} bytes uncompressed: split it")]
    TooLarge(u64),
    #[error("the gzip file ends early: it was cut off on its way, send it again")]
    CutOff,
    #[error("the gzip file is damaged: {0}")]
    Gzip(io::Error),
    /// The file may be sound: the same read may succeed later.
    #[error("the file could not be read to its end: {0}")]
    Io(io::Error),
}

/// Reads a whole file whose amounts are in a currency. An error means that nothing of it may be used: a gzip
/// file proves itself with the checksum that stands at its very end.
pub fn read(reader: impl Read, gzip: bool, currency: Currency) -> Result<Events, FileError> {
    read_within(Limits { rows: ROWS_MAX, bytes: BYTES_MAX }, reader, gzip, currency)
}

#[derive(Clone, Copy)]
struct Limits {
    rows: usize,
    bytes: u64,
}

fn read_within(limits: Limits, reader: impl Read, gzip: bool, currency: Currency) -> Result<Events, FileError> {
    let mut source = Source(reader);
    match gzip {
        true => events(limits, &mut MultiGzDecoder::new(source), currency),
        false => events(limits, &mut source, currency),
    }
}

fn events(limits: Limits, reader: &mut dyn Read, currency: Currency) -> Result<Events, FileError> {
    let mut lines = Lines::new(reader, limits.bytes);
    let header = loop {
        match lines.next_line()? {
            None => return Err(FileError::EmptyFile),
            Some(line) if line.is_blank() => {}
            Some(line) => break Header::parse(&line, currency)?,
        }
    };
    let mut known = KnownLines::default();
    let mut rows = Vec::new();
    while let Some(line) = lines.next_line()? {
        if line.is_blank() {
            continue;
        }
        if rows.len() == limits.rows {
            return Err(FileError::TooManyRows(limits.rows));
        }
        let (raw, is_cut) = raw(line.bytes);
        rows.push(Row { number: line.number, raw, is_cut, parsed: header.command(&line, &mut known) });
    }
    Ok(Events { header, rows })
}

/// The start of a line, whole characters only, and whether there is more of it.
fn raw(bytes: &[u8]) -> (String, bool) {
    // A character has at most 4 bytes: three more, and none below the limit is cut in two.
    let start = &bytes[..bytes.len().min(RAW_MAX_BYTES + 3)];
    let mut text = str::from_utf8(start).map_or_else(|_| String::from_utf8_lossy(start).into_owned(), str::to_owned);
    let is_cut = text.len() > RAW_MAX_BYTES;
    if is_cut {
        text.truncate(text.floor_char_boundary(RAW_MAX_BYTES));
        text.shrink_to_fit();
    }
    (text, is_cut || start.len() < bytes.len())
}

/// The field of an error that concerns a line as a whole.
const ROW: &str = "row";
/// The code of a row that came back as it was rejected.
const NOT_CORRECTED: &str = "not-corrected";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Event,
    Line,
    Reference,
    OccurredAt,
    Member,
    Amount,
    Points,
    Reverses,
    Tax,
}

impl Column {
    const ALL: [Column; 9] = [
        Column::Event,
        Column::Line,
        Column::Reference,
        Column::OccurredAt,
        Column::Member,
        Column::Amount,
        Column::Points,
        Column::Reverses,
        Column::Tax,
    ];

    /// Those that the kinds of events have of their own.
    const OF_KINDS: [Column; 4] = [Column::Amount, Column::Points, Column::Reverses, Column::Tax];

    const fn name(self) -> &'static str {
        match self {
            Column::Event => "event",
            Column::Line => "line",
            Column::Reference => "reference",
            Column::OccurredAt => "occurred_at",
            Column::Member => "member",
            Column::Amount => "amount",
            Column::Points => "points",
            Column::Reverses => "reverses",
            Column::Tax => "tax",
        }
    }

    /// A file without reversals may leave `reverses` out, one of a line whose sales are taxed alike `tax`.
    fn is_required(self) -> bool {
        !matches!(self, Column::Reverses | Column::Tax)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    fn names() -> String {
        Self::ALL.map(Self::name).join(",")
    }

    fn error(self, code: &'static str, rule: impl Into<String>) -> RowError {
        RowError { field: self.name(), code, rule: rule.into() }
    }
}

fn row_error(code: &'static str, rule: impl Into<String>) -> RowError {
    RowError { field: ROW, code, rule: rule.into() }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heading {
    Own(Column),
    /// A column that only a file of rejected rows has, by its place in [`REJECT_COLUMNS`].
    Rejected(usize),
}

impl Heading {
    fn named(name: &str) -> Option<Self> {
        let rejected = || REJECT_COLUMNS.iter().position(|column| *column == name).map(Heading::Rejected);
        Column::named(name).map(Heading::Own).or_else(rejected)
    }

    const fn name(self) -> &'static str {
        match self {
            Heading::Own(column) => column.name(),
            Heading::Rejected(place) => REJECT_COLUMNS[place],
        }
    }
}

/// The columns in the order of the file, and what its amounts are in.
#[derive(Debug)]
struct Header {
    headings: Vec<Heading>,
    currency: Currency,
}

impl Header {
    fn parse(line: &Line<'_>, currency: Currency) -> Result<Self, FileError> {
        if let Some(error) = not_csv(line.bytes) {
            return Err(error);
        }
        let names: Vec<Cow<'_, str>> =
            Fields::of(line.text().map_err(FileError::Header)?).collect::<Result<_, _>>().map_err(FileError::Header)?;
        let mut headings = Vec::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            let is_last = place > 0 && place + 1 == names.len();
            let heading = Heading::named(name).ok_or_else(|| unknown(name, is_last))?;
            if headings.contains(&heading) {
                return Err(FileError::DuplicateColumn(heading.name()));
            }
            headings.push(heading);
        }
        let is_missing = |column: &Column| column.is_required() && !headings.contains(&Heading::Own(*column));
        match Column::ALL.into_iter().find(is_missing) {
            Some(missing) => Err(FileError::MissingColumn(missing.name())),
            None => Ok(Self { headings, currency }),
        }
    }

    fn own(&self) -> impl Iterator<Item = Column> {
        self.headings.iter().filter_map(|heading| match heading {
            Heading::Own(column) => Some(*column),
            Heading::Rejected(_) => None,
        })
    }

    /// Whether it is a file of rejected rows that came back.
    fn is_of_rejects(&self) -> bool {
        self.headings.iter().any(|heading| matches!(heading, Heading::Rejected(_)))
    }

    fn command(&self, line: &Line<'_>, known: &mut KnownLines) -> Result<Command, RowError> {
        let values = self.values(line.text()?)?;
        if values.is_rejected && values.own.iter().all(|value| value.is_empty()) {
            let rule = "has nothing but the reason why it was rejected: write it into its own columns, or delete it";
            return Err(row_error(NOT_CORRECTED, rule));
        }
        values.command(self.currency, known).map_err(|error| values.with_hint(error))
    }

    fn values<'a>(&self, text: &'a str) -> Result<Values<'a>, RowError> {
        let mut values = Values::default();
        let is_of_rejects = self.is_of_rejects();
        let (mut found, mut surplus_is_empty) = (0, true);
        for value in Fields::of(text) {
            let value = value?;
            match self.headings.get(found) {
                Some(Heading::Own(column)) if is_of_rejects => values.own[*column as usize] = restored(value),
                Some(Heading::Own(column)) => values.own[*column as usize] = value,
                Some(Heading::Rejected(place)) => {
                    values.is_rejected |= !value.is_empty();
                    if *place == REJECTED_ROW {
                        values.unread = value;
                    }
                }
                None => surplus_is_empty &= value.is_empty(),
            }
            found += 1;
        }
        let Self { headings, currency } = self;
        if found == headings.len() {
            return Ok(values);
        }
        let mut rule = format!("has {found} columns where the header has {}", headings.len());
        // A comma within a number moves what follows it, and may leave an empty value at the end, too.
        let is_whole = |values: &Values<'_>| values.command(*currency, &mut KnownLines::default()).is_ok();
        if found > headings.len() && surplus_is_empty && is_whole(&values) {
            rule += ": a comma too many at the end of the line";
        }
        Err(row_error("column-count", rule))
    }
}

/// What a file is that is no CSV file in UTF-8, by its first line.
fn not_csv(bytes: &[u8]) -> Option<FileError> {
    const WORKBOOKS: [&[u8]; 4] = [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"\xd0\xcf\x11\xe0"];
    const ARCHIVES: [&[u8]; 5] = [b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd"];
    let begins_with_one = |beginnings: &[&[u8]]| beginnings.iter().any(|beginning| bytes.starts_with(beginning));
    if begins_with_one(&[b"\x1f\x8b"]) {
        return Some(FileError::Compressed);
    }
    if begins_with_one(&WORKBOOKS) {
        return Some(FileError::Workbook);
    }
    if begins_with_one(&ARCHIVES) {
        return Some(FileError::Archive);
    }
    if begins_with_one(&[b"<"]) {
        return Some(FileError::Markup);
    }
    // UTF-16 has a byte order mark or, for ASCII, every second byte zero.
    let zeros = |parity: usize| bytes.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let is_every_second = (even == 0 || odd == 0) && (even + odd) * 3 > bytes.len();
    if begins_with_one(&[b"\xff\xfe", b"\xfe\xff"]) || is_every_second {
        return Some(FileError::Utf16);
    }
    if even + odd > 0 {
        return Some(FileError::NotText);
    }
    bytes.contains(&b'\r').then_some(FileError::CrOnly)
}

fn unknown(name: &str, is_last: bool) -> FileError {
    const SEPARATORS: [(char, &str); 5] = [
        (';', "semicolons"),
        ('\t', "tabs"),
        ('|', "bars"),
        ('，', "full-width commas"),
        ('；', "full-width semicolons"),
    ];
    let shown = || name.chars().take(64).collect();
    if name.is_empty() && is_last {
        return FileError::TrailingComma;
    }
    let plain = name.trim_matches(|of: char| of.is_whitespace() || of == '\u{feff}').to_ascii_lowercase();
    if let Some(heading) = Heading::named(&plain) {
        return FileError::OtherwiseWritten(shown(), heading.name());
    }
    let is_between = |separator: char| {
        let first = plain.split(separator).next().unwrap_or_default().trim().trim_matches('"');
        first.len() < plain.len() && Heading::named(first).is_some()
    };
    match SEPARATORS.into_iter().find(|(separator, _)| is_between(*separator)) {
        Some((_, word)) => FileError::Separator(word),
        None => FileError::UnknownColumn(shown()),
    }
}

#[derive(Default)]
struct Values<'a> {
    /// By column; one that the file does not have is empty.
    own: [Cow<'a, str>; Column::ALL.len()],
    /// Whether there is a word of why the row was rejected before.
    is_rejected: bool,
    /// The row as it came before, if its columns could not be told apart.
    unread: Cow<'a, str>,
}

impl Values<'_> {
    fn command(&self, currency: Currency, known: &mut KnownLines) -> Result<Command, RowError> {
        let kind = EntryKind::from_word(self.required(Column::Event)?).ok_or_else(|| {
            Column::Event.error("unknown-event", "must be accrual, redemption, reversal or adjustment")
        })?;
        let head = Head {
            line: known.parse(self.required(Column::Line)?).map_err(|error| id_error(Column::Line, &error))?,
            reference: reference(Column::Reference, self.required(Column::Reference)?)?,
            occurred_at: occurred_at(self.required(Column::OccurredAt)?)?,
            member: MemberId::parse(self.required(Column::Member)?)
                .map_err(|error| id_error(Column::Member, &error))?,
        };
        Ok(Command { head, action: self.action(kind, currency)? })
    }

    /// Adds what a spreadsheet or a keyboard has probably done to a value.
    fn with_hint(&self, mut error: RowError) -> RowError {
        let value = Column::named(error.field).map(|column| (column, self.own[column as usize].as_ref()));
        if let Some(hint) = value.and_then(|(column, value)| hints::hint(column, value, error.code)) {
            error.rule = format!("{}: {hint}", error.rule);
        }
        error
    }

    fn get(&self, column: Column) -> Result<Option<&str>, RowError> {
        match self.own[column as usize].as_ref() {
            "" => Ok(None),
            text if text.trim() != text => {
                Err(column.error("surrounding-space", "must not begin or end with white space"))
            }
            text => Ok(Some(text)),
        }
    }

    fn required(&self, column: Column) -> Result<&str, RowError> {
        self.get(column)?.ok_or_else(|| column.error("missing-field", "is required"))
    }

    fn action(&self, kind: EntryKind, currency: Currency) -> Result<Action, RowError> {
        let action = Action::read(kind, &OfKind { values: self, kind, currency });
        let has = |column: Column| fields_of(kind).iter().any(|field| field.name == column.name());
        let is_superfluous = |column: &Column| !has(*column) && !self.own[*column as usize].is_empty();
        let Some(column) = Column::OF_KINDS.into_iter().find(is_superfluous) else { return action };
        // Of a field that is wrong and one that must be empty the first column is named.
        if let Err(error) = &action
            && Column::named(error.field).is_some_and(|at| (at as usize) < column as usize)
        {
            return action;
        }
        self.get(column)?;
        Err(column.error("superfluous-field", format!("must be empty where the event is {kind}")))
    }
}

/// The fields of a row's kind.
struct OfKind<'v> {
    values: &'v Values<'v>,
    kind: EntryKind,
    currency: Currency,
}

impl OfKind<'_> {
    fn get(&self, field: &Field) -> Result<Option<&str>, RowError> {
        Column::named(field.name).map_or(Ok(None), |column| self.values.get(column))
    }
}

impl EventFields for OfKind<'_> {
    type Error = RowError;

    fn amount(&self, field: &Field) -> Result<Option<Money>, RowError> {
        self.get(field)?.map(|text| numbers::amount(self.kind, self.currency, text)).transpose()
    }

    fn points(&self, field: &Field) -> Result<Option<Points>, RowError> {
        self.get(field)?.map(|text| numbers::points(self.kind, text)).transpose()
    }

    fn origin(&self, field: &Field) -> Result<Option<Origin>, RowError> {
        self.get(field)?.map(origin).transpose()
    }

    fn taxes(&self, field: &Field, amount: Option<Money>) -> Result<Option<Taxes>, RowError> {
        let Some(text) = self.get(field)? else { return Ok(None) };
        let parts = text.split(';').map(|part| match part.split_once(':') {
            None => Ok((tax_code(part)?, None)),
            Some((code, amount)) => {
                let amount = numbers::part(Column::Tax, self.currency, amount)?;
                Ok((tax_code(code)?, Some(amount)))
            }
        });
        let parts = parts.collect::<Result<Vec<_>, RowError>>()?;
        Taxes::sent(parts, amount).map(Some).map_err(|error| Column::Tax.error("not-taxes", error.to_string()))
    }

    fn tax_code(&self, field: &Field) -> Result<Option<TaxCode>, RowError> {
        self.get(field)?.map(tax_code).transpose()
    }

    fn missing(&self, field: &Field) -> RowError {
        let rule = format!("is required where the event is {}", self.kind);
        RowError { field: field.name, code: "missing-field", rule }
    }

    fn refused(&self, refusal: Refusal) -> RowError {
        RowError { field: refusal.field(), code: refusal.code(), rule: refusal.to_string() }
    }
}

/// One allocation for each line of the programme instead of one for each row.
#[derive(Default)]
struct KnownLines(Vec<LineId>);

impl KnownLines {
    fn parse(&mut self, text: &str) -> Result<LineId, IdError> {
        match self.0.binary_search_by(|line| line.as_str().cmp(text)) {
            Ok(place) => Ok(self.0[place].clone()),
            Err(place) => {
                let line = LineId::parse(text)?;
                if self.0.len() < LINES_MAX {
                    self.0.insert(place, line.clone());
                }
                Ok(line)
            }
        }
    }
}

fn tax_code(text: &str) -> Result<TaxCode, RowError> {
    TaxCode::parse(text).map_err(|error| id_error(Column::Tax, &error))
}

fn reference(column: Column, text: &str) -> Result<Reference, RowError> {
    Reference::parse(text).map_err(|error| id_error(column, &error))
}

/// `accrual:REF`, the event that a reversal takes back, or `accrual:REF@2025-11-03`
/// with a day of it.
fn origin(text: &str) -> Result<Origin, RowError> {
    let target = text.split_once(':').and_then(|(word, name)| Some((EntryKind::from_word(word)?, name)));
    let (kind, name) = match target {
        None => {
            return Err(Column::Reverses.error(
                "not-a-target",
                "must be the event and its reference, such as accrual:A-1001 or redemption:R-7",
            ));
        }
        Some((EntryKind::Reversal, _)) => {
            return Err(Column::Reverses.error("not-reversible", "a reversal cannot be reversed"));
        }
        Some(target) => target,
    };
    let (name, on) = match name.split_once('@') {
        None => (name, None),
        Some((name, day)) => {
            let rule = "must end with a day after its @, such as accrual:A-1001@2025-11-03";
            (name, Some(parse_day(day).ok_or_else(|| Column::Reverses.error("not-a-day", rule))?))
        }
    };
    Ok(Origin { kind, reference: reference(Column::Reverses, name)?, on })
}

fn id_error(column: Column, error: &IdError) -> RowError {
    let code = match error {
        IdError::Empty => "missing-field",
        IdError::TooLong(_) => "too-long",
        IdError::Character => "bad-character",
    };
    column.error(code, error.to_string())
}

fn occurred_at(text: &str) -> Result<DateTime<FixedOffset>, RowError> {
    parse_occurred_at(text).map_err(|error| Column::OccurredAt.error(error.code, error.rule))
}

/// The fields of one line after RFC 4180, without its freedom to break lines.
/// Stricter than the csv crate, which makes some sense of every quote.
struct Fields<'a> {
    rest: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn of(line: &'a str) -> Self {
        Self { rest: Some(line) }
    }

    fn plain(&mut self, text: &'a str) -> Result<Cow<'a, str>, RowError> {
        let (field, rest) =
            text.split_at(text.bytes().position(|byte| matches!(byte, b',' | b'"')).unwrap_or(text.len()));
        if rest.starts_with('"') {
            return Err(row_error("quote-in-field", "has a quote inside a field that does not begin with one"));
        }
        self.rest = rest.strip_prefix(',');
        Ok(Cow::Borrowed(field))
    }

    /// A field after its opening quote. A doubled quote stands for one.
    fn quoted(&mut self, mut text: &'a str) -> Result<Cow<'a, str>, RowError> {
        let mut field = Cow::Borrowed("");
        loop {
            let Some((part, rest)) = text.split_once('"') else {
                return Err(row_error("unclosed-quote", "has a quote that is not closed on the same line"));
            };
            field += part;
            match rest.as_bytes().first() {
                Some(b'"') => {
                    field += "\"";
                    text = &rest[1..];
                }
                Some(b',') => {
                    self.rest = Some(&rest[1..]);
                    return Ok(field);
                }
                Some(_) => return Err(row_error("text-after-quote", "has text between a closing quote and the comma")),
                None => return Ok(field),
            }
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Cow<'a, str>, RowError>;

    /// The last field has no rest, and nothing is read after an error.
    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.take()?;
        Some(match text.strip_prefix('"') {
            Some(text) => self.quoted(text),
            None => self.plain(text),
        })
    }
}

/// One physical line without its line break.
struct Line<'a> {
    number: u64,
    bytes: &'a [u8],
    end: End,
}

#[derive(Clone, Copy)]
enum End {
    Break,
    TooLong,
    CutOff,
}

impl Line<'_> {
    /// Spreadsheets keep rows that were emptied, as commas.
    fn is_blank(&self) -> bool {
        if matches!(self.end, End::TooLong) || self.bytes.first().is_some_and(u8::is_ascii_alphanumeric) {
            return false;
        }
        let is_empty = |field: Result<Cow<'_, str>, RowError>| field.is_ok_and(|field| field.trim().is_empty());
        str::from_utf8(self.bytes).is_ok_and(|text| Fields::of(text).all(is_empty))
    }

    fn text(&self) -> Result<&str, RowError> {
        match self.end {
            End::Break => {
                str::from_utf8(self.bytes).map_err(|_| row_error("not-utf8", "is not UTF-8 (GBK?): save as CSV UTF-8"))
            }
            End::TooLong => Err(row_error("line-too-long", format!("is longer than {LINE_MAX_BYTES} bytes"))),
            // A number that was cut off looks like a number.
            End::CutOff => Err(row_error("cut-off", "the file ends inside this row: end it with a line break")),
        }
    }
}

/// Physical lines, read one at a time into the same buffer.
struct Lines<'r> {
    /// One byte more than the limit, so that a file of just that size is told from a larger one.
    reader: Take<BufReader<&'r mut dyn Read>>,
    bytes_max: u64,
    buffer: Vec<u8>,
    number: u64,
}

impl<'r> Lines<'r> {
    fn new(reader: &'r mut dyn Read, bytes_max: u64) -> Self {
        let reader = BufReader::with_capacity(LINE_MAX_BYTES, reader).take(bytes_max + 1);
        Self { reader, bytes_max, buffer: Vec::new(), number: 0 }
    }

    fn next_line(&mut self) -> Result<Option<Line<'_>>, FileError> {
        /// A line of the largest size with its CR and LF.
        const READ_MAX: usize = LINE_MAX_BYTES + 2;
        self.buffer.clear();
        let read = (&mut self.reader).take(READ_MAX as u64).read_until(b'\n', &mut self.buffer)?;
        let ended = self.buffer.pop_if(|last| *last == b'\n').is_some();
        if read == READ_MAX && !ended {
            self.reader.skip_until(b'\n')?;
        }
        if self.reader.limit() == 0 {
            return Err(FileError::TooLarge(self.bytes_max));
        }
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.buffer.pop_if(|last| *last == b'\r');
        let mut bytes = self.buffer.as_slice();
        if self.number == 1 {
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        let end = match ended {
            _ if bytes.len() > LINE_MAX_BYTES => End::TooLong,
            true => End::Break,
            false => End::CutOff,
        };
        Ok(Some(Line { number: self.number, bytes, end }))
    }
}

/// Marks the errors of the reader underneath: a connection that breaks must not
/// be taken for a gzip file that ends early.
struct Source<R>(R);

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct SourceError(io::Error);

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(|error| io::Error::other(SourceError(error))),
            }
        }
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<SourceError>() {
            Ok(SourceError(error)) => FileError::Io(error),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => FileError::CutOff,
            Err(error) => FileError::Gzip(error),
        }
    }
}

#[cfg(test)]
mod tests;
