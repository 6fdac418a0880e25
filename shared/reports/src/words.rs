//! The reports' words in Chinese and English.

use interline_domain::actuarial::urr::Basis;
use interline_domain::close::checks::CheckId;
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

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A check of the close.
pub fn check_words(check: CheckId) -> Words {
    Words { zh: Cow::Borrowed(check.row().zh), en: Cow::Owned(capitalised(check.name())) }
}

/// What a redemption rate rests on.
pub fn basis_words(basis: &Basis) -> Words {
    match basis {
        Basis::NoExperience => words("无经验数据", "no experience"),
        Basis::Expired => words("已到期", "expired"),
        Basis::Additive => words("加法法", "additive"),
        Basis::BornhuetterFerguson => words("BF 法", "Bornhuetter-Ferguson"),
        Basis::ChainLadder => words("链梯法", "chain ladder"),
        Basis::CapeCod => words("Cape Cod 法", "Cape Cod"),
        Basis::Survival => words("存续法", "survival"),
        Basis::Remote => words("极小可能法", "remote"),
        Basis::Manual { .. } => words("人工设定", "manual"),
    }
}
