//! A rulebook is accepted as a whole or refused with everything that is wrong.

use crate::support::*;
use chrono::{TimeDelta, TimeZone};
use interline_domain::actuarial::experience::{Parameters, UrrTerms};
use interline_domain::actuarial::liability::{Price, Valued};
use interline_domain::claims::lot::Expiry;
use interline_domain::terms::rulebook::{Netting, PaymentDays, Product, Rulebook, RulebookErrors};
use interline_domain::terms::split::SplitTerms;
use interline_domain::units::calendar::Period;
use interline_domain::units::currency::Currency;
use interline_domain::units::id::LineId;
use interline_domain::units::limits::{
    BANK_ACCOUNT_MAX, EXPIRY_MONTHS_MAX, LINES_MAX, NAME_MAX, REASON_MAX, RULES_MAX, SEAL_AFTER_HOURS_MAX, SHARES_MAX,
};
use interline_domain::units::micro::Micro;
use interline_domain::units::money::{Money, Points, Rate};
use interline_domain::units::pseudonym::{BadKey, Pseudonyms};
use std::collections::BTreeSet;

const SAMPLE: &str = include_str!("../../../../infra/local/sample/rulebook.toml");

/// The smallest rulebook with every kind of rule. Errors name these line numbers.
const VALID: &str = r#"[programme]
name = "Small"
currency = "CNY"
time_zone = "Asia/Shanghai"
first_period = "2025-01"
platform = "hq"
netting = "hub"
seal_after_hours = 2
pseudonym_salt = "eight or more"

[[lines]]
id = "hq"
name = "Group"

[[lines]]
id = "shop"
name = "Shop"

[[lines]]
id = "inn"
name = "Inn"

[[earn]]
line = "shop"
from = "2025-01-01"
points_per_unit = "2"
minimum_amount = "1.00"

[[earn]]
line = "inn"
from = "2025-01-01"
to = "2025-06-30"
points_per_unit = "1"

[[earn]]
line = "inn"
from = "2025-07-01"
points_per_unit = "1"
multiplier = "1.5"
sponsors = [{ to = "hq", share = "0.4" }, { to = "shop", share = "0.6" }]

[[burn]]
line = "inn"
from = "2025-01-01"
value = "0.01"
minimum = 100
step = 50
max_bill_share = "0.3"

[[prices]]
redeemer = "inn"
from = "2025-01-01"
to = "2025-03-31"
price = "0.009"

[[prices]]
redeemer = "inn"
from = "2025-04-01"
price = "0.008"

[[prices]]
redeemer = "inn"
funder = "hq"
from = "2025-01-01"
price = "0.005"

[[prices]]
redeemer = "shop"
from = "2025-01-01"
price = "0.01"

[[prices]]
redeemer = "hq"
from = "2025-01-01"
price = "0.01"

[[splits]]
rule = "standard"
from = "2025-01-01"
shares = [{ to = "redeemer", share = "0.97" }, { to = "hq", share = "0.03" }]

[[splits]]
rule = "from-hq"
payer = "hq"
from = "2025-01-01"
shares = [{ to = "redeemer", share = "1" }]

[[expiry]]
from = "2025-01-01"
months = 12

[[expiry]]
funder = "hq"
from = "2025-01-01"
never = true

[[liability]]
from = "2024-01-01"
face_value = "0.0099"
"#;

/// `VALID` with each text replaced; it must stand there exactly once.
fn mutated(changes: &[(&str, &str)]) -> String {
    let mut text = VALID.to_owned();
    for (old, new) in changes {
        assert_eq!(text.matches(old).count(), 1, "{old:?} in the rulebook");
        text = text.replace(old, new);
    }
    text
}

/// With holders of the lines' accounts, which terms of payment ask for.
fn held() -> String {
    let names = ["Group", "Shop", "Inn"].map(|name| format!("name = \"{name}\""));
    let entities = names.each_ref().map(|name| format!("{name}\nentity = \"Holder\""));
    let pairs: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(entities.iter().map(String::as_str)).collect();
    mutated(&pairs)
}

fn errors(text: &str) -> RulebookErrors {
    Rulebook::parse(text).err().unwrap_or_else(|| panic!("the rulebook must be refused"))
}

/// Line (zero: the file as a whole), field and a part of the rule.
type Expected = (usize, &'static str, &'static str);

fn refuses(says: &str, changes: &[(&str, &str)], expected: &[Expected]) {
    let found = errors(&mutated(changes));
    assert_eq!(found.0.len(), expected.len(), "{says}:\n{found}");
    for (error, (line, field, rule)) in found.0.iter().zip(expected) {
        let matches = error.line == *line && error.field == *field && error.rule.contains(rule);
        assert!(matches, "{says}: expected line {line}: {field}: {rule}, found\n{error}");
    }
}

#[test]
fn the_sample_rulebook_holds_the_terms_of_the_sample_programme() {
    let sample = rulebook(SAMPLE);
    assert_eq!((sample.currency.code(), sample.platform.as_str()), ("CNY", "group"));
    assert_eq!(sample.zone, chrono_tz::Asia::Shanghai);
    assert_eq!(sample.first_period, period("2017-01"));
    assert_eq!(sample.netting, Netting::Hub);
    // Line, points per yuan, settlement price; a point buys 0.01 everywhere.
    let terms = [
        ("grocery", "1", "0.009"),
        ("fresh", "1", "0.009"),
        ("drugstore", "2", "0.0085"),
        ("fuel", "0.5", "0.0095"),
        ("dining", "3", "0.007"),
        ("bakery", "2", "0.008"),
        ("garden", "2", "0.0075"),
        ("spirits", "1", "0.009"),
        ("travel", "5", "0.006"),
        ("services", "0", "0.009"),
    ];
    assert_eq!(sample.lines.len(), terms.len() + 1);
    for line in &sample.lines {
        assert!(!line.name.is_empty() && !line.name_zh.is_ascii() && !line.bank_account.is_empty(), "{line:?}");
    }
    for date in ["2017-01-01", "2017-02-28", "2030-12-31"].map(day) {
        for (earner, points_per_unit, _) in terms {
            let earn = sample.earn(&line(earner), date).unwrap();
            assert_eq!(earn.points_per_unit.to_string(), points_per_unit, "{earner}");
            assert_eq!((earn.minimum_amount, earn.sponsors.len()), (Money::ZERO, 0), "{earner}");
            let burn = sample.burn(&line(earner), date).unwrap();
            assert_eq!(
                (burn.value.to_string().as_str(), burn.minimum, burn.step),
                ("0.01", Points::new(1), Points::new(1))
            );
            assert_eq!(sample.expiry(&scheme(earner), day("2017-01-31")), Expiry::On(day("2018-01-31")));
            for (redeemer, _, price) in terms {
                let found = sample.price(&scheme(earner), &line(redeemer), date).unwrap();
                assert_eq!(found.to_string(), price, "{earner} at {redeemer}");
                let split = sample.split(&scheme(earner), &line(redeemer), date).unwrap();
                assert_eq!(SplitTerms::from(split).to_string(), "standard redeemer=0.97 group=0.03");
            }
        }
        assert_eq!(sample.earn(&line("group"), date), None);
        assert_eq!(sample.burn(&line("group"), date), None);
    }
}

