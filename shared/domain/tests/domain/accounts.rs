//! The names under which accounts are stored.

use interline_domain::units::id::MemberId;
use interline_domain::units::shard::Shards;

/// It is stored: another value would lose what was stored before.
#[test]
fn a_member_keeps_its_shard() {
    // The first two bytes of sha256sum of the member, the first one the low one.
    for (member, of_64, of_1000) in [("M1", 45, 493), ("M2", 8, 384), ("M7", 0, 584)] {
        let member = MemberId::parse(member).unwrap();
        let number = |shards| Shards::new(shards).unwrap().of(&member).number();
        assert_eq!((number(64), number(1_000)), (of_64, of_1000), "{member}");
    }
}
