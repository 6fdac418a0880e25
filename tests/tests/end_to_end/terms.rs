//! How terms change: never for a month that is closed, for a day that is past only
//! with a reason that the month's pack shows, and for one publisher at a time.

use interline::verification::verification;
use interline_domain::events::Command;
use interline_domain::units::calendar::Period;
use interline_lambda::{Failure, Proposal};
use interline_ledger::LedgerError;
use interline_tests::events::{csv, redemption, reversal, sale};
use interline_tests::pack::{Pack, Sheet};
use interline_tests::programme::{Programme, RULEBOOK, edited, rejected};
use interline_tests::programs::{answer, files, good_answer, interline};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const JANUARY: &str = "2017-01";
const FEBRUARY: &str = "2017-02";
const CHANGES: &str = "rulebook-changes.csv";
const REASON: &str = "Agreed in December, forgotten in the file";

const GROCERY_PRICE: &str = "redeemer = \"grocery\"\nfrom = \"2017-01-01\"\nprice = \"0.0090\"";
const DINING_EARN: &str = "line = \"dining\"\nfrom = \"2017-01-01\"\npoints_per_unit = \"3\"";
const DINING: &str = "id = \"dining\"\n";

/// The price of points at grocery until a day, and another one from the next day on.
fn grocery_price(last: &str, first: &str, price: &str) -> String {
    let rules = format!(
        "redeemer = \"grocery\"\nfrom = \"2017-01-01\"\nto = \"{last}\"\nprice = \"0.0090\"\n\n\
         [[prices]]\nredeemer = \"grocery\"\nfrom = \"{first}\"\nprice = \"{price}\""
    );
    edited(RULEBOOK, &[(GROCERY_PRICE, &rules)])
}

/// What dining gives for a yuan until a day, and from the next day on.
fn dining_earn(last: &str, first: &str, points: &str) -> String {
    let rules = format!(
        "line = \"dining\"\nfrom = \"2017-01-01\"\nto = \"{last}\"\npoints_per_unit = \"3\"\n\n\
         [[earn]]\nline = \"dining\"\nfrom = \"{first}\"\npoints_per_unit = \"{points}\""
    );
    edited(RULEBOOK, &[(DINING_EARN, &rules)])
}

fn at(day: &str) -> String {
    format!("{day}T12:00:00+08:00")
}

fn dining_sale(reference: &str, day: &str, amount: &str) -> Command {
    sale("dining", reference, &at(day), "m1", amount)
}

/// 300 points of dining, of which 117 are spent at grocery for 1.05.
async fn january() -> Programme {
    let programme = Programme::sample(&at("2017-01-31")).await;
    let spent = redemption("grocery", "R-1", &at("2017-01-12"), "m1", 117);
    programme.accept(&[dining_sale("S-1", "2017-01-10", "100.00"), spent]).await;
    programme
}

async fn january_closed() -> Programme {
    let programme = january().await;
    programme.set_now(&at("2017-02-03"));
    programme.close(JANUARY).await.unwrap();
    programme
}

async fn in_force(programme: &Programme) -> String {
    programme.app().ledger.current_rulebook().await.unwrap().unwrap()
}

async fn publish(programme: &Programme, text: &str, reason: Option<&str>) -> Result<String, Failure> {
    let app = programme.app();
    let proposal = app.propose(text).await?;
    Ok(app.bring_into_force(proposal, reason).await?.rulebook.hash.clone())
}

/// Why a rulebook is refused, whether with or without a reason; then nothing has changed.
async fn refused(programme: &Programme, text: &str) -> String {
    let before = (in_force(programme).await, programme.items().await);
    let without = publish(programme, text, None).await.unwrap_err().to_string();
    let with = publish(programme, text, Some(REASON)).await.unwrap_err().to_string();
    assert_eq!(without, with);
    assert_eq!((in_force(programme).await, programme.items().await), before);
    with
}

