//! Closing a month over HTTP, following it, and what it leaves to be downloaded.

use crate::served::{Served, assert_like, plain_get, redemption, sale, with_pairs};
use futures::future::BoxFuture;
use interline_cutoff::Close;
use interline_domain::close::judgement::{ACCEPTABLE, Judgement};
use interline_domain::units::calendar::Period;
use interline_lambda::{Failure, ShardTask};
use interline_periods::Starter;
use interline_reports::manifest::sha256;
use interline_reports::pack::{MANIFEST, key, tally_path};
use interline_tests::calls::{arn, event, read, request};
use interline_tests::pack::Pack;
use interline_tests::programme::RULEBOOK;
use interline_tests::{SHARDS, the_shard};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const NOW: &str = "2017-02-01T09:00:00+08:00";
const AT: &str = "2017-01-15T12:00:00+08:00";
const PERIOD: &str = "/v1/periods/2017-01";

/// Points of two lines, redeemed at two others and at home.
async fn january() -> Served {
    let served = Served::sample(NOW).await;
    for (line, event, body) in [
        ("grocery", "accruals/S-1", sale("m1", AT, "500.00")),
        ("bakery", "accruals/S-1", sale("m2", AT, "300.00")),
        ("dining", "redemptions/R-1", redemption("m1", AT, 200)),
        ("dining", "redemptions/R-2", redemption("m2", AT, 333)),
        ("fuel", "redemptions/R-1", redemption("m2", AT, 101)),
        ("grocery", "redemptions/R-1", redemption("m2", AT, 50)),
        ("grocery", "redemptions/R-2", redemption("m1", AT, 77)),
    ] {
        served.record(line, event, body).await;
    }
    served
}

fn period() -> Period {
    Period::parse("2017-01").unwrap()
}

#[tokio::test]
async fn a_close_is_started_followed_and_found_final() {
    let served = january().await;
    for kind in ["trial", "final"] {
        let started = served.post("finance", &format!("{PERIOD}/close"), json!({ "kind": kind })).await;
        assert_eq!((started.status, started.header("location")), (202, Some(PERIOD)), "{}", started.text());
        assert_like(&started.json(), &json!({ "period": "2017-01", "kind": kind, "run": "…" }));
        let state = served.settled("2017-01").await;
        let run = json!({ "run": started.json()["run"], "rulebook": "…", "manifest": "…", "finished_at": "2017-02-01T01:00:00Z", "by": "local" });
        assert_like(&state[kind], &run);
        assert_eq!(state["under_way"], Value::Null);
        let checklist = &state["checklist"];
        assert_eq!((&checklist["run"], &checklist["kind"]), (&started.json()["run"], &json!(kind)));
        assert_eq!(checklist["passed"], true, "{checklist:#}");
        for check in checklist["checks"].as_array().unwrap() {
            assert_like(check, &json!({ "check": "…", "expected": "…", "actual": "…", "pass": "…", "severity": "…" }));
        }
        let (status, sealed_at) = match kind {
            "trial" => ("open", Value::Null),
            _ => ("final", json!("2017-02-01T01:00:00Z")),
        };
        assert_eq!((&state["status"], &state["sealed_at"]), (&json!(status), &sealed_at));
    }
    let state = served.get("finance", PERIOD).await.ok();
    let listed = served.get("finance", "/v1/periods").await.ok();
    for field in ["status", "sealed_at", "trial", "final"] {
        assert_eq!(listed["periods"][0][field], state[field]);
    }
    // A trial of a final period is still possible and changes nothing of it.
    served.set_now("2017-02-01T10:00:00+08:00");
    let again = served.close("2017-01", "trial").await;
    assert_eq!((&again["status"], &again["final"]), (&json!("final"), &state["final"]));
    assert_ne!(again["trial"], state["trial"]);
}

