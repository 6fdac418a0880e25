//! Accounts as the month-end proves them, and as they are written anew.

use crate::Ledger;
use crate::attributes::SEQUENCE;
use crate::error::LedgerError;
use crate::items::{self, Reader};
use crate::keys::{self, Key};
use crate::store::Condition;
use interline_domain::claims::account::Account;
use interline_domain::units::id::MemberId;
use std::collections::BTreeMap;

/// Accounts read at once, which is what DynamoDB takes.
const ACCOUNTS_AT_ONCE: usize = 100;

impl Ledger {
    /// Accounts of any number of members, each strongly consistent. Who never had an event
    /// has none. One that cannot be read is empty: that is not what its entries give.
    pub async fn accounts(&self, members: &[MemberId]) -> Result<BTreeMap<MemberId, Account>, LedgerError> {
        let mut of_key: BTreeMap<Key, &MemberId> =
            members.iter().map(|member| (keys::account(member), member)).collect();
        let keys: Vec<Key> = of_key.keys().cloned().collect();
        let mut accounts = BTreeMap::new();
        for keys in keys.chunks(ACCOUNTS_AT_ONCE) {
            for item in self.store.get_many(keys).await? {
                let key = Reader::new(&item).key()?;
                if let Some(member) = of_key.remove(&key) {
                    accounts.insert(member.clone(), items::account(&item).unwrap_or_default());
                }
            }
        }
        Ok(accounts)
    }

    /// Writes an account anew, if it still is what was read of it. `false`: it is not.
    pub async fn restore_account(
        &self,
        member: &MemberId,
        read: &Account,
        account: &Account,
    ) -> Result<bool, LedgerError> {
        let condition = match self.store.get(&keys::account(member)).await? {
            None => Condition::Absent,
            Some(item) if items::account(&item).unwrap_or_default() != *read => return Ok(false),
            Some(item) => match item.get(SEQUENCE) {
                Some(sequence) => Condition::Equals(SEQUENCE, sequence.clone()),
                // Nothing that the ledger wrote is without.
                None => Condition::None,
            },
        };
        self.put(items::account_item(member, account), condition).await
    }
}
