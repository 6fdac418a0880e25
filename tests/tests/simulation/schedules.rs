//! The cut-off of the real functions, in every order: record handlers of an event that
//! is late, and closers that seal a month, tally a shard and make the run final; and an
//! event that files and callers send, which may be refused. At every operation on an
//! item that several of them use, each of the others may go first, or a process may end
//! and its caller start anew.
//!
//! Depth first, by running the tasks again along each schedule. What a task does next
//! follows from what it was told, so schedules that lead to the same items with the
//! same answers have the same future, and only one of them is followed.

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::LocalBoxFuture;
use interline_cutoff::Close;
use interline_domain::claims::lot::Cohort;
use interline_domain::close::period::Run;
use interline_domain::close::tally::SaleRates;
use interline_domain::events::{Balances, Entry};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{MemberId, SchemeId};
use interline_domain::units::money::{OutOfRange, Points};
use interline_lambda::App;
use interline_ledger::attributes::REFUSALS;
use interline_ledger::store::{Condition, Consumed, Item, Key, Outcome, Store, TransactError, Write};
use interline_ledger::{Answer, Ledger, LedgerError, Rejection, Source};
use interline_reports::bucket::Bucket;
use interline_reports::manifest::RunKind;
use interline_tests::calls;
use interline_tests::events::{member_of_shard, redemption};
use interline_tests::programme::{RULEBOOK, moment};
use interline_tests::shard;
use interline_tests::sim::memory::{MemoryBucket, Table};
use interline_tests::{SHARDS, the_shard};
use lambda_http::Request;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// All events are of this shard; nobody looks at the others.
const SHARD: u16 = 7;
const HOME: &str = "2017-01-20T12:00:00+08:00";
const IN_JANUARY: &str = "2017-01-21T09:00:00+08:00";
const IN_FEBRUARY: &str = "2017-02-01T09:00:00+08:00";
const IN_MARCH: &str = "2017-03-01T09:00:00+08:00";
const MONTHS: [&str; 3] = ["2017-01", "2017-02", "2017-03"];

/// Path, member and body.
type Event = (String, String, Value);

/// What the store is asked to look at. Each can be left out, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conditions {
    All,
    WithoutGates,
    WithoutAbsenceAndVersions,
    WithoutRevisions,
    WithoutReferences,
    WithoutRefusals,
}

/// What a task has to show when it is done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Done {
    /// The event's number, and whether it was said to be new.
    Recorded(usize, bool),
    /// An event without the points for it, with nothing left to take back, or whose
    /// reference is another's.
    Refused(usize),
    /// Months, with what their tallies say.
    Closed(Vec<(String, String)>),
}

#[derive(Debug, Default)]
struct Inside {
    table: Table,
    seen_commits: usize,
    items: BTreeMap<Key, String>,
    /// The final run of each month.
    runs: BTreeMap<String, Value>,
    /// Partitions that only one task uses: there the order does not matter.
    own: BTreeSet<(usize, String)>,
    /// The task that is being polled; without one, nobody waits.
    running: Option<usize>,
    granted: bool,
    waiting: BTreeMap<usize, Vec<Waker>>,
    /// What each task was told so far.
    histories: BTreeMap<usize, u64>,
    done: BTreeMap<usize, Done>,
    requests: u64,
    broken: Option<String>,
}

/// The table as all tasks reach it.
#[derive(Debug)]
struct Port {
    inside: Arc<Mutex<Inside>>,
    conditions: Conditions,
    consumed: Consumed,
}

/// A value as text that does not depend on the order of a map.
fn canonical(value: &AttributeValue) -> String {
    match value {
        AttributeValue::M(map) => of_item(map),
        other => format!("{other:?}"),
    }
}

fn of_item(item: &Item) -> String {
    let sorted: BTreeMap<&String, String> = item.iter().map(|(name, value)| (name, canonical(value))).collect();
    format!("{sorted:?}")
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Waits until the task is the one that goes on.
struct Turn {
    inside: Arc<Mutex<Inside>>,
}

impl Future for Turn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut inside = self.inside.lock().unwrap();
        let Some(task) = inside.running else { return Poll::Ready(()) };
        if inside.granted {
            inside.granted = false;
            return Poll::Ready(());
        }
        inside.waiting.entry(task).or_default().push(context.waker().clone());
        Poll::Pending
    }
}

