//! Lists are paged, bounded and complete; what can be cached has an ETag.

use crate::served::{Served, redemption, reversal, sale};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use interline_domain::terms::rulebook::Rulebook;
use interline_lambda::http::cursor as forged;
use interline_reports::pack::rulebook_key;
use interline_tests::events::csv;
use interline_tests::programme::{RULEBOOK, by_hand, moment};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NOW: &str = "2017-02-10T12:00:00+08:00";

/// A member's events at three lines in two months, some late, and a file with
/// rows that were refused.
async fn eventful() -> Served {
    let served = Served::sample("2017-01-31T12:00:00+08:00").await;
    for day in 1..=20 {
        let at = format!("2017-01-{day:02}T12:00:00+08:00");
        let line = ["grocery", "dining", "bakery"][day % 3];
        served.record(line, &format!("accruals/S-{day}"), sale("m1", &at, "10.00")).await;
    }
    served.set_now(NOW);
    let (app, rulebook) = (served.programme.app(), served.programme.rulebook().await);
    app.ledger.seal(&rulebook, rulebook.first_period, app.now()).await.unwrap();
    for day in 1..=9 {
        let at = format!("2017-02-{day:02}T12:00:00+08:00");
        served.record("dining", &format!("redemptions/R-{day}"), redemption("m1", &at, 5)).await;
    }
    for (number, fraction) in ["", ".5", ".25", ".123456", ".000000001"].into_iter().enumerate() {
        let at = format!("2017-02-07T20:00:00{fraction}Z");
        served.record("bakery", &format!("accruals/F-{number}"), sale("m1", &at, "1.00")).await;
    }
    for day in [2, 9, 16] {
        let at = format!("2017-01-{day:02}T18:00:00Z");
        served.record("dining", &format!("accruals/L-{day}"), sale("m1", &at, "10.00")).await;
    }
    served.record("dining", "reversals/V-1", reversal("m1", "2017-02-09T13:00:00+08:00", "redemption:R-9")).await;
    let refused = csv([
        "redemption,dining,X-1,2017-02-09T14:00:00+08:00,m1,,99999,",
        "redemption,dining,X-2,2017-02-09T14:00:00+08:00,m2,,99999,",
        "adjustment,dining,J-1,2017-02-09T15:00:00+08:00,m1,,7,",
    ]);
    let (imported, _) = served.programme.import("refused.csv", &refused).await;
    assert_eq!((imported.accepted, imported.rejected), (1, 2));
    served
}

/// The entries of all pages, and how many there were on each.
async fn pages(served: &Served, role: &str, path: &str, limit: Option<usize>) -> (Vec<Value>, Vec<usize>) {
    let mut entries = Vec::new();
    let mut sizes = Vec::new();
    let mut cursor = String::new();
    loop {
        let limit = limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
        let page = served.get(role, &format!("{path}{limit}{cursor}")).await.ok();
        let found = page["entries"].as_array().unwrap();
        entries.extend(found.iter().cloned());
        sizes.push(found.len());
        assert!(sizes.len() < 200, "the list does not end");
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (entries, sizes),
        }
    }
}

fn identities(entries: &[Value]) -> BTreeSet<String> {
    entries.iter().map(|entry| format!("{} {} {}", entry["line"], entry["kind"], entry["reference"])).collect()
}

#[tokio::test]
async fn a_members_entries_are_listed_newest_first_and_each_once_whatever_the_page() {
    let served = eventful().await;
    let (all, sizes) = pages(&served, "members", "/v1/members/m1/entries?", None).await;
    assert_eq!((all.len(), sizes), (39, vec![39]));
    assert_eq!(identities(&all).len(), all.len());
    let times: Vec<_> = all.iter().map(|entry| moment(entry["occurred_at"].as_str().unwrap())).collect();
    assert!(times.is_sorted_by(|one, next| one >= next), "{times:?}");
    for limit in [1, 3, 13, 38, 39, 40, 200] {
        let (paged, sizes) = pages(&served, "members", "/v1/members/m1/entries?", Some(limit)).await;
        assert_eq!(paged, all, "{limit}");
        assert_eq!(sizes.len(), all.len().div_ceil(limit), "{limit}: {sizes:?}");
        assert!(sizes.iter().all(|size| *size <= limit), "{limit}: {sizes:?}");
    }
}

