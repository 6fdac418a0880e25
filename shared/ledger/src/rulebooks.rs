use crate::error::LedgerError;
use async_trait::async_trait;
use interline_domain::terms::rulebook::Rulebook;
use std::sync::Arc;

/// Where rulebooks are found by their hash: a sale is refunded by the one that
/// decided it.
#[async_trait]
pub trait Rulebooks: Sync {
    async fn by_hash(&self, hash: &str) -> Result<Arc<Rulebook>, LedgerError>;
}

/// A programme that never had another.
#[async_trait]
impl Rulebooks for Rulebook {
    async fn by_hash(&self, hash: &str) -> Result<Arc<Rulebook>, LedgerError> {
        if hash == self.hash {
            return Ok(Arc::new(self.clone()));
        }
        Err(LedgerError::Rulebook { hash: hash.to_owned(), reason: "there is none but the current one".to_owned() })
    }
}
