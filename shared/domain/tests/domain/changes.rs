//! What a rulebook answers otherwise than the one before, and for which days it may.

use crate::support::*;
use interline_domain::terms::rulebook::{Change, Rulebook};
use interline_domain::units::calendar::Period;
use std::collections::BTreeSet;

const BEFORE: &str = r#"[programme]
name = "Small"
currency = "CNY"
time_zone = "Asia/Shanghai"
first_period = "2026-01"
platform = "hq"
netting = "hub"
pseudonym_salt = "eight or more"

[[lines]]
id = "hq"
name = "Group"
entity = "Group Ltd"

[[lines]]
id = "shop"
name = "Shop"
entity = "Shop Ltd"

[[lines]]
id = "inn"
name = "Inn"
entity = "Inn Ltd"

[[earn]]
line = "shop"
from = "2026-01-01"
points_per_unit = "1"

[[earn]]
line = "inn"
from = "2026-01-01"
points_per_unit = "2"

[[burn]]
line = "inn"
from = "2026-01-01"
value = "0.01"

[[prices]]
redeemer = "inn"
from = "2026-01-01"
price = "0.0085"

[[prices]]
redeemer = "shop"
from = "2026-01-01"
price = "0.009"

[[splits]]
rule = "standard"
from = "2026-01-01"
shares = [{ to = "redeemer", share = "0.97" }, { to = "hq", share = "0.03" }]

[[expiry]]
from = "2026-01-01"
months = 12

[[liability]]
from = "2026-01-01"
face_value = "0.01"

[[vat]]
from = "2026-01-01"
treatment = "none"
"#;

fn edited(changes: &[(&str, &str)]) -> Rulebook {
    let mut text = BEFORE.to_owned();
    for (old, new) in changes {
        assert_eq!(text.matches(old).count(), 1, "{old:?}");
        text = text.replace(old, new);
    }
    rulebook(&text)
}

fn changes(edits: &[(&str, &str)]) -> Vec<String> {
    edited(edits).differences(&rulebook(BEFORE)).dated.iter().map(Change::to_string).collect()
}

