//! The cut-off, exhaustively: a model of gates, references, the late path and closers,
//! every interleaving of which is tried. Each step is one operation on the table, as
//! in `Ledger::post` and the functions; a crash or a lost reply may come at any.
//!
//! What the model leaves out only guards more: the account's sequence, which
//! makes writers of one member take turns.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

/// Months 0 and 1 are over and get closed; month 2 is the current one.
const CURRENT: usize = 2;
const SHARDS: usize = 2;

/// What a transaction and a step rely on. Each can be left out, to see that the
/// model notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    All,
    WithoutGateCheck,
    /// The reference is put whatever is there.
    WithoutReferenceCondition,
    /// The reference follows the entry in a transaction of its own.
    ReferenceApart,
    /// It is enough that nothing is recorded, whoever was refused meanwhile.
    RefusalsOverlooked,
    /// A refusal is put whatever is there.
    WithoutRefusalCondition,
    GatesAfterTally,
}

/// Files that were refused an event.
type Refusals = BTreeSet<char>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Reference {
    Refused(Refusals),
    /// In this month and shard.
    Recorded(usize, usize),
}

/// Shard and reference.
type Place = (usize, u8);

/// An event that happened in month 0, as somebody sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Sent {
    reference: u8,
    member: u8,
    /// By a file, which gets the same answer whenever it is read.
    file: Option<char>,
    /// It spends what another reference brings.
    needs: Option<u8>,
}

impl Sent {
    fn shard(&self) -> usize {
        usize::from(self.member) % SHARDS
    }