#[test]
fn terms_hold_from_their_first_to_their_last_day_and_the_particular_goes_before_the_general() {
    let rulebook = rulebook(VALID);
    let price =
        |funder: &str, date: &str| rulebook.price(&scheme(funder), &line("inn"), day(date)).map(|p| p.to_string());
    for (funder, date, expected) in [
        ("shop", "2024-12-31", None),
        ("shop", "2025-01-01", Some("0.009")),
        ("shop", "2025-03-31", Some("0.009")),
        ("shop", "2025-04-01", Some("0.008")),
        ("shop", "2099-12-31", Some("0.008")),
        ("hq", "2025-03-31", Some("0.005")),
        ("hq", "2025-04-01", Some("0.005")),
    ] {
        assert_eq!(price(funder, date).as_deref(), expected, "{funder} {date}");
    }
    let multiplier = |date: &str| rulebook.earn(&line("inn"), day(date)).unwrap().multiplier.to_string();
    assert_eq!((multiplier("2025-06-30").as_str(), multiplier("2025-07-01").as_str()), ("1", "1.5"));
    let split = |payer: &str| rulebook.split(&scheme(payer), &line("inn"), day("2025-01-01")).unwrap().rule.as_str();
    assert_eq!((split("shop"), split("hq")), ("standard", "from-hq"));
    assert_eq!(rulebook.expiry(&scheme("shop"), day("2025-02-28")), Expiry::On(day("2026-02-28")));
    assert_eq!(rulebook.expiry(&scheme("shop"), day("2027-02-01")), Expiry::On(day("2028-02-29")));
    assert_eq!(rulebook.expiry(&scheme("hq"), day("2025-02-28")), Expiry::Never);
}

#[test]
fn a_split_is_found_by_the_pair_then_by_the_payer_then_by_the_redeemer() {
    let text = format!(
        "{VALID}{}{}",
        "[[splits]]\nrule = \"at-inn\"\nredeemer = \"inn\"\nfrom = \"2025-01-01\"\nshares = [{ to = \"redeemer\", share = \"1\" }]\n",
        "[[splits]]\nrule = \"pair\"\npayer = \"hq\"\nredeemer = \"shop\"\nfrom = \"2025-02-01\"\nshares = [{ to = \"hq\", share = \"1\" }]\n",
    );
    let rulebook = rulebook(&text);
    for (payer, redeemer, date, rule) in [
        ("hq", "shop", "2025-02-01", "pair"),
        ("hq", "shop", "2025-01-31", "from-hq"),
        ("hq", "inn", "2025-02-01", "from-hq"),
        ("shop", "inn", "2025-02-01", "at-inn"),
        ("inn", "shop", "2025-02-01", "standard"),
    ] {
        assert_eq!(
            rulebook.split(&scheme(payer), &line(redeemer), day(date)).unwrap().rule,
            rule,
            "{payer} {redeemer}"
        );
    }
    assert_eq!(rulebook.split(&scheme("inn"), &line("shop"), day("2024-12-31")), None);
}

#[test]
fn the_order_in_which_shares_are_written_decides_nothing() {
    let rulebook = rulebook(&mutated(&[
        (
            "{ to = \"redeemer\", share = \"0.97\" }, { to = \"hq\", share = \"0.03\" }",
            "{ to = \"hq\", share = \"0.03\" }, { to = \"redeemer\", share = \"0.97\" }",
        ),
        (
            "{ to = \"hq\", share = \"0.4\" }, { to = \"shop\", share = \"0.6\" }",
            "{ to = \"shop\", share = \"0.6\" }, { to = \"hq\", share = \"0.4\" }",
        ),
    ]));
    let split = rulebook.split(&scheme("shop"), &line("inn"), day("2025-01-01")).unwrap();
    assert_eq!(SplitTerms::from(split).to_string(), "standard redeemer=0.97 hq=0.03");
    let earn = rulebook.earn(&line("inn"), day("2025-07-01")).unwrap();
    let sponsors: Vec<&str> = earn.sponsors.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(sponsors, ["hq", "shop"]);
}

#[test]
fn a_period_is_sealed_no_earlier_than_the_rulebook_says() {
    let rulebook = rulebook(VALID);
    assert_eq!(rulebook.seal_not_before(period("2025-01")), at("2025-02-01T02:00:00+08:00"));
}

const SALT: &str = "pseudonym_salt = \"eight or more\"";

/// The values were computed with `openssl dgst -sha256 -hmac`.
#[test]
fn a_pseudonym_is_an_hmac_of_the_member_that_no_program_takes_for_a_number() {
    let long = "k".repeat(100);
    for (says, key, fetched, expected) in [
        ("a salt is the key", SALT, None, "m-609cd8235b37568a"),
        ("the sample's key is known", "pseudonym_key = \"sample\"", None, "m-72ae7fe1e4b3103b"),
        (
            "a key is fetched, a line break ends it",
            "pseudonym_key = \"own\"",
            Some("0123456789abcdef0123456789abcdef\n"),
            "m-d34d63c97f1494b2",
        ),
        ("a key longer than a block of the hash", "pseudonym_key = \"own\"", Some(long.as_str()), "m-b0d7ddf763c0207b"),
    ] {
        let source = rulebook(&mutated(&[(SALT, key)])).pseudonym_key;
        assert_eq!(source.pseudonyms(fetched).unwrap().of(&member("m1")), expected, "{says}");
    }
}

#[test]
fn a_key_that_is_missing_short_or_of_several_words_makes_no_pseudonym() {
    let source = rulebook(&mutated(&[(SALT, "pseudonym_key = \"own\"")])).pseudonym_key;
    for fetched in [None, Some(""), Some("0123456789abcdef0123456789abcde"), Some("0123456789abcdef 0123456789abcdef")]
    {
        assert_eq!(source.pseudonyms(fetched).unwrap_err(), BadKey, "{fetched:?}");
    }
}

#[test]
fn without_the_key_all_members_are_named_alike_and_there_is_no_fingerprint() {
    let unknown = Pseudonyms::unknown();
    assert_eq!(unknown.of(&member("m1")), unknown.of(&member("m2")));
    assert_eq!(unknown.fingerprint(), None);
}

#[test]
fn a_fingerprint_tells_keys_apart_and_is_no_pseudonym() {
    let source = rulebook(&mutated(&[(SALT, "pseudonym_key = \"own\"")])).pseudonym_key;
    let one = source.pseudonyms(Some("0123456789abcdef0123456789abcdef")).unwrap();
    let other = source.pseudonyms(Some("0123456789abcdef0123456789abcdeF")).unwrap();
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_eq!(one.fingerprint(), one.clone().fingerprint());
}

#[test]
fn a_key_that_others_have_is_accepted_with_a_warning() {
    for (key, field) in [
        (SALT, Some("programme.pseudonym_salt")),
        ("pseudonym_key = \"sample\"", Some("programme.pseudonym_key")),
        ("pseudonym_key = \"own\"", None),
    ] {
        let mut warnings = rulebook(&mutated(&[(SALT, key)])).warnings;
        warnings.retain(|warning| !warning.field.ends_with(".legal_name"));
        assert_eq!(warnings.iter().map(|warning| warning.field.as_str()).collect::<Vec<_>>(), Vec::from_iter(field));
        assert!(warnings.iter().all(|warning| warning.line == 1));
    }
}

#[test]
fn a_programme_keeps_its_key_for_life() {
    let keys = [SALT, "pseudonym_salt = \"nine or more\"", "pseudonym_key = \"own\"", "pseudonym_key = \"other\""];
    for (at, before) in keys.iter().enumerate() {
        for (then, after) in keys.iter().enumerate() {
            let [before, after] = [before, after].map(|key| rulebook(&mutated(&[(SALT, key)])));
            let follows = after.check_follows(&before);
            assert_eq!(follows.is_ok(), at == then, "{follows:?}");
            if let Err(errors) = follows {
                assert_eq!(errors.0[0].field, "pseudonym_key");
            }
        }
    }
}

#[test]
fn the_hash_is_of_the_text_to_the_byte() {
    let hash = rulebook(VALID).hash;
    assert_eq!(hash.len(), 64);
    assert_eq!(rulebook(VALID).hash, hash);
    assert_ne!(rulebook(&format!("{VALID}\n")).hash, hash);
}

