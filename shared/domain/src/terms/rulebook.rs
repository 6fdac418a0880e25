//! The rulebook: the programme's effective-dated commercial terms.
//!
//! Three rates are kept apart: the *earn rate* (points per currency unit of a
//! sale), the *burn value* (what a member gets for a point) and the *settlement
//! price* (what the funder pays the redeeming line for a point).
//!
//! What may stand in it is said by the program itself in [`reference()`], and is this:
#![doc = include_str!("rulebook/REFERENCE.md")]

mod accounts;
mod awards;
mod bank;
mod books;
mod burn;
mod changes;
mod check;
mod control;
mod earn;
mod expiry;
mod forecast;
mod keys;
mod liability;
mod lines;
mod overrides;
mod payments;
mod prices;
mod programme;
mod read;
mod reference;
mod schemes;
mod section;
mod shards;
mod splits;
mod table;
mod tax_codes;
mod tolerance;
mod urr;
mod vat;

pub use accounts::{Account, AccountName, Accounts, Dimension, Side};
pub use awards::Awarded;
pub use books::{BooksTerms, Cash, InputVat, Sales};
pub use burn::BurnRule;
pub use changes::{Change, Differences, Undated};
pub use control::{ControlTerms, NetOfPoints};
pub use earn::EarnRule;
pub use liability::{LiabilityTerms, Method};
pub use payments::{PaymentDays, PaymentFiles, PaymentTerms};
pub use reference::reference;
pub use schemes::{Accounting, SchemeTerms, Unit};
pub use tax_codes::TaxCodeTerms;
pub use tolerance::Tolerances;

pub use vat::{Product, VatRule, VatTreatment};

use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::id::{LineId, SchemeId};
use crate::units::limits::{LINES_MAX, RULES_MAX};
use crate::units::money::Rate;
use crate::units::pseudonym::KeySource;
use changes::Comparison;
use check::{Check, Place};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use section::{Rules, Section};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// Every section of dated rules; each is one file, and one line here.
macro_rules! sections {
    ($($(#[doc = $doc:literal])* $field:ident: $section:ty = $how:ident;)*) => {
        /// The dated rules, by section.
        #[derive(Debug, Clone, Default)]
        struct Sections {
            $($(#[doc = $doc])* $field: Rules<$section>,)*
        }

        /// They as they are written.
        struct SectionFiles {
            $($field: Vec<Spanned<<$section as Section>::File>>,)*
        }

        impl SectionFiles {
            const NAMES: &'static [&'static str] = &[$(<$section>::NAME),*];

            fn read(fields: &mut read::Fields<'_>, notes: &mut read::Notes) -> Self {
                Self { $($field: fields.$how(<$section>::NAME, notes),)* }
            }

            /// How many rules there are.
            fn count(&self) -> usize {
                [$(self.$field.len()),*].into_iter().sum()
            }

            fn check(self, check: &mut Check) -> Sections {
                Sections { $($field: section::rules::<$section>(self.$field, check),)* }
            }
        }

        impl Rulebook {
            fn audit(&self, check: &mut Check) {
                lines::audit(self, check);
                schemes::audit(self, check);
                $(<$section>::audit(self, check);)*
            }

            fn compare(comparison: &mut Comparison<'_>) {
                lines::compare(comparison);
                schemes::compare(comparison);
                $(<$section>::compare(comparison);)*
            }
        }

        /// Every section: name, what it is for, its fields.
        const SECTIONS: &[(&str, &str, &[read::Field])] =
            &[$((<$section>::NAME, <$section>::ABOUT, <<$section as Section>::File as read::Table>::FIELDS)),*];
    };
}

sections! {
    earn: earn::Earn = tables;
    awards: awards::Awards = tables;
    burn: burn::Burn = tables;
    prices: prices::Prices = tables;
    splits: splits::Splits = tables;
    expiry: expiry::Expiry = tables;
    liability: liability::Liability = tables;
    urr: urr::Urr = one_or_more;
    urr_override: overrides::Overrides = tables;
    vat: vat::Vat = tables;
    tax_codes: tax_codes::TaxCodes = tables;
    payments: payments::Payments = one_or_more;
    books: books::BooksSection = one_or_more;
    forecast: forecast::Forecast = one_or_more;
    tolerance: tolerance::Tolerance = one_or_more;
    control: control::Control = one_or_more;
    shards: shards::Shards = one_or_more;
}

/// How net positions are paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Netting {
    /// Each line pays to, or receives from, the platform line.
    Hub,
    /// Lines pay each other, with the fewest payments.
    Direct,
}

/// What a line is told by the API about other lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Disclosure {
    /// What concerns it, and sums.
    Totals,
    /// Whose points it took, and what each owes.
    Pairs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub id: LineId,
    pub name: String,
    pub name_zh: String,
    /// The legal entity that keeps the books; the Chinese name where none is given.
    pub entity: String,
    /// Of what follows, what is not given is empty. The account's holder; the entity where
    /// only that is given.
    pub legal_name: String,
    pub legal_name_en: String,
    pub tax_id: String,
    pub bank_name: String,
    /// The bank account that payments are made from and to.
    pub bank_account: String,
    pub cnaps: String,
    pub bic: String,
    /// By what accounting programs know it: its codes as customer and supplier in the others' books,
    /// as department and project in its own.
    pub aux: BTreeMap<Dimension, String>,
    /// It takes part from this day on, the whole programme long if it says nothing else.
    pub first_day: NaiveDate,
    /// It records nothing after this day; what it funded lives on.
    pub last_day: Option<NaiveDate>,
    /// Within what a reference of the line names one event, by the first day of each
    /// answer, earliest first; before the first it is for ever.
    pub reference_scopes: Vec<(NaiveDate, ReferenceScope)>,
}

impl Line {
    pub fn takes_part(&self, day: NaiveDate) -> bool {
        self.first_day <= day && self.last_day.is_none_or(|last| day <= last)
    }
}

/// Within what a reference names one event of a line and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReferenceScope {
    #[default]
    Line,
    /// The line's tills number anew with every month.
    Month,
    Day,
}

