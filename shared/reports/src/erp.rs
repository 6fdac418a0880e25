//! Files for other programs: vouchers for accounting, payments for the bank.

pub mod kingdee;
pub mod pain;
pub mod yonyou;

/// The word for a general voucher in Chinese accounting programs.
const VOUCHER_WORD: &str = "记";
/// Who prepared the vouchers. Nobody has approved or posted them yet.
const PREPARED_BY: &str = "Interline";
