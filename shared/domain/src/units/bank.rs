//! What banks know an account, its holder and a bank by.

use sepa::charset::{Transliteration, transliterate};
use sepa::iban::{iban_country_length, validate_iban};
use sepa::validate_bic;
use std::fmt;

/// An account as a payment order names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BankAccount {
    /// Without blanks; its check digits are right, and it is as long as its country's are.
    Iban(String),
    Other(String),
}

/// Max34Text: an account that is no IBAN.
const OTHER_MAX: usize = 34;

/// What the account is wrong in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no IBAN: {0}")]
pub struct NotAnIban(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a BIC, such as ICBKCNBJSHI: {0}")]
pub struct NotABic(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 12 digits")]
pub struct NotCnaps;

impl BankAccount {
    /// As it stands, or not at all: altered, it could be someone else's. `None` where it is
    /// empty, or has letters that no order can carry.
    pub fn of(text: &str) -> Option<Self> {
        if let (true, Ok(iban)) = (looks_like_iban(text), validate_iban(text)) {
            return Some(BankAccount::Iban(iban.as_str().to_owned()));
        }
        let carried = !text.is_empty() && text.len() <= OTHER_MAX && restricted(text) == text;
        carried.then(|| BankAccount::Other(text.to_owned()))
    }

    /// Whether it is one of the Single Euro Payments Area.
    pub fn is_sepa(&self) -> bool {
        match self {
            BankAccount::Iban(iban) => validate_iban(iban).is_ok_and(|iban| iban.is_sepa()),
            BankAccount::Other(_) => false,
        }
    }

    /// Whether both are one account, however it is written.
    pub fn same(&self, other: &Self) -> bool {
        let plain = |account: &Self| -> String {
            account
                .as_str()
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|letter| letter.to_ascii_uppercase())
                .collect()
        };
        plain(self) == plain(other)
    }

    pub fn as_str(&self) -> &str {
        match self {
            BankAccount::Iban(text) | BankAccount::Other(text) => text,
        }
    }
}

impl fmt::Display for BankAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A country that has IBANs, two digits, letters and digits. National numbers are digits.
fn looks_like_iban(text: &str) -> bool {
    let plain: String = text.chars().filter(|letter| *letter != ' ').collect();
    let known = plain.get(..2).is_some_and(|country| iban_country_length(country).is_some());
    let digits = plain.get(2..4).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    known && digits && plain.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Refuses what looks like an IBAN and is none.
pub fn check_account(text: &str) -> Result<(), NotAnIban> {
    match looks_like_iban(text) {
        true => validate_iban(text).map(drop).map_err(|error| NotAnIban(error.to_string())),
        false => Ok(()),
    }
}

/// A BIC in capitals.
pub fn parse_bic(text: &str) -> Result<String, NotABic> {
    validate_bic(text).map(|bic| bic.as_str().to_owned()).map_err(|error| NotABic(error.to_string()))
}

/// The number of a bank in the payment system of the People's Bank of China (联行号).
pub fn check_cnaps(text: &str) -> Result<(), NotCnaps> {
    let is_number = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { Ok(()) } else { Err(NotCnaps) }
}

/// Text in the letters that every bank takes, as EPC217-08 writes others; `None` where it has
/// letters of a script that has no such writing.
pub fn latin(text: &str) -> Option<String> {
    let mut written = String::new();
    for letter in text.chars().filter(|letter| !is_combining_mark(*letter)).map(plain_punctuation) {
        let mut buffer = [0; 4];
        let replaced = transliterate(letter.encode_utf8(&mut buffer), Transliteration::Epc);
        if letter.is_alphabetic() && replaced == "." {
            return None;
        }
        written.push_str(&replaced);
    }
    Some(restricted(&written)).filter(|text| !text.is_empty())
}

/// As [`latin`], of a code: nothing of it is lost without a trace.
pub fn restricted_to_sepa(code: &str) -> String {
    transliterate(code, Transliteration::Epc).into_owned()
}

/// Accents that stand for themselves behind their letter.
fn is_combining_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}')
}

