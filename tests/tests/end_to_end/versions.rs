//! What a closed month is to another version of the program, to whoever touches
//! it, and to whoever closes it once more.

use aws_sdk_dynamodb::types::AttributeValue;
use interline::month_end;
use interline::verification::{Verification, verification};
use interline::world::REPORTS_BUCKET;
use interline_cutoff::Close;
use interline_domain::CALCULATION_EDITION;
use interline_domain::close::period::Run;
use interline_domain::units::calendar::Period;
use interline_embedded::Storage;
use interline_lambda::{Class, Failure, ShardTask};
use interline_reports::manifest::{Manifest, RunKind, sha256};
use interline_reports::pack::{MANIFEST, PROVENANCE, SIGNATURE, key};
use interline_tests::events::{member_of_shard, redemption, sale};
use interline_tests::pack::Pack;
use interline_tests::programme::{Programme, RULEBOOK, edited};
use interline_tests::programs::{answer, good_answer, interline};
use interline_tests::the_shard;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const JANUARY: &str = "2017-01";
const AFTER_JANUARY: &str = "2017-02-01T01:00:00+08:00";
const OLD: &str = "0.1.0";
const NEW: &str = "0.1.1";

fn period(text: &str) -> Period {
    Period::parse(text).unwrap()
}

/// Sales and a redemption of one member of each of four shards.
async fn record(programme: &Programme, month: &str) {
    programme.set_now(&format!("{month}-20T12:00:00+08:00"));
    for shard in [3, 17, 31, 60] {
        let member = member_of_shard(shard, 0);
        let name = |letter: &str| format!("{letter}-{month}-{shard}");
        let at = |day: &str| format!("{month}-{day}T12:00:00+08:00");
        programme
            .accept(&[
                sale("dining", &name("S"), &at("10"), &member, "83.40"),
                sale("dining", &name("T"), &at("11"), &member, "12.00"),
                redemption("grocery", &name("R"), &at("12"), &member, 117),
            ])
            .await;
    }
}

/// January, closed by the older version.
async fn january() -> Programme {
    let mut programme = Programme::sample("2017-01-31T12:00:00+08:00").await;
    programme.use_engine(OLD);
    record(&programme, JANUARY).await;
    programme.set_now(AFTER_JANUARY);
    programme.close(JANUARY).await.unwrap();
    programme
}

async fn final_run(programme: &Programme, month: &str) -> Run {
    programme.app().ledger.period(period(month)).await.unwrap().into_final_run().unwrap()
}

async fn verified(programme: &Programme, month: &str) -> Verification {
    let run = final_run(programme, month).await;
    verification(programme.app(), period(month), &run, None, &|_| {}).await.unwrap()
}

async fn put(programme: &Programme, run: &Run, path: &str, bytes: Vec<u8>) {
    programme.app().reports.put(&key(period(JANUARY), &run.id, path), bytes).await.unwrap();
}

#[tokio::test]
async fn two_versions_in_one_process_compute_the_same_figures_in_folders_of_their_own() {
    let mut programme = january().await;
    let same = verified(&programme, JANUARY).await;
    assert_eq!((same.verdict().as_str(), same.rendered), ("identical", 0));

    programme.use_engine(NEW);
    let found = verified(&programme, JANUARY).await;
    assert_eq!(found.differences, [""; 0]);
    let documents = [".xlsx", ".html", ".xml", ".txt"];
    let pack = Pack::of(&programme, JANUARY, &found.run).await;
    let rendered = pack.files.keys().filter(|path| documents.iter().any(|end| path.ends_with(end))).count();
    assert!(rendered > 10, "{rendered}");
    assert_eq!(found.verdict(), format!("every figure identical; {rendered} files rendered by 0.1.0"));
    assert_eq!((found.engine.as_str(), found.this_engine.as_str()), (OLD, NEW));

    let mut other = Programme::sample("2017-01-31T12:00:00+08:00").await;
    other.use_engine(NEW);
    record(&other, JANUARY).await;
    other.set_now(AFTER_JANUARY);
    let done = other.close(JANUARY).await.unwrap();
    assert_ne!(done.run, found.run);
    let manifest = Pack::of(&other, JANUARY, &done.run).await.manifest();
    assert_eq!((manifest.engine.as_str(), manifest.edition), (NEW, CALCULATION_EDITION));
}

