//! What the ports promise holds in memory, on the embedded stack, and on any
//! endpoint that is named.

use interline_embedded::{Embedded, Storage};
use interline_lambda::bootstrap::{self, Settings};
use interline_ledger::Ledger;
use interline_reports::bucket::Bucket;
use interline_tests::contract;
use interline_tests::sim::memory::{Memory, MemoryBucket};
use std::sync::Arc;

#[tokio::test]
async fn the_store_in_memory_keeps_the_contract() {
    contract::table(Arc::new(Memory::default()), "run").await;
    contract::bucket(&Bucket::on(Arc::new(MemoryBucket::default()), "memory"), "run").await;
}

#[tokio::test]
async fn the_embedded_stack_keeps_the_contract() {
    let embedded = Embedded::start(Storage::Memory).await.unwrap();
    contract::table(Ledger::new(embedded.dynamodb(), "contract").store().clone(), "run").await;
    contract::bucket(&Bucket::new(embedded.s3(), "contract"), "run").await;
}

/// For example `INTERLINE_CONTRACT_ENDPOINT=http://127.0.0.1:4566`. Region and
/// credentials come from the environment, as for the functions.
#[tokio::test]
#[ignore = "needs an endpoint"]
async fn the_endpoint_of_the_environment_keeps_the_contract() {
    let endpoint =
        std::env::var("INTERLINE_CONTRACT_ENDPOINT").expect("INTERLINE_CONTRACT_ENDPOINT names the endpoint");
    // A table and a bucket of this run: what others left there does no harm.
    let run = format!("contract-{}", std::process::id());
    let settings = Settings {
        lock_days: 0,
        table: run.clone(),
        reports_bucket: run.clone(),
        inbox_bucket: run.clone(),
        role_prefix: "interline".to_owned(),
    };
    let config = bootstrap::sdk_config().await.into_builder().endpoint_url(endpoint).build();
    let app = bootstrap::app(&config, &settings);
    contract::table(app.ledger.store().clone(), &run).await;
    contract::bucket(&app.reports, &run).await;
}
