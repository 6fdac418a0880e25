//! The names under which accounts are stored.

use interline_domain::claims::account::shard;
use interline_domain::units::id::MemberId;

/// It is stored: another value would lose what was stored before.
#[test]
fn a_member_keeps_its_shard() {
    // The first byte of sha256sum of the member, modulo 64.
    for (member, expected) in [("M1", 45), ("M2", 8), ("M7", 0)] {
        assert_eq!(shard(&MemberId::parse(member).unwrap()), expected, "{member}");
    }
}
