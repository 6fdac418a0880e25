//! The reports' words in Chinese and English.

use crate::about::About;
use interline_domain::close::checks::CheckId;
use interline_domain::close::settlement::RateBasis;
use interline_domain::terms::rulebook::Account;
use std::borrow::Cow;

/// One text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    pub zh: Cow<'static, str>,
    pub en: Cow<'static, str>,
}

pub const fn words(zh: &'static str, en: &'static str) -> Words {
    Words { zh: Cow::Borrowed(zh), en: Cow::Borrowed(en) }
}

pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A check of the close.
pub fn check_words(check: CheckId) -> Words {
    Words { zh: Cow::Borrowed(check.row().zh), en: Cow::Owned(capitalised(check.name())) }
}

/// What a redemption rate rests on.
pub fn basis_words(basis: &RateBasis) -> Words {
    match basis {
        RateBasis::Experience => words("经验数据", "experience"),
        RateBasis::Initial => words("初始估计", "initial"),
        RateBasis::Expired => words("已到期", "expired"),
        RateBasis::Remote => words("极小可能法", "remote"),
        RateBasis::Manual { .. } => words("人工设定", "manual"),
    }
}

/// Words that stand in files, as people read them.
const VALUES: &[(&str, &str, &str)] = &[
    ("*", "合计", "Total"),
    ("yes", "是", "Yes"),
    ("no", "否", "No"),
    ("none", "无", "None"),
    ("pays", "付款", "Pays"),
    ("receives", "收款", "Receives"),
    ("in", "付入", "In"),
    ("out", "付出", "Out"),
    ("ordered", "已生成指令", "Ordered"),
    ("same-account", "同一账户", "Same account"),
    ("lacking", "资料不全", "Lacking"),
    ("failure", "须通过", "Failure"),
    ("warning", "提示", "Warning"),
    ("sale", "销售发放", "Sale"),
    ("sponsored", "代发", "Sponsored"),
    ("grant", "赠送", "Grant"),
    ("experience", "经验数据", "Experience"),
    ("initial", "初始估计", "Initial"),
    ("expired", "已到期", "Expired"),
    ("remote", "极小可能法", "Remote"),
    ("manual", "人工设定", "Manual"),
    ("catch-up", "累计追溯法", "Catch-up"),
    ("position", "往来", "Position"),
    ("turnover", "内部收支", "Turnover"),
    ("reclass", "重分类", "Reclass"),
    ("sponsored", "赞助积分销售", "Sponsored sales"),
    ("sponsored-used", "赞助积分已用", "Sponsored points used"),
    ("blue", "蓝字发票", "Blue"),
    ("red", "红字发票", "Red"),
    ("receipt", "收据", "Receipt"),
    ("redemption", "积分兑换", "Redemption"),
    ("platform-fee", "平台服务费", "Platform fee"),
    ("share", "业态分成", "Share of another line"),
    ("repayment", "代偿欠分", "Repayment"),
    ("third-party-consideration", "第三方支付对价", "Third-party consideration"),
    ("marketing-service", "营销服务", "Marketing service"),
    ("roll-forward", "变动表", "Roll-forward"),
    ("revenue-from-opening", "期初余额确认的收入", "Revenue from the opening balance"),
    ("maturity", "到期分布", "Maturity"),
    ("sensitivity", "敏感性分析", "Sensitivity"),
    ("estimate", "估计与参数", "Estimate"),
    ("contract-liability", "合同负债", "Contract liability"),
    ("provision", "预计负债", "Provision"),
    ("month", "本月", "Month"),
    ("year-to-date", "本年累计", "Year to date"),
    ("month-year-before", "上年同月", "Month of the year before"),
    ("year-to-date-before", "上年同期累计", "Same months of the year before"),
    ("points", "分", "Points"),
    ("rate", "比率", "Rate"),
    ("months", "个月", "Months"),
];

/// Of a word that has none, the word itself.
pub fn value_words(code: &'static str) -> Words {
    VALUES.iter().find(|row| row.0 == code).map_or_else(|| words(code, code), |row| words(row.1, row.2))
}

/// What an account is for.
pub fn role_words(about: &About<'_>, role: Account) -> Words {
    let en = capitalised(&role.word().replace('_', " "));
    Words { zh: Cow::Owned(about.rulebook.accounts.of(role).full_name()), en: Cow::Owned(en) }
}
