//! What happens in the programme. Each kind of event is one file: what its caller
//! says, what is decided, why it is refused, and what it means to everything behind
//! the ledger. At the end of this file are the only lists: of the words by which callers
//! name what happened, and of the kinds behind them.

mod accrual;
mod canonical;
mod decide;
pub mod earned;
mod entry;
mod field;
mod give_back;
mod grant;
mod issue;
mod kind;
pub mod quote;
mod redemption;
mod refund;
mod refusal;
mod revocation;
mod stored;
mod taxes;
mod withdrawal;
mod word;

pub use accrual::{Accrual, points_of_sale};
pub use canonical::Canonical;
pub use decide::{Plan, check, plan};
pub use entry::{Command, Entry, Head};
pub use field::{AMOUNT, BILL, Field, Fields, Form, Origin, POINTS, REVERSES, Said, TAXES};
pub use give_back::{GiveBack, Returned};
pub use grant::Grant;
pub use issue::Issue;
pub use kind::{At, Balances, Did, Kind, Reversed, Reversible, Show, Target};
pub use redemption::{Bill, Redemption, Spent, redemption_cap};
pub use refund::{Refund, Refunded, RefundedTaxes};
pub use refusal::{RULES, Refusal, Row, Rule};
pub use revocation::Revocation;
pub use stored::{Broken, Load, Store, amounts, by_slice};
pub use taxes::{Taxes, TaxesError};
pub use withdrawal::{Original, Withdrawal};

