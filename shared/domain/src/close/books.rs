//! The books: what every legal entity has to post for a period.
//!
//! [`BooksEvent`] is the table of what may be posted, [`Books`] the one place that posts it: whoever
//! knows an amount names entity, event and accounts, and never a side, a number or a sign. What
//! payments bring comes later and in vouchers of its own ([`cash_vouchers`]).

mod cash;
mod consolidation;
mod events;
mod posting;
mod sponsored;
mod trial;
mod voucher;

pub use cash::{Paid, cash_vouchers};
pub use consolidation::{Eliminates, Elimination, consolidation};
pub use events::{BooksEvent, EventRow};
pub use posting::{Books, BooksError, Posting};
pub use sponsored::SponsoredSums;
pub use trial::{TrialBalance, Turnover};
pub use voucher::{Voucher, VoucherLine, dimension_of};