#[test]
fn what_is_not_the_format_is_refused_where_it_stands() {
    for (says, old, new, line, field, rule) in [
        ("an unknown field", "minimum = 100", "minium = 100", 46, "burn[0].minium", "unknown field `minium`"),
        ("an unknown table", "[[burn]]", "[[burns]]", 42, "burns", "unknown field `burns`"),
        ("a number for a string", "unit = \"2\"", "unit = 2", 26, "earn[0].points_per_unit", "expected a string"),
        ("a float for a string", "value = \"0.01\"", "value = 0.01", 45, "burn[0].value", "expected a string"),
        ("a string for a number", "step = 50", "step = \"50\"", 47, "burn[0].step", "expected u32"),
        ("a negative number", "minimum = 100", "minimum = -100", 46, "burn[0].minimum", "integer `-100`"),
        ("a TOML date", "from = \"2025-07-01\"", "from = 2025-07-01", 37, "earn[2].from", "expected a string"),
        ("no way of netting", "netting = \"hub\"", "netting = \"gross\"", 7, "programme.netting", "expected `hub` or"),
        ("a missing field", "netting = \"hub\"\n", "", 1, "programme.netting", "missing field `netting`"),
        ("a field twice", "name = \"Small\"", "name = \"Small\"\nname = \"Small\"", 3, "rulebook", "duplicate key"),
        ("no TOML at all", "[programme]", "[programme", 1, "rulebook", ""),
    ] {
        let found = errors(&mutated(&[(old, new)]));
        let error = &found.0[0];
        let matches = error.line == line && error.field == field && error.rule.contains(rule);
        assert!(
            matches && (found.0.len() == 1 || field == "rulebook"),
            "{says}: expected line {line}: {field}: {rule}, found\n{found}"
        );
    }
    assert!(!errors("").0.is_empty());
}

#[test]
fn every_field_that_cannot_be_read_is_said_together_with_all_else_that_is_wrong() {
    refuses(
        "errors of all kinds",
        &[
            ("seal_after_hours = 2", "seal_after_hours = \"2\""),
            ("minimum = 100\nstep = 50", "minium = 100\nstep = \"50\""),
            ("share = \"0.97\"", "share = \"0.5\""),
            ("{ to = \"redeemer\", share = \"1\" }", "{ to = \"redeemer\", part = \"1\" }"),
        ],
        &[
            (8, "programme.seal_after_hours", "expected u32"),
            (46, "burn[0].minium", "unknown field"),
            (47, "burn[0].step", "expected u32"),
            (77, "splits[0].shares", "they sum to 0.53"),
            (86, "splits[1].shares[0].share", "missing field `share`"),
            (86, "splits[1].shares[0].part", "unknown field `part`"),
        ],
    );
}

#[test]
fn what_nobody_can_meet_is_refused() {
    let least = "must be at least 100, the fewest points";
    for (new, field, rule) in [
        ("minimum = 1000\nmax_per_order = 500", "burn[0].max_per_order", "must be at least 1000"),
        ("minimum = 60\nmax_per_order = 99", "burn[0].max_per_order", least),
        ("minimum = 100\nmax_per_order = 0", "burn[0].max_per_order", least),
        ("minimum = 100\nmax_per_day = 0", "burn[0].max_per_day", least),
        ("minimum = 100\nmax_per_day = 99", "burn[0].max_per_day", least),
        ("minimum = 100\nmax_per_month = 99", "burn[0].max_per_month", least),
        ("max_per_order = 49", "burn[0].max_per_order", "must be at least 50"),
    ] {
        refuses(new, &[("minimum = 100", new)], &[(42, field, rule)]);
    }
    refuses("no bill", &[("\"0.3\"", "\"0\"")], &[(42, "burn[0].max_bill_share", "more than zero")]);
    let never = "would never pay";
    for (old, new) in [("multiplier = \"1.5\"\n", ""), ("multiplier = \"1.5\"", "multiplier = \"1\"")] {
        refuses("sponsors of nothing", &[(old, new)], &[(35, "earn[2].sponsors", never)]);
    }
    assert!(Rulebook::parse(&mutated(&[("minimum = 100", "minimum = 60\nmax_per_order = 100")])).is_ok());
}

#[test]
fn only_a_currency_of_iso_4217_is_taken() {
    for (code, rule) in [
        ("RMB", "that of the renminbi is CNY"),
        ("XYZ", "must be an ISO 4217 code"),
        ("XTS", "currency"),
        ("XXX", "currency"),
        ("XAU", "currency"),
    ] {
        let found = errors(&mutated(&[("\"CNY\"", &format!("{code:?}"))]));
        assert!(found.0.len() == 1 && found.0[0].field == "programme.currency", "{code}: {found}");
        assert!(found.0[0].rule.contains(rule) || rule == "currency", "{code}: {found}");
    }
    for code in ["CNY", "USD", "EUR", "HKD", "SGD"] {
        assert!(Rulebook::parse(&mutated(&[("\"CNY\"", &format!("{code:?}"))])).is_ok(), "{code}");
    }
}

#[test]
fn nothing_is_asked_of_a_line_outside_its_days() {
    let spa = "[[lines]]\nid = \"spa\"\nname = \"Spa\"\nfrom = \"2025-02-10\"\n\
               [[earn]]\nline = \"spa\"\nfrom = \"2025-02-10\"\npoints_per_unit = \"1\"\n\
               [[prices]]\nredeemer = \"spa\"\nfrom = \"2025-02-10\"\nprice = \"0.01\"\n";
    assert_eq!(Rulebook::parse(&format!("{VALID}{spa}")).map(|_| ()), Ok(()));
    let earlier = spa.replacen("2025-02-10", "2025-02-09", 1);
    assert!(errors(&format!("{VALID}{earlier}")).to_string().contains("redeemed at spa on 2025-02-09"));
    let platform = mutated(&[("id = \"hq\"", "id = \"hq\"\nfrom = \"2025-02-01\"")]);
    assert!(errors(&platform).to_string().contains("the platform, takes part the whole programme long"));
}

#[test]
fn a_broken_programme_is_refused() {
    for (says, old, new, field, rule) in [
        ("a zone that is none", "Asia/Shanghai", "Asia/Peking", "programme.time_zone", "IANA time zone"),
        ("a unit of account", "\"CNY\"", "\"CLF\"", "programme.currency", "a currency that is paid with"),
        ("no code", "\"CNY\"", "\"yuan\"", "programme.currency", "ISO 4217"),
        ("lower case", "\"CNY\"", "\"cny\"", "programme.currency", "ISO 4217"),
        ("sealed at once", "seal_after_hours = 2", "seal_after_hours = 0", "programme.seal_after_hours", "at least 1"),
        (
            "sealed when nobody lives any more",
            "seal_after_hours = 2",
            "seal_after_hours = 4294967295",
            "programme.seal_after_hours",
            "must be at most 744, a month",
        ),
        (
            "no month",
            "first_period = \"2025-01\"",
            "first_period = \"2025-1\"",
            "programme.first_period",
            "month such as",
        ),
        ("no such hub", "platform = \"hq\"", "platform = \"nobody\"", "programme.platform", "line nobody is not among"),
        ("a short salt", "eight or more", "seven..", "programme.pseudonym_salt", "at least 8 characters"),
        ("no key", SALT, "", "programme.pseudonym_key", "is missing"),
        (
            "a key and a salt",
            SALT,
            "pseudonym_salt = \"eight or more\"\npseudonym_key = \"own\"",
            "programme.pseudonym_salt",
            "must be left out",
        ),
        ("a key without a name", SALT, "pseudonym_key = \"\"", "programme.pseudonym_key", "must be 1 to 64"),
        ("a key in another folder", SALT, "pseudonym_key = \"../k\"", "programme.pseudonym_key", "must be 1 to 64"),
    ] {
        refuses(says, &[(old, new)], &[(1, field, rule)]);
    }
}

