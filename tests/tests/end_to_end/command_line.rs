//! What the program makes, publishes and refuses, and what it leaves as it was.

use interline::world::REPORTS_BUCKET;
use interline_lambda::bootstrap::system_clock;
use interline_tests::events::{csv, some_of_january};
use interline_tests::programme::{RULEBOOK, edited};
use interline_tests::programs::{Running, answer, files, good_answer, interline};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

const SAMPLE_KEY: &str = "pseudonym_key = \"sample\"";

/// A folder with files, and a data directory in it that is not made yet.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("events.csv", &String::from_utf8(some_of_january(40)).unwrap());
        let february = csv(["accrual,grocery,S-February,2017-02-05T10:00:00+08:00,m1,10.00,,"]);
        folder.write("february.csv", &String::from_utf8(february).unwrap());
        folder.write("own.toml", &own_rulebook());
        folder.write("sample.toml", RULEBOOK);
        folder
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn good(&self, arguments: &[&str]) -> Value {
        good_answer(&self.data(), arguments)
    }

    /// The reason why the program refuses.
    fn refused(&self, arguments: &[&str]) -> String {
        let (answer, good) = answer(&self.data(), arguments);
        assert!(!good, "{arguments:?}: {answer}");
        answer["error"].as_str().unwrap_or_else(|| panic!("{arguments:?}: {answer}")).to_owned()
    }

    fn hash_in_force(&self, rulebook: &str) -> bool {
        let (name, answer) =
            (self.write("again.toml", rulebook), answer(&self.data(), &["import", &self.file("events.csv")]));
        assert!(answer.1, "{}", answer.0);
        let reason = self.refused(&["--rulebook", &name, "import", &self.file("events.csv")]);
        let hash = interline_domain::terms::rulebook::Rulebook::parse(rulebook).unwrap().hash;
        reason.contains(&hash)
    }
}

/// The sample's terms with a key of its own.
fn own_rulebook() -> String {
    edited(RULEBOOK, &[(SAMPLE_KEY, "pseudonym_key = \"own\""), ("\"Sample programme\"", "\"Own programme\"")])
}

/// A server that is killed when the test is done with it, once it is up.
fn served(data_dir: &Path, arguments: &[&str]) -> Running {
    let mut command = interline(data_dir, &["serve", "--port", "0"]);
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let running = Running(child);
    assert!(first.contains("on http://127.0.0.1:"), "{first}");
    running
}

#[test]
fn what_only_reads_or_closes_makes_no_ledger() {
    let folder = Folder::new();
    let commands: [&[&str]; 7] = [
        &["close", "2017-01"],
        &["close", "2017-01", "--trial"],
        &["reports", "2017-01"],
        &["reports", "2017-01", "--out", "out"],
        &["liability", "2017-01"],
        &["verify", "2017-01"],
        &["member", "m1"],
    ];
    for command in commands {
        let reason = folder.refused(command);
        assert!(reason.starts_with(&format!("there is no ledger in {}", folder.data().display())), "{reason}");
        assert!(!folder.data().exists(), "{command:?}");
    }
    std::fs::create_dir(folder.data()).unwrap();
    std::fs::write(folder.data().join("note.txt"), "mine").unwrap();
    for command in commands {
        assert!(folder.refused(command).starts_with("there is no ledger in "), "{command:?}");
        assert_eq!(files(&folder.data()).into_keys().collect::<Vec<_>>(), ["note.txt"], "{command:?}");
    }
}

/// As a process leaves a folder that is killed before it has a rulebook.
#[test]
fn a_folder_whose_ledger_was_never_begun_counts_as_one_without() {
    let folder = Folder::new();
    std::fs::create_dir(folder.data()).unwrap();
    std::fs::write(folder.data().join("dynamodb.sqlite"), "").unwrap();
    for command in [["close", "2017-01"], ["member", "m1"], ["verify", "2017-01"]] {
        assert!(folder.refused(&command).starts_with("there is no ledger in "), "{command:?}");
    }
    folder.good(&["import", &folder.file("events.csv")]);
    folder.good(&["close", "2017-01", "--trial"]);
}

#[test]
fn a_rulebook_is_checked_without_a_ledger() {
    let folder = Folder::new();
    let checked = folder.good(&["rulebook", "check", &folder.file("own.toml")]);
    assert_eq!(checked["warnings"], serde_json::json!([]));
    assert!(!folder.data().exists());
}

