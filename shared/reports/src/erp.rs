//! Files for other programs: vouchers for accounting, payments for the bank.

pub mod kingdee;
pub mod pain;
pub mod yonyou;
