//! The signature of a manifest, and so of every file that it names: ECDSA over
//! P-256 with SHA-256, in DER, as `openssl dgst -sha256 -verify` takes it.

use async_trait::async_trait;

#[derive(Debug, thiserror::Error)]
#[error("the manifest was not signed: {0}")]
pub struct SignError(pub String);

/// Whoever holds the private key: a file, or a service that never gives it away.
#[async_trait]
pub trait Signer: Send + Sync {
    async fn sign(&self, manifest: &[u8]) -> Result<Vec<u8>, SignError>;

    /// Whether a signature of the manifest is this signer's.
    async fn has_signed(&self, manifest: &[u8], signature: &[u8]) -> Result<bool, SignError>;
}
