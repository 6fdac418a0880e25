//! Names: of lines, members and events.

use crate::units::limits::{AWARD_ID_MAX, LINE_ID_MAX, MEMBER_ID_MAX, REFERENCE_MAX, SCHEME_ID_MAX, TAX_CODE_MAX};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// Why a name was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("must not be empty")]
    Empty,
    #[error("is longer than {0} characters")]
    TooLong(usize),
    #[error("may only contain A-Z a-z 0-9 . _ -")]
    Character,
}

fn check(text: &str, max: usize) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > max {
        return Err(IdError::TooLong(max));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !text.bytes().all(allowed) {
        return Err(IdError::Character);
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text, $max)?;
                Ok(Self(text.into()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(|error| serde::de::Error::custom(format!("{text:?} {error}")))
            }
        }
    };
}

id! {
    /// A business line, and the legal entity behind it.
    LineId, LINE_ID_MAX
}
/// What claims are of: who bears their cost, what they are worth, when they expire. A line
/// is a scheme of its own name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SchemeId(LineId);

impl SchemeId {
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check(text, SCHEME_ID_MAX)?;
        Ok(Self(LineId(text.into())))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for SchemeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SchemeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for SchemeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|error| serde::de::Error::custom(format!("{text:?} {error}")))
    }
}
id! {
    /// A member, the same in every line.
    MemberId, MEMBER_ID_MAX
}
id! {
    /// A line's own number for an event.
    Reference, REFERENCE_MAX
}

id! {
    /// A rule by which events give claims of a scheme.
    AwardId, AWARD_ID_MAX
}

id! {
    /// How a sale, or what points paid for, is taxed.
    TaxCode, TAX_CODE_MAX
}

impl SchemeId {
    /// The scheme of a line's own points.
    pub fn of(line: &LineId) -> Self {
        Self(line.clone())
    }

    /// The line whose own points these are.
    pub fn line(&self) -> LineId {
        self.0.clone()
    }

    pub fn as_line(&self) -> &LineId {
        &self.0
    }
}

/// Whether these are the line's own points.
impl PartialEq<LineId> for SchemeId {
    fn eq(&self, line: &LineId) -> bool {
        self.0 == *line
    }
}

impl MemberId {
    /// Whether it looks like a mobile number of mainland China, with its country code or without.
    pub fn looks_like_a_phone_number(&self) -> bool {
        let digits = match self.0.strip_prefix("86") {
            Some(rest) if rest.len() == 11 => rest,
            Some(_) | None => &self.0,
        };
        let [b'1', b'3'..=b'9', rest @ ..] = digits.as_bytes() else { return false };
        rest.len() == 9 && rest.iter().all(u8::is_ascii_digit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_when_empty_long_or_with_other_characters() {
        assert_eq!(Reference::parse(""), Err(IdError::Empty));
        assert_eq!(Reference::parse(&"x".repeat(65)), Err(IdError::TooLong(64)));
        assert!(Reference::parse(&"x".repeat(64)).is_ok());
        for text in ["a b", "a/b", "a#b", "a|b", "é", "a\n", "=1+1", "../x\0"] {
            assert_eq!(Reference::parse(text), Err(IdError::Character), "{text:?}");
        }
        assert_eq!(Reference::parse("A-1_b.2").unwrap().as_str(), "A-1_b.2");
    }

    #[test]
    fn a_mobile_number_is_known_with_and_without_its_country_code() {
        for (text, is_phone) in [
            ("13800138000", true),
            ("19999999999", true),
            ("8613800138000", true),
            ("12800138000", false),
            ("1380013800", false),
            ("138001380001", false),
            ("86138001380001", false),
            ("8513800138000", false),
            ("1380013800a", false),
            ("m13800138000", false),
            ("86138001380", false),
        ] {
            assert_eq!(MemberId::parse(text).unwrap().looks_like_a_phone_number(), is_phone, "{text}");
        }
    }
}
