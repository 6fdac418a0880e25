//! What an account keeps, and the names under which it is stored.

use interline_domain::account::{Account, reference_hash, shard};
use interline_domain::entry::EntryKind;
use interline_domain::id::{LineId, MemberId, Reference};
use interline_domain::limits::RECENT_REFERENCES;

#[test]
fn the_latest_references_are_remembered_and_older_ones_forgotten() {
    let mut account = Account::default();
    let references: Vec<u64> = (0..).take(RECENT_REFERENCES + 1).collect();
    for &reference in &references {
        assert!(!account.remembers(reference));
        account.remember(reference);
    }
    let kept: Vec<u64> = references.iter().copied().filter(|reference| account.remembers(*reference)).collect();
    assert_eq!(kept, references[1..]);
}

/// They are stored: another value would lose what was stored before.
#[test]
fn a_reference_keeps_its_hash_and_a_member_its_shard() {
    let (line, reference) = (LineId::parse("mall").unwrap(), Reference::parse("S-1").unwrap());
    // The first eight bytes of sha256sum of "mall#r#S-1".
    assert_eq!(reference_hash(&line, EntryKind::Redemption, &reference), 0x4a0f_0b48_7243_7fa3);
    // The first byte of sha256sum of the member, modulo 64.
    for (member, expected) in [("M1", 45), ("M2", 8), ("M7", 0)] {
        assert_eq!(shard(&MemberId::parse(member).unwrap()), expected, "{member}");
    }
}