#[test]
fn a_month_may_be_sealed_a_month_after_its_end_at_the_latest() {
    let sealed =
        |hours: u32| Rulebook::parse(&mutated(&[("seal_after_hours = 2", &format!("seal_after_hours = {hours}"))]));
    assert_eq!(sealed(SEAL_AFTER_HOURS_MAX).unwrap().seal_after, TimeDelta::days(31));
    assert!(sealed(SEAL_AFTER_HOURS_MAX + 1).is_err());
}

#[test]
fn a_broken_rule_is_refused_with_its_line_and_field() {
    let no_price = "must be a decimal number";
    let cases: &[(&str, &str, &str, &[Expected])] = &[
        ("shares below one", "share = \"0.97\"", "share = \"0.96\"", &[(77, "splits[0].shares", "they sum to 0.99")]),
        ("shares above one", "share = \"0.97\"", "share = \"0.98\"", &[(77, "splits[0].shares", "they sum to 1.01")]),
        ("sponsors below one", "share = \"0.6\"", "share = \"0.5\"", &[(35, "earn[2].sponsors", "they sum to 0.9")]),
        (
            "a share twice",
            "{ to = \"hq\", share = \"0.03\" }",
            "{ to = \"redeemer\", share = \"0.03\" }",
            &[(77, "splits[0].shares", "redeemer stands in it twice")],
        ),
        (
            "a sponsor twice",
            "{ to = \"hq\", share = \"0.4\" }",
            "{ to = \"shop\", share = \"0.4\" }",
            &[(35, "earn[2].sponsors", "shop stands in it twice")],
        ),
        (
            "a negative share",
            "share = \"0.97\"",
            "share = \"-0.97\"",
            &[(77, "splits[0].shares", "must be a decimal number")],
        ),
        (
            "no share",
            "shares = [{ to = \"redeemer\", share = \"1\" }]",
            "shares = []",
            &[(82, "splits[1].shares", "must have 1 to 8 parts"), (82, "splits[1].shares", "they sum to 0")],
        ),
        (
            "a share of nobody",
            "{ to = \"hq\", share = \"0.03\" }",
            "{ to = \"nobody\", share = \"0.03\" }",
            &[(77, "splits[0].shares", "line nobody is not among")],
        ),
        (
            "a sponsor of nobody",
            "{ to = \"hq\", share = \"0.4\" }",
            "{ to = \"redeemer\", share = \"0.4\" }",
            &[(35, "earn[2].sponsors", "line redeemer is not among")],
        ),
        (
            "a split's name with a space",
            "rule = \"standard\"",
            "rule = \"the standard\"",
            &[(77, "splits[0].rule", "may only contain")],
        ),
        (
            "an overlap of one day",
            "to = \"2025-06-30\"",
            "to = \"2025-07-01\"",
            &[(35, "earn[2].from", "overlaps the rule in force from 2025-01-01 to 2025-07-01")],
        ),
        (
            "a rule after one without end",
            "to = \"2025-06-30\"\n",
            "",
            &[(34, "earn[2].from", "overlaps the rule in force from 2025-01-01 on")],
        ),
        (
            "an overlap of prices",
            "to = \"2025-03-31\"",
            "to = \"2025-04-01\"",
            &[
                (0, "prices", "inn redeemed at inn on 2025-04-02"),
                (0, "prices", "shop redeemed at inn"),
                (56, "prices[1].from", "overlaps the rule in force from 2025-01-01 to 2025-04-01"),
            ],
        ),
        (
            "two splits for one pair",
            "payer = \"hq\"\n",
            "",
            &[(82, "splits[1].from", "overlaps the rule in force from 2025-01-01 on")],
        ),
        (
            "an overlap of one day with a later rule",
            "from = \"2025-07-01\"",
            "from = \"2024-01-01\"\nto = \"2025-01-01\"",
            &[(35, "earn[2].from", "overlaps the rule in force from 2025-01-01 to 2025-06-30")],
        ),
        ("`to` before `from`", "to = \"2025-06-30\"", "to = \"2024-12-31\"", &[(29, "earn[1].to", "is before `from`")]),
        ("no date", "from = \"2025-07-01\"", "from = \"2025-7-1\"", &[(35, "earn[2].from", "must be a date")]),
        (
            "no day of the calendar",
            "to = \"2025-06-30\"",
            "to = \"2025-06-31\"",
            &[(29, "earn[1].to", "must be a date")],
        ),
        (
            "a line that is none",
            "[[burn]]\nline = \"inn\"",
            "[[burn]]\nline = \"spa\"",
            &[(42, "burn[0].line", "line spa is not among")],
        ),
        (
            "a wildcard where one line is meant",
            "[[burn]]\nline = \"inn\"",
            "[[burn]]\nline = \"*\"",
            &[(42, "burn[0].line", "may only contain")],
        ),
        (
            "a funder that is none",
            "funder = \"hq\"\nfrom = \"2025-01-01\"\nprice",
            "funder = \"spa\"\nfrom = \"2025-01-01\"\nprice",
            &[(61, "prices[2].funder", "line spa is not among")],
        ),
        (
            "nine decimals",
            "unit = \"2\"",
            "unit = \"2.000000001\"",
            &[(23, "earn[0].points_per_unit", "not have more than 8 decimals")],
        ),
        (
            "a negative rate",
            "unit = \"2\"",
            "unit = \"-2\"",
            &[(23, "earn[0].points_per_unit", "must be a decimal number")],
        ),
        (
            "an exponent",
            "unit = \"2\"",
            "unit = \"2e0\"",
            &[(23, "earn[0].points_per_unit", "must be a decimal number")],
        ),
        (
            "an empty rate",
            "unit = \"2\"",
            "unit = \"\"",
            &[(23, "earn[0].points_per_unit", "must be a decimal number")],
        ),
        (
            "a rate above the limit",
            "price = \"0.005\"",
            "price = \"10001\"",
            &[(61, "prices[2].price", "larger than the limit of 10000")],
        ),
        (
            "a tenth of a fen",
            "\"1.00\"",
            "\"1.001\"",
            &[(23, "earn[0].minimum_amount", "at most 2 decimals: amounts in CNY have 2")],
        ),
        (
            "a multiplier below one",
            "multiplier = \"1.5\"",
            "multiplier = \"0.99\"",
            &[(35, "earn[2].multiplier", "must be at least 1")],
        ),
        ("a worthless point", "value = \"0.01\"", "value = \"0.00\"", &[(42, "burn[0].value", "more than zero")]),
        ("a step of zero", "step = 50", "step = 0", &[(42, "burn[0].step", "at least 1")]),
        ("more than the whole bill", "\"0.3\"", "\"1.01\"", &[(42, "burn[0].max_bill_share", "at most 1")]),
        (
            "a broken price is no price",
            "\"0.009\"",
            "\"0.0.9\"",
            &[
                (0, "prices", "inn redeemed at inn on 2025-01-01"),
                (0, "prices", "shop redeemed at inn on 2025-01-01"),
                (50, "prices[0].price", no_price),
            ],
        ),
        (
            "no price for a pair",
            "redeemer = \"shop\"",
            "redeemer = \"shop\"\nfunder = \"inn\"",
            &[
                (0, "prices", "no price for points of hq redeemed at shop on 2025-01-01"),
                (0, "prices", "no price for points of shop redeemed at shop on 2025-01-01"),
            ],
        ),
        (
            "a day without a price",
            "from = \"2025-04-01\"",
            "from = \"2025-04-02\"",
            &[(0, "prices", "inn redeemed at inn on 2025-04-01"), (0, "prices", "shop redeemed at inn on 2025-04-01")],
        ),
        (
            "a price that ends",
            "from = \"2025-04-01\"",
            "from = \"2025-04-01\"\nto = \"2025-12-31\"",
            &[(0, "prices", "inn redeemed at inn on 2026-01-01"), (0, "prices", "shop redeemed at inn on 2026-01-01")],
        ),
        (
            "prices that begin after the programme",
            "first_period = \"2025-01\"",
            "first_period = \"2024-12\"",
            &[
                (0, "prices", "hq redeemed at hq on 2024-12-01"),
                (0, "prices", "inn redeemed at hq"),
                (0, "prices", "shop redeemed at hq"),
                (0, "prices", "hq redeemed at inn"),
                (0, "prices", "inn redeemed at inn"),
                (0, "prices", "shop redeemed at inn"),
                (0, "prices", "hq redeemed at shop"),
                (0, "prices", "inn redeemed at shop"),
                (0, "prices", "shop redeemed at shop"),
                (0, "expiry", "no rule for points issued by hq on 2024-12-01"),
                (0, "expiry", "inn on 2024-12-01"),
                (0, "expiry", "shop on 2024-12-01"),
            ],
        ),
        (
            "a yuan of points for a yuan",
            "unit = \"2\"",
            "unit = \"100\"",
            &[(0, "earn", "at shop and spending them at inn for 0.01 each creates money")],
        ),
        (
            "a multiplier that creates money",
            "multiplier = \"1.5\"",
            "multiplier = \"100\"",
            &[(0, "earn", "at inn and spending them at inn for 0.01 each creates money")],
        ),
        (
            "months and never",
            "months = 12",
            "months = 12\nnever = true",
            &[
                (0, "expiry", "issued by inn"),
                (0, "expiry", "issued by shop"),
                (88, "expiry[0].months", "either `months` or `never = true`"),
            ],
        ),
        (
            "neither months nor never",
            "months = 12\n",
            "",
            &[
                (0, "expiry", "issued by inn"),
                (0, "expiry", "issued by shop"),
                (88, "expiry[0].months", "either `months` or `never = true`"),
            ],
        ),
        (
            "no month",
            "months = 12",
            "months = 0",
            &[
                (0, "expiry", "issued by inn"),
                (0, "expiry", "issued by shop"),
                (88, "expiry[0].months", "must be 1 to 120"),
            ],
        ),
        (
            "a month too many",
            "months = 12",
            "months = 121",
            &[
                (0, "expiry", "issued by inn"),
                (0, "expiry", "issued by shop"),
                (88, "expiry[0].months", "must be 1 to 120"),
            ],
        ),
        (
            "no expiry for a funder",
            "months = 12",
            "months = 12\nfunder = \"shop\"",
            &[(0, "expiry", "no rule for points issued by inn on 2025-01-01")],
        ),
        (
            "a line twice",
            "id = \"inn\"\nname = \"Inn\"",
            "id = \"inn\"\nname = \"Inn\"\n\n[[lines]]\nid = \"inn\"\nname = \"Another\"",
            &[(23, "lines[3].id", "line inn stands twice")],
        ),
        (
            "a line with a space",
            "id = \"inn\"\nname = \"Inn\"",
            "id = \"inn\"\nname = \"Inn\"\n\n[[lines]]\nid = \"the spa\"\nname = \"Spa\"",
            &[(23, "lines[3].id", "may only contain")],
        ),
        (
            "a line's code too long",
            "id = \"inn\"\nname = \"Inn\"",
            "id = \"inn\"\nname = \"Inn\"\n\n[[lines]]\nid = \"seventeen-letters\"\nname = \"Spa\"",
            &[(23, "lines[3].id", "longer than 16 characters")],
        ),
    ];
    for (says, old, new, expected) in cases {
        refuses(says, &[(old, new)], expected);
    }
    assert_eq!(EXPIRY_MONTHS_MAX, 120);
}

