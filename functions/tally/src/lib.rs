//! The middle step of a close: folds one shard into a tally and a detail part.

use interline_domain::close::digest::ShardDigest;
use interline_domain::close::digest::{EntryDigests, older_month};
use interline_domain::close::tally::{Fold, SaleRates, Tally};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::money::OutOfRange;
use interline_domain::units::pseudonym::Pseudonyms;
use interline_domain::units::shard::Shard;
use interline_lambda::{App, Failure, ShardTask};
use interline_ledger::Ledger;
use interline_reports::details::DetailPart;
use interline_reports::pack::{
    PackFile, TallyFile, details_index_path, details_path, digests_path, is_trial, key, tally_path,
};
use interline_reports::sheet::Totals;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub shard: u16,
    pub entries: u64,
}

pub async fn handle(app: &App, task: ShardTask) -> Result<Done, Failure> {
    let published = app.rulebook_by_hash(&task.rulebook).await?;
    let pseudonyms = app.pseudonyms(&published.rulebook).await?;
    app.check_own(&task.run, &task.rulebook)?;
    let rates = interline_lambda::finished::sale_rates(app, &published.rulebook, task.period).await?;
    let mut entries = 0_u64;
    for shard in task.shards(&published.rulebook)? {
        let tallied =
            tally(&app.ledger, app.engine(), (&published.rulebook, &rates), &pseudonyms, task.period, shard).await?;
        entries = entries.checked_add(tallied.file.tally.entries).ok_or(OutOfRange)?;
        write(app, &task, shard, tallied).await?;
    }
    Ok(Done { shard: task.shard, entries })
}

async fn write(app: &App, task: &ShardTask, shard: Shard, tallied: Tallied) -> Result<(), Failure> {
    let Tallied { file, parts } = tallied;
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
    let parts = parts.into_iter().map(|part| put(part.entry.path, part.bytes));
    let parts = futures::future::try_join_all(parts);
    tokio::try_join!(parts, put(tally_path(shard), file.json()?))?;
    Ok(())
}

/// What one shard comes to.
#[derive(Debug, Clone)]
pub struct Tallied {
    pub file: TallyFile,
    /// What lies beside the tally: rated slices, and the digests of entries.
    pub parts: Vec<PackFile>,
}

/// Computes what one shard comes to; writes nothing. `rates`: what the closes before expect of points.
pub async fn tally(
    ledger: &Ledger,
    engine: &str,
    (rulebook, rates): (&Rulebook, &SaleRates),
    pseudonyms: &Pseudonyms,
    period: Period,
    shard: Shard,
) -> Result<Tallied, Failure> {
    let first = rulebook.first_period;
    let last = (period > first).then(|| period.previous());
    // At once: a tally mostly waits for pages.
    let ((tally, digest, parts), previous, older) = tokio::try_join!(
        folded(ledger, (rulebook, rates), pseudonyms, period, shard),
        read_again(ledger, rulebook, last, shard),
        read_again(ledger, rulebook, older_month(period, first), shard),
    )?;
    let files = parts.iter().map(|part| part.entry.clone()).collect();
    let (rulebook, shard) = (rulebook.hash.clone(), shard.number());
    let engine = engine.to_owned();
    let file = TallyFile { shard, engine, rulebook, tally, digest: digest.digest, previous, older, files };
    Ok(Tallied { file, parts })
}

type Folded = (Tally, ShardDigest, Vec<PackFile>);

async fn folded(
    ledger: &Ledger,
    (rulebook, rates): (&Rulebook, &SaleRates),
    pseudonyms: &Pseudonyms,
    period: Period,
    shard: Shard,
) -> Result<Folded, Failure> {
    let mut entries = ledger.shard_entries(period, shard);
    let mut fold = Fold::new(rulebook, rates, period, shard);
    let mut digests = EntryDigests::default();
    let mut part = DetailPart::new(rulebook.currency, pseudonyms.clone());
    let unwritten = |error: std::io::Error| Failure::Corrupt(format!("the detail part was not written: {error}"));
    while let Some(page) = entries.next_page().await {
        for entry in page? {
            fold.add(&entry, |row| part.add(&row).map_err(unwritten))?;
            digests.add(&entry);
        }
    }
    let tally = fold.finish();
    let sums = BTreeMap::from([
        ("points".to_owned(), tally.details.points.to_string()),
        ("obligation_amount".to_owned(), rulebook.currency.show(tally.details.amount).to_string()),
    ]);
    let totals = Totals { rows: tally.details.events, sums };
    let (part, index) = part.finish().map_err(unwritten)?;
    let details = PackFile::new(details_path(shard), part, Some(totals));
    let index = PackFile::new(details_index_path(shard), index.json()?, None);
    let (digest, kept) = digests.finish(shard.number());
    Ok((tally, digest, vec![details, index, PackFile::new(digests_path(shard), kept, None)]))
}

/// Count and digest of the same shard of a closed month, as it is now; where that month
/// has another number of shards, of those that fall to this one.
async fn read_again(
    ledger: &Ledger,
    rulebook: &Rulebook,
    period: Option<Period>,
    shard: Shard,
) -> Result<Vec<ShardDigest>, Failure> {
    let mut found = Vec::new();
    let Some(period) = period else { return Ok(found) };
    for shard in rulebook.shards(period).dealt_to(shard) {
        let mut entries = ledger.shard_entries(period, shard);
        let mut digests = EntryDigests::default();
        while let Some(page) = entries.next_page().await {
            page?.iter().for_each(|entry| digests.add(entry));
        }
        found.push(digests.finish(shard.number()).0);
    }
    Ok(found)
}
