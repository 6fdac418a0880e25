//! What a bank is told of a line.

use super::{Line, Rulebook};
use crate::units::bank::{BankAccount, latin};
use crate::units::currency::Currency;

/// Payments in it carry names as they are written in China.
pub const CNY: &str = "CNY";
/// In it, an IBAN of the Single Euro Payments Area says which bank it is at.
pub const EUR: &str = "EUR";

impl Line {
    /// The name of the account's holder, in letters that banks take for payments in the
    /// currency. Never the line's own name: a bank compares it with the account.
    pub fn holder(&self, currency: Currency) -> Option<String> {
        let given = |names: [&String; 2]| names.into_iter().find(|name| !name.is_empty()).cloned();
        match currency.code() {
            CNY => given([&self.legal_name, &self.legal_name_en]),
            _ => latin(&given([&self.legal_name_en, &self.legal_name])?),
        }
    }

    /// `None` where none is given, or no order can carry it as it is.
    pub fn account(&self) -> Option<BankAccount> {
        BankAccount::of(&self.bank_account)
    }

    /// Whether its bank is named otherwise than by the account.
    pub fn has_bank(&self) -> bool {
        !self.bic.is_empty() || !self.cnaps.is_empty()
    }
}

impl Rulebook {
    /// Whether an order between these accounts needs no bank's name.
    pub fn is_within_sepa(&self, accounts: &[Option<BankAccount>; 2]) -> bool {
        self.currency.code() == EUR && accounts.iter().all(|account| account.as_ref().is_some_and(BankAccount::is_sepa))
    }

    /// Whether it says of any month how payments are made.
    pub fn has_payments(&self) -> bool {
        !self.sections.payments.is_empty()
    }
}
