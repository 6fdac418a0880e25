//! Schemes that several lines bear together, and what sales are given of them.

use crate::support::*;
use interline_domain::claims::lot::Expiry;
use interline_domain::terms::rulebook::{Awarded, Rulebook};
use interline_domain::units::id::SchemeId;
use interline_domain::units::money::{Money, Points};
use proptest::prelude::*;

/// Every yuan of the mall earns a point; the weekend doubles it, and 618 once more; the hotel's own visitors get 200.
const RULEBOOK: &str = r#"
programme = { name = "Schemes", currency = "CNY", time_zone = "Asia/Shanghai", first_period = "2025-01", platform = "hq", netting = "hub", pseudonym_salt = "of schemes" }
lines = [{ id = "hq", name = "Group" }, { id = "ml", name = "Mall" }, { id = "ht", name = "Hotel" }]
earn = [{ line = "ml", from = "2025-01-01", points_per_unit = "1" }, { line = "ht", from = "2025-01-01", points_per_unit = "1", minimum_amount = "10.00" }]
burn = [{ line = "ht", from = "2025-01-01", value = "0.10" }]
prices = [{ redeemer = "ht", from = "2025-01-01", price = "0.09" }, { redeemer = "ml", from = "2025-01-01", price = "0.09" }, { redeemer = "ht", funder = "c-618", from = "2025-01-01", price = "0.08" }]
expiry = [{ from = "2025-01-01", months = 12 }]
liability = [{ from = "2025-01-01", face_value = "0.10" }]

[[schemes]]
id = "c-618"
name = "618 double"
expiry = { months = 3 }
repay_price = "0.05"

[[schemes.funders]]
from = "2025-01-01"
over = "hq"
shares = [{ to = "ml", share = "0.5", cap = "5000.00" }, { to = "ht", share = "0.3" }, { to = "hq", share = "0.2" }]

[[schemes]]
id = "own"
usable_at = ["ht"]
expiry = { days = 30 }

[[schemes.funders]]
from = "2025-01-01"
shares = [{ to = "line", share = "1" }]

[[awards]]
id = "weekend"
scheme = "c-618"
from = "2025-06-01"
weekdays = ["sat", "sun"]
hours = "10:00-22:00"
lines = ["ml"]
extra = "0.2"

[[awards]]
id = "618"
scheme = "c-618"
from = "2025-06-16"
to = "2025-06-22"
extra = "0.5"
order = 1

[[awards]]
id = "visit"
scheme = "own"
from = "2025-06-01"
lines = ["ht"]
minimum_amount = "300.00"
fixed = 200
exclusive = "one"

[[awards]]
id = "stay"
scheme = "own"
from = "2025-06-01"
lines = ["ht"]
per_unit = "0.5"
exclusive = "one"
"#;

fn scheme(text: &str) -> SchemeId {
    SchemeId::parse(text).unwrap()
}

fn given(rulebook: &Rulebook, of: &str, when: &str, amount: &str) -> Vec<String> {
    let awards = rulebook.awards(&line(of), at(when).to_utc(), money(amount)).unwrap();
    awards.into_iter().map(|Awarded { award, scheme, points }| format!("{award} {scheme} {points}")).collect()
}

#[test]
fn a_scheme_is_borne_by_its_funders_and_an_instance_by_its_line() {
    let book = rulebook(RULEBOOK);
    let funding = |name: &str| book.funding(&scheme(name), period("2025-06")).to_string();
    assert_eq!(funding("c-618"), "c-618 hq=0.2 ht=0.3 ml=0.5 ml<500000 over>hq");
    assert_eq!(funding("own.ht"), "own.ht ht=1");
    assert_eq!(funding("ml"), "ml ml=1");
    for (name, is_line, at_hotel, at_mall) in
        [("c-618", false, true, true), ("own.ml", false, true, false), ("ml", true, true, true)]
    {
        let scheme = scheme(name);
        let usable = |of: &str| book.is_usable(&scheme, &line(of));
        assert_eq!((book.is_line(&scheme), usable("ht"), usable("ml")), (is_line, at_hotel, at_mall), "{name}");
    }
    let expires = |name: &str| book.expiry(&scheme(name), day("2025-06-16"));
    assert_eq!(expires("c-618"), Expiry::On(day("2025-09-30")));
    assert_eq!(expires("own.ht"), Expiry::On(day("2025-07-16")));
    assert_eq!(expires("ml"), Expiry::On(day("2026-06-30")));
    let price = |name: &str| book.price(&scheme(name), &line("ht"), day("2025-06-16")).unwrap().to_string();
    assert_eq!(
        (price("c-618"), price("own.ml"), price("ml")),
        ("0.08".to_owned(), "0.09".to_owned(), "0.09".to_owned())
    );
    let repaid = |name: &str| book.repay_price(&scheme(name), period("2025-06")).map(|price| price.to_string());
    assert_eq!((repaid("c-618"), repaid("own.ht"), repaid("ml")), (Some("0.05".into()), Some("0.1".into()), None));
}

