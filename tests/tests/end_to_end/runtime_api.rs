//! The functions' own programs, as Lambda runs them.

use interline_domain::limits::SHARDS;
use interline_tests::events::{csv, some_of_january};
use interline_tests::functions::Function;
use interline_tests::pack::Pack;
use interline_tests::programme::{Programme, s3_event};
use serde_json::json;

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
    let mut entries = 0;
    for shard in started["shards"].as_array().unwrap() {
        let tallied = tally.invoke(task(shard)).await.unwrap();
        assert_eq!(tallied["shard"], *shard);
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
            ],
            json!({ "period": "2017-01", "kind": "trial" }),
        ),
        (
            "tally",
            vec![
                (json!({ "period": "2017-01" }), refused, "the event is not what this function takes"),
                (no_such_rulebook, broken, "object rulebooks/0000"),
            ],
            json!({ "period": "2017-01", "run": "r", "rulebook": hash, "shard": 63 }),
        ),
        (
            "settle",
            vec![(json!(null), refused, "the event is not what"), (task, broken, "object periods/2017-01")],
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
        }
        if good != json!({}) {
            function.invoke(good).await.unwrap();
        }
        assert!(function.is_running(), "{name}");
    }
    assert_eq!(programme.balance("m1", AFTER_JANUARY).await, 300);
}
