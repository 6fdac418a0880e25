//! Two sample months against an independent computation, and what a closed
//! month promises afterwards.

use aws_sdk_dynamodb::types::AttributeValue;
use interline::world::{REPORTS_BUCKET, World};
use interline_domain::close::period::Status;
use interline_domain::close::settlement::Settlement;
use interline_domain::close::tally::Tally;
use interline_domain::legs::{ControlKind, FlowKind};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::SchemeId;
use interline_embedded::Storage;
use interline_lambda::finished::FinishedRun;
use interline_lambda::{Class, Failure};
use interline_reports::details::under_header;
use interline_reports::document::{COMPARISON, Comparison, Document, SETTLEMENT};
use interline_reports::manifest::sha256;
use interline_reports::pack::{MANIFEST, key};
use interline_tests::SHARDS;
use interline_tests::events::{cny, member_of_shard, redemption, sale};
use interline_tests::pack::{Pack, Sheet, minor_or_whole};
use interline_tests::programme::{Items, Programme, RULEBOOK, edited, moment};
use interline_tests::programs::{answer, files, good_answer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const AFTER_JANUARY: &str = "2017-02-01T01:00:00+08:00";
const AFTER_FEBRUARY: &str = "2017-03-01T01:00:00+08:00";

#[tokio::test]
async fn the_sample_months_clear_as_computed_independently() {
    let programme = Programme::sample(AFTER_JANUARY).await;
    let months = [("2017-01", AFTER_JANUARY), ("2017-02", AFTER_FEBRUARY)];
    let mut before: Option<Comparison> = None;
    for ((name, bytes), (period, now)) in interline::sample::FILES.into_iter().zip(months) {
        programme.set_now(now);
        let (imported, _) = programme.import(name, bytes).await;
        assert_eq!(imported.refused, None);
        let pack = programme.closed(period).await;
        let mut found = clearing(&pack);
        found["period"] = json!(period);
        found["rejected_insufficient"] = json!(imported.rejected_by_rule.get("insufficient-points"));
        assert_eq!(imported.rejected_by_rule.len(), 1, "{:?}", imported.rejected_by_rule);
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/clearing/{period}.json"));
        let expected: Value = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
        for (field, expected) in expected.as_object().unwrap() {
            assert_eq!(found[field], *expected, "{period} {field}");
        }
        assert_eq!(found.as_object().unwrap().len(), expected.as_object().unwrap().len());
        totals_agree(&pack);
        the_document_agrees(&pack);
        every_pair_has_its_rows_in_a_range(&programme, period, &pack).await;
        let comparison: Comparison = serde_json::from_slice(&pack.files[COMPARISON]).unwrap();
        assert_eq!(comparison.month_before, before.as_ref().map(|before| before.this.clone()));
        assert_eq!((comparison.year_before, comparison.this.to.to_string()), (None, period.to_owned()));
        let until_now = before.map_or(0, |before| before.year_to_date.gross.minor());
        assert_eq!(comparison.year_to_date.gross.minor(), until_now + comparison.this.gross.minor());
        before = Some(serde_json::from_slice(&pack.files[COMPARISON]).unwrap());
    }
}

/// The settlement as a document has the rows of the files that are made from it.
fn the_document_agrees(pack: &Pack) {
    let document: Document<Settlement> = serde_json::from_slice(&pack.files[SETTLEMENT]).unwrap();
    let Settlement { positions, bilateral, payments, checklist, roll_forward, vouchers, .. } = document.settlement;
    let rows = |name: &str| pack.sheet(name).rows;
    let nets: Vec<String> = positions.iter().map(|row| cny().show(row.net).to_string()).collect();
    assert_eq!(nets, rows("positions").iter().map(|row| row["net"].clone()).collect::<Vec<_>>());
    let pairs: Vec<String> =
        bilateral.iter().map(|row| format!("{}>{} {}", row.payer, row.payee, row.events)).collect();
    let shown = rows("bilateral");
    let shown = shown.iter().map(|row| format!("{}>{} {}", row["payer"], row["payee"], row["events"]));
    assert_eq!(pairs, shown.collect::<Vec<_>>());
    assert_eq!(payments.len(), rows("payments").len());
    assert_eq!(checklist.len(), rows("close-checklist").len());
    assert_eq!(roll_forward.len(), rows("points-roll-forward").len());
    assert_eq!(vouchers.iter().map(|voucher| voucher.lines.len()).sum::<usize>(), rows("vouchers").len());
}

/// A run's figures in the form of the independent computation.
fn clearing(pack: &Pack) -> Value {
    let tally = pack.tally();
    let manifest = pack.manifest();
    let controls = |kind: ControlKind| tally.controls.iter().filter(move |((_, of), _)| *of == kind);
    let sums = |rows: Vec<(String, i64)>| {
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for (name, number) in rows {
            *sums.entry(name).or_default() += number;
        }
        sums
    };
    let column = |sheet: &str, from: &str, to: &str, column: &str| {
        let rows = pack.sheet(sheet).rows;
        let named = rows.iter().map(|row| (format!("{}>{}", row[from], row[to]), minor_or_whole(&row[column])));
        named.collect::<Vec<_>>()
    };
    let redeemed = |amount: bool, own: bool| {
        let flows = tally.flows.iter().filter(|(key, _)| key.kind == FlowKind::Redeemed);
        let rows = flows.filter(|(key, _)| !own || key.cohort.scheme == key.counterparty).map(|(key, flow)| {
            let (funder, redeemer) = (&key.cohort.scheme, &key.counterparty);
            let name = if own { funder.to_string() } else { format!("{funder}>{redeemer}") };
            (name, if amount { flow.amount.minor() } else { flow.points.get() })
        });
        sums(rows.collect())
    };
    let redemptions: BTreeMap<String, [i64; 3]> = controls(ControlKind::Redemption)
        .map(|((line, _), control)| {
            (line.to_string(), [control.events as i64, control.points.get(), control.amount.minor()])
        })
        .collect();
    let issued = |name: &str| {
        let rows = pack.sheet("issuance").rows;
        sums(rows.iter().map(|row| (row["funder"].clone(), minor_or_whole(&row[name]))).collect())
    };
    // One row for each beneficiary of a pair's amount: count the pair once.
    let pairs: BTreeMap<String, i64> = column("splits", "payer", "redeemer", "base").into_iter().collect();
    let nets = pack.sheet("positions").rows;
    let nets: BTreeMap<String, i64> = nets
        .iter()
        .map(|row| (row["line"].clone(), minor_or_whole(&row["net"])))
        .filter(|(_, net)| *net != 0)
        .collect();
    json!({
        "accruals": controls(ControlKind::Accrual).map(|(_, control)| control.events).sum::<u64>(),
        "accruals_without_points":
            tally.unearned.values().map(|sum| sum.events).sum::<u64>(),
        "sales_minor": controls(ControlKind::Accrual)
            .map(|((line, _), control)| (line.to_string(), control.amount.minor()))
            .collect::<BTreeMap<_, _>>(),
        "points_issued": issued("points"),
        "redemptions": redemptions,
        "own_minor": redeemed(true, true),
        "pair_minor": pairs,
        "gross_minor": minor_or_whole(&manifest.gross),
        "settled_minor": minor_or_whole(&manifest.settled),
        "net_minor": nets,
        "bilateral_minor": sums(column("bilateral", "payer", "payee", "amount")),
        "points_flow": redeemed(false, false),
    })
}

/// What is read of a pair are its rows in every part, in order, and they add up to what it
/// owes before the split; all pairs together are all rows.
async fn every_pair_has_its_rows_in_a_range(programme: &Programme, period: &str, pack: &Pack) {
    let state = programme.app().ledger.period(Period::parse(period).unwrap()).await.unwrap();
    let run = FinishedRun::read(programme.app(), state.period, state.final_run().unwrap()).await.unwrap();
    let lines = programme.rulebook().await.lines;
    let (all, splits) = (pack.details().rows, pack.sheet("splits"));
    let mut found = 0;
    for funder in &lines {
        for redeemer in &lines {
            let text = under_header(&run.details_of(&SchemeId::of(&funder.id), &redeemer.id).await.unwrap()).unwrap();
            let rows = Sheet::read(&text).rows;
            let is_pair = |row: &&BTreeMap<String, String>| {
                row["funder"] == funder.id.as_str() && row["redeemer"] == redeemer.id.as_str()
            };
            assert!(rows.iter().eq(all.iter().filter(is_pair)), "{} {}", funder.id, redeemer.id);
            let base = splits
                .rows
                .iter()
                .find(|row| row["payer"] == funder.id.as_str() && row["redeemer"] == redeemer.id.as_str());
            if let Some(base) = base {
                let owed: i64 = rows.iter().map(|row| minor_or_whole(&row["amount"])).sum();
                assert_eq!(owed, minor_or_whole(&base["base"]), "{} {}", funder.id, redeemer.id);
            }
            found += rows.len();
        }
    }
    assert_eq!(found, all.len());
}

/// The same figures must come out of every report that shows them.
fn totals_agree(pack: &Pack) {
    let tally: Tally = pack.tally();
    let manifest = pack.manifest();
    let positions = pack.sheet("positions");
    let bilateral = pack.sheet("bilateral");
    let roll_forward = pack.sheet("points-roll-forward");
    let details = pack.details();
    assert_eq!(positions.total("net"), 0);
    assert_eq!(positions.total("gross_payable"), bilateral.total("amount"));
    assert_eq!(positions.total("gross_receivable"), bilateral.total("amount"));
    assert_eq!(minor_or_whole(&manifest.gross), bilateral.total("amount"));
    let paid = pack.sheet("payments");
    for row in &positions.rows {
        let moved = |side: &str| -> i64 {
            paid.rows
                .iter()
                .filter(|payment| payment[side] == row["line"])
                .map(|row| minor_or_whole(&row["amount"]))
                .sum()
        };
        assert_eq!(minor_or_whole(&row["net"]), moved("payee") - moved("payer"), "{}", row["line"]);
    }
    let obligations = details.rows.iter().filter(|row| row["obligation"] == "yes");
    let owed: i64 = obligations.map(|row| minor_or_whole(&row["amount"])).sum();
    assert_eq!(owed, bilateral.total("amount"));
    let redeemed: i64 = tally
        .controls
        .iter()
        .filter(|((_, kind), _)| *kind == ControlKind::Redemption)
        .map(|(_, control)| control.points.get())
        .sum();
    assert_eq!(redeemed, details.total("points"));
    assert_eq!(redeemed, roll_forward.total("redeemed_own") + roll_forward.total("redeemed_other"));
    let opening = roll_forward.total("opening") + roll_forward.total("issued");
    assert_eq!(opening - redeemed - roll_forward.total("expired"), roll_forward.total("closing"));
    assert_eq!(roll_forward.total("issued"), pack.sheet("issuance").total("points"));
    assert!(pack.sheet("close-checklist").rows.iter().all(|row| row["pass"] == "yes" || row["severity"] == "warning"));
    for file in &manifest.files {
        let bytes = &pack.files[&file.path];
        assert_eq!((file.bytes, &file.sha256), (bytes.len() as u64, &sha256(bytes)), "{}", file.path);
        if file.path.ends_with(".csv") {
            let sheet = pack.sheet(file.path.trim_end_matches(".csv"));
            assert_eq!(file.rows, Some(sheet.rows.len() as u64), "{}", file.path);
            for (column, total) in &file.totals {
                assert_eq!(sheet.total(column), minor_or_whole(total), "{} {column}", file.path);
            }
        }
    }
}

/// A sale and a cross-line redemption of one member of every fourth shard.
async fn small_month(programme: &Programme, month: &str) {
    programme.set_now(&format!("{month}-20T12:00:00+08:00"));
    for shard in (0..SHARDS).step_by(4) {
        let member = member_of_shard(shard, 0);
        programme
            .accept(&[
                sale("dining", &format!("S-{month}-{shard}"), &format!("{month}-10T12:00:00+08:00"), &member, "83.40"),
                redemption(
                    "grocery",
                    &format!("R-{month}-{shard}"),
                    &format!("{month}-11T12:00:00+08:00"),
                    &member,
                    117,
                ),
            ])
            .await;
    }
}

#[tokio::test]
async fn closing_a_period_again_gives_the_same_manifest_and_changes_nothing() {
    let programme = Programme::sample("2017-01-31T12:00:00+08:00").await;
    small_month(&programme, "2017-01").await;
    programme.set_now(AFTER_JANUARY);
    let first = programme.close("2017-01").await.unwrap();
    let files = Pack::of(&programme, "2017-01", &first.run).await;
    let items = entries_and_accounts(&programme).await;
    programme.set_now("2017-02-20T09:30:00+08:00");
    let again = programme.close("2017-01").await.unwrap();
    assert_eq!(again, first);
    assert_eq!(Pack::of(&programme, "2017-01", &again.run).await, files);
    assert_eq!(entries_and_accounts(&programme).await, items);
    let state = programme.app().ledger.period(period("2017-01")).await.unwrap();
    assert!(state.is_final());
    assert_eq!(state.into_final_run().unwrap().manifest, sha256(&files.files[MANIFEST]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_closes_of_a_period_at_once_end_in_one_run() {
    let programme = Programme::sample("2017-01-31T12:00:00+08:00").await;
    small_month(&programme, "2017-01").await;
    programme.set_now(AFTER_JANUARY);
    let closes = futures::join!(programme.close("2017-01"), programme.close("2017-01"), programme.close("2017-01"));
    let done = programme.close("2017-01").await.unwrap();
    for close in [closes.0, closes.1, closes.2] {
        match close {
            Ok(other) => assert_eq!(other, done),
            Err(failure) => assert_eq!(failure.class(), Class::Retryable, "{failure}"),
        }
    }
}

/// Everything but the note of who closed a period when.
async fn entries_and_accounts(programme: &Programme) -> Items {
    let mut items = programme.items().await;
    items.retain(|(pk, _), _| pk != "P");
    items
}

#[tokio::test]
async fn runs_form_a_chain_of_manifests() {
    let programme = Programme::sample("2017-01-31T12:00:00+08:00").await;
    small_month(&programme, "2017-01").await;
    programme.set_now(AFTER_JANUARY);
    let january = programme.close("2017-01").await.unwrap();
    small_month(&programme, "2017-02").await;
    programme.set_now(AFTER_FEBRUARY);
    let february = programme.closed("2017-02").await.manifest();
    let previous = february.previous.unwrap();
    assert_eq!((previous.run, previous.manifest), (january.run, january.manifest));
    assert_eq!(february.entries, 32);
}

#[tokio::test]
async fn an_entry_put_behind_the_gate_stops_the_next_close_and_shows_in_a_verify() {
    let programme = Programme::sample("2017-01-31T12:00:00+08:00").await;
    small_month(&programme, "2017-01").await;
    programme.set_now(AFTER_JANUARY);
    let january = programme.close("2017-01").await.unwrap();
    small_month(&programme, "2017-02").await;
    // A copy of an entry under another reference, written with bare hands.
    let entry = |items: &Items| {
        let (_, item) = items.iter().find(|((pk, sk), _)| pk.starts_with("E#2017-01#") && sk.contains("#a#")).unwrap();
        let mut item = item.clone();
        let sk = item["sk"].as_s().unwrap().replace("S-", "X-");
        item.insert("sk".to_owned(), AttributeValue::S(sk));
        item
    };
    programme.put_item(entry(&programme.items().await)).await;
    programme.set_now(AFTER_FEBRUARY);
    let failure = programme.close("2017-02").await.unwrap_err();
    assert!(matches!(failure, Failure::ChecksFailed(_)), "{failure}");
    let text = failure.to_string();
    assert!(
        text.contains(
            "sealed shards of the previous period are unchanged: expected 64 of 2017-01, found 63 of 2017-01, not ["
        ),
        "{text}"
    );
    let state = programme.app().ledger.period(period("2017-02")).await.unwrap();
    assert!(matches!(state.status, Status::Sealed { .. }), "{state:?}");
    // The month itself no longer verifies, and its files stay as they were.
    let files = Pack::of(&programme, "2017-01", &january.run).await;
    assert_eq!(sha256(&files.files[MANIFEST]), january.manifest);
}

#[tokio::test]
async fn a_close_that_is_stopped_by_what_slipped_behind_the_gate_names_the_shard() {
    let programme = Programme::sample("2017-01-31T12:00:00+08:00").await;
    small_month(&programme, "2017-01").await;
    programme.set_now(AFTER_JANUARY);
    programme.close("2017-01").await.unwrap();
    // A sale of January that this ledger never took.
    let other = Programme::sample("2017-01-31T12:00:00+08:00").await;
    other.accept(&[sale("grocery", "S-hidden", "2017-01-10T12:00:00+08:00", "rich", "90000.00")]).await;
    for ((pk, _), item) in other.items().await {
        if pk.starts_with("E#2017-01#") || pk.ends_with("#rich") {
            programme.put_item(item).await;
        }
    }
    assert_eq!(programme.balance("rich", AFTER_JANUARY).await, 90_000);
    programme.set_now("2017-02-10T12:30:00+08:00");
    programme.accept(&[redemption("spirits", "R-1", "2017-02-10T12:00:00+08:00", "rich", 80_000)]).await;
    programme.set_now(AFTER_FEBRUARY);
    let failure = programme.close("2017-02").await.unwrap_err();
    assert_eq!(failure.class(), Class::ChecksFailed);
    let shard = interline_tests::shard(&interline_domain::units::id::MemberId::parse("rich").unwrap());
    let cause = format!(
        "sealed shards of the previous period are unchanged: expected 64 of 2017-01, found 63 of 2017-01, not [{shard}]"
    );
    assert!(failure.to_string().contains(&cause), "{failure}");
}

#[tokio::test]
async fn verify_recomputes_every_file_and_names_the_one_that_was_touched() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let storage = Storage::Directory(data.clone());
    let programme = Programme::open(storage, RULEBOOK, "2017-01-31T12:00:00+08:00").await;
    small_month(&programme, "2017-01").await;
    programme.set_now(AFTER_JANUARY);
    let done = programme.close("2017-01").await.unwrap();
    let pack = Pack::of(&programme, "2017-01", &done.run).await;
    programme.world.close().await;

    let verify = || answer(&data, &["verify", "2017-01"]);
    let (verified, good) = verify();
    assert!(good && verified["identical"] == true, "{verified}");
    assert_eq!(verified["files"], pack.files.len());
    let out = folder.path().join("reports");
    let reports = ["reports", "2017-01", "--out", out.to_str().unwrap()];
    let listed = good_answer(&data, &reports);
    assert_eq!(files(&out), pack.files);
    for file in listed["files"].as_array().unwrap() {
        assert_eq!(file["sha256"], sha256(&pack.files[file["path"].as_str().unwrap()]));
    }

    let run = data.join("s3").join(REPORTS_BUCKET).join(key(period("2017-01"), &done.run, ""));
    for path in ["positions.csv", "details/part-04.csv.gz", "tallies/shard-08.json", "rulebook.toml"] {
        let mut bytes = pack.files[path].clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(run.join(path), &bytes).unwrap();
        let (verified, good) = verify();
        assert!(!good, "{path}");
        let differences = verified["differences"].as_array().unwrap();
        assert_eq!(differences[0], format!("{path}: is not the file that was recorded"));
        let of_file = |text: &Value| text.as_str().unwrap().starts_with(&format!("{path}: "));
        assert!(differences.iter().all(of_file), "{differences:?}");
        assert!(verified["verdict"].as_str().unwrap().starts_with(&format!("NOT IDENTICAL: {path}: ")), "{verified}");
        assert!(!answer(&data, &reports).1, "{path}");
        std::fs::write(run.join(path), &pack.files[path]).unwrap();
    }
    std::fs::remove_file(run.join("bilateral.csv")).unwrap();
    let (verified, good) = verify();
    assert!(!good);
    assert_eq!(verified["differences"], json!(["bilateral.csv: missing"]));
}

#[tokio::test]
async fn a_rulebook_comes_into_force_by_itself_and_one_that_cannot_follow_it_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let publish = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        answer(&data, &["rulebook", "publish", file.to_str().unwrap()])
    };
    let (first, good) = publish("first.toml", RULEBOOK);
    assert!(good, "{first}");
    let direct = edited(RULEBOOK, &[("netting = \"hub\"", "netting = \"direct\"")]);
    let (second, good) = publish("second.toml", &direct);
    assert!(good && second["hash"] == sha256(direct.as_bytes()), "{second}");
    let (refused, good) = publish("third.toml", &edited(RULEBOOK, &[("\"CNY\"", "\"USD\"")]));
    assert!(!good);
    assert!(refused["error"].as_str().unwrap().contains("currency: was CNY in the rulebook in force"), "{refused}");
    let world = World::embedded(Storage::Directory(data), Arc::new(|| moment(AFTER_JANUARY))).await.unwrap();
    assert_eq!(world.app.ledger.current_rulebook().await.unwrap().unwrap(), second["hash"]);
}

fn period(text: &str) -> Period {
    Period::parse(text).unwrap()
}
