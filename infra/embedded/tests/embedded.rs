//! What callers may rely on, through ordinary AWS SDK clients.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, ScalarAttributeType,
    TransactWriteItem,
};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use interline_embedded::{Embedded, EmbeddedError, Storage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const TABLE: &str = "ledger";
const BUCKET: &str = "proof-packs";
/// In bytes, for a bucket of that name.
const LONGEST_KEY: usize = 157;

#[tokio::test]
async fn tables_conditions_and_transactions_work_in_memory() {
    let embedded = Embedded::start(Storage::Memory).await.unwrap();
    write_ledger(&embedded.dynamodb()).await;
    assert_ledger(&embedded.dynamodb()).await;
    embedded.stop().await;
}

#[tokio::test]
async fn tables_conditions_and_transactions_work_on_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = start_in(directory.path()).await.unwrap();
    write_ledger(&embedded.dynamodb()).await;
    assert_ledger(&embedded.dynamodb()).await;
    embedded.stop().await;
}

#[tokio::test]
async fn a_directory_keeps_its_data_across_a_stop_and_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = start_in(directory.path()).await.unwrap();
    write_ledger(&embedded.dynamodb()).await;
    create_bucket(&embedded).await;
    put(&embedded, "2026/03/manifest.json", b"{}").await;
    embedded.stop().await;

    let embedded = start_in(directory.path()).await.unwrap();
    assert_ledger(&embedded.dynamodb()).await;
    let object = embedded.s3().get_object().bucket(BUCKET).key("2026/03/manifest.json").send().await.unwrap();
    assert_eq!(object.content_type(), Some("application/json"));
    assert_eq!(object.body.collect().await.unwrap().to_vec(), b"{}");
    embedded.stop().await;
}