/// How a cross-line amount is shared. Shares sum to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitRule {
    pub rule: String,
    pub shares: Vec<(Beneficiary, Rate)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Beneficiary {
    /// Whichever line redeemed.
    Redeemer,
    Line(LineId),
    /// A line that the redeeming line pays: funders owe that one the whole.
    Charged(LineId),
}

impl Beneficiary {
    /// The line that has the share, unless it is the redeeming one itself.
    pub fn other_than(&self, redeemer: &LineId) -> Option<&LineId> {
        match self {
            Beneficiary::Redeemer => None,
            Beneficiary::Line(line) | Beneficiary::Charged(line) => Some(line).filter(|line| *line != redeemer),
        }
    }
}

impl fmt::Display for Beneficiary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Beneficiary::Redeemer => f.write_str("redeemer"),
            Beneficiary::Line(line) => line.fmt(f),
            Beneficiary::Charged(line) => write!(f, "redeemer>{line}"),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Rulebook {
    pub hash: String,
    pub name: String,
    pub currency: Currency,
    pub zone: Tz,
    pub first_period: Period,
    /// The line that runs the programme, takes its fee and is the clearing hub.
    pub platform: LineId,
    pub netting: Netting,
    /// What the API tells a line about others.
    pub disclose: Disclosure,
    /// A period may be sealed this long after its end.
    pub seal_after: TimeDelta,
    /// For how long after a lot's last day a refund can tell what was spent of it.
    pub refund_months: u32,
    /// What members' names in reports are made with, the same for the programme's life.
    pub pseudonym_key: KeySource,
    /// Whether a member's id may look like a phone number.
    pub allow_phone_members: bool,
    pub lines: Vec<Line>,
    /// Of the programme's own.
    schemes: BTreeMap<SchemeId, SchemeTerms>,
    pub accounts: Accounts,
    sections: Sections,
    /// What is accepted and should be otherwise in a new programme.
    pub warnings: Vec<RulebookError>,
    /// What was accepted once and is not any more.
    pub outdated: Vec<RulebookError>,
}

/// What is wrong with a rulebook, all of it at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RulebookErrors(pub Vec<RulebookError>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulebookError {
    /// Counted from one; zero when it concerns the file as a whole.
    pub line: usize,
    /// Such as `prices[2].price`.
    pub field: String,
    pub rule: String,
}

