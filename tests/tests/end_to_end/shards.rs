//! Into how many shards a month is divided changes no figure of it.

use interline::verification::verification;
use interline_cutoff::Close;
use interline_domain::close::settlement::Settlement;
use interline_domain::units::calendar::Period;
use interline_lambda::finished::FinishedRun;
use interline_lambda::{Failure, ShardTask};
use interline_prove::Books;
use interline_reports::document::{Document, SETTLEMENT};
use interline_reports::manifest::RunKind;
use interline_reports::pack::{key, tally_path};
use interline_tests::events::{redemption, reversal, sale, some_of_january};
use interline_tests::pack::Pack;
use interline_tests::programme::{Programme, RULEBOOK};
use std::collections::BTreeMap;

/// Rows of `[[shards]]`: first day, last day, number.
type Division<'a> = &'a [(&'a str, &'a str, u16)];

const MONTHS: [&str; 3] = ["2017-01", "2017-02", "2017-03"];

fn divided(division: Division<'_>) -> String {
    division.iter().fold(RULEBOOK.to_owned(), |text, (from, to, number)| {
        let to = if to.is_empty() { String::new() } else { format!("to = \"{to}\"\n") };
        format!("{text}\n[[shards]]\nfrom = \"{from}\"\n{to}number = {number}\n")
    })
}

/// Three months of some members, who spend, bring back and come late.
async fn lived(division: Division<'_>) -> Programme {
    let programme = Programme::with_rulebook(&divided(division), "2017-01-31T12:00:00+08:00").await;
    programme.import("january.csv", &some_of_january(150)).await;
    for member in 0..12 {
        let name = format!("m{member}");
        programme.accept(&[sale("dining", &format!("S-{member}"), "2017-01-10T12:00:00+08:00", &name, "834.00")]).await;
    }
    programme.set_now("2017-02-01T01:00:00+08:00");
    programme.close("2017-01").await.unwrap();
    programme.set_now("2017-02-20T12:00:00+08:00");
    for member in 0..12 {
        let name = format!("m{member}");
        programme
            .accept(&[redemption("grocery", &format!("R-{member}"), "2017-02-06T10:00:00+08:00", &name, 100)])
            .await;
    }
    // It happened in January, and is cleared in February.
    programme.accept(&[sale("grocery", "late", "2017-01-31T10:00:00+08:00", "m3", "50.00")]).await;
    programme.set_now("2017-03-01T01:00:00+08:00");
    programme.close("2017-02").await.unwrap();
    programme.set_now("2017-03-20T12:00:00+08:00");
    let back = reversal("grocery", "V-1", "2017-03-02T10:00:00+08:00", "m3", "redemption:R-3", "40");
    let refund = reversal("dining", "V-2", "2017-03-03T10:00:00+08:00", "m4", "accrual:S-4", "100.00");
    programme.accept(&[back]).await;
    programme.accept(&[refund]).await;
    programme.set_now("2017-04-01T01:00:00+08:00");
    programme.close("2017-03").await.unwrap();
    programme
}

async fn finished<'p>(programme: &'p Programme, month: &str) -> FinishedRun<'p> {
    let period = Period::parse(month).unwrap();
    let run = programme.app().ledger.period(period).await.unwrap().into_final_run().unwrap();
    FinishedRun::read(programme.app(), period, &run).await.unwrap()
}

/// All that a run came to but its checks, which count shards, and every other report as it lies there.
async fn figures(programme: &Programme, month: &str) -> (Settlement, BTreeMap<String, Vec<u8>>) {
    let run = finished(programme, month).await.run;
    let pack = Pack::of(programme, month, &run.id).await;
    let document: Document<Settlement> = serde_json::from_slice(&pack.files[SETTLEMENT]).unwrap();
    let settlement = Settlement { checklist: Vec::new(), ..document.settlement };
    let is_of_figures = |path: &str| path.ends_with(".csv") && path != "close-checklist.csv";
    let reports = pack.files.into_iter().filter(|(path, _)| is_of_figures(path)).collect();
    (settlement, reports)
}

/// Every account is what its entries give, and every month what was closed.
async fn is_proven(programme: &Programme, newest: &str) {
    let (app, rulebook) = (programme.app(), programme.rulebook().await);
    let closed = finished(programme, newest).await;
    let mut members = 0;
    for shard in closed.shards().unwrap().all() {
        let books = Books::open(app, Some(&closed), &rulebook, shard).await.unwrap();
        let (count, differing) = books.check(&app.ledger).await.unwrap();
        assert!(differing.is_empty(), "{differing:?}");
        members += count;
    }
    assert!(members >= 12, "{members} members");
    for month in MONTHS {
        let run = finished(programme, month).await.run;
        let found = verification(app, Period::parse(month).unwrap(), &run, None, &|_| {}).await.unwrap();
        assert!(found.is_good(), "{month}: {:?}", found.differences);
    }
}