use crate::claims::account::Account;
use crate::legs::{ControlKind, Legs, Paid, RatingError};
use crate::terms::rulebook::Rulebook;
use crate::units::calendar::Period;
use crate::units::money::{Money, OutOfRange, Points};
use chrono::{DateTime, Utc};

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// What a caller asks for.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Action {
            $($kind($kind),)*
        }

        /// What was asked for and what was decided.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $($kind(Did<$kind>),)*
        }

        impl Action {
            /// Reads what is asked: of several kinds behind one word, the one that takes back
            /// what `from` names.
            pub fn read<F: Fields>(kind: EntryKind, from: &F) -> Result<Self, F::Error> {
                let of = if kind == EntryKind::Reversal { Some(from.required(&REVERSES, F::origin)?.kind) } else { None };
                $(if $kind::WORD == kind && $kind::REVERSES == of {
                    return $kind::read(from).map(Action::$kind);
                })*
                Err(from.refused(Refusal::NotReversible(of.unwrap_or(kind))))
            }

            pub fn kind(&self) -> EntryKind {
                match self {
                    $(Action::$kind(_) => $kind::WORD,)*
                }
            }

            /// Tells every field.
            pub fn say(&self, said: &mut dyn Said) {
                match self {
                    $(Action::$kind(asked) => asked.say(said),)*
                }
            }

            /// What is taken back.
            pub fn origin(&self) -> Option<&Origin> {
                match self {
                    $(Action::$kind(asked) => asked.origin(),)*
                }
            }

            fn decide(&self, at: &At<'_>, account: &mut Account) -> Result<(Event, Option<Reversed>), Refusal> {
                match self {
                    $(Action::$kind(asked) => {
                        let (fact, reversed) = asked.decide(at, account)?;
                        Ok((Event::$kind(Did { asked: asked.clone(), fact }), reversed))
                    })*
                }
            }
        }

        impl Event {
            pub fn kind(&self) -> EntryKind {
                match self {
                    $(Event::$kind(_) => $kind::WORD,)*
                }
            }

            pub fn control(&self) -> ControlKind {
                match self {
                    $(Event::$kind(_) => $kind::CONTROL,)*
                }
            }

            pub fn say(&self, said: &mut dyn Said) {
                match self {
                    $(Event::$kind(did) => did.asked.say(said),)*
                }
            }

            pub fn origin(&self) -> Option<&Origin> {
                match self {
                    $(Event::$kind(did) => did.asked.origin(),)*
                }
            }

            /// What was asked for.
            pub fn action(&self) -> Action {
                match self {
                    $(Event::$kind(did) => Action::$kind(did.asked.clone()),)*
                }
            }

            /// Points issued, redeemed, given back or withdrawn; what was gone already is not.
            pub fn points(&self) -> Result<Points, OutOfRange> {
                match self {
                    $(Event::$kind(did) => $kind::points(did),)*
                }
            }

            /// The amount sold or refunded.
            pub fn consideration(&self) -> Money {
                match self {
                    $(Event::$kind(did) => $kind::consideration(did),)*
                }
            }

            /// That amount by tax code, if it has any.
            pub fn taxes(&self) -> Option<&Taxes> {
                match self {
                    $(Event::$kind(did) => $kind::taxes(did),)*
                }
            }

            /// What points paid of a bill.
            pub fn paid(&self) -> Option<Paid> {
                match self {
                    $(Event::$kind(did) => $kind::paid(did),)*
                }
            }

            /// When what it is about was sold.
            pub fn sold_at(&self, head: &Head) -> DateTime<Utc> {
                match self {
                    $(Event::$kind(did) => $kind::sold_at(did, head),)*
                }
            }

            /// The text of what was decided, in the entry's digest.
            fn write_canonical(&self, text: &mut Canonical) {
                match self {
                    $(Event::$kind(did) => $kind::write_canonical(&did.fact, text),)*
                }
            }

            /// What it means to everything behind the ledger, by the rulebook in force when
            /// it happened.
            pub fn legs<'a>(
                &'a self,
                head: &'a Head,
                rulebook: &'a Rulebook,
                legs: &mut Legs<'_, 'a>,
            ) -> Result<(), RatingError> {
                match self {
                    $(Event::$kind(did) => $kind::legs(did, head, rulebook, legs),)*
                }
            }

            /// How it moved its member's lots and debts.
            pub fn moves(&self, balances: &mut dyn Balances) -> Result<(), OutOfRange> {
                match self {
                    $(Event::$kind(did) => $kind::moves(&did.fact, balances),)*
                }
            }

            /// What it left on the account beside lots and debts.
            pub fn recount(
                &self,
                head: &Head,
                booked: Period,
                rulebook: &Rulebook,
                account: &mut Account,
            ) -> Result<(), OutOfRange> {
                match self {
                    $(Event::$kind(did) => $kind::recount(did, head, booked, rulebook, account),)*
                }
            }

            /// What was decided, as its caller is told.
            pub fn show(&self, to: &mut dyn Show) -> Result<(), OutOfRange> {
                match self {
                    $(Event::$kind(did) => $kind::show(&did.fact, to),)*
                }
            }

            /// What can be taken back of it; a reversal is not reversed itself.
            pub fn reversible(&self) -> Option<Reversible<'_>> {
                match self {
                    $(Event::$kind(did) => $kind::reversible(did),)*
                }
            }

            pub fn store(&self, to: &mut dyn Store) {
                match self {
                    $(Event::$kind(did) => $kind::store(&did.fact, to),)*
                }
            }

            /// Reads what was stored of an entry.
            pub fn load<L: Load>(action: Action, from: &L) -> Result<Self, Broken> {
                match action {
                    $(Action::$kind(asked) => {
                        let fact = $kind::load(from)?;
                        Ok(Event::$kind(Did { asked, fact }))
                    })*
                }
            }

            /// The names of all that is stored of what was decided.
            pub fn stored_names() -> impl Iterator<Item = &'static str> {
                [$($kind::STORED,)*].into_iter().flatten().copied()
            }
        }

        /// The fields of every kind behind a word, each once.
        pub fn fields_of(kind: EntryKind) -> Vec<&'static Field> {
            let mut fields: Vec<&'static Field> = Vec::new();
            $(if $kind::WORD == kind {
                for field in $kind::FIELDS {
                    if !fields.contains(&field) {
                        fields.push(field);
                    }
                }
            })*
            fields
        }
    };
}

word::words! {
    Accrual "accrual" "a",
    Redemption "redemption" "r",
    /// Of a sale, of points spent, or of points given: three kinds.
    Reversal "reversal" "v",
    Adjustment "adjustment" "j",
}

kinds!(Accrual, Redemption, Refund, GiveBack, Revocation, Grant);
