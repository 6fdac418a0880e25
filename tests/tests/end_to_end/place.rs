//! A data directory that the program works on in processes of its own, and what
//! nothing that happens to them may change.

use interline_embedded::{Embedded, Storage};
use interline_tests::events::some_of_january;
use interline_tests::programs::{files, good_answer, interline};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub type Files = BTreeMap<String, Vec<u8>>;
type Item = HashMap<String, aws_sdk_dynamodb::types::AttributeValue>;

/// A data directory and the file that is imported into it.
pub struct Place {
    folder: TempDir,
}

impl Place {
    fn new(rows: usize) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(place.events(), some_of_january(rows)).unwrap();
        place
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn events(&self) -> PathBuf {
        self.folder.path().join("events.csv")
    }

    pub fn import_command(&self) -> Command {
        interline(&self.data(), &["import", self.events().to_str().unwrap()])
    }

    pub fn close_command(&self) -> Command {
        interline(&self.data(), &["close", "2017-01"])
    }

    pub fn import(&self) -> Value {
        let answer = good_answer(&self.data(), &["import", self.events().to_str().unwrap()]);
        answer["files"][0].clone()
    }

    pub fn close(&self) -> Value {
        let mut closed = good_answer(&self.data(), &["close", "2017-01"]);
        closed.as_object_mut().unwrap().remove("files");
        closed
    }

    pub fn reports(&self) -> PathBuf {
        self.data().join("s3").join(interline::world::REPORTS_BUCKET)
    }

    pub fn rejects(&self) -> PathBuf {
        self.data().join("rejects")
    }

    /// The reports and rejects.
    fn pack(&self) -> Files {
        let mut found = files(&self.reports());
        found.extend(files(&self.rejects()));
        found
    }

    /// Every item of the database by its key, without the times of the clock.
    fn items(&self) -> BTreeMap<(String, String), Item> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let embedded = Embedded::start(Storage::Directory(self.data())).await.unwrap();
            let mut items = BTreeMap::new();
            let mut pages =
                embedded.dynamodb().scan().table_name(interline::world::TABLE).into_paginator().items().send();
            while let Some(item) = pages.next().await {
                let mut item = item.unwrap();
                let key = |name: &str| item[name].as_s().unwrap().clone();
                let key = (key("pk"), key("sk"));
                for of_the_clock in ["r", "at"] {
                    item.remove(of_the_clock);
                }
                // A run's state has times of its own, and counts its writes; so has a publication.
                if key.0 != "P" && !key.1.starts_with("history#") {
                    items.insert(key, item);
                }
            }
            embedded.stop().await;
            items
        })
    }

    /// How many entries are recorded; none before there is a table.
    fn entries(&self) -> usize {
        let is_there = self.data().join("dynamodb.sqlite").exists();
        let items = std::panic::catch_unwind(|| if is_there { self.items() } else { BTreeMap::new() });
        items.map_or(0, |items| {
            items.iter().filter(|((pk, _), item)| pk.starts_with("E#") && item.contains_key("m")).count()
        })
    }

    pub fn run(&self) -> PathBuf {
        let period = self.reports().join("periods/2017-01");
        let mut runs = std::fs::read_dir(&period).into_iter().flatten().map(|entry| entry.unwrap().path());
        runs.next().unwrap_or(period.join("none"))
    }

    /// How many tallies there are.
    pub fn tallied(&self) -> usize {
        std::fs::read_dir(self.run().join("tallies")).map_or(0, |entries| entries.count())
    }

    /// What the database writes first.
    pub fn log(&self) -> PathBuf {
        self.data().join("dynamodb.sqlite-wal")
    }

    pub fn written(&self) -> u64 {
        std::fs::metadata(self.log()).map_or(0, |log| log.len())
    }
}

