//! What others wrote: all that the fuzzers have tried and kept, names that lead elsewhere, and what is out of all
//! proportion.

use chrono::TimeDelta;
use interline_cutoff::Close;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_lambda::ShardTask;
use interline_reports::manifest::{Manifest, RunKind};
use interline_reports::pack::{TallyFile, key, tally_path};
use interline_tests::events::{HEADER, csv};
use interline_tests::programme::s3_event;
use interline_tests::readers::memory::{TERMS, programme, programme_on, programme_with, wait};
use interline_tests::readers::{TARGETS, check};
use interline_tests::sim::memory::MemoryBucket;
use interline_tests::{SHARDS, the_shard};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

const NOW: &str = "2017-02-10T12:00:00+08:00";
const SALE: &str = "accrual,dining,S-1,2017-01-05T12:00:00+08:00,m1,100.00,,";

/// Names the input if the test fails on it.
struct Reading(String);

impl Drop for Reading {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("while reading {}", self.0);
        }
    }
}

fn replay(target: &str, at_least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() >= at_least, "{} inputs", inputs.len());
    for input in inputs {
        let _reading = Reading(input.display().to_string());
        check(target, &fs::read(&input).unwrap());
    }
}

#[test]
fn every_target_has_a_replay_and_a_fuzzer() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml")).unwrap();
    let fuzzed: BTreeSet<&str> = manifest.lines().filter_map(|line| line.strip_prefix("path = \"targets/")).collect();
    let expected: BTreeSet<String> = TARGETS.iter().map(|(name, _)| format!("{name}.rs\"")).collect();
    assert_eq!(fuzzed, expected.iter().map(String::as_str).collect());
    assert_eq!(TARGETS.map(|(name, _)| name), ["csv_import", "request_body", "rulebook", "manifest"]);
}

#[test]
fn every_kept_file_of_events_is_read_as_it_must_be() {
    replay("csv_import", 50);
}

#[test]
fn every_kept_request_is_answered_as_it_must_be() {
    replay("request_body", 50);
}

#[test]
fn every_kept_rulebook_is_checked_as_it_must_be() {
    replay("rulebook", 50);
}

#[test]
fn every_kept_manifest_tally_and_state_is_read_as_it_must_be() {
    replay("manifest", 50);
}

#[test]
fn a_file_name_leads_nowhere_but_to_the_rejects_of_its_line() {
    let long = "x".repeat(5_000);
    let names = [
        "..csv",
        "...csv",
        ".csv",
        ".csv.gz",
        "-rf.csv",
        "a..b.csv",
        "../fuel/x.csv",
        "..%2Ffuel%2Fx.csv",
        "%2e%2e/x.csv",
        "..\\fuel\\x.csv",
        "x.csv/../../y.csv",
        "./x.csv",
        "/x.csv",
        "x.csv\0",
        "\0.csv",
        "x.csv\n",
        "x y.csv",
        "x+y.csv",
        "＝1.csv",
        "会员.csv",
        "x\u{202e}vsc.csv",
        "x.csv#",
        "x.csv?a=b",
        "=x.csv",
        "CON.csv",
        &format!("{long}.csv"),
    ];
    let lines = ["dining", "..", ".", "", "dining/..", "%2e%2e", "DINING", "dining\0", &long];
    let mut read = 0;
    for (line, name) in lines.iter().flat_map(|line| names.iter().map(move |name| (line, name))) {
        let key = format!("inbox/{line}/{name}");
        let inbox: Arc<MemoryBucket> = Arc::default();
        let app = programme_with(inbox.clone(), TERMS, NOW);
        // Refused as a whole, or in a row: whatever is read leaves rejects.
        inbox.0.lock().unwrap().put(&key, csv(["nonsense"]));
        let event = serde_json::from_value(s3_event(&[&key])).unwrap();
        let imported = wait(interline_import::handle(&app, event)).unwrap().remove(0);
        let objects = inbox.0.lock().unwrap();
        let written: Vec<&String> = objects.objects.keys().filter(|written| **written != key).collect();
        let Some(rejects) = imported.rejects else {
            let reason = imported.refused.unwrap();
            assert!(written.is_empty() && reason.starts_with("object "), "{key:?}: {written:?} {reason}");
            continue;
        };
        read += 1;
        assert_eq!(written, [&rejects]);
        let file = rejects.strip_prefix(&format!("rejects/{line}/")).unwrap();
        assert!(file.ends_with(".rejects.csv") && file.len() < 100, "{key:?}: {rejects}");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        assert!(file.bytes().all(plain), "{key:?}: {rejects}");
        assert!(line.starts_with(|first: char| first.is_ascii_alphanumeric()), "{key:?}: {rejects}");
    }
    assert!(read > 0 && read < names.len(), "{read} names were read");
}

