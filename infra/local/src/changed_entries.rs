//! Names the entries of a closed shard that are not what was closed, from what
//! its pack keeps: a part of each entry's digest in the order of the keys.

use interline_domain::close::digest::{ENTRY_DIGEST_BYTES, EntryDigests};
use interline_domain::units::calendar::Period;
use interline_lambda::Failure;
use interline_ledger::Ledger;
use std::collections::BTreeSet;

/// Entries that are told of one shard.
const TOLD_AT_MOST: usize = 20;

/// What an entry is known by in a pack: `line#kind#reference`, never its member.
type Named = (String, Vec<u8>);

/// How the entries of a shard differ from the digests that were kept. `names`
/// are those of entries whose slices lie in the pack: only of them a name is
/// known when they are gone.
pub async fn changed_entries(
    ledger: &Ledger,
    period: Period,
    shard: u8,
    kept: &[u8],
    names: &BTreeSet<String>,
) -> Result<Vec<String>, Failure> {
    let mut found: Vec<Named> = Vec::new();
    let mut entries = ledger.shard_entries(period, shard);
    while let Some(page) = entries.next_page().await {
        for entry in page? {
            let mut digest = EntryDigests::default();
            digest.add(&entry);
            found.push((entry.name(), digest.finish(shard).1));
        }
    }
    Ok(changes(kept, &found, names))
}

fn changes(kept: &[u8], found: &[Named], names: &BTreeSet<String>) -> Vec<String> {
    let recorded: Vec<&[u8]> = kept.chunks(ENTRY_DIGEST_BYTES).collect();
    let all_recorded: BTreeSet<&[u8]> = recorded.iter().copied().collect();
    let all_found: BTreeSet<&[u8]> = found.iter().map(|(_, digest)| digest.as_slice()).collect();
    let mut told = Vec::new();
    let (mut gone, mut new, mut before) = (0, Vec::new(), None);
    let mut left = recorded.iter();
    for (name, digest) in found {
        if !all_recorded.contains(digest.as_slice()) {
            new.push(name.as_str());
            continue;
        }
        // What was recorded up to the same entry and is not found lies in this gap.
        gone += left.by_ref().take_while(|other| **other != digest.as_slice()).count();
        gap(&mut told, gone, &new, before, Some(name));
        (gone, before) = (0, Some(name.as_str()));
        new.clear();
    }
    gone += left.filter(|other| !all_found.contains(*other)).count();
    gap(&mut told, gone, &new, before, None);
    let found: BTreeSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let removed = names.iter().filter(|name| !found.contains(name.as_str()));
    told.extend(removed.map(|name| format!("entry {name}: removed")));
    if told.len() > TOLD_AT_MOST {
        let untold = told.len() - TOLD_AT_MOST;
        told.truncate(TOLD_AT_MOST);
        told.push(format!("and {untold} more"));
    }
    told
}

fn gap(told: &mut Vec<String>, gone: usize, new: &[&str], before: Option<&str>, after: Option<&str>) {
    let word = match gone {
        0 => "added",
        gone if gone == new.len() => "changed",
        _ => "changed or added",
    };
    told.extend(new.iter().map(|name| format!("entry {name}: {word}")));
    if gone > 0 && gone != new.len() {
        let place = match (before, after) {
            (Some(before), Some(after)) => format!("between {before} and {after}"),
            (Some(before), None) => format!("after {before}"),
            (None, Some(after)) => format!("before {after}"),
            (None, None) => "in the shard".to_owned(),
        };
        let word = if new.is_empty() { "removed" } else { "changed or removed" };
        told.push(format!("{gone} of the entries {place}: {word}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(recorded: &str, found: &str, names: &[&str]) -> Vec<String> {
        let digest = |letter: char| vec![u8::try_from(letter).unwrap(); ENTRY_DIGEST_BYTES];
        let kept: Vec<u8> = recorded.chars().flat_map(digest).collect();
        let found: Vec<Named> = found
            .char_indices()
            .map(|(_, letter)| (format!("fuel#accrual#{}", letter.to_ascii_lowercase()), digest(letter)))
            .collect();
        changes(&kept, &found, &names.iter().map(|name| format!("fuel#accrual#{name}")).collect())
    }

    #[test]
    fn what_was_added_changed_or_removed_is_named_by_its_key() {
        for (recorded, found, expected) in [
            ("", "", &[] as &[&str]),
            ("abc", "abc", &[]),
            ("abc", "abxc", &["entry fuel#accrual#x: added"]),
            ("abc", "aBc", &["entry fuel#accrual#b: changed"]),
            ("abc", "Abc", &["entry fuel#accrual#a: changed"]),
            ("abc", "abC", &["entry fuel#accrual#c: changed"]),
            ("abc", "ac", &["1 of the entries between fuel#accrual#a and fuel#accrual#c: removed"]),
            ("abc", "c", &["2 of the entries before fuel#accrual#c: removed"]),
            ("abc", "a", &["2 of the entries after fuel#accrual#a: removed"]),
            ("a", "", &["1 of the entries in the shard: removed"]),
            ("ab", "abC", &["entry fuel#accrual#c: added"]),
            (
                "abcd",
                "aBd",
                &[
                    "entry fuel#accrual#b: changed or added",
                    "2 of the entries between fuel#accrual#a and fuel#accrual#d: changed or removed",
                ],
            ),
            ("abcd", "Abcx", &["entry fuel#accrual#a: changed", "entry fuel#accrual#x: changed"]),
        ] {
            assert_eq!(told(recorded, found, &[]), expected, "{recorded} {found}");
        }
    }

    #[test]
    fn what_is_gone_is_named_if_its_slices_are_in_the_pack() {
        let gap = "1 of the entries between fuel#accrual#a and fuel#accrual#c: removed";
        assert_eq!(told("abc", "ac", &["a", "b"]), [gap, "entry fuel#accrual#b: removed"]);
    }
}