impl Inside {
    /// What was written, and that no entry comes after its gate.
    fn look(&mut self) {
        while let Some(commit) = self.table.commits.get(self.seen_commits).cloned() {
            self.seen_commits += 1;
            for (key, item) in commit.items {
                let gate = Key { pk: key.pk.replacen('E', "G", 1), sk: "G".to_owned() };
                if key.pk.starts_with("E#") && item.contains_key("m") && self.items.contains_key(&gate) {
                    self.broken.get_or_insert(format!("{key:?} was written behind the gate"));
                }
                if key.pk == "P" {
                    let run = |item: &Item| -> Value {
                        let state: Value = serde_json::from_str(item["j"].as_s().unwrap()).unwrap();
                        state["final"].clone()
                    };
                    let before = self.runs.insert(key.sk.clone(), run(&item)).unwrap_or_default();
                    if !before.is_null() && before != run(&item) {
                        self.broken.get_or_insert(format!("the final run of {} was replaced or forgotten", key.sk));
                    }
                }
                self.items.insert(key, of_item(&item));
            }
        }
    }

    /// With whose they are.
    fn entries(&self, month: &str) -> Vec<(Key, String)> {
        let of_month = format!("E#{month}#{SHARD:02}");
        let (items, _) = self.table.page(&of_month, None, None, None).unwrap();
        let text = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
        let entries = items.iter().filter(|item| item.contains_key("m"));
        entries.map(|item| (Key { pk: text(item, "pk"), sk: text(item, "sk") }, text(item, "m"))).collect()
    }
}

impl Port {
    async fn operation<T>(
        &self,
        pk: &str,
        carry_out: impl FnOnce(&mut Table) -> T + Send,
        told: impl FnOnce(&T) -> String + Send,
    ) -> T {
        // Of the other shards nothing is looked at but that they are sealed in the end.
        let is_other_gate = pk.starts_with("G#") && !pk.ends_with(&format!("#{SHARD:02}"));
        // The rulebook in force never changes here, and the tasks share the process that reads it.
        let alone = is_other_gate || pk == "R" || {
            let inside = self.inside.lock().unwrap();
            inside.running.is_some_and(|task| inside.own.contains(&(task, pk.to_owned())))
        };
        if !alone {
            Turn { inside: self.inside.clone() }.await;
        }
        let mut inside = self.inside.lock().unwrap();
        let answer = carry_out(&mut inside.table);
        if let Some(task) = inside.running
            && !is_other_gate
        {
            let history = inside.histories.get(&task).copied().unwrap_or_default();
            inside.histories.insert(task, hash((history, pk, told(&answer))));
        }
        inside.look();
        answer
    }

    fn condition(&self, item: &Item, condition: Condition) -> Condition {
        let is_reference = item["pk"].as_s().unwrap().starts_with("U#");
        match (&condition, self.conditions) {
            (_, Conditions::WithoutReferences) if is_reference && !item.contains_key(REFUSALS) => Condition::None,
            (_, Conditions::WithoutRefusals) if item.contains_key(REFUSALS) => Condition::None,
            (Condition::Absent | Condition::Equals("v", _), Conditions::WithoutAbsenceAndVersions) => Condition::None,
            (Condition::Equals("n", _), Conditions::WithoutRevisions) => Condition::None,
            _ => condition,
        }
    }
}

