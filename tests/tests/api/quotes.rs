//! Quotes: points to value and back, and why nothing can be redeemed.

use crate::served::{Served, redemption, reversal, sale, with_pairs};
use interline_tests::cny;
use interline_tests::programme::{RULEBOOK, edited};
use serde_json::{Value, json};

const NOW: &str = "2017-01-20T12:00:00+08:00";

/// Lines with terms of every sort; the sample has none.
fn terms() -> String {
    let burn = |line: &str| format!("line = \"{line}\"\nfrom = \"2017-01-01\"\nvalue = \"0.01\"\n");
    let terms = [
        ("dining", "value = \"0.01\"\nminimum = 100\nstep = 50\nmax_per_order = 1000\n"),
        ("fuel", "value = \"0.01\"\nmax_bill_share = \"0.5\"\n"),
        ("bakery", "value = \"0.01\"\nmax_per_day = 200\nmax_per_month = 5000\n"),
        ("garden", "value = \"0.01\"\nmax_per_month = 400\nstep = 100\n"),
        ("travel", "value = \"0.015\"\nminimum = 7\nstep = 5\n"),
    ];
    let terms: Vec<(String, String)> =
        terms.map(|(line, terms)| (burn(line), format!("line = \"{line}\"\nfrom = \"2017-01-01\"\n{terms}"))).into();
    let terms: Vec<(&str, &str)> = terms.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
    edited(RULEBOOK, &terms)
}

/// `rich` has 6,004 points, `poor` 60, `nobody` none.
async fn members() -> Served {
    let served = Served::with_rulebook(&with_pairs(&terms()), NOW).await;
    for (line, event, body) in [
        ("grocery", "accruals/S-1", sale("rich", "2017-01-02T10:00:00+08:00", "6000.00")),
        ("spirits", "accruals/S-1", sale("rich", "2017-01-02T10:00:00+08:00", "304.00")),
        ("bakery", "redemptions/R-1", redemption("rich", "2017-01-20T09:00:00+08:00", 150)),
        ("garden", "redemptions/R-1", redemption("rich", "2017-01-03T10:00:00+08:00", 100)),
        ("garden", "redemptions/R-2", redemption("rich", "2017-01-04T10:00:00+08:00", 100)),
        ("garden", "reversals/V-1", reversal("rich", "2017-01-05T10:00:00+08:00", "redemption:R-2")),
        ("fuel", "redemptions/R-1", {
            let mut body = redemption("rich", "2017-01-05T10:00:00+08:00", 50);
            body["bill"] = json!("1.00");
            body
        }),
        ("grocery", "accruals/S-2", sale("poor", "2017-01-02T10:00:00+08:00", "60.00")),
    ] {
        served.record(line, event, body).await;
    }
    served
}

fn asked(member: &str, line: &str, bill: &str, wish: &str) -> Value {
    let mut body = json!({ "member": member, "line": line });
    if !bill.is_empty() {
        body["bill"] = json!(bill);
    }
    match wish {
        "most" => {}
        value if value.contains('.') => body["value"] = json!(value),
        points => body["points"] = json!(points.parse::<i64>().unwrap()),
    }
    body
}

