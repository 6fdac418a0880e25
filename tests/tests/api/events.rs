//! Several events of a line in one call.

use crate::served::{Served, as_recorded, sale};
use interline_ledger::store::{Condition, Key};
use serde_json::{Value, json};

const NOW: &str = "2017-02-01T09:00:00+08:00";

fn accrual(reference: &str, member: &str, day: u32, amount: &str) -> Value {
    let at = format!("2017-01-{day:02}T10:00:00+08:00");
    json!({ "kind": "accrual", "reference": reference, "member": member, "occurred_at": at, "amount": amount })
}

fn redemption(reference: &str, member: &str, day: u32, points: i64) -> Value {
    let at = format!("2017-01-{day:02}T11:00:00+08:00");
    json!({ "kind": "redemption", "reference": reference, "member": member, "occurred_at": at, "points": points })
}

async fn answers(served: &Served, events: Value) -> Vec<Value> {
    let answer = served.put("grocery", "/v1/lines/grocery/events", json!({ "events": events })).await;
    answer.ok()["answers"].as_array().unwrap().clone()
}

fn statuses(answers: &[Value]) -> Vec<u64> {
    answers.iter().map(|answer| answer["status"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn each_event_gets_the_answer_that_it_would_get_alone_in_the_order_of_the_events() {
    let alone = Served::sample(NOW).await;
    let together = Served::sample(NOW).await;
    let back = json!({
        "kind": "reversal", "reference": "V-1", "member": "m1", "occurred_at": "2017-01-22T10:00:00+08:00",
        "reverses": { "kind": "accrual", "reference": "A-1" }, "amount": "10.00",
    });
    let events = [
        accrual("A-1", "m1", 20, "250.00"),
        redemption("R-9", "m2", 20, 10),
        redemption("R-1", "m1", 21, 20),
        accrual("A-1", "m1", 20, "250.00"),
        accrual("A-1", "m1", 20, "99.00"),
        accrual("A-1", "m3", 20, "250.00"),
        back,
        accrual("A-2", "m2", 25, "1.00"),
        redemption("R-1", "m1", 21, 21),
        accrual("A-3", "m4", 31, "0.00"),
    ];
    let given = answers(&together, json!(events)).await;
    assert_eq!(statuses(&given), [201, 422, 201, 200, 409, 409, 201, 201, 409, 400]);
    for (event, given) in events.iter().zip(&given) {
        let mut body = event.clone();
        let fields = body.as_object_mut().unwrap();
        let (kind, reference) = (fields.remove("kind").unwrap(), fields.remove("reference").unwrap());
        let path = format!("/v1/lines/grocery/{}s/{}", kind.as_str().unwrap(), reference.as_str().unwrap());
        let answer = alone.put("grocery", &path, body).await;
        assert_eq!(given["status"], answer.status, "{event}");
        match given.get("entry") {
            Some(entry) => assert_eq!(as_recorded(entry.clone()), as_recorded(answer.json()), "{event}"),
            None => assert_eq!(given["problem"], answer.json(), "{event}"),
        }
    }
    // The whole call again: nothing is recorded twice.
    let again = answers(&together, json!(events)).await;
    assert_eq!(statuses(&again), [200, 422, 200, 200, 409, 409, 200, 200, 409, 400]);
}

#[tokio::test]
async fn of_two_members_with_one_reference_the_first_in_the_call_has_it() {
    let served = Served::sample(NOW).await;
    let events = json!([
        accrual("O-1", "p1", 3, "5.00"),
        accrual("O-2", "p2", 3, "5.00"),
        accrual("O-2", "p1", 3, "5.00"),
        // Refused, so the reference is free for the next.
        redemption("O-3", "p3", 3, 9_000),
        redemption("O-3", "p1", 3, 1),
    ]);
    assert_eq!(statuses(&answers(&served, events.clone()).await), [201, 201, 409, 422, 201]);
    // He does not have them now either; the reference is taken.
    assert_eq!(statuses(&answers(&served, events).await), [200, 200, 409, 409, 200]);
}

#[tokio::test]
async fn a_malformed_event_is_told_and_holds_no_other_up() {
    let served = Served::sample(NOW).await;
    let without = |field: &str| {
        let mut event = accrual("X-1", "m1", 20, "1.00");
        event.as_object_mut().unwrap().remove(field);
        event
    };
    let with = |field: &str, value: Value| {
        let mut event = accrual("X-1", "m1", 20, "1.00");
        event[field] = value;
        event
    };
    for (event, field) in [
        (without("kind"), "kind"),
        (without("reference"), "reference"),
        (without("member"), "member"),
        (without("amount"), "amount"),
        (with("kind", json!("adjustment")), "kind"),
        (with("kind", json!(1)), "kind"),
        (with("reference", json!("a b")), "reference"),
        (with("reference", json!(7)), "reference"),
        (with("member", json!(7)), "member"),
        (with("amount", json!("1.001")), "amount"),
        (with("amount", json!(1)), "amount"),
        (with("points", json!(1)), "points"),
        (with("occurred_at", json!("yesterday")), "occurred_at"),
    ] {
        let good = accrual("A-1", "m1", 20, "1.00");
        let given = answers(&served, json!([event, good])).await;
        assert_eq!(given[0]["status"], 400, "{event}");
        assert_eq!(given[0]["problem"]["field"], field, "{event}: {}", given[0]);
        assert!(given[1]["status"].as_u64().unwrap() < 300, "{event}");
    }
    // Of a field that stands there twice a map would keep one.
    for (twice, field) in [
        (r#""kind":"accrual","amount":"1.00","amount":"500.00""#, "amount"),
        (r#""kind":"redemption","kind":"accrual","amount":"1.00""#, "kind"),
        (r#""kind":"reversal","reverses":{"kind":"accrual","reference":"S","reference":"S"}"#, "reverses.reference"),
    ] {
        let event = format!(r#"{{"reference":"T-1","member":"m1","occurred_at":"2017-01-20T10:00:00+08:00",{twice}}}"#);
        let good = accrual("A-1", "m1", 20, "1.00");
        let body = format!(r#"{{"events":[{event},{good}]}}"#);
        let given = served.call("grocery", "PUT", "/v1/lines/grocery/events", &[], &body).await.ok();
        assert_eq!(given["answers"][0]["problem"]["field"], field, "{given}");
        assert_eq!((&given["answers"][0]["status"], &given["answers"][1]["status"]), (&json!(400), &json!(200)));
    }
    let given = answers(&served, json!(["x", null, 7, []])).await;
    assert_eq!(statuses(&given), [400; 4]);
    for (events, field) in [(json!([]), "events"), (json!(vec![1; 26]), "events"), (json!({}), "events")] {
        let body = json!({ "events": events });
        let answer = served.put("grocery", "/v1/lines/grocery/events", body).await;
        assert_eq!((answer.status, answer.problem().1.as_deref()), (400, Some(field)));
    }
}

#[tokio::test]
async fn a_full_call_of_one_member_and_one_of_many_are_recorded_whole() {
    let served = Served::sample(NOW).await;
    let of_one: Vec<Value> = (0..25).map(|number| accrual(&format!("O-{number}"), "m1", 20, "1.00")).collect();
    let of_many: Vec<Value> =
        (0..25).map(|number| accrual(&format!("M-{number}"), &format!("n{number}"), 20, "1.00")).collect();
    for events in [of_one, of_many] {
        assert_eq!(statuses(&answers(&served, json!(events)).await), [201; 25]);
    }
    assert_eq!(served.get("members", "/v1/members/m1").await.ok()["balance"], 25);
}

#[tokio::test]
async fn a_fault_of_ours_with_one_member_is_told_of_that_members_events_only() {
    let served = Served::sample(NOW).await;
    served.record("grocery", "accruals/S-1", sale("m1", "2017-01-20T10:00:00+08:00", "1.00")).await;
    let store = served.programme.app().ledger.store();
    let key = Key { pk: "M#m1".to_owned(), sk: "A".to_owned() };
    let mut account = store.get(&key).await.unwrap().unwrap();
    account.remove("v");
    assert!(store.put(account, Condition::None).await.unwrap());
    let events = json!([accrual("A-1", "m1", 20, "1.00"), accrual("A-2", "m2", 20, "1.00")]);
    let given = answers(&served, events).await;
    assert_eq!(statuses(&given), [500, 201]);
    assert_eq!(given[0]["problem"]["type"], "urn:interline:problem:internal");
    assert!(!given[0].to_string().contains("M#"), "nothing of the table is told");
    // Alone it is the call's own answer.
    let events = json!({ "events": [accrual("A-1", "m1", 20, "1.00")] });
    assert_eq!(served.put("grocery", "/v1/lines/grocery/events", events).await.status, 500);
}
