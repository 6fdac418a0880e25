//! DynamoDB or S3 goes away under the functions' own programs, in the middle of
//! what they do, and comes back.

use futures::future::join_all;
use interline_lambda::bootstrap::system_clock;
use interline_tests::SHARDS;
use interline_tests::calls::{arn, event};
use interline_tests::events::some_of_january;
use interline_tests::functions::{Answer, Function};
use interline_tests::outage::{Endpoint, Outage};
use interline_tests::pack::Pack;
use interline_tests::programme::{Programme, s3_event};
use serde_json::{Value, json};

const AFTER_JANUARY: &str = "2017-02-01T01:00:00+08:00";
/// Calls while the store is away.
const CALLS: u64 = 2;
/// A limit that a call to a silent store reaches, in milliseconds.
const SOON: i64 = 1_500;

async fn endpoints(programme: &Programme) -> (Endpoint, Endpoint) {
    let embedded = programme.embedded();
    (Endpoint::of(&embedded.dynamodb_endpoint()).await, Endpoint::of(&embedded.s3_endpoint()).await)
}

fn put(number: u64) -> Value {
    let body = json!({ "member": "m1", "occurred_at": "2017-01-05T12:00:00+08:00", "amount": "100.00" });
    event(&arn("line-dining"), "PUT", &format!("/v1/lines/dining/accruals/S-{number}"), &body.to_string())
}

/// A 503 that says when to come again, and nothing of what is behind.
fn unavailable(answer: &Value, what: &str) {
    assert_eq!(answer["statusCode"], 503, "{what}: {answer}");
    assert_eq!(answer["headers"]["retry-after"], "1", "{what}: {answer}");
    assert_eq!(answer["headers"]["content-type"], "application/problem+json", "{what}: {answer}");
    let body = answer["body"].as_str().unwrap();
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["type"], "urn:interline:problem:unavailable", "{what}: {answer}");
    assert!(!body.contains("127.0.0.1"), "{what}: {answer}");
}