/// Dashes and quotation marks of typesetters, which the table of EPC217-08 does not have.
fn plain_punctuation(letter: char) -> char {
    match letter {
        '\u{2010}'..='\u{2015}' => '-',
        '\u{2018}'..='\u{201f}' => '\'',
        _ => letter,
    }
}

/// In Latin letters, digits, blanks and `/-?:().,'+`; it neither starts nor ends with a slash or
/// blank, nor has two in a row.
pub fn restricted(source: &str) -> String {
    let mut text = String::new();
    for letter in source.chars() {
        let letter = if sepa::charset::is_sepa_char(letter) { letter } else { ' ' };
        if !(matches!(letter, ' ' | '/') && text.ends_with(letter)) {
            text.push(letter);
        }
    }
    text.trim_matches(|letter| matches!(letter, ' ' | '/')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_are_written_without_and_other_scripts_not_at_all() {
        for (name, written) in [
            ("Hôtel de l'Étoile – Zürich", Some("Hotel de l'Etoile - Zurich")),
            ("Würth & Cédric GmbH", Some("Wurth + Cedric GmbH")),
            ("Straße Łódź Ærø", Some("Strase Lodz Aro")),
            ("Zu\u{308}rich", Some("Zurich")),
            ("Αθήνα", Some("Athina")),
            ("  A // B_ ", Some("A / B-")),
            ("商店有限公司", None),
            ("Hotel 酒店", None),
            ("“”", Some("''")),
            ("", None),
        ] {
            assert_eq!(latin(name).as_deref(), written, "{name}");
        }
    }

    #[test]
    fn an_account_is_an_iban_where_its_digits_and_length_say_so() {
        let iban = |text: &str| BankAccount::Iban(text.to_owned());
        let other = |text: &str| BankAccount::Other(text.to_owned());
        for (text, account) in [
            ("DE89370400440532013000", Some(iban("DE89370400440532013000"))),
            ("NL91 ABNA 0417 1643 00", Some(iban("NL91ABNA0417164300"))),
            ("FR1420041010050500013M02606", Some(iban("FR1420041010050500013M02606"))),
            // mod 97 is 1, but too short for Germany.
            ("6217001234567890001", Some(other("6217001234567890001"))),
            ("6217-0000-0000-0002", Some(other("6217-0000-0000-0002"))),
            ("CN00123", Some(other("CN00123"))),
            ("=6217//0000#0004", None),
            ("账号", None),
            ("", None),
        ] {
            assert_eq!(BankAccount::of(text), account, "{text}");
        }
        assert!(check_account("DE89370400440532013000").is_ok() && check_account("6217001234567890001").is_ok());
        for wrong in ["DE89370400440532013001", "DE8937040044053201300", "NL91ABNA041716430O"] {
            assert!(check_account(wrong).is_err(), "{wrong}");
        }
        assert!(iban("DE89370400440532013000").is_sepa() && !iban("AE070331234567890123456").is_sepa());
        assert!(other("6217-0001").same(&other("6217 0001")) && !other("6217-0001").same(&other("6217-0002")));
    }

    #[test]
    fn banks_are_known_by_bic_and_by_twelve_digits() {
        assert_eq!(parse_bic("ICBKCNBJSHI").as_deref(), Ok("ICBKCNBJSHI"));
        for wrong in ["ICBKCNBJSH", "ICBKZZBJ", "NOTPROVIDED", "ICBK-NBJ"] {
            assert!(parse_bic(wrong).is_err(), "{wrong}");
        }
        assert_eq!(check_cnaps("102290000003"), Ok(()));
        for wrong in ["10229000000", "1022900000031", "10229000000X", "１０２２９００００００３"] {
            assert_eq!(check_cnaps(wrong), Err(NotCnaps), "{wrong}");
        }
    }
}