#[test]
fn a_mistake_in_a_name_or_a_rulebook_leaves_nothing_behind() {
    let folder = Folder::new();
    let broken = folder.write("broken.toml", &edited(RULEBOOK, &[("\"CNY\"", "\"yuan\"")]));
    let later =
        folder.write("later.toml", &edited(RULEBOOK, &[("first_period = \"2017-01\"", "first_period = \"2017-02\"")]));
    let events = folder.file("events.csv");
    let commands: [&[&str]; 7] = [
        &["import", &events, "nowhere.csv"],
        &["--rulebook", "nowhere.toml", "import", &events],
        &["--rulebook", &broken, "import", &events],
        &["--rulebook", &broken, "serve", "--port", "0"],
        &["rulebook", "publish", &broken],
        &["rulebook", "publish", "nowhere.toml"],
        &["--rulebook", &later, "demo"],
    ];
    for command in commands {
        folder.refused(command);
        assert!(!folder.data().exists(), "{command:?}");
    }
}

#[test]
fn a_rulebook_that_is_named_where_none_is_published_is_refused() {
    let folder = Folder::new();
    let own = folder.file("own.toml");
    let events = folder.file("events.csv");
    let commands: [(&[&str], &str); 10] = [
        (&["close", "2017-01"], "interline rulebook publish"),
        (&["close", "2017-01", "--trial"], "interline rulebook publish"),
        (&["reports", "2017-01"], "interline rulebook publish"),
        (&["liability", "2017-01"], "interline rulebook publish"),
        (&["verify", "2017-01"], "interline rulebook publish"),
        (&["member", "m1"], "interline rulebook publish"),
        (&["rulebook", "check", &own], "last argument"),
        (&["rulebook", "publish", &own], "last argument"),
        (&["import", &events, "--aws"], "interline rulebook publish"),
        (&["demo", "--aws"], "interline rulebook publish"),
    ];
    for (command, instead) in commands {
        let reason = folder.refused(&[&["--rulebook", &own], command].concat());
        assert!(reason.contains("--rulebook") && reason.contains(instead), "{command:?}: {reason}");
        assert!(!folder.data().exists(), "{command:?}");
    }
    folder.good(&["import", &events]);
    folder.good(&["close", "2017-01"]);
    let before = files(&folder.data().join("s3"));
    for (command, _) in &commands[..8] {
        folder.refused(&[&["--rulebook", &own], *command].concat());
    }
    assert_eq!(files(&folder.data().join("s3")), before);
}

#[test]
fn an_import_begins_a_programme_with_the_rulebook_it_is_given_and_changes_none_later() {
    let folder = Folder::new();
    let (own, sample, events) = (folder.file("own.toml"), folder.file("sample.toml"), folder.file("events.csv"));
    folder.good(&["--rulebook", &own, "import", &events]);
    let reason = folder.refused(&["--rulebook", &sample, "import", &events]);
    assert!(reason.contains("Own programme") && reason.contains("interline rulebook publish"), "{reason}");
    assert!(folder.refused(&["--rulebook", &own, "import", &events]).contains("leave out --rulebook"));
    assert!(folder.hash_in_force(&own_rulebook()));
}

#[test]
fn an_import_without_a_rulebook_begins_the_sample_and_says_so() {
    let folder = Folder::new();
    let run = interline(&folder.data(), &["import", &folder.file("events.csv")]).output().unwrap();
    assert!(run.status.success());
    assert!(String::from_utf8(run.stderr).unwrap().contains("using the sample programme's"));
    assert!(folder.hash_in_force(RULEBOOK));
}

#[test]
fn serve_brings_a_rulebook_into_force() {
    let folder = Folder::new();
    folder.good(&["import", &folder.file("events.csv")]);
    let after = edited(RULEBOOK, &[("seal_after_hours = 1 ", "seal_after_hours = 2 ")]);
    drop(served(&folder.data(), &["--rulebook", &folder.write("after.toml", &after)]));
    assert!(folder.hash_in_force(&after));
}

#[test]
fn the_demo_runs_under_the_terms_it_is_given_and_in_no_other_programme() {
    let folder = Folder::new();
    let (own, sample) = (folder.file("own.toml"), folder.file("sample.toml"));
    folder.good(&["rulebook", "publish", &own]);
    assert!(folder.refused(&["demo"]).contains("another programme (Own programme)"));
    assert!(folder.refused(&["demo", "--rulebook", &sample]).contains("another programme (Own programme)"));
    let months = folder.good(&["demo", "--rulebook", &own])["months"].clone();
    assert_eq!(months[1]["close"]["entries"], 24483);
    assert!(folder.hash_in_force(&own_rulebook()));
}

