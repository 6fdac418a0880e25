//! Scenarios as data: a rulebook, months of events in the columns of lines' files, and what must
//! come of them. Each file under `data` is one; `world.rs` says what may stand in it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper may fail its test")]

mod cases;
mod world;

use std::path::Path;
use world::Scenario;

#[test]
fn every_scenario_ends_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/data");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(files.len() > 9, "{files:?}");
    let mut differences = Vec::new();
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario: Scenario = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        differences.extend(scenario.run(name));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
