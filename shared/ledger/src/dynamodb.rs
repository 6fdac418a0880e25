//! The port's implementation by DynamoDB.

use crate::attributes::{MEMBER, OCCURRED, PK, SK};
use crate::error::{LedgerError, is_busy};
use crate::items;
use crate::keys::Key;
use crate::service_time::ServiceTime;
use crate::store::{Condition, Consumed, Item, Outcome, STATEMENT_INDEX, Store, TransactError, Write, longest_pause};
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    KeysAndAttributes, Projection, ProjectionType, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    ScalarAttributeType, TransactWriteItem,
};
use futures::stream::{self, BoxStream};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a batch is asked for while some of its items are left out.
const BATCH_READS: u32 = 20;
/// Pages read ahead while earlier ones are folded.
const PAGES_AHEAD: usize = 2;

#[derive(Debug)]
pub struct Table {
    client: Client,
    name: String,
    consumed: Consumed,
    service_time: ServiceTime,
}

impl Table {
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        let service_time = ServiceTime::default();
        let config = client.config().to_builder().interceptor(service_time.clone()).build();
        let (client, name) = (Client::from_conf(config), name.into());
        Self { client, name, consumed: Consumed::default(), service_time }
    }

    fn query(&self) -> QueryFluentBuilder {
        self.client.query().table_name(&self.name).return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    /// Strongly consistent, in key order, after a sort key.
    fn query_after(&self, pk: &str, after: Option<String>) -> QueryFluentBuilder {
        let start = after.map(|sk| crate::items::with_key(&Key { pk: pk.to_owned(), sk }));
        self.query()
            .expression_attribute_names("#pk", PK)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .consistent_read(true)
            .set_exclusive_start_key(start)
    }

    async fn answered(&self, query: QueryFluentBuilder) -> Result<(Vec<Item>, Option<String>), LedgerError> {
        let answer = query.send().await?;
        self.consumed.read(answer.consumed_capacity.as_slice());
        let next = answer.last_evaluated_key.and_then(|key| Some(key.get(SK)?.as_s().ok()?.clone()));
        Ok((answer.items.unwrap_or_default(), next))
    }

    fn transact_item(&self, write: &Write) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        match write {
            Write::Put { item, condition } => {
                let (expression, names, values) = expression(condition);
                let put = Put::builder()
                    .table_name(&self.name)
                    .set_item(Some(item.clone()))
                    .set_condition_expression(expression)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(all_old)
                    .build()?;
                Ok(TransactWriteItem::builder().put(put).build())
            }
            Write::RequireAbsent { key } => {
                let check = ConditionCheck::builder()
                    .table_name(&self.name)
                    .set_key(Some(crate::items::with_key(key)))
                    .condition_expression("attribute_not_exists(#pk)")
                    .expression_attribute_names("#pk", PK)
                    .return_values_on_condition_check_failure(all_old)
                    .build()?;
                Ok(TransactWriteItem::builder().condition_check(check).build())
            }
        }
    }
}