#[test]
fn a_clock_that_is_set_to_a_sealed_month_or_before_one_is_refused() {
    let folder = Folder::new();
    folder.good(&["import", &folder.file("events.csv"), &folder.file("february.csv")]);
    folder.good(&["close", "2017-01"]);
    folder.good(&["close", "2017-02"]);
    let before = files(&folder.data().join("s3"));
    for now in
        ["2017-01-31T23:59:59+08:00", "2017-02-01T09:00:00+08:00", "2017-02-28T15:59:59Z", "2016-12-01T00:00:00Z"]
    {
        let reason = folder.refused(&["serve", "--port", "0", "--now", now]);
        assert!(reason.contains("month 2017-02 is sealed") && reason.contains("--data-dir"), "{reason}");
    }
    let own = folder.write("after.toml", &edited(RULEBOOK, &[("seal_after_hours = 1 ", "seal_after_hours = 2 ")]));
    folder.refused(&["serve", "--port", "0", "--now", "2017-02-01T09:00:00+08:00", "--rulebook", &own]);
    assert_eq!(files(&folder.data().join("s3")), before, "nothing is published before the clock is refused");
    drop(served(&folder.data(), &["--now", "2017-02-28T16:00:00Z"]));
    let reason = folder.refused(&["serve", "--port", "0", "--now", "2017-03-01T00:00:00Z", "--aws"]);
    assert!(reason.contains("serves no ledger on AWS"), "{reason}");
}

/// A month that was closed by a clock ahead of the system's is sealed although it
/// is not over: what happens in it is booked in the first month that is open.
#[test]
fn nothing_is_booked_in_a_sealed_month_whatever_the_clock_says() {
    let folder = Folder::new();
    let today = system_clock()().date_naive();
    let month = today.format("%Y-%m").to_string();
    let rulebook = edited(RULEBOOK, &[("first_period = \"2017-01\"", &format!("first_period = \"{month}\""))]);
    folder.good(&["rulebook", "publish", &folder.write("new.toml", &rulebook)]);
    let row = |number: u32| {
        let row = format!("accrual,grocery,S-{number},{today}T00:00:0{number}+08:00,m1,10.00,,");
        String::from_utf8(csv([row])).unwrap()
    };
    folder.good(&["import", &folder.write("one.csv", &row(1))]);
    let next = (today + chrono::Months::new(2)).format("%Y-%m-15T12:00:00+08:00").to_string();
    close_by_a_server(&folder.data(), &next, &month);
    let imported = folder.good(&["import", &folder.write("two.csv", &row(2))]);
    assert_eq!(imported["files"][0]["accepted"], 1);
    assert_eq!(folder.good(&["verify", &month])["identical"], true);
}