#[tokio::test]
async fn a_quote_says_points_and_value_and_the_reason_when_nothing_can_be_redeemed() {
    let served = members().await;
    for (member, line, bill, wish, points, value, most, cap, reason) in [
        // Points to value, value to points, and all there is.
        ("rich", "grocery", "", "1", 1, "0.01", 6004, None, None),
        ("rich", "grocery", "", "250", 250, "2.50", 6004, None, None),
        ("rich", "grocery", "", "6004", 6004, "60.04", 6004, None, None),
        ("rich", "grocery", "", "6005", 0, "0.00", 6004, None, Some("insufficient-points")),
        ("rich", "grocery", "", "2.50", 250, "2.50", 6004, None, None),
        ("rich", "grocery", "", "60.05", 0, "0.00", 6004, None, Some("insufficient-points")),
        ("rich", "grocery", "", "most", 6004, "60.04", 6004, None, None),
        ("nobody", "grocery", "", "most", 0, "0.00", 0, None, Some("insufficient-points")),
        ("nobody", "grocery", "", "1", 0, "0.00", 0, None, Some("insufficient-points")),
        // A minimum of 100 in steps of 50, at most 1,000 an order.
        ("rich", "dining", "", "100", 100, "1.00", 1000, Some(1000), None),
        ("rich", "dining", "", "50", 0, "0.00", 1000, Some(1000), Some("below-minimum")),
        ("rich", "dining", "", "120", 0, "0.00", 1000, Some(1000), Some("off-step")),
        ("rich", "dining", "", "1050", 0, "0.00", 1000, Some(1000), Some("above-order-cap")),
        ("rich", "dining", "", "1001", 0, "0.00", 1000, Some(1000), Some("above-order-cap")),
        ("rich", "dining", "", "1.99", 150, "1.50", 1000, Some(1000), None),
        ("rich", "dining", "", "0.49", 0, "0.00", 1000, Some(1000), Some("below-minimum")),
        ("rich", "dining", "", "most", 1000, "10.00", 1000, Some(1000), None),
        ("poor", "dining", "", "most", 0, "0.00", 0, Some(1000), Some("insufficient-points")),
        ("poor", "dining", "", "100", 0, "0.00", 0, Some(1000), Some("insufficient-points")),
        ("poor", "dining", "", "70", 0, "0.00", 0, Some(1000), Some("off-step")),
        // At most half of the bill.
        ("rich", "fuel", "3.99", "most", 199, "1.99", 199, Some(199), None),
        ("rich", "fuel", "3.99", "200", 0, "0.00", 199, Some(199), Some("above-bill-cap")),
        ("rich", "fuel", "0.01", "most", 0, "0.00", 0, Some(0), Some("above-bill-cap")),
        ("poor", "fuel", "1000.00", "most", 60, "0.60", 60, Some(50_000), None),
        // At most 200 a day, of which 150 are used.
        ("rich", "bakery", "", "most", 50, "0.50", 50, Some(50), None),
        ("rich", "bakery", "", "51", 0, "0.00", 50, Some(50), Some("above-day-cap")),
        // At most 400 a month in hundreds, of which 100 are used and 100 were given back.
        ("rich", "garden", "", "most", 300, "3.00", 300, Some(300), None),
        ("rich", "garden", "", "400", 0, "0.00", 300, Some(300), Some("above-month-cap")),
        ("poor", "garden", "", "most", 0, "0.00", 0, Some(400), Some("insufficient-points")),
        // 1.5 fen a point, from 10 points in steps of 5.
        ("rich", "travel", "", "10", 10, "0.15", 6000, None, None),
        ("rich", "travel", "", "15", 15, "0.23", 6000, None, None),
        ("rich", "travel", "", "5", 0, "0.00", 6000, None, Some("below-minimum")),
        ("rich", "travel", "", "7", 0, "0.00", 6000, None, Some("off-step")),
        ("rich", "travel", "", "0.22", 10, "0.15", 6000, None, None),
        ("rich", "travel", "", "most", 6000, "90.00", 6000, None, None),
    ] {
        let case = format!("{member} {line} {bill} {wish}");
        let quote = served.post(line, "/v1/quotes", asked(member, line, bill, wish)).await.ok();
        let said = (quote["points"].as_i64(), quote["value"].as_str(), quote["most"].as_i64(), quote["cap"].as_i64());
        // 304 more of spirits', less what was redeemed.
        assert_eq!(said, (Some(points), Some(value), Some(most), cap), "{case}: {quote:#}");
        assert_eq!(quote["reason"]["code"].as_str(), reason, "{case}: {quote:#}");
        assert_eq!(quote["reason"].is_null(), points > 0, "{case}");
        if !quote["reason"].is_null() {
            assert!(quote["reason"]["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{case}");
            assert_eq!(quote["reason"]["field"], "points", "{case}");
        }
        for (role, expected) in [("members", &quote), ("finance", &quote)] {
            let same = served.post(role, "/v1/quotes", asked(member, line, bill, wish)).await.ok();
            assert_eq!(same, *expected, "{case} by {role}");
        }
    }
}

#[tokio::test]
async fn a_quote_says_the_terms_of_the_line() {
    let served = members().await;
    let quote = served.post("members", "/v1/quotes", asked("rich", "dining", "", "100")).await.ok();
    assert_eq!(
        quote,
        json!({
            "member": "rich", "line": "dining", "as_of": "2017-01-20", "currency": "CNY", "balance": 6004, "points": 100,
            "value": "1.00", "most": 1000, "minimum": 100, "step": 50, "cap": 1000, "value_per_point": "0.01",
            "reason": null,
        })
    );
    let least = served.post("members", "/v1/quotes", asked("poor", "garden", "", "most")).await.ok();
    assert_eq!(least["reason"]["detail"], "the member has 60 points, 100 were asked for");
}

#[tokio::test]
async fn what_was_quoted_is_accepted_and_what_was_not_is_refused_for_the_same_reason() {
    let served = members().await;
    let mut number = 0;
    let (mut accepted, mut refused) = (0, 0);
    for member in ["rich", "poor", "nobody"] {
        for (line, bill) in [
            ("grocery", ""),
            ("dining", ""),
            ("fuel", "0.01"),
            ("fuel", "0.99"),
            ("fuel", "77.77"),
            ("bakery", ""),
            ("garden", ""),
            ("travel", ""),
        ] {
            for wish in [
                "most", "1", "10", "50", "60", "75", "100", "101", "400", "1000", "6004", "6005", "0.01", "0.37",
                "1.00", "12.34",
            ] {
                let case = format!("{member} {line} {bill} {wish}");
                let quote = served.post("members", "/v1/quotes", asked(member, line, bill, wish)).await.ok();
                let wished = match wish.parse::<i64>() {
                    Ok(points) => points,
                    Err(_) if quote["points"] == 0 => continue,
                    Err(_) => quote["points"].as_i64().unwrap(),
                };
                if wish.contains('.') {
                    let minor = |value: &str| cny().parse_money(value).unwrap().minor();
                    assert!(minor(quote["value"].as_str().unwrap()) <= minor(wish), "{case}: {quote}");
                }
                number += 1;
                let mut body = redemption(member, "2017-01-20T11:00:00+08:00", wished);
                if !bill.is_empty() {
                    body["bill"] = json!(bill);
                }
                let path = format!("/v1/lines/{line}/redemptions/Q-{number}");
                let answer = served.put(line, &path, body).await;
                if quote["reason"].is_null() {
                    assert_eq!(answer.status, 201, "{case}: {}", answer.text());
                    let entry = answer.json();
                    assert_eq!((&entry["points"], &entry["value"]), (&quote["points"], &quote["value"]), "{case}");
                    let left = quote["balance"].as_i64().unwrap() - wished;
                    assert_eq!(entry["balance"], left, "{case}");
                    let undo = reversal(member, "2017-01-20T11:30:00+08:00", &format!("redemption:Q-{number}"));
                    let undone = served.record(line, &format!("reversals/Q-{number}"), undo).await;
                    assert_eq!(undone["balance"], quote["balance"], "{case}");
                    accepted += 1;
                } else {
                    assert_eq!(
                        Some(answer.problem().0.as_str()),
                        quote["reason"]["code"].as_str(),
                        "{case}: {quote:#}"
                    );
                    refused += 1;
                }
            }
        }
    }
    assert!(accepted > 50 && refused > 50, "{accepted} accepted, {refused} refused");
}
