//! The few typed operations that the ledger needs of DynamoDB.

use crate::attributes::{MEMBER, OCCURRED, PK, SK};
use crate::error::{LedgerError, is_transient};
use crate::items::{Item, Recorded};
use crate::keys::Key;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, ConsumedCapacity, GlobalSecondaryIndex,
    KeySchemaElement, KeyType, KeysAndAttributes, Projection, ProjectionType, Put, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TransactWriteItem,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The index for statements. Nothing is settled from it.
pub const STATEMENT_INDEX: &str = "member-statement";

/// Capacity units consumed since the start, in tenths.
#[derive(Debug, Default)]
pub struct Consumed {
    read_tenths: AtomicU64,
    write_tenths: AtomicU64,
}

impl Consumed {
    /// Read and write units so far.
    pub fn units(&self) -> (f64, f64) {
        let units = |tenths: &AtomicU64| tenths.load(Ordering::Relaxed) as f64 / 10.0;
        (units(&self.read_tenths), units(&self.write_tenths))
    }

    fn count(&self, counter: &AtomicU64, capacity: &[ConsumedCapacity]) {
        let units: f64 = capacity.iter().filter_map(ConsumedCapacity::capacity_units).sum();
        counter.fetch_add((units * 10.0).round() as u64, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
    consumed: Arc<Consumed>,
}

/// One item of a transaction.
#[derive(Debug, Clone)]
pub enum Write {
    Put {
        item: Item,
        condition: Condition,
    },
    /// Writes nothing; the transaction fails if the item exists.
    RequireAbsent {
        key: Key,
    },
}

#[derive(Debug, Clone)]
pub enum Condition {
    None,
    Absent,
    /// The attribute has exactly this value.
    Equals(&'static str, AttributeValue),
}

/// Why a transaction was cancelled: for each write, in order.
#[derive(Debug)]
pub enum Outcome {
    Fine,
    /// The condition failed; the item as it is.
    Condition(Item),
    /// Another transaction was under way, or the partition was busy.
    Conflict,
}

#[derive(Debug)]
pub enum TransactError {
    Cancelled(Vec<Outcome>),
    Ledger(LedgerError),
}

impl Table {
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into(), consumed: Arc::default() }
    }

    pub fn consumed(&self) -> &Consumed {
        &self.consumed
    }

    /// Creates the table where no template does: on a laptop and in tests.
    pub async fn create_if_missing(&self) -> Result<(), LedgerError> {
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

    /// A strongly consistent read.
    pub async fn get(&self, key: &Key) -> Result<Option<Item>, LedgerError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(crate::items::with_key(key)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await?;
        self.consumed.count(&self.consumed.read_tenths, answer.consumed_capacity.as_slice());
        Ok(answer.item)
    }

    /// The entry under a key that a stub points to.
    pub async fn recorded(&self, key: &Key) -> Result<Recorded, LedgerError> {
        match self.get(key).await? {
            Some(item) => crate::items::recorded(&item),
            None => Err(LedgerError::Broken { item: format!("{} {}", key.pk, key.sk), attribute: "all".to_owned() }),
        }
    }

    /// Strongly consistent reads of up to 100 items, in no order.
    pub async fn get_many(&self, keys: &[Key]) -> Result<Vec<Item>, LedgerError> {
        let mut items = Vec::new();
        let mut left: Vec<Item> = keys.iter().map(crate::items::with_key).collect();
        while !left.is_empty() {
            let request = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true).build();
            let request = request.map_err(|error| LedgerError::Refused(error.to_string()))?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.name, request)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await?;
            self.consumed.count(&self.consumed.read_tenths, answer.consumed_capacity());
            items.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
            left =
                answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, unprocessed)| unprocessed.keys).collect();
        }
        Ok(items)
    }

    pub fn query(&self) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        self.client.query().table_name(&self.name).return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    pub fn count_read(&self, capacity: Option<&ConsumedCapacity>) {
        self.consumed.count(&self.consumed.read_tenths, capacity.map(std::slice::from_ref).unwrap_or_default());
    }

    /// One page of a partition in key order, strongly consistent: the items whose
    /// sort key starts with `prefix`. `after` is the sort key where the page
    /// before ended.
    pub async fn page(
        &self,
        pk: &str,
        prefix: Option<&str>,
        after: Option<String>,
        limit: Option<i32>,
    ) -> Result<(Vec<Item>, Option<String>), LedgerError> {
        let start = after.map(|sk| crate::items::with_key(&Key { pk: pk.to_owned(), sk }));
        let query = self
            .query()
            .expression_attribute_names("#pk", PK)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .set_limit(limit);
        let query = match prefix {
            None => query.key_condition_expression("#pk = :pk"),
            Some(prefix) => query
                .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
                .expression_attribute_names("#sk", SK)
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned())),
        };
        let answer = query.send().await?;
        self.count_read(answer.consumed_capacity());
        let next = answer.last_evaluated_key.and_then(|key| Some(key.get(SK)?.as_s().ok()?.clone()));
        Ok((answer.items.unwrap_or_default(), next))
    }

    /// A conditional write of one item. `false`: the condition failed.
    pub async fn put(&self, item: Item, condition: Condition) -> Result<bool, LedgerError> {
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
                self.consumed.count(&self.consumed.write_tenths, answer.consumed_capacity.as_slice());
                Ok(true)
            }
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes all or nothing. The SDK adds a request token, so a lost reply is
    /// retried without effect.
    pub async fn transact(&self, writes: &[Write]) -> Result<(), TransactError> {
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
                self.consumed.count(&self.consumed.write_tenths, answer.consumed_capacity());
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
        if is_transient(error.code()) {
            return Err(TransactError::Cancelled(writes.iter().map(|_| Outcome::Conflict).collect()));
        }
        Err(TransactError::Ledger(error.into()))
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
