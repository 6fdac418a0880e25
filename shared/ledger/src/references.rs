//! What is known of references: where their entry is, what is reversed of it, or why
//! files were refused.

use crate::Ledger;
use crate::error::LedgerError;
use crate::items::{self, Known, Reader, Recorded, Refusals};
use crate::keys::{self, EntryKey, Key, Name};
use crate::store::{Item, Store};
use crate::{attributes, store};
use interline_domain::events::{EntryKind, Reversed};
use interline_domain::units::id::{LineId, Reference};
use interline_domain::units::scope::Scope;
use std::collections::BTreeMap;

/// What a reference is known for.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    Refusals(Refusals),
    Entry(Box<Recorded>, Reversed),
}

impl Ledger {
    /// An event of a line by its name, and how much of it has been reversed.
    pub async fn entry(
        &self,
        line: &LineId,
        kind: EntryKind,
        reference: &Reference,
        scope: Scope,
    ) -> Result<Option<(Recorded, Reversed)>, LedgerError> {
        let name = Name { line: line.clone(), kind, reference: reference.clone(), scope };
        Ok(match find(&*self.store, &keys::reference(&name)).await? {
            Some(Found::Entry(recorded, reversed)) => Some((*recorded, reversed)),
            Some(Found::Refusals(_)) | None => None,
        })
    }
}

/// Looks a reference up, and the entry that it points to.
pub async fn find(store: &dyn Store, key: &Key) -> Result<Option<Found>, LedgerError> {
    let Some(item) = store.get(key).await? else { return Ok(None) };
    match items::known(&item)? {
        Known::Refused(refusals) => Ok(Some(Found::Refusals(refusals))),
        Known::Recorded { place, fingerprint, reversed } => {
            let at = entry_key(&item, &place)?;
            let recorded = store::recorded(store, &at).await?;
            verify(&item, &recorded, &fingerprint)?;
            Ok(Some(Found::Entry(Box::new(recorded), reversed)))
        }
    }
}

/// As [`find`], of up to 100 references whose items were read already.
pub async fn resolve(store: &dyn Store, references: Vec<(Key, Item)>) -> Result<Vec<(Key, Found)>, LedgerError> {
    let mut found = Vec::with_capacity(references.len());
    let mut pointers = BTreeMap::new();
    for (key, item) in references {
        match items::known(&item)? {
            Known::Refused(refusals) => found.push((key, Found::Refusals(refusals))),
            Known::Recorded { place, fingerprint, reversed } => {
                pointers.insert(entry_key(&item, &place)?, (key, item, fingerprint, reversed));
            }
        }
    }
    if pointers.is_empty() {
        return Ok(found);
    }
    let at: Vec<Key> = pointers.keys().cloned().collect();
    for entry in store.get_many(&at).await? {
        let at = Reader::new(&entry).key()?;
        let Some((key, item, fingerprint, reversed)) = pointers.remove(&at) else { continue };
        let recorded = items::recorded(&entry)?;
        verify(&item, &recorded, &fingerprint)?;
        found.push((key, Found::Entry(Box::new(recorded), reversed)));
    }
    match pointers.into_keys().next() {
        None => Ok(found),
        Some(missing) => Err(store::missing(&missing)),
    }
}

fn entry_key(reference: &Item, place: &keys::Place) -> Result<Key, LedgerError> {
    let reader = Reader::new(reference);
    let name = keys::parse_reference(reader.text(attributes::PK)?).ok_or_else(|| reader.broken(attributes::PK))?;
    Ok(EntryKey { name, place: *place }.key())
}

/// Whether the entry is what the reference was put for.
fn verify(reference: &Item, recorded: &Recorded, fingerprint: &[u8]) -> Result<(), LedgerError> {
    if recorded.entry.fingerprint() == fingerprint {
        return Ok(());
    }
    Err(Reader::new(reference).broken(attributes::FINGERPRINT))
}
