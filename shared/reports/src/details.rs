//! The detail part of a shard: one row per rated slice, compressed.

use crate::sheet::{BOM, neutral};
use flate2::{Compression, GzBuilder, write::GzEncoder};
use interline_domain::tally::Detail;
use std::io::Write;

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
}

impl Default for DetailPart {
    fn default() -> Self {
        let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
        // Writing to memory cannot fail.
        let _ = encoder.write_all(BOM);
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(encoder);
        let _ = writer.write_record(COLUMNS);
        Self { writer }
    }
}

impl DetailPart {
    pub fn add(&mut self, detail: &Detail) -> std::io::Result<()> {
        let slice = &detail.slice;
        let line = detail.entry.split('#').next().unwrap_or_default();
        let record = [
            neutral(&detail.entry).into_owned(),
            slice.reason.word().to_owned(),
            detail.occurred_at.clone(),
            detail.member.clone(),
            slice.redeemer.to_string(),
            slice.cohort.funder.to_string(),
            slice.cohort.issued.to_string(),
            slice.cohort.expires.to_string(),
            slice.points.to_string(),
            slice.value.to_string(),
            slice.price.to_string(),
            slice.amount.to_string(),
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
