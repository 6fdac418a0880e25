//! Readers of a run's files.

use crate::events::gunzip;
use crate::programme::Programme;
use crate::{SHARDS, the_shard};
use interline_domain::close::tally::Tally;
use interline_domain::units::calendar::Period;
use interline_reports::manifest::Manifest;
use interline_reports::pack::{MANIFEST, TallyFile, details_path, key, tally_path};
use std::collections::BTreeMap;

/// The files of a run by their path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Pack {
    pub async fn of(programme: &Programme, period: &str, run: &str) -> Self {
        let period = Period::parse(period).unwrap();
        let reports = &programme.app().reports;
        let manifest = reports.get(&key(period, run, MANIFEST)).await.unwrap();
        let mut files = BTreeMap::from([(MANIFEST.to_owned(), manifest.clone())]);
        let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
        for file in manifest.files {
            files.insert(file.path.clone(), reports.get(&key(period, run, &file.path)).await.unwrap());
        }
        Self { files }
    }

    pub fn manifest(&self) -> Manifest {
        serde_json::from_slice(&self.files[MANIFEST]).unwrap()
    }

    /// A report such as `positions`.
    pub fn sheet(&self, name: &str) -> Sheet {
        Sheet::read(&self.files[&format!("{name}.csv")])
    }

    /// The detail parts of all shards.
    pub fn details(&self) -> Sheet {
        let parts = (0..SHARDS).map(|shard| Sheet::read(&gunzip(&self.files[&details_path(the_shard(shard))])));
        Sheet { rows: parts.flat_map(|part| part.rows).collect() }
    }

    /// The tallies of all shards as one.
    pub fn tally(&self) -> Tally {
        let mut merged = Tally::default();
        for shard in 0..SHARDS {
            let file: TallyFile = serde_json::from_slice(&self.files[&tally_path(the_shard(shard))]).unwrap();
            merged.merge(&file.tally).unwrap();
        }
        merged
    }
}

/// A report's rows by the names of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    pub rows: Vec<BTreeMap<String, String>>,
}

impl Sheet {
    pub fn read(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").expect("a report starts with a byte order mark");
        let mut reader = csv::Reader::from_reader(bytes);
        Self { rows: reader.deserialize().collect::<Result<_, _>>().unwrap() }
    }

    /// The sum of a column, in which a cell may be empty.
    pub fn total(&self, column: &str) -> i64 {
        self.rows.iter().filter(|row| !row[column].is_empty()).map(|row| minor_or_whole(&row[column])).sum()
    }

    /// The only row whose columns have these values.
    pub fn row(&self, values: &[(&str, &str)]) -> &BTreeMap<String, String> {
        let mut rows = self.rows.iter().filter(|row| values.iter().all(|(column, value)| row[*column] == *value));
        let row = rows.next().unwrap_or_else(|| panic!("no row has {values:?}"));
        assert!(rows.next().is_none(), "several rows have {values:?}");
        row
    }
}

/// `12.50` as 1250; what has no decimals as it is.
pub fn minor_or_whole(text: &str) -> i64 {
    text.replace('.', "").parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}
