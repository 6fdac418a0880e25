//! Members' names in reports. They are made with a key, so that a report alone
//! names no member, and begin with `m-`, so that no program takes one for a number.

use crate::units::id::MemberId;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// The key of the sample programme. It is no secret: its reports are the same everywhere.
pub const SAMPLE_KEY_NAME: &str = "sample";
const SAMPLE_KEY: &[u8] = b"the key of the sample programme is no secret";

/// Characters of a key: what 16 random bytes are in hexadecimal digits.
pub const KEY_MIN: usize = 32;
/// Characters of a key's name.
pub const KEY_NAME_MAX: usize = 64;

/// Stands in place of every name where the key is not known.
const UNKNOWN: &str = "m-unknown";
/// Hashed with a key to tell it from others; no member can have such an id.
const FINGERPRINT: &[u8] = b"fingerprint of the key";

/// Where the rulebook says that the key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// Kept apart from rulebook and reports under this name.
    Named(String),
    /// The rulebook's own salt is the key. Whoever has a pack has it, too.
    Salt(String),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::Named(name) => write!(f, "pseudonym_key {name:?}"),
            KeySource::Salt(salt) => write!(f, "pseudonym_salt {salt:?}"),
        }
    }
}

impl KeySource {
    /// The name of a key that has to be fetched; none where everything is known already.
    pub fn to_fetch(&self) -> Option<&str> {
        match self {
            KeySource::Named(name) if name != SAMPLE_KEY_NAME => Some(name),
            KeySource::Named(_) | KeySource::Salt(_) => None,
        }
    }

    /// Names by this source. `fetched` is the text of the key where one has to be
    /// fetched.
    ///
    /// # Errors
    ///
    /// [`BadKey`] without that text, or when it is too short.
    pub fn pseudonyms(&self, fetched: Option<&str>) -> Result<Pseudonyms, BadKey> {
        match (self, self.to_fetch()) {
            (KeySource::Salt(salt), _) => Pseudonyms::keyed(salt.as_bytes()),
            (KeySource::Named(_), None) => Pseudonyms::keyed(SAMPLE_KEY),
            (KeySource::Named(_), Some(_)) => {
                let key = fetched.unwrap_or_default().trim_ascii();
                if key.len() < KEY_MIN || key.contains(char::is_whitespace) {
                    return Err(BadKey);
                }
                Pseudonyms::keyed(key.as_bytes())
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one word of at least {KEY_MIN} characters")]
pub struct BadKey;

/// Names members by a key, or all of them alike where the key is not known.
#[derive(Clone)]
pub struct Pseudonyms(Option<Hmac<Sha256>>);

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Pseudonyms(keyed)" } else { "Pseudonyms(unknown)" })
    }
}

impl Pseudonyms {
    fn keyed(key: &[u8]) -> Result<Self, BadKey> {
        Hmac::new_from_slice(key).map(|mac| Self(Some(mac))).map_err(|_| BadKey)
    }

    /// For comparing what does not depend on the key. Nothing may be published with it.
    pub const fn unknown() -> Self {
        Self(None)
    }

    /// A member's name in reports: `m-` and 16 hex digits of HMAC-SHA-256 over the id.
    pub fn of(&self, member: &MemberId) -> String {
        match self.digest(member.as_str().as_bytes()) {
            Some(digest) => format!("m-{}", hex(&digest[..8])),
            None => UNKNOWN.to_owned(),
        }
    }

    /// Tells the key from another, and says nothing else about it.
    pub fn fingerprint(&self) -> Option<String> {
        self.digest(FINGERPRINT).map(|digest| hex(&digest))
    }

    fn digest(&self, text: &[u8]) -> Option<[u8; 32]> {
        let mac = self.0.clone()?;
        Some(mac.chain_update(text).finalize().into_bytes().into())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
