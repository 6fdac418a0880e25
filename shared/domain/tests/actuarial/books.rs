//! What is posted, and where it then stands.

use crate::shown;
use chrono::NaiveDate;
use interline_domain::close::books::{
    Books, BooksError, BooksEvent, Paid, Posting, SponsoredSums, Voucher, VoucherLine, cash_vouchers, consolidation,
};
use interline_domain::close::netting::Payment;
use interline_domain::terms::rulebook::{Account, Rulebook, Side};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::LineId;
use interline_domain::units::money::Money;
use proptest::prelude::*;
use serde::Deserialize;

const SMALL: &str = include_str!("../golden/small.toml");
/// As the sample's rulebook was before its accounts were leaves.
const FORMER: &str = r#"
[accounts]
bank = { code = "1002", name = "银行存款" }
receivable = { code = "1122", name = "应收账款" }
payable = { code = "2202", name = "应付账款" }
clearing = { code = "3001", name = "清算资金往来" }
contract_liability = { code = "2205", name = "合同负债" }
output_vat = { code = "22210107", name = "应交税费-应交增值税-销项税额" }
revenue = { code = "6001", name = "主营业务收入" }
agent_revenue = { code = "600102", name = "主营业务收入-代理净额" }
selling_expense = { code = "660102", name = "销售费用-平台服务费" }
"#;

#[derive(Deserialize)]
struct Golden {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    event: BooksEvent,
    post: String,
    red: String,
    plain: String,
}