/// The file of a final run.
async fn report(served: &Served, period: &str, run: &Value, path: &str) -> String {
    let key = key(Period::parse(period).unwrap(), run.as_str().unwrap(), path);
    String::from_utf8(served.programme.app().reports.get(&key).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_remark_on_a_close_stands_in_its_statement() {
    let served = january().await;
    let (path, remark) = (format!("{PERIOD}/close"), "new till at the bakery");
    let body = json!({ "kind": "final", "remark": format!(" {remark} ") });
    assert_eq!(served.post("finance", &path, body).await.status, 202);
    let state = served.settled("2017-01").await;
    assert!(report(&served, "2017-01", &state["final"]["run"], "statement.html").await.contains(remark));
}

/// A February in which next to nothing of what was expected was redeemed, closed because a person says
/// that this is right.
pub async fn ignored() -> Served {
    let rulebook = format!("{}\n[[urr]]\ninitial_months = 1\n", with_pairs(RULEBOOK));
    let served = Served::with_rulebook(&rulebook, "2017-02-10T12:00:00+08:00").await;
    served.record("grocery", "accruals/S-1", sale("m1", AT, "1000000.00")).await;
    served.record("grocery", "redemptions/R-1", redemption("m1", AT, 300_000)).await;
    served.close("2017-01", "final").await;
    served.set_now("2017-03-10T12:00:00+08:00");
    let path = "/v1/periods/2017-02/close";
    served.post("finance", path, json!({ "kind": "final", "empty": true })).await;
    let state = served.settled("2017-02").await;
    assert_eq!((&state["status"], &state["final"]), (&json!("sealed"), &Value::Null), "{state:#}");
    let failed = state["under_way"]["failed"].as_str().unwrap();
    assert!(failed.contains(ACCEPTABLE[0].name()), "{failed}");
    let accept = json!([{ "check": ACCEPTABLE[0].name(), "reason": "all tills were down" }]);
    served.post("finance", path, json!({ "kind": "final", "accept": accept })).await;
    served.settled("2017-02").await;
    served
}

#[tokio::test]
async fn a_check_that_fails_stops_a_close_unless_it_is_accepted_for_a_reason_that_stands_in_the_checklist() {
    let served = ignored().await;
    let state = served.get("finance", "/v1/periods/2017-02").await.ok();
    assert_eq!((&state["status"], &state["checklist"]["passed"]), (&json!("final"), &json!(true)), "{state:#}");
    let checks = state["checklist"]["checks"].as_array().unwrap();
    let accepted: Vec<&Value> = checks.iter().filter(|check| check.get("accepted").is_some()).collect();
    let [check] = accepted[..] else { panic!("{accepted:#?}") };
    let said = (&check["check"], &check["accepted"], &check["pass"]);
    assert_eq!(said, (&json!(ACCEPTABLE[0].name()), &json!("all tills were down"), &json!(false)));
    let checklist = report(&served, "2017-02", &state["final"]["run"], "close-checklist.csv").await;
    assert!(checklist.contains("all tills were down"), "{checklist}");
}

#[tokio::test]
async fn what_is_said_of_a_close_is_handed_to_the_execution() {
    let served = january().await;
    let asked: Arc<Mutex<Vec<Close>>> = Arc::default();
    let noted = asked.clone();
    let starter: Starter = Box::new(move |_, close| -> BoxFuture<'static, Result<(), Failure>> {
        noted.lock().unwrap().push(close);
        Box::pin(async { Ok(()) })
    });
    let body = json!({
        "kind": "trial", "remark": "new till", "accept": [{ "check": ACCEPTABLE[2].name(), "reason": "a test" }],
    });
    let call = request(&event(&arn("finance"), "POST", &format!("{PERIOD}/close"), &body.to_string()));
    let (status, answer) = read(interline_periods::handle(served.programme.app(), &starter, call).await);
    assert_eq!(status, 202, "{answer}");
    let close = asked.lock().unwrap().remove(0);
    let expected = Judgement::new(Some("new till"), [(ACCEPTABLE[2].name(), "a test")]).unwrap();
    assert_eq!(close.judgement, expected);
    // As the state machine is given it.
    let input = serde_json::to_value(&close).unwrap();
    assert_eq!(serde_json::from_value::<Close>(input).unwrap().judgement, expected);
}

#[tokio::test]
async fn the_progress_of_a_run_is_visible() {
    let served = january().await;
    let app = served.programme.app();
    let asked: Arc<Mutex<Vec<Close>>> = Arc::default();
    let noted = asked.clone();
    let starter: Starter = Box::new(move |_, close| -> BoxFuture<'static, Result<(), Failure>> {
        noted.lock().unwrap().push(close);
        Box::pin(async { Ok(()) })
    });
    let call = request(&event(&arn("finance"), "POST", &format!("{PERIOD}/close"), r#"{ "kind": "final" }"#));
    let (status, body) = read(interline_periods::handle(app, &starter, call).await);
    assert_eq!(status, 202, "{body}");
    let close = asked.lock().unwrap().remove(0);
    assert_eq!(close.run.as_deref(), body["run"].as_str());

    let progress = |done: u8| {
        json!({
            "run": body["run"], "started_at": "2017-02-01T01:00:00Z", "by": "session", "failed": null, "shards_done": done,
            "shards": SHARDS,
        })
    };
    assert_eq!(served.get("finance", PERIOD).await.ok()["under_way"], progress(0));
    let started = interline_cutoff::handle(app, close).await.unwrap();
    assert_eq!(served.get("finance", PERIOD).await.ok()["status"], "sealed");
    let task = |shard: u16| ShardTask {
        period: started.period,
        run: started.run.clone(),
        rulebook: started.rulebook.clone(),
        shard,
        together: 1,
    };
    for (shard, done) in (0..SHARDS).zip(1..) {
        interline_tally::handle(app, task(shard)).await.unwrap();
        interline_prove::handle(app, task(shard)).await.unwrap();
        if done % 21 == 1 {
            assert_eq!(served.get("finance", PERIOD).await.ok()["under_way"], progress(done));
        }
    }
    let (kind, run, rulebook) = (started.kind, started.run.clone(), started.rulebook.clone());
    interline_settle::handle(
        app,
        interline_settle::Task { period: period(), kind, run, rulebook, judgement: Judgement::default() },
    )
    .await
    .unwrap();
    let state = served.get("finance", PERIOD).await.ok();
    assert_eq!((&state["under_way"], &state["status"]), (&Value::Null, &json!("final")));
}

#[tokio::test]
async fn a_close_that_failed_is_shown_and_may_be_started_again() {
    let served = january().await;
    let run = served.programme.app().final_run(&served.programme.rulebook().await.hash);
    let tally = key(period(), &run, &tally_path(the_shard(7)));
    served.programme.app().reports.put(&tally, b"somebody else's".to_vec()).await.unwrap();
    let state = served.close("2017-01", "final").await;
    assert_eq!((&state["status"], &state["final"]), (&json!("sealed"), &Value::Null));
    assert_eq!(state["under_way"]["run"], run);
    let reason = state["under_way"]["failed"].as_str().unwrap();
    assert!(reason.contains(&tally), "{reason}");

    let s3 = served.programme.embedded().s3();
    s3.delete_object().bucket(interline::world::REPORTS_BUCKET).key(&tally).send().await.unwrap();
    let state = served.close("2017-01", "final").await;
    assert_eq!((&state["status"], &state["under_way"]), (&json!("final"), &Value::Null));
}

#[tokio::test]
async fn a_close_that_could_not_be_started_is_in_nobodys_way() {
    let served = january().await;
    let starter: Starter = Box::new(|_, _| -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(async { Err(Failure::Unusable("no such state machine".to_owned())) })
    });
    let call = request(&event(&arn("finance"), "POST", &format!("{PERIOD}/close"), r#"{ "kind": "final" }"#));
    let (status, body) = read(interline_periods::handle(served.programme.app(), &starter, call).await);
    assert_eq!((status, &body["type"]), (500, &json!("urn:interline:problem:internal")));
    assert!(!body.to_string().contains("state machine"), "{body}");
    assert_ne!(served.get("finance", PERIOD).await.ok()["under_way"]["failed"], Value::Null);
    assert_eq!(served.close("2017-01", "final").await["status"], "final");
}

#[tokio::test]
async fn of_closes_at_the_same_time_one_is_started() {
    let served = january().await;
    let path = format!("{PERIOD}/close");
    let calls = (0..8).map(|_| served.post("finance", &path, json!({ "kind": "final" })));
    let answers = futures::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 202).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 202) {
        assert_eq!(answer.problem().0, "close-under-way");
    }
    let state = served.settled("2017-01").await;
    assert_eq!((&state["status"], &state["under_way"]), (&json!("final"), &Value::Null));
}

#[tokio::test]
async fn the_server_lets_a_close_under_way_end() {
    let served = january().await;
    let rulebook = served.programme.rulebook().await;
    let app = served.programme.world.app.clone();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let gateway = interline::gateway::Gateway::new(app, &rulebook, false);
    let server = tokio::spawn(gateway.serve(vec![listener], async {
        let _ = stopped.await;
    }));
    let other = Served::at(address, served);
    let started = other.post("finance", &format!("{PERIOD}/close"), json!({ "kind": "final" })).await;
    assert_eq!(started.status, 202);
    drop(stop);
    server.await.unwrap().unwrap();
    let state = other.programme.app().ledger.period(period()).await.unwrap();
    assert!(state.is_final() && state.attempt.is_none(), "{state:?}");
}

#[tokio::test]
async fn every_report_can_be_downloaded_by_its_link_for_a_while_and_nothing_else_can() {
    let served = january().await;
    let state = served.close("2017-01", "final").await;
    let run = state["final"]["run"].as_str().unwrap();
    let list = served.get("finance", &format!("{PERIOD}/reports")).await;
    assert_eq!(list.header("cache-control"), Some("no-store"));
    let list = list.ok();
    assert_eq!(
        (&list["run"], &list["kind"], &list["links_valid_seconds"]),
        (&json!(run), &json!("final"), &json!(300))
    );
    let files = list["files"].as_array().unwrap();
    let manifest = Pack::of(&served.programme, "2017-01", run).await.manifest();
    let expected: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).chain([MANIFEST]).collect();
    assert_eq!(files.iter().map(|file| file["path"].as_str().unwrap()).collect::<BTreeSet<_>>(), expected);
    for file in files {
        let downloaded = plain_get(file["url"].as_str().unwrap()).await;
        assert_eq!(
            (downloaded.status, sha256(&downloaded.bytes)),
            (200, file["sha256"].as_str().unwrap().to_owned()),
            "{file}"
        );
        if file["path"] != MANIFEST {
            assert_eq!(downloaded.bytes.len() as u64, file["bytes"].as_u64().unwrap(), "{file}");
        }
    }
    for path in ["positions.csv", "tallies/shard-00.json", MANIFEST] {
        let redirect = served.get("finance", &format!("{PERIOD}/reports/{path}")).await;
        assert_eq!(
            (redirect.status, redirect.bytes.len(), redirect.header("cache-control")),
            (302, 0, Some("no-store"))
        );
        let downloaded = plain_get(redirect.header("location").unwrap()).await;
        let file = files.iter().find(|file| file["path"] == path).unwrap();
        assert_eq!((downloaded.status, sha256(&downloaded.bytes)), (200, file["sha256"].as_str().unwrap().to_owned()));
    }
    // Generated clients encode the slash, and API Gateway hands the path on decoded.
    let nested = served.get("finance", &format!("{PERIOD}/reports/lines%2Fdining%2Fstatement.html")).await;
    assert_eq!(plain_get(nested.header("location").unwrap()).await.status, 200);
    only_what_the_manifest_names_is_ever_linked(&served, state["final"]["rulebook"].as_str().unwrap()).await;
    a_link_opens_its_own_file_only_and_not_for_ever(&served, run).await;
}