async fn verdict(programme: &Programme, month: &str) -> String {
    let period = Period::parse(month).unwrap();
    let run = programme.app().ledger.period(period).await.unwrap().into_final_run().unwrap();
    verification(programme.app(), period, &run, None, &|_| {}).await.unwrap().verdict()
}

/// Closes a month and verifies it.
async fn verified(programme: &Programme, month: &str) -> Pack {
    let pack = programme.closed(month).await;
    assert_eq!(verdict(programme, month).await, "identical");
    pack
}

/// What a line owes for its points at another, before it is split.
fn owes(pack: &Pack, payer: &str, redeemer: &str) -> String {
    let splits = pack.sheet("splits");
    splits.row(&[("payer", payer), ("redeemer", redeemer), ("beneficiary", redeemer)])["base"].clone()
}

fn owed(pack: &Pack) -> String {
    owes(pack, "dining", "grocery")
}

#[tokio::test]
async fn no_edit_may_change_what_a_closed_month_was_computed_with() {
    let programme = january_closed().await;
    let january = "month 2017-01 is closed";
    let price = "prices: points of every line redeemed at grocery";
    for (old, new, expected) in [
        (
            GROCERY_PRICE,
            GROCERY_PRICE.replace("0.0090", "0.0091"),
            format!("{price}: was 0.009 and cannot become 0.0091 on 2017-01-01: {january}"),
        ),
        (
            DINING_EARN,
            DINING_EARN.replace('3', "4"),
            format!("earn: dining: was 3 points per unit and cannot become 4 points per unit on 2017-01-01: {january}"),
        ),
        (
            "[[splits]]\nrule = \"standard\"",
            "[[splits]]\nrule = \"other\"".to_owned(),
            format!("and cannot become other redeemer=0.97 group=0.03 on 2017-01-01: {january}"),
        ),
        (
            "months = 12",
            "months = 11".to_owned(),
            format!("expiry: points of every line: was 12 months and cannot become 11 months on 2017-01-01: {january}"),
        ),
        (
            DINING,
            format!("{DINING}to = \"2017-01-30\"\n"),
            format!("lines: dining: was takes part and cannot become does not take part on 2017-01-31: {january}"),
        ),
    ] {
        let reason = refused(&programme, &edited(RULEBOOK, &[(old, &new)])).await;
        assert!(reason.contains(&expected), "{expected}\n{reason}");
    }
    let last_day = refused(&programme, &grocery_price("2017-01-30", "2017-01-31", "0.0091")).await;
    assert!(last_day.ends_with(&format!("was 0.009 and cannot become 0.0091 on 2017-01-31: {january}")), "{last_day}");
    assert_eq!(verdict(&programme, JANUARY).await, "identical");
}

#[tokio::test]
async fn a_month_that_is_sealed_and_not_final_yet_is_closed_to_edits() {
    let programme = january().await;
    programme.set_now(&at("2017-02-03"));
    let rulebook = programme.rulebook().await;
    let period = Period::parse(JANUARY).unwrap();
    programme.app().ledger.seal(&rulebook, period, programme.app().now()).await.unwrap();
    let reason = refused(&programme, &grocery_price("2017-01-19", "2017-01-20", "0.0091")).await;
    assert!(reason.contains("on 2017-01-20: month 2017-01 is closed"), "{reason}");
    programme.close(JANUARY).await.unwrap();
}

