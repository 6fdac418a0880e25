//! Objects in S3.

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};
use chrono::{DateTime, Utc};
use interline_domain::units::causes::{causes, of_service};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("object {key}: the store did not answer: {reason}")]
    Unavailable { key: String, reason: String },
    #[error("object {key}: the store refused: {reason}")]
    Refused { key: String, reason: String },
    #[error("object {0} does not exist")]
    Missing(String),
    /// S3 tells only those apart that may list the bucket.
    #[error("object {0} does not exist, or this role may not read it")]
    MissingOrDenied(String),
    #[error("object {0} exists with other content, and it may be written only once")]
    Differs(String),
    #[error("object {0} is damaged: its bytes are not those that were stored")]
    Damaged(String),
    #[error("object {key} is larger than {limit} bytes")]
    TooLarge { key: String, limit: u64 },
}

impl StoreError {
    pub fn is_retryable(&self) -> bool {
        matches!(self, StoreError::Unavailable { .. })
    }

    /// Of a range that an object does not have.
    pub fn ends_before(key: &str) -> Self {
        StoreError::Refused { key: key.to_owned(), reason: "it ends before the range that was asked for".to_owned() }
    }

    fn new<E, R>(key: &str, error: SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let request = error.meta().extra("aws_request_id");
        let reason = of_service(error.code(), error.message(), request, &error);
        let key = key.to_owned();
        let transient = |code: Option<&str>| {
            matches!(
                code,
                Some(
                    "SlowDown"
                        | "InternalError"
                        | "ServiceUnavailable"
                        | "RequestTimeout"
                        | "OperationAborted"
                        // Another conditional write of the key was under way.
                        | "ConditionalRequestConflict"
                )
            )
        };
        match &error {
            SdkError::ServiceError(context) if !transient(context.err().code()) => StoreError::Refused { key, reason },
            SdkError::ConstructionFailure(_) => StoreError::Refused { key, reason },
            _ => StoreError::Unavailable { key, reason },
        }
    }
}

/// What a bucket needs of its store: a few operations with the semantics of S3.
/// Production implements them with the SDK, the simulation in memory.
#[async_trait]
pub trait Objects: fmt::Debug + Send + Sync + 'static {
    /// Creates the bucket where no template does: on a laptop and in tests.
    async fn create_if_missing(&self) -> Result<(), StoreError>;

    /// An object's bytes, unless there are more than `limit`: as it is now, or a
    /// version of it, in a bucket that keeps versions.
    async fn get(&self, key: &str, version: Option<&str>, limit: u64) -> Result<Vec<u8>, StoreError>;

    /// A range of an object's bytes; refused where the object ends before.
    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError>;

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError>;

    /// Writes an object that does not exist. `false`: there is one, perhaps by this
    /// very write, if its reply was lost and the request was tried again.
    async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError>;

    /// How many objects lie under a prefix; counts to `most` and no further.
    async fn count(&self, prefix: &str, most: u16) -> Result<usize, StoreError>;

    /// Keeps an object from being deleted or replaced by anybody, as it is now, until
    /// then. It can be made longer, never shorter.
    async fn lock(&self, key: &str, until: DateTime<Utc>) -> Result<(), StoreError>;

    /// A link that needs no credentials and expires.
    async fn presigned(&self, key: &str, valid_for: Duration) -> Result<String, StoreError>;
}

#[derive(Debug, Clone)]
pub struct Bucket {
    objects: Arc<dyn Objects>,
    name: String,
}

impl Bucket {
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        let name = name.into();
        Self::on(Arc::new(S3Bucket { client, name: name.clone() }), name)
    }

    pub fn on(objects: Arc<dyn Objects>, name: impl Into<String>) -> Self {
        Self { objects, name: name.into() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Creates the bucket where no template does: on a laptop and in tests.
    pub async fn create_if_missing(&self) -> Result<(), StoreError> {
        self.objects.create_if_missing().await
    }

    pub async fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.objects.get(key, None, u64::MAX).await
    }

    /// An object's bytes, unless there are more than `limit`.
    pub async fn get_at_most(&self, key: &str, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.objects.get(key, None, limit).await
    }

    /// The bytes of one version of an object, whatever was written over it since,
    /// unless there are more than `limit`.
    pub async fn get_version(&self, key: &str, version: Option<&str>, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.objects.get(key, version, limit).await
    }

    /// A range of an object's bytes, all of it.
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let length = range.end - range.start;
        let bytes = self.objects.get_range(key, range).await?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(StoreError::ends_before(key)),
        }
    }

    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.objects.put(key, bytes).await
    }

    /// Writes an object that may be written once. Writing the same bytes again
    /// is fine, other bytes are refused.
    pub async fn put_once(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        if self.objects.put_new(key, bytes.clone()).await? || self.get(key).await? == bytes {
            Ok(())
        } else {
            Err(StoreError::Differs(key.to_owned()))
        }
    }

    /// Writes an object that does not exist. `false`: there is one, and it stays as it is.
    pub async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        self.objects.put_new(key, bytes).await
    }

    /// An object's bytes, if it exists.
    pub async fn find(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.get(key).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many objects lie under a prefix; counts to `most` and no further.
    pub async fn count(&self, prefix: &str, most: u16) -> Result<usize, StoreError> {
        self.objects.count(prefix, most).await
    }

    /// Keeps an object from being deleted or replaced by anybody until then.
    pub async fn lock(&self, key: &str, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.objects.lock(key, until).await
    }

    /// A link that needs no credentials and expires.
    pub async fn presigned(&self, key: &str, valid_for: Duration) -> Result<String, StoreError> {
        self.objects.presigned(key, valid_for).await
    }
}