/// Closes a month through the API of a server whose clock is set.
fn close_by_a_server(data_dir: &Path, now: &str, month: &str) {
    let mut command = interline(data_dir, &["--json", "serve", "--port", "0", "--now", now]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let _running = Running(child);
    let url = output.lines().map_while(Result::ok).find_map(|line| {
        line.split_once("\"url\": \"").map(|(_, rest)| rest.trim_end_matches('"').trim_end_matches("\",").to_owned())
    });
    let url = url.unwrap();
    let call = |arguments: &[&str], path: &str| {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sf", "--noproxy", "*", "--oauth2-bearer", "local-finance"]).args(arguments);
        let run = curl.arg(format!("{url}/v1/periods/{month}{path}")).output().unwrap();
        String::from_utf8(run.stdout).unwrap()
    };
    assert!(call(&["-d", "{\"kind\": \"final\"}"], "/close").contains("\"run\""));
    while !call(&[], "").contains("\"status\": \"final\"") {
        std::thread::yield_now();
    }
}

#[test]
fn a_programme_gets_a_key_of_its_own_once_and_closes_only_with_that() {
    let folder = Folder::new();
    let key = folder.data().join("keys/own");
    folder.good(&["--rulebook", &folder.file("own.toml"), "import", &folder.file("events.csv")]);
    let first = std::fs::read_to_string(&key).unwrap();
    assert_eq!(first.trim_end().len(), 64);
    folder.good(&["import", &folder.file("events.csv")]);
    assert_eq!(std::fs::read_to_string(&key).unwrap(), first);

    std::fs::rename(&key, folder.data().join("kept")).unwrap();
    let reason = folder.refused(&["close", "2017-01"]);
    assert!(reason.contains("pseudonym key own") && reason.contains("keys/own"), "{reason}");
    folder.good(&["import", &folder.file("events.csv")]);
    assert!(!key.exists(), "a lost key is not replaced by another");
    assert_eq!(folder.refused(&["close", "2017-01", "--trial"]), reason);

    std::fs::rename(folder.data().join("kept"), &key).unwrap();
    // It was not sealed: an event of January still goes into January.
    let late = String::from_utf8(csv(["accrual,grocery,S-late,2017-01-31T10:00:00+08:00,m1,10.00,,"])).unwrap();
    folder.good(&["import", &folder.write("late.csv", &late)]);
    let entries = folder.good(&["close", "2017-01"])["entries"].as_u64().unwrap();
    let (first_rows, rejected) =
        (41, folder.good(&["import", &folder.file("events.csv")])["files"][0]["rejected"].as_u64());
    assert_eq!(entries, first_rows - rejected.unwrap());

    folder.good(&["import", &folder.file("february.csv")]);
    std::fs::write(&key, format!("{}\n", "0".repeat(64))).unwrap();
    let reason = folder.refused(&["close", "2017-02"]);
    assert!(reason.contains("not the key that the programme's reports were made with"), "{reason}");
}

#[test]
fn a_key_is_in_no_file_of_the_reports() {
    let folder = Folder::new();
    folder.good(&["--rulebook", &folder.file("own.toml"), "import", &folder.file("events.csv")]);
    folder.good(&["close", "2017-01"]);
    let key = std::fs::read_to_string(folder.data().join("keys/own")).unwrap();
    let key = key.trim_end().as_bytes();
    for (path, bytes) in files(&folder.data().join("s3").join(REPORTS_BUCKET)) {
        let mut text = bytes.clone();
        if path.ends_with(".gz") {
            text.clear();
            std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes.as_slice()), &mut text).unwrap();
        }
        assert!(!text.windows(key.len()).any(|window| window == key), "{path}");
    }
}