#[test]
fn a_change_of_each_kind_of_rule_is_found_from_its_first_day_on() {
    for (old, new, expected) in [
        ("unit = \"1\"", "unit = \"3\"", "earn: shop, from 2026-01-01 on: 1 points per unit -> 3 points per unit"),
        (
            "\nvalue = \"0.01\"",
            "\nvalue = \"0.01\"\nmax_per_day = 9",
            "burn: inn, from 2026-01-01 on: 0.01 a point, minimum 1, step 1 -> 0.01 a point, minimum 1, step 1, at most 9 a day",
        ),
        (
            "price = \"0.0085\"",
            "price = \"0.005\"",
            "prices: points of every line redeemed at inn, from 2026-01-01 on: 0.0085 -> 0.005",
        ),
        (
            "price = \"0.0085\"",
            "price = \"0.0085\"\n[[prices]]\nredeemer = \"inn\"\nfunder = \"shop\"\nfrom = \"2026-02-10\"\nto = \"2026-02-19\"\nprice = \"0.005\"",
            "prices: points of shop redeemed at inn, 2026-02-10 to 2026-02-19: 0.0085 -> 0.005",
        ),
        (
            "rule = \"standard\"",
            "rule = \"other\"",
            "splits: what every line owes at every line, from 2026-01-01 on: standard redeemer=0.97 hq=0.03 -> other redeemer=0.97 hq=0.03",
        ),
        ("months = 12", "months = 13", "expiry: points of every line, from 2026-01-01 on: 12 months -> 13 months"),
        (
            "face_value = \"0.01\"",
            "face_value = \"0.02\"",
            "liability: points of every line, from 2026-01-01 on: face value 0.01, initial rate 1, catch-up, VAT 0 included \
             -> face value 0.02, initial rate 1, catch-up, VAT 0 included",
        ),
        (
            "id = \"inn\"",
            "id = \"inn\"\nto = \"2026-03-31\"",
            "lines: inn, from 2026-04-01 on: takes part -> does not take part",
        ),
        (
            "[[vat]]",
            "[payments]\nday = 5\nholidays = [\"2026-02-02\"]\n[[vat]]",
            "payments, 2026-01-01 to 2026-01-31: 2026-02-13, by the hub 2026-02-16 -> 2026-02-09, by the hub 2026-02-10",
        ),
        (
            "[[vat]]",
            "[[payments]]\nfrom = \"2026-03-01\"\nminimum = \"5\"\n[[vat]]",
            "payments: minimum, from 2026-03-01 on: 0.00 -> 5.00",
        ),
        (
            "[[vat]]",
            "[payments]\nfiles = \"one\"\npurpose = \"清算 {period}\"\n[[vat]]",
            "payments: purpose, from 2026-01-01 on: 积分清算 {period} -> 清算 {period}",
        ),
        (
            "[[vat]]",
            "[[forecast]]\nfrom = \"2026-03-01\"\nto = \"2026-03-31\"\nmonths = 6\n[[vat]]",
            "forecast, 2026-03-01 to 2026-03-31: 12 months -> 6 months",
        ),
        (
            "face_value = \"0.01\"",
            "face_value = \"0.01\"\ngrant_value = \"0.009\"",
            "liability: points of every line, from 2026-01-01 on: face value 0.01, initial rate 1, catch-up, VAT 0 included \
             -> face value 0.01, given at 0.009, initial rate 1, catch-up, VAT 0 included",
        ),
        (
            "[[vat]]",
            "[urr]\nmethod = \"initial\"\n[[vat]]",
            "urr, from 2026-01-01 on: experience: window 12 and level 6 months, credibility 300 points, initial rate for 6 \
             months, margin 1, floor 0.05, ignored below 0.25, horizon 60 months, one age from 24 on -> initial",
        ),
        (
            "[[vat]]",
            "[urr]\nfrom = \"2026-02-01\"\nmargin = \"2\"\nlevel_months = 3\n[[vat]]",
            "urr, from 2026-02-01 on: experience: window 12 and level 6 months, credibility 300 points, initial rate for 6 \
             months, margin 1, floor 0.05, ignored below 0.25, horizon 60 months, one age from 24 on -> experience: window \
             12 and level 3 months, credibility 300 points, initial rate for 6 months, margin 2, floor 0.05, ignored below \
             0.25, horizon 60 months, one age from 24 on",
        ),
    ] {
        let found = changes(&[(old, new)]);
        assert!(found.iter().any(|change| change == expected), "{expected}\n{found:#?}");
    }
    let vat = changes(&[("treatment = \"none\"", "treatment = \"marketing-service\"\nrate = \"0.06\"")]);
    let expected = "from every line to every line, from 2026-01-01 on: none -> marketing-service 0.06";
    assert_eq!(vat, [format!("vat: redemption {expected}"), format!("vat: platform-fee {expected}")]);
}

#[test]
fn a_holiday_concerns_the_months_whose_payment_it_moves_and_no_other() {
    let with = |days: &str| edited(&[("[[vat]]", &format!("[payments]\nholidays = [{days}]\n[[vat]]"))]);
    let before = with("\"2026-02-16\"");
    let found =
        |days: &str| -> Vec<String> { with(days).differences(&before).dated.iter().map(Change::to_string).collect() };
    // After the hub has paid it moves nothing.
    assert_eq!(found("\"2026-02-16\", \"2026-03-30\""), Vec::<String>::new());
    assert_eq!(
        found("\"2026-02-16\", \"2026-04-06\""),
        ["payments, 2026-03-01 to 2026-03-31: 2026-04-14, by the hub 2026-04-15 -> 2026-04-15, by the hub 2026-04-16"]
    );
    let other_day = edited(&[("[[vat]]", "[payments]\nday = 9\nholidays = [\"2026-02-16\"]\n[[vat]]")]);
    let found: Vec<String> = other_day.differences(&before).dated.iter().map(Change::to_string).collect();
    assert_eq!(
        found.last().unwrap(),
        "payments, from 2026-03-01 on: business day 10, by the hub 1 later -> business day 9, by the hub 1 later"
    );
}

#[test]
fn the_same_answers_in_other_words_are_no_change() {
    let other_words = [
        (
            "price = \"0.0085\"",
            "to = \"2026-02-28\"\nprice = \"0.0085\"\n[[prices]]\nredeemer = \"inn\"\nfrom = \"2026-03-01\"\nprice = \"0.00850\"",
        ),
        (
            "redeemer = \"shop\"\n",
            "redeemer = \"shop\"\nfunder = \"inn\"\nfrom = \"2026-01-01\"\nprice = \"0.009\"\n[[prices]]\nredeemer = \"shop\"\n",
        ),
    ];
    for change in other_words {
        assert_eq!(changes(&[change]), Vec::<String>::new());
    }
    assert!(rulebook(BEFORE).differences(&rulebook(BEFORE)).is_empty());
    let undated = edited(&[("netting = \"hub\"", "netting = \"direct\""), ("name = \"Shop\"", "name = \"Shops\"")]);
    let found = undated.differences(&rulebook(BEFORE));
    assert_eq!((found.dated.len(), found.undated.len()), (0, 3));
}

