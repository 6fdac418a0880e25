//! Keys of pseudonyms. They are kept apart from ledger and reports, so that who
//! reads those cannot tell whom a pseudonym stands for.

use crate::failure::Failure;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata};
use interline_ledger::LedgerError;
use std::fmt;

/// A place where keys are kept.
#[async_trait]
pub trait Keys: fmt::Debug + Send + Sync + 'static {
    /// The text of the key with a name.
    ///
    /// # Errors
    ///
    /// [`Failure::Key`] where there is none, saying where it should be.
    async fn key(&self, name: &str) -> Result<String, Failure>;
}

/// Where no key is needed.
#[derive(Debug)]
pub struct NoKeys;

#[async_trait]
impl Keys for NoKeys {
    async fn key(&self, name: &str) -> Result<String, Failure> {
        Err(Failure::Key { name: name.to_owned(), reason: "this process has no place for keys".to_owned() })
    }
}

/// AWS Secrets Manager, where a key is the secret `<prefix>/pseudonym-keys/<name>`.
#[derive(Debug)]
pub struct SecretsManager {
    client: Client,
    prefix: String,
}

impl SecretsManager {
    pub fn new(config: &SdkConfig, prefix: &str) -> Self {
        Self { client: Client::new(config), prefix: prefix.to_owned() }
    }
}

#[async_trait]
impl Keys for SecretsManager {
    async fn key(&self, name: &str) -> Result<String, Failure> {
        let secret = format!("{}/pseudonym-keys/{name}", self.prefix);
        let missing = |reason: String| Failure::Key { name: name.to_owned(), reason };
        match self.client.get_secret_value().secret_id(&secret).send().await {
            Ok(answer) => answer
                .secret_string
                .ok_or_else(|| missing(format!("the secret {secret} of Secrets Manager holds no text"))),
            Err(error) => match error.code() {
                Some("ResourceNotFoundException") => {
                    Err(missing(format!("Secrets Manager has no secret {secret}; create it, or bring it back")))
                }
                Some("AccessDeniedException") => {
                    Err(missing(format!("the secret {secret} of Secrets Manager may not be read by this role")))
                }
                Some(_) | None => Err(LedgerError::Unavailable(DisplayErrorContext(error).to_string()).into()),
            },
        }
    }
}