#[async_trait::async_trait]
impl Store for Port {
    async fn create_if_missing(&self) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, LedgerError> {
        let told = |item: &Option<Item>| format!("{:?}", item.as_ref().map(of_item));
        Ok(self.operation(&key.pk, |table| table.get(key), told).await)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Item>, LedgerError> {
        let told = |items: &Result<Vec<Item>, LedgerError>| {
            format!("{:?}", items.iter().flatten().map(of_item).collect::<BTreeSet<_>>())
        };
        self.operation("many", |table| table.get_many(keys), told).await
    }

    async fn page(
        &self,
        pk: &str,
        prefix: Option<&str>,
        after: Option<String>,
        _: Option<i32>,
    ) -> Result<(Vec<Item>, Option<String>), LedgerError> {
        let told = |page: &Result<(Vec<Item>, Option<String>), LedgerError>| {
            format!("{:?}", page.iter().flat_map(|(items, _)| items).map(of_item).collect::<Vec<_>>())
        };
        // One item a page: between two pages others may go on.
        self.operation(pk, |table| table.page(pk, prefix, after.as_deref(), Some(1)), told).await
    }

    async fn statement_page(&self, _: &str, _: Option<Item>, _: usize) -> Result<(Vec<Item>, bool), LedgerError> {
        Ok((Vec::new(), false))
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<bool, LedgerError> {
        let (pk, condition) = (item["pk"].as_s().unwrap().clone(), self.condition(&item, condition));
        let told = |done: &Result<bool, LedgerError>| format!("{done:?}");
        self.operation(&pk, |table| table.put(item, &condition, 0), told).await
    }

    async fn transact(&self, writes: &[Write]) -> Result<(), TransactError> {
        let token = {
            let mut inside = self.inside.lock().unwrap();
            inside.requests += 1;
            inside.requests
        };
        let looked_at = |write: &&Write| {
            self.conditions != Conditions::WithoutGates || !matches!(write, Write::RequireAbsent { .. })
        };
        let writes = writes.iter().filter(looked_at).cloned().map(|write| match write {
            Write::Put { item, condition } => {
                let condition = self.condition(&item, condition);
                Write::Put { item, condition }
            }
            other => other,
        });
        let writes: Vec<Write> = writes.collect();
        let told = |done: &Result<(), TransactError>| match done {
            Ok(()) => "done".to_owned(),
            Err(TransactError::Cancelled(outcomes)) => {
                let of = |outcome: &Outcome| match outcome {
                    Outcome::Condition(item) => of_item(item),
                    other => format!("{other:?}"),
                };
                format!("{:?}", outcomes.iter().map(of).collect::<Vec<_>>())
            }
            Err(other) => format!("{other:?}"),
        };
        self.operation("transaction", |table| table.transact(&writes, token, 0, 0), told).await
    }

    async fn pause(&self, _: Duration, _: u64) {}

    fn consumed(&self) -> &Consumed {
        &self.consumed
    }
}

#[derive(Debug, Clone)]
enum Role {
    /// Sends one of the events until it has an answer.
    Writer(usize),
    /// Finds one of the events in a file of this digest.
    File(usize, &'static str),
    /// Closes these months, one after the other.
    Closer(Vec<&'static str>),
}

#[derive(Debug, Clone)]
struct Cast {
    name: &'static str,
    now: &'static str,
    events: Vec<Event>,
    roles: Vec<Role>,
    /// Processes that may end.
    crashes: usize,
    /// How often a task may be made to wait although it could go on; otherwise any time.
    switches: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    GoOn(usize),
    Crash(usize),
}

impl Choice {
    fn task(self) -> usize {
        match self {
            Choice::GoOn(task) | Choice::Crash(task) => task,
        }
    }
}

fn event(line: &str, kind: &str, reference: &str, member: &str, what: &Value) -> Event {
    let mut body = json!({ "member": member, "occurred_at": HOME });
    body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    (format!("/v1/lines/{line}/{kind}/{reference}"), member.to_owned(), body)
}

fn sale(reference: &str, member: &str) -> Event {
    event("dining", "accruals", reference, member, &json!({ "amount": "40.00" }))
}

/// Tasks of a cast on a table of their own, as far as a schedule led them.
struct Stage<'a> {
    explorer: &'a Explorer,
    inside: Arc<Mutex<Inside>>,
    tasks: Vec<Option<LocalBoxFuture<'static, ()>>>,
    crashes: usize,
    last: Option<usize>,
    switched: usize,
}

struct Explorer {
    cast: Cast,
    app: Arc<App>,
    requests: Vec<Request>,
    inside: Arc<Mutex<Inside>>,
    /// Items that are there before anything happens.
    before: Table,
    requests_before: u64,
}

#[derive(Debug, Default)]
struct Found {
    /// Each with the schedules that there are from it on.
    states: HashMap<u64, u128>,
    schedules: u128,
    runs: u64,
}

fn request((path, _, body): &Event) -> Request {
    let line = path.split('/').nth(3).unwrap();
    calls::request(&calls::event(&calls::arn(&format!("line-{line}")), "PUT", path, &body.to_string()))
}

/// Cutoff, the tally of the shard, and the mark that the run is final; again from the start
/// when the period was changed by another.
async fn close(app: &App, month: &str) -> Result<String, String> {
    let period = Period::parse(month).unwrap();
    loop {
        let asked = Close { empty: true, ..Close::new(period, RunKind::Final) };
        let started = match interline_cutoff::handle(app, asked).await {
            Ok(started) => started,
            Err(failure) if failure.class() == interline_lambda::Class::Retryable => continue,
            Err(failure) => return Err(format!("cutoff of {month}: {failure}")),
        };
        let tally = tally(app, period).await?;
        let run = Run {
            id: started.run,
            rulebook: started.rulebook,
            manifest: tally.clone(),
            finished_at: app.now(),
            by: None,
            engine: None,
            edition: None,
            program: None,
        };
        loop {
            match app.ledger.finish_final(period, run.clone()).await {
                Ok(()) => return Ok(tally),
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(format!("the final run of {month}: {error}")),
            }
        }
    }
}

/// What is answered to a redemption that stands in a file of this digest.
async fn in_file(app: &App, (path, member, body): &Event, digest: &str) -> Result<Answer, String> {
    let [line, reference] = [3, 5].map(|nth| path.split('/').nth(nth).unwrap());
    let row = redemption(line, reference, HOME, member, body["points"].as_i64().unwrap());
    let rulebook = app.rulebook().await.map_err(|failure| failure.to_string())?;
    let digest = digest.repeat(64);
    let source = Source::File { digest: &digest };
    let posted = app
        .ledger
        .post(&rulebook.rulebook, app, &row.head.member, std::slice::from_ref(&row), source, app.clock())
        .await;
    posted.map_err(|error| error.to_string())?.pop().ok_or_else(|| format!("{path} has no answer"))
}

/// The shard's tally as it would be written, with what it found of the month before.
async fn tally(app: &App, period: Period) -> Result<String, String> {
    let rulebook = app.rulebook().await.map_err(|failure| failure.to_string())?;
    let pseudonyms = app.pseudonyms(&rulebook.rulebook).await.map_err(|failure| failure.to_string())?;
    let tallied = interline_tally::tally(
        &app.ledger,
        app.engine(),
        (&rulebook.rulebook, &SaleRates::default()),
        &pseudonyms,
        period,
        the_shard(SHARD),
    )
    .await;
    let tallied = tallied.map_err(|failure| failure.to_string())?;
    Ok(String::from_utf8(tallied.file.json().unwrap()).unwrap())
}

impl Stage<'_> {
    fn start(&self, task: usize) -> LocalBoxFuture<'static, ()> {
        let (app, inside) = (self.explorer.app.clone(), self.inside.clone());
        match self.explorer.cast.roles[task].clone() {
            Role::Writer(number) => {
                let request = self.explorer.requests[number].clone();
                let path = self.explorer.cast.events[number].0.clone();
                // Another member's, without the points for it, or with nothing left to take back.
                let refuses = ["member", "points", "reverses"];
                Box::pin(async move {
                    let (status, body) = calls::read(interline_record::handle(&app, request).await);
                    // The answer may get lost.
                    Turn { inside: inside.clone() }.await;
                    let mut inside = inside.lock().unwrap();
                    match status {
                        200 | 201 => {
                            inside.done.insert(task, Done::Recorded(number, status == 201));
                        }
                        409 | 422 if refuses.contains(&body["field"].as_str().unwrap_or_default()) => {
                            inside.done.insert(task, Done::Refused(number));
                        }
                        _ => inside.broken = Some(format!("{path} was answered with {status}: {body}")),
                    }
                })
            }
            Role::File(number, digest) => {
                let event = self.explorer.cast.events[number].clone();
                Box::pin(async move {
                    let answer = in_file(&app, &event, digest).await;
                    Turn { inside: inside.clone() }.await;
                    let mut inside = inside.lock().unwrap();
                    let done = match answer {
                        Ok(Answer::Accepted(_)) => Done::Recorded(number, true),
                        Ok(Answer::Replayed(_)) => Done::Recorded(number, false),
                        Ok(Answer::Rejected(_)) => Done::Refused(number),
                        Err(broken) => return inside.broken = Some(broken),
                    };
                    inside.done.insert(task, done);
                })
            }
            Role::Closer(months) => Box::pin(async move {
                let mut closed = Vec::new();
                for month in months {
                    match close(&app, month).await {
                        Ok(tally) => closed.push((month.to_owned(), tally)),
                        Err(broken) => return inside.lock().unwrap().broken = Some(broken),
                    }
                }
                inside.lock().unwrap().done.insert(task, Done::Closed(closed));
            }),
        }
    }

    /// Lets a task go on to the next place where it waits.
    fn poll(&mut self, task: usize) {
        self.inside.lock().unwrap().running = Some(task);
        if let Some(future) = &mut self.tasks[task]
            && future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
        {
            self.tasks[task] = None;
        }
        let mut inside = self.inside.lock().unwrap();
        assert!(!inside.granted, "the task took its turn");
        inside.running = None;
    }

    fn choose(&mut self, choice: Choice) {
        let could_go_on = |last: &usize| self.inside.lock().unwrap().waiting.contains_key(last);
        let before = self.last.replace(choice.task()).filter(could_go_on);
        self.switched += usize::from(before.is_some_and(|before| before != choice.task()));
        match choice {
            Choice::GoOn(task) => {
                let wakers = {
                    let mut inside = self.inside.lock().unwrap();
                    inside.granted = true;
                    inside.waiting.remove(&task)
                };
                wakers.into_iter().flatten().for_each(Waker::wake);
                self.poll(task);
            }
            Choice::Crash(task) => {
                self.crashes += 1;
                self.tasks[task] = None;
                {
                    let mut inside = self.inside.lock().unwrap();
                    inside.waiting.remove(&task);
                    inside.histories.insert(task, 0);
                }
                self.tasks[task] = Some(self.start(task));
                self.poll(task);
            }
        }
    }

    fn choices(&self) -> Vec<Choice> {
        let inside = self.inside.lock().unwrap();
        let may_crash = self.crashes < self.explorer.cast.crashes;
        let go_on = inside.waiting.keys().map(|task| Choice::GoOn(*task));
        go_on.chain(inside.waiting.keys().filter(|_| may_crash).map(|task| Choice::Crash(*task))).collect()
    }

    /// Everything on which the rest of the run depends.
    fn state(&self) -> u64 {
        let inside = self.inside.lock().unwrap();
        let waiting: Vec<&usize> = inside.waiting.keys().collect();
        hash((&inside.items, &inside.histories, waiting, &inside.done, self.crashes))
    }

    /// What must be true when everybody is done.
    fn check(&self) -> Result<(), String> {
        let cast = &self.explorer.cast;
        let inside = self.inside.lock().unwrap();
        let done = inside.done.clone();
        if done.len() < cast.roles.len() {
            return Err("not all have come to an end".to_owned());
        }
        let all: Vec<(Key, String)> = MONTHS.iter().flat_map(|month| inside.entries(month)).collect();
        drop(inside);
        let places = |number: usize| -> Vec<&Key> {
            let (path, member, _) = &cast.events[number];
            let reference = path.rsplit('/').next();
            let is_meant = |(key, of): &&(Key, String)| key.sk.split('#').nth(2) == reference && of == member;
            all.iter().filter(is_meant).map(|(key, _)| key).collect()
        };
        let sent: BTreeSet<usize> = cast.roles.iter().filter_map(Role::event).collect();
        for number in sent {
            let ((path, ..), places) = (&cast.events[number], places(number));
            let refused = !done.values().any(|done| matches!(done, Done::Recorded(of, _) if *of == number));
            if places.len() != usize::from(!refused) {
                return Err(format!("{path} is recorded at {places:?}"));
            }
            if done.values().filter(|done| **done == Done::Recorded(number, true)).count() > 1 {
                return Err(format!("{path} was said to be new twice"));
            }
        }
        self.check_accounts(&all)?;
        for role in &cast.roles {
            let Role::File(number, digest) = role else { continue };
            let again = futures::executor::block_on(in_file(&self.explorer.app, &cast.events[*number], digest))?;
            match (&again, places(*number).is_empty()) {
                (Answer::Replayed(_), false) | (Answer::Rejected(Rejection::RefusedBefore(_)), true) => {}
                (other, _) => return Err(format!("the row of the file {digest} is answered with {other:?} later")),
            }
        }
        for closed in done.values() {
            let Done::Closed(closed) = closed else { continue };
            for (month, told) in closed {
                let now = tally(&self.explorer.app, Period::parse(month).unwrap());
                let now = futures::executor::block_on(now)?;
                if now != *told {
                    return Err(format!("of {month} there was cleared {told}, there lies {now}"));
                }
                let state = futures::executor::block_on(self.explorer.app.ledger.period(Period::parse(month).unwrap()));
                let state = state.map_err(|error| error.to_string())?;
                if state.final_run().is_none_or(|run| run.manifest != now) {
                    return Err(format!("the final run of {month} is another one"));
                }
            }
        }
        Ok(())
    }
}

impl Stage<'_> {
    /// A member's account has counted each of the member's entries, and what it holds
    /// less what it owes is what they brought and took.
    fn check_accounts(&self, all: &[(Key, String)]) -> Result<(), String> {
        let app = &self.explorer.app;
        let members: BTreeSet<&String> = self.explorer.cast.events.iter().map(|(_, member, _)| member).collect();
        for name in members {
            let member = MemberId::parse(name).unwrap();
            let account =
                futures::executor::block_on(app.ledger.account(&member)).map_err(|error| error.to_string())?;
            let entries = all.iter().filter(|(_, of)| of == name).count();
            if account.sequence != entries as u64 {
                return Err(format!("{name} is at entry {} of {entries}", account.sequence));
            }
            let (mut brought, mut records) = (0, Vec::new());
            for month in MONTHS {
                records.push(app.ledger.shard_records(Period::parse(month).unwrap(), the_shard(SHARD)));
            }
            for mut records in records {
                while let Some(page) = futures::executor::block_on(records.next_page()) {
                    let page = page.map_err(|error| error.to_string())?;
                    let own = page.iter().filter(|(entry, _)| entry.head.member == member);
                    brought += own.map(|(entry, _)| brought_by(entry)).sum::<i64>();
                }
            }
            let held = account.lots.values().map(|points| points.get()).sum::<i64>();
            let net = held - account.debts.values().map(|points| points.get()).sum::<i64>();
            if net != brought {
                return Err(format!("{name} has {net} points, the entries bring {brought}"));
            }
        }
        Ok(())
    }
}

