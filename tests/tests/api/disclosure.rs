//! What a line is told about others: sums, unless the rulebook says that it sees pairs.

use crate::served::{Served, redemption, reversal, sale};
use interline_tests::programme::RULEBOOK;
use serde_json::{Value, json};

const NOW: &str = "2017-02-01T09:00:00+08:00";

/// A member who bought at the bakery and at the grocery, spent at the grocery, and
/// took part of it back; January is closed.
async fn january(disclose: Option<&str>) -> Served {
    let rulebook = match disclose {
        None => RULEBOOK.to_owned(),
        Some(word) => RULEBOOK.replacen("\nnetting =", &format!("\ndisclose = \"{word}\"\nnetting ="), 1),
    };
    let served = Served::with_rulebook(&rulebook, NOW).await;
    served.record("bakery", "accruals/B-1", sale("m1", "2017-01-10T10:00:00+08:00", "100.00")).await;
    served.record("grocery", "accruals/G-1", sale("m1", "2017-01-11T10:00:00+08:00", "250.00")).await;
    served.record("grocery", "redemptions/R-1", redemption("m1", "2017-01-21T10:00:00+08:00", 300)).await;
    let mut part = reversal("m1", "2017-01-22T10:00:00+08:00", "redemption:R-1");
    part["points"] = json!(5);
    served.record("grocery", "reversals/V-1", part).await;
    // Spent already: the bakery's own points are owed to it, and repaid by the grocery's.
    served.record("bakery", "reversals/T-1", reversal("m1", "2017-01-23T10:00:00+08:00", "accrual:B-1")).await;
    served.close("2017-01", "trial").await;
    served
}

/// Every line that is named in what a role is shown.
fn named(shown: &Value) -> Vec<&'static str> {
    let text = shown.to_string();
    ["bakery", "grocery"].into_iter().filter(|line| text.contains(&format!("\"{line}\""))).collect()
}

const ENTRIES: [&str; 6] = [
    "/v1/lines/grocery/accruals/G-1",
    "/v1/lines/grocery/redemptions/R-1",
    "/v1/lines/grocery/reversals/V-1",
    "/v1/lines/grocery/entries?period=2017-01",
    "/v1/lines/grocery/entries?period=2017-01&kind=redemption",
    "/v1/lines/grocery/position?period=2017-01",
];

#[tokio::test]
async fn a_line_is_shown_no_other_line_unless_the_rulebook_says_so() {
    for disclose in [None, Some("totals")] {
        let served = january(disclose).await;
        for path in ENTRIES {
            let shown = served.get("grocery", path).await.ok();
            assert_eq!(named(&shown), ["grocery"], "{path}: {shown}");
        }
        let spent = served.get("grocery", ENTRIES[1]).await.ok();
        assert_eq!(spent["points"], 300);
        assert_eq!(spent["indicative_settlement"]["obligations"], json!([]));
        let all = served.get("finance", ENTRIES[1]).await.ok();
        assert_eq!(spent["indicative_settlement"]["amount"], all["indicative_settlement"]["amount"]);
        let of = |entry: &Value, line: &str| -> i64 {
            let slices = entry["slices"].as_array().unwrap().iter().filter(|slice| slice["funder"] == line);
            slices.map(|slice| slice["points"].as_i64().unwrap()).sum()
        };
        assert_eq!((of(&all, "bakery") + of(&all, "grocery"), of(&spent, "bakery")), (300, 0));
        assert_eq!(of(&spent, "grocery"), of(&all, "grocery"));
        let position = served.get("grocery", ENTRIES[5]).await.ok();
        assert_ne!(position["gross_receivable"], "0.00");
        assert_eq!((&position["owes"], &position["is_owed"]), (&json!([]), &json!([])));
        // What a line records is answered likewise.
        let again = served
            .put("grocery", "/v1/lines/grocery/redemptions/R-1", redemption("m1", "2017-01-21T10:00:00+08:00", 300))
            .await
            .ok();
        assert_eq!(named(&again), ["grocery"]);
        let quote = json!({ "member": "m1", "line": "grocery" });
        let quoted = served.post("grocery", "/v1/quotes", quote.clone()).await.ok();
        assert_eq!(quoted["balance"], Value::Null);
        assert_ne!(served.post("members", "/v1/quotes", quote).await.ok()["balance"], Value::Null);
        let much = json!({ "member": "m1", "line": "grocery", "points": 100_000 });
        let why = served.post("grocery", "/v1/quotes", much.clone()).await.ok()["reason"]["detail"].clone();
        assert_eq!(why, "the member has fewer points than were asked for");
        let why = served.post("members", "/v1/quotes", much).await.ok()["reason"]["detail"].clone();
        assert!(why.as_str().unwrap().contains("100000 were asked for"), "{why}");
    }
}

#[tokio::test]
async fn finance_sees_pairs_and_so_does_a_line_where_the_rulebook_discloses_them() {
    let (totals, pairs) = (january(None).await, january(Some("pairs")).await);
    for path in [ENTRIES[1], ENTRIES[3], ENTRIES[4], ENTRIES[5]] {
        let shown = totals.get("finance", path).await.ok();
        assert_eq!(named(&shown), ["bakery", "grocery"], "{path}");
        let shown = pairs.get("grocery", path).await.ok();
        assert_eq!(named(&shown), ["bakery", "grocery"], "{path}");
    }
    let quoted = pairs.post("grocery", "/v1/quotes", json!({ "member": "m1", "line": "grocery" })).await.ok();
    assert!(quoted["balance"].is_i64());
}