/// Stores other bytes under a path, as another version would have rendered or
/// computed them, and lets manifest and ledger agree with it.
async fn recorded_otherwise(programme: &Programme, path: &str, change: impl Fn(&mut Manifest), bytes: Option<Vec<u8>>) {
    let run = final_run(programme, JANUARY).await;
    let mut manifest = Pack::of(programme, JANUARY, &run.id).await.manifest();
    if let Some(bytes) = bytes {
        let file = manifest.files.iter_mut().find(|file| file.path == path).unwrap();
        (file.sha256, file.bytes) = (sha256(&bytes), bytes.len() as u64);
        put(programme, &run, path, bytes).await;
    }
    change(&mut manifest);
    let bytes = manifest.json().unwrap();
    let mut item = programme.items().await[&("P".to_owned(), JANUARY.to_owned())].clone();
    let document = item["j"].as_s().unwrap().replace(&run.manifest, &sha256(&bytes));
    item.insert("j".to_owned(), AttributeValue::S(document));
    programme.put_item(item).await;
    put(programme, &run, MANIFEST, bytes).await;
}

#[tokio::test]
async fn of_another_version_documents_may_differ_and_figures_may_not() {
    let mut programme = january().await;
    recorded_otherwise(&programme, "settlement.xlsx", |_| {}, Some(b"of another renderer".to_vec())).await;
    let found = verified(&programme, JANUARY).await;
    assert_eq!(found.verdict(), "NOT IDENTICAL: settlement.xlsx: differs", "the same version renders the same bytes");
    programme.use_engine(NEW);
    let found = verified(&programme, JANUARY).await;
    assert_eq!((found.is_good(), found.rendered_otherwise), (true, vec!["settlement.xlsx".to_owned()]));

    let run = final_run(&programme, JANUARY).await;
    let csv = String::from_utf8(Pack::of(&programme, JANUARY, &run.id).await.files["payments.csv"].clone()).unwrap();
    let amount = csv.lines().nth(1).unwrap().split(',').nth(5).unwrap();
    let other = csv.replacen(amount, "9999.99", 1);
    recorded_otherwise(&programme, "payments.csv", |_| {}, Some(other.into_bytes())).await;
    let found = verified(&programme, JANUARY).await;
    let text = format!("column amount: recorded 9999.99, computed {amount}");
    assert_eq!(found.differences.len(), 1, "{:?}", found.differences);
    assert!(found.differences[0].starts_with("payments.csv: row 1 ("), "{:?}", found.differences);
    assert!(found.differences[0].ends_with(&text), "{:?}", found.differences);
}

#[tokio::test]
async fn what_a_version_records_besides_is_not_missed_by_another() {
    let mut programme = january().await;
    let run = final_run(&programme, JANUARY).await;
    let csv = String::from_utf8(Pack::of(&programme, JANUARY, &run.id).await.files["close-checklist.csv"].clone());
    // The older version knew one check less.
    let csv = csv.unwrap();
    let left: Vec<&str> = csv.lines().enumerate().filter(|(at, _)| *at != 2).map(|(_, line)| line).collect();
    let bytes = format!("{}\r\n", left.join("\r\n")).into_bytes();
    let fewer = |manifest: &mut Manifest| manifest.files.retain(|file| file.path != "expiry-forecast.csv");
    recorded_otherwise(&programme, "close-checklist.csv", fewer, Some(bytes)).await;
    programme.use_engine(NEW);
    let found = verified(&programme, JANUARY).await;
    assert_eq!(found.differences, [""; 0]);
}

#[tokio::test]
async fn a_run_of_another_edition_is_named_as_what_it_is_and_its_files_are_checked() {
    let mut programme = january().await;
    recorded_otherwise(&programme, MANIFEST, |manifest| manifest.edition += 1, None).await;
    programme.use_engine(NEW);
    let found = verified(&programme, JANUARY).await;
    assert!(found.is_good() && !found.recomputed);
    let verdict = found.verdict();
    let own = CALCULATION_EDITION;
    let words =
        format!("closed by edition {} (0.1.0); this program computes edition {own} (0.1.1) and does not", own + 1);
    assert!(verdict.starts_with(&words), "{verdict}");

    let run = final_run(&programme, JANUARY).await;
    put(&programme, &run, "positions.csv", b"touched".to_vec()).await;
    let verdict = verified(&programme, JANUARY).await.verdict();
    assert_eq!(verdict, "NOT IDENTICAL: positions.csv: is not the file that was recorded");
}

