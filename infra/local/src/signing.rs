//! Signs manifests with a private key in a file, and checks signatures with the
//! public one. The cryptography is the library's that TLS is made with.

use crate::CliError;
use crate::world::read;
use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey, UnparsedPublicKey,
};
use interline_reports::signature::{SignError, Signer};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use std::path::Path;

/// A private key of P-256, in PKCS #8 or as `openssl ecparam -genkey` writes it.
pub struct KeyFile {
    pair: EcdsaKeyPair,
}

impl KeyFile {
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let refused = |reason: String| {
            let rule = "a private key of the curve P-256 in PEM, not encrypted, is needed";
            CliError::Usage(format!("{}: {rule}: {reason}", path.display()))
        };
        let text = read(path)?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| refused(error.to_string()))?;
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, key.secret_der());
        Ok(Self { pair: pair.map_err(|error| refused(error.to_string()))? })
    }
}

#[async_trait]
impl Signer for KeyFile {
    async fn sign(&self, manifest: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = self.pair.sign(&SystemRandom::new(), manifest);
        let signature = signature.map_err(|_| SignError("the key cannot sign".to_owned()))?;
        Ok(signature.as_ref().to_vec())
    }

    async fn has_signed(&self, manifest: &[u8], signature: &[u8]) -> Result<bool, SignError> {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.pair.public_key());
        Ok(key.verify(manifest, signature).is_ok())
    }
}

/// A public key of P-256 in PEM, as `openssl ec -pubout` writes it.
pub struct PublicKey {
    key: ParsedPublicKey,
}

impl PublicKey {
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let refused = |reason: String| {
            let rule = "a public key of the curve P-256 in PEM is needed";
            CliError::Usage(format!("{}: {rule}: {reason}", path.display()))
        };
        let text = read(path)?;
        let key = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes());
        let key = key.map_err(|error| refused(error.to_string()))?;
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.as_ref());
        Ok(Self { key: key.map_err(|error| refused(error.to_string()))? })
    }

    pub fn has_signed(&self, manifest: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(manifest, signature).is_ok()
    }
}