#[test]
fn what_is_out_of_all_proportion_is_refused_in_few_words() {
    let app = programme(TERMS, NOW);
    let refused = |header: &str, row: &str| {
        let file = format!("{header}\n{row}\n{SALE}\n");
        let platform = interline_domain::units::id::LineId::parse("group").unwrap();
        let (imported, rejects) =
            wait(interline_import::import(&app, &platform, "events.csv", file.as_bytes(), &|_, _| {})).unwrap();
        let rejects = String::from_utf8(rejects.unwrap()).unwrap();
        assert!(rejects.len() < 4_096, "{} bytes of rejects", rejects.len());
        (imported, rejects)
    };
    let columns = "a,".repeat(1_000_000);
    let (imported, _) = refused(&columns, "");
    let reason = imported.refused.unwrap();
    assert_eq!(reason, "the line of column names cannot be read: is longer than 65536 bytes");
    let column = "a".repeat(60_000);
    let reason = refused(&column, "").0.refused.unwrap();
    assert!(reason.starts_with("column \"aaa") && reason.len() < 1_024, "{} bytes", reason.len());
    for (row, rule) in [
        (columns.as_str(), "is longer than 65536 bytes"),
        (&"x,".repeat(30_000), "has 30001 columns where the header has 8"),
        (&SALE.replace("S-1", &"S".repeat(5_000_000)), "is longer than 65536 bytes"),
        (&SALE.replace("S-1", &"S".repeat(60_000)), "is longer than 64 characters"),
        (&SALE.replace("S-1", &format!("\"{}\"", "\"\"".repeat(30_000))), "is longer than 64 characters"),
        (&SALE.replace("accrual", &"=".repeat(60_000)), "must be "),
        (&SALE.replace("100.00", &"9".repeat(60_000)), "is larger than the limit"),
        (&SALE.replace("100.00", &format!("1.{}", "0".repeat(60_000))), "must have at most 2 decimals"),
        (&SALE.replace("100.00", "1e400"), "must be a decimal number"),
        (&SALE.replace("100.00", "9999999999999999999999"), "is larger than the limit"),
        (&SALE.replace("2017-01-05T", &format!("2017-01-05{}", "T".repeat(60_000))), "must be a time"),
    ] {
        let (imported, rejects) = refused(HEADER, row);
        assert_eq!((imported.rows, imported.rejected, imported.refused), (2, 1, None), "{rule}");
        assert!(rejects.contains(rule), "{rule}: {rejects}");
    }
}

#[test]
fn a_tally_in_the_place_of_another_is_not_settled() {
    let app = programme(TERMS, NOW);
    let settled = wait(async {
        let period = Period::parse("2017-01").unwrap();
        let close = Close { empty: true, ..Close::new(period, RunKind::Trial) };
        let started = interline_cutoff::handle(&app, close).await.unwrap();
        let (run, rulebook) = (started.run, started.rulebook);
        for shard in 0..SHARDS {
            let task = ShardTask { period, run: run.clone(), rulebook: rulebook.clone(), shard, together: 1 };
            interline_tally::handle(&app, task.clone()).await.unwrap();
            interline_prove::handle(&app, task).await.unwrap();
        }
        let place = |shard| key(period, &run, &tally_path(the_shard(shard)));
        let fourth = app.reports.get(&place(4)).await.unwrap();
        app.reports.put(&place(3), fourth).await.unwrap();
        let task = interline_settle::Task {
            period,
            kind: started.kind,
            run: run.clone(),
            rulebook,
            judgement: started.judgement.clone(),
        };
        interline_settle::handle(&app, task).await
    });
    let failure = settled.unwrap_err();
    assert!(failure.to_string().contains("shard-03.json is the tally of shard 4"), "{failure}");
}

#[test]
fn what_is_nested_without_end_is_refused() {
    const DEEP: usize = 100_000;
    for text in ["[".repeat(DEEP), "{\"a\":".repeat(DEEP), format!("{{\"files\":{}", "[".repeat(DEEP))] {
        assert!(serde_json::from_str::<Manifest>(&text).is_err());
        assert!(serde_json::from_str::<TallyFile>(&text).is_err());
        check("manifest", text.as_bytes());
    }
    for text in [
        "[".repeat(DEEP),
        format!("x = {}", "[".repeat(DEEP)),
        format!("x = {}", "{a=".repeat(DEEP)),
        format!("{}a = 1", "a.".repeat(DEEP)),
        format!("[{}a]", "a.".repeat(DEEP)),
        format!("x = {}{}", "[".repeat(DEEP), "]".repeat(DEEP)),
    ] {
        assert!(Rulebook::parse(&text).is_err());
        assert!(Rulebook::parse(&format!("{TERMS}\n{text}")).is_err());
    }
}