#[tokio::test]
async fn a_touched_file_or_manifest_is_told_first_whatever_version_looks() {
    let mut programme = january().await;
    let run = final_run(&programme, JANUARY).await;
    let pack = Pack::of(&programme, JANUARY, &run.id).await;
    for engine in [OLD, NEW] {
        programme.use_engine(engine);
        for path in
            ["positions.csv", "settlement.xlsx", "settlement.json", "details/part-17.csv.gz", "digests/shard-17.bin"]
        {
            let mut bytes = pack.files[path].clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            put(&programme, &run, path, bytes).await;
            let verdict = verified(&programme, JANUARY).await.verdict();
            assert_eq!(verdict, format!("NOT IDENTICAL: {path}: is not the file that was recorded"), "{engine}");
            put(&programme, &run, path, pack.files[path].clone()).await;
        }
        let mut manifest = pack.files[MANIFEST].clone();
        manifest.push(b'\n');
        put(&programme, &run, MANIFEST, manifest).await;
        let verdict = verified(&programme, JANUARY).await.verdict();
        assert_eq!(verdict, "NOT IDENTICAL: manifest.json: is not the one that the ledger recorded");
        put(&programme, &run, MANIFEST, pack.files[MANIFEST].clone()).await;
        assert!(verified(&programme, JANUARY).await.is_good());
    }
}

#[tokio::test]
async fn an_entry_that_was_changed_added_or_removed_in_the_table_is_named_by_its_key() {
    let mut programme = january().await;
    let items = programme.items().await;
    let sale = items.iter().find(|((pk, sk), _)| pk == "E#2017-01#17" && sk.contains("#S-")).unwrap();
    for engine in [OLD, NEW] {
        programme.use_engine(engine);
        let mut changed = sale.1.clone();
        changed.insert("a".to_owned(), AttributeValue::N("8350".to_owned()));
        programme.put_item(changed).await;
        let found = verified(&programme, JANUARY).await;
        let expected = [
            "shard 17 of the ledger: its entries are not those that were closed",
            "entry dining#accrual#S-2017-01-17: changed",
        ];
        assert_eq!(found.differences[..2], expected, "{engine}: {:?}", found.differences);
        assert!(found.verdict().starts_with("NOT IDENTICAL: shard 17 of the ledger"), "{}", found.verdict());
        let member = sale.1["m"].as_s().unwrap();
        assert!(found.differences.iter().all(|text| !text.contains(member.as_str())), "{:?}", found.differences);
        programme.put_item(sale.1.clone()).await;

        let mut added = sale.1.clone();
        let sk = sale.0.1.replace("S-", "X-");
        added.insert("sk".to_owned(), AttributeValue::S(sk.clone()));
        programme.put_item(added).await;
        let found = verified(&programme, JANUARY).await;
        assert!(found.differences.contains(&"entry dining#accrual#X-2017-01-17: added".to_owned()), "{found:?}");
        delete(&programme, &sale.0.0, &sk).await;
        assert!(verified(&programme, JANUARY).await.is_good());
    }
    delete(&programme, &sale.0.0, &sale.0.1).await;
    let found = verified(&programme, JANUARY).await;
    let gap = "1 of the entries before dining#accrual#T-2017-01-17: removed";
    assert!(found.differences.contains(&gap.to_owned()), "{:?}", found.differences);
}

async fn delete(programme: &Programme, pk: &str, sk: &str) {
    let delete = programme.embedded().dynamodb().delete_item().table_name(interline::world::TABLE);
    let key = |text: &str| AttributeValue::S(text.to_owned());
    delete.key("pk", key(pk)).key("sk", key(sk)).send().await.unwrap();
}