fn rulebook(more: &str) -> Rulebook {
    Rulebook::parse(&format!("{SMALL}{more}\n")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn line(id: &str) -> LineId {
    LineId::parse(id).unwrap()
}

fn january() -> Period {
    Period::parse("2025-01").unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn role(word: &str) -> Account {
    *Account::ALL.iter().find(|role| role.word() == word).unwrap_or_else(|| panic!("{word}"))
}

/// `debit bank -1.00`
fn posting(text: &str) -> Posting<'static> {
    let [side, account, amount] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let amount = match amount.strip_prefix('-') {
        Some(amount) => crate::money(amount).negated().unwrap(),
        None => crate::money(amount),
    };
    match side {
        "debit" => Posting::debit(role(account), amount),
        "credit" => Posting::credit(role(account), amount),
        _ => panic!("{text}"),
    }
}

fn standing(line: &VoucherLine) -> String {
    let (side, amount) = if line.credit.is_zero() { ("Dr", line.debit) } else { ("Cr", line.credit) };
    format!("{side} {} {}", line.role.word(), shown(amount))
}

fn posted(rulebook: &Rulebook, event: BooksEvent, lines: &[Posting<'_>]) -> Result<Vec<Voucher>, BooksError> {
    let mut books = Books::new(rulebook, january());
    books.post(&line("shop"), event, lines)?;
    Ok(books.numbered())
}

#[test]
fn every_kind_of_voucher_stands_on_its_sides_with_red_figures_and_without() {
    let golden: Golden = toml::from_str(include_str!("../golden/vouchers.toml")).unwrap();
    let (red, plain) = (rulebook(""), rulebook("books = { red = false }"));
    for Case { event, post, red: with, plain: without } in &golden.case {
        let lines: Vec<Posting<'_>> = post.split(", ").map(posting).collect();
        for (rulebook, expected) in [(&red, with), (&plain, without)] {
            let [voucher] = &posted(rulebook, *event, &lines).unwrap()[..] else { panic!("{post}") };
            let found: Vec<String> = voucher.lines.iter().map(standing).collect();
            assert_eq!(&found.join(", "), expected, "{}: {post}", event.word());
        }
    }
    let seen = |event: &&BooksEvent| !golden.case.iter().any(|case| case.event == **event);
    assert_eq!(BooksEvent::ALL.iter().filter(seen).count(), 0, "every event has a case");
}

#[test]
fn what_does_not_balance_or_has_no_such_account_is_never_posted() {
    let rulebook = rulebook("");
    let lines = ["debit contract_liability 1.00", "credit points_revenue 0.99"].map(posting);
    let error = posted(&rulebook, BooksEvent::OwnRedemption, &lines).unwrap_err();
    let text = "a posting of own-redemption in the books of shop is 1 minor units off balance";
    assert_eq!(error.to_string(), text);
    let lines = ["debit bank 1.00", "credit points_revenue 1.00"].map(posting);
    let error = posted(&rulebook, BooksEvent::OwnRedemption, &lines).unwrap_err();
    assert_eq!(error.to_string(), "bank is no account of own-redemption");
    let nothing = ["debit contract_liability 0.00", "credit points_revenue 0.00"].map(posting);
    assert_eq!(posted(&rulebook, BooksEvent::OwnRedemption, &nothing), Ok(Vec::new()));
}

#[test]
fn vouchers_are_numbered_by_entity_from_the_rulebooks_number_with_its_word() {
    let rulebook = rulebook(r#"books = { voucher_word = "转", first_number = 301 }"#);
    let mut books = Books::new(&rulebook, january());
    let lines = ["debit contract_liability 1.00", "credit points_revenue 1.00"].map(posting);
    for (entity, event) in
        [("shop", BooksEvent::OwnRedemption), ("inn", BooksEvent::OwnRedemption), ("shop", BooksEvent::OwnRedemption)]
    {
        books.post(&line(entity), event, &lines).unwrap();
    }
    let lines = ["debit contract_liability 1.00", "credit breakage_revenue 1.00"].map(posting);
    books.post(&line("shop"), BooksEvent::Breakage, &lines).unwrap();
    let found: Vec<String> = books
        .numbered()
        .iter()
        .map(|voucher| {
            format!("{} {} {} {}", voucher.entity, voucher.title(), voucher.event.word(), voucher.lines.len())
        })
        .collect();
    assert_eq!(found, ["inn 转-301 own-redemption 2", "shop 转-301 own-redemption 4", "shop 转-302 breakage 2"]);
}

#[test]
fn payments_are_numbered_by_their_month_after_the_closes_vouchers_or_from_a_number_of_their_own() {
    let payments = [("shop", "hq", 8_000), ("hq", "inn", 5_000)];
    let payments = payments.map(|(payer, payee, minor)| Payment {
        payer: line(payer),
        payee: line(payee),
        amount: Money::from_minor(minor),
    });
    let days = ["2025-02-28", "2025-03-03"].map(day);
    let paid: Vec<Paid<'_>> = payments.iter().zip(days).rev().map(|(payment, day)| Paid { payment, day }).collect();
    let close = |rulebook: &Rulebook| {
        let lines = ["debit contract_liability 1.00", "credit points_revenue 1.00"].map(posting);
        posted(rulebook, BooksEvent::OwnRedemption, &lines).unwrap()
    };
    let found = |rulebook: &Rulebook| -> Vec<String> {
        let vouchers = cash_vouchers(rulebook, january(), &close(rulebook), &paid).unwrap();
        let told = vouchers.iter().map(|voucher| {
            let lines: Vec<String> = voucher.lines.iter().map(standing).collect();
            format!("{} {} {}: {}", voucher.entity, voucher.number, voucher.date, lines.join(", "))
        });
        told.collect()
    };
    assert_eq!(
        found(&rulebook("")),
        [
            "hq 1 2025-02-28: Dr bank 80.00, Cr clearing_receivable 80.00",
            "hq 1 2025-03-03: Dr clearing_payable 50.00, Cr bank 50.00",
            "inn 1 2025-03-03: Dr bank 50.00, Cr clearing_receivable 50.00",
            "shop 2 2025-02-28: Dr clearing_payable 80.00, Cr bank 80.00",
        ]
    );
    let own = found(&rulebook("books = { cash_first_number = 900 }"));
    assert!(own.iter().all(|voucher| voucher.contains(" 900 2025-0")), "{own:?}");
}

#[test]
fn the_group_is_principal_of_what_its_entities_earn_as_agents() {
    let rulebook = rulebook("");
    let mut books = Books::new(&rulebook, january());
    let (shop, inn) = (line("shop"), line("inn"));
    let lines = ["debit contract_liability 1791.04", "credit payable 1680.00", "credit agent_revenue 111.04"];
    books.post(&shop, BooksEvent::OtherRedemption, &lines.map(|text| posting(text).with(&inn))).unwrap();
    let lines = ["debit receivable 1680.00", "credit settlement_revenue 1584.91", "credit output_vat 95.09"];
    books.post(&inn, BooksEvent::Receivable, &lines.map(|text| posting(text).with(&shop))).unwrap();
    // The inn bears VAT of a fee that the shop cannot deduct.
    let lines = ["debit fee_expense 24.00", "credit payable 24.00"];
    books.post(&shop, BooksEvent::Fee, &lines.map(|text| posting(text).with(&inn))).unwrap();
    let lines = ["debit receivable 24.00", "credit other_revenue 22.64", "credit output_vat 1.36"];
    books.post(&inn, BooksEvent::Fee, &lines.map(|text| posting(text).with(&shop))).unwrap();
    let rows = consolidation(&books.numbered(), &[], &SponsoredSums::default()).unwrap();
    assert!(rows.iter().all(|row| row.sum() == Ok(Money::ZERO)), "{rows:?}");
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                "{} {} {}/{} {}",
                row.why.word(),
                row.entity,
                row.role.word(),
                row.other_role.word(),
                shown(row.amount)
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "position shop payable/receivable 1704.00",
            "turnover shop fee_expense/other_revenue -22.64",
            "reclass shop agent_revenue/points_revenue 111.04",
            "reclass inn settlement_revenue/points_revenue 1584.91",
        ]
    );
}

#[test]
fn a_rulebook_of_the_first_edition_is_read_and_comes_into_force_no_more() {
    let former = rulebook(FORMER);
    let of = |role| {
        let account = former.accounts.of(role);
        (account.code.clone(), account.full_name())
    };
    for role in [Account::ClearingReceivable, Account::ClearingPayable] {
        assert_eq!(of(role), ("3001".to_owned(), "清算资金往来".to_owned()));
    }
    assert_eq!(of(Account::FeeExpense).0, "660102");
    assert_eq!(of(Account::SettlementRevenue), ("600105".to_owned(), "主营业务收入-积分结算".to_owned()));
    let warnings: Vec<String> = former.warnings.iter().map(ToString::to_string).collect();
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("accounts.clearing: is called `clearing_receivable` and `clearing_payable` now"))
    );
    let refused = former.check_new().unwrap_err();
    let found = &refused.0[0];
    let text = "6001 of revenue is no leaf: 600102 of points_revenue lies below it";
    assert_eq!((found.field.as_str(), found.rule.as_str()), ("accounts.revenue.code", text));
    let lines = SMALL.lines().count() + FORMER.lines().take_while(|line| !line.starts_with("revenue")).count();
    assert_eq!(found.line, lines + 1);
    let leaf = FORMER.replace("\"6001\"", "\"600101\"");
    assert_eq!(rulebook(&leaf).check_new(), Ok(()));
    assert_eq!(rulebook("").check_new(), Ok(()));
}