async fn gates(programme: &Programme, month: &str) -> Vec<String> {
    let items = programme.items().await;
    let prefix = format!("G#{month}#");
    items.keys().filter_map(|(pk, _)| pk.strip_prefix(&prefix).map(str::to_owned)).collect()
}

#[tokio::test]
async fn months_of_16_of_256_and_of_changing_numbers_of_shards_have_the_figures_of_those_of_64() {
    let usual = lived(&[]).await;
    assert_eq!(gates(&usual, "2017-02").await.len(), 64);
    let mut expected = Vec::new();
    for month in MONTHS {
        expected.push(figures(&usual, month).await);
    }
    let changing: Division<'_> =
        &[("2017-01-01", "2017-01-31", 16), ("2017-02-01", "2017-02-28", 256), ("2017-03-01", "", 20)];
    for (division, of_february, first_and_last) in [
        (&[("2017-01-01", "", 16_u16)][..], 16, ["00", "15"]),
        (&[("2017-01-01", "", 256)][..], 256, ["0000", "0255"]),
        (changing, 256, ["0000", "0255"]),
    ] {
        let programme = lived(division).await;
        let gates = gates(&programme, "2017-02").await;
        assert_eq!(gates.len(), of_february, "{division:?}");
        assert_eq!([&gates[0], &gates[of_february - 1]], first_and_last, "{division:?}");
        assert_eq!(finished(&programme, "2017-02").await.manifest.shards.len(), of_february);
        for (month, (settlement, reports)) in MONTHS.iter().zip(&expected) {
            let found = figures(&programme, month).await;
            assert_eq!(found.0, *settlement, "{month} of {division:?}");
            for (path, bytes) in reports {
                assert_eq!(found.1.get(path), Some(bytes), "{path} of {month} of {division:?}");
            }
        }
        is_proven(&programme, "2017-03").await;
    }
}

#[tokio::test]
async fn a_month_that_has_begun_is_divided_as_it_was_whatever_rulebook_comes() {
    let programme = Programme::sample("2017-02-20T12:00:00+08:00").await;
    let app = programme.app();
    for from in ["2017-01-01", "2017-02-01"] {
        let refused = app.publish(&divided(&[(from, "", 256)])).await.unwrap_err().to_string();
        assert!(refused.contains(&format!("shards: was 64 and cannot become 256 on {from}")), "{refused}");
    }
    let before = programme.rulebook().await.hash;
    let tomorrow = divided(&[("2017-03-01", "", 256)]);
    programme.set_now("2017-02-28T12:00:00+08:00");
    assert!(app.publish(&tomorrow).await.is_err(), "a process may have read the other rulebook until then");
    programme.set_now("2017-02-27T12:00:00+08:00");
    app.publish(&tomorrow).await.unwrap();

    for month in ["2017-01", "2017-02"] {
        programme.set_now("2017-03-20T12:00:00+08:00");
        programme.close(month).await.unwrap();
    }
    // Its entries are not where the rulebook before would look for them.
    let failure = programme.close_as("2017-03", RunKind::Trial, Some(before)).await.unwrap_err();
    assert!(matches!(failure, Failure::BadEvent(_)), "{failure}");
    assert!(failure.to_string().contains("divides 2017-03 into 64 shards, and its entries lie in 256"), "{failure}");
    programme.close_as("2017-03", RunKind::Trial, None).await.unwrap();
}

#[tokio::test]
async fn of_very_many_shards_a_step_takes_several_together() {
    let programme = Programme::with_rulebook(&divided(&[("2017-01-01", "", 4_096)]), "2017-01-20T12:00:00+08:00").await;
    programme.accept(&[sale("dining", "S-1", "2017-01-10T12:00:00+08:00", "anna", "83.40")]).await;
    let (app, period) = (programme.app(), Period::parse("2017-01").unwrap());
    let started = interline_cutoff::handle(app, Close::new(period, RunKind::Trial)).await.unwrap();
    assert_eq!((started.together, started.shards.len(), started.shards.last()), (5, 820, Some(&4_095)));
    let shards = programme.rulebook().await.shards(period);
    for first in [0, 4_095] {
        let (run, rulebook) = (started.run.clone(), started.rulebook.clone());
        let task = ShardTask { period, run, rulebook, shard: first, together: started.together };
        interline_tally::handle(app, task.clone()).await.unwrap();
        interline_prove::handle(app, task).await.unwrap();
    }
    for (number, is_there) in [(0, true), (4, true), (5, false), (4_094, false), (4_095, true)] {
        let path = key(period, &started.run, &tally_path(shards.shard(number).unwrap()));
        assert!(path.ends_with(&format!("tallies/shard-{number:04}.json")), "{path}");
        assert_eq!(app.reports.find(&path).await.unwrap().is_some(), is_there, "{number}");
    }
}