#[tokio::test]
async fn a_final_month_closed_again_by_another_version_stays_as_it_is() {
    let mut programme = january().await;
    let first = programme.close(JANUARY).await.unwrap();
    let before = (programme.items().await, Pack::of(&programme, JANUARY, &first.run).await);
    programme.use_engine(NEW);
    programme.set_now("2017-02-20T09:30:00+08:00");
    assert_eq!(programme.close(JANUARY).await.unwrap(), first);
    assert_eq!((programme.items().await, Pack::of(&programme, JANUARY, &first.run).await), before);

    let direct = edited(RULEBOOK, &[("netting = \"hub\"", "netting = \"direct\"")]);
    let direct = programme.app().publish(&direct).await.unwrap().rulebook.hash.clone();
    assert_eq!(programme.close(JANUARY).await.unwrap(), first, "its own terms count, not the latest");
    let refused = programme.close_as(JANUARY, RunKind::Final, Some(direct)).await.unwrap_err();
    assert!(refused.to_string().contains("is final with run"), "{refused}");
}

#[tokio::test]
async fn a_close_that_an_older_version_left_half_written_is_begun_anew_in_another_folder() {
    let mut programme = Programme::sample("2017-01-31T12:00:00+08:00").await;
    programme.use_engine(OLD);
    record(&programme, JANUARY).await;
    programme.set_now(AFTER_JANUARY);
    let asked = Close::new(period(JANUARY), RunKind::Final);
    let started = interline_cutoff::handle(programme.app(), asked).await.unwrap();
    let task = |shard: u16| ShardTask {
        period: started.period,
        run: started.run.clone(),
        rulebook: started.rulebook.clone(),
        shard,
        together: 1,
    };
    interline_tally::handle(programme.app(), task(0)).await.unwrap();
    programme.use_engine(NEW);
    let mixed = interline_tally::handle(programme.app(), task(1)).await.unwrap_err();
    assert!(matches!(mixed, Failure::OtherVersion(_)) && mixed.class() == Class::Refused, "{mixed}");
    let done = programme.close(JANUARY).await.unwrap();
    assert_ne!(done.run, started.run);
    assert_eq!(verified(&programme, JANUARY).await.verdict(), "identical");
}

#[tokio::test]
async fn an_older_month_is_read_again_at_a_close_and_named_if_it_changed() {
    let mut programme = january().await;
    programme.use_engine(NEW);
    record(&programme, "2017-02").await;
    programme.set_now("2017-03-01T01:00:00+08:00");
    programme.close("2017-02").await.unwrap();
    let items = programme.items().await;
    let (_, whole) = items.iter().find(|((pk, sk), _)| pk == "E#2017-01#17" && sk.contains("#S-")).unwrap();
    let mut changed = whole.clone();
    changed.insert("a".to_owned(), AttributeValue::N("8350".to_owned()));
    programme.put_item(changed).await;
    record(&programme, "2017-03").await;
    programme.set_now("2017-04-01T01:00:00+08:00");
    let trial = programme.close_as("2017-03", RunKind::Trial, None).await.unwrap();
    assert!(!trial.checks_passed);
    let check = [("check", "sealed shards of an older period are unchanged")];
    let sheet = Pack::of(&programme, "2017-03", &trial.run).await.sheet("close-checklist");
    let row = sheet.row(&check);
    assert_eq!((row["expected"].as_str(), row["actual"].as_str()), ("64 of 2017-01", "63 of 2017-01, not [17]"));
    programme.put_item(whole.clone()).await;
    let sheet = programme.closed("2017-03").await.sheet("close-checklist");
    let row = sheet.row(&check);
    assert_eq!((row["actual"].as_str(), row["pass"].as_str()), ("64 of 2017-01", "yes"));
}

#[tokio::test]
async fn a_month_without_entries_is_closed_only_if_asked_to_and_is_not_sealed_before() {
    let programme = Programme::sample("2017-02-01T01:00:00+08:00").await;
    let close = |empty: bool, kind| Close { empty, ..Close::new(period(JANUARY), kind) };
    let app = programme.app();
    let refused = month_end::close(app, close(false, RunKind::Final), &|_| {}).await.unwrap_err();
    assert_eq!(refused.class(), Class::Refused);
    assert!(refused.to_string().starts_with("2017-01 has no entries: close it with --empty"), "{refused}");
    let state = app.ledger.period(period(JANUARY)).await.unwrap();
    assert!(state.is_open() && !app.ledger.is_sealed(period(JANUARY), the_shard(0)).await.unwrap());
    month_end::close(app, close(false, RunKind::Trial), &|_| {}).await.unwrap();
    let done = month_end::close(app, close(true, RunKind::Final), &|_| {}).await.unwrap();
    assert_eq!(done.entries, 0);
    // It is final: there is nothing to be mistaken about any more.
    assert_eq!(month_end::close(app, close(false, RunKind::Final), &|_| {}).await.unwrap(), done);
}