#[test]
fn an_award_is_met_by_its_days_weekdays_hours_lines_and_amounts() {
    let book = rulebook(RULEBOOK);
    for (of, when, amount, expected) in [
        // A Tuesday; a Saturday before ten, at ten, at ten in the evening.
        ("ml", "2025-06-10T12:00:00+08:00", "100.00", &[][..]),
        ("ml", "2025-06-14T09:59:59+08:00", "100.00", &[]),
        ("ml", "2025-06-14T10:00:00+08:00", "100.00", &["weekend c-618 20"]),
        ("ml", "2025-06-14T22:00:00+08:00", "100.00", &[]),
        // By the programme's clocks, whatever the caller's say.
        ("ml", "2025-06-13T20:00:00-06:00", "100.00", &["weekend c-618 20"]),
        ("ml", "2025-06-16T12:00:00+08:00", "100.00", &["618 c-618 50"]),
        ("ml", "2025-06-22T12:00:00+08:00", "333.33", &["weekend c-618 66", "618 c-618 167"]),
        ("ml", "2025-06-23T12:00:00+08:00", "100.00", &[]),
        ("ml", "2025-05-31T12:00:00+08:00", "100.00", &[]),
        // Of a group what gives most, of equal ones the first by name.
        ("ht", "2025-06-10T12:00:00+08:00", "299.99", &["stay own.ht 149"]),
        ("ht", "2025-06-10T12:00:00+08:00", "300.00", &["visit own.ht 200"]),
        ("ht", "2025-06-10T12:00:00+08:00", "400.00", &["stay own.ht 200"]),
        // Too small to earn at all.
        ("ht", "2025-06-10T12:00:00+08:00", "9.99", &[]),
        ("hq", "2025-06-16T12:00:00+08:00", "100.00", &[]),
    ] {
        assert_eq!(given(&book, of, when, amount), expected, "{of} {when} {amount}");
    }
}

#[test]
fn what_is_kept_of_a_sale_is_what_the_same_awards_give_for_the_rest() {
    let book = rulebook(&RULEBOOK.replace("extra = \"0.5\"", "extra = \"1\""));
    let (mall, when) = (line("ml"), at("2025-06-16T12:00:00+08:00").to_utc());
    let sold = book.awards(&mall, when, money("268.00")).unwrap();
    assert_eq!(sold.iter().map(|award| award.points).collect::<Vec<_>>(), [points(268)]);
    let kept = |amount: &str| book.awards_kept(&sold, &mall, when, money(amount)).unwrap();
    assert_eq!(kept("168.00").iter().map(|award| award.points).collect::<Vec<_>>(), [points(168)]);
    assert!(book.awards_kept(&sold, &mall, when, Money::ZERO).unwrap().is_empty());
    assert!(book.awards_kept(&[], &mall, when, money("168.00")).unwrap().is_empty());
}

