//! Programmes in a currency without decimals and in one with three: the same events, by the
//! API and by file, with figures worked by hand.

use crate::served::{Served, redemption, reversal, sale};
use interline_domain::close::settlement::Settlement;
use interline_reports::document::{Document, SETTLEMENT};
use interline_reports::pack::STATEMENT;
use interline_tests::events::{csv, gunzip};
use interline_tests::pack::Pack;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NOW: &str = "2025-02-10T09:00:00+09:00";

/// A programme of two lines and the group: at the shop a point for every so many units of a
/// sale, at the inn a point is worth a hundredth of that.
fn rulebook(code: &str, points_per_unit: &str, value: &str, price: &str) -> String {
    format!(
        r#"
programme = {{ name = "Of {code}", currency = "{code}", time_zone = "Asia/Tokyo", first_period = "2025-01", platform = "hq", netting = "hub", pseudonym_salt = "currencies" }}
lines = [{{ id = "hq", name = "Group", entity = "Group KK", bank_account = "0001", bic = "BOTKJPJT" }}, {{ id = "shop", name = "Shop", entity = "Shop KK", bank_account = "0002", bic = "BOTKJPJT" }}, {{ id = "inn", name = "Inn", entity = "Inn KK", bank_account = "0003", bic = "BOTKJPJT" }}]
earn = [{{ line = "shop", from = "2025-01-01", points_per_unit = "{points_per_unit}" }}]
burn = [{{ line = "inn", from = "2025-01-01", value = "{value}", max_bill_share = "0.5" }}]
prices = [{{ redeemer = "shop", from = "2025-01-01", price = "{price}" }}, {{ redeemer = "inn", from = "2025-01-01", price = "{price}" }}]
splits = [{{ rule = "standard", from = "2025-01-01", shares = [{{ to = "redeemer", share = "0.97" }}, {{ to = "hq", share = "0.03" }}] }}]
expiry = [{{ from = "2025-01-01", never = true }}]
liability = [{{ from = "2025-01-01", face_value = "{value}", initial_urr = "0.95" }}]
"#
    )
}