#[test]
fn everything_that_is_wrong_is_reported_at_once_in_the_order_of_the_file() {
    refuses(
        "three errors in three tables",
        &[
            ("seal_after_hours = 2", "seal_after_hours = 0"),
            ("share = \"0.97\"", "share = \"0.5\""),
            ("step = 50", "step = 0"),
        ],
        &[
            (1, "programme.seal_after_hours", "at least 1"),
            (42, "burn[0].step", "at least 1"),
            (77, "splits[0].shares", "they sum to 0.53"),
        ],
    );
    let found = errors(&mutated(&[("step = 50", "step = 0"), ("unit = \"2\"", "unit = \"100\"")]));
    assert_eq!(
        found.to_string(),
        "earn: earning 100 points per unit at shop and spending them at inn for 0.01 each creates money\n\
         line 42: burn[0].step: must be at least 1"
    );
}

#[test]
fn an_unknown_zone_hides_nothing_else_that_is_wrong() {
    refuses(
        "a zone and a loop",
        &[("Asia/Shanghai", "Asia/Peking"), ("unit = \"2\"", "unit = \"100\"")],
        &[(0, "earn", "creates money"), (1, "programme.time_zone", "IANA time zone")],
    );
}

#[test]
fn a_currency_has_none_two_or_three_decimals() {
    for (codes, decimals) in [
        ("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF", Some(0)),
        ("CNY USD EUR HKD SGD", Some(2)),
        ("BHD IQD JOD KWD LYD OMR TND", Some(3)),
        // Indexed units, which nobody pays with; two of them have four decimals.
        ("CLF UYI UYW", None),
    ] {
        for code in codes.split_whitespace() {
            let whole = [("\"CNY\"", &*format!("{code:?}")), ("\"1.00\"", "\"1\"")];
            let rulebook = Rulebook::parse(&mutated(&whole)).ok();
            assert_eq!(rulebook.map(|rulebook| rulebook.currency.decimals()), decimals, "{code}");
        }
    }
}

#[test]
fn a_smallest_sale_has_the_decimals_of_the_currency() {
    let with =
        |code: &str, amount: &str| mutated(&[("\"CNY\"", &format!("{code:?}")), ("\"1.00\"", &format!("{amount:?}"))]);
    for (code, amount) in [("JPY", "1000"), ("CNY", "10.50"), ("KWD", "10.505")] {
        assert!(Rulebook::parse(&with(code, amount)).is_ok(), "{code} {amount}");
    }
    let found = errors(&with("JPY", "10.5"));
    assert!(found.0.len() == 1 && found.0[0].field.ends_with(".minimum_amount"), "{found}");
    assert_eq!(found.0[0].rule, "must have at most 0 decimals: amounts in JPY have none");
    // A currency that is refused is all that is told.
    assert_eq!(errors(&with("XYZ", "10.5")).0.len(), 1);
    refuses(
        "a currency and a loop",
        &[("\"CNY\"", "\"XYZ\""), ("unit = \"2\"", "unit = \"100\"")],
        &[(0, "earn", "creates money"), (1, "programme.currency", "ISO 4217")],
    );
}

#[test]
fn a_date_is_written_in_one_way_only() {
    let others = [" 2025-07-1", "+2025-07-1", "2025- 7- 1", "2025-07-1 ", "20250701", "2025/07/01", "２０２５-07-01"];
    let accepted: Vec<&str> = others
        .into_iter()
        .filter(|text| {
            let changed = mutated(&[("from = \"2025-07-01\"", &format!("from = {text:?}"))]);
            Rulebook::parse(&changed).err().is_none_or(|errors| errors.0[0].field != "earn[2].from")
        })
        .collect();
    assert_eq!(accepted, Vec::<&str>::new());
}

#[test]
fn no_line_is_called_like_the_redeeming_line_of_a_split() {
    let another = "id = \"inn\"\nname = \"Inn\"\n\n[[lines]]\nid = \"redeemer\"\nname = \"Redeemer\"";
    let result = Rulebook::parse(&mutated(&[("id = \"inn\"\nname = \"Inn\"", another)]));
    assert!(result.is_err_and(|errors| errors.0[0].field == "lines[3].id"));
}

