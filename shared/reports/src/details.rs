//! The detail part of a shard: one row per rated slice, by funder, redeemer and entry.
//!
//! A part is one gzip file of several members: the header, then one member for each pair of
//! lines. An index beside it says where each pair lies, so that its rows are read by a range
//! of the part; whoever unpacks the whole gets all rows under one header.

use crate::sheet::{BOM, neutral};
use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder, write::GzEncoder};
use interline_domain::close::tally::Detail;
use interline_domain::units::currency::Currency;
use interline_domain::units::id::{LineId, SchemeId};
use interline_domain::units::pseudonym::Pseudonyms;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::ops::Range;

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

/// Bytes of a pair's rows that are held before they are compressed.
const HELD_MAX: usize = 256 * 1024;
/// About as many as a row has.
const ROW_BYTES: usize = 512;

/// Where the rows of a part lie.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailIndex {
    /// By funder and redeemer.
    pub pairs: Vec<PairRows>,
}

/// The rows of a pair: so many bytes of the part, which are a gzip file of their own
/// without the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairRows {
    /// The scheme whose points they are, as rows call it.
    pub funder: SchemeId,
    pub redeemer: LineId,
    pub rows: u64,
    pub offset: u64,
    pub bytes: u64,
}

impl PairRows {
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.bytes)
    }
}

impl DetailIndex {
    pub fn of(&self, funder: &SchemeId, redeemer: &LineId) -> Option<&PairRows> {
        self.pairs.iter().find(|pair| pair.funder == *funder && pair.redeemer == *redeemer)
    }

    pub fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Collects rows by pair and compresses them. The same rows give the same bytes: the
/// headers of the archive hold no time and no name.
pub struct DetailPart {
    pairs: Pairs,
    currency: Currency,
    pseudonyms: Pseudonyms,
}

impl DetailPart {
    pub fn new(currency: Currency, pseudonyms: Pseudonyms) -> Self {
        Self { pairs: Pairs::default(), currency, pseudonyms }
    }

    /// The rows of a pair stay in the order in which they are added.
    pub fn add(&mut self, detail: &Detail<'_>) -> io::Result<()> {
        let slice = &detail.slice;
        let head = &detail.entry.head;
        let record = [
            neutral(&detail.entry.name()).into_owned(),
            slice.reason.word().to_owned(),
            head.occurred_at.to_rfc3339(),
            self.pseudonyms.of(&head.member),
            slice.redeemer.to_string(),
            slice.cohort.scheme.to_string(),
            slice.cohort.issued.to_string(),
            slice.cohort.expires.to_string(),
            slice.points.to_string(),
            self.currency.show(slice.value).to_string(),
            slice.price.to_string(),
            self.currency.show(slice.amount).to_string(),
            if detail.crosses_lines { "yes" } else { "no" }.to_owned(),
            neutral(detail.rule).into_owned(),
            if detail.entry.is_late() { detail.entry.home.to_string() } else { String::new() },
            head.line.to_string(),
        ];
        self.pairs.add((slice.cohort.scheme.clone(), slice.redeemer.clone()), &record)
    }

    pub fn finish(self) -> io::Result<(Vec<u8>, DetailIndex)> {
        self.pairs.finish()
    }
}

#[derive(Default)]
struct Pairs(BTreeMap<(SchemeId, LineId), (csv::Writer<Member>, u64)>);

impl Pairs {
    fn add<C: AsRef<[u8]>>(&mut self, pair: (SchemeId, LineId), record: &[C]) -> io::Result<()> {
        let (writer, rows) = self.0.entry(pair).or_insert_with(|| (Member::default().writer(), 0));
        *rows += 1;
        writer.write_record(record).map_err(io::Error::other)
    }

