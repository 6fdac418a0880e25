//! What the ports promise, written once and run against every implementation:
//! in memory, the embedded stack, and any endpoint that speaks for AWS.

use aws_sdk_dynamodb::types::AttributeValue;
use interline_ledger::LedgerError;
use interline_ledger::attributes::{MEMBER, OCCURRED, PK, SK};
use interline_ledger::store::{Condition, Item, Key, Outcome, Store, TransactError, Write};
use interline_reports::bucket::{Bucket, StoreError};
use std::sync::Arc;
use std::time::Duration;

fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn key(pk: &str, sk: &str) -> Key {
    Key { pk: pk.to_owned(), sk: sk.to_owned() }
}

fn item(key: &Key, attributes: &[(&str, AttributeValue)]) -> Item {
    let keys = [(PK.to_owned(), text(&key.pk)), (SK.to_owned(), text(&key.sk))];
    keys.into_iter().chain(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()))).collect()
}

fn put(item: &Item, condition: Condition) -> Write {
    Write::Put { item: item.clone(), condition }
}

fn sk(item: &Item) -> &str {
    item[SK].as_s().unwrap()
}

fn version(value: i64) -> Condition {
    Condition::Equals("v", number(value))
}

/// Reasons for which a transaction was cancelled, and the items as they are.
fn reasons(answer: Result<(), TransactError>) -> Vec<Option<Item>> {
    match answer {
        Err(TransactError::Cancelled(outcomes)) => outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::Fine => None,
                Outcome::Condition(item) => Some(item),
                Outcome::Conflict => panic!("nobody else is writing"),
            })
            .collect(),
        other => panic!("not cancelled: {other:?}"),
    }
}

/// Checks a table. `run` keeps the keys of one run apart from those of another.
pub async fn table(store: Arc<dyn Store>, run: &str) {
    store.create_if_missing().await.unwrap();
    store.create_if_missing().await.unwrap();
    reads_and_conditions(&*store, run).await;
    transactions(&*store, run).await;
    refused_transactions(&*store, run).await;
    batches(&*store, run).await;
    pages(&*store, run).await;
    large_pages(store.clone(), run).await;
    statements(&*store, run).await;
    races(&store, run).await;
}

async fn reads_and_conditions(store: &dyn Store, run: &str) {
    let at = key(&format!("{run}-one"), "A");
    assert_eq!(store.get(&at).await.unwrap(), None, "nothing is there yet");
    let everything = [
        ("v", number(1)),
        ("map", AttributeValue::M([("grocery|2017-01".to_owned(), number(250))].into())),
        ("bytes", AttributeValue::B(vec![0, 255, 7].into())),
        ("text", text("商业 line")),
        ("large", AttributeValue::N("9223372036854775807".to_owned())),
    ];
    let first = item(&at, &everything);
    assert!(!store.put(first.clone(), version(0)).await.unwrap(), "no item, so no version");
    assert_eq!(store.get(&at).await.unwrap(), None, "a condition that fails writes nothing");
    assert!(store.put(first.clone(), Condition::Absent).await.unwrap());
    assert_eq!(store.get(&at).await.unwrap(), Some(first.clone()), "a read sees the write before it");
    assert!(!store.put(item(&at, &[("v", number(9))]), Condition::Absent).await.unwrap());
    assert!(!store.put(item(&at, &[("v", number(9))]), version(2)).await.unwrap());
    assert!(
        !store.put(item(&at, &[("v", number(9))]), Condition::Equals("v", text("1"))).await.unwrap(),
        "a type counts"
    );
    assert_eq!(store.get(&at).await.unwrap(), Some(first));
    let second = item(&at, &[("v", number(2))]);
    assert!(store.put(second.clone(), version(1)).await.unwrap());
    assert_eq!(store.get(&at).await.unwrap(), Some(second), "a put replaces the whole item");
    let third = item(&at, &[("w", number(3))]);
    assert!(store.put(third.clone(), Condition::None).await.unwrap());
    assert!(!store.put(item(&at, &[]), version(2)).await.unwrap(), "an attribute that is missing equals nothing");
    let map = AttributeValue::M([("a".to_owned(), text("1")), ("b".to_owned(), text("2"))].into());
    assert!(store.put(item(&at, &[("no", map.clone())]), Condition::None).await.unwrap());
    let other = AttributeValue::M([("a".to_owned(), text("1"))].into());
    assert!(!store.put(third.clone(), Condition::Equals("no", other)).await.unwrap());
    assert!(store.put(third, Condition::Equals("no", map)).await.unwrap(), "maps are equal in any order");
}

