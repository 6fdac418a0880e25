//! The middle step of a close: folds one shard into a tally and a detail part.

use interline_domain::calendar::Period;
use interline_domain::pseudonym::Pseudonyms;
use interline_domain::rulebook::Rulebook;
use interline_domain::settle::ShardDigest;
use interline_domain::tally::{Fold, SetDigest, Tally};
use interline_lambda::{App, Failure};
use interline_ledger::Ledger;
use interline_reports::details::DetailPart;
use interline_reports::pack::{PackFile, TallyFile, details_path, is_trial, key, tally_path};
use interline_reports::sheet::Totals;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    pub period: Period,
    pub run: String,
    pub rulebook: String,
    pub shard: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub shard: u8,
    pub entries: u64,
}

pub async fn handle(app: &App, task: Task) -> Result<Done, Failure> {
    let published = app.rulebook_by_hash(&task.rulebook).await?;
    let pseudonyms = app.pseudonyms(&published.rulebook).await?;
    let (file, details) = tally(&app.ledger, &published.rulebook, &pseudonyms, task.period, task.shard).await?;
    let entries = file.tally.entries;
    // A trial's month may still be open: its step may be repeated after more events came.
    let is_trial = is_trial(&task.run);
    let put = |path: String, bytes| {
        let key = key(task.period, &task.run, &path);
        async move {
            match is_trial {
                true => app.reports.put(&key, bytes).await,
                false => app.reports.put_once(&key, bytes).await,
            }
        }
    };
    tokio::try_join!(put(details.entry.path, details.bytes), put(tally_path(task.shard), file.json()?))?;
    Ok(Done { shard: task.shard, entries })
}

/// Computes a shard's tally and detail part; writes nothing.
pub async fn tally(
    ledger: &Ledger,
    rulebook: &Rulebook,
    pseudonyms: &Pseudonyms,
    period: Period,
    shard: u8,
) -> Result<(TallyFile, PackFile), Failure> {
    // At once: a tally mostly waits for pages.
    let ((tally, details), previous) = tokio::try_join!(
        folded(ledger, rulebook, pseudonyms, period, shard),
        previous(ledger, rulebook, period, shard)
    )?;
    let file = TallyFile { shard, rulebook: rulebook.hash.clone(), tally, previous, details: details.entry.clone() };
    Ok((file, details))
}

async fn folded(
    ledger: &Ledger,
    rulebook: &Rulebook,
    pseudonyms: &Pseudonyms,
    period: Period,
    shard: u8,
) -> Result<(Tally, PackFile), Failure> {
    let mut entries = ledger.shard_entries(period, shard);
    let mut fold = Fold::new(rulebook, period, shard);
    let mut part = DetailPart::new(pseudonyms.clone());
    let mut rows = Vec::new();
    let unwritten = |error: std::io::Error| Failure::Corrupt(format!("the detail part was not written: {error}"));
    while let Some(page) = entries.next_page().await {
        for entry in page? {
            fold.add(&entry, &mut rows)?;
            for row in rows.drain(..) {
                part.add(&row).map_err(unwritten)?;
            }
        }
    }
    let tally = fold.finish();
    let sums = BTreeMap::from([
        ("points".to_owned(), tally.details.points.to_string()),
        ("obligation_amount".to_owned(), tally.details.amount.to_string()),
    ]);
    let totals = Totals { rows: tally.details.events, sums };
    let details = PackFile::new(details_path(shard), part.finish().map_err(unwritten)?, Some(totals));
    Ok((tally, details))
}

/// Count and digest of the same shard of the month before, as it is now.
async fn previous(
    ledger: &Ledger,
    rulebook: &Rulebook,
    period: Period,
    shard: u8,
) -> Result<Option<ShardDigest>, Failure> {
    match period > rulebook.first_period {
        true => digest(ledger, period.previous(), shard).await.map(Some),
        false => Ok(None),
    }
}

/// Count and digest of a shard as it is now.
async fn digest(ledger: &Ledger, period: Period, shard: u8) -> Result<ShardDigest, Failure> {
    let mut entries = ledger.shard_entries(period, shard);
    let mut digest = ShardDigest { shard, entries: 0, digest: SetDigest::default() };
    let mut text = String::new();
    while let Some(page) = entries.next_page().await {
        for entry in page? {
            text.clear();
            entry.write_canonical(&mut text);
            digest.digest.add_text(&text);
            digest.entries += 1;
        }
    }
    Ok(digest)
}
