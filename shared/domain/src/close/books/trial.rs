//! The trial balance of the roles: what vouchers bring to each account of each entity.

use super::events::BooksEvent;
use super::voucher::Voucher;
use crate::terms::rulebook::Account;
use crate::units::id::LineId;
use crate::units::money::{Money, OutOfRange};
use std::collections::BTreeMap;

/// What an account's sides add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turnover {
    pub debit: Money,
    pub credit: Money,
}

impl Turnover {
    /// Debit less credit.
    pub fn balance(&self) -> Result<Money, OutOfRange> {
        self.debit.minus(self.credit)
    }
}

/// By entity, role and the other line, if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrialBalance(BTreeMap<(LineId, Account, Option<LineId>), Turnover>);

impl TrialBalance {
    /// Of these events' vouchers.
    pub fn of<'v>(vouchers: impl IntoIterator<Item = &'v Voucher>, events: &[BooksEvent]) -> Result<Self, OutOfRange> {
        let mut accounts: BTreeMap<(LineId, Account, Option<LineId>), Turnover> = BTreeMap::new();
        for voucher in vouchers.into_iter().filter(|voucher| events.contains(&voucher.event)) {
            for line in &voucher.lines {
                let key = (voucher.entity.clone(), line.role, line.counterparty.clone());
                let turnover = accounts.entry(key).or_default();
                turnover.debit.add(line.debit)?;
                turnover.credit.add(line.credit)?;
            }
        }
        Ok(Self(accounts))
    }

    /// The balance of these roles together, by entity; none is zero.
    pub fn by_entity(&self, roles: &[Account]) -> Result<BTreeMap<LineId, Money>, OutOfRange> {
        self.balances(roles, |entity, _| entity.clone())
    }

    /// The same by entity and other line; what has none counts with the entity itself.
    pub fn by_pair(&self, roles: &[Account]) -> Result<BTreeMap<(LineId, LineId), Money>, OutOfRange> {
        self.balances(roles, |entity, with| (entity.clone(), with.unwrap_or(entity).clone()))
    }

    fn balances<K: Ord>(
        &self,
        roles: &[Account],
        key: impl Fn(&LineId, Option<&LineId>) -> K,
    ) -> Result<BTreeMap<K, Money>, OutOfRange> {
        let mut balances: BTreeMap<K, Money> = BTreeMap::new();
        for ((entity, _, with), turnover) in self.0.iter().filter(|((_, role, _), _)| roles.contains(role)) {
            balances.entry(key(entity, with.as_ref())).or_default().add(turnover.balance()?)?;
        }
        balances.retain(|_, balance| !balance.is_zero());
        Ok(balances)
    }

    /// Pairs of entity and other line that a role has lines with.
    pub fn pairs(&self, role: Account) -> impl Iterator<Item = (&LineId, &LineId)> {
        self.0.keys().filter_map(move |(entity, of, with)| Some((entity, with.as_ref().filter(|_| *of == role)?)))
    }
}