/// An import and a close that nothing happened to.
pub struct Undisturbed {
    rows: usize,
    /// The data directory after the import.
    imported: Files,
    answer: Value,
    closed: Value,
    pack: Files,
    /// What is rejected when the file comes again.
    rejected_again: Files,
    items: BTreeMap<(String, String), Item>,
    pub import_took: Duration,
    pub close_took: Duration,
}

impl Undisturbed {
    pub fn of(rows: usize) -> Self {
        let place = Place::new(rows);
        interline_tests::programs::folder();
        let started = Instant::now();
        let answer = place.import();
        let import_took = started.elapsed();
        let imported = files(&place.data());
        let started = Instant::now();
        let closed = place.close();
        let close_took = started.elapsed();
        let pack = place.pack();
        assert_eq!(answer["accepted"].as_u64().unwrap() + answer["rejected"].as_u64().unwrap(), rows as u64);
        assert!(answer["rejected"].as_u64().unwrap() > 0, "refusals must survive too");
        assert!(pack.keys().any(|path| path.ends_with("manifest.json")));
        let items = place.items();
        assert!(items.keys().any(|(_, sk)| sk == "A"));
        assert_eq!(place.import()["is_repeat"], true);
        let rejected_again = files(&place.rejects());
        assert!(rejected_again.keys().all(|path| pack.contains_key(path)));
        Self { rows, imported, answer, closed, pack, rejected_again, items, import_took, close_took }
    }

    /// With nothing but the file.
    pub fn place(&self) -> Place {
        Place::new(self.rows)
    }

    /// With everything that a finished import leaves.
    pub fn imported(&self) -> Place {
        let place = self.place();
        std::fs::create_dir(place.data()).unwrap();
        for (path, bytes) in &self.imported {
            let path = place.data().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        place
    }

    /// Imports, and compares the answer; gives how many entries were there before.
    pub fn import_and_compare(&self, place: &Place, what: &str) -> usize {
        let before = place.entries();
        let answer = place.import();
        for field in ["rows", "rejected", "rejected_by_rule", "digest", "receipt"] {
            assert_eq!(answer[field], self.answer[field], "{what}: {field}");
        }
        let (accepted, replayed) = match answer["is_repeat"] == true {
            true => (0, self.answer["accepted"].as_u64().unwrap()),
            // By whichever of the tries.
            false => (self.answer["accepted"].as_u64().unwrap(), 0),
        };
        assert_eq!((&answer["accepted"], &answer["replayed"]), (&accepted.into(), &replayed.into()), "{what}");
        before
    }

    /// Closes, and compares every file and every item that is left.
    pub fn close_and_compare(&self, place: &Place, what: &str) {
        let mut closed = place.close();
        // A kill may come after the month was marked.
        closed["already_final"] = self.closed["already_final"].clone();
        assert_eq!(closed, self.closed, "{what}");
        let found = place.pack();
        assert_eq!(found.keys().collect::<Vec<_>>(), self.pack.keys().collect::<Vec<_>>(), "{what}");
        for (path, bytes) in &found {
            assert!(self.is_whole(path, bytes), "{what}: {path} differs");
        }
        let items = place.items();
        assert_eq!(items.keys().collect::<Vec<_>>(), self.items.keys().collect::<Vec<_>>(), "{what}");
        for (key, item) in &self.items {
            assert_eq!(items[key], *item, "{what}: {key:?}");
        }
    }

    /// What lies under the name of a report or of rejects is the undisturbed run's.
    pub fn nothing_is_half_written(&self, place: &Place, what: &str) {
        for (path, bytes) in place.pack() {
            assert!(self.is_whole(&path, &bytes) || path.ends_with(".part"), "{what}: {path}");
        }
    }

    /// Whether a file is that of the undisturbed run, or what is rejected after it.
    fn is_whole(&self, path: &str, bytes: &Vec<u8>) -> bool {
        [&self.pack, &self.rejected_again].iter().any(|files| files.get(path) == Some(bytes))
    }
}