#[tokio::test]
async fn a_filter_by_line_and_kind_leaves_the_rest_out() {
    let served = eventful().await;
    let (all, _) = pages(&served, "finance", "/v1/members/m1/entries?", None).await;
    let mut seen = 0;
    for line in [None, Some("grocery"), Some("dining"), Some("bakery"), Some("travel")] {
        for kind in [None, Some("accrual"), Some("redemption"), Some("reversal"), Some("adjustment")] {
            let wanted = |entry: &&Value| {
                line.is_none_or(|line| entry["line"] == line) && kind.is_none_or(|kind| entry["kind"] == kind)
            };
            let expected: Vec<Value> = all.iter().filter(wanted).cloned().collect();
            let line = line.map(|line| format!("&line={line}")).unwrap_or_default();
            let kind = kind.map(|kind| format!("&kind={kind}")).unwrap_or_default();
            for limit in [3, 50] {
                let path = format!("/v1/members/m1/entries?{line}{kind}");
                let (found, _) = pages(&served, "finance", &path, Some(limit)).await;
                assert_eq!(found, expected, "{path} {limit}");
            }
            seen += expected.len();
        }
    }
    // Each entry passes with and without its line, with and without its kind.
    assert_eq!(seen, 4 * all.len());
}

#[tokio::test]
async fn a_lines_entries_of_a_period_are_listed_each_once_over_all_shards() {
    let served = Served::sample("2017-01-31T12:00:00+08:00").await;
    // More than one in some shards, none in others, and another line's beside them.
    for number in 0..90 {
        let member = format!("m{}", number % 60);
        served
            .record("grocery", &format!("accruals/S-{number}"), sale(&member, "2017-01-05T12:00:00+08:00", "1.00"))
            .await;
    }
    for number in 0..20 {
        let member = format!("m{number}");
        served
            .record("dining", &format!("accruals/S-{number}"), sale(&member, "2017-01-05T12:00:00+08:00", "1.00"))
            .await;
    }
    let (all, sizes) = pages(&served, "grocery", "/v1/lines/grocery/entries?period=2017-01", Some(200)).await;
    assert_eq!((all.len(), sizes.as_slice()), (90, [90].as_slice()));
    assert_eq!(identities(&all).len(), 90);
    assert!(all.iter().all(|entry| entry["line"] == "grocery"));
    for limit in [None, Some(1), Some(7), Some(89), Some(90)] {
        let (paged, sizes) = pages(&served, "grocery", "/v1/lines/grocery/entries?period=2017-01", limit).await;
        assert_eq!(paged, all, "{limit:?}");
        assert!(sizes.iter().all(|size| *size <= limit.unwrap_or(50)), "{limit:?}: {sizes:?}");
    }
    let (none, _) = pages(&served, "grocery", "/v1/lines/grocery/entries?period=2017-02", None).await;
    assert_eq!(none, Vec::<Value>::new());
}

#[tokio::test]
async fn a_lines_entries_are_those_that_the_period_clears() {
    let served = eventful().await;
    let (january, _) = pages(&served, "dining", "/v1/lines/dining/entries?period=2017-01", Some(2)).await;
    assert!(january.iter().all(|entry| entry["period"] == "2017-01" && entry["origin_period"].is_null()));
    assert_eq!(january.len(), 7);
    let (february, _) = pages(&served, "dining", "/v1/lines/dining/entries?period=2017-02", Some(2)).await;
    assert!(february.iter().all(|entry| entry["period"] == "2017-02"));
    // Nine redemptions, three late sales, a reversal and an adjustment.
    assert_eq!(february.len(), 14);
    assert_eq!(february.iter().filter(|entry| entry["origin_period"] == "2017-01").count(), 3);
}

