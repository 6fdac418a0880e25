//! The cut-off, exhaustively: a model of gates, the late path and closers, every
//! interleaving of which is tried. Each step is one operation on the table, as
//! in `Ledger::post` and the functions; a crash or a lost reply may come at any.
//!
//! What the model leaves out only guards more: the account's version, which
//! makes writers of one member take turns.

use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Months 0 and 1 are over and get closed; month 2 is the current one.
const CURRENT: usize = 2;
const SHARDS: usize = 2;

/// What a transaction and a step rely on. Each can be left out, to see that the
/// model notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    All,
    WithoutGateCheck,
    WithoutStub,
    WithoutAbsence,
    GatesAfterTally,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Item {
    Entry,
    /// Booked in this month.
    Stub(usize),
}

/// Of an event that happened in month 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Writer {
    /// Would book the event there.
    Booking(usize),
    /// Met a gate; looks for the first month without one.
    Looking(usize),
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Closer {
    Starting(usize),
    Sealing(usize, usize),
    Marking(usize),
    /// Shards that were read so far, and what was found.
    Tallying(usize, usize, BTreeSet<u8>),
    /// Only without its guard: the gates come after the tally.
    SealingLate(usize, usize, BTreeSet<u8>),
    Finishing(usize, BTreeSet<u8>),
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Month {
    gates: [bool; SHARDS],
    sealed: bool,
    /// What the final run cleared.
    cleared: Option<BTreeSet<u8>>,
    /// Event -> what lies under its key. A late entry has a key of its own.
    items: BTreeMap<u8, Item>,
    late: BTreeSet<u8>,
}

impl Month {
    fn entries(&self, shard: Option<usize>) -> BTreeSet<u8> {
        let in_time = self.items.iter().filter(|(_, item)| **item == Item::Entry).map(|(event, _)| *event);
        let of_shard = |event: &u8| shard.is_none_or(|shard| usize::from(*event) % SHARDS == shard);
        in_time.chain(self.late.iter().copied()).filter(of_shard).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    months: [Month; CURRENT + 1],
    /// The event that each writes; two may have the same one.
    writers: Vec<(u8, Writer)>,
    closers: Vec<Closer>,
    /// Crashes and lost replies that may still come.
    faults: u8,
}

/// What a step leads to, or what it broke.
type Next = Result<State, String>;

impl State {
    fn new(events: &[u8], closers: usize, faults: u8) -> Self {
        Self {
            months: Default::default(),
            writers: events.iter().map(|event| (*event, Writer::Booking(0))).collect(),
            closers: vec![Closer::Starting(0); closers],
            faults,
        }
    }

    fn with_writer(&self, at: usize, writer: Writer) -> Self {
        let mut next = self.clone();
        next.writers[at].1 = writer;
        next
    }

    fn with_closer(&self, at: usize, closer: Closer) -> Self {
        let mut next = self.clone();
        next.closers[at] = closer;
        next
    }

    /// A step of a writer: one read, or one transaction that is all or nothing.
    fn write(&self, at: usize, guard: Guard) -> Option<State> {
        let (event, writer) = &self.writers[at];
        let shard = usize::from(*event) % SHARDS;
        match writer {
            Writer::Done => None,
            Writer::Looking(month) if *month < CURRENT && self.months[*month].gates[shard] => {
                Some(self.with_writer(at, Writer::Looking(month + 1)))
            }
            Writer::Looking(month) => Some(self.with_writer(at, Writer::Booking(*month))),
            Writer::Booking(month) => {
                // The entry or the stub goes under the event's key in its home, if nothing is there.
                let met = self.months[0].items.contains_key(event);
                if met && guard != Guard::WithoutAbsence {
                    return Some(self.with_writer(at, Writer::Done));
                }
                if *month < CURRENT && self.months[*month].gates[shard] && guard != Guard::WithoutGateCheck {
                    return Some(self.with_writer(at, Writer::Looking(1)));
                }
                let mut next = self.with_writer(at, Writer::Done);
                if *month == 0 {
                    next.months[0].items.insert(*event, Item::Entry);
                } else {
                    next.months[*month].late.insert(*event);
                    if guard != Guard::WithoutStub {
                        next.months[0].items.insert(*event, Item::Stub(*month));
                    }
                }
                Some(next)
            }
        }
    }

    /// A step of a closer. Repeating any of them must change nothing.
    fn close(&self, at: usize, guard: Guard) -> Option<Next> {
        let after = |month: usize| if month + 1 < CURRENT { Closer::Starting(month + 1) } else { Closer::Done };
        let next = match &self.closers[at] {
            Closer::Done => return None,
            Closer::Starting(month) => {
                let before_is_final = *month == 0 || self.months[month - 1].cleared.is_some();
                // Refused until then; it may come again.
                if !before_is_final {
                    return None;
                }
                self.with_closer(
                    at,
                    match guard {
                        Guard::GatesAfterTally => Closer::Tallying(*month, 0, BTreeSet::new()),
                        _ if self.months[*month].sealed => Closer::Tallying(*month, 0, BTreeSet::new()),
                        _ => Closer::Sealing(*month, 0),
                    },
                )
            }
            Closer::Sealing(month, SHARDS) => self.with_closer(at, Closer::Marking(*month)),
            Closer::Sealing(month, shard) => {
                let mut next = self.with_closer(at, Closer::Sealing(*month, shard + 1));
                next.months[*month].gates[*shard] = true;
                next
            }
            Closer::Marking(month) => {
                let mut next = self.with_closer(at, Closer::Tallying(*month, 0, BTreeSet::new()));
                next.months[*month].sealed = true;
                next
            }
            Closer::Tallying(month, SHARDS, found) if guard == Guard::GatesAfterTally => {
                self.with_closer(at, Closer::SealingLate(*month, 0, found.clone()))
            }
            Closer::Tallying(month, SHARDS, found) => self.with_closer(at, Closer::Finishing(*month, found.clone())),
            Closer::Tallying(month, shard, found) => {
                let found = found | &self.months[*month].entries(Some(*shard));
                self.with_closer(at, Closer::Tallying(*month, shard + 1, found))
            }
            Closer::SealingLate(month, SHARDS, found) => self.with_closer(at, Closer::Finishing(*month, found.clone())),
            Closer::SealingLate(month, shard, found) => {
                let mut next = self.with_closer(at, Closer::SealingLate(*month, shard + 1, found.clone()));
                next.months[*month].gates[*shard] = true;
                next
            }
            Closer::Finishing(month, found) => {
                let mut next = self.with_closer(at, after(*month));
                match &self.months[*month].cleared {
                    Some(cleared) if cleared != found => {
                        return Some(Err(format!("two final runs of month {month}: {cleared:?} and {found:?}")));
                    }
                    Some(_) => {}
                    None => next.months[*month].cleared = Some(found.clone()),
                }
                next
            }
        };
        Some(Ok(next))
    }

    /// Everything that may happen next.
    fn steps(&self, guard: Guard) -> Vec<Next> {
        let mut steps = Vec::new();
        for at in 0..self.writers.len() {
            if let Some(next) = self.write(at, guard) {
                if self.faults > 0 {
                    // It ends before the step, or after it with nobody told; its caller starts again.
                    let again =
                        |state: &State| State { faults: self.faults - 1, ..state.with_writer(at, Writer::Booking(0)) };
                    steps.extend([Ok(again(self)), Ok(again(&next))]);
                }
                steps.push(Ok(next));
            }
        }
        for at in 0..self.closers.len() {
            match self.close(at, guard) {
                Some(Ok(next)) => {
                    if self.faults > 0 {
                        let again = |state: &State| State {
                            faults: self.faults - 1,
                            ..state.with_closer(at, Closer::Starting(0))
                        };
                        steps.extend([Ok(again(self)), Ok(again(&next))]);
                    }
                    steps.push(Ok(next));
                }
                Some(Err(broken)) => steps.push(Err(broken)),
                None => {}
            }
        }
        steps
    }

    /// At any moment: what was cleared is what lies there.
    fn check(&self) -> Result<(), String> {
        for (number, month) in self.months.iter().enumerate() {
            if let Some(cleared) = &month.cleared
                && *cleared != month.entries(None)
            {
                return Err(format!("month {number} cleared {cleared:?} of {:?}", month.entries(None)));
            }
        }
        Ok(())
    }

    /// When nobody has anything left to do: every event is in exactly one month.
    fn check_end(&self) -> Result<(), String> {
        for (event, _) in &self.writers {
            let months = self.months.iter().filter(|month| month.entries(None).contains(event)).count();
            if months != 1 {
                return Err(format!("event {event} is in {months} months"));
            }
        }
        match self.months[..CURRENT].iter().all(|month| month.cleared.is_some()) {
            true => Ok(()),
            false => Err("a month was not closed".to_owned()),
        }
    }
}

/// Tries every interleaving. The number of states, or the first thing that is wrong.
fn explore(start: State, guard: Guard) -> Result<usize, String> {
    let mut seen = HashSet::from([start.clone()]);
    let mut left = vec![start];
    while let Some(state) = left.pop() {
        state.check()?;
        let steps = state.steps(guard);
        if steps.is_empty() {
            state.check_end()?;
        }
        for next in steps {
            let next = next?;
            if !seen.contains(&next) {
                seen.insert(next.clone());
                left.push(next);
            }
        }
    }
    Ok(seen.len())
}

#[test]
fn no_interleaving_of_writers_and_closers_loses_an_entry_or_counts_it_twice() {
    for (events, closers, faults) in [
        // Different events, in different shards and in the same one.
        (&[0, 1][..], 1, 2),
        (&[0, 2], 1, 2),
        (&[0, 1, 2], 1, 1),
        // One event, sent two and three times.
        (&[0, 0], 1, 2),
        (&[0, 0, 0], 1, 1),
        // Two closers at once.
        (&[0], 2, 2),
        (&[0, 0], 2, 1),
        (&[0, 1], 2, 1),
        (&[0, 0, 1], 2, 0),
    ] {
        let states = explore(State::new(events, closers, faults), Guard::All);
        match states {
            Ok(states) => println!("events {events:?}, {closers} closers, {faults} faults: {states} states"),
            Err(broken) => panic!("events {events:?}, {closers} closers, {faults} faults: {broken}"),
        }
    }
}

#[test]
fn without_any_one_of_its_guards_the_cut_off_is_seen_to_fail() {
    for guard in [Guard::WithoutGateCheck, Guard::WithoutStub, Guard::WithoutAbsence, Guard::GatesAfterTally] {
        let broken = explore(State::new(&[0, 0], 2, 1), guard).expect_err("nothing was noticed");
        println!("{guard:?}: {broken}");
    }
}
