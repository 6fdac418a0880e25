//! Files that lines drop in the inbox.

use interline_import::Imported;
use interline_lambda::Failure;
use interline_reports::manifest::sha256;
use interline_tests::Sheet;
use interline_tests::events::{HEADER, csv, gzip, some_of_january};
use interline_tests::programme::{Programme, s3_event};
use interline_tests::readers::memory::{TERMS, programme_with, wait};
use interline_tests::sim::memory::MemoryBucket;
use std::sync::Arc;

const NOW: &str = "2017-02-10T12:00:00+08:00";
const SALE: &str = "accrual,dining,S-1,2017-01-05T12:00:00+08:00,m1,100.00,,";

/// Line, field, code and reason of each rejected row, and the row: its own columns, or as it came.
async fn rejects(programme: &Programme, key: &str) -> Vec<[String; 5]> {
    let bytes = programme.app().inbox.get(key).await.unwrap();
    let rows = Sheet::read(&bytes).rows;
    rows.into_iter()
        .map(|row| {
            let [number, field, code, reason, whole] =
                ["rejected_line", "rejected_field", "rejected_code", "rejected_reason", "rejected_row"]
                    .map(|column| row[column].clone());
            let own: Vec<&str> = HEADER.split(',').map(|column| row[column].as_str()).collect();
            let is_empty = own.iter().all(|value| value.is_empty());
            [number, field, code, reason, if is_empty { whole } else { own.join(",") }]
        })
        .collect()
}

#[tokio::test]
async fn a_file_is_recorded_and_its_bad_rows_come_back_with_their_reasons() {
    let programme = Programme::sample(NOW).await;
    let rows = [
        SALE,
        "redemption,grocery,R-1,2017-01-06T12:00:00+08:00,m1,,100,",
        "",
        "redemption,grocery,R-2,2017-01-06T12:00:00+08:00,m1,,201,",
        "accrual,dining,S-2,2017-01-05T12:00:00+08:00,m2,1.001,,",
        "accrual,cinema,S-3,2017-01-05T12:00:00+08:00,m2,1.00,,",
        "accrual,dining,S-4,2017-01-05T12:00:00,m2,1.00,,",
        "accrual,dining,S-5,2017-03-05T12:00:00+08:00,m2,1.00,,",
        "accrual,dining,S 6,2017-01-05T12:00:00+08:00,m2,1.00,,",
        "=accrual,dining,S-7,2017-01-05T12:00:00+08:00,m2,1.00,,",
        "accrual,dining,S-8",
        "reversal,dining,V-1,2017-01-05T12:00:00+08:00,m1,,,accrual:S-9",
        "accrual,dining,S-1,2017-01-05T12:00:00+08:00,m1,100.01,,",
        "accrual,dining,S-1,2017-01-05T12:00:00+08:00,m3,100.00,,",
        SALE,
        "reversal,grocery,V-1,2017-01-07T12:00:00+08:00,m1,,40,redemption:R-1",
        "adjustment,spirits,G-1,2017-01-07T12:00:00+08:00,m2,,5,",
    ];
    let imported = programme.deliver("inbox/group/january.csv", &csv(rows)).await;
    assert_eq!((imported.rows, imported.accepted, imported.replayed, imported.rejected), (16, 4, 1, 11));
    assert_eq!(imported.refused, None);
    assert_eq!(imported.rejected_by_rule.values().sum::<u64>(), 11);
    assert_eq!(imported.rejected_by_rule["conflict"], 2);
    let key = imported.rejects.clone().unwrap();
    assert_eq!(key, format!("rejects/group/january.{}.rejects.csv", &imported.digest[..8]));
    let rejects = rejects(&programme, &key).await;
    let found: Vec<(&str, &str, &str)> =
        rejects.iter().map(|[number, field, code, ..]| (number.as_str(), field.as_str(), code.as_str())).collect();
    assert_eq!(
        found,
        [
            ("5", "points", "insufficient-points"),
            ("6", "amount", "too-many-decimals"),
            ("7", "line", "unknown-line"),
            ("8", "occurred_at", "no-offset"),
            ("9", "occurred_at", "in-the-future"),
            ("10", "reference", "bad-character"),
            ("11", "event", "unknown-event"),
            ("12", "row", "column-count"),
            ("13", "reverses", "target-not-found"),
            ("14", "amount", "conflict"),
            ("15", "member", "conflict"),
        ]
    );
    for [number, _, _, reason, row] in &rejects {
        let written = rows[number.parse::<usize>().unwrap() - 2];
        let safe = if written.starts_with('=') { format!("'{written}") } else { written.to_owned() };
        assert_eq!(*row, safe, "{number}");
        assert!(!reason.is_empty(), "{number}");
    }
    assert_eq!(rejects[0][3], "the member has 200 points, 201 were asked for");
    assert_eq!(programme.balance("m1", NOW).await, 240);
    assert_eq!(programme.balance("m2", NOW).await, 5);
}