#[test]
fn more_lines_rules_or_shares_than_the_limit_are_refused() {
    let lines = |number: usize| -> String {
        let more = (3..number).map(|at| format!("[[lines]]\nid = \"l{at}\"\nname = \"L\"\n"));
        format!("{VALID}{}", more.collect::<String>())
    };
    assert!(Rulebook::parse(&lines(LINES_MAX)).is_ok());
    let found = errors(&lines(LINES_MAX + 1));
    assert!(found.0[0].field == "lines[64]" && found.0[0].rule.contains("at most 64 lines"), "{found}");
    // Rules are not looked at: they may be of the lines that were left out.
    let of_the_last = "[[burn]]\nline = \"l64\"\nfrom = \"2025-01-01\"\nvalue = \"0.01\"\n";
    assert_eq!(errors(&format!("{}{of_the_last}", lines(LINES_MAX + 1))), found);

    // One rule a day, after the fourteen that are there.
    let rules = |number: usize| -> String {
        let start = chrono::Utc.with_ymd_and_hms(2025, 1, 1, 0, 0, 0).unwrap().date_naive();
        let more = (14..number).map(|at| {
            let day = start + TimeDelta::days(i64::try_from(at).unwrap());
            format!("[[burn]]\nline = \"shop\"\nfrom = \"{day}\"\nto = \"{day}\"\nvalue = \"0.01\"\n")
        });
        format!("{VALID}{}", more.collect::<String>())
    };
    assert!(Rulebook::parse(&rules(RULES_MAX)).is_ok());
    let found = errors(&rules(RULES_MAX + 1));
    assert_eq!(found.to_string(), "rulebook: has 4097 rules, the limit is 4096");

    let shares = |number: usize| -> String {
        let ids = (0..number).map(|at| format!("[[lines]]\nid = \"s{at}\"\nname = \"S\"\n"));
        let parts =
            (0..number).map(|at| format!("{{ to = \"s{at}\", share = \"{}\" }},", if at == 0 { "0.97" } else { "0" }));
        let text = mutated(&[("{ to = \"redeemer\", share = \"0.97\" },", &parts.collect::<String>())]);
        format!("{text}{}", ids.collect::<String>())
    };
    assert!(Rulebook::parse(&shares(SHARES_MAX - 1)).is_ok());
    let found = errors(&shares(SHARES_MAX));
    assert_eq!(found.to_string(), "line 77: splits[0].shares: must have 1 to 8 parts");
}

#[test]
fn a_whole_bill_may_be_paid_with_points() {
    assert!(Rulebook::parse(&mutated(&[("\"0.3\"", "\"1\"")])).is_ok());
}

#[test]
fn a_text_that_no_file_could_carry_is_refused() {
    let line = |rest: &str| format!("{VALID}[[lines]]\nid = \"park\"\n{rest}\n");
    let cohort = "[[urr_override]]\nfunder = \"shop\"\nissued = \"2025-01\"\nurr = \"0.9\"\n";
    type Field<'a> = (&'a str, usize, &'a dyn Fn(&str) -> String);
    let fields: [Field<'_>; 7] = [
        ("programme.name", NAME_MAX, &|text| mutated(&[("name = \"Small\"", &format!("name = \"{text}\""))])),
        ("lines[3].name", NAME_MAX, &|text| line(&format!("name = \"{text}\""))),
        ("lines[3].name_zh", NAME_MAX, &|text| line(&format!("name = \"P\"\nname_zh = \"{text}\""))),
        ("lines[3].entity", NAME_MAX, &|text| line(&format!("name = \"P\"\nentity = \"{text}\""))),
        ("lines[3].bank_account", BANK_ACCOUNT_MAX, &|text| line(&format!("name = \"P\"\nbank_account = \"{text}\""))),
        ("urr_override[0].reason", REASON_MAX, &|text| format!("{VALID}{cohort}reason = \"{text}\"\n")),
        ("urr_override[0].approved_by", REASON_MAX, &|text| {
            format!("{VALID}{cohort}reason = \"a\"\napproved_by = \"{text}\"\n")
        }),
    ];
    for (field, most, with) in fields {
        for text in ["分".repeat(most), "=HYPERLINK(A1)".to_owned(), "<&'>\u{1f600}".to_owned()] {
            if let Err(errors) = Rulebook::parse(&with(&text)) {
                assert!(errors.0.iter().all(|error| error.field != field), "{text}: {errors}");
            }
        }
        for text in [
            "分".repeat(most + 1),
            "\\tA".to_owned(),
            "A\\u0000".to_owned(),
            "A\\r\\nB".to_owned(),
            "\u{ffff}".to_owned(),
        ] {
            let found = errors(&with(&text));
            let rule = format!("must be at most {most} printable characters");
            assert!(found.0.iter().any(|error| error.field == field && error.rule == rule), "{text:?}: {found}");
        }
    }
    let code = |code: &str| format!("{VALID}[accounts]\nbank = {{ code = \"{code}\", name = \"Bank\" }}\n");
    assert!(Rulebook::parse(&code("1002-1")).is_ok());
    assert_eq!(errors(&code("-1002")).0[0].field, "accounts.bank.code");
}

#[test]
fn what_the_ledger_was_written_by_stays_in_every_later_rulebook() {
    let before = Rulebook::parse(VALID).unwrap();
    let follows = |replacements: &[(&str, &str)]| {
        let errors = Rulebook::parse(&mutated(replacements)).unwrap().check_follows(&before);
        errors.map_err(|errors| errors.to_string())
    };
    assert_eq!(
        follows(&[("netting = \"hub\"", "netting = \"direct\""), ("name = \"Shop\"", "name = \"Shops\"")]),
        Ok(())
    );
    for (old, new, rule) in [
        ("\"CNY\"", "\"USD\"", "currency: was CNY in the rulebook in force and cannot become USD"),
        (
            "Asia/Shanghai",
            "Asia/Urumqi",
            "time_zone: was Asia/Shanghai in the rulebook in force and cannot become Asia/Urumqi",
        ),
        ("\"2025-01\"", "\"2025-02\"", "first_period: was 2025-01 in the rulebook in force and cannot become 2025-02"),
        ("platform = \"hq\"", "platform = \"inn\"", "platform: was hq in the rulebook in force and cannot become inn"),
    ] {
        assert_eq!(follows(&[(old, new)]), Err(rule.to_owned()));
    }
    let with_another = Rulebook::parse(&format!("{VALID}[[lines]]\nid = \"park\"\nname = \"Park\"\n")).unwrap();
    assert!(with_another.check_follows(&before).is_ok());
    let rule = "lines: park is missing: a line that was in force may have points or obligations left";
    assert_eq!(before.check_follows(&with_another).unwrap_err().to_string(), rule);
}

#[test]
fn terms_that_are_left_out_are_what_they_always_were() {
    let book = Rulebook::parse(VALID).unwrap();
    let month = Period::parse("2026-02").unwrap();
    let days = PaymentDays { incoming: day("2026-03-13"), outgoing: day("2026-03-16") };
    assert_eq!(book.payment_days(month), days);
    assert_eq!(book.payments(month).minimum, Money::ZERO);
    assert_eq!(book.forecast_months(month), 12);
    let terms = Parameters {
        window_months: 12,
        level_months: 6,
        credibility: points(300),
        initial_months: 6,
        margin: Rate::ONE,
        floor: Rate::parse("0.05").unwrap(),
        ignore_below: Rate::parse("0.25").unwrap(),
        horizon_months: 60,
        open_age: 24,
    };
    assert_eq!(book.urr(month), UrrTerms::Experience(terms));
    assert_eq!(book.urr_override(&scheme("shop"), month, month), None);
    let terms = book.liability(&scheme("shop"), month).unwrap();
    assert_eq!(terms.grant_value, terms.face_value);
}