    fn start(&self, month: usize, known: Refusals) -> Writer {
        match self.needs {
            Some(_) => Writer::Reading(month, known),
            None => Writer::Booking(month, known),
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.file.map(|file| format!(" by file {file}")).unwrap_or_default();
        write!(f, "event {} of member {}{by}", self.reference, self.member)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Answer {
    New,
    Same,
    Conflict,
    Refused,
}

/// Each knows the refusals that it has read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Writer {
    /// Looks at what the member has.
    Reading(usize, Refusals),
    /// Would book the event in this month.
    Booking(usize, Refusals),
    /// Met a gate; looks for the first month without one.
    Looking(usize, Refusals),
    /// Would refuse the event; looks whether it is recorded.
    LookingUp(usize),
    Refusing(usize, Refusals),
    /// Only without its guard: the reference comes after the entry.
    Noting(usize),
    Done(Answer),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Closer {
    Starting(usize),
    Sealing(usize, usize),
    Marking(usize),
    /// Shards that were read so far, and what was found.
    Tallying(usize, usize, BTreeSet<Place>),
    /// Only without its guard: the gates come after the tally.
    SealingLate(usize, usize, BTreeSet<Place>),
    Finishing(usize, BTreeSet<Place>),
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Month {
    gates: [bool; SHARDS],
    sealed: bool,
    /// What the final run cleared.
    cleared: Option<BTreeSet<Place>>,
    /// With whose they are.
    entries: BTreeMap<Place, u8>,
}

impl Month {
    fn entries(&self, shard: Option<usize>) -> BTreeSet<Place> {
        self.entries.keys().filter(|(of, _)| shard.is_none_or(|shard| *of == shard)).copied().collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    months: [Month; CURRENT + 1],
    references: BTreeMap<u8, Reference>,
    /// Several may send the same.
    writers: Vec<(Sent, Writer)>,
    closers: Vec<Closer>,
    /// Crashes and lost replies that may still come.
    faults: u8,
}

/// What a step leads to, or what it broke.
type Next = Result<State, String>;

impl State {
    fn new(sent: &[Sent], closers: usize, faults: u8) -> Self {
        Self {
            months: Default::default(),
            references: BTreeMap::new(),
            writers: sent.iter().map(|sent| (*sent, sent.start(0, Refusals::new()))).collect(),
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

    fn is_recorded(&self, reference: u8) -> bool {
        self.months.iter().flat_map(|month| month.entries.keys()).any(|(_, of)| *of == reference)
    }

    fn is_shut(&self, month: usize, shard: usize) -> bool {
        month < CURRENT && self.months[month].gates[shard]
    }

    /// Whether nothing lies at a reference but the refusals that were read.
    fn is_as_read(&self, reference: u8, known: &Refusals) -> bool {
        match self.references.get(&reference) {
            None => known.is_empty(),
            Some(Reference::Refused(refusals)) => refusals == known,
            Some(Reference::Recorded(..)) => false,
        }
    }

    /// What a reference says to somebody who sends it; otherwise the refusals there.
    fn told(&self, sent: &Sent) -> Result<Result<Answer, Refusals>, String> {
        match self.references.get(&sent.reference) {
            None => Ok(Err(Refusals::new())),
            Some(Reference::Refused(refusals)) if sent.file.is_some_and(|file| refusals.contains(&file)) => {
                Ok(Ok(Answer::Refused))
            }
            Some(Reference::Refused(refusals)) => Ok(Err(refusals.clone())),
            Some(Reference::Recorded(month, shard)) => {
                match self.months[*month].entries.get(&(*shard, sent.reference)) {
                    Some(member) if *member == sent.member => Ok(Ok(Answer::Same)),
                    Some(_) => Ok(Ok(Answer::Conflict)),
                    None => Err(format!("reference {} points to nothing", sent.reference)),
                }
            }
        }
    }

    /// A step of a writer: one read, or one transaction that is all or nothing.
    fn write(&self, at: usize, guard: Guard) -> Option<Next> {
        let (sent, writer) = &self.writers[at];
        let next = match writer {
            Writer::Done(_) => return None,
            Writer::Reading(month, known) => {
                let can_pay = sent.needs.is_none_or(|needs| self.is_recorded(needs));
                let (month, known) = (*month, known.clone());
                self.with_writer(
                    at,
                    match can_pay {
                        true => Writer::Booking(month, known),
                        false if known.is_empty() => Writer::LookingUp(month),
                        false => Writer::Refusing(month, known),
                    },
                )
            }
            Writer::LookingUp(month) => match self.told(sent) {
                Ok(Ok(answer)) => self.with_writer(at, Writer::Done(answer)),
                Ok(Err(refusals)) => self.with_writer(at, Writer::Refusing(*month, refusals)),
                Err(broken) => return Some(Err(broken)),
            },
            Writer::Looking(month, known) if self.is_shut(*month, sent.shard()) => {
                self.with_writer(at, Writer::Looking(month + 1, known.clone()))
            }
            Writer::Looking(month, known) => self.with_writer(at, sent.start(*month, known.clone())),
            Writer::Noting(month) => {
                let mut next = self.with_writer(at, Writer::Done(Answer::New));
                next.references.insert(sent.reference, Reference::Recorded(*month, sent.shard()));
                next
            }
            Writer::Refusing(month, known) => return Some(self.refuse(at, *month, known, guard)),
            Writer::Booking(month, known) => return Some(self.book(at, *month, known, guard)),
        };
        Some(Ok(next))
    }

    /// Only a file's refusal is remembered.
    fn refuse(&self, at: usize, month: usize, known: &Refusals, guard: Guard) -> Next {
        let (sent, _) = &self.writers[at];
        let Some(file) = sent.file else { return Ok(self.with_writer(at, Writer::Done(Answer::Refused))) };
        if !self.is_as_read(sent.reference, known) && guard != Guard::WithoutRefusalCondition {
            return self.learn(at, month);
        }
        let mut next = self.with_writer(at, Writer::Done(Answer::Refused));
        let refusals = known.iter().copied().chain([file]).collect();
        next.references.insert(sent.reference, Reference::Refused(refusals));
        Ok(next)
    }

    /// The entry goes to its place and its reference to it, if there is neither.
    fn book(&self, at: usize, month: usize, known: &Refusals, guard: Guard) -> Next {
        let (sent, _) = &self.writers[at];
        let (reference, shard) = (sent.reference, sent.shard());
        let is_free = match (guard, self.references.get(&reference)) {
            (Guard::WithoutReferenceCondition, _) => true,
            (Guard::RefusalsOverlooked, Some(Reference::Refused(_))) => true,
            _ => self.is_as_read(reference, known),
        };
        if !is_free || self.months[month].entries.contains_key(&(shard, reference)) {
            return self.learn(at, month);
        }
        if self.is_shut(month, shard) && guard != Guard::WithoutGateCheck {
            return Ok(self.with_writer(at, Writer::Looking(1, known.clone())));
        }
        let was_refused = |(other, writer): &(Sent, Writer)| {
            (other.reference, other.file) == (reference, sent.file) && *writer == Writer::Done(Answer::Refused)
        };
        if sent.file.is_some() && self.writers.iter().any(was_refused) {
            return Err(format!("file {:?} was refused event {reference} and records it", sent.file));
        }
        let apart = guard == Guard::ReferenceApart;
        let done = if apart { Writer::Noting(month) } else { Writer::Done(Answer::New) };
        let mut next = self.with_writer(at, done);
        next.months[month].entries.insert((shard, reference), sent.member);
        if !apart {
            next.references.insert(reference, Reference::Recorded(month, shard));
        }
        Ok(next)
    }

    /// The transaction was cancelled and tells what lies at the reference.
    fn learn(&self, at: usize, month: usize) -> Next {
        let (sent, _) = &self.writers[at];
        if self.months[month].entries.contains_key(&(sent.shard(), sent.reference))
            && !matches!(self.references.get(&sent.reference), Some(Reference::Recorded(..)))
        {
            return Err(format!("event {} lies there without its reference", sent.reference));
        }
        Ok(match self.told(sent)? {
            Ok(answer) => self.with_writer(at, Writer::Done(answer)),
            Err(refusals) if self.is_shut(month, sent.shard()) => self.with_writer(at, Writer::Looking(1, refusals)),
            Err(refusals) => self.with_writer(at, sent.start(month, refusals)),
        })
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
            match self.write(at, guard) {
                Some(Ok(next)) => {
                    if self.faults > 0 {
                        // It ends before the step, or after it with nobody told; its caller starts again.
                        let start = self.writers[at].0.start(0, Refusals::new());
                        let again =
                            |state: &State| State { faults: self.faults - 1, ..state.with_writer(at, start.clone()) };
                        steps.extend([Ok(again(self)), Ok(again(&next))]);
                    }
                    steps.push(Ok(next));
                }
                Some(Err(broken)) => steps.push(Err(broken)),
                None => {}
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

    /// When nobody has anything left to do: every event is in exactly one month, or all
    /// who sent it were refused; and everybody was told so.
    fn check_end(&self) -> Result<(), String> {
        let senders: BTreeSet<u8> = self.writers.iter().map(|(sent, _)| sent.reference).collect();
        for reference in senders {
            let of = |(sent, _): &&(Sent, Writer)| sent.reference == reference;
            let refused = self.writers.iter().filter(of).all(|(_, writer)| *writer == Writer::Done(Answer::Refused));
            let entries = self.months.iter().flat_map(|month| &month.entries);
            let members: Vec<u8> = entries.filter(|((_, of), _)| *of == reference).map(|(_, member)| *member).collect();
            if members.len() != usize::from(!refused) {
                return Err(format!("event {reference} is recorded {} times, refused: {refused}", members.len()));
            }
            for (sent, writer) in self.writers.iter().filter(of) {
                let remembered = || self.told(sent) == Ok(Ok(Answer::Refused));
                let fine = match writer {
                    Writer::Done(Answer::New | Answer::Same) => members == [sent.member],
                    Writer::Done(Answer::Conflict) => members != [sent.member],
                    Writer::Done(Answer::Refused) => sent.file.is_none() || !refused || remembered(),
                    _ => false,
                };
                if !fine {
                    return Err(format!("{sent:?} was told {writer:?}, recorded it is for {members:?}"));
                }
            }
        }
        let are_closed = self.months[..CURRENT].iter().all(|month| month.cleared.is_some());
        match are_closed || self.closers.is_empty() {
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

fn sale(reference: u8, member: u8) -> Sent {
    Sent { reference, member, file: None, needs: None }
}

/// Spends what sale 0 of the member brings.
fn spent(file: Option<char>) -> Sent {
    Sent { file, needs: Some(0), ..sale(1, 0) }
}

#[test]
fn no_interleaving_of_writers_and_closers_loses_an_entry_or_counts_it_twice() {
    let (one, two, again) = (spent(Some('a')), spent(Some('b')), spent(Some('a')));
    for (sent, closers, faults) in [
        // Different events, in different shards and in the same one.
        (&[sale(0, 0), sale(1, 1)][..], 1, 2),
        (&[sale(0, 0), sale(1, 2)], 1, 2),
        (&[sale(0, 0), sale(1, 1), sale(2, 2)], 1, 1),
        // One event, sent two and three times.
        (&[sale(0, 0), sale(0, 0)], 1, 2),
        (&[sale(0, 0), sale(0, 0), sale(0, 0)], 1, 1),
        // One reference for two members, of different shards and of the same one.
        (&[sale(0, 0), sale(0, 1)], 1, 2),
        (&[sale(0, 0), sale(0, 2)], 1, 2),
        (&[sale(0, 0), sale(0, 1), sale(0, 0)], 1, 1),
        // Points, and those who spend them: two files, one file twice, a file and a caller.
        (&[sale(0, 0), one, two], 1, 0),
        (&[sale(0, 0), one, again], 1, 0),
        (&[sale(0, 0), one, spent(None)], 1, 1),
        // Nobody brings the points.
        (&[one, two, again], 0, 2),
        // A file is refused, comes again beside another one, and the points come.
        (&[sale(0, 0), one, again, two], 0, 1),
        // Two closers at once.
        (&[sale(0, 0)], 2, 2),
        (&[sale(0, 0), sale(0, 0)], 2, 1),
        (&[sale(0, 0), sale(0, 1)], 2, 0),
        (&[sale(0, 0), sale(1, 1)], 2, 1),
        (&[sale(0, 0), sale(0, 0), sale(1, 1)], 2, 0),
    ] {
        let names: Vec<String> = sent.iter().map(Sent::to_string).collect();
        match explore(State::new(sent, closers, faults), Guard::All) {
            Ok(states) => println!("{names:?}, {closers} closers, {faults} faults: {states} states"),
            Err(broken) => panic!("{names:?}, {closers} closers, {faults} faults: {broken}"),
        }
    }
}

#[test]
fn without_any_one_of_its_guards_the_cut_off_is_seen_to_fail() {
    let (one, two, again) = (spent(Some('a')), spent(Some('b')), spent(Some('a')));
    let event = &[sale(0, 0), sale(0, 0)][..];
    for (guard, sent, closers, faults) in [
        (Guard::WithoutGateCheck, event, 2, 1),
        (Guard::GatesAfterTally, event, 2, 1),
        // Booked in two months, or for two members of different shards.
        (Guard::WithoutReferenceCondition, event, 1, 0),
        (Guard::WithoutReferenceCondition, &[sale(0, 0), sale(0, 1)], 0, 0),
        (Guard::ReferenceApart, &[sale(0, 0)], 1, 1),
        (Guard::RefusalsOverlooked, &[sale(0, 0), one, again], 0, 0),
        (Guard::WithoutRefusalCondition, &[one, two], 0, 0),
        (Guard::WithoutRefusalCondition, &[sale(0, 0), one, spent(None), spent(None)], 0, 0),
    ] {
        match explore(State::new(sent, closers, faults), guard) {
            Err(broken) => println!("{guard:?}: {broken}"),
            Ok(_) => panic!("{guard:?}: nothing was noticed"),
        }
    }
}
