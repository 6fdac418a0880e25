//! How a rulebook comes into force: one routine for whoever publishes.

use crate::app::{App, Published};
use crate::failure::Failure;
use interline_domain::terms::rulebook::{Change, Differences, Rulebook, RulebookError, RulebookErrors};
use interline_domain::units::calendar::Period;
use interline_domain::units::limits::REASON_MAX;
use interline_ledger::{InForce, NewRulebook};
use interline_reports::changes::{Publication, Record, record_key};
use interline_reports::manifest::sha256;
use interline_reports::pack::rulebook_key;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A rulebook that may follow the one in force, compared with it.
#[derive(Debug)]
pub struct Proposal {
    pub rulebook: Rulebook,
    text: String,
    before: InForce,
    /// Without any before the first rulebook of a programme.
    pub differences: Differences,
    /// What changes for days that are past, in months that are open: needs a reason.
    pub past: Vec<Change>,
    /// The earliest month that is open.
    unsealed: Period,
}

impl App {
    /// Checks a rulebook, also against the one in force and the months that are closed.
    pub async fn propose(&self, text: &str) -> Result<Proposal, Failure> {
        let rulebook = Rulebook::parse(text)?;
        let before = self.ledger.rulebook_in_force().await?;
        if before.hash.as_ref() != Some(&rulebook.hash) {
            rulebook.check_new()?;
        }
        let mut proposal = Proposal {
            text: text.to_owned(),
            differences: Differences::default(),
            past: Vec::new(),
            unsealed: rulebook.first_period,
            before,
            rulebook,
        };
        let Some(hash) = &proposal.before.hash else { return Ok(proposal) };
        let old = self.rulebook_by_hash(hash).await?;
        proposal.rulebook.check_follows(&old.rulebook)?;
        let periods = self.ledger.periods().await?;
        let closed: BTreeSet<Period> =
            periods.iter().filter(|state| !state.is_open()).map(|state| state.period).collect();
        proposal.differences = proposal.rulebook.differences(&old.rulebook);
        proposal.past = proposal.differences.past(&closed, proposal.rulebook.day(self.now()))?;
        if let Some(last) = closed.last() {
            proposal.unsealed = last.next();
        }
        Ok(proposal)
    }

    /// Stores a rulebook for good, with what it changes for past days and why, and
    /// makes it the current one if what it was compared with still is.
    pub async fn bring_into_force(&self, proposal: Proposal, reason: Option<&str>) -> Result<Arc<Published>, Failure> {
        let Proposal { rulebook, text, before, past, unsealed, .. } = proposal;
        let hash = rulebook.hash.clone();
        self.reports.put_once(&rulebook_key(&hash), text.as_bytes().to_vec()).await?;
        if before.hash.as_ref() != Some(&hash) {
            let carried = match &before.hash {
                Some(before) => self.ledger.publication(before).await?,
                None => None,
            };
            let guard = (!past.is_empty()).then_some((unsealed, rulebook.shards(unsealed)));
            let record = match &before.hash {
                Some(before) if !past.is_empty() => {
                    let reason = reason_of(reason, &past)?;
                    let publication =
                        Publication { before: before.clone(), after: hash.clone(), reason, changes: past };
                    let bytes = serde_json::to_vec_pretty(&Record { previous: carried, publication })?;
                    let digest = sha256(&bytes);
                    self.reports.put_once(&record_key(&digest), bytes).await?;
                    Some(digest)
                }
                _ => carried,
            };
            let (record, by, now) = (record.as_deref(), self.person(), self.now());
            let next = NewRulebook { hash: &hash, record, unsealed: guard, by, now };
            self.ledger.set_current_rulebook(&before, next).await?;
        }
        let published = Arc::new(Published { rulebook: Arc::new(rulebook), text });
        self.came_into_force(published.clone()).await;
        Ok(published)
    }

    /// Publishes a rulebook that changes nothing for days that are past.
    pub async fn publish(&self, text: &str) -> Result<Arc<Published>, Failure> {
        let proposal = self.propose(text).await?;
        self.bring_into_force(proposal, None).await
    }

    /// What was changed for days of a month after they had passed, earliest
    /// publication first, up to the one of a rulebook. Once a month is closed nothing
    /// can be added to it.
    pub async fn changes_of(&self, rulebook: &str, period: Period) -> Result<Vec<Publication>, Failure> {
        let mut found = Vec::new();
        let mut next = self.ledger.publication(rulebook).await?;
        while let Some(digest) = next {
            let key = record_key(&digest);
            let bytes = self.reports.get(&key).await?;
            if sha256(&bytes) != digest {
                return Err(Failure::Corrupt(format!("object {key} is not the record that it is named after")));
            }
            let Record { previous, mut publication } = serde_json::from_slice(&bytes)?;
            publication.changes.retain(|change| {
                change.from <= period.last_day() && change.to.is_none_or(|to| period.first_day() <= to)
            });
            if !publication.changes.is_empty() {
                found.push(publication);
            }
            next = previous;
        }
        found.reverse();
        Ok(found)
    }
}

fn reason_of(reason: Option<&str>, past: &[Change]) -> Result<String, RulebookErrors> {
    let refused = |field: &str, rule: String| RulebookError { line: 0, field: field.to_owned(), rule };
    let Some(reason) = reason.map(str::trim) else {
        let errors = past.iter().map(|change| {
            let Change { rule, from, was, becomes, .. } = change;
            let text = format!(
                "was {was} and becomes {becomes} on {from}, a day that is past: needs --retroactive with the reason"
            );
            refused(rule, text)
        });
        return Err(RulebookErrors(errors.collect()));
    };
    if reason.is_empty() || reason.chars().count() > REASON_MAX || reason.chars().any(char::is_control) {
        let rule = format!("must be 1 to {REASON_MAX} printable characters");
        return Err(RulebookErrors(vec![refused("reason", rule)]));
    }
    Ok(reason.to_owned())
}