#[test]
fn what_is_wrong_with_schemes_and_awards_is_told_with_its_field() {
    for (old, new, field, rule) in [
        ("id = \"own\"", "id = \"ml\"", "schemes[1].id", "is a line"),
        ("id = \"own\"", "id = \"line\"", "schemes[1].id", "stands for something else"),
        ("id = \"own\"", "id = \"c-618\"", "schemes[1].id", "stands twice"),
        ("id = \"own\"", "id = \"c-618.ml\"", "schemes.id", "could be two things"),
        ("id = \"own\"", "id = \"longer-than-sixteen\"", "schemes[1].id", "longer than 16"),
        ("id = \"own\"", "id = \"own\"\nunit = \"use\"", "schemes[1].unit", "unknown variant"),
        ("id = \"own\"", "id = \"own\"\nbudget = 5", "schemes[1].budget", "unknown field"),
        ("usable_at = [\"ht\"]", "usable_at = []", "schemes[1].usable_at", "must name a line"),
        ("usable_at = [\"ht\"]", "usable_at = [\"moon\"]", "schemes[1].usable_at", "not among"),
        ("expiry = { days = 30 }", "expiry = { days = 30, months = 1 }", "schemes[1].expiry", "one of"),
        ("expiry = { days = 30 }", "expiry = { days = 0 }", "schemes[1].expiry.days", "must be 1 to"),
        ("expiry = { days = 30 }", "expiry = { day = \"30.9.\" }", "schemes[1].expiry.day", "must be a date"),
        ("expiry = { days = 30 }", "name = \"x\"", "schemes[1].expiry", "missing field"),
        ("share = \"0.3\" }", "share = \"0.4\" }", "schemes[0].funders[0].shares", "sum to 1"),
        (
            "{ to = \"ht\", share = \"0.3\" }",
            "{ to = \"moon\", share = \"0.3\" }",
            "schemes[0].funders[0].shares",
            "not among",
        ),
        ("over = \"hq\"", "over = \"ml\"", "schemes[0].funders[0].over", "without a cap"),
        ("over = \"hq\"\n", "", "schemes[0].funders[0].over", "is missing"),
        (", cap = \"5000.00\"", "", "schemes[0].funders[0].over", "only where somebody has a cap"),
        ("over = \"hq\"", "over = \"hq\"\nto = \"2025-06-15\"", "schemes[0].funders[0].to", "last day of a month"),
        (
            "shares = [{ to = \"line\", share = \"1\" }]",
            "shares = [{ to = \"line\", share = \"0.5\" }, { to = \"hq\", share = \"0.5\" }]",
            "schemes[1].funders[0].shares",
            "bears all of it or none",
        ),
        (
            "over = \"hq\"",
            "over = \"hq\"\nto = \"2025-05-31\"",
            "awards: weekend.scheme",
            "nobody bears claims of c-618 on 2025-06-01",
        ),
        ("extra = \"0.2\"", "fixed = 20", "awards[0].fixed", "needs a minimum_amount"),
        ("extra = \"0.2\"", "per_unit = \"0.1\"\nextra = \"0.2\"", "awards[0].extra", "only one of"),
        ("extra = \"0.2\"", "order = 2", "awards[0].extra", "must be given"),
        ("extra = \"0.2\"", "extra = \"0\"", "awards[0].extra", "more than zero"),
        (
            "id = \"weekend\"\nscheme = \"c-618\"",
            "id = \"weekend\"\nscheme = \"ml\"",
            "awards[0].scheme",
            "not among the programme's [[schemes]]",
        ),
        ("id = \"weekend\"", "id = \"weekend\"\non = \"task\"", "awards[0].on", "unknown variant"),
        ("hours = \"10:00-22:00\"", "hours = \"22:00-10:00\"", "awards[0].hours", "begin before they end"),
        ("hours = \"10:00-22:00\"", "hours = \"all day\"", "awards[0].hours", "two times of day"),
        ("weekdays = [\"sat\", \"sun\"]", "weekdays = [\"saturday\"]", "awards[0].weekdays", "mon, tue"),
        ("fixed = 200", "fixed = 3000", "awards: visit.fixed", "creates money"),
        ("extra = \"0.5\"", "extra = \"8.7\"", "awards", "creates money"),
        ("per_unit = \"0.5\"", "per_unit = \"9\"", "awards", "creates money"),
        (
            "liability = [{ from = \"2025-01-01\", face_value = \"0.10\" }]",
            "liability = [{ funder = \"ml\", from = \"2025-01-01\", face_value = \"0.10\" }, { funder = \"ht\", from = \"2025-01-01\", face_value = \"0.10\" }]",
            "liability",
            "no rule for claims of c-618",
        ),
    ] {
        assert_eq!(RULEBOOK.matches(old).count(), 1, "{old:?} in the rulebook");
        let errors =
            Rulebook::parse(&RULEBOOK.replace(old, new)).err().unwrap_or_else(|| panic!("{new:?} must be refused"));
        let is_told = errors.0.iter().any(|error| error.field == field && error.rule.contains(rule));
        assert!(is_told, "{new:?}: {field}: {rule}, and not\n{errors}");
    }
}

#[test]
fn of_an_exclusive_group_only_the_largest_counts_against_what_creates_money() {
    // 0.1 of base and 0.45 of either: both together would be a yuan for a yuan.
    let both = RULEBOOK.replace("per_unit = \"0.5\"", "per_unit = \"4.5\"");
    let both = both.replace("fixed = 200", "per_unit = \"4.5\"");
    assert!(Rulebook::parse(&both).is_ok());
    let apart = both.replacen("exclusive = \"one\"", "exclusive = \"other\"", 1);
    assert!(Rulebook::parse(&apart).unwrap_err().to_string().contains("creates money"));
}

