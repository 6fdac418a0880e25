//! What is paid of a closed month: listed, and confirmed as the bank has carried it out.

use crate::refusals::{owing, statement};
use crate::served::{Served, assert_like};
use interline_domain::units::calendar::Period;
use interline_reports::payment_run::{PAYMENT_RUN, PaymentRun, payment_key};
use serde_json::{Value, json};

const PATH: &str = "/v1/periods/2017-01/payments";

async fn listed(served: &Served) -> Vec<Value> {
    let list = served.get("finance", PATH).await.ok();
    assert_eq!((&list["period"], &list["currency"]), (&json!("2017-01"), &json!("CNY")));
    list["payments"].as_array().unwrap().clone()
}

fn text<'v>(payment: &'v Value, field: &str) -> &'v str {
    payment[field].as_str().unwrap()
}

async fn file(served: &Served, run: u32, path: &str) -> Option<Vec<u8>> {
    let key = payment_key(Period::parse("2017-01").unwrap(), run, path);
    served.programme.app().reports.find(&key).await.unwrap()
}

async fn run(served: &Served, number: u32) -> Option<PaymentRun> {
    file(served, number, PAYMENT_RUN).await.map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn what_was_paid_on_a_day_is_confirmed_on_it_in_one_run_with_its_vouchers() {
    let served = owing().await;
    let open = listed(&served).await;
    for payment in &open {
        assert_eq!(payment["run"], Value::Null);
        let shape = json!({
            "end_to_end_id": "…", "payer": "…", "payee": "…", "amount": "…", "day": "…", "run": null,
        });
        assert_like(payment, &shape);
    }
    assert_eq!(run(&served, 1).await, None);

    let confirmed = served.post("finance", PATH, json!({ "paid_on": "2017-02-20" })).await;
    let said = json!({ "period": "2017-01", "run": 1, "confirmed": open.len(), "open": 0 });
    assert_eq!((confirmed.status, confirmed.json()), (201, said));
    let expected: Vec<Value> = open
        .iter()
        .map(|payment| {
            let mut paid = payment.clone();
            (paid["day"], paid["run"]) = (json!("2017-02-20"), json!(1));
            paid
        })
        .collect();
    assert_eq!(listed(&served).await, expected);

    let state = served.get("finance", "/v1/periods/2017-01").await.ok();
    let written = run(&served, 1).await.unwrap();
    assert_eq!((written.number, written.by.as_deref()), (1, Some("local")));
    let of = (state["final"]["run"].as_str(), state["final"]["manifest"].as_str());
    assert_eq!((Some(written.run.as_str()), Some(written.manifest.as_str())), of);
    let vouchers = String::from_utf8(file(&served, 1, "cash-vouchers.csv").await.unwrap()).unwrap();
    // Both sides of each payment have a voucher of two lines.
    assert_eq!(vouchers.lines().filter(|row| row.contains("2017-02-20")).count(), 4 * open.len(), "{vouchers}");
}

#[tokio::test]
async fn of_a_statement_each_order_is_confirmed_that_it_says_was_booked_and_the_rest_stays_open() {
    let served = owing().await;
    let open = listed(&served).await;
    let (first, rest) = open.split_first().unwrap();
    assert!(!rest.is_empty(), "{open:#?}");
    let booked = statement(text(first, "end_to_end_id"), text(first, "amount"), "2017-02-16");
    let confirmed = served.post("finance", PATH, json!({ "statement": booked })).await;
    let said = json!({ "period": "2017-01", "run": 1, "confirmed": 1, "open": rest.len() });
    assert_eq!((confirmed.status, confirmed.json()), (201, said));
    let mut paid = first.clone();
    (paid["day"], paid["run"]) = (json!("2017-02-16"), json!(1));
    assert_eq!(listed(&served).await, [&[paid.clone()], rest].concat());

    // What is left is confirmed on the days of its orders.
    let confirmed = served.post("finance", PATH, json!({})).await.json();
    assert_eq!(confirmed, json!({ "period": "2017-01", "run": 2, "confirmed": rest.len(), "open": 0 }));
    let rest = rest.iter().map(|payment| {
        let mut paid = payment.clone();
        paid["run"] = json!(2);
        paid
    });
    assert_eq!(listed(&served).await, [paid].into_iter().chain(rest).collect::<Vec<_>>());
    assert!(file(&served, 2, "cash-vouchers.csv").await.is_some());
}

#[tokio::test]
async fn a_confirmation_that_is_repeated_is_refused_and_changes_nothing() {
    let served = owing().await;
    let body = json!({ "paid_on": "2017-02-20" });
    assert_eq!(served.post("finance", PATH, body.clone()).await.status, 201);
    let (paid, written) = (listed(&served).await, run(&served, 1).await);
    let booked = statement(text(&paid[0], "end_to_end_id"), text(&paid[0], "amount"), "2017-02-20");
    for again in [body, json!({ "paid_on": "2017-02-21" }), json!({}), json!({ "statement": booked })] {
        let answer = served.post("finance", PATH, again).await;
        assert_eq!(answer.problem(), ("nothing-to-confirm".to_owned(), None));
    }
    assert_eq!((listed(&served).await, run(&served, 1).await), (paid, written));
    assert_eq!(run(&served, 2).await, None);
}

#[tokio::test]
async fn of_confirmations_at_the_same_time_one_confirms_and_the_others_find_nothing_left() {
    let served = owing().await;
    let days = 10..18;
    let calls = days.map(|day| served.post("finance", PATH, json!({ "paid_on": format!("2017-02-{day}") })));
    let answers = futures::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.problem().0, "nothing-to-confirm");
    }
    let written = run(&served, 1).await.unwrap();
    assert_eq!(run(&served, 2).await, None);
    for payment in listed(&served).await {
        assert_eq!(
            (&payment["run"], text(&payment, "day")),
            (&json!(1), written.confirmed[0].day.to_string().as_str())
        );
    }
}

#[tokio::test]
async fn vouchers_that_a_confirmation_could_not_write_are_written_by_the_next_call() {
    let served = owing().await;
    served.post("finance", PATH, json!({})).await;
    let vouchers = file(&served, 1, "cash-vouchers.csv").await.unwrap();
    let key = payment_key(Period::parse("2017-01").unwrap(), 1, "cash-vouchers.csv");
    let s3 = served.programme.embedded().s3();
    s3.delete_object().bucket(interline::world::REPORTS_BUCKET).key(&key).send().await.unwrap();
    let again = served.post("finance", PATH, json!({})).await;
    assert_eq!(again.problem(), ("nothing-to-confirm".to_owned(), None));
    assert_eq!(file(&served, 1, "cash-vouchers.csv").await, Some(vouchers));
}

#[tokio::test]
async fn before_a_final_run_there_is_nothing_to_list_or_to_confirm_and_a_line_does_neither_ever() {
    let served = Served::sample("2017-02-10T12:00:00+08:00").await;
    for kind in ["none", "trial"] {
        if kind != "none" {
            served.close("2017-01", kind).await;
        }
        let answers = [served.get("finance", PATH).await, served.post("finance", PATH, json!({})).await];
        for answer in answers {
            assert_eq!(answer.problem(), ("not-found".to_owned(), None), "{kind}");
        }
    }
    served.close("2017-01", "final").await;
    for role in ["grocery", "group", "members"] {
        for answer in [served.get(role, PATH).await, served.post(role, PATH, json!({})).await] {
            assert_eq!(answer.problem(), ("forbidden".to_owned(), None), "{role}");
        }
    }
    assert_eq!(listed(&served).await, Vec::<Value>::new());
}
