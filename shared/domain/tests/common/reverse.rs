//! Reversals of any kind.

use chrono::NaiveDate;
use interline_domain::events::{Action, EntryKind, GiveBack, Origin, Refund, Revocation};
use interline_domain::units::id::Reference;
use interline_domain::units::money::{Money, Points};

/// What takes back an event of a kind: a sale by its amount, the others by points.
pub fn reverse(
    kind: EntryKind,
    reference: Reference,
    on: Option<NaiveDate>,
    amount: Option<Money>,
    points: Option<Points>,
) -> Action {
    let origin = Origin { kind, reference, on };
    match kind {
        EntryKind::Accrual => Action::Refund(Refund::of(origin, amount)),
        EntryKind::Redemption => Action::GiveBack(GiveBack { origin, points }),
        EntryKind::Adjustment => Action::Revocation(Revocation { origin, points }),
        EntryKind::Reversal => panic!("a reversal is not reversed"),
    }
}