    fn finish(self) -> io::Result<(Vec<u8>, DetailIndex)> {
        let mut part = header()?;
        let mut index = DetailIndex::default();
        for ((funder, redeemer), (writer, rows)) in self.0 {
            let packed = Member::finished(writer)?;
            let (offset, bytes) = (part.len() as u64, packed.len() as u64);
            index.pairs.push(PairRows { funder, redeemer, rows, offset, bytes });
            part.extend(packed);
        }
        Ok((part, index))
    }
}

/// One member of the archive. What is many rows is compressed as it comes; a compressor of
/// its own is more than few rows are worth holding.
#[derive(Default)]
struct Member {
    held: Vec<u8>,
    packed: Option<GzEncoder<Vec<u8>>>,
}

impl Member {
    fn writer(self) -> csv::Writer<Self> {
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).buffer_capacity(ROW_BYTES).from_writer(self)
    }

    fn finished(writer: csv::Writer<Self>) -> io::Result<Vec<u8>> {
        let mut member = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        member.pack()?;
        member.packed.map_or_else(|| Ok(Vec::new()), GzEncoder::finish)
    }

    fn pack(&mut self) -> io::Result<()> {
        let encoder = || GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
        self.packed.get_or_insert_with(encoder).write_all(&self.held)?;
        self.held.clear();
        Ok(())
    }
}