#[test]
fn without_the_key_everything_but_the_pseudonyms_is_verified() {
    let folder = Folder::new();
    let spending = csv([
        "accrual,grocery,S-1,2017-01-05T10:00:00+08:00,m1,500.00,,",
        "redemption,dining,R-1,2017-01-06T10:00:00+08:00,m1,,200,",
    ]);
    let spending = folder.write("spending.csv", &String::from_utf8(spending).unwrap());
    folder.good(&["--rulebook", &folder.file("own.toml"), "import", &spending]);
    folder.good(&["close", "2017-01"]);
    let verified = folder.good(&["verify", "2017-01"]);
    assert_eq!(verified["pseudonyms_not_compared"], Value::Null);
    let key = folder.data().join("keys/own");
    let own = std::fs::read_to_string(&key).unwrap();
    for (says, text) in [("none", None), ("another", Some("1".repeat(64))), ("no key", Some("short".to_owned()))] {
        std::fs::remove_file(&key).unwrap();
        if let Some(text) = &text {
            std::fs::write(&key, text).unwrap();
        }
        let verified = folder.good(&["verify", "2017-01"]);
        assert!(verified["pseudonyms_not_compared"].as_str().unwrap().contains("pseudonym key own"), "{says}");
        std::fs::write(&key, &own).unwrap();
    }
    std::fs::remove_file(&key).unwrap();
    let run = files(&folder.data().join("s3").join(REPORTS_BUCKET));
    let (path, _) =
        run.iter().filter(|(path, _)| path.contains("details/part-")).max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let part = folder.data().join("s3").join(REPORTS_BUCKET).join(path);
    let changed = change_a_row(&std::fs::read(&part).unwrap());
    std::fs::write(&part, changed).unwrap();
    let (answer, good) = answer(&folder.data(), &["verify", "2017-01"]);
    assert!(!good && answer["identical"] == false, "{answer}");
    let differences: Vec<&str> =
        answer["differences"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(differences.iter().any(|text| text.starts_with("details/part-")), "{differences:?}");
}

fn change_a_row(part: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(part), &mut text).unwrap();
    assert!(text.contains("redemption"));
    let changed = text.replacen("redemption", "return", 1);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, changed.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_salt_is_read_with_a_warning_that_is_no_error() {
    let folder = Folder::new();
    let salted = edited(RULEBOOK, &[(SAMPLE_KEY, "pseudonym_salt = \"eight or more\"")]);
    let salted = folder.write("salted.toml", &salted);
    let line = RULEBOOK.lines().position(|line| line == "[programme]").unwrap() + 1;
    let said = |answer: Value| {
        let warnings = answer["warnings"].as_array().unwrap().clone();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert_eq!(warnings[0]["field"], "programme.pseudonym_salt");
        assert_eq!(warnings[0]["line"], line);
    };
    let checked = folder.good(&["rulebook", "check", &salted]);
    assert_eq!(checked["valid"], true);
    said(checked);
    said(folder.good(&["rulebook", "publish", &salted]));
    let run = interline(&folder.data(), &["rulebook", "check", &salted]).output().unwrap();
    assert!(run.status.success() && String::from_utf8(run.stdout).unwrap().contains("warning: line"));
    let own = folder.refused(&["rulebook", "publish", &folder.file("own.toml")]);
    assert!(own.contains("pseudonym_key"), "{own}");
    assert_eq!(folder.good(&["rulebook", "check", &folder.file("sample.toml")])["warnings"], serde_json::json!([]));
}

#[test]
fn a_file_s_row_with_a_phone_number_for_a_member_is_rejected_alone() {
    let folder = Folder::new();
    let rows = csv([
        "accrual,grocery,S-1,2017-01-05T10:00:00+08:00,13800138000,10.00,,",
        "accrual,grocery,S-2,2017-01-05T10:00:00+08:00,m1,10.00,,",
    ]);
    let rows = &String::from_utf8(rows).unwrap();
    let imported = folder.good(&["import", &folder.write("phones.csv", rows)]);
    assert_eq!(imported["files"][0]["accepted"], 1);
    assert_eq!(imported["files"][0]["rejected_by_rule"]["phone-like-member"], 1);
    let allowing = edited(RULEBOOK, &[(SAMPLE_KEY, "pseudonym_key = \"sample\"\nallow_phone_members = true\n#")]);
    folder.good(&["rulebook", "publish", &folder.write("allowing.toml", &allowing)]);
    let imported = folder.good(&["import", &folder.write("phones.csv", rows)]);
    assert_eq!(imported["files"][0]["rejected"], 0);
}

#[test]
fn what_is_exported_is_imported_as_it_was_also_from_standard_input() {
    let folder = Folder::new();
    folder.good(&["import", &folder.file("events.csv"), &folder.file("february.csv")]);
    let exported = folder.file("january.csv");
    let said = folder.good(&["export", "2017-01", "--out", &exported]);
    let other = folder.file("other");
    let mut import = interline(Path::new(&other), &["--json", "import", "-"]);
    let import = import.stdin(std::fs::File::open(&exported).unwrap()).output().unwrap();
    let imported: Value = serde_json::from_slice(&import.stdout).unwrap();
    let file = &imported["files"][0];
    assert_eq!((&file["accepted"], &file["rejected"]), (&said["events"], &Value::from(0)), "{imported}");
    let again = interline(Path::new(&other), &["export", "2017-01"]).output().unwrap();
    assert_eq!(again.stdout, std::fs::read(&exported).unwrap());
}

#[test]
fn the_rows_of_a_pair_are_printed_as_csv_written_and_told_as_json() {
    let folder = Folder::new();
    let events = csv([
        "accrual,drugstore,S-1,2017-01-05T10:00:00+08:00,m1,500.00,,",
        "redemption,grocery,R-1,2017-01-20T10:00:00+08:00,m1,88.00,200,",
    ]);
    let events = folder.write("pair.csv", &String::from_utf8(events).unwrap());
    folder.good(&["import", &events]);
    folder.good(&["close", "2017-01"]);
    let all = folder.file("reports");
    folder.good(&["reports", "2017-01", "--out", &all]);
    // Some pair of whose rows there are any.
    let splits = String::from_utf8(std::fs::read(Path::new(&all).join("splits.csv")).unwrap()).unwrap();
    let row: Vec<&str> = splits.lines().nth(1).unwrap().split(',').collect();
    let (redeemer, payer, base) = (row[0], row[1], row[4]);
    let pair = ["details", "2017-01", "--funder", payer, "--redeemer", redeemer];
    let told = folder.good(&pair);
    let rows = told["rows"].as_array().unwrap();
    let minor = |text: &str| text.replace('.', "").parse::<i64>().unwrap();
    assert_eq!(rows.iter().map(|row| minor(row["amount"].as_str().unwrap())).sum::<i64>(), minor(base));
    assert!(rows.iter().all(|row| row["funder"] == payer && row["redeemer"] == redeemer));
    let printed = interline(&folder.data(), &pair).output().unwrap();
    let text = String::from_utf8(printed.stdout.clone()).unwrap();
    assert!(text.starts_with("\u{feff}entry,reason,occurred_at,member,redeemer,funder,"), "{text}");
    assert_eq!(text.lines().count(), rows.len() + 1);
    let out = folder.file("slices.csv");
    let written = folder.good(&[&pair[..], &["--out", &out]].concat());
    assert_eq!((written["rows"].as_array().unwrap().len(), std::fs::read(&out).unwrap()), (rows.len(), printed.stdout));

    let none = folder.good(&["details", "2017-01", "--funder", redeemer, "--redeemer", "group"]);
    assert_eq!(none["rows"], Value::Array(Vec::new()));
    let unknown = folder.refused(&["details", "2017-01", "--funder", "moon", "--redeemer", redeemer]);
    assert_eq!(unknown, "the programme has no line or scheme moon");
    let open = folder.refused(&["details", "2017-02", "--funder", payer, "--redeemer", redeemer]);
    assert!(open.contains("has no run yet"), "{open}");
}

#[test]
fn the_status_says_what_is_closed_what_comes_next_and_who_has_sent_nothing() {
    let folder = Folder::new();
    folder.good(&["import", &folder.file("events.csv")]);
    let before = folder.good(&["status"]);
    assert_eq!((&before["next"]["period"], &before["next"]["due"]), (&Value::from("2017-01"), &Value::from(true)));
    let silent: Vec<&str> =
        before["next"]["silent_lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let sent = std::fs::read_to_string(folder.file("events.csv")).unwrap();
    assert!(silent.iter().all(|line| !sent.contains(&format!(",{line},"))) && !silent.contains(&"group"), "{silent:?}");
    assert!(silent.contains(&"services"), "{silent:?}");
    folder.good(&["close", "2017-01"]);
    let after = folder.good(&["status"]);
    assert_eq!(after["next"]["period"], "2017-02");
    assert_eq!(after["periods"][0]["status"], "final");
    assert_eq!(folder.good(&["doctor"])["findings"].as_array().unwrap().len(), 3);
    let history = folder.good(&["rulebook", "history"]);
    assert_eq!(history["history"][0]["rulebook"], after["rulebook"]);
}

#[test]
fn a_file_of_a_closed_month_that_was_touched_is_named_by_the_doctor() {
    let folder = Folder::new();
    folder.good(&["import", &folder.file("events.csv")]);
    folder.good(&["close", "2017-01"]);
    let pack = files(&folder.data());
    let name = pack.keys().find(|name| name.ends_with("positions.csv") && !name.contains("/lines/")).unwrap();
    std::fs::write(folder.data().join(name), "touched").unwrap();
    let (answer, good) = answer(&folder.data(), &["doctor"]);
    let wrong: Vec<&str> =
        answer["findings"].as_array().unwrap().iter().filter_map(|finding| finding["wrong"].as_str()).collect();
    assert!(!good && wrong.len() == 1 && wrong[0].contains("positions.csv"), "{answer}");
}

/// Nobody reads to the end, or there is no room for the answer.
#[test]
fn a_standard_output_that_is_closed_or_full_keeps_no_command_from_doing_its_work() {
    let folder = Folder::new();
    folder.good(&["import", &folder.file("events.csv")]);
    let mut close = interline(&folder.data(), &["close", "2017-01"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(close.stdout.take());
    assert!(close.wait().unwrap().success());
    assert_eq!(folder.good(&["status"])["periods"][0]["status"], "final");
    if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
        let ended = interline(&folder.data(), &["status"]).stdout(full).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success() && said.contains("standard output did not take the answer"), "{said}");
    }
}

#[test]
fn a_folder_of_another_format_is_refused_and_a_ledger_on_aws_is_not_served() {
    let folder = Folder::new();
    folder.good(&["import", &folder.file("events.csv")]);
    std::fs::write(folder.data().join("format"), "1\n").unwrap();
    assert!(folder.refused(&["status"]).contains("is of format \"1\", this program reads format 4"));
    assert!(folder.refused(&["--aws", "serve"]).contains("it serves no ledger on AWS"));
}