/// Points that an entry adds to what its member has, less debts.
fn brought_by(entry: &Entry) -> i64 {
    struct Brought(i64);

    impl Balances for Brought {
        fn lot(&mut self, _cohort: &Cohort, points: Points) -> Result<(), OutOfRange> {
            self.0 += points.get();
            Ok(())
        }

        fn debt(&mut self, _creditor: &SchemeId, points: Points) -> Result<(), OutOfRange> {
            self.0 -= points.get();
            Ok(())
        }
    }

    let mut brought = Brought(0);
    entry.event.moves(&mut brought).unwrap();
    brought.0
}

impl Role {
    fn event(&self) -> Option<usize> {
        match self {
            Role::Writer(number) | Role::File(number, _) => Some(*number),
            Role::Closer(_) => None,
        }
    }
}

impl Explorer {
    fn new(cast: Cast, conditions: Conditions) -> Self {
        let inside: Arc<Mutex<Inside>> = Arc::default();
        let port = Port { inside: inside.clone(), conditions, consumed: Consumed::default() };
        let bucket = |name: &str| Bucket::on(Arc::new(MemoryBucket::default()), name);
        let now = moment(cast.now);
        let app = App::new(Ledger::on(Arc::new(port)), bucket("reports"), bucket("inbox"), Arc::new(move || now));
        // From here on the rulebook is known, and what is read of it never changes.
        futures::executor::block_on(app.publish(RULEBOOK)).unwrap();
        let mut members: Vec<&String> = cast.events.iter().map(|(_, member, _)| member).collect();
        members.dedup();
        for member in members {
            let before = request(&sale(&format!("{member}-before"), member));
            let (status, body) = calls::read(futures::executor::block_on(interline_record::handle(&app, before)));
            assert_eq!(status, 201, "{body}");
        }
        let mut before = std::mem::take(&mut inside.lock().unwrap().table);
        // The gates of the other shards are there: nobody looks at them.
        for (month, number) in MONTHS[..2].iter().flat_map(|month| (0..SHARDS).map(move |number| (month, number))) {
            let pk = format!("G#{month}#{number:02}");
            let gate = Item::from([
                ("pk".to_owned(), AttributeValue::S(pk)),
                ("sk".to_owned(), AttributeValue::S("G".to_owned())),
            ]);
            if number != SHARD {
                before.put(gate, &Condition::None, 0).unwrap();
            }
        }
        before.commits.clear();
        let requests_before = inside.lock().unwrap().requests;
        let requests = cast.events.iter().map(request).collect();
        Self { cast, app: Arc::new(app), requests, inside, before, requests_before }
    }

