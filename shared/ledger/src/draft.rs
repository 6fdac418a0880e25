//! What is written for events of one member: decided from what is known, and from
//! nothing else. Whatever must be known first is asked for, and whoever drafts looks.

use crate::answer::{Answer, Rejection, Source};
use crate::attributes::{REFUSALS, SEQUENCE};
use crate::error::LedgerError;
use crate::items::{self, Recorded, Refusals, RememberedRefusal};
use crate::keys::{self, Key, Name};
use crate::references::Found;
use crate::store::{Condition, Write};
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use interline_domain::claims::account::Account;
use interline_domain::events::{Command, EntryKind, Plan, Refusal, Reversed, Target, check, plan};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::MemberId;
use interline_domain::units::money::Points;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What events are decided by.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    pub rulebook: &'a Rulebook,
    pub source: Source<'a>,
    pub now: DateTime<Utc>,
    /// The period that clears them.
    pub booked: Period,
}

/// What was looked up by references; of one that is not among them nobody has looked.
pub type Looked = BTreeMap<Key, Option<Found>>;

/// What comes next for an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It is answered, and nothing is written for it.
    Reply(Answer),
    /// It cannot be decided before that is known.
    LookUp(LookUp),
    Write(Change),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookUp {
    /// What is known of the event's own reference.
    Reference(Key),
    /// What a reversal takes back: after the account was read, as whoever reverses of it
    /// meanwhile changes that.
    Target(Key),
    /// The rulebook of this hash, which decided a sale that is refunded.
    Rulebook(String),
}

/// What is written for an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Accept(Box<Accepted>),
    /// Nothing but that it was refused, so that its file gets the same answer again.
    Remember {
        key: Key,
        refusals: Refusals,
        condition: Condition,
        refusal: Refusal,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    pub key: Key,
    pub recorded: Recorded,
    pub account: Account,
    /// What a reversal leaves of its target.
    pub reversed: Option<(Key, Reversed)>,
    pub condition: Condition,
}

/// What a transaction leaves of a reference.
#[derive(Debug, Clone)]
enum Left {
    Recorded {
        recorded: Box<Recorded>,
        reversed: Reversed,
        write: Written,
    },
    /// The answers of files, this one's among them.
    Refused {
        refusals: Refusals,
        condition: Condition,
    },
}

/// What a transaction writes for a reference that has an entry.
#[derive(Debug, Clone)]
enum Written {
    Nothing,
    /// What is reversed of it. Guarded by the account's sequence.
    Reversed,
    /// The entry, too.
    All(Condition),
}

/// What is known of an event's reference.
enum Known<'a> {
    /// Nobody has looked.
    Unasked,
    Nothing,
    Refused(&'a Refusals),
    Recorded(&'a Recorded),
}

/// Events of one member, taken in one after the other.
#[derive(Debug)]
pub struct Draft<'a> {
    terms: Terms<'a>,
    account: Account,
    /// The account's sequence as it was read.
    read: u64,
    /// DynamoDB takes an item once in a transaction.
    left: BTreeMap<Key, Left>,
    /// What reversals look for, and is not there.
    absent: BTreeSet<Key>,
    rulebooks: BTreeMap<String, Arc<Rulebook>>,
}

/// A transaction in the making.
#[derive(Debug, Default)]
pub struct Writes {
    pub writes: Vec<Write>,
    /// For each write, the reference that it claims.
    pub claims: Vec<Option<Key>>,
    /// References with an entry, be it of this transaction.
    pub recorded: BTreeSet<Key>,
    /// Whether the account is among what is written.
    pub clears: bool,
}

impl<'a> Draft<'a> {
    pub fn new(terms: Terms<'a>, account: Account) -> Self {
        let read = account.sequence;
        let (left, absent, rulebooks) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { terms, account, read, left, absent, rulebooks }
    }