#[test]
fn more_rules_than_there_may_be_are_refused_before_they_are_compared() {
    let rule = |line: &str, day: usize| {
        let day = chrono::NaiveDate::from_ymd_opt(2017, 1, 1).unwrap() + chrono::Days::new(day as u64);
        (line.to_owned(), day)
    };
    let text = |number: usize, value: &str| {
        let earn = (0..number).map(|at| rule("group", at)).map(|(line, day)| {
            format!("[[earn]]\nline = \"{line}\"\nfrom = \"{day}\"\nto = \"{day}\"\npoints_per_unit = \"1000\"\n")
        });
        let burn = (0..number).map(|at| rule("group", at)).map(|(line, day)| {
            format!("[[burn]]\nline = \"{line}\"\nfrom = \"{day}\"\nto = \"{day}\"\nvalue = \"{value}\"\n")
        });
        format!("{TERMS}\n{}{}", earn.collect::<String>(), burn.collect::<String>())
    };
    // Each of two thousand rules creates money with each of two thousand others.
    let errors = Rulebook::parse(&text(2_000, "1")).unwrap_err();
    assert!(errors.0.len() < 64, "{} errors", errors.0.len());
    assert!(errors.to_string().contains("at group and spending them at group for 1 each creates money"));
    let errors = Rulebook::parse(&text(20_000, "1")).unwrap_err();
    assert!(errors.to_string().ends_with("the limit is 4096"), "{errors}");
    let lines: String = (0..20_000).map(|at| format!("[[lines]]\nid = \"l{at}\"\nname = \"L\"\n")).collect();
    let errors = Rulebook::parse(&format!("{TERMS}\n{lines}")).unwrap_err();
    assert!(errors.to_string().ends_with("a programme has at most 64 lines"), "{errors}");
}

#[test]
fn all_that_a_final_run_rests_on_is_locked_for_as_long_as_is_set_and_nothing_of_a_trial() {
    let reports = Arc::new(MemoryBucket::default());
    let app = programme_on(Arc::default(), reports.clone(), TERMS, NOW).with_lock_days(3_650);
    let close = |kind| Close { empty: true, ..Close::new(Period::parse("2017-01").unwrap(), kind) };
    wait(interline::month_end::close(&app, close(RunKind::Trial), &|_| {})).unwrap();
    assert!(reports.0.lock().unwrap().locks.is_empty());
    wait(interline::month_end::close(&app, close(RunKind::Final), &|_| {})).unwrap();
    let reports = reports.0.lock().unwrap();
    let until = app.now() + TimeDelta::days(3_650);
    let is_of_run = |key: &&String| key.starts_with("periods/") || key.starts_with("accounts/");
    for key in reports.objects.keys().filter(is_of_run).filter(|key| !key.contains("/proof-")) {
        assert_eq!(reports.locks.get(key), Some(&until), "{key}");
    }
    assert!(reports.locks.len() > 128 && reports.locks.keys().all(|key| !key.starts_with("trial")));
}

#[test]
fn lines_without_an_event_in_the_month_are_counted_when_it_is_closed() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = lines.clone();
    let app = programme(TERMS, NOW).with_metrics(Arc::new(move |line| log.lock().unwrap().push(line.to_owned())));
    let close = Close { empty: true, ..Close::new(Period::parse("2017-01").unwrap(), RunKind::Trial) };
    let silent = |run: &str| {
        let close = Close { run: Some(run.to_owned()), ..close.clone() };
        wait(interline::month_end::close(&app, close, &|_| {})).unwrap();
        let counted = std::mem::take(&mut *lines.lock().unwrap());
        counted.iter().find_map(|line| serde_json::from_str::<Value>(line).unwrap()["SilentLines"].as_u64())
    };
    let rulebook = Rulebook::parse(TERMS).unwrap();
    let all = rulebook.lines.iter().filter(|line| line.id != rulebook.platform).count() as u64;
    assert_eq!(silent("trial-1"), Some(all));
    let line = rulebook.lines.iter().find(|line| line.id != rulebook.platform).unwrap();
    let sale = csv([format!("accrual,{},S-1,2017-01-05T12:00:00+08:00,m1,100.00,,", line.id)]);
    let imported = wait(interline_import::import(&app, &rulebook.platform, "one.csv", &sale, &|_, _| {}));
    assert_eq!(imported.unwrap().0.accepted, 1);
    assert_eq!(silent("trial-2"), Some(all - 1));
}
