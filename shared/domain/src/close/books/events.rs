//! What may be posted: one row for each kind of voucher.

use crate::terms::rulebook::{Account, Side};
use serde::{Deserialize, Serialize};

/// What a kind of voucher is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRow {
    pub event: BooksEvent,
    /// In files.
    pub word: &'static str,
    /// In a voucher's summary.
    pub zh: &'static str,
    pub en: &'static str,
    /// What stands there where nothing is given back.
    pub debit: &'static [Account],
    pub credit: &'static [Account],
    /// Whether what is negative is given back, and so stands red on the side of what it reverses.
    pub is_given_back: bool,
}

impl EventRow {
    /// The side of an account in the ordinary course; none where the event has no such account.
    pub fn side(&self, account: Account) -> Option<Side> {
        if self.debit.contains(&account) {
            Some(Side::Debit)
        } else {
            self.credit.contains(&account).then_some(Side::Credit)
        }
    }
}

macro_rules! events {
    ($($(#[$attribute:meta])* $event:ident: $word:literal, $zh:literal, $en:literal,
        [$($debit:ident),*] -> [$($credit:ident),*], $given_back:literal;)*) => {
        /// What a voucher records. The order is the order of the vouchers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum BooksEvent {
            $($(#[$attribute])* $event,)*
        }

        const ROWS: &[EventRow] = &[$(EventRow {
            event: BooksEvent::$event,
            word: $word,
            zh: $zh,
            en: $en,
            debit: &[$(Account::$debit),*],
            credit: &[$(Account::$credit),*],
            is_given_back: $given_back,
        }),*];

        impl BooksEvent {
            pub const ALL: &'static [BooksEvent] = &[$(BooksEvent::$event),*];
        }
    };
}

events! {
    /// Sales that a line reported, at what was paid; refunds in the next row.
    Sale: "sale", "商品销售", "Sales", [Bank] -> [Revenue, OutputVat], true;
    SaleRefund: "sale-refund", "销售退货", "Refunds of sales", [Bank] -> [Revenue, OutputVat], true;
    /// What of the sales is for their points.
    #[serde(alias = "issue")]
    Deferral: "deferral", "积分递延", "Deferral of points", [] -> [Revenue, ContractLiability], true;
    /// The same of refunded sales.
    #[serde(alias = "reversal")]
    DeferralBack: "deferral-back", "退货冲回递延", "Deferral taken back", [] -> [Revenue, ContractLiability], true;
    /// Points of refunded sales that were spent: the revenue they brought goes back to the sale, and
    /// what other lines were paid for them is a loss until the member makes it good.
    ClawBack: "claw-back", "已用积分追偿", "Spent points clawed back",
        [ClawbackLoss, PointsRevenue, AgentRevenue, BreakageRevenue] -> [Revenue, MarketingExpense], false;
    /// Points redeemed at the funder's own line.
    OwnRedemption: "own-redemption", "本业态兑换", "Redeemed at the own line",
        [ContractLiability] -> [PointsRevenue], true;
    /// Points redeemed at another line, in the funder's books.
    OtherRedemption: "other-redemption", "他业态兑换", "Redeemed at other lines",
        [ContractLiability, InputVatPending, InputVat] -> [Payable, AgentRevenue], true;
    /// Points that will not be redeemed, earned with those that are.
    Breakage: "breakage", "积分失效收入", "Breakage", [ContractLiability] -> [BreakageRevenue], false;
    ReEstimate: "re-estimate", "兑换率重估", "Redemption rate re-estimated",
        [ContractLiability] -> [BreakageRevenue], false;
    Expiry: "expiry", "积分过期", "Expired points", [ContractLiability] -> [BreakageRevenue], false;
    /// What refunded or late sales change of the measure of the others.
    Remeasure: "remeasure", "合同负债重新计量", "Liability remeasured", [ContractLiability] -> [BreakageRevenue], false;
    /// Other lines' points redeemed, in the redeeming line's books.
    #[serde(alias = "receivable-from-funder")]
    Receivable: "receivable", "应收兑换款", "Receivable from funders",
        [Receivable] -> [SettlementRevenue, OutputVat], true;
    /// Points given without a sale or sponsored on another line's sale.
    #[serde(alias = "grant")]
    Granted: "granted", "赠送积分", "Points given", [MarketingExpense] -> [Provision], true;
    GrantedUsed: "granted-used", "赠送积分使用", "Given points used",
        [Provision, InputVatPending, InputVat] -> [Payable, MarketingExpense], true;
    /// Given points that expired, or are expected otherwise.
    GrantedReleased: "granted-released", "赠送积分失效", "Given points not used",
        [Provision] -> [MarketingExpense], false;
    GrantedBack: "granted-back", "赠送积分收回", "Given points taken back",
        [MarketingExpense] -> [Provision], true;
    /// A member's debt repaid with another line's points, in the books of who is owed it.
    DebtRecovered: "debt-recovered", "追偿收回", "Debts repaid, creditor", [Receivable] -> [ClawbackLoss], true;
    /// The same in the books of the line whose points pay.
    DebtRepaid: "debt-repaid", "代偿会员欠分", "Debts repaid, debtor",
        [ContractLiability] -> [Payable, AgentRevenue], true;
    /// The platform's shares of splits; in the books of both.
    #[serde(alias = "platform-fee")]
    Fee: "fee", "平台服务费", "Platform fees",
        [FeeExpense, InputVatPending, InputVat, Receivable] -> [Payable, OtherRevenue, OutputVat], true;
    /// The same of third lines.
    Share: "share", "业态分成", "Shares of other lines",
        [ShareExpense, InputVatPending, InputVat, Receivable] -> [Payable, ShareRevenue, OutputVat], true;
    /// VAT on what a line gave for its own points.
    DeemedSale: "deemed-sale", "视同销售", "Deemed sales", [MarketingExpense] -> [OutputVat], true;
    /// Payables and receivables between lines become one net position each.
    Netting: "netting", "往来轧差", "Netting",
        [Payable, ClearingReceivable] -> [Receivable, ClearingPayable], false;
    /// A net position paid; in the books of both.
    Payment: "payment", "资金划拨", "Payments", [ClearingPayable, Bank] -> [ClearingReceivable], false;
}

impl BooksEvent {
    pub fn row(self) -> &'static EventRow {
        &ROWS[self as usize]
    }

    pub fn word(self) -> &'static str {
        self.row().word
    }

    pub fn word_zh(self) -> &'static str {
        self.row().zh
    }

    pub fn word_en(self) -> &'static str {
        self.row().en
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_event_is_found_by_its_own_row_word_and_former_word() {
        let words: BTreeSet<&str> = ROWS.iter().map(|row| row.word).collect();
        let zh: BTreeSet<&str> = ROWS.iter().map(|row| row.zh).collect();
        assert_eq!((words.len(), zh.len(), ROWS.len()), (ROWS.len(), ROWS.len(), BooksEvent::ALL.len()));
        for (row, event) in ROWS.iter().zip(BooksEvent::ALL) {
            assert_eq!((row.event, event.row()), (*event, row));
            assert_eq!(serde_json::to_string(event).unwrap(), format!("{:?}", row.word));
            assert!(row.en.is_ascii() && !row.zh.is_ascii(), "{row:?}");
            let accounts: BTreeSet<&Account> = row.debit.iter().chain(row.credit).collect();
            assert_eq!(accounts.len(), row.debit.len() + row.credit.len(), "an account has one side: {row:?}");
        }
        for (former, event) in [("issue", BooksEvent::Deferral), ("platform-fee", BooksEvent::Fee)] {
            assert_eq!(serde_json::from_str::<BooksEvent>(&format!("{former:?}")).unwrap(), event);
        }
    }
}
