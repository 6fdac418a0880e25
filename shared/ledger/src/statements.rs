//! Reads for callers: a member's statement, a line's own events.

use crate::Ledger;
use crate::attributes::{MEMBER, OCCURRED, PK, SK};
use crate::error::LedgerError;
use crate::items::{self, Recorded};
use crate::keys;
use crate::store::Item;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use interline_domain::events::EntryKind;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, MemberId};
use interline_domain::units::shard::Shards;
use serde::{Deserialize, Serialize};

/// Pages of the index read for one answer when a filter passes few of them.
const INDEX_PAGES_MAX: usize = 8;
/// Shards read for one answer, be they empty.
const SHARDS_AT_ONCE: u16 = 64;

/// When events happened that a list shows: from a moment on, and before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Between {
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

impl Between {
    fn has(&self, moment: DateTime<Utc>) -> bool {
        !self.is_before(moment) && self.to.is_none_or(|to| moment < to)
    }

    fn is_before(&self, moment: DateTime<Utc>) -> bool {
        self.from.is_some_and(|from| moment < from)
    }
}

/// What a filtered statement shows.
#[derive(Debug, Clone, Default)]
pub struct StatementFilter {
    pub line: Option<LineId>,
    pub kind: Option<EntryKind>,
    pub between: Between,
}

/// Which of a line's events a list shows.
#[derive(Debug, Clone)]
pub struct LineFilter {
    pub line: LineId,
    pub kind: Option<EntryKind>,
    pub between: Between,
}

impl LineFilter {
    fn prefix(&self) -> String {
        keys::of_line_and_kind(&self.line, self.kind)
    }
}

/// Where a member's statement goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementPosition {
    pk: String,
    sk: String,
    occurred: String,
}

/// Where a line's events of a period go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinePosition {
    shard: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl Ledger {
    /// A member's entries, newest first. From the index, which may lag behind a
    /// moment: statements only.
    pub async fn member_entries(
        &self,
        member: &MemberId,
        filter: &StatementFilter,
        after: Option<StatementPosition>,
        limit: usize,
    ) -> Result<(Vec<Recorded>, Option<StatementPosition>), LedgerError> {
        let mut entries: Vec<Recorded> = Vec::new();
        let mut position = after;
        for _ in 0..INDEX_PAGES_MAX {
            let start = position.as_ref().map(|position| {
                Item::from([
                    (PK.to_owned(), AttributeValue::S(position.pk.clone())),
                    (SK.to_owned(), AttributeValue::S(position.sk.clone())),
                    (MEMBER.to_owned(), AttributeValue::S(member.to_string())),
                    (OCCURRED.to_owned(), AttributeValue::S(position.occurred.clone())),
                ])
            });
            // One more than is shown tells whether there is another page.
            let (items, more) = self.store.statement_page(member.as_str(), start, limit.saturating_add(1)).await?;
            for (at, item) in items.iter().enumerate() {
                position = Some(StatementPosition::of(item)?);
                let recorded = items::recorded(item)?;
                let entry = &recorded.entry;
                if filter.between.is_before(entry.head.occurred()) {
                    // Newest first: nothing behind it is shown.
                    return Ok((entries, None));
                }
                let shown = filter.line.as_ref().is_none_or(|line| *line == entry.head.line)
                    && filter.kind.is_none_or(|kind| kind == entry.kind())
                    && filter.between.has(entry.head.occurred());
                if shown {
                    entries.push(recorded);
                }
                if entries.len() == limit {
                    let is_last = !more && at + 1 == items.len();
                    return Ok((entries, position.filter(|_| !is_last)));
                }
            }
            if !more {
                return Ok((entries, None));
            }
        }
        Ok((entries, position))
    }

    /// A line's own events booked in a period, shard by shard; strongly consistent.
    pub async fn line_entries(
        &self,
        filter: &LineFilter,
        period: Period,
        shards: Shards,
        after: Option<LinePosition>,
        limit: usize,
    ) -> Result<(Vec<Recorded>, Option<LinePosition>), LedgerError> {
        let LinePosition { shard: mut number, mut after } = after.unwrap_or(LinePosition { shard: 0, after: None });
        let mut entries = Vec::new();
        let prefix = filter.prefix();
        // Each shard is read at least once, of many shards as many as one answer has time
        // for; a filter may pass few of what lies there.
        let mut pages = usize::from(shards.number().min(SHARDS_AT_ONCE)) + INDEX_PAGES_MAX;
        while let Some(shard) = shards.shard(number).filter(|_| pages > 0) {
            pages -= 1;
            let left = i32::try_from(limit.saturating_sub(entries.len())).unwrap_or(i32::MAX);
            let pk = keys::shard(period, shard);
            let (items, next) = self.store.page(&pk, Some(&prefix), after.take(), Some(left)).await?;
            for item in &items {
                let recorded = items::recorded(item)?;
                if filter.between.has(recorded.entry.head.occurred()) {
                    entries.push(recorded);
                }
            }
            match next {
                Some(_) => after = next,
                None => number += 1,
            }
            if entries.len() >= limit {
                break;
            }
        }
        let position = shards.shard(number).map(|_| LinePosition { shard: number, after });
        Ok((entries, position))
    }
}

impl LinePosition {
    /// Whether a page of the list can start there; the store refuses a page that
    /// starts outside of what is asked for.
    pub fn is_of(&self, filter: &LineFilter, shards: Shards) -> bool {
        let own = |after: &String| after.starts_with(&filter.prefix());
        shards.shard(self.shard).is_some() && self.after.as_ref().is_none_or(own)
    }
}

impl StatementPosition {
    /// Whether it may be the key of an item; the store refuses one without.
    pub fn is_key(&self) -> bool {
        ![&self.pk, &self.sk, &self.occurred].into_iter().any(String::is_empty)
    }

    fn of(item: &Item) -> Result<Self, LedgerError> {
        let reader = items::Reader::new(item);
        let text = |attribute: &str| reader.text(attribute).map(str::to_owned);
        Ok(Self { pk: text(PK)?, sk: text(SK)?, occurred: text(OCCURRED)? })
    }
}
