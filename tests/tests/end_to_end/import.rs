//! Files that lines drop in the inbox.

use interline_lambda::Failure;
use interline_tests::Sheet;
use interline_tests::events::{HEADER, csv, gzip, some_of_january};
use interline_tests::programme::{Programme, s3_event};

const NOW: &str = "2017-02-10T12:00:00+08:00";
const SALE: &str = "accrual,dining,S-1,2017-01-05T12:00:00+08:00,m1,100.00,,";

async fn rejects(programme: &Programme, key: &str) -> Vec<[String; 5]> {
    let bytes = programme.app().inbox.get(key).await.unwrap();
    let rows = Sheet::read(&bytes).rows;
    rows.into_iter()
        .map(|row| ["line_number", "field", "code", "reason", "row"].map(|column| row[column].clone()))
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
        assert_eq!(imported.accepted + imported.replayed, alone.accepted);
        assert_eq!(imported.rejected_by_rule, alone.rejected_by_rule);
    }
    assert_eq!(one.accepted + other.accepted, alone.accepted);
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
        ("latin.csv", latin, "the line of column names cannot be read: holds bytes that are not UTF-8"),
        ("utf16.csv", utf16, "the file is UTF-16"),
        ("missing.csv", csv([SALE])[HEADER.len()..].to_vec(), "column"),
        ("column.csv", b"event,line,reference,occurred_at,member,points\n".to_vec(), "column amount is missing"),
        (
            "unknown.csv",
            b"event,line,reference,occurred_at,member,amount,points,note\n".to_vec(),
            "column \"note\" is unknown",
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