impl fmt::Display for RulebookErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join("\n"))
    }
}

impl fmt::Display for RulebookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "{}: {}", self.field, self.rule)
    }
}

impl Rulebook {
    /// Reads and checks a rulebook in TOML.
    pub fn parse(text: &str) -> Result<Self, RulebookErrors> {
        let known = [&["programme", "lines", schemes::NAME], SectionFiles::NAMES, &["accounts"]].concat();
        let (file, notes) = read::parse(text, &known, File::read)?;
        let hash = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut check = Check::new(notes);
        let rulebook = file.check(hash, &mut check);
        check.finish(rulebook)
    }

    /// Whether this rulebook may come into force after another. What the ledger
    /// was written by stays as it is for the life of the programme.
    pub fn check_follows(&self, before: &Rulebook) -> Result<(), RulebookErrors> {
        let same = |field: &str, old: &dyn fmt::Display, new: &dyn fmt::Display| {
            let (old, new) = (old.to_string(), new.to_string());
            let rule = format!("was {old} in the rulebook in force and cannot become {new}");
            (old != new).then(|| RulebookError { line: 0, field: field.to_owned(), rule })
        };
        let mut errors: Vec<RulebookError> = [
            same("currency", &before.currency, &self.currency),
            same("time_zone", &before.zone, &self.zone),
            same("first_period", &before.first_period, &self.first_period),
            same("platform", &before.platform, &self.platform),
            same("pseudonym_key", &before.pseudonym_key, &self.pseudonym_key),
        ]
        .into_iter()
        .flatten()
        .collect();
        let own = self.line_ids();
        errors.extend(before.lines.iter().filter(|line| !own.contains(&line.id)).map(|line| RulebookError {
            line: 0,
            field: "lines".to_owned(),
            rule: format!("{} is missing: a line that was in force may have points or obligations left", line.id),
        }));
        errors.extend(schemes::follows(before, self));
        if errors.is_empty() { Ok(()) } else { Err(RulebookErrors(errors)) }
    }

    /// The day of a moment by the programme's clocks.
    pub fn day(&self, moment: DateTime<Utc>) -> NaiveDate {
        moment.with_timezone(&self.zone).date_naive()
    }

    pub fn period(&self, moment: DateTime<Utc>) -> Period {
        Period::of(moment, self.zone)
    }

    /// The first moment at which a period may be sealed.
    pub fn seal_not_before(&self, period: Period) -> DateTime<Utc> {
        period.end(self.zone) + self.seal_after
    }
}

/// A rulebook as it is written.
struct File {
    programme: Spanned<programme::ProgrammeFile>,
    lines: Vec<Spanned<lines::LineFile>>,
    schemes: Vec<Spanned<schemes::SchemeFile>>,
    sections: SectionFiles,
    accounts: accounts::AccountsFile,
}

impl File {
    fn read(fields: &mut read::Fields<'_>, notes: &mut read::Notes) -> Self {
        Self {
            programme: fields.table("programme", notes),
            lines: fields.some_tables("lines", notes),
            schemes: fields.tables(schemes::NAME, notes),
            sections: SectionFiles::read(fields, notes),
            accounts: accounts::read(fields, "accounts", notes),
        }
    }

    fn check(self, hash: String, check: &mut Check) -> Option<Rulebook> {
        let rules = self.sections.count();
        if rules > RULES_MAX {
            check.refuse(&Place::whole("rulebook"), "", format!("has {rules} rules, the limit is {RULES_MAX}"));
        }
        let too_many = rules > RULES_MAX || self.lines.len() > LINES_MAX;
        let lines = lines::check(&self.lines, check);
        if too_many {
            // Every rule is compared with others; of so many that would not end.
            return None;
        }
        let place = check.place_of("programme".to_owned(), &self.programme);
        let programme = programme::check(self.programme.into_inner(), &place, check);
        check.set_schemes(schemes::ids(&self.schemes));
        let schemes = schemes::check(self.schemes, check);
        let sections = self.sections.check(check);
        let accounts = accounts::check(self.accounts, check);
        let rulebook = Rulebook { hash, lines, schemes, accounts, sections, ..programme? };
        rulebook.audit(check);
        Some(rulebook)
    }
}
