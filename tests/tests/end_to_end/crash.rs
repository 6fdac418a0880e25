//! The program is killed in the middle of every step, run again, and leaves the
//! same bytes as one that nothing happened to.

use interline_domain::limits::SHARDS;
use interline_tests::events::some_of_january;
use interline_tests::programs::{Ended, files, good_answer, interline, kill_when};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

type Files = BTreeMap<String, Vec<u8>>;

/// A data directory and the file that is imported into it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(place.events(), some_of_january(4_000)).unwrap();
        place
    }

    /// With everything that a finished import leaves.
    fn imported() -> Self {
        let place = Self::new();
        std::fs::create_dir(place.data()).unwrap();
        for (path, bytes) in &undisturbed().imported {
            let path = place.data().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        place
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn events(&self) -> PathBuf {
        self.folder.path().join("events.csv")
    }

    fn import(&self) -> serde_json::Value {
        let answer = good_answer(&self.data(), &["import", self.events().to_str().unwrap()]);
        answer["files"][0].clone()
    }

    fn close(&self) -> serde_json::Value {
        good_answer(&self.data(), &["close", "2017-01"])
    }

    /// The reports and rejects; the database is compared through them.
    fn pack(&self) -> Files {
        let mut found = files(&self.data().join("s3").join(interline::world::REPORTS_BUCKET));
        found.extend(files(&self.data().join("rejects")));
        found
    }

    fn run(&self) -> PathBuf {
        let period = self.data().join("s3").join(interline::world::REPORTS_BUCKET).join("periods/2017-01");
        let mut runs = std::fs::read_dir(&period).into_iter().flatten().map(|entry| entry.unwrap().path());
        runs.next().unwrap_or(period.join("none"))
    }

    /// What the database writes first.
    fn log(&self) -> PathBuf {
        self.data().join("dynamodb.sqlite-wal")
    }

    fn written(&self) -> u64 {
        std::fs::metadata(self.log()).map_or(0, |log| log.len())
    }
}

struct Undisturbed {
    /// The data directory after the import.
    imported: Files,
    rows: serde_json::Value,
    pack: Files,
    closed: serde_json::Value,
}

fn undisturbed() -> &'static Undisturbed {
    static DONE: OnceLock<Undisturbed> = OnceLock::new();
    DONE.get_or_init(|| {
        let place = Place::new();
        let rows = place.import();
        let imported = files(&place.data());
        let mut closed = place.close();
        let pack = place.pack();
        assert_eq!(rows["accepted"].as_u64().unwrap() + rows["rejected"].as_u64().unwrap(), 4_000);
        assert!(rows["rejected"].as_u64().unwrap() > 0, "refusals must survive a crash too");
        assert!(pack.keys().any(|path| path.ends_with("manifest.json")));
        closed.as_object_mut().unwrap().remove("files");
        Undisturbed { imported, rows, pack, closed }
    })
}

/// Closes, and compares all that is left with the undisturbed run's.
fn close_and_compare(place: &Place, killed: &str) {
    let mut closed = place.close();
    closed.as_object_mut().unwrap().remove("files");
    assert_eq!(closed, undisturbed().closed, "{killed}");
    let (found, expected) = (place.pack(), &undisturbed().pack);
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{killed}");
    for (path, bytes) in expected {
        assert!(found[path] == *bytes, "{killed}: {path} differs");
    }
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| entries.count())
}

/// Holds once a file was seen to change so often.
fn changed(file: PathBuf, times: usize) -> impl Fn() -> bool {
    let modified = move || std::fs::metadata(&file).and_then(|file| file.modified()).ok();
    let last = Cell::new(modified());
    let seen = Cell::new(0);
    move || {
        let now = modified();
        if last.replace(now) != now {
            seen.set(seen.get() + 1);
        }
        seen.get() >= times
    }
}

/// Kills a close as soon as `when` holds. A machine under load may be past the
/// step before the kill arrives; then it is done again with a fresh place.
fn killed_close(when: impl Fn(&Place) -> bool, still: impl Fn(&Place) -> bool) -> Place {
    for _ in 0..10 {
        let place = Place::imported();
        let ended = kill_when(interline(&place.data(), &["close", "2017-01"]), || when(&place));
        if ended == Ended::Killed && still(&place) {
            return place;
        }
    }
    panic!("never killed in time")
}

#[test]
fn killed_in_the_middle_of_an_import_and_run_again_it_leaves_the_same_bytes() {
    for changes in [3, 30, 150] {
        let place = Place::new();
        let file = place.events();
        let import = || interline(&place.data(), &["import", file.to_str().unwrap()]);
        // Twice: the second time in the middle of catching up.
        let killed = [(); 2].map(|()| kill_when(import(), changed(place.log(), changes)));
        assert!(killed.contains(&Ended::Killed), "{changes}");
        let rows = place.import();
        for field in ["rows", "rejected", "rejected_by_rule", "digest"] {
            assert_eq!(rows[field], undisturbed().rows[field], "{changes} {field}");
        }
        assert!(changes < 30 || rows["replayed"].as_u64().unwrap() > 0, "{changes}");
        close_and_compare(&place, &format!("import after {changes} changes"));
    }
}

#[test]
fn killed_in_the_middle_of_a_cutoff_and_run_again_it_leaves_the_same_bytes() {
    for bytes in [1, 60_000, 300_000] {
        let place = killed_close(|place| place.written() > bytes, |place| count(&place.run().join("tallies")) == 0);
        close_and_compare(&place, &format!("cutoff after {bytes} bytes"));
    }
}

#[test]
fn killed_in_the_middle_of_a_tally_and_run_again_it_leaves_the_same_bytes() {
    for tallies in [1, 20, 60] {
        let tallied = |place: &Place| count(&place.run().join("tallies"));
        let place = killed_close(|place| tallied(place) >= tallies, |place| tallied(place) < usize::from(SHARDS));
        close_and_compare(&place, &format!("tally after {tallies}"));
    }
}

#[test]
fn killed_in_the_middle_of_a_settlement_and_run_again_it_leaves_the_same_bytes() {
    for report in ["positions.csv", "rulebook.toml", "manifest.json"] {
        let is_there = |place: &Place| place.run().join(report).exists();
        close_and_compare(&killed_close(is_there, is_there), report);
    }
}
