//! What everything else is said in: money, points, rates, months, moments, names, limits.

pub mod allocate;
pub mod bank;
pub mod calendar;
pub mod causes;
pub mod currency;
pub mod id;
pub mod limits;
pub mod micro;
pub mod moment;
pub mod money;
pub mod pseudonym;
pub mod scope;
pub mod shard;
pub mod tax_id;