    /// What is to be done for an event. It changes nothing.
    pub fn step(&self, command: &Command, looked: &Looked) -> Step {
        let Terms { rulebook, source, now, .. } = self.terms;
        let scope = rulebook.scope(&command.head.line, rulebook.day(command.occurred()));
        let key = keys::reference(&items::name(command, scope));
        let known = self.known(&key, looked);
        if let Known::Recorded(recorded) = known {
            return Step::Reply(Answer::repeated(command, recorded));
        }
        if let Err(refusal) = check(rulebook, command, now) {
            // A process with another clock or rulebook may have accepted it.
            return match known {
                Known::Unasked => Step::LookUp(LookUp::Reference(key)),
                Known::Nothing | Known::Refused(_) | Known::Recorded(_) => refused(refusal),
            };
        }
        let refusals = match known {
            Known::Refused(refusals) => Some(refusals),
            Known::Unasked | Known::Nothing | Known::Recorded(_) => None,
        };
        let before = source.file().and_then(|file| refusals?.get(file));
        if let Some(before) = before {
            return Step::Reply(Answer::Rejected(Rejection::RefusedBefore(before.clone())));
        }
        match self.plan(command) {
            Err(look_up) => Step::LookUp(look_up),
            // What was accepted long ago is not refused for what happened since.
            Ok(Err(_)) if matches!(known, Known::Unasked) => Step::LookUp(LookUp::Reference(key)),
            Ok(Err(refusal)) => self.refuse(key, refusals, refusal),
            Ok(Ok((plan, balance))) => {
                let accepted = self.accepted(command, key, plan, balance, refusals);
                Step::Write(Change::Accept(Box::new(accepted)))
            }
        }
    }

    fn known<'k>(&'k self, key: &Key, looked: &'k Looked) -> Known<'k> {
        match (self.left.get(key), looked.get(key)) {
            (Some(Left::Recorded { recorded, .. }), _) => Known::Recorded(recorded),
            (Some(Left::Refused { refusals, .. }), _) => Known::Refused(refusals),
            (None, Some(Some(Found::Entry(recorded, _)))) => Known::Recorded(recorded),
            (None, Some(Some(Found::Refusals(refusals)))) => Known::Refused(refusals),
            (None, Some(None)) => Known::Nothing,
            (None, None) => Known::Unasked,
        }
    }

    /// Plans one event, and says what the member can spend after it.
    fn plan(&self, command: &Command) -> Result<Result<(Plan, Points), Refusal>, LookUp> {
        let Terms { rulebook, booked, .. } = self.terms;
        let target = match self.target_key(command) {
            None => None,
            Some(key) => match self.left.get(&key) {
                Some(Left::Recorded { recorded, reversed, .. }) => {
                    Some(Target { entry: &recorded.entry, reversed, rulebook: self.decided_by(recorded)? })
                }
                Some(Left::Refused { .. }) => None,
                None if self.absent.contains(&key) => None,
                None => return Err(LookUp::Target(key)),
            },
        };
        let planned = plan(rulebook, &self.account, command, booked, target);
        let day = rulebook.day(command.occurred());
        Ok(planned.and_then(|plan| {
            let balance = plan.account.balance(day)?;
            Ok((plan, balance))
        }))
    }

    /// The reference of what a reversal takes back.
    fn target_key(&self, command: &Command) -> Option<Key> {
        let rulebook = self.terms.rulebook;
        let origin = command.action.origin()?;
        let day = origin.on.unwrap_or_else(|| rulebook.day(command.occurred()));
        let line = command.head.line.clone();
        let scope = rulebook.scope(&line, day);
        Some(keys::reference(&Name { line, kind: origin.kind, reference: origin.reference.clone(), scope }))
    }

    /// The rulebook that decided what is taken back: of all but sales the current one will do.
    fn decided_by(&self, recorded: &Recorded) -> Result<&Rulebook, LookUp> {
        let is_sale = recorded.entry.kind() == EntryKind::Accrual;
        if !is_sale || recorded.rulebook == self.terms.rulebook.hash {
            return Ok(self.terms.rulebook);
        }
        let decided_by = self.rulebooks.get(&recorded.rulebook).map(Arc::as_ref);
        decided_by.ok_or_else(|| LookUp::Rulebook(recorded.rulebook.clone()))
    }

    fn accepted(
        &self,
        command: &Command,
        key: Key,
        plan: Plan,
        balance: Points,
        refusals: Option<&Refusals>,
    ) -> Accepted {
        let Plan { entry, account, reversed } = plan;
        let recorded = Recorded {
            entry,
            balance,
            recorded_at: self.terms.now,
            sequence: account.sequence,
            rulebook: self.terms.rulebook.hash.clone(),
            source: self.terms.source.stored(),
        };
        let reversed = self.target_key(command).zip(reversed);
        Accepted { key, recorded, account, reversed, condition: replaces(refusals) }
    }