/// What a month comes to in a currency.
struct Case {
    code: &'static str,
    rulebook: String,
    /// Two sales, a part of the first that is refunded, and the member's bill at the inn.
    sales: [&'static str; 2],
    refunded: &'static str,
    bill: &'static str,
    /// An amount that is too fine, and what is said of it.
    too_fine: (&'static str, &'static str),
    /// What 55 points are worth at the inn, and what is owed for them.
    spent: [&'static str; 2],
    /// For 33 points, and for 10 of the 55 given back.
    others: [&'static str; 2],
    /// What the shop owes, the inn's part of it and the group's.
    owed: [&'static str; 3],
    /// Contract liability: added, given back with the refund, recognised, and left.
    liability: [&'static str; 4],
}

/// 12,345 yen earn 123 points, 9,999 earn 99. A point is worth a yen and costs 0.9.
///
/// 55 points: 49.5, so 50. 33: 29.7, so 30. Of the 55 ten are given back: 50 x 10 / 55 = 9.09,
/// so 9. In all 71: 68.87 and 2.13, so 69 and 2.
///
/// 10,000 yen would have earned 100 points, so the refund takes 23. Of 22,344 yen the 222
/// points are worth 222 x 0.95 = 210.9: 22,344 x 210.9 / 22,554.9 = 208.93, so 209. Of that
/// 23 of 222 go back: 21.65, so 22. Of 187 for 199 points, of which 189 are expected to be
/// redeemed and 78 are: 187 x 78 / 189 = 77.17, so 77.
fn yen() -> Case {
    Case {
        code: "JPY",
        rulebook: rulebook("JPY", "0.01", "1", "0.9"),
        sales: ["12345", "9999"],
        refunded: "2345",
        bill: "110",
        too_fine: ("12345.0", "must have at most 0 decimals: amounts in JPY have none"),
        spent: ["55", "50"],
        others: ["30", "-9"],
        owed: ["71", "69", "2"],
        liability: ["209", "22", "76", "111"],
    }
}

/// 12.345 dinars earn 123 points, 9.999 earn 99. A point is worth ten fils and costs 9.5.
///
/// 55 points: 522.5 fils, so 523. 33: 313.5, so 314. Ten given back: 523 x 10 / 55 = 95.09, so
/// 95. In all 742: 719.74 and 22.26, so 720 and 22.
///
/// The refund takes 23 points, as 10 dinars would have earned 100. Of 22,344 fils the 222
/// points are worth 222 x 10 x 0.95 = 2,109: 22,344 x 2,109 / 24,453 = 1,927.1, so 1,927. Of
/// that 23 of 222 go back: 199.6, so 200. 1,727 x 78 / 189 = 712.7, so 713 are recognised.
fn dinars() -> Case {
    Case {
        code: "KWD",
        rulebook: rulebook("KWD", "10", "0.01", "0.0095"),
        sales: ["12.345", "9.999"],
        refunded: "2.345",
        bill: "1.1",
        too_fine: ("12.3450", "must have at most 3 decimals: amounts in KWD have 3"),
        spent: ["0.550", "0.523"],
        others: ["0.314", "-0.095"],
        owed: ["0.742", "0.720", "0.022"],
        liability: ["1.927", "0.200", "0.706", "1.021"],
    }
}

#[tokio::test]
async fn a_programme_in_yen_is_run_in_whole_yen_from_the_till_to_the_bank() {
    a_month(&yen()).await;
}

#[tokio::test]
async fn a_programme_in_dinars_is_run_in_fils_from_the_till_to_the_bank() {
    a_month(&dinars()).await;
}

async fn a_month(case: &Case) {
    let served = Served::with_rulebook(&case.rulebook, NOW).await;
    by_the_api(&served, case).await;
    by_file(&served, case).await;
    let state = served.close("2025-01", "final").await;
    assert_eq!(state["checklist"]["passed"], true, "{state:#}");
    let run = state["final"]["run"].as_str().unwrap();
    let pack = Pack::of(&served.programme, "2025-01", run).await;
    the_settlement(&served, &pack, case).await;
    the_liability(&pack, case);
    the_exports(&pack, case);
}

async fn by_the_api(served: &Served, case: &Case) {
    let [first, _] = case.sales;
    let at = |day: u32| format!("2025-01-{day:02}T12:00:00+09:00");
    let too_fine = served.put("shop", "/v1/lines/shop/accruals/S-0", sale("m1", &at(10), case.too_fine.0)).await;
    assert_eq!((too_fine.status, &too_fine.json()["detail"]), (400, &json!(case.too_fine.1)), "{}", too_fine.text());
    let entry = served.record("shop", "accruals/S-1", sale("m1", &at(10), first)).await;
    assert_eq!((&entry["amount"], &entry["points"]), (&json!(first), &json!(123)));

    let ask = json!({ "member": "m1", "line": "inn", "bill": case.bill, "value": case.spent[0] });
    let quote = served.post("inn", "/v1/quotes", ask).await.ok();
    let expected = json!({ "points": 55, "value": case.spent[0], "cap": 55, "currency": case.code });
    for (field, expected) in expected.as_object().unwrap() {
        assert_eq!(quote[field], *expected, "{field}: {quote}");
    }
    let mut body = redemption("m1", &at(20), 56);
    body["bill"] = json!(case.bill);
    let refused = served.put("inn", "/v1/lines/inn/redemptions/R-0", body.clone()).await.json();
    let bill = match case.code {
        "KWD" => "1.100",
        _ => case.bill,
    };
    assert_eq!(refused["detail"], format!("is above the 55 points that may pay for a bill of {bill}"));
    body["points"] = json!(55);
    let entry = served.record("inn", "redemptions/R-1", body).await;
    let [value, amount] = case.spent;
    assert_eq!((&entry["value"], &entry["bill"]), (&json!(value), &json!(bill)));
    assert_eq!(entry["indicative_settlement"]["currency"], case.code);
    assert_eq!(entry["indicative_settlement"]["amount"], amount);
    let mut back = reversal("m1", &at(21), "redemption:R-1");
    back["points"] = json!(10);
    let entry = served.record("inn", "reversals/V-1", back).await;
    assert_eq!(entry["indicative_settlement"]["amount"], case.others[1]);
    let mut refund = reversal("m1", &at(22), "accrual:S-1");
    refund["amount"] = json!(case.refunded);
    let entry = served.record("shop", "reversals/V-1", refund.clone()).await;
    assert_eq!((&entry["amount"], &entry["points"]), (&json!(case.refunded), &json!(23)));
    // More than is left: the rule names the rest with the currency's decimals.
    refund["amount"] = json!(first);
    let more = served.put("shop", "/v1/lines/shop/reversals/V-2", refund).await.json();
    let left = if case.code == "JPY" { "10000" } else { "10.000" };
    assert_eq!(more["detail"], format!("is more than the {left} left to reverse"));
}

async fn by_file(served: &Served, case: &Case) {
    let [_, second] = case.sales;
    let bill = if case.code == "JPY" { "1000" } else { "10" };
    let file = csv([
        format!("accrual,shop,S-2,2025-01-11T12:00:00+09:00,m2,{second},,"),
        format!("redemption,inn,R-2,2025-01-20T12:00:00+09:00,m2,{bill},33,"),
        format!("accrual,shop,S-3,2025-01-11T12:00:00+09:00,m3,{},,", case.too_fine.0),
    ]);
    let (imported, rejects) = served.programme.import("events.csv", &file).await;
    assert_eq!((imported.accepted, imported.rejected), (2, 1));
    assert!(String::from_utf8(rejects.unwrap()).unwrap().contains(case.too_fine.1));
    let entry = served.get("inn", "/v1/lines/inn/redemptions/R-2").await.ok();
    assert_eq!(entry["indicative_settlement"]["amount"], case.others[0]);
}

async fn the_settlement(served: &Served, pack: &Pack, case: &Case) {
    let [owed, to_inn, to_hq] = case.owed;
    let zero = if case.code == "JPY" { "0" } else { "0.000" };
    let negative = format!("-{owed}");
    let column = |sheet: &str, column: &str| -> Vec<String> {
        pack.sheet(sheet).rows.into_iter().map(|mut row| row.remove(column).unwrap()).collect()
    };
    assert_eq!(column("positions", "line"), ["hq", "inn", "shop"]);
    assert_eq!(column("positions", "net"), [to_hq, to_inn, &negative]);
    assert_eq!(column("positions", "platform_fee"), [zero, zero, to_hq]);
    assert_eq!(column("bilateral", "amount"), [to_hq, to_inn]);
    let mut splits = column("splits", "amount");
    splits.sort();
    assert_eq!(BTreeSet::from_iter(splits.iter().map(String::as_str)), BTreeSet::from([to_hq, to_inn]));
    assert_eq!(column("splits", "base"), [owed, owed]);
    let rounding: Vec<String> = column("splits", "rounding");
    // The inn has 69 for 68.87 yen, or 720 for 719.74 fils.
    let expected = if case.code == "JPY" { ["0.13", "-0.13"] } else { ["0.00026", "-0.00026"] };
    assert_eq!(rounding, expected);
    assert_eq!(column("payments", "amount"), [owed, to_inn]);
    assert_eq!(column("payments", "currency"), [case.code, case.code]);
    let manifest = pack.manifest();
    assert_eq!((manifest.currency.code(), &*manifest.gross, &*manifest.settled), (case.code, owed, owed));
    let positions = manifest.files.iter().find(|file| file.path == "positions.csv").unwrap();
    assert_eq!(positions.totals["gross_payable"], owed);

    // The document has minor units.
    let document: Document<Settlement> = serde_json::from_slice(&pack.files[SETTLEMENT]).unwrap();
    assert_eq!(document.settlement.gross.minor(), owed.replace('.', "").parse::<i64>().unwrap());
    assert_eq!(document.currency.code(), case.code);
    let position = served.get("shop", "/v1/lines/shop/position?period=2025-01").await.ok();
    assert_eq!((&position["currency"], &position["net"]), (&json!(case.code), &Value::from(negative)));
    let statement = String::from_utf8(pack.files[STATEMENT].clone()).unwrap();
    assert!(statement.contains(&format!("<strong><span class=\"neg\">−{owed}</span></strong>")), "{}", case.code);
    assert!(statement.contains(&format!(">{to_inn}</td>")));
    let details: Vec<String> = pack.details().rows.into_iter().map(|row| row["amount"].clone()).collect();
    let expected = [case.spent[1], case.others[0], case.others[1]];
    assert_eq!(BTreeSet::from_iter(details.iter().map(String::as_str)), BTreeSet::from(expected));
}

fn the_liability(pack: &Pack, case: &Case) {
    let liability = pack.sheet("liability-roll-forward");
    let row = liability.row(&[("funder", "shop")]);
    let [added, reversed, recognised, left] = case.liability;
    assert_eq!((&*row["added"], &*row["reversed"], &*row["closing"]), (added, reversed, left));
    let minor = |text: &str| text.replace('.', "").parse::<i64>().unwrap();
    let released =
        ["own_line_revenue", "to_payable", "agent_revenue", "breakage", "re_estimate", "remeasured", "expired"];
    assert_eq!(released.iter().map(|column| minor(&row[*column])).sum::<i64>(), minor(recognised), "{row:?}");
}

/// Every amount of every file for other programs has all decimals of the currency.
fn the_exports(pack: &Pack, case: &Case) {
    let [owed, to_inn, _] = case.owed;
    let decimals = |text: &str| text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let expected = decimals(owed);
    let vouchers = pack.sheet("vouchers");
    let mut sums = [0, 0];
    for row in &vouchers.rows {
        for (sum, side) in sums.iter_mut().zip(["debit", "credit"]) {
            assert_eq!(decimals(&row[side]), expected, "{row:?}");
            *sum += row[side].replace('.', "").parse::<i64>().unwrap();
        }
    }
    assert!(sums[0] > 0 && sums[0] == sums[1]);
    let payable = vouchers.rows.iter().filter(|row| row["entity"] == "shop" && row["counterparty"] == "inn");
    assert!(payable.into_iter().any(|row| row["credit"] == to_inn), "{vouchers:?}");

    let orders = pack.files.iter().filter(|(path, _)| path.starts_with("erp/pain.001-"));
    let message: String = orders.map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect();
    assert!(message.contains(&format!("<InstdAmt Ccy=\"{}\">{owed}</InstdAmt>", case.code)), "{message}");
    assert!(message.contains(&format!("<InstdAmt Ccy=\"{}\">{to_inn}</InstdAmt>", case.code)), "{message}");
    let yonyou: Vec<&String> = pack.files.keys().filter(|path| path.starts_with("erp/yonyou")).collect();
    assert_eq!(yonyou.len(), 3);
    for path in yonyou {
        // Of what is not ASCII, amounts are none.
        let text = String::from_utf8_lossy(&pack.files[path]);
        for row in text.lines().skip(1) {
            let amounts = row.split(',').skip(6).take(2);
            assert!(amounts.into_iter().all(|amount| decimals(amount) == expected), "{path}: {row}");
        }
    }
    let parts = pack.files.iter().filter(|(path, _)| path.starts_with("details/") && path.ends_with(".gz"));
    assert!(parts.into_iter().any(|(_, bytes)| String::from_utf8_lossy(&gunzip(bytes)).contains(case.spent[1])));
}