#[test]
fn a_scheme_stays_and_its_changes_are_named() {
    let before = rulebook(RULEBOOK);
    let gone = rulebook(
        &RULEBOOK
            .split("[[schemes]]")
            .next()
            .unwrap()
            .replace(", { redeemer = \"ht\", funder = \"c-618\", from = \"2025-01-01\", price = \"0.08\" }", ""),
    );
    assert!(gone.check_follows(&before).unwrap_err().to_string().contains("scheme c-618 must stay"));
    for (old, new, rule) in [
        (
            "share = \"0.3\" }, { to = \"hq\", share = \"0.2\" }",
            "share = \"0.2\" }, { to = \"hq\", share = \"0.3\" }",
            "schemes: c-618",
        ),
        ("cap = \"5000.00\"", "cap = \"4000.00\"", "schemes: c-618"),
        ("repay_price = \"0.05\"", "repay_price = \"0.06\"", "schemes: c-618"),
        ("extra = \"0.2\"", "extra = \"0.3\"", "awards: weekend"),
        ("price = \"0.08\"", "price = \"0.07\"", "prices: points of c-618 redeemed at ht"),
    ] {
        let after = rulebook(&RULEBOOK.replace(old, new));
        assert!(after.check_follows(&before).is_ok());
        let found: Vec<String> = after.differences(&before).dated.into_iter().map(|change| change.rule).collect();
        assert_eq!(found, [rule], "{new}");
    }
    assert!(before.differences(&rulebook(RULEBOOK)).is_empty());
}

#[test]
fn whoever_bears_a_scheme_has_a_rule_of_vat() {
    let rule =
        |funder: &str| format!("\n[[vat]]\nfunder = \"{funder}\"\nfrom = \"2025-01-01\"\ntreatment = \"none\"\n");
    let all = ["ml", "ht", "hq"].map(rule).concat();
    rulebook(&format!("{RULEBOOK}{all}"));
    let errors = Rulebook::parse(&format!("{RULEBOOK}{}", ["ml", "ht"].map(rule).concat())).unwrap_err();
    assert!(errors.to_string().contains("no rule for redemption from hq to ht"), "{errors}");
}

#[test]
fn a_scheme_is_of_the_line_of_each_sale_always_or_never() {
    let seller = "shares = [{ to = \"line\", share = \"1\" }]";
    let lines = "shares = [{ to = \"hq\", share = \"1\" }]";
    let later = format!("to = \"2025-06-30\"\n{seller}\n\n[[schemes.funders]]\nfrom = \"2025-07-01\"\n{lines}");
    let errors = Rulebook::parse(&RULEBOOK.replace(seller, &later)).unwrap_err();
    assert!(errors.to_string().contains("always or never"), "{errors}");
    let changed = rulebook(&RULEBOOK.replace(seller, lines));
    let refused = changed.check_follows(&rulebook(RULEBOOK)).unwrap_err();
    assert!(refused.to_string().contains("scheme own must stay"), "{refused}");
}

#[test]
fn what_creates_money_by_less_than_a_rate_can_say_is_refused_and_an_order_is_a_change() {
    let award = |id: &str| {
        format!(
            "\n[[awards]]\nid = \"{id}\"\nscheme = \"c-618\"\nfrom = \"2026-01-01\"\nto = \"2026-01-31\"\nlines = [\"ml\"]\nper_unit = \"33.3333334\"\n"
        )
    };
    let text = RULEBOOK
        .replace("value = \"0.10\"", "value = \"0.01\"")
        .replace("points_per_unit = \"1\" }, ", "points_per_unit = \"0\" }, ");
    let text = text + &["a", "b", "c"].map(award).concat();
    assert!(Rulebook::parse(&text).unwrap_err().to_string().contains("creates money"));
    let (before, after) = (rulebook(RULEBOOK), rulebook(&RULEBOOK.replace("order = 1", "order = -1")));
    let found: Vec<String> = after.differences(&before).dated.into_iter().map(|change| change.rule).collect();
    assert_eq!(found, ["awards: 618"]);
}

proptest! {
    #[test]
    fn extras_that_add_up_are_what_one_multiplier_would_give(
        minor in 1_i64..10_000_000,
        (first, second) in (1_i64..40, 1_i64..40),
    ) {
        let tenths = |extra: i64| format!("extra = \"{}.{}\"", extra / 10, extra % 10);
        let text = RULEBOOK.replace("extra = \"0.2\"", "FIRST").replace("extra = \"0.5\"", &tenths(second));
        let text = text.replace("FIRST", &tenths(first));
        let book = rulebook(&text);
        let (mall, when) = (line("ml"), at("2025-06-21T12:00:00+08:00").to_utc());
        let awards = book.awards(&mall, when, Money::from_minor(minor)).unwrap();
        let all: i64 = awards.iter().map(|award| award.points.get()).sum();
        prop_assert_eq!(all, minor * (10 + first + second) / 1_000 - minor / 100);
        // What is left of a sale is never given more than the sale was, together.
        let kept = book.awards_kept(&awards, &mall, when, Money::from_minor(minor / 2)).unwrap();
        prop_assert!(kept.iter().map(|award| award.points.get()).sum::<i64>() <= all);
        prop_assert!(kept.iter().all(|award| award.points > Points::ZERO));
    }
}