async fn transactions(store: &dyn Store, run: &str) {
    let pk = format!("{run}-several");
    let [account, entry, gate] = ["A", "E", "G"].map(|sk| key(&pk, sk));
    let account_1 = item(&account, &[("v", number(1))]);
    let entry_1 = item(&entry, &[("p", number(250))]);
    let writes = |version: Condition, account: &Item| {
        vec![put(account, version), put(&entry_1, Condition::Absent), Write::RequireAbsent { key: gate.clone() }]
    };
    let first = writes(Condition::Absent, &account_1);
    store.transact(&first).await.unwrap();
    assert_eq!(store.get(&account).await.unwrap(), Some(account_1.clone()));
    assert_eq!(store.get(&entry).await.unwrap(), Some(entry_1.clone()));
    assert_eq!(store.get(&gate).await.unwrap(), None, "a check writes nothing");

    // Each condition that fails is told with the item as it is, in the order of the writes.
    let again = reasons(store.transact(&first).await);
    assert_eq!(again, [Some(account_1.clone()), Some(entry_1.clone()), None]);
    let account_2 = item(&account, &[("v", number(2))]);
    assert_eq!(reasons(store.transact(&writes(version(1), &account_2)).await), [None, Some(entry_1.clone()), None]);
    assert_eq!(store.get(&account).await.unwrap(), Some(account_1.clone()), "all or nothing");
    let sealed = item(&gate, &[("at", text("now"))]);
    assert!(store.put(sealed.clone(), Condition::Absent).await.unwrap());
    assert_eq!(
        reasons(store.transact(&writes(version(7), &account_2)).await),
        [Some(account_1.clone()), Some(entry_1), Some(sealed)]
    );
    // A condition on an item that is not there fails without one.
    let nowhere = key(&pk, "nowhere");
    let missing = [put(&item(&nowhere, &[]), version(1)), put(&account_2, version(1))];
    assert_eq!(reasons(store.transact(&missing).await), [Some(Item::new()), None]);
    assert_eq!(store.get(&account).await.unwrap(), Some(account_1));
    store.transact(&[put(&account_2, version(1)), put(&item(&nowhere, &[]), Condition::None)]).await.unwrap();
    assert_eq!(store.get(&account).await.unwrap(), Some(account_2));
}

async fn refused_transactions(store: &dyn Store, run: &str) {
    let pk = format!("{run}-refused");
    let is_refused = |answer: Result<(), TransactError>| match answer {
        Err(TransactError::Ledger(error @ LedgerError::Refused(_))) => assert!(!error.is_retryable()),
        other => panic!("not refused: {other:?}"),
    };
    let twice = item(&key(&pk, "twice"), &[]);
    is_refused(store.transact(&[put(&twice, Condition::None), put(&twice, Condition::None)]).await);
    let many: Vec<Write> =
        (0..101).map(|at| put(&item(&key(&pk, &format!("{at:03}")), &[]), Condition::None)).collect();
    is_refused(store.transact(&many).await);
    store.transact(&many[..100]).await.unwrap();
    let half_megabyte = text("x".repeat(512 * 1024));
    let large = item(&key(&pk, "large"), &[("x", half_megabyte)]);
    is_refused(store.transact(&[put(&large, Condition::None)]).await);
    assert!(matches!(store.put(large, Condition::None).await, Err(LedgerError::Refused(_))));
    assert_eq!(store.get(&key(&pk, "large")).await.unwrap(), None);
    assert_eq!(store.get(&key(&pk, "twice")).await.unwrap(), None);
}

async fn batches(store: &dyn Store, run: &str) {
    let pks: Vec<String> = (0..100).map(|at| format!("{run}-batch-{}", at % 10)).collect();
    let keys: Vec<Key> = pks.iter().enumerate().map(|(at, pk)| key(pk, &format!("{at:03}"))).collect();
    for key in keys.iter().step_by(3) {
        assert!(store.put(item(key, &[("x", text("x".repeat(60_000)))]), Condition::None).await.unwrap());
    }
    let mut found: Vec<String> = store.get_many(&keys).await.unwrap().iter().map(|item| sk(item).to_owned()).collect();
    found.sort();
    let expected: Vec<String> = (0..100).step_by(3).map(|at| format!("{at:03}")).collect();
    assert_eq!(found, expected, "what is there, all of it, in whatever order");
}

/// All items of a partition by pages of a limit.
async fn all(store: &dyn Store, pk: &str, prefix: Option<&str>, limit: Option<i32>) -> Vec<Vec<String>> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let (items, next) = store.page(pk, prefix, after, limit).await.unwrap();
        pages.push(items.iter().map(|item| sk(item).to_owned()).collect());
        match next {
            Some(_) => after = next,
            None => return pages,
        }
    }
}

