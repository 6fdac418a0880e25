//! The unified social credit code of a Chinese legal entity (统一社会信用代码), by GB 32100.

/// The letters that a code has, by their values; I, O, S, V and Z look like digits.
const LETTERS: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
const CODE_LENGTH: usize = 18;
/// Of an id from before 2015: the region and the code of the organisation.
const OLD_LENGTH: usize = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaxId {
    /// With the right check digit.
    Unified,
    /// It has no check digit that could be tried on all of it.
    Old,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotATaxId {
    #[error("must be a unified social credit code of 18 digits and capitals without I, O, S, V and Z")]
    Form,
    #[error("its last place must be {0}, the check digit of GB 32100")]
    CheckDigit(char),
}

impl TaxId {
    pub fn parse(text: &str) -> Result<Self, NotATaxId> {
        let old = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        if text.len() == OLD_LENGTH && text.bytes().all(old) {
            return Ok(TaxId::Old);
        }
        let values: Option<Vec<usize>> = text.chars().map(|letter| LETTERS.find(letter)).collect();
        let values = values.filter(|values| values.len() == CODE_LENGTH).ok_or(NotATaxId::Form)?;
        let (body, last) = values.split_at(CODE_LENGTH - 1);
        // Every place weighs three times as much as the one before.
        let weighted =
            body.iter().fold((0, 1), |(sum, weight), value| (sum + value * weight, weight * 3 % LETTERS.len()));
        let check = (LETTERS.len() - weighted.0 % LETTERS.len()) % LETTERS.len();
        match last == [check] {
            true => Ok(TaxId::Unified),
            false => Err(NotATaxId::CheckDigit(LETTERS.chars().nth(check).unwrap_or('0'))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_of_a_unified_code_is_tried_and_named() {
        for code in ["91350100M000100Y43", "91440300708461136T", "91310000MA1K35XX04"] {
            assert_eq!(TaxId::parse(code), Ok(TaxId::Unified), "{code}");
        }
        assert_eq!(TaxId::parse("91310000MA1K35XX0X"), Err(NotATaxId::CheckDigit('4')));
        assert_eq!(TaxId::parse("19350100M000100Y43"), Err(NotATaxId::CheckDigit('J')));
        for code in ["", "91350100M000100Y4", "91350100I000100Y43", "91350100m000100Y43", "９1350100M000100Y43"] {
            assert_eq!(TaxId::parse(code), Err(NotATaxId::Form), "{code}");
        }
    }

    #[test]
    fn an_id_from_before_the_unified_code_is_known_as_one() {
        assert_eq!(TaxId::parse("310101123456789"), Ok(TaxId::Old));
        assert_eq!(TaxId::parse("31010112345678"), Err(NotATaxId::Form));
    }
}
