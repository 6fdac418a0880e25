use super::*;
use crate::units::money::Money;

/// Two lines and a hub, with what a bank asks for.
const HUB: &str = r#"legal_name = "集团有限公司", bank_account = "6217000000000001", cnaps = "102290000003""#;
const SHOP: &str = r#"legal_name = "商店有限公司", bank_account = "6217000000000002", bic = "ICBKCNBJSHI""#;
const INN: &str = r#"entity = "酒店有限公司", bank_account = "6217000000000003", cnaps = "103290000001""#;

fn rulebook(currency: &str, netting: &str, [hub, shop, inn]: [&str; 3]) -> Rulebook {
    let small = include_str!("../../../tests/golden/small.toml");
    let mut text = small.replace("\"CNY\"", &format!("\"{currency}\"")).replace("\"hub\"", &format!("\"{netting}\""));
    for (id, more) in [("hq", hub), ("shop", shop), ("inn", inn)] {
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        text = text.replace(&format!("id = \"{id}\""), &format!("id = \"{id}\"{more}"));
    }
    Rulebook::parse(&text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn payments(pairs: &[(&str, &str)]) -> Vec<Payment> {
    let line = |id: &str| LineId::parse(id).unwrap();
    pairs
        .iter()
        .map(|(payer, payee)| Payment { payer: line(payer), payee: line(payee), amount: Money::from_minor(100) })
        .collect()
}

fn period() -> Period {
    Period::parse("2025-02").unwrap()
}

#[test]
fn the_hub_pays_a_business_day_after_it_is_paid() {
    let rulebook = rulebook("CNY", "hub", [HUB, SHOP, INN]);
    let payments = payments(&[("shop", "hq"), ("hq", "inn"), ("hq", "shop")]);
    let found = orders(&rulebook, period(), &payments);
    let told: Vec<String> =
        found.iter().map(|order| format!("{} {} {}", order.leg.word(), order.date, order.end_to_end_id)).collect();
    assert_eq!(
        told,
        ["in 2025-03-14 IL-202502-shop-01", "out 2025-03-17 IL-202502-hq-01", "out 2025-03-17 IL-202502-hq-02"]
    );
    assert!(found.iter().all(|order| order.standing == Standing::Ordered));
    assert_eq!(lacking(&found), None);
}

#[test]
fn lines_that_pay_each_other_pay_on_one_day() {
    let rulebook = rulebook("CNY", "direct", [HUB, SHOP, INN]);
    let payments = payments(&[("shop", "hq"), ("hq", "inn")]);
    let found = orders(&rulebook, period(), &payments);
    assert!(found.iter().all(|order| order.leg == Leg::In && order.date.to_string() == "2025-03-14"));
}

#[test]
fn nothing_is_ordered_that_a_bank_would_refuse() {
    let no_name = r#"bank_account = "6217000000000003", cnaps = "103290000001""#;
    for (inn, lacks) in [
        ("", "inn: legal name, account, bank"),
        (no_name, "inn: legal name"),
        (r#"legal_name = "酒店", bank_account = "6217000000000003""#, "inn: bank"),
        (r#"legal_name = "酒店", bank_account = "账号", bic = "ICBKCNBJSHI""#, "inn: account"),
    ] {
        let rulebook = rulebook("CNY", "hub", [HUB, SHOP, inn]);
        let payments = payments(&[("shop", "hq"), ("hq", "inn")]);
        let found = orders(&rulebook, period(), &payments);
        assert_eq!(found[0].standing, Standing::Ordered);
        assert_eq!(lacking(&found).as_deref(), Some(lacks));
    }
}

#[test]
fn an_account_pays_nothing_to_itself() {
    let rulebook = rulebook("CNY", "hub", [HUB, SHOP, r#"bank_account = "6217 0000 0000 0001""#]);
    let payments = payments(&[("hq", "inn")]);
    let found = orders(&rulebook, period(), &payments);
    assert_eq!(found[0].standing, Standing::SameAccount);
    assert_eq!(lacking(&found), None);
}

#[test]
fn within_sepa_an_iban_says_which_bank_it_is() {
    let german = r#"legal_name = "Hotel Zürich GmbH", bank_account = "DE89370400440532013000""#;
    let dutch = r#"legal_name_en = "Winkel BV", bank_account = "NL91ABNA0417164300""#;
    let emirate = r#"legal_name_en = "Inn LLC", bank_account = "AE070331234567890123456""#;
    let of = |currency: &str, inn: &str| {
        let rulebook = rulebook(currency, "hub", [german, dutch, inn]);
        lacking(&orders(&rulebook, period(), &payments(&[("shop", "hq"), ("hq", "inn")])))
    };
    let french = r#"entity = "Auberge SARL", bank_account = "FR1420041010050500013M02606""#;
    assert_eq!(of("EUR", french), None);
    assert_eq!(of("EUR", emirate).as_deref(), Some("hq: bank; inn: bank"));
    assert_eq!(of("CHF", french).as_deref(), Some("hq: bank; inn: bank; shop: bank"));
    assert_eq!(
        of("EUR", r#"legal_name = "酒店", bank_account = "FR1420041010050500013M02606""#).as_deref(),
        Some("inn: legal name")
    );
}

#[test]
fn lines_whose_codes_are_written_alike_are_numbered_together() {
    let mut numbers = Numbers::default();
    let mut next = |line: &str| numbers.next(period(), &LineId::parse(line).unwrap());
    assert_eq!(next("hotel_1"), "IL-202502-hotel-1-01");
    assert_eq!(next("hotel-1"), "IL-202502-hotel-1-02");
    assert_eq!(next("a-line-of-16-let").len(), 29);
}