async fn pages(store: &dyn Store, run: &str) {
    let pk = format!("{run}-pages");
    assert_eq!(
        all(store, &pk, None, None).await,
        [Vec::<String>::new()],
        "a partition without items has one empty page"
    );
    // By bytes: capitals before small letters, a digit before both, `#` before all.
    let sorted = ["H#a#1", "H#a#10", "H#a#2", "grocery#a#1", "grocery#r#1", "grocery2#a#1", "mall#a#é", "mall#a#商"];
    for at in [3, 7, 0, 5, 1, 6, 2, 4] {
        assert!(store.put(item(&key(&pk, sorted[at]), &[]), Condition::Absent).await.unwrap());
    }
    assert!(store.put(item(&key(&format!("{pk}-other"), "H#a#1"), &[]), Condition::Absent).await.unwrap());
    assert_eq!(all(store, &pk, None, None).await, [sorted.map(str::to_owned).to_vec()]);
    assert_eq!(all(store, &pk, Some("grocery#"), None).await, [sorted[3..5].to_vec()]);
    assert_eq!(all(store, &pk, Some("nothing"), None).await, [Vec::<String>::new()]);
    for limit in [1, 3, 7] {
        let pages = all(store, &pk, None, Some(limit)).await;
        assert!(pages.iter().all(|page| page.len() <= usize::try_from(limit).unwrap()));
        assert_eq!(pages.concat(), sorted, "pages of {limit} are the partition");
    }
    let (first, next) = store.page(&pk, Some("grocery"), None, Some(2)).await.unwrap();
    assert_eq!((first.len(), next.as_deref()), (2, Some("grocery#r#1")));
    // What is written behind the place where a reader stands, it still sees.
    assert!(store.put(item(&key(&pk, "grocery#s#1"), &[]), Condition::Absent).await.unwrap());
    let (rest, _) = store.page(&pk, Some("grocery"), next, None).await.unwrap();
    assert_eq!(rest.iter().map(sk).collect::<Vec<_>>(), ["grocery#s#1", "grocery2#a#1"]);
}

async fn large_pages(store: Arc<dyn Store>, run: &str) {
    use futures::TryStreamExt;
    let pk = format!("{run}-large");
    let names: Vec<String> = (0..9).map(|at| format!("{at}")).collect();
    for name in &names {
        let large = item(&key(&pk, name), &[("x", text("x".repeat(300_000)))]);
        assert!(store.put(large, Condition::None).await.unwrap());
    }
    let pages = all(&*store, &pk, None, None).await;
    assert!(pages.len() > 1 && pages.iter().all(|page| page.len() <= 4), "a page has at most 1 MB: {pages:?}");
    assert_eq!(pages.concat(), names);
    let streamed: Vec<Vec<Item>> = store.clone().partition(pk).try_collect().await.unwrap();
    assert_eq!(streamed.concat().iter().map(sk).collect::<Vec<_>>(), names, "a whole partition, read ahead");
    let nothing: Vec<Vec<Item>> = store.partition(format!("{run}-nobody")).try_collect().await.unwrap();
    assert!(nothing.concat().is_empty());
}

async fn statements(store: &dyn Store, run: &str) {
    let member = format!("{run}-member");
    let entry = |at: usize| {
        let place = key(&format!("{run}-E#{}", at % 3), &format!("e{at}"));
        item(&place, &[(MEMBER, text(&member)), (OCCURRED, text(format!("2017-01-{:02}T08:00:00", 28 - at)))])
    };
    for at in 0..7 {
        store.transact(&[put(&entry(at), Condition::Absent)]).await.unwrap();
    }
    // Only an item with both attributes is in the index.
    assert!(store.put(item(&key(&member, "A"), &[(MEMBER, text(&member))]), Condition::None).await.unwrap());
    for limit in [1, 2, 3, 6, 7, 8, 100] {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let (items, more) = store.statement_page(&member, start, limit).await.unwrap();
            assert!(items.len() <= limit);
            found.extend(items.iter().map(|item| sk(item).to_owned()));
            match items.last() {
                Some(last) if more => {
                    start = Some([PK, SK, MEMBER, OCCURRED].map(|name| (name.to_owned(), last[name].clone())).into());
                }
                _ => break,
            }
        }
        assert_eq!(found, ["e0", "e1", "e2", "e3", "e4", "e5", "e6"], "newest first, pages of {limit}");
    }
    let (whole, _) = store.statement_page(&member, None, 1).await.unwrap();
    assert_eq!(whole, [entry(0)], "the index has every attribute");
    assert_eq!(store.statement_page(&format!("{run}-nobody"), None, 5).await.unwrap(), (Vec::new(), false));
}

