//! The chart of accounts.

use super::check::{Check, unprintable};
use super::read::{self, tables};
use crate::units::limits::{ACCOUNT_CODE_MAX, ACCOUNT_NAME_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use toml::Spanned;

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
    fn set(&mut self, account: Account, name: AccountName) {
        self.0.insert(account, name);
    }

    /// `(code, name)`.
    pub fn of(&self, account: Account) -> (&str, &str) {
        self.0.get(&account).map_or_else(|| account.default_name(), |name| (&name.code, &name.name))
    }
}

tables! {
    AccountFile {
        /// The account's code in the chart.
        code: String = required(String::new()),
        /// Its name.
        name: String = required(String::new()),
    }
}

/// By what each account is for.
pub type AccountsFile = BTreeMap<Account, Spanned<AccountFile>>;

/// Reads a table with one table for each account that has another name than usual.
pub fn read(fields: &mut read::Fields<'_>, name: &'static str, notes: &mut read::Notes) -> AccountsFile {
    let words = Account::ALL.map(Account::word);
    let tables = fields.named_tables(name, &words, notes);
    Account::ALL.into_iter().zip(tables).filter_map(|(account, table)| Some((account, table?))).collect()
}

pub fn check(accounts: AccountsFile, check: &mut Check) -> Accounts {
    let mut chart = Accounts::default();
    for (account, spanned) in accounts {
        let place = check.place_of(format!("accounts.{}", account.word()), &spanned);
        let AccountFile { code, name } = spanned.into_inner();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        if code.is_empty() || code.len() > ACCOUNT_CODE_MAX || !code.bytes().all(allowed) {
            check.refuse(&place, "code", format!("must be 1 to {ACCOUNT_CODE_MAX} letters, digits, dots or hyphens"));
        } else if code.starts_with('-') {
            check.refuse(&place, "code", "must not begin with a hyphen: a spreadsheet would take it for a formula");
        }
        let printable = name.trim() == name && !name.chars().any(unprintable);
        if name.is_empty() || name.chars().count() > ACCOUNT_NAME_MAX || !printable {
            check.refuse(&place, "name", format!("must be 1 to {ACCOUNT_NAME_MAX} characters"));
        }
        chart.set(account, AccountName { code, name });
    }
    chart
}
