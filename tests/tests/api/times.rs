//! Which period an event belongs to, and which one clears it.

use crate::served::{Served, as_recorded, redemption, sale};
use serde_json::{Value, json};

#[tokio::test]
async fn an_event_belongs_to_the_month_of_the_programmes_clock_whatever_its_offset() {
    let served = Served::sample("2017-02-01T00:30:00+08:00").await;
    for (number, (at, period)) in [
        ("2017-01-01T00:00:00+08:00", "2017-01"),
        ("2016-12-31T16:00:00Z", "2017-01"),
        ("2016-12-31T06:00:00-10:00", "2017-01"),
        ("2017-01-01T06:00:00+14:00", "2017-01"),
        ("2017-01-31T23:59:59+08:00", "2017-01"),
        ("2017-01-31T23:59:59.999999999+08:00", "2017-01"),
        ("2017-01-31T15:59:59Z", "2017-01"),
        ("2017-02-01T04:59:59+13:00", "2017-01"),
        ("2017-02-01T00:00:00+08:00", "2017-02"),
        ("2017-01-31T16:00:00Z", "2017-02"),
        ("2017-01-31T11:00:00-05:00", "2017-02"),
        ("2017-01-31T16:00:00.000000001Z", "2017-02"),
    ]
    .into_iter()
    .enumerate()
    {
        let event = format!("accruals/S-{number}");
        let entry = served.record("grocery", &event, sale("m1", at, "1.00")).await;
        assert_eq!((&entry["period"], &entry["origin_period"]), (&json!(period), &Value::Null), "{at}");
        // As it was sent: a line finds its own time again.
        assert_eq!(entry["occurred_at"], at, "{at}");
        assert_eq!(entry["slices"][0]["issued"], period, "{at}");
        let path = format!("/v1/lines/grocery/{event}");
        assert_eq!(as_recorded(served.get("grocery", &path).await.ok()), entry);
    }
}

#[tokio::test]
async fn an_event_before_the_programme_or_in_the_future_is_refused_to_the_second() {
    let served = Served::sample("2017-01-20T12:00:00+08:00").await;
    for (at, refused) in [
        ("2016-12-31T23:59:59.999999999+08:00", Some("before-programme")),
        ("2016-12-31T15:59:59Z", Some("before-programme")),
        ("1970-01-01T00:00:00Z", Some("before-programme")),
        ("2016-12-31T16:00:00Z", None),
        ("2017-01-20T12:10:00+08:00", None),
        ("2017-01-20T04:10:00.000000001Z", Some("in-the-future")),
        ("2017-01-20T12:10:00Z", Some("in-the-future")),
        ("2199-12-31T23:59:59Z", Some("in-the-future")),
    ] {
        let reference = at.replace([':', '+'], "-");
        let answer =
            served.put("grocery", &format!("/v1/lines/grocery/accruals/{reference}"), sale("m1", at, "1.00")).await;
        match refused {
            None => assert_eq!(answer.status, 201, "{at}: {}", answer.text()),
            Some(slug) => assert_eq!(answer.problem(), (slug.to_owned(), Some("occurred_at".to_owned())), "{at}"),
        }
    }
}

#[tokio::test]
async fn an_event_after_the_cut_off_is_cleared_in_the_next_period_and_says_so() {
    let served = Served::sample("2017-01-31T12:00:00+08:00").await;
    served.record("grocery", "accruals/S-1", sale("m1", "2017-01-05T12:00:00+08:00", "100.00")).await;
    served.set_now("2017-02-10T12:00:00+08:00");
    // Late in being told, but the period is not sealed yet.
    let tardy = served.record("grocery", "accruals/S-2", sale("m1", "2017-01-06T12:00:00+08:00", "100.00")).await;
    assert_eq!((&tardy["period"], &tardy["origin_period"]), (&json!("2017-01"), &Value::Null));
    assert_eq!(served.close("2017-01", "final").await["status"], "final");

    let body = redemption("m1", "2017-01-31T23:59:59+08:00", 150);
    let late = served.record("dining", "redemptions/R-1", body.clone()).await;
    assert_eq!((&late["period"], &late["origin_period"]), (&json!("2017-02"), &json!("2017-01")));
    let replayed = served.put("dining", "/v1/lines/dining/redemptions/R-1", body.clone()).await;
    assert_eq!((replayed.status, replayed.json()), (200, late.clone()));
    let mut other = body;
    other["points"] = json!(151);
    let conflict = served.put("dining", "/v1/lines/dining/redemptions/R-1", other).await;
    assert_eq!(conflict.problem(), ("conflict".to_owned(), Some("points".to_owned())));
    // It is found under the month in which it happened, and listed where it is cleared.
    let one = "/v1/lines/dining/redemptions/R-1";
    assert_eq!(as_recorded(served.get("dining", one).await.ok()), late);
    let listed = |period: &'static str| {
        let served = &served;
        async move {
            let path = format!("/v1/lines/dining/entries?period={period}");
            served.get("dining", &path).await.ok()["entries"].as_array().unwrap().clone()
        }
    };
    assert_eq!(listed("2017-01").await, Vec::<Value>::new());
    assert_eq!(listed("2017-02").await, std::slice::from_ref(&late));
    let statement = served.get("members", "/v1/members/m1/entries").await.ok();
    assert_eq!(statement["entries"].as_array().unwrap().len(), 3);
    assert_eq!(statement["entries"][0], late);

    // Months later it goes where the books are open.
    served.set_now("2017-03-10T12:00:00+08:00");
    assert_eq!(served.close("2017-02", "final").await["status"], "final");
    let later = served.record("grocery", "accruals/S-3", sale("m1", "2017-01-07T12:00:00+08:00", "1.00")).await;
    assert_eq!((&later["period"], &later["origin_period"]), (&json!("2017-03"), &json!("2017-01")));
    let position = served.get("dining", "/v1/lines/dining/position?period=2017-02").await.ok();
    assert_eq!(position["is_owed"][0]["prior_period"], position["is_owed"][0]["amount"]);
}
