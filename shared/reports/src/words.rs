//! The reports' words in Chinese and English.

use interline_domain::close::checks::CheckId;
use interline_domain::close::settlement::RateBasis;
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
pub fn basis_words(basis: &RateBasis) -> Words {
    match basis {
        RateBasis::Experience => words("经验数据", "experience"),
        RateBasis::Initial => words("初始估计", "initial"),
        RateBasis::Expired => words("已到期", "expired"),
        RateBasis::Remote => words("极小可能法", "remote"),
        RateBasis::Manual { .. } => words("人工设定", "manual"),
    }
}
