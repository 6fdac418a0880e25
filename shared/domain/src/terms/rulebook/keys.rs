//! What the rules of the sections are looked up by.

use super::table::Key;
use crate::units::id::{LineId, SchemeId};
use std::iter;

/// The programme as a whole.
pub struct Everywhere;

impl Key for Everywhere {
    type Pattern = ();

    fn patterns(&self) -> impl Iterator<Item = ()> {
        iter::once(())
    }
}

/// A line; no rule is for every line.
pub struct OfLine<'a>(pub &'a LineId);

impl Key for OfLine<'_> {
    type Pattern = LineId;

    fn patterns(&self) -> impl Iterator<Item = LineId> {
        iter::once(self.0.clone())
    }
}

/// Whose claims; `None` in a pattern stands for every other scheme.
pub struct OfScheme<'a>(pub &'a SchemeId);

impl Key for OfScheme<'_> {
    type Pattern = Option<SchemeId>;

    fn patterns(&self) -> impl Iterator<Item = Option<SchemeId>> {
        [Some(self.0.clone()), None].into_iter()
    }
}

/// Whose claims were honoured by whom; `None` in a pattern stands for every other. The pair
/// goes before the scheme, the scheme before the redeeming line.
pub struct OfPair<'a> {
    pub scheme: &'a SchemeId,
    pub redeemer: &'a LineId,
}

impl Key for OfPair<'_> {
    type Pattern = (Option<SchemeId>, Option<LineId>);

    fn patterns(&self) -> impl Iterator<Item = Self::Pattern> {
        [(true, true), (true, false), (false, true), (false, false)]
            .into_iter()
            .map(|(scheme, redeemer)| (scheme.then(|| self.scheme.clone()), redeemer.then(|| self.redeemer.clone())))
    }
}