fn key_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/keys").join(name);
    path.to_str().unwrap().to_owned()
}

/// January on disk, and the folder of its reports bucket.
async fn on_disk(folder: &Path) -> (PathBuf, PathBuf) {
    let data = folder.join("data");
    let storage = Storage::Directory(data.clone());
    let programme = Programme::open(storage, RULEBOOK, "2017-01-31T12:00:00+08:00").await;
    record(&programme, JANUARY).await;
    programme.world.close().await;
    let reports = data.join("s3").join(REPORTS_BUCKET);
    (data, reports)
}

#[tokio::test]
async fn the_program_signs_a_manifest_once_and_checks_the_signature() {
    let folder = tempfile::tempdir().unwrap();
    let (data, reports) = on_disk(folder.path()).await;
    let bad_key = answer(&data, &["close", JANUARY, "--sign", &key_file("p384.pem")]);
    assert!(!bad_key.1 && bad_key.0["error"].as_str().unwrap().contains("curve P-256"), "{}", bad_key.0);

    let closed = good_answer(&data, &["close", JANUARY]);
    let run = reports.join(key(period(JANUARY), closed["run"].as_str().unwrap(), ""));
    let verify = |key: &str| answer(&data, &["verify", JANUARY, "--public-key", &key_file(key)]);
    let (found, good) = verify("public.pem");
    assert!(!good && found["differences"] == json!(["manifest.json.sig: missing"]), "{found}");

    // The same key in both forms of openssl: what one has signed the other leaves as it is.
    let signed = good_answer(&data, &["close", JANUARY, "--sign", &key_file("sec1.pem")]);
    assert_eq!((&signed["signed"], &signed["already_final"]), (&json!(true), &json!(true)));
    let signature = std::fs::read(run.join(SIGNATURE)).unwrap();
    good_answer(&data, &["close", JANUARY, "--sign", &key_file("pkcs8.pem")]);
    assert_eq!(std::fs::read(run.join(SIGNATURE)).unwrap(), signature);
    let (found, good) = verify("public.pem");
    assert!(good && found["signature_right"] == true && found["identical"] == true, "{found}");
    let (found, good) = verify("other.pem");
    assert!(!good && found["signature_right"] == false, "{found}");
    assert!(found["verdict"].as_str().unwrap().starts_with("NOT IDENTICAL: manifest.json.sig: is not"), "{found}");

    let out = folder.path().join("reports");
    good_answer(&data, &["reports", JANUARY, "--out", out.to_str().unwrap()]);
    assert_eq!(std::fs::read(out.join(SIGNATURE)).unwrap(), signature);
    let mut broken = signature.clone();
    *broken.last_mut().unwrap() ^= 1;
    std::fs::write(run.join(SIGNATURE), &broken).unwrap();
    assert!(!verify("public.pem").1);
    assert!(good_answer(&data, &["verify", JANUARY])["signature_right"].is_null());
}

#[tokio::test]
async fn the_program_says_that_a_month_was_final_already_and_which_program_closed_it() {
    let folder = tempfile::tempdir().unwrap();
    let (data, reports) = on_disk(folder.path()).await;
    let first = good_answer(&data, &["close", JANUARY]);
    assert_eq!(first["already_final"], false);
    let run = first["run"].as_str().unwrap();
    let output = interline(&data, &["close", JANUARY]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(output.status.success(), "{text}");
    assert!(text.contains(&format!("2017-01 was final already: run {run} of ")), "{text}");
    assert!(text.contains(&format!(", closed by {version}; nothing was changed")), "{text}");

    let path = reports.join(key(period(JANUARY), run, PROVENANCE));
    let provenance: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let program = interline_tests::programs::folder().join("interline");
    let program = sha256(&std::fs::read(program).unwrap());
    let expected = json!({
        "schema": "interline.provenance.v1", "period": JANUARY, "run": { "kind": "final", "id": run },
        "engine": version, "edition": CALCULATION_EDITION, "program": program,
    });
    assert_eq!(provenance, expected);
    let output = interline(&data, &["close", "2017-02"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("2017-02 has no entries: close it with --empty"), "{text}");
}
