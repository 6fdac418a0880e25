//! What the group's accounts eliminate and reclassify of its entities' books.

use super::events::BooksEvent;
use super::sponsored::SponsoredSums;
use super::trial::TrialBalance;
use super::voucher::Voucher;
use crate::terms::rulebook::Account;
use crate::units::id::LineId;
use crate::units::money::{Money, OutOfRange};
use std::collections::BTreeSet;

/// Why a row is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Eliminates {
    /// What one owes the other.
    Position,
    /// What one earned of the other, without VAT that is no cost of the group's to itself.
    Turnover,
    /// The group is the principal of all its points: what its entities earned as agents, or of one
    /// another's points, is revenue of points.
    Reclass,
    /// Sales that issued points of a sponsor: the group shares their price with these, too, and provides for none.
    /// Since the first period, as are the rows of what runs off.
    Sponsored,
    /// What of that has been earned.
    SponsoredUsed,
}

impl Eliminates {
    pub const fn word(self) -> &'static str {
        match self {
            Eliminates::Position => "position",
            Eliminates::Turnover => "turnover",
            Eliminates::Reclass => "reclass",
            Eliminates::Sponsored => "sponsored",
            Eliminates::SponsoredUsed => "sponsored-used",
        }
    }
}

/// One entry of the consolidation on two accounts, of two entities or of one. Debits are positive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elimination {
    pub why: Eliminates,
    pub entity: LineId,
    pub role: Account,
    pub amount: Money,
    pub other: LineId,
    pub other_role: Account,
    pub other_amount: Money,
}

impl Elimination {
    /// Zero if the books of the two say the same.
    pub fn sum(&self) -> Result<Money, OutOfRange> {
        self.amount.plus(self.other_amount)
    }
}

/// What is owed, and to be eliminated against each other.
const POSITIONS: [(Account, Account); 2] =
    [(Account::Payable, Account::Receivable), (Account::ClearingPayable, Account::ClearingReceivable)];
/// By what one entity earns of another, and where the two post it.
const TURNOVER: [(BooksEvent, Account, Account); 2] = [
    (BooksEvent::Fee, Account::FeeExpense, Account::OtherRevenue),
    (BooksEvent::Share, Account::ShareExpense, Account::ShareRevenue),
];
const TAX: [Account; 3] = [Account::InputVat, Account::InputVatPending, Account::OutputVat];
const RECLASSED: [Account; 2] = [Account::AgentRevenue, Account::SettlementRevenue];

/// The entries of a period, by its vouchers and by what of them was paid; and those of sponsored sales so far.
pub fn consolidation(
    vouchers: &[Voucher],
    cash: &[Voucher],
    sales: &SponsoredSums,
) -> Result<Vec<Elimination>, OutOfRange> {
    let all = TrialBalance::of(vouchers.iter().chain(cash), BooksEvent::ALL)?;
    let mut rows = Vec::new();
    for (owed, due) in POSITIONS {
        rows.extend(pairs(&all, Eliminates::Position, owed, due)?);
    }
    for (event, expense, revenue) in TURNOVER {
        let fees = TrialBalance::of(vouchers, &[event])?;
        let tax = fees.by_pair(&TAX)?;
        for mut row in pairs(&fees, Eliminates::Turnover, expense, revenue)? {
            // What only one of them has is owed to the tax office, and stays.
            let of = |one: &LineId, other: &LineId| tax.get(&(one.clone(), other.clone())).copied().unwrap_or_default();
            row.amount = row.amount.minus(of(&row.entity, &row.other).plus(of(&row.other, &row.entity))?)?;
            rows.push(row);
        }
    }
    for role in RECLASSED {
        for (entity, amount) in all.by_entity(&[role])? {
            rows.push(Elimination {
                why: Eliminates::Reclass,
                role,
                amount: amount.negated()?,
                other: entity.clone(),
                entity,
                other_role: Account::PointsRevenue,
                other_amount: amount,
            });
        }
    }
    rows.extend(sponsored(sales)?);
    Ok(rows)
}

/// What sellers took for revenue and sponsors for an expense is a liability of the group's, which is earned as the
/// sponsors' points are redeemed.
fn sponsored(sales: &SponsoredSums) -> Result<Vec<Elimination>, OutOfRange> {
    let row = |why, amount: Money, (entity, role): (&LineId, Account), (other, other_role): (&LineId, Account)| {
        let (entity, other) = (entity.clone(), other.clone());
        Ok(Elimination { why, entity, role, amount, other, other_role, other_amount: amount.negated()? })
    };
    let mut rows = Vec::new();
    for ((seller, sponsor), contract) in &sales.contract {
        let liability = (sponsor, Account::ContractLiability);
        rows.push(row(Eliminates::Sponsored, contract.all, (seller, Account::Revenue), liability)?);
        rows.push(row(Eliminates::SponsoredUsed, contract.used()?, liability, (sponsor, Account::PointsRevenue))?);
    }
    for (sponsor, provided) in &sales.provision {
        let (provision, expense) = ((sponsor, Account::Provision), (sponsor, Account::MarketingExpense));
        rows.push(row(Eliminates::Sponsored, provided.all, provision, expense)?);
        rows.push(row(Eliminates::SponsoredUsed, provided.used()?, expense, provision)?);
    }
    Ok(rows)
}

/// One row for each entity and other line, also where nothing is left between them.
fn pairs(
    books: &TrialBalance,
    why: Eliminates,
    role: Account,
    other_role: Account,
) -> Result<Vec<Elimination>, OutOfRange> {
    let balances = (books.by_pair(&[role])?, books.by_pair(&[other_role])?);
    let met: BTreeSet<(&LineId, &LineId)> =
        books.pairs(role).chain(books.pairs(other_role).map(|(entity, with)| (with, entity))).collect();
    let mut rows = Vec::new();
    for (entity, other) in met {
        let own = balances.0.get(&(entity.clone(), other.clone())).copied().unwrap_or_default();
        let others = balances.1.get(&(other.clone(), entity.clone())).copied().unwrap_or_default();
        rows.push(Elimination {
            why,
            entity: entity.clone(),
            role,
            amount: own.negated()?,
            other: other.clone(),
            other_role,
            other_amount: others.negated()?,
        });
    }
    Ok(rows)
}
