//! The words by which callers name what happened.

use super::EntryKind;
use std::fmt;

macro_rules! words {
    ($($(#[$doc:meta])* $word:ident $name:literal $code:literal,)*) => {
        /// The word by which callers name what happened. Several kinds may stand behind one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum EntryKind {
            $($(#[$doc])* $word,)*
        }

        impl EntryKind {
            pub const ALL: &[EntryKind] = &[$(EntryKind::$word,)*];

            /// The word in files, paths and reports.
            pub const fn word(self) -> &'static str {
                match self {
                    $(EntryKind::$word => $name,)*
                }
            }

            /// The letter in keys.
            pub const fn code(self) -> &'static str {
                match self {
                    $(EntryKind::$word => $code,)*
                }
            }
        }
    };
}

pub(super) use words;

impl EntryKind {
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }

    /// By what a file calls a field, what a JSON body calls it.
    pub fn json_name(self, name: &str) -> Option<&'static str> {
        super::fields_of(self).into_iter().find(|field| field.name == name).map(|field| field.json)
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_again_by_its_word_and_by_its_code() {
        for kind in EntryKind::ALL.iter().copied() {
            assert_eq!(EntryKind::from_word(kind.word()), Some(kind));
            assert_eq!(EntryKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(EntryKind::from_word("r"), None);
        assert_eq!(EntryKind::from_code("redemption"), None);
    }
}