#[derive(Debug)]
struct S3Bucket {
    client: Client,
    name: String,
}

impl S3Bucket {
    fn put_object(&self, key: &str, bytes: Vec<u8>) -> PutObjectFluentBuilder {
        let put = self.client.put_object().bucket(&self.name).key(key).content_type(content_type(key));
        put.body(ByteStream::from(bytes))
    }

    async fn read(&self, key: &str, get: GetObjectFluentBuilder, limit: u64) -> Result<Vec<u8>, StoreError> {
        let answer = match get.send().await {
            Ok(answer) => answer,
            Err(error) if matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion" | "NotFound")) => {
                return Err(StoreError::Missing(key.to_owned()));
            }
            Err(error) if matches!(error.code(), Some("AccessDenied" | "Forbidden")) => {
                return Err(StoreError::MissingOrDenied(key.to_owned()));
            }
            Err(error) if error.code() == Some("InvalidRange") => return Err(StoreError::ends_before(key)),
            Err(error) => return Err(StoreError::new(key, error)),
        };
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        if length.is_some_and(|length| length > limit) {
            return Err(StoreError::TooLarge { key: key.to_owned(), limit });
        }
        match answer.body.collect().await {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(error) => {
                let reason = causes(&error);
                // The SDK compares the bytes with the checksum they were stored
                // with, and tells it by these words only.
                Err(match reason.contains("checksum mismatch") {
                    true => StoreError::Damaged(key.to_owned()),
                    false => StoreError::Unavailable { key: key.to_owned(), reason },
                })
            }
        }
    }
}

#[async_trait]
impl Objects for S3Bucket {
    async fn create_if_missing(&self) -> Result<(), StoreError> {
        match self.client.create_bucket().bucket(&self.name).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => Ok(()),
            Err(error) => Err(StoreError::new(&self.name, error)),
        }
    }

    async fn get(&self, key: &str, version: Option<&str>, limit: u64) -> Result<Vec<u8>, StoreError> {
        let get = self.client.get_object().bucket(&self.name).key(key).set_version_id(version.map(str::to_owned));
        self.read(key, get, limit).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let (first, last) = (range.start, range.end.saturating_sub(1));
        let get = self.client.get_object().bucket(&self.name).key(key).range(format!("bytes={first}-{last}"));
        self.read(key, get, u64::MAX).await
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.put_object(key, bytes).send().await.map(|_| ()).map_err(|error| StoreError::new(key, error))
    }
    async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        match self.put_object(key, bytes).if_none_match("*").send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(false),
            Err(error) => Err(StoreError::new(key, error)),
        }
    }

    async fn count(&self, prefix: &str, most: u16) -> Result<usize, StoreError> {
        let (mut found, mut after) = (0, None);
        loop {
            let left = i32::from(most).saturating_sub(i32::try_from(found).unwrap_or(i32::MAX));
            let list = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).max_keys(left);
            let answer = list.set_continuation_token(after).send().await;
            let answer = answer.map_err(|error| StoreError::new(prefix, error))?;
            found += answer.contents().len();
            // A page has at most 1,000, however many are asked for.
            after = answer.next_continuation_token().map(str::to_owned);
            if after.is_none() || found >= usize::from(most) {
                return Ok(found);
            }
        }
    }

    async fn lock(&self, key: &str, until: DateTime<Utc>) -> Result<(), StoreError> {
        let until = aws_sdk_s3::primitives::DateTime::from_secs(until.timestamp());
        let retention = ObjectLockRetention::builder().mode(ObjectLockRetentionMode::Compliance);
        let lock = self.client.put_object_retention().bucket(&self.name).key(key);
        let locked = lock.retention(retention.retain_until_date(until).build()).send().await;
        locked.map(|_| ()).map_err(|error| StoreError::new(key, error))
    }

    async fn presigned(&self, key: &str, valid_for: Duration) -> Result<String, StoreError> {
        let refused = |reason: String| StoreError::Refused { key: key.to_owned(), reason };
        let config = PresigningConfig::expires_in(valid_for).map_err(|error| refused(error.to_string()))?;
        let request = self.client.get_object().bucket(&self.name).key(key).presigned(config).await;
        request.map(|request| request.uri().to_owned()).map_err(|error| StoreError::new(key, error))
    }
}

fn content_type(key: &str) -> &'static str {
    match key.rsplit('.').next() {
        Some("csv") => "text/csv; charset=utf-8",
        Some("json") => "application/json",
        Some("bin" | "sig") => "application/octet-stream",
        Some("gz") => "application/gzip",
        Some("html") => "text/html; charset=utf-8",
        Some("xml") => "application/xml",
        // The only plain text is what Yonyou U8 imports.
        Some("txt") => "text/plain; charset=gb18030",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::put_object::PutObjectError;

    #[test]
    fn what_may_pass_by_itself_is_retryable_and_what_was_refused_is_not() {
        for (code, retryable) in [
            ("SlowDown", true),
            ("InternalError", true),
            ("ConditionalRequestConflict", true),
            ("AccessDenied", false),
            ("EntityTooLarge", false),
        ] {
            let error = PutObjectError::generic(ErrorMetadata::builder().code(code).build());
            let error = StoreError::new("periods/2017-01/v1/manifest.json", SdkError::service_error(error, ()));
            assert_eq!(error.is_retryable(), retryable, "{error}");
        }
    }
}
