//! The chart of accounts: leaf accounts by what each is for.

use super::Rulebook;
use super::check::{Check, Place, unprintable};
use super::read::{self, tables};
use crate::units::limits::{ACCOUNT_CODE_MAX, ACCOUNT_NAME_MAX};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// A side of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    Debit,
    Credit,
}

/// A role's rows: its word, what the chart says of it where a rulebook says nothing, and its side.
macro_rules! roles {
    ($($(#[$attribute:meta])* $role:ident: $word:literal, $code:literal, $parent:literal, $name:literal, $side:ident;)*) => {
        /// What an account is for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Account {
            $($(#[$attribute])* $role,)*
        }

        impl Account {
            pub const ALL: &'static [Account] = &[$(Account::$role),*];

            /// The word in rulebooks and files.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Account::$role => $word,)*
                }
            }

            /// Code, names of the accounts above it, and its own name, after the chart of accounts
            /// of the Chinese Accounting Standards.
            const fn in_chart(self) -> (&'static str, &'static str, &'static str) {
                match self {
                    $(Account::$role => ($code, $parent, $name),)*
                }
            }

            /// The side on which profit, loss and tax always stand, so that the account's turnover
            /// is right; none of what stands where it is positive.
            pub const fn natural_side(self) -> Option<Side> {
                match self {
                    $(Account::$role => side!($side),)*
                }
            }
        }
    };
}

macro_rules! side {
    (balance) => {
        None
    };
    (debit) => {
        Some(Side::Debit)
    };
    (credit) => {
        Some(Side::Credit)
    };
}

roles! {
    Bank: "bank", "100201", "银行存款", "清算户", balance;
    /// From other lines.
    Receivable: "receivable", "122101", "其他应收款", "积分清算", balance;
    /// The net of a month, to be received.
    #[serde(alias = "clearing")]
    ClearingReceivable: "clearing_receivable", "122102", "其他应收款", "清算中心", balance;
    ContractLiability: "contract_liability", "220501", "合同负债", "积分", balance;
    /// To other lines.
    Payable: "payable", "224101", "其他应付款", "积分清算", balance;
    /// The net of a month, to be paid.
    ClearingPayable: "clearing_payable", "224102", "其他应付款", "清算中心", balance;
    /// For points given without a sale.
    Provision: "provision", "280101", "预计负债", "赠送积分", balance;
    OutputVat: "output_vat", "22210107", "应交税费-应交增值税", "销项税额", credit;
    InputVat: "input_vat", "22210101", "应交税费-应交增值税", "进项税额", debit;
    /// Until the invoice is certified.
    InputVatPending: "input_vat_pending", "222105", "应交税费", "待认证进项税额", debit;
    /// Of goods: what sales bring in, less what is deferred for their points.
    Revenue: "revenue", "600101", "主营业务收入", "商品销售", credit;
    /// Of the line's own points redeemed at the line itself.
    PointsRevenue: "points_revenue", "600102", "主营业务收入", "积分兑换", credit;
    /// What is left of a release once the redeeming line is paid.
    AgentRevenue: "agent_revenue", "600103", "主营业务收入", "积分代理净额", credit;
    /// Of points that will not be redeemed.
    BreakageRevenue: "breakage_revenue", "600104", "主营业务收入", "积分失效", credit;
    /// What other lines' points pay for.
    SettlementRevenue: "settlement_revenue", "600105", "主营业务收入", "积分结算", credit;
    /// Platform fees received.
    OtherRevenue: "other_revenue", "605101", "其他业务收入", "平台服务费", credit;
    /// Third lines' shares received.
    ShareRevenue: "share_revenue", "605102", "其他业务收入", "业态分成", credit;
    /// Points given without a sale.
    MarketingExpense: "marketing_expense", "660101", "销售费用", "业务宣传费-积分", debit;
    /// Platform fees paid.
    #[serde(alias = "selling_expense")]
    FeeExpense: "fee_expense", "660102", "销售费用", "平台服务费", debit;
    /// Third lines' shares paid.
    ShareExpense: "share_expense", "660104", "销售费用", "业态分成", debit;
    /// What was paid to other lines for points of sales that were refunded, until the member
    /// makes it good.
    ClawbackLoss: "clawback_loss", "660103", "销售费用", "退款积分损失", debit;
}

/// Words of the first edition, with the roles that took their place.
const FORMER: [(&str, &[Account]); 2] = [
    ("clearing", &[Account::ClearingReceivable, Account::ClearingPayable]),
    ("selling_expense", &[Account::FeeExpense]),
];

/// Roles that have another's account where a rulebook names that one alone.
const ALIKE: [(Account, Account); 2] =
    [(Account::ShareRevenue, Account::OtherRevenue), (Account::ShareExpense, Account::FeeExpense)];

/// What an account keeps books of beside its balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    Customer,
    Supplier,
    Department,
    Project,
}

