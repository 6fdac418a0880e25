//! The rules of the programme. Everything here is a pure function of its
//! arguments: no I/O, no clock, no randomness, no environment.
//!
//! A handler reads an account, asks for a plan ([`events::plan`]) and commits it.
//! The month-end folds sealed shards ([`close::tally::Fold`]), merges the tallies and
//! settles them ([`close::settle::settle`]). From rulebook to settlement:
//!
//! ```
//! use interline_domain::claims::account::Account;
//! use interline_domain::close::settle::settle;
//! use interline_domain::close::settlement::Inputs;
//! use interline_domain::close::tally::{Fold, SaleRates, TallyError};
//! use interline_domain::events::{Accrual, Action, Command, Head, Redemption, plan};
//! use interline_domain::terms::rulebook::Rulebook;
//! use interline_domain::units::id::{LineId, MemberId, Reference};
//! use interline_domain::units::money::{Money, Points};
//!
//! // The terms: a shop and an inn sell and redeem; ten yuan earn a point, which the shop pays
//! // the inn 0.80 for, of which headquarters gets 3 %.
//! let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/small.toml"));
//! let rulebook = Rulebook::parse(text)?;
//! let january = rulebook.first_period;
//!
//! // What lines report, and what is decided of it on the member's account.
//! let event = |line: &str, reference: &str, day: u32, action: Action| -> Result<Command, Box<dyn std::error::Error>> {
//!     let occurred_at = format!("2025-01-{day:02}T12:00:00+08:00").parse()?;
//!     let (line, member) = (LineId::parse(line)?, MemberId::parse("m-1")?);
//!     Ok(Command { head: Head { line, reference: Reference::parse(reference)?, member, occurred_at }, action })
//! };
//! let sale = event("shop", "S-1", 3, Action::Accrual(Accrual::of(Money::from_minor(100_000))))?;
//! let sold = plan(&rulebook, &Account::default(), &sale, january, None)?;
//! let stay = event("inn", "R-1", 9, Action::Redemption(Redemption::of(Points::new(60), None)))?;
//! let spent = plan(&rulebook, &sold.account, &stay, january, None)?;
//! assert_eq!(spent.account.balance(rulebook.day(stay.occurred()))?, Points::new(40));
//!
//! // What an entry means: the shop's points went to the inn, and the shop owes 48.00 for them.
//! let owed = spent.entry.owed(&rulebook)?;
//! assert_eq!((owed[0].cohort.scheme.as_str(), owed[0].amount), ("shop", Money::from_minor(4_800)));
//!
//! // The month-end: entries are folded shard by shard, and the sums settled. No close before says
//! // what is expected of points, so the rulebook's initial rate holds.
//! let rates = SaleRates::default();
//! let mut fold = Fold::new(&rulebook, &rates, january, rulebook.shards(january).of(&stay.head.member));
//! for entry in [&sold.entry, &spent.entry] {
//!     fold.add(entry, |_row| Ok::<(), TallyError>(()))?;
//! }
//! let tally = fold.finish();
//! let inputs = Inputs { rulebook: &rulebook, period: january, tally: &tally, shards: &[], sealed: None, previous: None };
//! let settlement = settle(&inputs)?;
//! let cny = rulebook.currency;
//! let nets: Vec<String> = settlement.positions.iter().map(|row| format!("{} {}", row.line, cny.show(row.net))).collect();
//! assert_eq!(nets, ["hq 1.44", "inn 46.56", "shop -48.00"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(clippy::wildcard_enum_match_arm, reason = "what is new in an enum must be thought of everywhere")]

/// Which calculation this program carries out. It is raised by whatever changes a
/// figure that an earlier one would have computed.
pub const CALCULATION_EDITION: u32 = 2;

// From the ground up: each may use those before it, and none behind.
pub mod units;

pub mod claims;

pub mod actuarial;

pub mod terms;

pub mod legs;

pub mod events;

pub mod close;