    fn refuse(&self, key: Key, known: Option<&Refusals>, refusal: Refusal) -> Step {
        let Some(file) = self.terms.source.file().filter(|_| refusal.depends_on_state()) else {
            return refused(refusal);
        };
        let condition = replaces(known);
        let mut refusals = known.cloned().unwrap_or_default();
        refusals.insert(file.to_owned(), RememberedRefusal::of(&refusal));
        Step::Write(Change::Remember { key, refusals, condition, refusal })
    }

    /// Takes a change in, and says what its event is answered.
    pub fn take(&mut self, change: Change) -> Answer {
        match change {
            Change::Remember { key, refusals, condition, refusal } => {
                self.left.insert(key, Left::Refused { refusals, condition });
                Answer::Rejected(Rejection::Refused(refusal))
            }
            Change::Accept(accepted) => {
                let Accepted { key, recorded, account, reversed, condition } = *accepted;
                self.account = account;
                if let Some((target, now)) = reversed
                    && let Some(Left::Recorded { reversed, write, .. }) = self.left.get_mut(&target)
                {
                    *reversed = now;
                    if matches!(write, Written::Nothing) {
                        *write = Written::Reversed;
                    }
                }
                let (recorded, write) = (Box::new(recorded), Written::All(condition));
                self.left
                    .insert(key, Left::Recorded { recorded: recorded.clone(), reversed: Reversed::default(), write });
                Answer::Accepted(recorded)
            }
        }
    }

    /// Takes in what was found of what a reversal takes back.
    pub fn found_target(&mut self, key: Key, found: Option<Found>) {
        match found {
            Some(Found::Entry(recorded, reversed)) => {
                self.left.insert(key, Left::Recorded { recorded, reversed, write: Written::Nothing });
            }
            Some(Found::Refusals(_)) | None => {
                self.absent.insert(key);
            }
        }
    }

    pub fn found_rulebook(&mut self, hash: String, rulebook: Arc<Rulebook>) {
        self.rulebooks.insert(hash, rulebook);
    }

    /// What is to be written for all that was taken in.
    pub fn writes(&self, member: &MemberId) -> Result<Writes, LedgerError> {
        let mut draft = Writes::default();
        for (key, left) in &self.left {
            match left {
                Left::Refused { refusals, condition } => {
                    draft.put(Some(key), items::refused_reference(key, refusals), condition.clone());
                }
                Left::Recorded { recorded, reversed, write } => {
                    draft.recorded.insert(key.clone());
                    let reference = || items::recorded_reference(&recorded.entry, reversed);
                    match write {
                        Written::Nothing => {}
                        Written::Reversed => draft.put(Some(key), reference(), Condition::None),
                        Written::All(condition) => {
                            draft.put(Some(key), items::entry_item(recorded)?, Condition::Absent);
                            draft.put(Some(key), reference(), condition.clone());
                        }
                    }
                }
            }
        }
        if self.account.sequence != self.read {
            // Whatever the plans rest on must still be so.
            let condition = match self.read {
                0 => Condition::Absent,
                sequence => Condition::Equals(SEQUENCE, AttributeValue::N(sequence.to_string())),
            };
            draft.put(None, items::account_item(member, &self.account), condition);
            draft.clears = true;
        }
        Ok(draft)
    }
}

impl Writes {
    fn put(&mut self, claim: Option<&Key>, item: crate::store::Item, condition: Condition) {
        self.writes.push(Write::Put { item, condition });
        self.claims.push(claim.cloned());
    }
}

fn refused(refusal: Refusal) -> Step {
    Step::Reply(Answer::Rejected(Rejection::Refused(refusal)))
}

/// What is put for a reference must replace just what was found there.
fn replaces(refusals: Option<&Refusals>) -> Condition {
    match refusals {
        None => Condition::Absent,
        Some(refusals) => Condition::Equals(REFUSALS, items::refusals_value(refusals)),
    }
}

#[cfg(test)]
mod tests;