    /// Partitions that only one task uses.
    fn own(&self) -> BTreeSet<(usize, String)> {
        let closers = self.cast.roles.iter().filter(|role| role.event().is_none()).count();
        let member = |role: &Role| role.event().map(|number| self.cast.events[number].1.clone());
        let of = |(task, role): (usize, &Role)| match member(role) {
            None => (closers == 1).then(|| (task, "P".to_owned())),
            Some(name) => {
                let users = self.cast.roles.iter().filter(|other| member(other).as_ref() == Some(&name)).count();
                (users == 1).then(|| (task, format!("M#{name}")))
            }
        };
        self.cast.roles.iter().enumerate().filter_map(of).collect()
    }

    fn stage(&self) -> Stage<'_> {
        *self.inside.lock().unwrap() =
            Inside { table: self.before.clone(), own: self.own(), requests: self.requests_before, ..Inside::default() };
        let mut stage = Stage {
            explorer: self,
            inside: self.inside.clone(),
            tasks: Vec::new(),
            crashes: 0,
            last: None,
            switched: 0,
        };
        for task in 0..self.cast.roles.len() {
            let started = stage.start(task);
            stage.tasks.push(Some(started));
            stage.poll(task);
        }
        stage
    }

    /// How many schedules there are from here on, or the first that goes wrong. `stage`
    /// stands at the end of `path`; without one, it is led there.
    fn explore(&self, found: &mut Found, path: &mut Vec<Choice>, stage: Option<Stage<'_>>) -> Result<u128, String> {
        let stage = stage.unwrap_or_else(|| {
            found.runs += 1;
            let mut stage = self.stage();
            path.iter().for_each(|choice| stage.choose(*choice));
            stage
        });
        if let Some(broken) = stage.inside.lock().unwrap().broken.take() {
            return Err(format!("{broken} after {path:?}"));
        }
        let (mut choices, switched) = (stage.choices(), stage.switched);
        let mut state = stage.state();
        if let Some(most) = self.cast.switches {
            // What may follow depends on who went last, too.
            state = hash((state, stage.last, switched));
            let goes_on = |choice: &Choice| stage.last.is_none_or(|last| choice.task() == last);
            if switched == most && choices.iter().any(goes_on) {
                choices.retain(goes_on);
            }
        }
        if let Some(count) = found.states.get(&state) {
            return Ok(*count);
        }
        let mut count = u128::from(choices.is_empty());
        if choices.is_empty() {
            stage.check().map_err(|error| format!("{error} after {path:?}"))?;
        }
        let mut stage = Some(stage);
        for choice in choices {
            path.push(choice);
            let next = stage.take().map(|mut stage| {
                stage.choose(choice);
                stage
            });
            count += self.explore(found, path, next)?;
            path.pop();
        }
        found.states.insert(state, count);
        Ok(count)
    }

    fn all(&self) -> Result<Found, String> {
        let mut found = Found::default();
        found.schedules = self.explore(&mut found, &mut Vec::new(), None)?;
        Ok(found)
    }
}

