//! What a rulebook changed for days that were past when it was published.

use crate::pack::PackFile;
use crate::report::{Column, column};
use crate::sheet::{Cell, Sheet};
use interline_domain::terms::rulebook::Change;
use interline_domain::units::currency::Currency;
use serde::{Deserialize, Serialize};

const COLUMNS: [Column; 8] = [
    column("rule", "规则", "Rule"),
    column("from", "起始日", "From"),
    column("to", "截止日", "To"),
    column("was", "原值", "Was"),
    column("becomes", "新值", "Becomes"),
    column("reason", "原因", "Reason"),
    column("rulebook_before", "原规则书", "Rulebook before"),
    column("rulebook_after", "新规则书", "Rulebook after"),
];

/// One publication, by the hashes of the rulebook that it replaced and its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    pub before: String,
    pub after: String,
    pub reason: String,
    pub changes: Vec<Change>,
}

/// A publication as it is kept, with the digest of the record before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub previous: Option<String>,
    pub publication: Publication,
}

/// Where a record lies, by its digest.
pub fn record_key(digest: &str) -> String {
    format!("rulebooks/changes/{digest}.json")
}

/// The file of a pack; none where nothing was changed.
pub(crate) fn file(currency: Currency, publications: &[Publication]) -> Option<PackFile> {
    let rows = publications.iter().flat_map(|publication| {
        publication.changes.iter().map(|change| {
            vec![
                Cell::text(&change.rule),
                Cell::text(change.from),
                change.to.map_or(Cell::Empty, Cell::text),
                Cell::text(&change.was),
                Cell::text(&change.becomes),
                Cell::text(&publication.reason),
                Cell::text(&publication.before),
                Cell::text(&publication.after),
            ]
        })
    });
    let sheet = Sheet {
        name: "rulebook-changes",
        currency,
        columns: COLUMNS.iter().map(Column::heading).collect(),
        rows: rows.collect(),
    };
    let path = format!("{}.csv", sheet.name);
    (!sheet.rows.is_empty()).then(|| PackFile::new(path, sheet.csv(), Some(sheet.totals())))
}