#[tokio::test]
async fn a_cursor_of_another_list_or_an_altered_one_is_refused() {
    let served = eventful().await;
    served.record("dining", "accruals/O-1", sale("m2", "2017-02-05T12:00:00+08:00", "1.00")).await;
    served.record("dining", "accruals/O-2", sale("m2", "2017-02-06T12:00:00+08:00", "1.00")).await;
    let cursor = |path: &'static str| {
        let served = &served;
        async move { served.get("finance", path).await.ok()["next_cursor"].as_str().unwrap().to_owned() }
    };
    let of_member = cursor("/v1/members/m1/entries?limit=1").await;
    let of_line = cursor("/v1/lines/dining/entries?period=2017-02&limit=1").await;
    let entries = "/v1/members/m1/entries?limit=1";
    let february = "/v1/lines/dining/entries?period=2017-02&limit=1";
    for (path, good) in [(entries, &of_member), (february, &of_line)] {
        served.get("finance", &format!("{path}&cursor={good}")).await.ok();
        let json = URL_SAFE_NO_PAD.decode(good).unwrap();
        let mut bad = vec![
            String::new(),
            "0".to_owned(),
            "%20".to_owned(),
            format!("{good}="),
            format!("{good}{good}"),
            good[..good.len() - 1].to_owned(),
            good[4..].to_owned(),
            "A".repeat(2_000),
            URL_SAFE_NO_PAD.encode("[]"),
            URL_SAFE_NO_PAD.encode(r#"["members/m1",{"pk":"A","sk":"B","occurred":"C"}]"#),
        ];
        // Any one byte of it.
        for at in 0..json.len() {
            let mut altered = json.clone();
            altered[at] ^= 1;
            bad.push(URL_SAFE_NO_PAD.encode(altered));
        }
        for cursor in bad {
            let answer = served.get("finance", &format!("{path}&cursor={cursor}")).await;
            assert_eq!(answer.problem(), ("invalid-cursor".to_owned(), Some("cursor".to_owned())), "{path} {cursor}");
        }
    }
    // What keeps a cursor whole is no secret. With the check of a good one, a position where no page can start is still none.
    let position = |pk: &str, sk: &str, occurred: &str| json!({ "pk": pk, "sk": sk, "occurred": occurred });
    let pk = "E#2017-02#07";
    for (path, list, positions) in [
        (
            entries,
            "members/m1////",
            vec![
                position("", "", ""),
                position("", "dining#accrual#S-1", "2017"),
                position(pk, "", "2017"),
                position(pk, "dining#accrual#S-1", ""),
                json!({ "pk": pk, "sk": "S" }),
                json!({ "pk": 1, "sk": 2, "occurred": 3 }),
                json!([]),
                json!(null),
            ],
        ),
        (
            february,
            "lines/dining/2017-02///",
            vec![
                json!({ "shard": 7, "after": "" }),
                json!({ "shard": 7, "after": "dining" }),
                json!({ "shard": 7, "after": "grocery#accrual#S-1" }),
                json!({ "shard": 7, "after": "zzz" }),
                json!({ "shard": 64 }),
                json!({ "shard": 255, "after": "dining#" }),
                json!({ "shard": 256 }),
                json!({ "shard": -1 }),
            ],
        ),
    ] {
        for position in positions {
            let cursor = forged(list, Some(&position));
            let cursor = cursor.as_str().unwrap();
            let answer = served.get("finance", &format!("{path}&cursor={cursor}")).await;
            assert_eq!(answer.problem(), ("invalid-cursor".to_owned(), Some("cursor".to_owned())), "{position}");
        }
    }
    // One that could be opens nothing but the list that it is sent with.
    for (path, list, position) in [
        (entries, "members/m1////", position(pk, "dining#accrual#O-9", "9999")),
        (entries, "members/m1////", position("A", "B", "C")),
        (february, "lines/dining/2017-02///", json!({ "shard": 0, "after": "dining#zzz" })),
    ] {
        let cursor = forged(list, Some(&position));
        let page = served.get("finance", &format!("{path}&cursor={}", cursor.as_str().unwrap())).await.ok();
        let own = |entry: &Value| entry["member"] == "m1" || list.starts_with("lines") && entry["line"] == "dining";
        assert!(page["entries"].as_array().unwrap().iter().all(own), "{page}");
    }
    for (path, cursor) in [
        ("/v1/members/m2/entries?", &of_member),
        ("/v1/members/m1/entries?line=dining", &of_member),
        ("/v1/members/m1/entries?kind=accrual", &of_member),
        ("/v1/members/m1/entries?", &of_line),
        ("/v1/lines/dining/entries?period=2017-01", &of_line),
        ("/v1/lines/grocery/entries?period=2017-02", &of_line),
        ("/v1/lines/dining/entries?period=2017-02", &of_member),
    ] {
        let answer = served.get("finance", &format!("{path}&cursor={cursor}")).await;
        assert_eq!(answer.problem(), ("invalid-cursor".to_owned(), Some("cursor".to_owned())), "{path}");
    }
    let two = served.get("finance", &format!("{entries}&cursor={of_member}&cursor={of_member}")).await;
    assert_eq!(two.problem(), ("invalid-field".to_owned(), Some("cursor".to_owned())));
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let served = eventful().await;
    served.close("2017-01", "final").await;
    for (role, path) in [
        ("dining", "/v1/lines/dining/redemptions/R-1"),
        ("dining", "/v1/lines/dining/entries?period=2017-02"),
        ("dining", "/v1/lines/dining/position?period=2017-01"),
        ("members", "/v1/members/m1"),
        ("members", "/v1/members/m1/entries?limit=3"),
        ("finance", "/v1/periods"),
        ("finance", "/v1/periods/2017-01"),
    ] {
        let first = served.get(role, path).await;
        let etag = first.header("etag").unwrap_or_else(|| panic!("{path} has no ETag")).to_owned();
        assert_eq!(first.header("cache-control"), Some("private, no-cache"), "{path}");
        for given in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            let again = served.call(role, "GET", path, &[("if-none-match", &given)], "").await;
            assert_eq!((again.status, again.bytes.len()), (304, 0), "{path} {given}");
            assert_eq!(again.header("etag"), Some(etag.as_str()), "{path}");
        }
        for given in ["\"x\"", "x", "", etag.trim_matches('"')] {
            let again = served.call(role, "GET", path, &[("if-none-match", given)], "").await;
            assert_eq!((again.status, &again.bytes), (200, &first.bytes), "{path} {given}");
        }
    }
    let before = served.get("members", "/v1/members/m1").await;
    let etag = before.header("etag").unwrap();
    served.record("dining", "accruals/N-1", sale("m1", "2017-02-10T11:00:00+08:00", "1.00")).await;
    let after = served.call("members", "GET", "/v1/members/m1", &[("if-none-match", etag)], "").await;
    assert_eq!(after.status, 200);
    assert_ne!(after.header("etag"), Some(etag));
}

