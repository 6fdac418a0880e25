//! What counts for the programme as a whole.

use super::check::{Check, Place};
use super::read::tables;
use super::{Accounts, Disclosure, Netting, Rulebook, Sections};
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::limits::{NAME_MAX, REFUND_MONTHS_MAX, SEAL_AFTER_HOURS_MAX};
use crate::units::pseudonym::{KEY_NAME_MAX, KeySource, SAMPLE_KEY_NAME};
use chrono::TimeDelta;
use chrono_tz::Tz;

tables! {
    ProgrammeFile {
        /// The programme's name.
        name: String = required(String::new()),
        /// ISO 4217 code of the currency, such as `CNY`; it has at most three decimals. It stays for the programme's life.
        currency: String = required(String::new()),
        /// IANA name of the zone by whose clocks days and months end. It stays for the programme's life.
        time_zone: String = required(String::new()),
        /// The first month, such as `2017-01`. It stays for the programme's life.
        first_period: String = required(String::new()),
        /// The line that runs the programme, takes its fee and is the clearing hub. It stays for the programme's
        /// life.
        platform: String = required(String::new()),
        /// `hub`: every line pays to, or receives from, the platform; `direct`: lines pay each other, with the fewest
        /// payments.
        netting: Netting = required(Netting::Hub),
        /// What the API tells a line about others: `totals`, or also who owes whom, `pairs`.
        disclose: Disclosure = optional(Disclosure::Totals),
        /// A month may be sealed so many hours after its end, 1 to 744.
        seal_after_hours: u32 = optional(1),
        /// For how many months after a lot's last day a refund can tell what was spent of it, 1 to 36.
        refund_months: u32 = optional(12),
        /// The name of the key that members' names in reports are made with. It stays for the programme's life.
        pseudonym_key: Option<String> = optional(None),
        /// In place of the key in programmes that began with it: a text of at least 8 characters.
        pseudonym_salt: Option<String> = optional(None),
        /// Whether a member's id may look like a phone number.
        allow_phone_members: bool = optional(false),
    }
}

/// The rulebook without its lines, accounts and rules, unless something is wrong with it.
pub fn check(file: ProgrammeFile, place: &Place, check: &mut Check) -> Option<Rulebook> {
    let zone = check.parsed(
        place,
        "time_zone",
        file.time_zone.parse().map_err(|_| "must be an IANA time zone such as Asia/Shanghai"),
    );
    let first_period = check.parsed(place, "first_period", Period::parse(&file.first_period));
    let platform = check.known_line(place, "platform", &file.platform);
    let currency = check.parsed(place, "currency", Currency::parse(&file.currency));
    check.set_currency(currency);
    check.printable(place, "name", &file.name, NAME_MAX);
    hours_and_months(place, file.seal_after_hours, file.refund_months, check);
    let pseudonym_key = pseudonym_key(place, file.pseudonym_key, file.pseudonym_salt, check);
    Some(Rulebook {
        hash: String::new(),
        name: file.name,
        // Refused already when there is none; what follows needs neither.
        currency: currency.unwrap_or(Currency::NONE),
        zone: zone.unwrap_or(Tz::UTC),
        first_period: first_period?,
        platform: platform?,
        netting: file.netting,
        disclose: file.disclose,
        seal_after: TimeDelta::hours(i64::from(file.seal_after_hours)),
        refund_months: file.refund_months,
        pseudonym_key: pseudonym_key?,
        allow_phone_members: file.allow_phone_members,
        lines: Vec::new(),
        schemes: std::collections::BTreeMap::new(),
        accounts: Accounts::default(),
        sections: Sections::default(),
        warnings: Vec::new(),
        outdated: Vec::new(),
    })
}

fn hours_and_months(place: &Place, seal_after_hours: u32, refund_months: u32, check: &mut Check) {
    if seal_after_hours < 1 {
        check.refuse(place, "seal_after_hours", "must be at least 1: writers' clocks differ");
    }
    if seal_after_hours > SEAL_AFTER_HOURS_MAX {
        check.refuse(place, "seal_after_hours", format!("must be at most {SEAL_AFTER_HOURS_MAX}, a month"));
    }
    if !(1..=REFUND_MONTHS_MAX).contains(&refund_months) {
        check.refuse(place, "refund_months", format!("must be 1 to {REFUND_MONTHS_MAX}"));
    }
}

fn pseudonym_key(place: &Place, name: Option<String>, salt: Option<String>, check: &mut Check) -> Option<KeySource> {
    match (name, salt) {
        (Some(name), None) => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if name.is_empty() || name.len() > KEY_NAME_MAX || !name.bytes().all(allowed) {
                let rule = format!("must be 1 to {KEY_NAME_MAX} of A-Z a-z 0-9 _ -, the name of the key");
                check.refuse(place, "pseudonym_key", rule);
            }
            if name == SAMPLE_KEY_NAME {
                check.warn(
                    place,
                    "pseudonym_key",
                    "is the sample's key, which is no secret; name a key of the programme's own before anything \
                     is recorded: it stays for the programme's life",
                );
            }
            Some(KeySource::Named(name))
        }
        (None, Some(salt)) => {
            if salt.len() < 8 {
                check.refuse(place, "pseudonym_salt", "must have at least 8 characters");
            }
            check.warn(
                place,
                "pseudonym_salt",
                "lies in every pack with the rulebook, so whoever has one can find out who a member is; a new \
                 programme names a secret key instead: pseudonym_key = \"name\"",
            );
            Some(KeySource::Salt(salt))
        }
        (Some(_), Some(_)) => {
            check.refuse(place, "pseudonym_salt", "must be left out where pseudonym_key names the key");
            None
        }
        (None, None) => {
            check.refuse(place, "pseudonym_key", "is missing: the name of the key that pseudonyms are made with");
            None
        }
    }
}
