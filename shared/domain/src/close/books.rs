//! The books: what every legal entity has to post for a period.

use crate::terms::rulebook::Account;
use crate::units::id::LineId;
use crate::units::money::Money;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// What a voucher records. The order is the order of the vouchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BooksEvent {
    /// Sales that a line reported, shared between goods and points.
    Issue,
    /// Points given without a sale or sponsored on another line's sale.
    Grant,
    /// Points redeemed at the funder's own line.
    OwnRedemption,
    /// Points redeemed at another line, in the funder's books.
    OtherRedemption,
    /// The same in the redeeming line's books.
    ReceivableFromFunder,
    Expiry,
    ReEstimate,
    /// Refunded sales, and grants taken back.
    Reversal,
    /// Shares of a split that go to another than the redeeming line; in the
    /// books of both.
    PlatformFee,
    /// Payables and receivables between lines become one net position each.
    Netting,
    /// A net position paid; in the books of both.
    Payment,
}

impl BooksEvent {
    pub const ALL: [BooksEvent; 11] = [
        BooksEvent::Issue,
        BooksEvent::Grant,
        BooksEvent::OwnRedemption,
        BooksEvent::OtherRedemption,
        BooksEvent::ReceivableFromFunder,
        BooksEvent::Expiry,
        BooksEvent::ReEstimate,
        BooksEvent::Reversal,
        BooksEvent::PlatformFee,
        BooksEvent::Netting,
        BooksEvent::Payment,
    ];

    /// The word in files.
    pub const fn word(self) -> &'static str {
        match self {
            BooksEvent::Issue => "issue",
            BooksEvent::Grant => "grant",
            BooksEvent::OwnRedemption => "own-redemption",
            BooksEvent::OtherRedemption => "other-redemption",
            BooksEvent::ReceivableFromFunder => "receivable-from-funder",
            BooksEvent::Expiry => "expiry",
            BooksEvent::ReEstimate => "re-estimate",
            BooksEvent::Reversal => "reversal",
            BooksEvent::PlatformFee => "platform-fee",
            BooksEvent::Netting => "netting",
            BooksEvent::Payment => "payment",
        }
    }

    /// The word in a voucher's summary.
    pub const fn word_zh(self) -> &'static str {
        match self {
            BooksEvent::Issue => "销售及积分发行",
            BooksEvent::Grant => "赠送积分",
            BooksEvent::OwnRedemption => "本线积分兑换",
            BooksEvent::OtherRedemption => "他线积分兑换",
            BooksEvent::ReceivableFromFunder => "应收积分兑换款",
            BooksEvent::Expiry => "积分过期",
            BooksEvent::ReEstimate => "兑换率重估",
            BooksEvent::Reversal => "退货及积分收回",
            BooksEvent::PlatformFee => "平台服务费",
            BooksEvent::Netting => "往来轧差",
            BooksEvent::Payment => "清算资金划拨",
        }
    }
}

/// A balanced voucher of one legal entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// The line whose legal entity posts it.
    pub entity: LineId,
    /// Counted from one for each entity and period.
    pub number: u32,
    /// The last day of the period.
    pub date: NaiveDate,
    pub event: BooksEvent,
    /// At least two.
    pub lines: Vec<VoucherLine>,
}

/// One line of a voucher. Of debit and credit exactly one is not zero, and it
/// is positive: what would be negative stands on the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoucherLine {
    /// At most [`crate::units::limits::SUMMARY_MAX`] characters, in Chinese: period, event and counterparty.
    pub summary: String,
    /// What the account is for; its code and name are the rulebook's.
    pub role: Account,
    /// The account's code.
    pub account: String,
    pub account_name: String,
    /// In minor units.
    pub debit: Money,
    /// In minor units.
    pub credit: Money,
    /// The other line, for what consolidation eliminates.
    pub counterparty: Option<LineId>,
}
