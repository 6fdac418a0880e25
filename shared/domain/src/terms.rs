//! The programme's terms: the rulebook, read, checked and looked up.

pub mod rulebook;
pub mod split;
pub mod vat;