impl Dimension {
    pub const ALL: [Dimension; 4] =
        [Dimension::Customer, Dimension::Supplier, Dimension::Department, Dimension::Project];

    pub const fn word(self) -> &'static str {
        match self {
            Dimension::Customer => "customer",
            Dimension::Supplier => "supplier",
            Dimension::Department => "department",
            Dimension::Project => "project",
        }
    }

    /// As accounting programs call it.
    pub const fn word_zh(self) -> &'static str {
        match self {
            Dimension::Customer => "客户",
            Dimension::Supplier => "供应商",
            Dimension::Department => "部门",
            Dimension::Project => "项目",
        }
    }

    /// Whether it is the other line's code, and not that of the line which keeps the books.
    pub const fn is_of_counterparty(self) -> bool {
        match self {
            Dimension::Customer | Dimension::Supplier => true,
            Dimension::Department | Dimension::Project => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountName {
    pub code: String,
    /// The names of the accounts above it, joined; may be empty.
    pub parent: String,
    /// The leaf's own.
    pub name: String,
    /// What its lines must have a code for.
    pub aux: BTreeSet<Dimension>,
}

impl AccountName {
    fn in_chart(account: Account) -> Self {
        let (code, parent, name) = account.in_chart();
        Self { code: code.to_owned(), parent: parent.to_owned(), name: name.to_owned(), aux: BTreeSet::new() }
    }

    /// Its own name behind those of the accounts above it.
    pub fn full_name(&self) -> String {
        if self.parent.is_empty() { self.name.clone() } else { format!("{}-{}", self.parent, self.name) }
    }
}

/// The chart of accounts: every role has an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts(BTreeMap<Account, AccountName>);

impl Default for Accounts {
    fn default() -> Self {
        Self(Account::ALL.iter().map(|account| (*account, AccountName::in_chart(*account))).collect())
    }
}

impl Accounts {
    /// The account of a role.
    pub fn of(&self, account: Account) -> AccountName {
        self.0.get(&account).map_or_else(|| AccountName::in_chart(account), AccountName::clone)
    }
}

tables! {
    AccountFile {
        /// The account's code in the chart: that of a leaf.
        code: String = required(String::new()),
        /// Its own name, without those of the accounts above it.
        name: String = required(String::new()),
        /// The names of the accounts above it, joined with hyphens; without it the chart's where the code is one of
        /// the same first four digits.
        parent: Option<String> = optional(None),
        /// What its lines must have a code for: `customer` and `supplier` (the other line's code), `department` and
        /// `project` (the own). A month in which one is missing cannot be closed.
        aux: Vec<Dimension> = optional(Vec::new()),
    }
}

/// By their words in the file, those of the first edition first.
pub type AccountsFile = Vec<(&'static str, &'static [Account], Spanned<AccountFile>)>;

/// Words that a table of accounts may have, each with its roles.
fn words() -> Vec<(&'static str, &'static [Account])> {
    let own = Account::ALL.chunks(1).filter_map(|role| Some((role.first()?.word(), role)));
    FORMER.into_iter().chain(own).collect()
}

/// Reads a table with one table for each account that has another name than usual.
pub fn read(fields: &mut read::Fields<'_>, name: &'static str, notes: &mut read::Notes) -> AccountsFile {
    let known = words();
    let names: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
    let tables = fields.named_tables(name, &names, notes);
    known.into_iter().zip(tables).filter_map(|((word, roles), table)| Some((word, roles, table?))).collect()
}

pub fn check(accounts: AccountsFile, check: &mut Check) -> Accounts {
    let mut chart = Accounts::default();
    let mut places = BTreeMap::new();
    for (word, roles, spanned) in accounts {
        let place = check.place_of(format!("accounts.{word}"), &spanned);
        let file = spanned.into_inner();
        account(&file, &place, check);
        if roles.iter().any(|role| role.word() != word) {
            let now: Vec<String> = roles.iter().map(|role| format!("`{}`", role.word())).collect();
            check.warn(&place, "", format!("is called {} now", now.join(" and ")));
        }
        for role in roles {
            let AccountFile { code, name, parent, aux } = &file;
            let (usual, above, _) = role.in_chart();
            let is_there = usual.get(..4).is_some_and(|first| code.starts_with(first));
            let parent = parent.clone().unwrap_or_else(|| if is_there { above.to_owned() } else { String::new() });
            let aux = aux.iter().copied().collect();
            chart.0.insert(*role, AccountName { code: code.clone(), parent, name: name.clone(), aux });
            places.insert(*role, place.clone());
        }
    }
    for (role, like) in ALIKE {
        if !places.contains_key(&role) && places.contains_key(&like) {
            chart.0.insert(role, chart.of(like));
        }
    }
    leaves(&chart, &places, check);
    chart
}

fn account(file: &AccountFile, place: &Place, check: &mut Check) {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let code = &file.code;
    if code.is_empty() || code.len() > ACCOUNT_CODE_MAX || !code.bytes().all(allowed) {
        check.refuse(place, "code", format!("must be 1 to {ACCOUNT_CODE_MAX} letters, digits, dots or hyphens"));
    } else if code.starts_with('-') {
        check.refuse(place, "code", "must not begin with a hyphen: a spreadsheet would take it for a formula");
    }
    let fits = |text: &str| text.chars().count() <= ACCOUNT_NAME_MAX && !text.chars().any(unprintable);
    if file.name.is_empty() || file.name.trim() != file.name || !fits(&file.name) {
        check.refuse(place, "name", format!("must be 1 to {ACCOUNT_NAME_MAX} characters"));
    }
    if !file.parent.as_deref().is_none_or(fits) {
        check.refuse(place, "parent", format!("must be at most {ACCOUNT_NAME_MAX} characters"));
    }
}

/// Only leaves are posted to. Rulebooks of the first edition did otherwise by default, so one that
/// came into force stays readable; none comes into force any more.
fn leaves(chart: &Accounts, places: &BTreeMap<Account, Place>, check: &mut Check) {
    for (role, account) in chart.0.iter().filter(|(_, account)| !account.code.is_empty()) {
        let below =
            |(_, other): &(&Account, &AccountName)| other.code != account.code && other.code.starts_with(&account.code);
        if let Some((lower, leaf)) = chart.0.iter().find(below) {
            let rule = format!(
                "{} of {} is no leaf: {} of {} lies below it",
                account.code,
                role.word(),
                leaf.code,
                lower.word()
            );
            // One of the two is the file's: the chart's own are leaves.
            let place = places.get(role).or_else(|| places.get(lower)).cloned();
            check.refuse_if_new(&place.unwrap_or_else(|| Place::whole("accounts")), "code", rule);
        }
    }
}

impl Rulebook {
    /// What a rulebook that is in force may keep, and one that comes into force may not have.
    pub fn check_new(&self) -> Result<(), super::RulebookErrors> {
        if self.outdated.is_empty() { Ok(()) } else { Err(super::RulebookErrors(self.outdated.clone())) }
    }
}