#[test]
fn a_day_of_a_closed_month_keeps_its_answer_and_a_past_day_of_an_open_one_is_listed() {
    let closed = BTreeSet::from([period("2026-01"), period("2026-02")]);
    let from = |date: &str| {
        let before = day(date).pred_opt().unwrap();
        let rules = format!(
            "to = \"{before}\"\nprice = \"0.0085\"\n[[prices]]\nredeemer = \"inn\"\nfrom = \"{date}\"\nprice = \"0.005\""
        );
        edited(&[("price = \"0.0085\"", &rules)]).differences(&rulebook(BEFORE)).past(&closed, day("2026-03-10"))
    };
    let refused = from("2026-02-28").unwrap_err().to_string();
    assert_eq!(
        refused,
        "prices: points of every line redeemed at inn: was 0.0085 and cannot become 0.005 on 2026-02-28: \
         month 2026-02 is closed"
    );
    let days = |date: &str| from(date).unwrap().into_iter().map(|change| (change.from, change.to)).collect::<Vec<_>>();
    assert_eq!(days("2026-03-01"), [(day("2026-03-01"), Some(day("2026-03-09")))]);
    assert_eq!(days("2026-03-09"), [(day("2026-03-09"), Some(day("2026-03-09")))]);
    assert_eq!(days("2026-03-10"), []);
}

#[test]
fn a_new_line_changes_nothing_and_begins_after_the_closed_months() {
    let closed: BTreeSet<Period> = [period("2026-01")].into();
    let joins = |from: &str| {
        let line = format!(
            "[[lines]]\nid = \"spa\"\nname = \"Spa\"\n{from}\n[[earn]]\nline = \"spa\"\nfrom = \"2026-01-01\"\npoints_per_unit = \"1\"\n\
             [[prices]]\nredeemer = \"spa\"\nfrom = \"2026-02-10\"\nprice = \"0.01\"\n"
        );
        Rulebook::parse(&format!("{BEFORE}{line}")).map(|after| {
            let differences = after.differences(&rulebook(BEFORE));
            assert_eq!((differences.dated.len(), differences.joining.len()), (0, 1));
            differences.past(&closed, day("2026-03-01"))
        })
    };
    assert_eq!(joins("from = \"2026-02-10\""), Ok(Ok(Vec::new())));
    let gap = joins("").unwrap_err().to_string();
    assert!(
        gap.contains("no price for points of hq redeemed at spa") || gap.contains("redeemed at spa on 2026-01-01"),
        "{gap}"
    );
}

#[test]
fn a_month_that_has_begun_or_begins_tomorrow_keeps_its_shards() {
    let shards = "[[shards]]\nfrom = \"2026-04-01\"\nnumber = 256\n[[vat]]";
    let differences = edited(&[("[[vat]]", shards)]).differences(&rulebook(BEFORE));
    let words: Vec<String> = differences.fixed.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["shards, from 2026-04-01 on: 64 -> 256"]);
    assert!(differences.dated.is_empty() && !differences.is_empty());
    assert_eq!(differences.past(&BTreeSet::new(), day("2026-03-30")), Ok(Vec::new()));
    for today in ["2026-03-31", "2026-04-01", "2026-05-20"] {
        let refused = differences.past(&BTreeSet::new(), day(today)).unwrap_err();
        let error = &refused.0[0];
        assert_eq!(error.field, "shards", "{today}");
        assert!(error.rule.starts_with("was 64 and cannot become 256 on 2026-04-01"), "{error}");
    }
}

#[test]
fn what_a_reference_names_stays_for_days_that_are_past() {
    let scoped =
        edited(&[("id = \"inn\"", "id = \"inn\"\nreference_scope = [{ from = \"2026-03-01\", scope = \"day\" }]")]);
    let differences = scoped.differences(&rulebook(BEFORE));
    assert_eq!(differences.past(&BTreeSet::new(), day("2026-03-01")), Ok(Vec::new()));
    assert!(differences.past(&BTreeSet::new(), day("2026-03-02")).is_err());
}