async fn a_link_opens_its_own_file_only_and_not_for_ever(served: &Served, run: &str) {
    let positions = key(period(), run, "positions.csv");
    let reports = &served.programme.app().reports;
    let link = reports.presigned(&positions, Duration::from_secs(300)).await.unwrap();
    assert_eq!(plain_get(&link).await.status, 200);
    let other = if link.ends_with('0') { "1" } else { "0" };
    for (name, altered) in [
        ("another file", link.replace("positions.csv", "bilateral.csv")),
        ("another period's", link.replace("periods/2017-01", "periods/2017-02")),
        ("a trial's", link.replace("/periods/", "/trials/")),
        ("another run's", link.replace(run, "v1-00000000")),
        ("longer", link.replace("X-Amz-Expires=300", "X-Amz-Expires=3000")),
        ("another signature", format!("{}{other}", &link[..link.len() - 1])),
        ("another day", link.replacen("X-Amz-Date=2", "X-Amz-Date=3", 1)),
        ("no signature", link.split('?').next().unwrap().to_owned()),
        ("one parameter more", format!("{link}&response-content-type=text%2Fhtml")),
    ] {
        assert_ne!(altered, link, "{name}");
        assert_eq!(plain_get(&altered).await.status, 403, "{name}");
    }
    let brief = reports.presigned(&positions, Duration::from_secs(1)).await.unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while plain_get(&brief).await.status != 403 {
        assert!(Instant::now() < until, "the link does not expire");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(plain_get(&link).await.status, 200);
}

async fn only_what_the_manifest_names_is_ever_linked(served: &Served, hash: &str) {
    served.programme.app().inbox.put("secret.csv", b"x".to_vec()).await.unwrap();
    for path in [
        "",
        "nothing.csv",
        "Positions.csv",
        "positions.csv/",
        "/positions.csv",
        "positions.csv%00",
        "tallies",
        "tallies/",
        "./positions.csv",
        "%2e/positions.csv",
        "../",
        "..",
        "%2e%2e",
        "%2e%2e/",
        "..%2f..%2frulebooks",
        "../reports/positions.csv",
        "tallies/../positions.csv",
        &format!("../../../../rulebooks/{hash}.toml"),
        &format!("..%2F..%2F..%2Frulebooks%2F{hash}.toml"),
        &format!("%2e%2e/%2e%2e/%2e%2e/rulebooks/{hash}.toml"),
        "..\\..\\secret.csv",
        "http://127.0.0.1/secret.csv",
        &"x/".repeat(300),
    ] {
        // A backslash cannot stand in a URI as it is.
        let path = path.replace('\\', "%5C");
        let answer = served.get("finance", &format!("{PERIOD}/reports/{path}")).await;
        assert_eq!(answer.problem(), ("not-found".to_owned(), None), "{path}");
    }
}

#[tokio::test]
async fn a_line_sees_its_own_pairs_by_the_newest_run() {
    let served = january().await;
    for kind in ["trial", "final"] {
        let state = served.close("2017-01", kind).await;
        let run = state[kind]["run"].as_str().unwrap();
        let pack = Pack::of(&served.programme, "2017-01", run).await;
        let (positions, bilateral) = (pack.sheet("positions"), pack.sheet("bilateral"));
        let mut pairs = 0;
        for row in &positions.rows {
            let line = &row["line"];
            let path = format!("/v1/lines/{line}/position?period=2017-01");
            let position = served.get(line, &path).await.ok();
            assert_eq!(position, served.get("finance", &path).await.ok());
            assert_eq!(position["run"], json!({ "kind": kind, "id": run }));
            assert_eq!((&position["line"], &position["currency"]), (&json!(line), &json!("CNY")));
            for column in ["gross_payable", "gross_receivable", "platform_fee", "prior_period", "net"] {
                assert_eq!(position[column], row[column], "{line} {column}");
            }
            for (list, own, counterparty) in [("owes", "payer", "payee"), ("is_owed", "payee", "payer")] {
                let rows: Vec<Value> = bilateral
                    .rows
                    .iter()
                    .filter(|row| row[own] == *line)
                    .map(|row| {
                        json!({
                            "counterparty": row[counterparty], "events": row["events"].parse::<u64>().unwrap(),
                            "points": row["points"].parse::<i64>().unwrap(), "amount": row["amount"],
                            "prior_period": row["prior_period"],
                        })
                    })
                    .collect();
                pairs += rows.len();
                assert_eq!(position[list], json!(rows), "{line} {list}");
            }
        }
        // Each pair is seen by its two lines and by no other.
        assert_eq!(pairs, 2 * bilateral.rows.len());
        assert!(bilateral.rows.len() >= 4, "{bilateral:?}");
        assert_eq!(positions.total("net"), 0);
        let other = served.get("fuel", "/v1/lines/dining/position?period=2017-01").await;
        assert_eq!(other.problem(), ("forbidden".to_owned(), None));
    }
    // 200 points of grocery's and 333 of bakery's, at 0.0070.
    let position = served.get("dining", "/v1/lines/dining/position?period=2017-01").await.ok();
    let owed: Vec<(&Value, &Value)> =
        position["is_owed"].as_array().unwrap().iter().map(|pair| (&pair["counterparty"], &pair["points"])).collect();
    assert_eq!(owed, [(&json!("bakery"), &json!(333)), (&json!("grocery"), &json!(200))]);
}