#[tokio::test]
async fn links_and_answers_to_commands_have_no_etag() {
    let served = Served::sample(NOW).await;
    served.close("2017-01", "trial").await;
    for path in ["/v1/periods/2017-01/reports", "/v1/periods/2017-01/reports/positions.csv"] {
        let answer = served.call("finance", "GET", path, &[("if-none-match", "*")], "").await;
        assert_eq!((answer.header("etag"), answer.header("cache-control")), (None, Some("no-store")), "{path}");
        assert_ne!(answer.status, 304, "{path}");
    }
    let quote = json!({ "member": "m1", "line": "dining" });
    assert_eq!(served.post("dining", "/v1/quotes", quote).await.header("etag"), None);
    let put =
        served.put("dining", "/v1/lines/dining/accruals/N-1", sale("m1", "2017-02-05T12:00:00+08:00", "1.00")).await;
    assert_eq!((put.status, put.header("etag")), (201, None));
}

#[tokio::test]
async fn an_entry_is_rated_by_the_rulebook_that_decided_it_even_if_the_one_in_force_has_no_price_for_it() {
    let served = Served::sample(NOW).await;
    served.record("grocery", "accruals/S-1", sale("m1", "2017-02-01T12:00:00+08:00", "100.00")).await;
    let recorded = served.record("travel", "redemptions/R-1", redemption("m1", "2017-02-02T12:00:00+08:00", 50)).await;
    assert_eq!(recorded["indicative_settlement"]["amount"], "0.30");
    // Publishing refuses such a rulebook; somebody put it there by hand.
    let text = RULEBOOK.replace("travel", "trips");
    let hash = Rulebook::parse(&text).unwrap().hash;
    let app = served.programme.app();
    app.reports.put_once(&rulebook_key(&hash), text.into_bytes()).await.unwrap();
    let read = app.ledger.rulebook_in_force().await.unwrap();
    app.ledger.set_current_rulebook(&read, by_hand(&hash, app.now())).await.unwrap();
    served.programme.set_now("2017-02-20T12:00:00+08:00");
    let statement = served.get("members", "/v1/members/m1/entries").await.ok();
    let [redeemed, earned] = &statement["entries"].as_array().unwrap()[..] else { panic!("{statement:#}") };
    assert_eq!(*redeemed, recorded);
    assert_eq!(earned["indicative_settlement"]["amount"], "0.00");
}
