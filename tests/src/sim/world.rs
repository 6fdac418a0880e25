//! A run: processes that come and go, the actors that call them, and the auditor.

use super::audit::Auditor;
use super::callers::Past;
use super::executor::{self, Answer, Sim, mortal};
use super::network::{BucketWire, Cloud, Faults, Wire};
use super::{callers, closers, terms};
use chrono::{DateTime, Utc};
use futures::future::LocalBoxFuture;
use interline_cutoff::Close;
use interline_lambda::App;
use interline_ledger::Ledger;
use interline_reports::bucket::Bucket;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
const ZONE: i64 = 8 * HOUR;

/// How wrong the clocks of processes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clocks {
    /// So little that no two of them are as far apart as a period's seal.
    Within,
    /// A closer's clock may be hours ahead.
    Beyond,
}

#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub seed: u64,
    pub months: usize,
    /// How many times fewer events there are than on a busy day.
    pub calm: i64,
    pub clocks: Clocks,
}

/// What a run went through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub steps: u64,
    pub trace: u64,
    pub entries: usize,
    pub cleared: u64,
    pub late: u64,
    /// Transactions that wrote several accounts.
    pub together: u64,
    pub crashes: u64,
    pub duplicates: u64,
    pub executions: u64,
    pub failed_executions: u64,
    pub refused: u64,
    pub files: u64,
    /// A close was stopped because a sealed period had changed.
    pub stopped: u64,
    /// Months that became final.
    pub months: u64,
    /// Steps of closes that came once more long after.
    pub echoes: u64,
    /// Rulebooks that were published.
    pub editions: u64,
    /// Known events that came again.
    pub again: u64,
}

pub struct World {
    pub sim: Sim,
    pub cloud: Arc<Cloud>,
    pub scenario: Scenario,
    pub auditor: RefCell<Auditor>,
    pub report: RefCell<Report>,
    pub history: RefCell<Vec<Past>>,
    /// Closes that the API was asked for.
    pub requested: Arc<std::sync::Mutex<VecDeque<Close>>>,
    /// What went wrong.
    pub violation: RefCell<Option<String>>,
    idle: RefCell<Vec<Arc<App>>>,
    /// Months that are closed as early as the clocks allow; the others stay open for days.
    early: u64,
    /// Steps of closes that will be delivered once more, and when.
    pub echoes: RefCell<Vec<(i64, closers::Step)>>,
    /// The edition of the rulebook in force; `None` while another is published.
    edition: Cell<Option<(bool, u32)>>,
    pub references: Cell<u64>,
    /// Set once the actors should come to an end.
    pub over: Cell<bool>,
}

/// How an invocation ended.
pub enum Ended<T> {
    Answered(T),
    Crashed,
}

impl World {
    pub fn start() -> i64 {
        moment("2017-01-01T00:00:00Z").timestamp_millis() - ZONE
    }

    /// The first moment of the n-th month, and after the last one.
    pub fn month(n: usize) -> i64 {
        moment(&format!("2017-{:02}-01T00:00:00Z", n + 1)).timestamp_millis() - ZONE
    }

    pub fn period(n: usize) -> String {
        format!("2017-{:02}", n + 1)
    }

    pub fn end(&self) -> i64 {
        Self::month(self.scenario.months) + 5 * DAY
    }

    pub fn is_early(&self, n: usize) -> bool {
        self.early >> n & 1 == 1
    }

    pub fn now(&self) -> i64 {
        self.sim.now()
    }

    pub fn violate(&self, text: String) {
        self.violation.borrow_mut().get_or_insert(text);
    }

    pub fn sleep(&self, millis: i64) -> Answer<()> {
        self.sim.sleep(millis)
    }

    /// A process that has just started: it knows nothing and has a clock of its own.
    pub fn process(&self, ahead: i64) -> Arc<App> {
        let sim = self.sim.clone();
        let clock = move || DateTime::<Utc>::from_timestamp_millis(sim.now() + ahead).unwrap();
        let bucket = |of, name| Bucket::on(Arc::new(BucketWire { cloud: self.cloud.clone(), of }), name);
        let ledger = Ledger::on(Arc::new(Wire(self.cloud.clone())));
        let (reports, inbox) = (bucket(|cloud| &cloud.reports, "reports"), bucket(|cloud| &cloud.inbox, "inbox"));
        Arc::new(App::new(ledger, reports, inbox, Arc::new(clock)))
    }