/// Of many writers that all saw the same version, one wins.
async fn races(store: &Arc<dyn Store>, run: &str) {
    let at = key(&format!("{run}-race"), "A");
    assert!(store.put(item(&at, &[("v", number(1))]), Condition::Absent).await.unwrap());
    let tasks = (0..16).map(|writer: i64| {
        let (store, account) = (store.clone(), item(&at, &[("v", number(2)), ("writer", number(writer))]));
        let entry = item(&key(&at.pk, &format!("e{writer}")), &[]);
        tokio::spawn(async move {
            let writes = [put(&account, version(1)), put(&entry, Condition::Absent)];
            loop {
                match store.transact(&writes).await {
                    Ok(()) => return true,
                    Err(TransactError::Cancelled(outcomes)) => {
                        // A store may also say that another one is under way.
                        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Condition(_))) {
                            return false;
                        }
                    }
                    Err(TransactError::Ledger(error)) => panic!("{error}"),
                }
            }
        })
    });
    let mut winners = Vec::new();
    for (writer, task) in futures::future::join_all(tasks).await.into_iter().enumerate() {
        winners.extend(task.unwrap().then_some(writer));
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    let writer = number(i64::try_from(winners[0]).unwrap());
    assert_eq!(store.get(&at).await.unwrap().unwrap()["writer"], writer);
    let entries = all(&**store, &at.pk, Some("e"), None).await.concat();
    assert_eq!(entries, [format!("e{}", winners[0])], "nothing of the others is written");
}

/// Checks a bucket, under a prefix of its own.
pub async fn bucket(bucket: &Bucket, run: &str) {
    bucket.create_if_missing().await.unwrap();
    bucket.create_if_missing().await.unwrap();
    let name = |name: &str| format!("{run}/{name}");
    let [once, free, none] = [name("once.csv"), name("free.json"), name("none.csv")];
    assert!(matches!(bucket.get(&none).await, Err(StoreError::Missing(key)) if key == none));

    bucket.put_once(&once, b"first".to_vec()).await.unwrap();
    bucket.put_once(&once, b"first".to_vec()).await.unwrap();
    assert!(matches!(bucket.put_once(&once, b"other".to_vec()).await, Err(StoreError::Differs(key)) if key == once));
    assert!(matches!(bucket.put_once(&once, Vec::new()).await, Err(StoreError::Differs(_))));
    assert_eq!(bucket.get(&once).await.unwrap(), b"first", "a read sees the write before it, and nothing after");

    bucket.put(&free, b"1".to_vec()).await.unwrap();
    bucket.put(&free, b"22".to_vec()).await.unwrap();
    assert_eq!(bucket.get(&free).await.unwrap(), b"22");
    assert_eq!(bucket.get_at_most(&free, 2).await.unwrap(), b"22");
    assert!(matches!(bucket.get_at_most(&free, 1).await, Err(StoreError::TooLarge { limit: 1, .. })));
    assert!(matches!(
        bucket.get_version(&free, Some("none"), 9).await,
        Err(StoreError::Missing(_) | StoreError::Refused { .. })
    ));
    assert_eq!(bucket.get_version(&free, None, 9).await.unwrap(), b"22");
    assert!(!bucket.put_new(&free, b"3".to_vec()).await.unwrap());
    for (range, bytes) in [(0..5, "first"), (0..1, "f"), (1..4, "irs"), (4..5, "t"), (3..3, ""), (9..9, "")] {
        assert_eq!(bucket.get_range(&once, range).await.unwrap(), bytes.as_bytes());
    }
    for range in [4..6, 5..6, 0..u64::MAX] {
        assert!(matches!(bucket.get_range(&once, range).await, Err(StoreError::Refused { .. })));
    }
    assert!(matches!(bucket.get_range(&none, 0..1).await, Err(StoreError::Missing(key)) if key == none));
    bucket.put(&free, Vec::new()).await.unwrap();
    assert_eq!(bucket.get(&free).await.unwrap(), b"");

    assert_eq!(bucket.count(&name("tallies/"), 64).await.unwrap(), 0);
    for shard in 0..5 {
        bucket.put(&name(&format!("tallies/shard-{shard:02}.json")), vec![shard]).await.unwrap();
    }
    assert_eq!(bucket.count(&name("tallies/"), 64).await.unwrap(), 5);
    assert_eq!(bucket.count(&name("tallies/"), 3).await.unwrap(), 3, "counts to 3 and no further");
    let writers = (0..8_u8).map(|writer| {
        let (bucket, key) = (bucket.clone(), name("race.csv"));
        tokio::spawn(async move { bucket.put_once(&key, vec![writer]).await.is_ok().then_some(writer) })
    });
    let winners: Vec<u8> =
        futures::future::join_all(writers).await.into_iter().filter_map(|writer| writer.unwrap()).collect();
    assert_eq!(winners.len(), 1, "one of many writers of a key wins");
    assert_eq!(bucket.get(&name("race.csv")).await.unwrap(), winners);
    let link = bucket.presigned(&once, Duration::from_secs(60)).await.unwrap();
    assert!(link.contains("once.csv") && link != bucket.presigned(&free, Duration::from_secs(60)).await.unwrap());
}