#[tokio::test]
async fn nothing_in_memory_outlives_a_stop() {
    let embedded = Embedded::start(Storage::Memory).await.unwrap();
    create_bucket(&embedded).await;
    embedded.stop().await;

    let embedded = Embedded::start(Storage::Memory).await.unwrap();
    assert!(embedded.s3().list_buckets().send().await.unwrap().buckets().is_empty());
    assert!(embedded.dynamodb().list_tables().send().await.unwrap().table_names().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_32_racing_conditional_puts_wins_and_its_body_is_kept() {
    let embedded = Embedded::start(Storage::Memory).await.unwrap();
    create_bucket(&embedded).await;
    for round in 0..5 {
        let key = format!("runs/{round}/claim");
        let mut puts = JoinSet::new();
        for writer in 0..32 {
            let put = embedded
                .s3()
                .put_object()
                .bucket(BUCKET)
                .key(&key)
                .if_none_match("*")
                .body(ByteStream::from(format!("writer {writer}").into_bytes()));
            puts.spawn(async move { (writer, put.send().await) });
        }
        let mut winners = Vec::new();
        for (writer, outcome) in puts.join_all().await {
            match outcome {
                Ok(_) => winners.push(writer),
                Err(error) => assert_eq!(error.code(), Some("PreconditionFailed"), "{error:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "winners {winners:?}");
        assert_eq!(body(&embedded, &key).await, format!("writer {}", winners[0]).into_bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_never_sees_one_version_with_the_checksum_of_another() {
    let embedded = Embedded::start(Storage::Memory).await.unwrap();
    create_bucket(&embedded).await;
    put(&embedded, "current", b"version 0").await;
    let writer = {
        let s3 = embedded.s3();
        tokio::spawn(async move {
            for version in 1..100 {
                let body = ByteStream::from(format!("version {version}").into_bytes());
                s3.put_object().bucket(BUCKET).key("current").body(body).send().await.unwrap();
            }
        })
    };
    while !writer.is_finished() {
        // The client fails on a checksum that does not belong to the body.
        assert!(body(&embedded, "current").await.starts_with(b"version "));
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_put_with_a_wrong_checksum_leaves_the_object_as_it_was() {
    let embedded = Embedded::start(Storage::Memory).await.unwrap();
    create_bucket(&embedded).await;
    put(&embedded, "rates.csv", b"right").await;
    let refused = embedded
        .s3()
        .put_object()
        .bucket(BUCKET)
        .key("rates.csv")
        .checksum_crc32("AAAAAA==")
        .body(ByteStream::from_static(b"wrong"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Some("BadDigest"), "{refused:?}");
    assert_eq!(body(&embedded, "rates.csv").await, b"right");
}

#[tokio::test]
async fn what_a_killed_upload_left_behind_is_gone_after_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = start_in(directory.path()).await.unwrap();
    create_bucket(&embedded).await;
    put(&embedded, "kept", b"kept").await;
    embedded.stop().await;
    let half = directory.path().join("s3/.arriving/upload").join(BUCKET);
    std::fs::create_dir_all(&half).unwrap();
    std::fs::write(half.join("half"), b"ha").unwrap();

    let embedded = start_in(directory.path()).await.unwrap();
    assert!(!half.exists());
    let listed = embedded.s3().list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["kept"]);
    embedded.stop().await;
}

#[tokio::test]
async fn a_folder_of_objects_and_a_deleted_object_are_not_found() {
    let embedded = Embedded::start(Storage::Memory).await.unwrap();
    create_bucket(&embedded).await;
    put(&embedded, "2026/03/report", b"report").await;
    let s3 = embedded.s3();
    let folder = s3.head_object().bucket(BUCKET).key("2026/03").send().await.unwrap_err();
    assert!(folder.into_service_error().is_not_found());

    s3.delete_object().bucket(BUCKET).key("2026/03/report").send().await.unwrap();
    let deleted = s3.get_object().bucket(BUCKET).key("2026/03/report").send().await.unwrap_err();
    assert_eq!(deleted.code(), Some("NoSuchKey"));
}

#[tokio::test]
async fn what_s3_refuses_is_refused_and_leaves_no_object() {
    let embedded = Embedded::start(Storage::Memory).await.unwrap();
    create_bucket(&embedded).await;
    put(&embedded, "a", b"a").await;
    let s3 = embedded.s3();
    let put = |bucket: &str, key: &str| s3.put_object().bucket(bucket).key(key).body(ByteStream::from_static(b"x"));

    let cases = [
        ("no such bucket", put("absent", "key").send().await, "NoSuchBucket"),
        ("a key under an object", put(BUCKET, "a/b").send().await, "InvalidRequest"),
        ("a key that leads out", put(BUCKET, "../other/key").send().await, "InvalidArgument"),
        ("a key too long to keep", put(BUCKET, &"k".repeat(LONGEST_KEY + 1)).send().await, "KeyTooLongError"),
        ("a condition not offered", put(BUCKET, "a").if_match("\"0\"").send().await, "NotImplemented"),
    ];
    for (case, outcome, code) in cases {
        let error = outcome.expect_err(case);
        assert_eq!(error.code(), Some(code), "{case}: {error:?}");
    }
    let again = s3.create_bucket().bucket(BUCKET).send().await.unwrap_err();
    assert!(again.into_service_error().is_bucket_already_owned_by_you());
    let listed = s3.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(listed.key_count(), Some(1));
    assert_eq!(body(&embedded, "a").await, b"a");
    put(BUCKET, &"k".repeat(LONGEST_KEY)).send().await.unwrap();
}

#[tokio::test]
async fn a_presigned_url_opens_its_object_and_a_tampered_one_is_forbidden() {
    let embedded = Embedded::start(Storage::Memory).await.unwrap();
    create_bucket(&embedded).await;
    put(&embedded, "statement.csv", b"a,b\n").await;
    put(&embedded, "secret.csv", b"c,d\n").await;
    let an_hour = PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap();
    let presigned = embedded.s3().get_object().bucket(BUCKET).key("statement.csv").presigned(an_hour).await.unwrap();
    let url = presigned.uri();

    let response = http_get(url).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(response.ends_with("\r\n\r\na,b\n"), "{response}");

    let tampered = [
        url.replace("statement.csv", "secret.csv"),
        url.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"),
        url.split('?').next().unwrap().to_owned(),
    ];
    for url in tampered {
        assert_ne!(url, presigned.uri());
        let response = http_get(&url).await;
        assert!(response.starts_with("HTTP/1.1 403 "), "{url}: {response}");
    }
}

#[tokio::test]
async fn a_presigned_url_stays_valid_when_s3_restarts_on_the_same_port() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = start_in(directory.path()).await.unwrap();
    create_bucket(&embedded).await;
    put(&embedded, "statement.csv", b"a,b\n").await;
    let an_hour = PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap();
    let presigned = embedded.s3().get_object().bucket(BUCKET).key("statement.csv").presigned(an_hour).await.unwrap();
    let port = embedded.s3_endpoint().rsplit(':').next().unwrap().parse().unwrap();
    embedded.stop().await;

    let storage = Storage::Directory(directory.path().to_owned());
    let embedded = Embedded::start_on(storage, Some(port)).await.unwrap();
    let response = http_get(presigned.uri()).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");

    let taken = Embedded::start_on(Storage::Memory, Some(port)).await.unwrap_err();
    assert_eq!(taken.to_string(), format!("cannot listen on 127.0.0.1:{port}"));
    embedded.stop().await;
}

#[tokio::test]
async fn a_directory_serves_one_process_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let first = start_in(directory.path()).await.unwrap();
    let refused = start_in(directory.path()).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::InUse(_)));
    assert_eq!(
        refused.to_string(),
        format!("the data directory {} is in use by another interline process", directory.path().display())
    );

    // Refusing harmed nothing, and a stop frees the directory at once.
    write_ledger(&first.dynamodb()).await;
    first.stop().await;
    start_in(directory.path()).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_database_that_is_damaged_is_told_so_in_words_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = start_in(directory.path()).await.unwrap();
    write_ledger(&embedded.dynamodb()).await;
    embedded.stop().await;
    let path = directory.path().join(interline_embedded::DATABASE);
    let whole = std::fs::read(&path).unwrap();
    let with = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at..at + 64].fill(0xa5);
        bytes
    };
    for (bytes, what) in [(with(0), "head"), (whole[..6_000].to_vec(), "cut off"), (b"no database".repeat(99), "other")]
    {
        std::fs::write(&path, &bytes).unwrap();
        let refused = start_in(directory.path()).await.unwrap_err();
        assert!(matches!(refused, EmbeddedError::Damaged(_)), "{what}: {refused:?}");
        assert!(refused.to_string().contains("is damaged: bring the folder back from a copy"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}");
    }
    std::fs::write(&path, &whole).unwrap();
    start_in(directory.path()).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named_with_its_cause() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().join("data");
    let error = start_in(&path).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot create the data directory {}", path.display()));
    assert!(error.source().is_some());
}

async fn start_in(directory: &Path) -> Result<Embedded, EmbeddedError> {
    Embedded::start(Storage::Directory(directory.to_owned())).await
}

async fn create_bucket(embedded: &Embedded) {
    embedded.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
}

async fn put(embedded: &Embedded, key: &str, body: &'static [u8]) {
    let put = embedded.s3().put_object().bucket(BUCKET).key(key).content_type("application/json");
    put.body(ByteStream::from_static(body)).send().await.unwrap();
}

async fn body(embedded: &Embedded, key: &str) -> Vec<u8> {
    let object = embedded.s3().get_object().bucket(BUCKET).key(key).send().await.unwrap();
    object.body.collect().await.unwrap().to_vec()
}

/// One table, an account claimed once although claimed twice, and a
/// transaction whose second half fails and so takes the first with it.
async fn write_ledger(dynamodb: &aws_sdk_dynamodb::Client) {
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build().unwrap();
    let attribute =
        AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S).build().unwrap();
    dynamodb
        .create_table()
        .table_name(TABLE)
        .key_schema(key)
        .attribute_definitions(attribute)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();

    let claim = || {
        dynamodb
            .put_item()
            .table_name(TABLE)
            .item("pk", AttributeValue::S("account".to_owned()))
            .item("points", AttributeValue::N("90071992547409931234567890".to_owned()))
            .condition_expression("attribute_not_exists(pk)")
    };
    claim().send().await.unwrap();
    let twice = claim().send().await.unwrap_err();
    assert!(twice.into_service_error().is_conditional_check_failed_exception());

    let fresh = |pk: &str| {
        let put = Put::builder()
            .table_name(TABLE)
            .item("pk", AttributeValue::S(pk.to_owned()))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let both = dynamodb.transact_write_items().transact_items(fresh("entry 1")).transact_items(fresh("entry 2"));
    both.send().await.unwrap();
    let half = dynamodb.transact_write_items().transact_items(fresh("entry 3")).transact_items(fresh("account"));
    let cancelled = half.send().await.unwrap_err().into_service_error();
    assert!(cancelled.is_transaction_canceled_exception(), "{cancelled:?}");
}

async fn assert_ledger(dynamodb: &aws_sdk_dynamodb::Client) {
    let items = dynamodb.scan().table_name(TABLE).consistent_read(true).send().await.unwrap().items.unwrap();
    let mut keys: Vec<_> = items.iter().map(|item| item["pk"].as_s().unwrap().as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["account", "entry 1", "entry 2"]);
    let account = items.iter().find(|item| item.contains_key("points")).unwrap();
    assert_eq!(account["points"].as_n().unwrap(), "90071992547409931234567890");
}

async fn http_get(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}