#[tokio::test]
async fn points_given_back_later_undo_what_their_month_settled_at_whatever_price_counts_now() {
    let programme = january_closed().await;
    let january = Pack::of(&programme, JANUARY, &programme.close(JANUARY).await.unwrap().run).await;
    assert_eq!(owed(&january), "1.05");
    publish(&programme, &grocery_price("2017-02-03", "2017-02-04", "0.0080"), None).await.unwrap();
    programme.set_now(&at("2017-02-10"));
    let back = |reference: &str, points: &str| {
        reversal("grocery", reference, &at("2017-02-10"), "m1", "redemption:R-1", points)
    };
    programme.accept(&[back("V-1", "50"), back("V-2", "")]).await;
    programme.set_now(&at("2017-03-01"));
    let february = verified(&programme, FEBRUARY).await;
    assert_eq!(owed(&february), "-1.05");
    let split = |pack: &Pack| {
        let mut shares = pack.sheet("splits").rows;
        shares.retain(|row| row["payer"] == "dining");
        shares.iter().map(|row| interline_tests::pack::minor_or_whole(&row["amount"])).collect::<Vec<_>>()
    };
    assert_eq!(split(&february), split(&january).iter().map(|share| -share).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_refund_takes_back_by_the_rate_that_decided_the_sale() {
    let programme = january_closed().await;
    publish(&programme, &dining_earn("2017-02-03", "2017-02-04", "5"), None).await.unwrap();
    programme.set_now(&at("2017-02-10"));
    let back = |reference: &str, of: &str, amount: &str| {
        reversal("dining", reference, &at("2017-02-10"), "m1", &format!("accrual:{of}"), amount)
    };
    programme.accept(&[dining_sale("S-2", "2017-02-10", "100.00")]).await;
    assert_eq!(programme.balance("m1", &at("2017-02-10")).await, 183 + 500);
    programme.accept(&[back("V-1", "S-1", "40.00")]).await;
    assert_eq!(programme.balance("m1", &at("2017-02-10")).await, 183 + 500 - 120);
    programme.accept(&[back("V-2", "S-2", "40.00"), back("V-3", "S-1", "")]).await;
    assert_eq!(programme.balance("m1", &at("2017-02-10")).await, 500 - 200 - 117);
    programme.set_now(&at("2017-03-01"));
    verified(&programme, FEBRUARY).await;
}

#[tokio::test]
async fn a_past_day_of_an_open_month_changes_only_with_a_reason_that_the_pack_shows() {
    let programme = january().await;
    let before = in_force(&programme).await;
    let cheaper = grocery_price("2017-01-11", "2017-01-12", "0.0080");
    let items = programme.items().await;
    let reason = publish(&programme, &cheaper, None).await.unwrap_err().to_string();
    let expected = "prices: points of every line redeemed at grocery: was 0.009 and becomes 0.008 on 2017-01-12, a day \
                    that is past: needs --retroactive with the reason";
    assert!(reason.ends_with(expected), "{reason}");
    for bad in ["", "  ", "two\nlines", &"x".repeat(501)] {
        let reason = publish(&programme, &cheaper, Some(bad)).await.unwrap_err().to_string();
        assert!(reason.contains("reason: must be 1 to "), "{bad:?}: {reason}");
    }
    assert_eq!(programme.items().await, items);

    let after = publish(&programme, &cheaper, Some(REASON)).await.unwrap();
    // Others come after it: the same terms under another name, and other ones for what comes.
    let renamed = edited(&cheaper, &[("\"Sample programme\"", "\"Renamed\"")]);
    publish(&programme, &renamed, None).await.unwrap();
    let twice = edited(&renamed, &[(DINING_EARN, &DINING_EARN.replace('3', "4"))]);
    let last = publish(&programme, &twice, Some("Typing error")).await.unwrap();

    programme.set_now(&at("2017-02-03"));
    let pack = verified(&programme, JANUARY).await;
    let row = |values: [&str; 8]| {
        let names = ["rule", "from", "to", "was", "becomes", "reason", "rulebook_before", "rulebook_after"];
        names.map(str::to_owned).into_iter().zip(values.map(str::to_owned)).collect()
    };
    let price = "prices: points of every line redeemed at grocery";
    let renamed = programme_hash(&renamed);
    let expected = Sheet {
        rows: vec![
            row([price, "2017-01-12", "2017-01-30", "0.009", "0.008", REASON, &before, &after]),
            row([
                "earn: dining",
                "2017-01-01",
                "2017-01-30",
                "3 points per unit",
                "4 points per unit",
                "Typing error",
                &renamed,
                &last,
            ]),
        ],
    };
    assert_eq!(Sheet::read(&pack.files[CHANGES]), expected);
    assert!(pack.manifest().files.iter().any(|file| file.path == CHANGES && file.rows == Some(2)));
    assert_eq!(owed(&pack), "0.94", "the price of the changed day");
    programme.set_now(&at("2017-03-03"));
    let february = verified(&programme, FEBRUARY).await;
    assert!(!february.files.contains_key(CHANGES), "nothing was changed for February's days");
}

fn programme_hash(text: &str) -> String {
    interline_domain::terms::rulebook::Rulebook::parse(text).unwrap().hash
}

#[tokio::test]
async fn a_change_over_two_open_months_stands_in_the_packs_of_both_and_of_no_other() {
    let programme = january().await;
    programme.set_now(&at("2017-02-10"));
    publish(&programme, &grocery_price("2017-01-24", "2017-01-25", "0.0080"), Some(REASON)).await.unwrap();
    for (now, month, has) in
        [("2017-02-11", JANUARY, true), ("2017-03-02", FEBRUARY, true), ("2017-04-02", "2017-03", false)]
    {
        programme.set_now(&at(now));
        let pack = verified(&programme, month).await;
        assert_eq!(pack.files.contains_key(CHANGES), has, "{month}");
        if has {
            let rows = Sheet::read(&pack.files[CHANGES]).rows;
            assert_eq!((rows[0]["from"].as_str(), rows[0]["to"].as_str()), ("2017-01-25", "2017-02-09"), "{month}");
        }
    }
}

#[tokio::test]
async fn a_rulebook_that_comes_back_brings_what_was_changed_meanwhile() {
    let programme = january().await;
    let cheaper = grocery_price("2017-01-11", "2017-01-12", "0.0080");
    publish(&programme, &cheaper, Some("Cheaper")).await.unwrap();
    publish(&programme, RULEBOOK, Some("As before")).await.unwrap();
    programme.set_now(&at("2017-02-03"));
    let pack = verified(&programme, JANUARY).await;
    let reasons: Vec<String> = Sheet::read(&pack.files[CHANGES]).rows.iter().map(|row| row["reason"].clone()).collect();
    assert_eq!(reasons, ["Cheaper", "As before"]);
    assert_eq!(owed(&pack), "1.05");
}

#[tokio::test]
async fn a_record_of_changes_that_was_touched_stops_the_close() {
    let programme = january().await;
    publish(&programme, &grocery_price("2017-01-11", "2017-01-12", "0.0080"), Some(REASON)).await.unwrap();
    let app = programme.app();
    let digest = app.ledger.publication(&in_force(&programme).await).await.unwrap().unwrap();
    let key = interline_reports::changes::record_key(&digest);
    let kept = app.reports.get(&key).await.unwrap();
    let touched = String::from_utf8(kept.clone()).unwrap().replace(REASON, "No reason");
    app.reports.put(&key, touched.into_bytes()).await.unwrap();
    programme.set_now(&at("2017-02-03"));
    let failure = programme.close(JANUARY).await.unwrap_err();
    assert!(matches!(&failure, Failure::Corrupt(text) if text.contains(&key)), "{failure}");
    app.reports.put(&key, kept).await.unwrap();
    verified(&programme, JANUARY).await;
}

fn lost(result: Result<impl std::fmt::Debug, Failure>) {
    assert!(matches!(result, Err(Failure::Ledger(LedgerError::RulebookChanged))), "{result:?}");
}

#[tokio::test]
async fn of_two_publishers_from_the_same_state_one_wins_and_the_other_may_try_again() {
    let programme = january().await;
    let app = programme.app();
    let name = |name: &str| edited(RULEBOOK, &[("\"Sample programme\"", &format!("{name:?}"))]);
    let past = grocery_price("2017-01-11", "2017-01-12", "0.0080");
    let (one, other) = (app.propose(&name("One")).await.unwrap(), app.propose(&past).await.unwrap());
    app.bring_into_force(one, None).await.unwrap();
    lost(app.bring_into_force(other, Some(REASON)).await);
    assert_eq!(in_force(&programme).await, programme_hash(&name("One")));

    // A state that comes back is not the state that was read.
    let stale = app.propose(&name("Three")).await.unwrap();
    app.publish(&name("Two")).await.unwrap();
    app.publish(&name("One")).await.unwrap();
    lost(app.bring_into_force(stale, None).await);

    let again = app.propose(&past).await.unwrap();
    let undated: Vec<(&str, &str)> =
        again.differences.undated.iter().map(|term| (term.was.as_str(), term.becomes.as_str())).collect();
    assert_eq!(undated, [("One", "Sample programme")], "compared with what the winner published");
    app.bring_into_force(again, Some(REASON)).await.unwrap();
    programme.set_now(&at("2017-02-03"));
    assert_eq!(Sheet::read(&verified(&programme, JANUARY).await.files[CHANGES]).rows.len(), 1);
}

#[tokio::test]
async fn publishers_at_the_same_time_leave_the_rulebook_of_the_one_that_was_told_so() {
    let programme = january().await;
    let app = programme.app();
    for round in 0..5 {
        let mut proposals: Vec<Proposal> = Vec::new();
        for publisher in 0..4 {
            let text = edited(RULEBOOK, &[("\"Sample programme\"", &format!("\"{round} of {publisher}\""))]);
            proposals.push(app.propose(&text).await.unwrap());
        }
        let results =
            futures::future::join_all(proposals.into_iter().map(|proposal| app.bring_into_force(proposal, None))).await;
        let (won, rest): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert_eq!(in_force(&programme).await, won[0].as_ref().unwrap().rulebook.hash);
        rest.into_iter().for_each(lost);
    }
}

#[tokio::test]
async fn a_month_that_is_sealed_meanwhile_is_not_changed() {
    let programme = january().await;
    programme.set_now(&at("2017-02-03"));
    let app = programme.app();
    let proposal = app.propose(&grocery_price("2017-01-11", "2017-01-12", "0.0080")).await.unwrap();
    let before = in_force(&programme).await;
    programme.close(JANUARY).await.unwrap();
    let failure = app.bring_into_force(proposal, Some(REASON)).await.unwrap_err();
    assert!(matches!(failure, Failure::Ledger(LedgerError::PeriodChanged(_))), "{failure}");
    assert_eq!(in_force(&programme).await, before);
    assert_eq!(verdict(&programme, JANUARY).await, "identical");
}

/// A line of its own in the sample, with all that it needs from a day on.
fn with_kiosk(first_day: Option<&str>) -> String {
    let from = first_day.map(|day| format!("from = \"{day}\"\n")).unwrap_or_default();
    let day = first_day.unwrap_or("2017-01-01");
    format!(
        "{RULEBOOK}\n[[lines]]\nid = \"kiosk\"\nname = \"Kiosk\"\n{from}\n\
         [[earn]]\nline = \"kiosk\"\nfrom = \"{day}\"\npoints_per_unit = \"2\"\n\n\
         [[burn]]\nline = \"kiosk\"\nfrom = \"{day}\"\nvalue = \"0.01\"\n\n\
         [[prices]]\nredeemer = \"kiosk\"\nfrom = \"{day}\"\nprice = \"0.0080\"\n"
    )
}

#[tokio::test]
async fn a_line_that_joins_later_takes_events_from_its_first_day_on() {
    let programme = january_closed().await;
    let too_early = refused(&programme, &with_kiosk(None)).await;
    let text =
        "lines: kiosk: a new line cannot take part on 2017-01-01: month 2017-01 is closed; give it a later `from`";
    assert!(too_early.ends_with(text), "{too_early}");
    let too_early = refused(&programme, &with_kiosk(Some("2017-01-31"))).await;
    assert!(too_early.contains("cannot take part on 2017-01-31"), "{too_early}");

    publish(&programme, &with_kiosk(Some("2017-02-10")), None).await.unwrap();
    programme.set_now(&at("2017-02-12"));
    let kiosk = |reference: &str, day: &str| sale("kiosk", reference, day, "m1", "50.00");
    let spent = |reference: &str, day: &str| redemption("kiosk", reference, day, "m1", 100);
    let answers = programme
        .post(&[
            kiosk("K-1", "2017-01-20T12:00:00+08:00"),
            kiosk("K-2", "2017-02-09T23:59:59+08:00"),
            spent("K-3", "2017-02-09T12:00:00+08:00"),
        ])
        .await;
    for answer in &answers {
        assert_eq!(rejected(answer), ("line-not-active", "line"));
    }
    programme
        .accept(&[
            kiosk("K-2", "2017-02-10T00:00:00+08:00"),
            spent("K-4", &at("2017-02-10")),
            redemption("grocery", "R-2", &at("2017-02-11"), "m1", 180),
        ])
        .await;
    programme.set_now(&at("2017-03-02"));
    let pack = verified(&programme, FEBRUARY).await;
    // 100 of dining's 183 points at the kiosk; at grocery its other 83, then 97 of the kiosk's.
    for (payer, redeemer, amount) in
        [("dining", "kiosk", "0.80"), ("dining", "grocery", "0.75"), ("kiosk", "grocery", "0.87")]
    {
        assert_eq!(owes(&pack, payer, redeemer), amount, "{payer} at {redeemer}");
    }
    assert!(!pack.files.contains_key(CHANGES));
    assert_eq!(verdict(&programme, JANUARY).await, "identical");
}

#[tokio::test]
async fn terms_without_a_day_and_rates_set_by_a_person_may_change_while_months_are_closed() {
    let programme = january_closed().await;
    let rate =
        "\n[[urr_override]]\nfunder = \"dining\"\nissued = \"2017-01\"\nurr = \"0.80\"\nreason = \"Two hotels only\"\n";
    let text = edited(
        RULEBOOK,
        &[
            ("netting = \"hub\"", "netting = \"direct\""),
            ("seal_after_hours = 1 ", "seal_after_hours = 24 "),
            ("name = \"Dining\"", "name = \"Restaurants\""),
            ("6217000000000000105", "6217000000000000205"),
            ("code = \"122101\", name = \"积分清算\"", "code = \"122101\", name = \"积分\""),
            ("\n# --- Accounts", &format!("{rate}\n# --- Accounts")),
        ],
    );
    let proposal = programme.app().propose(&text).await.unwrap();
    let undated: Vec<&str> = proposal.differences.undated.iter().map(|term| term.term.as_str()).collect();
    let expected = [
        "netting",
        "seal_after_hours",
        "lines: name of dining",
        "lines: bank_account of dining",
        "accounts: receivable",
        "urr_override: dining",
    ];
    assert_eq!(undated, expected);
    assert!(proposal.past.is_empty() && proposal.differences.dated.is_empty());
    programme.app().bring_into_force(proposal, None).await.unwrap();
    programme.set_now(&at("2017-03-03"));
    let pack = verified(&programme, FEBRUARY).await;
    assert!(!pack.files.contains_key(CHANGES));
    assert_eq!(verdict(&programme, JANUARY).await, "identical");
}

#[tokio::test]
async fn what_a_reference_names_never_changes_for_a_day_that_is_past() {
    let programme = Programme::sample(&at("2017-01-20")).await;
    let by_day = |from: &str| {
        let scope = format!("{DINING}reference_scope = [{{ from = \"{from}\", scope = \"day\" }}]\n");
        edited(RULEBOOK, &[(DINING, &scope)])
    };
    let reason = refused(&programme, &by_day("2017-01-19")).await;
    let expected = "reference_scope: dining: was line and cannot become day on 2017-01-19, a day that is past";
    assert!(reason.ends_with(expected), "{reason}");
    let reason =
        refused(&programme, &edited(RULEBOOK, &[(DINING, &format!("{DINING}reference_scope = \"day\"\n"))])).await;
    assert!(reason.ends_with("on 2017-01-01, a day that is past"), "{reason}");

    publish(&programme, &by_day("2017-01-20"), None).await.unwrap();
    programme.set_now(&at("2017-01-22"));
    let twice = [dining_sale("7", "2017-01-20", "10.00"), dining_sale("7", "2017-01-21", "20.00")];
    programme.accept(&twice).await;
    let reason = refused(&programme, RULEBOOK).await;
    assert!(reason.ends_with("was day and cannot become line on 2017-01-20, a day that is past"), "{reason}");
}

#[tokio::test]
async fn the_same_text_again_changes_nothing() {
    let programme = january().await;
    let cheaper = grocery_price("2017-01-11", "2017-01-12", "0.0080");
    publish(&programme, &cheaper, Some(REASON)).await.unwrap();
    let before = programme.items().await;
    for reason in [None, Some("Once more")] {
        let proposal = programme.app().propose(&cheaper).await.unwrap();
        assert!(proposal.differences.is_empty() && proposal.past.is_empty());
        programme.app().bring_into_force(proposal, reason).await.unwrap();
        assert_eq!(programme.items().await, before);
    }
    programme.set_now(&at("2017-02-03"));
    assert_eq!(Sheet::read(&verified(&programme, JANUARY).await.files[CHANGES]).rows.len(), 1);
}

/// A folder of the program with files beside it; its clock is the system's, so that
/// every day of the sample is past.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let events = csv([
            "accrual,dining,S-1,2017-01-10T12:00:00+08:00,m1,100.00,,",
            "redemption,grocery,R-1,2017-01-12T12:00:00+08:00,m1,,117,",
        ]);
        let events = folder.write("events.csv", &String::from_utf8(events).unwrap());
        good_answer(&folder.data(), &["import", &events]);
        folder
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// What the program says in words, and whether it ended well.
    fn said(&self, arguments: &[&str]) -> (String, bool) {
        let output = interline(&self.data(), arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).unwrap(), output.status.success())
    }
}

