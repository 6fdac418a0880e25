//! The disk is full: no file of the program may grow beyond some size. It says
//! what it could not do, and once there is space the same command ends as one that
//! nothing happened to.

use crate::place::{Place, Undisturbed};
use interline_tests::SHARDS;
use interline_tests::events::HEADER;
#[cfg(target_os = "linux")]
use interline_tests::programs::filled_when;
use interline_tests::programs::{files, filled, good_answer, interline};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

const KIB: u64 = 1 << 10;

fn undisturbed() -> &'static Undisturbed {
    static DONE: OnceLock<Undisturbed> = OnceLock::new();
    DONE.get_or_init(|| Undisturbed::of(1_000))
}

/// What a failed program said, once: no success, no panic, no signal.
fn said(output: &Output, what: &str) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{what}: {} {text}", output.status);
    assert!(!text.contains("panicked"), "{what}: {text}");
    let errors: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("error: ")).collect();
    assert_eq!(errors.len(), 1, "{what}: {text}");
    errors[0].to_owned()
}

fn failed(command: &Command, bytes: u64, what: &str) -> String {
    said(&filled(command, bytes).output().unwrap(), what)
}

#[test]
fn an_import_on_a_full_disk_says_so_and_is_finished_once_there_is_space() {
    for limit in [100 * KIB, 700 * KIB] {
        let what = format!("import up to {limit} bytes");
        let place = undisturbed().place();
        let text = failed(&place.import_command(), limit, &what);
        println!("{what}: {text}");
        assert!(text.contains("dynamodb.sqlite") || text.contains("the ledger"), "{what}: {text}");
        // Again with no space at all: the same, and nothing is lost by it.
        failed(&place.import_command(), 0, &what);
        undisturbed().nothing_is_half_written(&place, &what);
        let recorded = undisturbed().import_and_compare(&place, &what);
        assert!(recorded > 0, "{what}");
        undisturbed().close_and_compare(&place, &what);
    }
}

#[test]
fn a_close_on_a_full_disk_says_so_and_is_finished_once_there_is_space() {
    for limit in [0, 100 * KIB] {
        let what = format!("close up to {limit} bytes");
        let place = undisturbed().imported();
        let text = failed(&place.close_command(), limit, &what);
        println!("{what}: {text}");
        assert!(text.contains("dynamodb.sqlite") || text.contains("the ledger"), "{what}: {text}");
        undisturbed().nothing_is_half_written(&place, &what);
        undisturbed().close_and_compare(&place, &what);
    }
}

/// Fills the disk as soon as `when` holds. A machine under load may be past it;
/// then it is done again with a fresh place.
#[cfg(target_os = "linux")]
fn filled_close(when: impl Fn(&Place) -> bool, what: &str) -> (Place, String) {
    for _ in 0..10 {
        let place = undisturbed().imported();
        let output = filled_when(&place.close_command(), 0, || when(&place));
        if !output.status.success() {
            return (place, said(&output, what));
        }
    }
    panic!("{what}: never full in time")
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_becomes_full_in_the_middle_of_a_close_leaves_no_half_file_and_the_close_is_finished_later() {
    for (tallies, report) in [(40, ""), (usize::from(SHARDS), ""), (0, "positions.csv")] {
        let what = format!("full after {tallies} tallies {report}");
        let (place, text) = filled_close(
            |place| match report {
                "" => place.tallied() >= tallies,
                report => place.run().join(report).exists(),
            },
            &what,
        );
        println!("{what}: {text}");
        let named = ["object periods/2017-01/", "object accounts/2017-01/", "the ledger"];
        assert!(named.iter().any(|object| text.contains(object)), "{what}: {text}");
        undisturbed().nothing_is_half_written(&place, &what);
        undisturbed().close_and_compare(&place, &what);
    }
}

#[test]
fn what_is_left_for_a_person_is_there_whole_or_not_at_all() {
    let place = undisturbed().imported();
    // Rows that never reach the ledger, so that only their file needs space.
    let file = place.data().with_file_name("bad.csv");
    let row = "accrual,dining,S-1,2017-01-05T12:00:00+08:00,m1,never,,\n";
    std::fs::write(&file, format!("{HEADER}\n{}", row.repeat(4_000))).unwrap();
    let import = interline(&place.data(), &["import", file.to_str().unwrap()]);
    let before = files(&place.rejects());
    let text = failed(&import, 200 * KIB, "rejects");
    assert!(text.starts_with("cannot write ") && text.contains("/rejects/bad."), "{text}");
    assert_eq!(files(&place.rejects()), before);
    good_answer(&place.data(), &["import", file.to_str().unwrap()]);
    let left = files(&place.rejects());
    assert_eq!(left.len(), before.len() + 1);

    place.close();
    let out = place.data().with_file_name("out");
    let copy = ["reports", "2017-01", "--out", out.to_str().unwrap()];
    let largest = files(&place.run()).into_iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let text = failed(&interline(&place.data(), &copy), largest.1.len() as u64 / KIB * KIB, "reports");
    assert!(text.starts_with("cannot write ") && text.contains(&largest.0), "{text}");
    let mut of_run = files(&place.run());
    // It lies beside the pack, and is no part of it.
    assert!(of_run.remove("provenance.json").is_some());
    let same = |folder: &Path| files(folder).iter().all(|(path, bytes)| of_run.get(path) == Some(bytes));
    assert!(same(&out) && files(&out).len() < of_run.len());
    good_answer(&place.data(), &copy);
    assert!(same(&out) && files(&out).len() == of_run.len());
}