#[test]
fn terms_of_the_books_count_from_their_month_and_are_refused_where_they_stand() {
    let dated = rulebook(
        "books = [{ to = \"2025-01-31\", red = false, prepared_by = \"王会计\" }, { from = \"2025-02-01\", first_number = 7 }]",
    );
    let (first, second) = (dated.books(january()), dated.books(january().next()));
    assert_eq!((first.red, first.prepared_by.as_str(), first.first_number), (false, "王会计", 1));
    assert_eq!((second.red, second.prepared_by.as_str(), second.first_number), (true, "Interline", 7));
    for (text, field, rule) in [
        ("books = { voucher_word = \"\" }", "books[0].voucher_word", "must neither be empty"),
        ("books = { prepared_by = \" x\" }", "books[0].prepared_by", "begin or end with a blank"),
        ("books = { first_number = 0 }", "books[0].first_number", "must be 1 to 1000000"),
        ("books = { cash_first_number = 0 }", "books[0].cash_first_number", "must be 1 to 1000000"),
        ("books = { sales = \"all\" }", "books.sales", "unknown variant `all`"),
    ] {
        let errors = Rulebook::parse(&format!("{SMALL}{text}\n")).unwrap_err();
        let found = errors.0.iter().any(|error| error.field == field && error.rule.contains(rule));
        assert!(found, "{text}: {errors}");
    }
    let coded = |aux: &str| SMALL.replace("id = \"inn\",", &format!("id = \"inn\", aux = {{ {aux} }},"));
    assert!(Rulebook::parse(&coded("customer = \"K005\", department = \"D.05\"")).is_ok());
    for aux in ["customer = \"\"", "project = \"-1\"", "supplier = \"a,b\"", "staff = \"7\""] {
        let errors = Rulebook::parse(&coded(aux)).unwrap_err();
        assert!(errors.0.iter().any(|error| error.field.starts_with("lines[2].aux")), "{aux}: {errors}");
    }
}

proptest! {
    /// Whatever is posted: it balances by signed sums, says the same with red figures as without,
    /// and no turnover of profit, loss or tax stands off its side.
    #[test]
    fn every_posting_balances_and_says_the_same_with_red_figures_and_without(
        at in 0..BooksEvent::ALL.len(),
        amounts in prop::collection::vec((any::<bool>(), 0_usize..6, -100_000_i64..100_000), 1..6),
    ) {
        let row = BooksEvent::ALL[at].row();
        let roles: Vec<Account> = row.debit.iter().chain(row.credit).copied().collect();
        let mut off = 0;
        let mut lines: Vec<Posting<'_>> = amounts.iter().map(|(is_debit, role, minor)| {
            let (role, amount) = (roles[role % roles.len()], Money::from_minor(*minor));
            off += if *is_debit { *minor } else { -*minor };
            if *is_debit { Posting::debit(role, amount) } else { Posting::credit(role, amount) }
        }).collect();
        lines.push(Posting::credit(roles[0], Money::from_minor(off)));
        let [red, plain] = [rulebook(""), rulebook("books = { red = false }")]
            .map(|rulebook| posted(&rulebook, row.event, &lines).unwrap());
        prop_assert_eq!(red.len(), plain.len());
        for (red, plain) in red.iter().zip(&plain) {
            prop_assert_eq!((red.balance(), plain.balance()), (Ok(Money::ZERO), Ok(Money::ZERO)));
            for (red, plain) in red.lines.iter().zip(&plain.lines) {
                prop_assert_eq!(red.amount(), plain.amount());
                prop_assert!(red.debit.is_zero() != red.credit.is_zero() && !plain.is_red());
                match red.role.natural_side() {
                    Some(Side::Debit) => prop_assert!(red.credit.is_zero()),
                    Some(Side::Credit) => prop_assert!(red.debit.is_zero()),
                    None => {}
                }
            }
        }
    }
}