#[test]
fn the_program_shows_what_changes_refuses_past_days_and_takes_a_reason() {
    let folder = Folder::new();
    let cheaper = folder.write("cheaper.toml", &grocery_price("2017-01-11", "2017-01-12", "0.0080"));
    let change = "prices: points of every line redeemed at grocery, from 2017-01-12 on: 0.009 -> 0.008";
    let (text, good) = folder.said(&["rulebook", "publish", &cheaper]);
    assert!(!good && text.contains(change), "{text}");
    assert!(text.contains("on 2017-01-12, a day that is past: needs --retroactive with the reason"), "{text}");
    let (text, good) = folder.said(&["rulebook", "publish", &cheaper, "--retroactive", REASON]);
    assert!(good && text.contains(change), "{text}");
    let past = "Of these, for days that are past:\n  prices: points of every line redeemed at grocery, 2017-01-12 to ";
    assert!(text.contains(past) && text.contains(": in force, hash "), "{text}");

    let again = good_answer(&folder.data(), &["rulebook", "publish", &cheaper]);
    let none = json!({ "undated": [], "dated": [], "joining": [], "past": [] });
    assert_eq!((&again["differences"], &again["published"]), (&none, &json!(true)));
    let renamed = grocery_price("2017-01-11", "2017-01-12", "0.0080").replace("\"Sample programme\"", "\"Renamed\"");
    let renamed = good_answer(&folder.data(), &["rulebook", "publish", &folder.write("renamed.toml", &renamed)]);
    let undated = json!([{ "term": "name", "was": "Sample programme", "becomes": "Renamed" }]);
    assert_eq!(renamed["differences"]["undated"], undated);

    good_answer(&folder.data(), &["close", JANUARY]);
    assert_eq!(good_answer(&folder.data(), &["verify", JANUARY])["verdict"], "identical");
    let out = folder.0.path().join("reports");
    good_answer(&folder.data(), &["reports", JANUARY, "--out", out.to_str().unwrap()]);
    let rows = changes_in(&out);
    assert_eq!(rows.rows.len(), 1);
    let row = rows.row(&[("from", "2017-01-12"), ("was", "0.009"), ("becomes", "0.008"), ("reason", REASON)]);
    assert_eq!(row["rulebook_after"], again["hash"].as_str().unwrap());
}