#[tokio::test]
async fn a_repeated_file_changes_nothing_and_rejects_the_same_rows() {
    let programme = Programme::sample(NOW).await;
    let file = gzip(&some_of_january(3_000));
    let first = programme.deliver("inbox/group/january.csv.gz", &file).await;
    assert_eq!((first.rows, first.accepted + first.rejected, first.replayed), (3_000, 3_000, 0));
    assert!(first.rejected > 0, "some coupons are worth more than what was earned so far");
    let items = programme.items().await;
    let again = programme.deliver("inbox/group/january.csv.gz", &file).await;
    assert_eq!((again.accepted, again.replayed, again.rejected), (0, first.accepted, first.rejected));
    assert_eq!((first.is_repeat, again.is_repeat), (false, true));
    assert_eq!((&again.rejects, &again.rejected_by_rule), (&first.rejects, &first.rejected_by_rule));
    // No item of the table differs: neither an entry nor an account's version.
    assert!(programme.items().await == items);
    // The same rows in another file are replays, and its refusals are its own.
    let other = programme.deliver("inbox/group/january-again.csv", &some_of_january(3_000)).await;
    assert_eq!(other.accepted + other.replayed + other.rejected, 3_000);
    assert_eq!(other.replayed, first.accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_delivered_twice_at_once_leaves_what_one_delivery_leaves() {
    let file = some_of_january(1_000);
    let once = Programme::sample(NOW).await;
    let alone = once.deliver("inbox/group/january.csv", &file).await;
    let twice = Programme::sample(NOW).await;
    let deliver = || twice.deliver("inbox/group/january.csv", &file);
    let (one, other) = futures::join!(deliver(), deliver());
    for imported in [&one, &other] {
        assert_eq!(*imported, alone, "what became of the file, whoever recorded it");
    }
    assert!(twice.items().await == once.items().await);
}

#[tokio::test]
async fn a_line_may_send_its_own_rows_only_and_the_platform_all() {
    let programme = Programme::sample(NOW).await;
    let rows = [
        SALE,
        "accrual,fuel,S-1,2017-01-05T12:00:00+08:00,m1,100.00,,",
        "accrual,dining,S-2,2017-01-05T12:00:00+08:00,m1,100.00,,",
    ];
    let imported = programme.deliver("inbox/dining/events.csv", &csv(rows)).await;
    assert_eq!((imported.accepted, imported.rejected), (2, 1));
    let rejected = rejects(&programme, &imported.rejects.unwrap()).await;
    assert_eq!(rejected[0][..3], ["3", "line", "not-your-line"]);
    assert_eq!(rejected[0][4], rows[1]);
    let imported = programme.deliver("inbox/group/events.csv", &csv(rows)).await;
    assert_eq!((imported.accepted, imported.replayed, imported.rejected, imported.rejects), (1, 2, 0, None));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_as_a_whole_writes_nothing_and_says_why() {
    let programme = Programme::sample(NOW).await;
    let good = csv([SALE]);
    let compressed = gzip(&some_of_january(500));
    let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(good.iter().flat_map(|byte| [*byte, 0])).collect();
    let mut latin = b"ev\xe9nement,".to_vec();
    latin.extend_from_slice(&good);
    let items = programme.items().await;
    for (name, bytes, reason) in [
        ("empty.csv", Vec::new(), "the file is empty"),
        ("latin.csv", latin, "the line of column names cannot be read: is not UTF-8 (GBK?): save as CSV UTF-8"),
        ("utf16.csv", utf16, "the file is UTF-16"),
        ("missing.csv", csv([SALE])[HEADER.len()..].to_vec(), "column"),
        ("column.csv", b"event,line,reference,occurred_at,member,points\n".to_vec(), "column amount is missing"),
        (
            "unknown.csv",
            b"event,line,reference,occurred_at,member,amount,points,note\n".to_vec(),
            "column \"note\" is unknown",
        ),
        (
            "book.csv",
            b"PK\x03\x04\0\0xl/workbook.xml\n".to_vec(),
            "the file is a workbook (or a zip): save the sheet as",
        ),
        (
            "mac.csv",
            csv([SALE]).iter().map(|byte| if *byte == b'\n' { b'\r' } else { *byte }).collect(),
            "the lines end",
        ),
        (
            "trailing.csv",
            String::from_utf8(csv([SALE])).unwrap().replacen('\n', ",\n", 1).into_bytes(),
            "column \"\" is unknown: there is a comma too many at",
        ),
        ("plain.csv", compressed.clone(), "the file is compressed with gzip"),
        ("cut.csv.gz", compressed[..compressed.len() - 9].to_vec(), "the gzip file ends early"),
        ("half.csv.gz", compressed[..compressed.len() / 2].to_vec(), "the gzip file ends early"),
        ("text.csv.gz", good.clone(), "the gzip file is damaged"),
    ] {
        let imported = programme.deliver(&format!("inbox/dining/{name}"), &bytes).await;
        let refused = imported.refused.unwrap();
        assert!(refused.starts_with(reason), "{name}: {refused}");
        assert_eq!((imported.rows, imported.accepted, imported.rejected), (0, 0, 0), "{name}");
        let rejected = rejects(&programme, &imported.rejects.unwrap()).await;
        assert_eq!(rejected.len(), 1, "{name}");
        assert_eq!(rejected[0][..3], ["0", "file", "unreadable-file"], "{name}");
        assert_eq!(rejected[0][3], refused, "{name}");
    }
    assert_eq!(programme.items().await, items);
}

#[tokio::test]
async fn a_mark_line_breaks_of_windows_quotes_and_another_order_of_columns_are_read() {
    let programme = Programme::sample(NOW).await;
    let crlf = String::from_utf8(csv([SALE])).unwrap().replace('\n', "\r\n");
    let files = [
        ("plain.csv", csv([SALE])),
        ("mark.csv", [b"\xef\xbb\xbf".to_vec(), csv([SALE])].concat()),
        ("windows.csv", crlf.into_bytes()),
        ("quotes.csv", csv([r#""accrual","dining","S-1","2017-01-05T12:00:00+08:00","m1","100.00","","""#])),
        ("blank.csv", csv(["", SALE, "", ""])),
        (
            "order.csv",
            b"member,points,amount,occurred_at,reference,line,event\nm1,,100,2017-01-05T04:00:00Z,S-1,dining,accrual\n"
                .to_vec(),
        ),
    ];
    for (at, (name, bytes)) in files.iter().enumerate() {
        for (name, bytes) in [((*name).to_owned(), bytes.clone()), (format!("{name}.gz"), gzip(bytes))] {
            let imported = programme.deliver(&format!("inbox/dining/{name}"), &bytes).await;
            assert_eq!((imported.rows, imported.rejected, imported.refused), (1, 0, None), "{name}");
            assert_eq!(imported.accepted, u64::from(at == 0 && name == "plain.csv"), "{name}");
        }
    }
}

#[tokio::test]
async fn one_bad_row_spoils_no_other() {
    let programme = Programme::sample(NOW).await;
    let long = "x".repeat(10 * 1024 * 1024);
    let bad = [
        long.as_str(),
        "accrual,dining,\"S-9,2017-01-05T12:00:00+08:00,m1,100.00,,",
        "accrual,dining,S-9,2017-01-05T12:00:00+08:00,m1,100.00,,,,",
        "\"\"\"",
        "accrual,dining,S-9,2017-02-29T12:00:00+08:00,m1,100.00,,",
        "accrual,dining,S-9,2017-01-05T12:00:00+08:00,m1,1e3,,",
    ];
    let rows: Vec<String> = bad
        .iter()
        .enumerate()
        .flat_map(|(at, bad)| [SALE.replace("S-1", &format!("S-{at}-x")), (*bad).to_owned()])
        .collect();
    let imported = programme.deliver("inbox/dining/bad.csv", &csv(&rows)).await;
    assert_eq!((imported.rows, imported.accepted, imported.rejected), (12, 6, 6));
    let rejected = rejects(&programme, &imported.rejects.unwrap()).await;
    assert_eq!(
        rejected.iter().map(|[number, ..]| number.as_str()).collect::<Vec<_>>(),
        ["3", "5", "7", "9", "11", "13"]
    );
    assert!(rejected[0][4].len() <= 1024, "a line of ten megabytes is not sent back");
    // Cut off inside its last row, whose number would look like one.
    let mut cut = csv([SALE.replace("S-1", "C-1"), SALE.replace("S-1", "C-2")]);
    cut.truncate(cut.len() - 4);
    let imported = programme.deliver("inbox/dining/cut.csv", &cut).await;
    assert_eq!((imported.accepted, imported.rejected), (1, 1));
    assert_eq!(rejects(&programme, &imported.rejects.unwrap()).await[0][1..3], ["row", "cut-off"]);
}

#[tokio::test]
async fn an_object_that_is_not_in_an_inbox_is_refused_and_one_that_is_gone_is_an_error() {
    let programme = Programme::sample(NOW).await;
    for key in ["inbox/dining/sub/events.csv", "outbox/dining/events.csv", "inbox/dining/events.xlsx", "events.csv"] {
        let imported = programme.deliver(key, &csv([SALE])).await;
        assert!(imported.refused.is_some_and(|reason| reason.contains(key)), "{key}");
    }
    let event = serde_json::from_value(s3_event(&["inbox/dining/gone.csv"])).unwrap();
    let failure = interline_import::handle(programme.app(), event).await.unwrap_err();
    assert!(matches!(failure, Failure::Store(_)), "{failure}");
    assert_eq!(failure.to_string(), "object inbox/dining/gone.csv does not exist");
    assert!(programme.account("m1").await.sequence == 0);
}

async fn text(programme: &Programme, key: &str) -> String {
    String::from_utf8(programme.app().inbox.get(key).await.unwrap()).unwrap()
}

#[tokio::test]
async fn rows_are_recorded_by_time_whatever_order_they_stand_in() {
    let programme = Programme::sample(NOW).await;
    let rows = [
        "reversal,dining,V-1,2017-01-06T10:00:00+08:00,m1,,,accrual:A-1",
        "redemption,grocery,R-1,2017-01-07T10:00:00+08:00,m1,,100,",
        "accrual,dining,A-2,2017-01-06T10:00:00+08:00,m1,100.00,,",
        "accrual,dining,A-1,2017-01-06T10:00:00+08:00,m1,100.00,,",
        "reversal,dining,V-2,2017-01-05T10:00:00+08:00,m1,,,accrual:A-2",
        "reversal,grocery,V-1,2017-01-07T10:00:00+08:00,m1,,,redemption:R-1",
    ];
    let imported = programme.deliver("inbox/group/order.csv", &csv(rows)).await;
    assert_eq!((imported.accepted, imported.rejected), (5, 1), "{:?}", imported.rejected_by_rule);
    let rejected = rejects(&programme, &imported.rejects.unwrap()).await;
    assert_eq!(rejected[0][..3], ["6", "occurred_at", "before-target"], "it is there, and the time is wrong");
    // A file that needs another one's rows, and comes before it.
    let late = csv(["redemption,grocery,R-2,2017-01-08T10:00:00+08:00,m2,,100,"]);
    let first = programme.deliver("inbox/group/late.csv", &late).await;
    programme.deliver("inbox/group/early.csv", &csv([SALE.replace("m1", "m2")])).await;
    let again = programme.deliver("inbox/group/late.csv", &late).await;
    let [first, again] = [first, again].map(|imported| imported.rejects.unwrap());
    assert_eq!(first, again, "the same bytes have one file of rejects");
    let reason = &rejects(&programme, &again).await[0];
    assert_eq!(reason[2], "insufficient-points");
    assert_eq!(
        reason[3],
        "refused when this file was first read (the member has 0 points, 100 were asked for); send the row in a new file"
    );
    // The file of rejects is such a file.
    let back = text(&programme, &again).await;
    let sent_back = programme.deliver("inbox/group/back.csv", back.as_bytes()).await;
    assert_eq!((sent_back.rows, sent_back.accepted, sent_back.rejects), (1, 1, None));
}

#[tokio::test]
async fn a_file_of_rejected_rows_is_corrected_and_sent_back() {
    let programme = Programme::sample(NOW).await;
    let rows = [
        "m1,accrual,dining,S-1,2017-01-05T12:00:00+08:00,-1.00,",
        "m1,accrual,dining,=S-2,2017-01-05T12:00:00+08:00,1.00,",
        "m1,accrual,dining,\"S-3,2017-01-05T12:00:00+08:00,1.00,",
        "m1,accrual,dining,'=S-4,2017-01-05T12:00:00+08:00,1.00,",
        "m1,accrual,dining,S-5,2017-01-05T12:00:00+08:00,1.00,",
    ];
    let header = "member,event,line,reference,occurred_at,amount,points";
    let file = format!("{header}\n{}\n", rows.join("\n"));
    let imported = programme.deliver("inbox/dining/SALES.CSV", file.as_bytes()).await;
    assert_eq!((imported.accepted, imported.rejected), (1, 4));
    let key = imported.rejects.unwrap();
    assert_eq!(key, format!("rejects/dining/SALES.{}.rejects.csv", &imported.digest[..8]));
    let back = text(&programme, &key).await;
    let columns = "rejected_line,rejected_field,rejected_code,rejected_reason,rejected_row";
    let lines: Vec<&str> = back.lines().collect();
    assert_eq!(lines[0], format!("\u{feff}{header},{columns}"));
    assert!(lines[1].starts_with("m1,accrual,dining,S-1,2017-01-05T12:00:00+08:00,'-1.00,,2,amount,negative-amount,"));
    assert!(lines[2].starts_with("m1,accrual,dining,'=S-2,"), "{}", lines[2]);
    let whole = "\"m1,accrual,dining,\"\"S-3,2017-01-05T12:00:00+08:00,1.00,\"";
    assert!(lines[3].starts_with(",,,,,,,4,row,unclosed-quote,") && lines[3].ends_with(whole), "{}", lines[3]);
    assert!(lines[4].starts_with("m1,accrual,dining,''=S-4,"), "{}", lines[4]);

    // As it is: the same rows for the same reasons, and the one without columns says what to do.
    let again = programme.deliver("inbox/dining/again.csv", back.as_bytes()).await;
    assert_eq!((again.rows, again.accepted, again.rejected), (4, 0, 4));
    let once_more = text(&programme, &again.rejects.unwrap()).await;
    for (first, second) in back.lines().zip(once_more.lines()).skip(1) {
        let own = |line: &str| line.split(',').take(7).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(own(first), own(second));
    }
    let third = once_more.lines().nth(3).unwrap();
    assert!(third.starts_with(",,,,,,,4,row,not-corrected,") && third.ends_with(whole), "{third}");

    // Corrected, a row deleted, one written anew; the words of the rejection may stay.
    let corrected = [
        lines[0].to_owned(),
        lines[1].replace("'-1.00", "1.00"),
        lines[3].replacen(",,,,,,", "m1,accrual,dining,S-3,2017-01-05T12:00:00+08:00,1.00,", 1),
        lines[4].replace("''=S-4", "S-4"),
    ];
    let corrected = programme.deliver("inbox/dining/corrected.csv", (corrected.join("\r\n") + "\r\n").as_bytes()).await;
    assert_eq!((corrected.rows, corrected.accepted, corrected.rejected), (3, 3, 0));
    assert_eq!(programme.balance("m1", NOW).await, 4 * 3);

    // A refused file's, too.
    let refused = programme.deliver("inbox/dining/empty.csv", b"").await;
    let back = text(&programme, &refused.rejects.unwrap()).await;
    let again = programme.deliver("inbox/dining/refused.csv", back.as_bytes()).await;
    assert_eq!((again.rows, again.rejected_by_rule["not-corrected"]), (1, 1));
}

#[tokio::test]
async fn a_file_that_was_read_leaves_a_receipt_that_stays() {
    let programme = Programme::sample(NOW).await;
    programme.app().inbox.put("inbox/group/sales.csv", csv([SALE, "nonsense", SALE])).await.unwrap();
    programme.close("2017-01").await.unwrap();
    let mut event = s3_event(&["inbox/group/sales.csv"]);
    event["Records"][0]["userIdentity"]["principalId"] = "AWS:AROACKCEVSQ6C2EXAMPLE:anna".into();
    let imported = handled(&programme, event.clone()).await;
    assert_eq!((imported.accepted, imported.replayed, imported.rejected), (1, 1, 1));
    let key = imported.receipt.clone().unwrap();
    assert_eq!(key, format!("files/{}.json", imported.digest));
    let receipt = programme.app().reports.get(&key).await.unwrap();
    let document: serde_json::Value = serde_json::from_slice(&receipt).unwrap();
    assert_eq!(
        document,
        serde_json::json!({
            "line": "group", "file": "sales.csv", "by": "anna", "digest": imported.digest, "rows": 3, "accepted": 1, "replayed": 1,
            "rejected": 1, "rejected_by_rule": { "column-count": 1 }, "late": { "2017-01": { "2017-02": 1 } },
            "first_occurred_at": "2017-01-05T04:00:00Z", "last_occurred_at": "2017-01-05T04:00:00Z",
        })
    );
    event["Records"][0]["s3"]["object"]["key"] = "inbox/group/sales.csv".into();
    let again = handled(&programme, event).await;
    assert_eq!((again.accepted, again.replayed, again.receipt), (0, 2, Some(key.clone())));
    assert_eq!(programme.app().reports.get(&key).await.unwrap(), receipt);
    // The same bytes from a line, of which nothing there says what became of them here.
    let of_line = programme.deliver("inbox/dining/sales.csv", &csv([SALE, "nonsense", SALE])).await;
    assert_eq!((of_line.accepted, of_line.replayed), (0, 2));
    assert_eq!(of_line.receipt, Some(format!("files/{}.dining.json", imported.digest)));
    let refused = programme.deliver("inbox/dining/empty.csv", b"").await;
    assert_eq!(refused.receipt, None, "nothing of it was read");
}

async fn handled(programme: &Programme, event: serde_json::Value) -> Imported {
    let event = serde_json::from_value(event).unwrap();
    interline_import::handle(programme.app(), event).await.unwrap().remove(0)
}

#[test]
fn the_version_of_the_event_is_the_one_that_is_read_and_a_file_that_is_too_large_is_refused() {
    let inbox: Arc<MemoryBucket> = Arc::default();
    let app = programme_with(inbox.clone(), TERMS, NOW);
    let put = |key: &str, bytes: Vec<u8>| inbox.0.lock().unwrap().put(key, bytes);
    let key = "inbox/dining/sales.csv";
    for reference in ["S-1", "S-2", "S-3"] {
        put(key, csv([SALE.replace("S-1", reference)]));
    }
    let read = |version: Option<&str>, key: &str| {
        let mut event = s3_event(&[key]);
        event["Records"][0]["s3"]["object"]["versionId"] = version.into();
        let event = serde_json::from_value(event).unwrap();
        wait(interline_import::handle(&app, event)).map(|mut imported| imported.remove(0))
    };
    let digest = |reference: &str| sha256(&csv([SALE.replace("S-1", reference)]));
    for (version, reference, accepted) in [(Some("1"), "S-2", 1), (Some("0"), "S-1", 1), (None, "S-3", 1)] {
        let imported = read(version, key).unwrap();
        assert_eq!((imported.accepted, imported.version.as_deref()), (accepted, version));
        assert_eq!(imported.digest, digest(reference));
    }
    assert_eq!(read(Some("9"), key).unwrap_err().to_string(), format!("object {key} does not exist"));

    let large = "inbox/dining/large.csv";
    put(large, vec![0; usize::try_from(interline_import::FILE_MAX_BYTES).unwrap() + 1]);
    let imported = read(None, large).unwrap();
    assert_eq!(imported.refused.as_deref(), Some("the file has more than 268435456 bytes: split it"));
    assert_eq!(imported.rejects.as_deref(), Some("rejects/dining/large.rejects.csv"));
    let rejects = inbox.0.lock().unwrap().objects["rejects/dining/large.rejects.csv"].clone();
    assert!(String::from_utf8(rejects).unwrap().contains(",0,file,unreadable-file,the file has more than 268435456"));
}

#[tokio::test]
async fn a_member_that_cannot_be_recorded_for_a_fault_of_ours_holds_nobody_else_up() {
    let programme = Programme::sample(NOW).await;
    let rows = [SALE.to_owned(), SALE.replace("S-1", "S-2").replace("m1", "m2"), SALE.replace("S-1", "S-3")];
    programme.post_one(&interline_tests::events::sale("dining", "S-0", "2017-01-05T12:00:00+08:00", "m1", "1")).await;
    let items = programme.items().await;
    let (_, account) = items.iter().find(|((pk, _), _)| pk == "M#m1").unwrap();
    let mut broken = account.clone();
    broken.insert("l".to_owned(), aws_sdk_dynamodb::types::AttributeValue::N("0".to_owned()));
    programme.put_item(broken).await;
    programme.app().inbox.put("inbox/dining/sales.csv", csv(&rows)).await.unwrap();
    let event: aws_lambda_events::event::s3::S3Event =
        serde_json::from_value(s3_event(&["inbox/dining/sales.csv"])).unwrap();
    let failure = interline_import::handle(programme.app(), event.clone()).await.unwrap_err();
    assert_eq!(failure.class(), interline_lambda::Class::Broken);
    assert!(failure.to_string().starts_with("rows were not recorded, the others were: ledger item M#"), "{failure}");
    assert_eq!(programme.balance("m2", NOW).await, 300);
    let digest = sha256(&csv(&rows));
    let key = format!("rejects/dining/sales.{}.rejects.csv", &digest[..8]);
    let rejected = rejects(&programme, &key).await;
    let found: Vec<_> = rejected.iter().map(|[number, field, code, ..]| [number.as_str(), field, code]).collect();
    assert_eq!(found, [["2", "row", "internal"], ["4", "row", "internal"]]);

    // Once it is mended, the same file is read as if it came for the first time.
    programme.put_item(account.clone()).await;
    let imported = interline_import::handle(programme.app(), event).await.unwrap().remove(0);
    assert_eq!((imported.accepted, imported.replayed, imported.rejected), (3, 0, 0));
    assert!(imported.receipt.is_some() && !imported.is_repeat);
}
