//! What the books need to know: liability, VAT and accounts.

use crate::actuarial::urr::ManualRate;
use crate::units::calendar::Period;
use crate::units::id::LineId;
use crate::units::money::Rate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a funder values its points. Amounts are net of VAT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiabilityTerms {
    /// The stand-alone selling price of a point that will be redeemed, in
    /// currency units net of VAT.
    pub face_value: Rate,
    /// The part of the points expected to be redeemed while no cohort has fully
    /// expired.
    pub initial_urr: Rate,
    pub method: Method,
    /// VAT on the line's sales.
    pub vat_rate: Rate,
    /// Whether the reported sales contain the VAT.
    pub tax_inclusive: bool,
}

/// How breakage becomes revenue (IFRS 15 B46).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// In proportion to the redemptions, by the estimated rate.
    CatchUp,
    /// Only once redemption is remote or the points have expired.
    Remote {
        /// From this age of a cohort on, in months, redemption is remote;
        /// `None`: only expiry ends it.
        after_months: Option<u32>,
    },
}

impl Method {
    pub const fn word(self) -> &'static str {
        match self {
            Method::CatchUp => "catch-up",
            Method::Remote { .. } => "remote",
        }
    }
}

/// A rate that a person sets for the cohorts of a funder and issue month.
pub type Overrides = BTreeMap<(LineId, Period), ManualRate>;

/// What one line supplies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    /// Goods or services that the funder's points paid for.
    Redemption,
    /// The platform's, or another line's, share of it.
    PlatformFee,
}

impl Product {
    pub const ALL: [Product; 2] = [Product::Redemption, Product::PlatformFee];

    pub const fn word(self) -> &'static str {
        match self {
            Product::Redemption => "redemption",
            Product::PlatformFee => "platform-fee",
        }
    }
}

/// Funder, redeeming line and product; `None` for every other.
pub(super) type VatKey = (Option<LineId>, Option<LineId>, Option<Product>);

/// How what the funder pays is taxed. Settlement amounts contain the VAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VatTreatment {
    /// Outside VAT.
    None,
    /// A third party's payment for the member's purchase: the payee owes output
    /// VAT, the member has the invoice and the funder deducts nothing.
    ThirdPartyConsideration,
    /// A discount on the member's invoice, and a marketing service to the
    /// funder: the payee owes output VAT, and the funder deducts it.
    MarketingService,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VatRule {
    pub treatment: VatTreatment,
    pub rate: Rate,
}

impl VatRule {
    pub const NONE: Self = Self { treatment: VatTreatment::None, rate: Rate::ZERO };
}

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    Bank,
    /// From other lines.
    Receivable,
    /// To other lines.
    Payable,
    /// Net positions between netting and payment.
    Clearing,
    ContractLiability,
    OutputVat,
    InputVat,
    Revenue,
    /// What is left of a release once the redeeming line is paid.
    AgentRevenue,
    /// Platform fees received.
    OtherRevenue,
    /// Platform fees paid.
    SellingExpense,
    /// Points given without a sale.
    MarketingExpense,
}

impl Account {
    pub const ALL: [Account; 12] = [
        Account::Bank,
        Account::Receivable,
        Account::Payable,
        Account::Clearing,
        Account::ContractLiability,
        Account::OutputVat,
        Account::InputVat,
        Account::Revenue,
        Account::AgentRevenue,
        Account::OtherRevenue,
        Account::SellingExpense,
        Account::MarketingExpense,
    ];

    /// The word in rulebooks and files.
    pub const fn word(self) -> &'static str {
        match self {
            Account::Bank => "bank",
            Account::Receivable => "receivable",
            Account::Payable => "payable",
            Account::Clearing => "clearing",
            Account::ContractLiability => "contract_liability",
            Account::OutputVat => "output_vat",
            Account::InputVat => "input_vat",
            Account::Revenue => "revenue",
            Account::AgentRevenue => "agent_revenue",
            Account::OtherRevenue => "other_revenue",
            Account::SellingExpense => "selling_expense",
            Account::MarketingExpense => "marketing_expense",
        }
    }

    /// Code and name in the chart of accounts of the Chinese Accounting
    /// Standards, with customary sub-accounts.
    const fn default_name(self) -> (&'static str, &'static str) {
        match self {
            Account::Bank => ("1002", "银行存款"),
            Account::Receivable => ("1122", "应收账款"),
            Account::Payable => ("2202", "应付账款"),
            Account::Clearing => ("3001", "清算资金往来"),
            Account::ContractLiability => ("2205", "合同负债"),
            Account::OutputVat => ("22210107", "应交税费-应交增值税-销项税额"),
            Account::InputVat => ("22210101", "应交税费-应交增值税-进项税额"),
            Account::Revenue => ("6001", "主营业务收入"),
            Account::AgentRevenue => ("600102", "主营业务收入-代理净额"),
            Account::OtherRevenue => ("6051", "其他业务收入"),
            Account::SellingExpense => ("660102", "销售费用-平台服务费"),
            Account::MarketingExpense => ("660101", "销售费用-业务宣传费"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountName {
    pub code: String,
    pub name: String,
}

/// The chart of accounts: every account has a code and a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts(BTreeMap<Account, AccountName>);

impl Default for Accounts {
    fn default() -> Self {
        let named = |account: Account| {
            let (code, name) = account.default_name();
            (account, AccountName { code: code.to_owned(), name: name.to_owned() })
        };
        Self(Account::ALL.into_iter().map(named).collect())
    }
}

impl Accounts {
    pub(super) fn set(&mut self, account: Account, name: AccountName) {
        self.0.insert(account, name);
    }

    /// `(code, name)`.
    pub fn of(&self, account: Account) -> (&str, &str) {
        self.0.get(&account).map_or_else(|| account.default_name(), |name| (&name.code, &name.name))
    }
}