#[test]
fn the_day_of_payment_is_a_business_day_of_the_banks_by_the_terms_of_the_month() {
    let terms = |text: &str| Rulebook::parse(&format!("{}\n{text}", held())).unwrap();
    let one = terms("[payments]\nday = 3\nholidays = [\"2026-03-02\"]\nworkdays = [\"2026-03-01\"]");
    // Sunday the first is worked, Monday the second is not.
    assert_eq!(one.payment_days(Period::parse("2026-02").unwrap()).incoming, day("2026-03-04"));
    let several = terms("[[payments]]\nto = \"2026-01-31\"\nday = 1\n[[payments]]\nfrom = \"2026-02-01\"\nday = 2");
    let days = ["2026-01", "2026-02"].map(|month| several.payment_days(Period::parse(month).unwrap()).incoming);
    assert_eq!(days, [day("2026-02-02"), day("2026-03-03")]);
}

#[test]
fn what_banks_know_a_line_by_is_checked_digit_by_digit() {
    let line = |rest: &str| format!("{VALID}[[lines]]\nid = \"park\"\nname = \"P\"\n{rest}\n");
    for (rest, field, rule) in [
        ("tax_id = \"91310000MA1K35XX0X\"", "tax_id", "its last place must be 4, the check digit of GB 32100"),
        ("tax_id = \"DE123456789\"", "tax_id", "must be a unified social credit code"),
        ("cnaps = \"10229000000\"", "cnaps", "must be 12 digits"),
        ("bic = \"ICBK\"", "bic", "must be a BIC"),
        ("bank_account = \"DE89370400440532013001\"", "bank_account", "is no IBAN"),
        ("legal_name_en = \"酒店\"", "legal_name_en", "must be in letters that EPC217-08 writes as Latin ones"),
    ] {
        let found = errors(&line(rest));
        assert_eq!((found.0.len(), found.0[0].field.as_str()), (1, &*format!("lines[3].{field}")), "{found}");
        assert!(found.0[0].rule.starts_with(rule), "{found}");
    }
    let all = "legal_name = \"公园有限公司\"\nlegal_name_en = \"Zürich Park AG\"\ntax_id = \"91350100M000100Y43\"\n\
               bank_account = \"6217001234567890123\"\nbic = \"icbk cn bj shi\"\ncnaps = \"102290000003\"";
    let book = rulebook(&line(all));
    let park = book.line(&LineId::parse("park").unwrap()).unwrap();
    assert_eq!((park.entity.as_str(), park.bic.as_str()), ("公园有限公司", "ICBKCNBJSHI"));
    assert_eq!(park.holder(book.currency).as_deref(), Some("公园有限公司"));
    let euros = Currency::parse("EUR").unwrap();
    assert_eq!(park.holder(euros).as_deref(), Some("Zurich Park AG"));
    // Another country's number is taken as it is, an old one with a word.
    assert!(Rulebook::parse(&line("tax_id = \"DE123456789\"").replace("\"CNY\"", "\"EUR\"")).is_ok());
    let old = rulebook(&line("tax_id = \"310101123456789\"")).warnings;
    assert_eq!(old.iter().filter(|warning| warning.field == "lines[3].tax_id").count(), 1);
}

#[test]
fn a_holder_is_never_the_lines_own_name() {
    let missing = |text: &str| -> Vec<String> {
        rulebook(text)
            .warnings
            .into_iter()
            .map(|warning| warning.field)
            .filter(|field| field.contains("legal"))
            .collect()
    };
    let fields = |field: &str| (0..3).map(|at| format!("lines[{at}].{field}")).collect::<BTreeSet<_>>();
    assert_eq!(missing(VALID).into_iter().collect::<BTreeSet<_>>(), fields("legal_name"));
    assert_eq!(missing(&held()), Vec::<String>::new());
    // In another currency the name must be in Latin letters.
    let euros = held().replace("\"CNY\"", "\"EUR\"");
    assert_eq!(missing(&euros), Vec::<String>::new());
    let chinese = euros.replace("Holder", "公司");
    assert_eq!(missing(&chinese).into_iter().collect::<BTreeSet<_>>(), fields("legal_name_en"));
    let refused = errors(&format!("{VALID}[payments]\n"));
    assert_eq!(refused.0.iter().map(|error| error.field.clone()).collect::<BTreeSet<_>>(), fields("legal_name"));
    // What else a bank asks for may follow before anything is paid.
    let warned = rulebook(&format!("{}[payments]\n", held())).warnings;
    let of_bank = |field: &str| warned.iter().filter(|warning| warning.field.ends_with(field)).count();
    assert_eq!((of_bank(".bank_account"), of_bank(".bic")), (3, 3));
    assert!(refused.0[0].rule.starts_with("is missing: the name that its bank account is held by"), "{refused}");
}

#[test]
fn estimates_are_made_by_the_method_of_the_month() {
    let text = "[[urr]]\nto = \"2025-12-31\"\nmargin = \"0\"\n[[urr]]\nfrom = \"2026-01-01\"\nmethod = \"initial\"";
    let book = Rulebook::parse(&format!("{VALID}\n{text}")).unwrap();
    let of = |month: &str| book.urr(period(month));
    assert_eq!(of("2025-12"), UrrTerms::Experience(Parameters { margin: Rate::ZERO, ..Parameters::default() }));
    assert_eq!(of("2026-01"), UrrTerms::Initial);
}

#[test]
fn terms_of_the_estimate_are_taken_up_to_their_bounds() {
    for text in [
        "window_months = 1\nlevel_months = 1",
        "window_months = 60\nlevel_months = 60\ninitial_months = 60",
        "initial_months = 0\ncredibility = 0\nmargin = \"0\"\nfloor = \"0\"\nignore_below = \"0\"",
        "floor = \"1\"\nignore_below = \"1\"\nmargin = \"9.5\"",
        "horizon_months = 120\nopen_age = 120",
        "horizon_months = 1\nopen_age = 1",
    ] {
        let found = Rulebook::parse(&format!("{VALID}\n[urr]\n{text}\n"));
        assert!(found.is_ok(), "{text}: {}", found.unwrap_err());
    }
}

/// Whose points, their months, from which close on, and the rate.
fn overrides(rules: &[(&str, &str, &str, &str)]) -> Rulebook {
    let rule = |(funder, issued, close_from, urr): &(&str, &str, &str, &str)| {
        let (from, to) = issued.split_once("..").unwrap_or((issued, issued));
        let close = if close_from.is_empty() { String::new() } else { format!("close_from = \"{close_from}\"\n") };
        format!(
            "[[urr_override]]\nfunder = \"{funder}\"\nissued_from = \"{from}\"\nissued_to = \"{to}\"\nurr = \"{urr}\"\n\
             {close}reason = \"r\"\n"
        )
    };
    rulebook(&format!("{VALID}{}", rules.iter().map(rule).collect::<String>()))
}

