//! The detail part of a shard: one row per rated slice, compressed.

use crate::sheet::{BOM, neutral};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder, write::GzEncoder};
use interline_domain::close::tally::Detail;
use interline_domain::units::currency::Currency;
use interline_domain::units::pseudonym::Pseudonyms;
use std::io::{Read, Write};

pub const COLUMNS: [&str; 16] = [
    "entry",
    "reason",
    "occurred_at",
    "member",
    "redeemer",
    "funder",
    "issued",
    "expires",
    "points",
    "value",
    "price",
    "amount",
    "obligation",
    "rule",
    "origin_period",
    "line",
];

/// Collects rows and compresses them. The same rows give the same bytes: the
/// header of the archive holds no time and no name.
pub struct DetailPart {
    writer: csv::Writer<GzEncoder<Vec<u8>>>,
    currency: Currency,
    pseudonyms: Pseudonyms,
}

impl DetailPart {
    pub fn new(currency: Currency, pseudonyms: Pseudonyms) -> Self {
        let mut writer = writer();
        // Writing to memory cannot fail.
        let _ = writer.write_record(COLUMNS);
        Self { writer, currency, pseudonyms }
    }

    pub fn add(&mut self, detail: &Detail) -> std::io::Result<()> {
        let slice = &detail.slice;
        let line = detail.entry.split('#').next().unwrap_or_default();
        let record = [
            neutral(&detail.entry).into_owned(),
            slice.reason.word().to_owned(),
            detail.occurred_at.clone(),
            self.pseudonyms.of(&detail.member),
            slice.redeemer.to_string(),
            slice.cohort.funder.to_string(),
            slice.cohort.issued.to_string(),
            slice.cohort.expires.to_string(),
            slice.points.to_string(),
            self.currency.show(slice.value).to_string(),
            slice.price.to_string(),
            self.currency.show(slice.amount).to_string(),
            if slice.crosses_lines() { "yes" } else { "no" }.to_owned(),
            neutral(&detail.rule).into_owned(),
            detail.origin.map(|origin| origin.to_string()).unwrap_or_default(),
            line.to_owned(),
        ];
        self.writer.write_record(&record).map_err(std::io::Error::other)
    }

    pub fn finish(self) -> std::io::Result<Vec<u8>> {
        let encoder = self.writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
        encoder.finish()
    }
}

fn writer() -> csv::Writer<GzEncoder<Vec<u8>>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(BOM);
    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(encoder)
}

/// A computed detail part with the pseudonyms of a stored one, row by row; none
/// where the rows do not go together.
pub fn with_members_of(stored: &[u8], computed: &[u8]) -> Option<Vec<u8>> {
    let member = COLUMNS.iter().position(|column| *column == "member")?;
    let computed = unpacked(computed, u64::MAX)?;
    // A changed archive may unpack to any size; a pseudonym is shorter than the rest of its row.
    let stored = unpacked(stored, 2 * computed.len() as u64)?;
    let (computed, mut stored) = (rows(&computed), rows(&stored));
    let mut writer = writer();
    for (at, row) in computed.enumerate() {
        let (row, named) = (row.ok()?, stored.next()?.ok()?);
        let names = if at == 0 { &row } else { &named };
        let cells = row.iter().enumerate().map(|(at, cell)| if at == member { names.get(at) } else { Some(cell) });
        writer.write_record(cells.collect::<Option<Vec<&[u8]>>>()?).ok()?;
    }
    writer.into_inner().ok()?.finish().ok()
}

fn unpacked(part: &[u8], most: u64) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(part).take(most).read_to_end(&mut text).ok()?;
    Some(text)
}

fn rows(text: &[u8]) -> csv::ByteRecordsIntoIter<&[u8]> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text).into_byte_records()
}
