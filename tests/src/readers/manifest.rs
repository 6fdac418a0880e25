//! What one run leaves for the next, and for those who check it: manifest, tallies, state, reports in CSV.

use super::memory::{TERMS, moment};
use interline_domain::close::digest::EntryDigests;
use interline_domain::close::digest::ShardDigest;
use interline_domain::close::settle::settle;
use interline_domain::close::settlement::{Inputs, Previous, State};
use interline_domain::close::tally::Tally;
use interline_domain::terms::rulebook::Rulebook;
use interline_reports::manifest::Manifest;
use interline_reports::pack::TallyFile;
use interline_reports::rows::Rows;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

pub fn check(bytes: &[u8]) {
    if let Some(manifest) = read_as_written::<Manifest>(bytes) {
        let again: Manifest = serde_json::from_slice(&manifest.json().expect("a manifest")).expect("a manifest");
        assert_eq!(again, manifest);
    }
    if let Some(file) = read_as_written::<TallyFile>(bytes) {
        let again: TallyFile = serde_json::from_slice(&file.json().expect("a tally")).expect("a tally");
        assert_eq!(again, file);
        a_tally_is_settled_or_refused(&file.tally, None);
    }
    if let Some(state) = read_as_written::<State>(bytes) {
        a_tally_is_settled_or_refused(&Tally::default(), Some(&state));
    }
    if let Ok(rows) = Rows::parse(bytes) {
        assert_eq!(rows.text(rows.len(), "line"), "", "there is no such row");
    }
}

/// What is read is all that stands there: written again it is the same, but for white space, order and what has a default.
fn read_as_written<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    let text = serde_json::to_string(&value).expect("what was read can be written");
    assert_eq!(serde_json::from_str::<T>(&text).expect("what was written can be read"), value);
    let (sent, kept): (Value, Value) =
        (serde_json::from_slice(bytes).expect("JSON"), serde_json::from_str(&text).expect("JSON"));
    assert_eq!(elements(&sent), elements(&kept), "something was dropped");
    Some(value)
}

/// The elements of all lists.
fn elements(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.len() + list.iter().map(elements).sum::<usize>(),
        Value::Object(fields) => fields.values().map(elements).sum(),
        _ => 0,
    }
}

/// Neither numbers at the edge nor rows that contradict each other make it panic.
fn a_tally_is_settled_or_refused(tally: &Tally, state: Option<&State>) {
    let rulebook = Rulebook::parse(TERMS).expect("a rulebook");
    let mut twice = tally.clone();
    let _ = twice.merge(tally);
    let period = state.map_or_else(|| rulebook.period(moment("2017-02-01T00:00:00Z")), |state| state.period.next());
    let shards = [ShardDigest { entries: tally.entries, ..EntryDigests::default().finish(0).0 }];
    let previous = state.map(|state| Previous { state, recorded: &shards, found: &shards, older: None });
    let inputs = Inputs { rulebook: &rulebook, period, tally, shards: &shards, sealed: Some(64), previous };
    if let Ok(settlement) = settle(&inputs) {
        assert!(!settlement.passes(), "a single shard is no settlement");
    }
}