fn changes_in(folder: &Path) -> Sheet {
    Sheet::read(&std::fs::read(folder.join(CHANGES)).unwrap())
}

#[test]
fn the_program_refuses_to_change_a_closed_month_and_leaves_what_is_in_force() {
    let folder = Folder::new();
    good_answer(&folder.data(), &["close", JANUARY]);
    let before = files(&folder.data().join("s3"));
    let edits = [
        (GROCERY_PRICE, GROCERY_PRICE.replace("0.0090", "0.0091"), "prices: points of every line redeemed at grocery"),
        (DINING_EARN, DINING_EARN.replace('3', "4"), "earn: dining"),
    ];
    for (old, new, rule) in edits {
        let edited = folder.write("edited.toml", &edited(RULEBOOK, &[(old, &new)]));
        for arguments in [vec![], vec!["--retroactive", REASON], vec!["--yes"]] {
            let arguments = [vec!["rulebook", "publish", edited.as_str()], arguments].concat();
            let (found, good): (Value, bool) = answer(&folder.data(), &arguments);
            let reason = found["error"].as_str().unwrap();
            assert!(!good && reason.contains(&format!("{rule}: was ")), "{found}");
            assert!(reason.ends_with("on 2017-01-01: month 2017-01 is closed"), "{found}");
        }
        // As another way to bring a rulebook into force.
        let (text, good) = folder.said(&["serve", "--port", "0", "--rulebook", &edited]);
        assert!(!good && text.contains("month 2017-01 is closed"), "{text}");
    }
    assert_eq!(files(&folder.data().join("s3")), before);
    assert_eq!(good_answer(&folder.data(), &["verify", JANUARY])["verdict"], "identical");
}

#[tokio::test]
async fn every_rulebook_that_came_into_force_stands_in_the_history_with_who_published_it() {
    let programme = Programme::sample(&at("2017-01-10")).await;
    let first = programme.rulebook().await.hash;
    programme.set_now(&at("2017-01-11"));
    let dearer = programme.app().publish(&grocery_price("2017-02-28", "2017-03-01", "0.0080")).await.unwrap();
    // The same again is no publication.
    programme.app().publish(&dearer.text).await.unwrap();
    programme.set_now(&at("2017-01-12"));
    programme.app().publish(RULEBOOK).await.unwrap();
    let history = programme.app().ledger.rulebook_history().await.unwrap();
    let lines: Vec<(&str, Option<&str>)> =
        history.iter().map(|event| (event.rulebook.as_str(), event.before.as_deref())).collect();
    let second = dearer.rulebook.hash.as_str();
    assert_eq!(lines, [(first.as_str(), None), (second, Some(first.as_str())), (first.as_str(), Some(second))]);
    assert!(history.windows(2).all(|pair| pair[0].at < pair[1].at), "{history:?}");
    let person = programme.app().person();
    assert!(history.iter().all(|event| event.by.as_deref() == person), "{history:?}");
}