#[async_trait]
impl Store for Table {
    async fn create_if_missing(&self) -> Result<(), LedgerError> {
        let attribute = |name: &str| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
        };
        let key = |name: &str, kind: KeyType| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let broken = |error: aws_sdk_dynamodb::error::BuildError| LedgerError::Refused(error.to_string());
        let index = GlobalSecondaryIndex::builder()
            .index_name(STATEMENT_INDEX)
            .key_schema(key(MEMBER, KeyType::Hash).map_err(broken)?)
            .key_schema(key(OCCURRED, KeyType::Range).map_err(broken)?)
            .projection(Projection::builder().projection_type(ProjectionType::All).build())
            .build()
            .map_err(broken)?;
        let mut request = self
            .client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key(PK, KeyType::Hash).map_err(broken)?)
            .key_schema(key(SK, KeyType::Range).map_err(broken)?)
            .global_secondary_indexes(index);
        for name in [PK, SK, MEMBER, OCCURRED] {
            request = request.attribute_definitions(attribute(name).map_err(broken)?);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, LedgerError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(crate::items::with_key(key)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await?;
        self.consumed.read(answer.consumed_capacity.as_slice());
        Ok(answer.item)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Item>, LedgerError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut items = Vec::new();
        let mut left: Vec<Item> = keys.iter().map(crate::items::with_key).collect();
        for attempt in 0..BATCH_READS {
            let request = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true).build();
            let request = request.map_err(|error| LedgerError::Refused(error.to_string()))?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.name, request)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await?;
            self.consumed.read(answer.consumed_capacity());
            items.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
            let unprocessed = answer.unprocessed_keys.into_iter().flatten();
            left = unprocessed.flat_map(|(_, unprocessed)| unprocessed.keys).collect();
            if left.is_empty() {
                return Ok(items);
            }
            self.pause(longest_pause(attempt), left.len() as u64).await;
        }
        Err(LedgerError::Unavailable(format!("{} items were left out of {BATCH_READS} answers", left.len())))
    }

    async fn page(
        &self,
        pk: &str,
        prefix: Option<&str>,
        after: Option<String>,
        limit: Option<i32>,
    ) -> Result<(Vec<Item>, Option<String>), LedgerError> {
        let query = self.query_after(pk, after).set_limit(limit);
        let query = match prefix {
            None => query.key_condition_expression("#pk = :pk"),
            Some(prefix) => query
                .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
                .expression_attribute_names("#sk", SK)
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned())),
        };
        self.answered(query).await
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<bool, LedgerError> {
        self.service_time.check()?;
        let (expression, names, values) = expression(&condition);
        let answer = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .set_condition_expression(expression)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.consumed.wrote(answer.consumed_capacity.as_slice());
                Ok(true)
            }
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) if error.code() == Some("TransactionConflictException") => Err(LedgerError::Conflicted),
            Err(error) => Err(error.into()),
        }
    }

    async fn transact(&self, writes: &[Write]) -> Result<(), TransactError> {
        self.service_time.check().map_err(TransactError::Ledger)?;
        let items: Result<Vec<TransactWriteItem>, _> = writes.iter().map(|write| self.transact_item(write)).collect();
        let items = items.map_err(|error| TransactError::Ledger(LedgerError::Refused(error.to_string())))?;
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let error = match answer {
            Ok(answer) => {
                self.consumed.wrote(answer.consumed_capacity());
                return Ok(());
            }
            Err(error) => error,
        };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
            let mut outcomes = Vec::with_capacity(writes.len());
            for reason in cancelled.cancellation_reasons() {
                outcomes.push(match reason.code() {
                    None | Some("None") => Outcome::Fine,
                    Some("ConditionalCheckFailed") => Outcome::Condition(reason.item().cloned().unwrap_or_default()),
                    Some("TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded") => {
                        Outcome::Conflict
                    }
                    Some(code) => {
                        let text = format!("{code}: {}", reason.message().unwrap_or_default());
                        return Err(TransactError::Ledger(LedgerError::Refused(text)));
                    }
                });
            }
            if outcomes.len() == writes.len() {
                return Err(TransactError::Cancelled(outcomes));
            }
        }
        // As if others had been in the way. A service that fails is tried again less often.
        if is_busy(error.code()) {
            return Err(TransactError::Cancelled(writes.iter().map(|_| Outcome::Conflict).collect()));
        }
        Err(TransactError::Ledger(error.into()))
    }

    async fn statement_page(
        &self,
        member: &str,
        start: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), LedgerError> {
        let answer = self
            .query()
            .index_name(STATEMENT_INDEX)
            .key_condition_expression("#m = :m")
            .expression_attribute_names("#m", MEMBER)
            .expression_attribute_values(":m", AttributeValue::S(member.to_owned()))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        self.consumed.read(answer.consumed_capacity.as_slice());
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key.is_some()))
    }

    async fn pause(&self, longest: Duration, seed: u64) {
        tokio::time::sleep(spread(longest, seed, std::process::id())).await;
    }

    fn consumed(&self) -> &Consumed {
        &self.consumed
    }

    /// Pages are fetched and decoded by a task of its own.
    fn partition(self: Arc<Self>, pk: String) -> BoxStream<'static, Result<Vec<Item>, LedgerError>> {
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        tokio::spawn(async move {
            let attributes = items::cleared_attributes();
            let mut after = None;
            loop {
                let query = self.query_after(&pk, after).key_condition_expression("#pk = :pk");
                let page = self.answered(projected(query, &attributes)).await;
                let next = page.as_ref().ok().and_then(|(_, next)| next.clone());
                let sent = sender.send(page.map(|(items, _)| items)).await;
                match next {
                    Some(_) if sent.is_ok() => after = next,
                    _ => return,
                }
            }
        });
        Box::pin(stream::unfold(pages, |mut pages| async move { Some((pages.recv().await?, pages)) }))
    }
}

/// Asks for some attributes only: the others need not be sent and parsed.
fn projected(query: QueryFluentBuilder, attributes: &[&str]) -> QueryFluentBuilder {
    let names = attributes.iter().enumerate().map(|(at, name)| (format!("#p{at}"), *name));
    let placeholders: Vec<String> = names.clone().map(|(placeholder, _)| placeholder).collect();
    let query = query.projection_expression(placeholders.join(", "));
    names.fold(query, |query, (placeholder, name)| query.expression_attribute_names(placeholder, name))
}

type Expression = (Option<String>, Option<HashMap<String, String>>, Option<HashMap<String, AttributeValue>>);

fn expression(condition: &Condition) -> Expression {
    match condition {
        Condition::None => (None, None, None),
        Condition::Absent => (
            Some("attribute_not_exists(#pk)".to_owned()),
            Some(HashMap::from([("#pk".to_owned(), PK.to_owned())])),
            None,
        ),
        Condition::Equals(attribute, value) => (
            Some("#a = :old".to_owned()),
            Some(HashMap::from([("#a".to_owned(), (*attribute).to_owned())])),
            Some(HashMap::from([(":old".to_owned(), value.clone())])),
        ),
    }
}

/// From half of `longest` to all of it, in whole milliseconds.
fn spread(longest: Duration, seed: u64, process: u32) -> Duration {
    let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    let shortest = longest / 2;
    let bits = (seed ^ u64::from(process)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    Duration::from_millis(shortest + bits % (longest - shortest + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_pause_is_anything_from_half_of_the_longest_to_all_of_it() {
        for longest in [0, 1, 4, 249, 250] {
            let pauses = |pairs: &[(u64, u32)]| -> BTreeSet<u128> {
                let pause = |(seed, process): &(u64, u32)| spread(Duration::from_millis(longest), *seed, *process);
                pairs.iter().map(|pair| pause(pair).as_millis()).collect()
            };
            let all: BTreeSet<u128> = (u128::from(longest / 2)..=u128::from(longest)).collect();
            let by_seed: Vec<(u64, u32)> = (0..5_000).map(|seed| (seed, 1)).collect();
            let by_process: Vec<(u64, u32)> = (0..5_000).map(|process| (u64::MAX, process)).collect();
            assert_eq!(pauses(&by_seed), all);
            assert_eq!(pauses(&by_process), all);
            let no_bits: Vec<(u64, u32)> = (0..5_000).map(|process| (0, process)).collect();
            assert_eq!(pauses(&no_bits), all);
        }
    }
}