    fn ahead(&self) -> i64 {
        match self.sim.below(4) {
            0 => self.sim.between(-20 * MINUTE, 20 * MINUTE),
            _ => self.sim.between(-500, 500),
        }
    }

    /// Invokes a function in a warm process or a new one, each for one event at a time.
    pub async fn invoke<T, F: Future<Output = T>>(&self, handler: impl FnOnce(Arc<App>) -> F) -> Ended<T> {
        self.invoke_with(self.cloud.faults().crashes, handler).await
    }

    pub async fn invoke_with<T, F: Future<Output = T>>(
        &self,
        crashes: u64,
        handler: impl FnOnce(Arc<App>) -> F,
    ) -> Ended<T> {
        let warm = self.idle.borrow_mut().pop().filter(|_| !self.sim.chance(50));
        let app = warm.unwrap_or_else(|| self.process(self.ahead()));
        let ended = self.invoke_in(app.clone(), crashes, handler).await;
        if matches!(ended, Ended::Answered(_)) {
            self.idle.borrow_mut().push(app);
        }
        ended
    }

    /// Invokes a function in a certain process, which may end at any place where it waits.
    pub async fn invoke_in<T, F: Future<Output = T>>(
        &self,
        app: Arc<App>,
        crashes: u64,
        handler: impl FnOnce(Arc<App>) -> F,
    ) -> Ended<T> {
        let waits = self.sim.chance(crashes).then(|| match self.sim.below(3) {
            0 => self.sim.below(3),
            1 => self.sim.below(20),
            _ => self.sim.below(400),
        });
        match mortal(handler(app), waits).await {
            Some(answer) => Ended::Answered(answer),
            None => {
                self.report.borrow_mut().crashes += 1;
                Ended::Crashed
            }
        }
    }

    pub fn reference(&self, prefix: &str) -> String {
        self.references.set(self.references.get() + 1);
        format!("{prefix}{}", self.references.get())
    }
}