fn casts() -> Vec<Cast> {
    let [one, other] = [0, 1].map(|nth| member_of_shard(SHARD, nth));
    assert_eq!(shard(&MemberId::parse(&other).unwrap()), SHARD);
    let spent = event("grocery", "redemptions", "R-1", &one, &json!({ "points": 60 }));
    let january = || Role::Closer(vec!["2017-01"]);
    let cast = |name, now, events: &[&Event], roles: &[Role], crashes, switches| Cast {
        name,
        now,
        events: events.iter().map(|event| (*event).clone()).collect(),
        roles: roles.to_vec(),
        crashes,
        switches,
    };
    let (first, second) = (sale("S-1", &one), sale("S-2", &other));
    let of_another = sale("S-1", &other);
    let both = [Role::Writer(0), Role::Writer(1)];
    let twice = [Role::Writer(0), Role::Writer(0)];
    let with = |writers: &[Role], closers: &[Role]| [writers, closers].concat();
    // More than there is before the sale.
    let large = event("grocery", "redemptions", "R-2", &one, &json!({ "points": 200 }));
    let files = [Role::Writer(0), Role::File(1, "a"), Role::File(1, "b")];
    let caller_and_file = [Role::Writer(0), Role::File(1, "a"), Role::Writer(1)];
    let only_files = [Role::File(0, "a"), Role::File(0, "b"), Role::File(0, "c")];
    let same_file = [Role::Writer(0), Role::File(1, "a"), Role::File(1, "a")];
    // The whole of the sale before: what is spent by then becomes a debt.
    let sale_before = json!({ "reverses": { "kind": "accrual", "reference": format!("{one}-before") } });
    let refund = event("dining", "reversals", "V-1", &one, &sale_before);
    let part = json!({ "reverses": { "kind": "accrual", "reference": format!("{one}-before") }, "amount": "25.00" });
    let part = event("dining", "reversals", "V-2", &one, &part);
    let to_march = Role::Closer(vec!["2017-01", "2017-02"]);
    let one_writer = &both[..1];
    vec![
        cast("one event, one closer", IN_FEBRUARY, &[&first], &with(one_writer, &[january()]), 2, None),
        cast("two members, one closer", IN_FEBRUARY, &[&first, &second], &with(&both, &[january()]), 0, None),
        cast("one member, one closer", IN_FEBRUARY, &[&first, &spent], &with(&both, &[january()]), 0, None),
        cast("one event twice, one closer", IN_FEBRUARY, &[&first], &with(&twice, &[january()]), 0, None),
        cast(
            "one reference, two members, one closer",
            IN_FEBRUARY,
            &[&first, &of_another],
            &with(&both, &[january()]),
            0,
            None,
        ),
        cast("one event, two closers", IN_FEBRUARY, &[&first], &with(one_writer, &[january(), january()]), 0, Some(2)),
        cast("one event, a closer of two months", IN_MARCH, &[&first], &with(one_writer, &[to_march]), 1, None),
        cast("points and two files that spend them", IN_JANUARY, &[&first, &large], &files, 0, None),
        cast(
            "points, and a caller and a file that spend them",
            IN_JANUARY,
            &[&first, &large],
            &caller_and_file,
            0,
            None,
        ),
        cast("points, and a file twice that spends them", IN_JANUARY, &[&first, &large], &same_file, 0, None),
        cast("three files that are refused", IN_JANUARY, &[&large], &only_files, 0, None),
        cast("a refund and a redemption of the same points", IN_JANUARY, &[&refund, &spent], &both, 1, None),
        cast("the same late", IN_FEBRUARY, &[&refund, &spent], &with(&both, &[january()]), 0, Some(2)),
        cast("two refunds of one sale", IN_JANUARY, &[&refund, &part], &both, 1, None),
        cast("the files late", IN_FEBRUARY, &[&first, &large], &with(&files, &[january()]), 0, Some(2)),
    ]
}

