//! The tally: one shard of a period folded into sums of integers by key. Merging is
//! associative and commutative, so shards may come in any order.

mod bills;
mod fold;
mod rates;
mod sums;

pub use bills::GrossSales;
pub use fold::{Detail, Fold, TallyError};
pub use rates::{SaleRate, SaleRates};
pub use sums::{CostKey, DeemedKey, FlowKey, ObligationKey, SaleDays, SalesKey, SponsoredSales, Sum, Sums, Tally};

pub(crate) use sums::count;