impl Write for Member {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= HELD_MAX {
            self.pack()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The header as it stands at the start of each part, compressed.
fn header() -> io::Result<Vec<u8>> {
    let mut writer = Member { held: BOM.to_vec(), packed: None }.writer();
    writer.write_record(COLUMNS).map_err(io::Error::other)?;
    Member::finished(writer)
}

/// Rows as CSV under the header of the parts.
pub fn under_header(rows: &[u8]) -> io::Result<Vec<u8>> {
    let mut text = unpacked(&header()?)?;
    text.extend_from_slice(rows);
    Ok(text)
}

/// What lies in a part, or in the range of a pair.
pub fn unpacked(packed: &[u8]) -> io::Result<Vec<u8>> {
    unpacked_at_most(packed, u64::MAX)
}

fn unpacked_at_most(packed: &[u8], most: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    MultiGzDecoder::new(packed).take(most).read_to_end(&mut text)?;
    Ok(text)
}

/// A computed detail part with the pseudonyms of a stored one, row by row; none
/// where the rows do not go together.
pub fn with_members_of(stored: &[u8], computed: &[u8]) -> Option<(Vec<u8>, DetailIndex)> {
    let place = |name: &str| COLUMNS.iter().position(|column| *column == name);
    let (member, funder, redeemer) = (place("member")?, place("funder")?, place("redeemer")?);
    let computed = unpacked(computed).ok()?;
    // A changed archive may unpack to any size; a pseudonym is shorter than the rest of its row.
    let stored = unpacked_at_most(stored, 2 * computed.len() as u64).ok()?;
    let (computed, mut stored) = (rows(&computed), rows(&stored));
    let mut pairs = Pairs::default();
    for (at, row) in computed.enumerate() {
        let (row, named) = (row.ok()?, stored.next()?.ok()?);
        if at == 0 {
            continue;
        }
        let pair = (SchemeId::parse(row.get(funder)?).ok()?, LineId::parse(row.get(redeemer)?).ok()?);
        let cells = row.iter().enumerate().map(|(at, cell)| if at == member { named.get(at) } else { Some(cell) });
        pairs.add(pair, &cells.collect::<Option<Vec<&str>>>()?).ok()?;
    }
    pairs.finish().ok()
}

fn rows(text: &[u8]) -> csv::StringRecordsIntoIter<&[u8]> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text).into_records()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str) -> LineId {
        LineId::parse(id).unwrap()
    }

    fn scheme(id: &str) -> SchemeId {
        SchemeId::parse(id).unwrap()
    }

    /// A row of a pair, of which only entry and member are told apart.
    fn record(funder: &str, redeemer: &str, number: usize, member: &str) -> Vec<String> {
        let cell = |column: &&str| match *column {
            "funder" => funder.to_owned(),
            "redeemer" | "line" => redeemer.to_owned(),
            "member" => member.to_owned(),
            "entry" => format!("{redeemer}#redemption#R-{number:06}"),
            "rule" => "a \"rule\", two".to_owned(),
            _ => "7".to_owned(),
        };
        COLUMNS.iter().map(cell).collect()
    }

    fn part(records: &[Vec<String>]) -> (Vec<u8>, DetailIndex) {
        let mut pairs = Pairs::default();
        for record in records {
            pairs.add((scheme(&record[5]), line(&record[4])), record).unwrap();
        }
        pairs.finish().unwrap()
    }

    fn entries(text: &[u8]) -> Vec<String> {
        rows(text).map(|row| row.unwrap()[0].to_owned()).collect()
    }

    #[test]
    fn a_part_is_one_file_in_which_each_pair_has_a_range_of_its_own() {
        let pairs = [("mall", "inn"), ("inn", "spa"), ("inn", "inn")];
        // More of one pair than is held before it is compressed.
        let of_pair = |at: usize| if at == 1 { 4_000 } else { 3 };
        let records: Vec<Vec<String>> = (0..4_000)
            .flat_map(|number| (0..3).filter(move |at| number < of_pair(*at)).map(move |at| (at, number)))
            .map(|(at, number)| record(pairs[at].0, pairs[at].1, number, "m-1"))
            .collect();
        let (bytes, index) = part(&records);
        assert_eq!((bytes.clone(), index.clone()), part(&records), "the same rows, the same bytes");
        let text = unpacked(&bytes).unwrap();
        assert!(text.starts_with(&[BOM, COLUMNS.join(",").as_bytes(), b"\r\n"].concat()));
        let all = entries(&text);
        assert_eq!(all.len(), 1 + records.len());
        let expected = |funder: &str, redeemer: &str| -> Vec<String> {
            let of = |record: &&Vec<String>| record[5] == funder && record[4] == redeemer;
            records.iter().filter(of).map(|record| record[0].clone()).collect()
        };
        let mut in_order = vec![all[0].clone()];
        let mut end = header().unwrap().len() as u64;
        for pair in &index.pairs {
            assert_eq!(pair.offset, end, "one after the other");
            end = pair.range().end;
            let range = &bytes[pair.offset as usize..end as usize];
            // One member and no more: a decoder that stops at its end has all.
            let mut whole = Vec::new();
            flate2::read::GzDecoder::new(range).read_to_end(&mut whole).unwrap();
            let found = entries(&whole);
            assert_eq!(found, expected(pair.funder.as_str(), pair.redeemer.as_str()));
            assert_eq!(pair.rows, found.len() as u64);
            in_order.extend(found);
        }
        assert_eq!((end, all), (bytes.len() as u64, in_order));
        let names: Vec<String> = index.pairs.iter().map(|pair| format!("{}>{}", pair.funder, pair.redeemer)).collect();
        assert_eq!(names, ["inn>inn", "inn>spa", "mall>inn"]);
        assert_eq!(
            (index.of(&scheme("spa"), &line("inn")), index.of(&scheme("inn"), &line("spa"))),
            (None, Some(&index.pairs[1]))
        );
        assert_eq!(serde_json::from_slice::<DetailIndex>(&index.json().unwrap()).unwrap(), index);
    }

    #[test]
    fn a_part_without_rows_is_its_header_and_rows_by_themselves_get_one() {
        let (bytes, index) = part(&[]);
        assert_eq!(index, DetailIndex::default());
        assert_eq!(under_header(b"").unwrap(), unpacked(&bytes).unwrap());
        assert_eq!(entries(&under_header(b"a,b\r\n").unwrap())[1], "a");
    }

    #[test]
    fn stored_names_are_put_into_a_part_that_is_computed_without_them() {
        let of = |member: &str| -> Vec<Vec<String>> {
            (0..5).flat_map(|at| [record("mall", "inn", at, member), record("inn", "mall", at, member)]).collect()
        };
        let (computed, _) = part(&of("m-unknown"));
        let (stored, index) = part(&of("m-a-name-that-is-longer"));
        assert_ne!(stored, computed);
        assert_eq!(with_members_of(&stored, &computed), Some((stored.clone(), index)));
        assert_eq!(with_members_of(&part(&of("m-1")[1..]).0, &computed), None, "a row is missing");
    }
}