/// The store goes away during the first of some calls: after so many of its
/// answers, and with the next.
async fn away_during_a_call(outage: Outage, answers: i64) {
    let what = format!("{outage:?} after {answers}");
    let programme = Programme::sample(AFTER_JANUARY).await;
    let (dynamodb, s3) = endpoints(&programme).await;
    let mut record = Function::start_behind("record", &dynamodb, &s3).await;
    assert_eq!(record.invoke(put(0)).await.unwrap()["statusCode"], 201, "{what}");
    let before = programme.items().await;

    dynamodb.goes_away_after(answers, outage);
    for number in 1..=CALLS {
        let answer = match outage {
            // The answer is that of the program, which gives up by itself.
            Outage::Refused => record.invoke(put(number)).await,
            Outage::Reset | Outage::Silent => {
                let soon = u64::try_from(system_clock()().timestamp_millis() + SOON).unwrap();
                record.invoke_until(put(number), soon).await
            }
        };
        unavailable(&answer.unwrap(), &what);
        assert!(dynamodb.is_away(), "{what}");
    }
    // The first was read only, or written and its answer lost; the others never arrived.
    let written = u64::try_from(answers).unwrap();
    let items = programme.items().await;
    assert_eq!(items.len() as u64, before.len() as u64 + 2 * written, "{what}");
    assert!(written > 0 || items == before, "{what}");
    assert_eq!(programme.balance("m1", AFTER_JANUARY).await as u64, 300 * (1 + written), "{what}");

    dynamodb.comes_back().await;
    for number in 0..=CALLS {
        let answer = record.invoke(put(number)).await.unwrap();
        let status = if number <= written { 200 } else { 201 };
        assert_eq!(answer["statusCode"], status, "{what} {number}: {answer}");
        let again = record.invoke(put(number)).await.unwrap();
        assert_eq!((&again["statusCode"], &again["body"]), (&json!(200), &answer["body"]), "{what} {number}");
    }
    assert!(record.is_running(), "{what}");
    assert_eq!(programme.balance("m1", AFTER_JANUARY).await as u64, 300 * (1 + CALLS), "{what}");
    assert_eq!(programme.account("m1").await.sequence, 1 + CALLS, "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_dynamodb_is_away_calls_are_answered_503_and_the_same_process_serves_again_afterwards() {
    let outages = [Outage::Refused, Outage::Reset, Outage::Silent];
    join_all(outages.into_iter().flat_map(|outage| [0, 1].map(|answers| away_during_a_call(outage, answers)))).await;
}

fn retryable(answer: Answer, step: &str) {
    let error = answer.expect_err(step);
    assert_eq!(error["errorType"], "Interline.Retryable", "{step}: {error}");
}

/// Fails with the store, and succeeds on the same process once it is back.
async fn fails_and_is_repeated(function: &mut Function, event: Value, away: &Endpoint, step: &str) -> Value {
    retryable(function.invoke(event.clone()).await, step);
    assert!(away.is_away(), "{step}");
    away.comes_back().await;
    let done = function.invoke(event).await.unwrap_or_else(|error| panic!("{step}: {error}"));
    assert!(function.is_running(), "{step}");
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_of_a_month_fails_as_retryable_with_its_store_and_is_repeated_to_the_same_files() {
    let file = some_of_january(1_000);
    let here = Programme::sample(AFTER_JANUARY).await;
    let imported_here = here.deliver("inbox/group/january.csv", &file).await;
    let done_here = here.close("2017-01").await.unwrap();

    let there = Programme::sample(AFTER_JANUARY).await;
    let (dynamodb, s3) = endpoints(&there).await;
    there.app().inbox.put("inbox/group/january.csv", file.clone()).await.unwrap();

    let mut import = Function::start_behind("import", &dynamodb, &s3).await;
    import.first_poll().await;
    dynamodb.goes_away_after(400, Outage::Reset);
    let event = s3_event(&["inbox/group/january.csv"]);
    retryable(import.invoke(event.clone()).await, "import");
    assert!(dynamodb.is_away());
    let entries = there.items().await.keys().filter(|(pk, _)| pk.starts_with("E#")).count() as u64;
    assert!(entries > 100 && entries + 100 < imported_here.rows, "not in the middle: {entries}");
    dynamodb.comes_back().await;
    let imported = import.invoke(event.clone()).await.unwrap();
    assert_eq!(imported[0], json!(imported_here), "as if nothing had happened");
    // Once more, and what was rejected cannot be left beside the file after it and its receipt were read.
    s3.goes_away_after(3, Outage::Refused);
    let imported = fails_and_is_repeated(&mut import, event, &s3, "rejects").await;
    assert_eq!(imported[0]["replayed"], imported_here.accepted);
    here.deliver("inbox/group/january.csv", &file).await;
    let rejects = imported[0]["rejects"].as_str().unwrap();
    let rejected = [&there, &here].map(|programme| programme.app().inbox.get(rejects));
    let [there_rejected, here_rejected] = join_all(rejected).await.try_into().unwrap();
    assert_eq!(there_rejected.unwrap(), here_rejected.unwrap());

    let mut cutoff = Function::start_behind("cutoff", &dynamodb, &s3).await;
    cutoff.first_poll().await;
    dynamodb.goes_away_after(30, Outage::Refused);
    let close = json!({ "period": "2017-01", "kind": "final" });
    let started = fails_and_is_repeated(&mut cutoff, close, &dynamodb, "cutoff").await;
    assert_eq!(started["run"], done_here.run);

    let mut tally = Function::start_behind("tally", &dynamodb, &s3).await;
    let mut prove = Function::start_behind("prove", &dynamodb, &s3).await;
    for shard in 0..SHARDS {
        let task = json!({
            "period": "2017-01", "run": started["run"], "rulebook": started["rulebook"], "shard": shard,
        });
        match shard {
            9 => {
                dynamodb.goes_away_after(0, Outage::Reset);
                fails_and_is_repeated(&mut prove, task.clone(), &dynamodb, "proof of 9").await;
            }
            _ => drop(prove.invoke(task.clone()).await.unwrap()),
        }
        match shard {
            7 => dynamodb.goes_away_after(0, Outage::Reset),
            // With one of the two files.
            8 => s3.goes_away_after(1, Outage::Reset),
            _ => {
                tally.invoke(task).await.unwrap();
                continue;
            }
        }
        let away = if shard == 7 { &dynamodb } else { &s3 };
        fails_and_is_repeated(&mut tally, task, away, &format!("tally of {shard}")).await;
    }

    let mut settle = Function::start_behind("settle", &dynamodb, &s3).await;
    settle.first_poll().await;
    let task = json!({
        "period": "2017-01", "kind": "final", "run": started["run"], "rulebook": started["rulebook"],
    });
    // After the tallies and proofs were read and some of the reports were written.
    s3.goes_away_after(2 * i64::from(SHARDS) + 10, Outage::Reset);
    let done = fails_and_is_repeated(&mut settle, task.clone(), &s3, "settle").await;
    assert_eq!(done, serde_json::to_value(&done_here).unwrap());
    dynamodb.goes_away_after(0, Outage::Refused);
    assert_eq!(fails_and_is_repeated(&mut settle, task, &dynamodb, "settled again").await, done);
    let run = &done_here.run;
    assert_eq!(Pack::of(&there, "2017-01", run).await, Pack::of(&here, "2017-01", run).await);
}