fn explore(cast: Cast) {
    let (name, crashes, switches) = (cast.name, cast.crashes, cast.switches);
    match Explorer::new(cast, Conditions::All).all() {
        Ok(Found { states, schedules, runs }) => {
            let most = switches.map(|most| format!(", at most {most} switches")).unwrap_or_default();
            println!("{name}, {crashes} crashes{most}: {schedules} schedules, {} states, {runs} runs", states.len());
            assert!(schedules > 10, "{name}: {schedules}");
        }
        Err(broken) => panic!("{name}, {crashes} crashes: {broken}"),
    }
}

#[test]
fn every_schedule_of_the_real_functions_clears_each_entry_once() {
    casts().into_iter().for_each(explore);
}

/// The same with a crash more, and all schedules of two closers.
#[test]
#[ignore = "takes minutes"]
fn every_schedule_with_a_crash_more_clears_each_entry_once() {
    for cast in casts() {
        let crashes = if cast.switches.is_none() { cast.crashes + 1 } else { cast.crashes };
        explore(Cast { crashes, switches: None, ..cast });
    }
}

#[test]
fn without_a_condition_on_the_table_some_schedule_goes_wrong() {
    for conditions in [
        Conditions::WithoutGates,
        Conditions::WithoutAbsenceAndVersions,
        Conditions::WithoutRevisions,
        Conditions::WithoutReferences,
        Conditions::WithoutRefusals,
    ] {
        let broken = casts().into_iter().find_map(|cast| Explorer::new(cast, conditions).all().err());
        println!("{conditions:?}: {}", broken.expect("nothing was noticed"));
    }
}