pub fn moment(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// With an offset of eight hours, to the second.
pub fn local_text(millis: i64) -> String {
    let local = DateTime::<Utc>::from_timestamp_millis(millis + ZONE).unwrap();
    format!("{}+08:00", local.format("%Y-%m-%dT%H:%M:%S"))
}

/// In UTC without its `Z`, as the table has it.
pub fn utc_text(millis: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(millis).unwrap().format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Runs a scenario to its end. The error says what must not be.
pub fn run(scenario: Scenario) -> Result<Report, String> {
    let sim = Sim::new(scenario.seed, World::start());
    // Some seeds are calm, some are not.
    let harsh = [0, 10, 25, 60][sim.below(4) as usize];
    let faults = Faults {
        tries: harsh * 2,
        outages: harsh / 5,
        conflicts: harsh * 2,
        slow: harsh,
        crashes: harsh,
        duplicates: harsh * 2,
    };
    let cloud = Arc::new(Cloud::new(sim.clone(), faults));
    let world = World {
        sim: sim.clone(),
        cloud,
        scenario,
        auditor: RefCell::default(),
        report: RefCell::default(),
        history: RefCell::default(),
        requested: Arc::default(),
        violation: RefCell::default(),
        idle: RefCell::default(),
        early: sim.number(),
        echoes: RefCell::default(),
        edition: Cell::new(None),
        references: Cell::new(0),
        over: Cell::new(false),
    };
    world.auditor.borrow_mut().beyond = scenario.clocks == Clocks::Beyond;
    let outcome = simulate(&world);
    let mut report = world.report.take();
    let auditor = world.auditor.take();
    (report.steps, report.trace) = (sim.steps(), sim.trace());
    report.months = auditor.finals();
    (report.entries, report.cleared) = (auditor.entries(), auditor.cleared);
    (report.late, report.together) = (auditor.late, auditor.together);
    outcome.map(|()| report).map_err(|error| {
        let at = local_text(sim.now());
        format!("seed {}: step {}, {at}: {error}", scenario.seed, sim.steps())
    })
}

fn simulate(world: &World) -> Result<(), String> {
    let observe = || {
        if let Some(violation) = world.violation.borrow_mut().take() {
            return Err(violation);
        }
        let reports = world.cloud.reports.lock().unwrap();
        world.auditor.borrow_mut().observe(&world.cloud.table.lock().unwrap(), &reports.objects)
    };
    executor::run(&world.sim, vec![Box::pin(first_edition(world))], observe)?;
    let mut tasks: Vec<LocalBoxFuture<'_, ()>> = vec![Box::pin(timekeeper(world)), Box::pin(second_edition(world))];
    for line in terms::LINES {
        for _ in 0..2 {
            tasks.push(Box::pin(callers::till(world, line)));
        }
        tasks.push(Box::pin(callers::importer(world, line)));
    }
    tasks.push(Box::pin(callers::importer(world, terms::PLATFORM)));
    tasks.push(Box::pin(callers::reporter(world)));
    tasks.push(Box::pin(callers::reporter(world)));
    tasks.push(Box::pin(closers::schedule(world)));
    tasks.push(Box::pin(closers::finance(world)));
    tasks.push(Box::pin(closers::machine(world)));
    tasks.push(Box::pin(closers::machine(world)));
    tasks.push(Box::pin(closers::duels(world)));
    tasks.push(Box::pin(closers::echoes(world)));
    executor::run(&world.sim, tasks, observe)?;
    // Everything that is still to be done gets done, and everything is looked at.
    executor::run(&world.sim, vec![Box::pin(closers::last_look(world))], observe)?;
    let reports = world.cloud.reports.lock().unwrap();
    world.auditor.borrow().finish(&reports.objects, &reports.replaced)
}

async fn timekeeper(world: &World) {
    world.sim.sleep_until(world.end()).await;
    world.over.set(true);
    // From here on, whoever tries again gets through.
    world.cloud.healed.store(true, Ordering::Relaxed);
}

async fn first_edition(world: &World) {
    publish(world, (false, 0)).await;
}

/// In the middle of February, or while January is being closed.
async fn second_edition(world: &World) {
    let (from, to) = match world.sim.chance(300) {
        true => (World::month(1) + HOUR, World::month(1) + 3 * DAY),
        false => (World::month(1) + 3 * DAY, World::month(1) + 25 * DAY),
    };
    world.sim.sleep_until(world.sim.between(from, to)).await;
    loop {
        if let Some((_, number)) = world.edition.get() {
            // A request of the edition before may still be on its way.
            world.edition.set(None);
            world.sleep(2 * MINUTE).await;
            return publish(world, (true, number)).await;
        }
        world.sleep(MINUTE).await;
    }
}

/// The same terms under another hash, unless another edition is on its way.
pub async fn reprint(world: &World) {
    if let Some((second, number)) = world.edition.take() {
        publish(world, (second, number + 1)).await;
    }
}

async fn publish(world: &World, edition: (bool, u32)) {
    let (second, number) = edition;
    let text = format!("{}# edition {number}\n", terms::rulebook(second));
    loop {
        let text = &text;
        let publishes = |app: Arc<App>| async move {
            let proposal = app.propose(text).await?;
            app.bring_into_force(proposal, Some("the second edition")).await.map(|_| ())
        };
        match world.invoke(publishes).await {
            Ended::Answered(Ok(())) => break,
            Ended::Answered(Err(failure)) if failure.class() != interline_lambda::Class::Retryable => {
                return world.violate(format!("the rulebook was not published: {failure}"));
            }
            // A request of the first try may still be on its way.
            Ended::Answered(Err(_)) | Ended::Crashed => world.sleep(2 * MINUTE).await,
        }
    }
    world.report.borrow_mut().editions += 1;
    world.edition.set(Some(edition));
}