#[test]
fn a_persons_rate_of_the_funder_goes_first_and_then_the_one_from_the_latest_close() {
    let book = overrides(&[
        ("*", "2025-01..2025-12", "", "0.1"),
        ("*", "2025-03..2025-06", "2025-06", "0.2"),
        ("*", "2025-05", "2025-07", "0.3"),
        ("shop", "2025-05", "", "0.4"),
        ("shop", "2025-05..2025-06", "2025-08", "0.5"),
    ]);
    let of = |funder: &str, issued: &str, closed: &str| {
        book.urr_override(&scheme(funder), period(issued), period(closed)).map(|manual| manual.rate().to_string())
    };
    for (funder, issued, closed, expected) in [
        // Without a close it holds from the first on, for whoever has none of its own.
        ("inn", "2025-01", "2025-01", Some("0.1")),
        ("inn", "2025-05", "2025-05", Some("0.1")),
        ("inn", "2025-05", "2025-06", Some("0.2")),
        ("inn", "2025-05", "2025-07", Some("0.3")),
        ("inn", "2025-04", "2025-09", Some("0.2")),
        ("inn", "2025-07", "2025-09", Some("0.1")),
        ("inn", "2026-01", "2026-01", None),
        // The shop's own goes before a later one of everybody's.
        ("shop", "2025-05", "2025-07", Some("0.4")),
        ("shop", "2025-05", "2025-08", Some("0.5")),
        ("shop", "2025-06", "2025-07", Some("0.2")),
        ("shop", "2025-06", "2025-08", Some("0.5")),
    ] {
        assert_eq!(of(funder, issued, closed).as_deref(), expected, "{funder} {issued}, closed {closed}");
    }
}

#[test]
fn who_agreed_to_a_persons_rate_stands_with_its_reason() {
    let with = |more: &str| {
        let text = format!(
            "{VALID}[[urr_override]]\nfunder = \"shop\"\nissued = \"2025-01\"\nurr = \"0.9\"\nreason = \"closed\"\n{more}"
        );
        let month = period("2025-01");
        rulebook(&text).urr_override(&scheme("shop"), month, month).unwrap().words()
    };
    let (alone, agreed) = (with(""), with("approved_by = \"the board\"\n"));
    assert_eq!(alone, "closed");
    assert!(agreed.starts_with("closed") && agreed.contains("the board"), "{agreed}");
}

#[test]
fn points_that_nobody_paid_for_are_valued_at_their_own_cost() {
    let text = mutated(&[("face_value = \"0.0099\"", "face_value = \"0.0099\"\ngrant_value = \"0.004\"")]);
    let book = rulebook(&text);
    let terms = book.liability(&scheme("shop"), period("2025-01")).unwrap();
    let net = terms.sale().net(Micro::of_money(money("90.10"))).unwrap();
    let terms = terms.valuation(book.currency, Rate::ONE, Rate::ONE);
    let mut valued = Valued::default();
    valued.give(&terms, points(1_000)).unwrap();
    assert_eq!(valued.given_value, Micro::of_money(money("4.00")));
    let mut valued = Valued::default();
    let price = Price { net, points: terms.stand_alone(points(1_000)).unwrap() };
    valued.sell(&terms, points(1_000), price).unwrap();
    // 9.90 of 90.10 + 9.90.
    assert_eq!(valued.allocated, Micro::new(891_990_000));
}

#[test]
fn vat_has_been_what_it_is_since_the_last_month_in_which_any_of_it_changed() {
    let book = rulebook(&format!(
        r#"{VALID}
[[vat]]
from = "2025-01-01"
treatment = "none"
[[vat]]
redeemer = "inn"
product = "redemption"
from = "2025-01-01"
to = "2025-03-31"
treatment = "third-party-consideration"
rate = "0.06"
[[vat]]
redeemer = "inn"
product = "redemption"
from = "2025-04-01"
to = "2025-05-31"
treatment = "third-party-consideration"
rate = "0.06"
[[vat]]
redeemer = "inn"
product = "redemption"
from = "2025-06-01"
to = "2025-08-31"
treatment = "third-party-consideration"
rate = "0.13"
[[vat]]
redeemer = "inn"
product = "redemption"
from = "2025-09-01"
treatment = "third-party-consideration"
rate = "0.06"
"#
    ));
    let (shop, inn, hq) = (line("shop"), line("inn"), line("hq"));
    let since = |pairs: &[(_, _, Product)], month: &str| book.vat_since(pairs, period(month)).to_string();
    let at_inn = [(&shop, &inn, Product::Redemption)];
    for (month, expected) in [
        ("2025-01", "2025-01"),
        // Another rule that says the same is no change, and none is the last day of what returns.
        ("2025-04", "2025-01"),
        ("2025-05", "2025-01"),
        ("2025-06", "2025-06"),
        ("2025-08", "2025-06"),
        ("2025-09", "2025-09"),
        ("2026-09", "2025-09"),
        // Before the programme: the month itself.
        ("2024-11", "2024-11"),
    ] {
        assert_eq!(since(&at_inn, month), expected, "{month}");
    }
    // What is taxed alike for ever began with the programme; of several, whichever changed last.
    let fee = (&shop, &hq, Product::PlatformFee);
    assert_eq!(since(&[fee], "2025-12"), "2025-01");
    assert_eq!(since(&[fee, at_inn[0]], "2025-07"), "2025-06");
    assert_eq!(since(&[], "2025-07"), "2025-01");
    assert_eq!(since(&[(&shop, &inn, Product::Repayment)], "2025-07"), "2025-01");
}

#[test]
fn terms_of_payment_forecast_and_estimates_are_refused_by_field_and_line() {
    let valid = held();
    let last = valid.lines().count();
    for (text, expected) in [
        ("[payments]\nday = 0", (1, "payments[0].day", "must be 1 to 20")),
        ("[payments]\nday = 21", (1, "payments[0].day", "must be 1 to 20")),
        ("[payments]\nholidays = [\"2026-2-1\"]", (1, "payments[0].holidays", "must be a date")),
        (
            "[payments]\nholidays = [\"2026-02-01\"]\nworkdays = [\"2026-02-01\"]",
            (1, "payments[0].workdays", "2026-02-01 is a holiday, too"),
        ),
        ("[[payments]]\nfrom = \"2026-02-02\"", (1, "payments[0].from", "must be the first day of a month")),
        ("[[payments]]\n[[payments]]\nfrom = \"2026-02-01\"", (2, "payments[1].from", "overlaps")),
        ("[payments]\ndate = 1", (2, "payments.date", "unknown field `date`")),
        (
            "[payments]\nworkdays = [\"2026-02-16\"]",
            (1, "payments[0].workdays", "2026-02-16 is neither a Saturday nor a Sunday"),
        ),
        ("[payments]\nout_after = 21", (1, "payments[0].out_after", "must be at most 20")),
        ("[payments]\nminimum = \"-1\"", (1, "payments[0].minimum", "must be a decimal")),
        ("[payments]\nminimum = \"0.001\"", (1, "payments[0].minimum", "decimals")),
        ("[payments]\nfiles = \"two\"", (2, "payments.files", "unknown variant `two`")),
        ("[payments]\ncalendar = \"days\"", (2, "payments.calendar", "unknown variant `days`")),
        ("[payments]\npurpose = \"{month}\"", (1, "payments[0].purpose", "another placeholder than {period}")),
        ("[forecast]\nmonths = 0", (1, "forecast[0].months", "must be 1 to 120")),
        ("[[shards]]\nnumber = 0", (1, "shards[0].number", "must be 1 to 4096")),
        ("[shards]\nnumber = 4097", (1, "shards[0].number", "must be 1 to 4096")),
        ("[[shards]]\nfrom = \"2026-02-02\"\nnumber = 16", (1, "shards[0].from", "must be the first day of a month")),
        ("[[urr]]\nmethod = \"mack\"", (2, "urr[0].method", "unknown variant `mack`")),
        ("[[urr]]\nwindow_months = 61", (1, "urr[0].window_months", "must be 1 to 60")),
        ("[[urr]]\nhorizon_months = 121", (1, "urr[0].horizon_months", "must be 1 to 120")),
    ] {
        let found = errors(&format!("{valid}{text}\n"));
        let (line, field, rule) = expected;
        assert_eq!(found.0.len(), 1, "{text}:\n{found}");
        let error = &found.0[0];
        assert_eq!((error.line, error.field.as_str()), (last + line, field), "{text}: {error}");
        assert!(error.rule.contains(rule), "{text}: {error}");
    }
}
