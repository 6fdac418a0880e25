//! The functions' own programs, as Lambda runs them.

use chrono::DateTime;
use interline_domain::events::EntryKind;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, Reference};
use interline_domain::units::scope::Scope;
use interline_ledger::{Asked, EntrySource};
use interline_tests::SHARDS;
use interline_tests::calls::{arn, event};
use interline_tests::events::{csv, some_of_january};
use interline_tests::functions::Function;
use interline_tests::pack::Pack;
use interline_tests::programme::{Programme, s3_event};
use serde_json::{Value, json};
use std::time::Duration;

const AFTER_JANUARY: &str = "2017-02-01T01:00:00+08:00";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_through_the_functions_programs_gives_the_same_files_as_in_this_process() {
    let file = some_of_january(1_500);
    let here = Programme::sample(AFTER_JANUARY).await;
    let imported_here = here.deliver("inbox/group/january.csv", &file).await;
    let done_here = here.close("2017-01").await.unwrap();

    let there = Programme::sample(AFTER_JANUARY).await;
    there.app().inbox.put("inbox/group/january.csv", file).await.unwrap();
    let mut import = Function::start("import", &there).await;
    let imported = import.invoke(s3_event(&["inbox/group/january.csv"])).await.unwrap();
    assert_eq!(imported, json!([imported_here]));

    let mut cutoff = Function::start("cutoff", &there).await;
    let started = cutoff.invoke(json!({ "period": "2017-01", "kind": "final" })).await.unwrap();
    assert_eq!(started["run"], done_here.run);
    assert_eq!(started["shards"].as_array().unwrap().len(), usize::from(SHARDS));

    let task = |shard: &serde_json::Value| json!({ "period": "2017-01", "run": started["run"], "rulebook": started["rulebook"], "shard": shard });
    // Every shard on the same warm process.
    let mut tally = Function::start("tally", &there).await;
    let mut prove = Function::start("prove", &there).await;
    let mut entries = 0;
    for shard in started["shards"].as_array().unwrap() {
        let tallied = tally.invoke(task(shard)).await.unwrap();
        assert_eq!(tallied["shard"], *shard);
        let proven = prove.invoke(task(shard)).await.unwrap();
        assert_eq!((&proven["shard"], &proven["differing"]), (shard, &json!(0)));
        entries += tallied["entries"].as_u64().unwrap();
    }
    assert_eq!(entries, done_here.entries);
    assert!(tally.is_running());

    let mut settle = Function::start("settle", &there).await;
    let settled = json!({
        "period": "2017-01", "kind": "final", "run": started["run"], "rulebook": started["rulebook"],
    });
    let done = settle.invoke(settled.clone()).await.unwrap();
    assert_eq!(done, serde_json::to_value(&done_here).unwrap());
    assert_eq!(settle.invoke(settled).await.unwrap(), done);
    let run = &done_here.run;
    assert_eq!(Pack::of(&there, "2017-01", run).await, Pack::of(&here, "2017-01", run).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_fails_names_its_class_and_the_process_takes_the_next_one() {
    let programme = Programme::sample(AFTER_JANUARY).await;
    let (refused, broken) = ("Interline.Refused", "Interline.Broken");
    let hash = programme.rulebook().await.hash;
    let task = json!({ "period": "2017-01", "kind": "final", "run": "v1-none", "rulebook": hash });
    let sale = csv(["accrual,dining,S-1,2017-01-05T12:00:00+08:00,m1,100.00,,"]);
    programme.app().inbox.put("inbox/dining/one.csv", sale).await.unwrap();
    let no_such_rulebook = json!({ "period": "2017-01", "run": "r", "rulebook": "0".repeat(64), "shard": 0 });
    for (name, failing, good) in [
        (
            "cutoff",
            vec![
                (json!({}), refused, "the event is not what this function takes"),
                (json!({ "period": "2017-13", "kind": "final" }), refused, "the event is not what this function takes"),
                (json!({ "period": "2017-01", "kind": "rehearsal" }), refused, "the event is not what"),
                (json!({ "period": "2017-01", "kind": "final", "force": true }), refused, "the event is not what"),
                (json!({ "period": "2017-02", "kind": "final" }), refused, "period 2017-02 cannot be closed before"),
                (
                    json!({ "period": "2017-01", "kind": "trial", "run": "trial-../x" }),
                    refused,
                    "run \"trial-../x\" is no name of a trial",
                ),
                (
                    json!({ "period": "2017-01", "kind": "trial", "run": "v1-1" }),
                    refused,
                    "run \"v1-1\" is no name of a trial",
                ),
            ],
            json!({ "period": "2017-01", "kind": "trial" }),
        ),
        (
            "tally",
            vec![
                (json!({ "period": "2017-01" }), refused, "the event is not what this function takes"),
                (no_such_rulebook, broken, "object rulebooks/0000"),
            ],
            json!({ "period": "2017-01", "run": "trial-r", "rulebook": hash, "shard": 63 }),
        ),
        (
            "settle",
            vec![
                (json!(null), refused, "the event is not what"),
                (task, refused, "run v1-none was begun by another version"),
            ],
            json!({}),
        ),
        (
            "import",
            vec![
                (json!({ "Records": 1 }), refused, "the event is not what this function takes"),
                (s3_event(&["inbox/dining/gone.csv"]), broken, "object inbox/dining/gone.csv does not exist"),
            ],
            s3_event(&["inbox/dining/one.csv"]),
        ),
    ] {
        let mut function = Function::start(name, &programme).await;
        for (event, class, message) in failing {
            let error = function.invoke(event.clone()).await.unwrap_err();
            assert_eq!(error["errorType"], class, "{name} {event}: {error}");
            let text = error["errorMessage"].as_str().unwrap();
            assert!(text.starts_with(message), "{name} {event}: {text}");
            let log = function.log_of_request().await;
            assert_eq!(log.last().map(level_to_lambda), Some("ERROR"), "{log:#?}");
        }
        if good != json!({}) {
            function.invoke(good).await.unwrap();
        }
        assert!(function.is_running(), "{name}");
    }
    assert_eq!(programme.balance("m1", AFTER_JANUARY).await, 300);
}

/// The level that Lambda filters a line by: INFO, unless it has a time and a level.
fn level_to_lambda(line: &Value) -> &str {
    let has_time = line["timestamp"].as_str().is_some_and(|time| DateTime::parse_from_rfc3339(time).is_ok());
    match line["level"].as_str() {
        Some(level @ ("TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" | "FATAL")) if has_time => level,
        _ => "INFO",
    }
}

/// The fields of the one line that a request leaves, checked against the names
/// that dashboards and people search for.
fn fields(log: &[Value]) -> &Value {
    log.last().map(|line| &line["fields"]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_requests_of_the_api_on_one_warm_process_are_answered_and_logged_without_the_member() {
    let programme = Programme::sample(AFTER_JANUARY).await;
    let mut record = Function::start("record", &programme).await;
    let body = json!({ "member": "member-7", "occurred_at": "2017-01-05T12:00:00+08:00", "amount": "100.00" });
    let put = event(&arn("line-dining"), "PUT", "/v1/lines/dining/accruals/S-1", &body.to_string());
    // Account, entry and reference in a transaction, the entry in the index, and a check of the past month's gate.
    for (status, cold_start, units) in [(201, true, 9.0), (200, false, 0.0)] {
        let answer = record.invoke(put.clone()).await.unwrap();
        assert_eq!(answer["statusCode"], status);
        let log = record.log_of_request().await;
        let line = fields(&log);
        assert_eq!(line["route"], "put-entry");
        assert_eq!(line["caller"], "line dining");
        assert_eq!((&line["outcome"], &line["status"]), (&json!("done"), &json!(status)));
        assert_eq!(line["cold_start"], cold_start);
        assert_eq!(line["write_units"], units);
        assert!(line["read_units"].as_f64().unwrap() > 0.0 && line["millis"].is_u64(), "{line}");
        assert!(line["request_id"].as_str().unwrap().starts_with("request-"), "{line}");
        assert_eq!((&line["api_request"], &line["person"]), (&json!("JKJaXmPLvHcESHA="), &json!("session")));
        assert!(!log.iter().any(|line| line.to_string().contains("member-7")), "{log:#?}");
    }
    let (line, reference) = (LineId::parse("dining").unwrap(), Reference::parse("S-1").unwrap());
    let ledger = &programme.app().ledger;
    let (recorded, _) = ledger.entry(&line, EntryKind::Accrual, &reference, Scope::Line).await.unwrap().unwrap();
    let asked = Asked { by: "session".to_owned(), request: "JKJaXmPLvHcESHA=".to_owned() };
    assert_eq!(recorded.source, EntrySource::Api(Some(asked)));
    let other = event(&arn("line-grocery"), "PUT", "/v1/lines/dining/accruals/S-2", &body.to_string());
    assert_eq!(record.invoke(other).await.unwrap()["statusCode"], 403);
    let log = record.log_of_request().await;
    assert_eq!((&fields(&log)["outcome"], &fields(&log)["problem"]), (&json!("refused"), &json!("forbidden")));
    assert!(record.is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_is_found_by_the_id_of_a_request_and_by_the_run_and_has_no_member() {
    let programme = Programme::sample(AFTER_JANUARY).await;
    let daemon = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = daemon.local_addr().unwrap().to_string();
    let told = async || {
        let mut bytes = vec![0; 8_192];
        let received = tokio::time::timeout(Duration::from_secs(30), daemon.recv(&mut bytes)).await.unwrap().unwrap();
        let text = String::from_utf8(bytes[..received].to_vec()).unwrap();
        assert!(!text.contains("member-7"), "{text}");
        let (head, document) = text.split_once('\n').unwrap();
        assert_eq!(head, r#"{"format":"json","version":1}"#);
        let document: Value = serde_json::from_str(document).unwrap();
        assert_eq!(document["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!((&document["parent_id"], &document["type"]), (&json!("53995c3f42cd8ad8"), &json!("subsegment")));
        document
    };
    let body = json!({ "member": "member-7", "occurred_at": "2017-01-05T12:00:00+08:00", "amount": "100.00" });
    let put = event(&arn("line-dining"), "PUT", "/v1/lines/dining/accruals/S-1", &body.to_string());
    let mut record = Function::start_traced("record", &programme, &address).await;
    record.invoke(put).await.unwrap();
    let document = told().await;
    let expected = json!({ "request_id": "request-1", "api_request": "JKJaXmPLvHcESHA=" });
    assert_eq!((&document["name"], &document["annotations"]), (&json!("put-entry"), &expected));

    let hash = programme.rulebook().await.hash;
    let task = json!({ "period": "2017-01", "run": "trial-r", "rulebook": hash, "shard": 63 });
    let mut tally = Function::start_traced("tally", &programme, &address).await;
    tally.invoke(task).await.unwrap();
    let document = told().await;
    let expected = json!({ "request_id": "request-1", "period": "2017-01", "run": "trial-r", "shard": "63" });
    assert_eq!((&document["annotations"], &document["fault"]), (&expected, &json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_reaches_its_time_limit_is_answered_so_and_may_be_repeated() {
    let long_ago = 0;
    let programme = Programme::sample(AFTER_JANUARY).await;
    let body = json!({ "member": "m1", "occurred_at": "2017-01-05T12:00:00+08:00", "amount": "100.00" });
    let put = event(&arn("line-dining"), "PUT", "/v1/lines/dining/accruals/S-1", &body.to_string());
    let mut record = Function::start("record", &programme).await;
    assert_eq!(record.invoke_until(put.clone(), long_ago).await.unwrap()["statusCode"], 503);
    assert!([200, 201].map(Value::from).contains(&record.invoke(put).await.unwrap()["statusCode"]));
    assert_eq!(programme.balance("m1", AFTER_JANUARY).await, 300);

    let hash = programme.rulebook().await.hash;
    let task = json!({ "period": "2017-01", "run": "trial-r", "rulebook": hash, "shard": 63 });
    let mut tally = Function::start("tally", &programme).await;
    let error = tally.invoke_until(task.clone(), long_ago).await.unwrap_err();
    assert_eq!(error["errorType"], "Interline.TimedOut");
    let log = tally.log_of_request().await;
    let line = fields(&log);
    assert_eq!(
        (&line["outcome"], &line["run"], &line["shard"]),
        (&json!("Interline.TimedOut"), &json!("trial-r"), &json!(63))
    );
    assert_eq!(tally.invoke(task).await.unwrap()["shard"], 63);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_fails_its_own_request_and_the_process_takes_the_next_one() {
    let programme = Programme::sample(AFTER_JANUARY).await;
    let mut function = Function::start_example("panics", &programme).await;
    let error = function.invoke(json!({ "defect": true })).await.unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("a defect"), "{error}");
    assert_eq!(function.invoke(json!({ "defect": false })).await.unwrap(), json!({ "defect": false }));
    assert!(function.is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_alarms_look_for_is_in_the_log_as_a_metric() {
    let metric = |log: &[Value], name: &str| {
        let of_name = |line: &&Value| line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"] == *name;
        let line = log.iter().find(of_name).unwrap_or_else(|| panic!("no {name} in {log:#?}")).clone();
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Interline");
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Programme"]]));
        assert_eq!(line["Programme"], "interline");
        assert!(line["_aws"]["Timestamp"].is_i64());
        assert_eq!(level_to_lambda(&line), "WARN", "a deployment that keeps warnings only loses {line}");
        line[name].as_u64().unwrap()
    };
    let programme = Programme::sample(AFTER_JANUARY).await;
    let rows = [
        "accrual,dining,S-1,2017-01-05T12:00:00+08:00,m1,100.00,,",
        "accrual,dining,S-2,2017-01-05T12:00:00+08:00,m1,-1,,",
        "redemption,dining,R-1,2017-01-05T13:00:00+08:00,m1,,900,",
    ];
    programme.app().inbox.put("inbox/dining/three.csv", csv(rows)).await.unwrap();
    let mut import = Function::start("import", &programme).await;
    import.invoke(s3_event(&["inbox/dining/three.csv"])).await.unwrap();
    assert_eq!(metric(&import.log_of_request().await, "RejectedRows"), 2);
    import.invoke(s3_event(&["inbox/dining/three.txt"])).await.unwrap();
    assert_eq!(metric(&import.log_of_request().await, "RefusedFiles"), 1);
    programme.app().inbox.put("inbox/dining/bad.csv", csv(&rows[1..2])).await.unwrap();
    import.invoke(s3_event(&["inbox/dining/bad.csv"])).await.unwrap();
    assert_eq!(metric(&import.log_of_request().await, "FullyRejectedFiles"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_run_is_noted_on_its_period_by_the_last_step() {
    let programme = Programme::sample(AFTER_JANUARY).await;
    let mut cutoff = Function::start("cutoff", &programme).await;
    let started = cutoff.invoke(json!({ "period": "2017-01", "kind": "trial" })).await.unwrap();
    let period = started["period"].as_str().unwrap();
    let failed = json!({ "period": period, "run": started["run"], "failed": "a shard was not tallied" });
    assert_eq!(cutoff.invoke(failed).await.unwrap(), json!({}));
    let state = programme.app().ledger.period(Period::parse("2017-01").unwrap()).await.unwrap();
    assert_eq!(state.attempt.unwrap().failed.as_deref(), Some("a shard was not tallied"));
}
