//! The month-end state machine, those who start it, and the last look.

use super::callers::{look, stragglers};
use super::world::{Clocks, DAY, Ended, HOUR, MINUTE, World, reprint};
use crate::calls;
use futures::stream::{self, StreamExt, TryStreamExt};
use interline_cutoff::{Close, Event, Failed, Started};
use interline_domain::close::period::CloseRefusal;
use interline_domain::units::calendar::Period;
use interline_lambda::{App, Class, Failure, ShardTask};
use interline_reports::bucket::StoreError;
use interline_reports::manifest::RunKind;
use serde_json::json;
use std::future::Future;
use std::sync::Arc;

/// Shards that the Map state tallies at once.
const SHARDS_AT_ONCE: usize = 32;
const RETRIES: u32 = 6;
/// The first of a month's last events come so long before two closes of it.
const BEFORE_DUEL: i64 = 200;
/// Retries of a step that ended without a word.
const RETRIES_OF_CRASHES: u32 = 1;

/// Why an execution failed: a failure of the product, or processes that ended.
enum Broken {
    Failure(Failure),
    Crashed,
}

/// A step as the state machine carries it out: tried again by class, and sometimes
/// twice at once, as when an answer comes too late.
async fn step<T, F: Future<Output = Result<T, Failure>>>(
    world: &World,
    ahead: Option<i64>,
    handler: impl Fn(Arc<App>) -> F,
) -> Result<T, Broken> {
    let (mut retries, mut ended_early) = (0, 0);
    loop {
        let faults = world.cloud.faults();
        // A month has hundreds of steps; so that it is closed at all, few of them crash.
        let crashes = faults.crashes / 4;
        let twice = world.sim.chance(faults.duplicates);
        let one = async {
            match ahead {
                None => world.invoke_with(crashes, &handler).await,
                Some(ahead) => world.invoke_in(world.process(ahead), crashes, &handler).await,
            }
        };
        let other = async {
            if twice {
                world.report.borrow_mut().duplicates += 1;
                world.sleep(world.sim.between(0, 5_000)).await;
                world.invoke_with(crashes, &handler).await;
            }
        };
        let (ended, ()) = futures::join!(one, other);
        match ended {
            Ended::Answered(Ok(answer)) => return Ok(answer),
            Ended::Answered(Err(failure)) if failure.class() == Class::Retryable && retries < RETRIES => retries += 1,
            Ended::Answered(Err(failure)) => return Err(Broken::Failure(failure)),
            Ended::Crashed if ended_early < RETRIES_OF_CRASHES => ended_early += 1,
            Ended::Crashed => return Err(Broken::Crashed),
        }
        world.sleep(world.sim.between(1_000, 5_000 << retries.min(4))).await;
    }
}

/// A step of a close as the state machine calls it.
#[derive(Debug, Clone)]
pub enum Step {
    Cutoff(Close),
    Tally(ShardTask),
    Prove(ShardTask),
    Settle(interline_settle::Task),
}

/// One execution of the month-end state machine. `false`: it failed.
async fn execution(world: &World, close: Close) -> bool {
    // In some runs a closer's clock is far ahead.
    let beyond = world.scenario.clocks == Clocks::Beyond && world.sim.chance(500);
    let ahead = beyond.then(|| world.sim.between(5 * HOUR, 9 * HOUR));
    execution_by(world, close, ahead).await
}

/// `ahead`: the cutoff has a process of its own, whose clock is so much ahead.
async fn execution_by(world: &World, close: Close, ahead: Option<i64>) -> bool {
    world.report.borrow_mut().executions += 1;
    let kind = close.kind;
    let mut named = close.period.zip(close.run.clone());
    let period = close.period;
    let Err(broken) = steps(world, close, ahead, &mut named).await else { return true };
    world.report.borrow_mut().failed_executions += 1;
    if let Broken::Failure(failure) = &broken {
        judge(world, kind, period, failure);
    }
    if let Some((period, run)) = named {
        world.auditor.borrow_mut().failed.insert((period.to_string(), run.clone()));
        let failed = &Failed { period, run, failed: "States.TaskFailed".to_owned() };
        let noted = step(world, None, |app: Arc<App>| async move {
            interline_cutoff::handle_event(&app, Event::Failed(failed.clone())).await
        });
        if let Err(Broken::Failure(failure)) = noted.await
            && failure.class() != Class::Retryable
        {
            world.violate(format!("that a close of {period} failed was not noted: {failure}"));
        }
    }
    false
}

/// Whether a close may fail so.
fn judge(world: &World, kind: RunKind, period: Option<Period>, failure: &Failure) {
    let fine = match failure {
        failure if failure.class() == Class::Retryable => true,
        Failure::Close(
            CloseRefusal::TooEarly { .. } | CloseRefusal::PredecessorOpen { .. } | CloseRefusal::AlreadyFinal { .. },
        ) => true,
        // An open month went on while a step of its trial was repeated.
        Failure::Store(StoreError::Differs(_)) => kind == RunKind::Trial,
        failure if failure.class() == Class::ChecksFailed => {
            let predecessor = period.map(|period| period.previous().to_string()).unwrap_or_default();
            let slipped = world.auditor.borrow().slipped(&predecessor);
            let named = failure.to_string().contains("sealed shards of the previous period are unchanged");
            world.report.borrow_mut().stopped += u64::from(slipped && named);
            // Without what slipped, points may seem to be redeemed that nobody issued.
            slipped
        }
        // In a period that changed behind its gates the same run differs.
        _ => false,
    };
    let slipped = period.is_some_and(|period| world.auditor.borrow().ever_slipped(&period.to_string()));
    if !fine && !slipped {
        world.violate(format!("a {kind:?} close of {period:?} failed: {failure}"));
    }
}

async fn steps(
    world: &World,
    close: Close,
    ahead: Option<i64>,
    named: &mut Option<(Period, String)>,
) -> Result<(), Broken> {
    let asked = &close;
    let cutoff = |app: Arc<App>| async move { interline_cutoff::handle(&app, asked.clone()).await };
    let Started { period, kind, run, rulebook, shards, judgement, .. } = step(world, ahead, cutoff).await?;
    *named = Some((period, run.clone()));
    echo(world, kind, || Step::Cutoff(close.clone()));
    stream::iter(shards)
        .map(|shard| {
            let task = ShardTask { period, run: run.clone(), rulebook: rulebook.clone(), shard, together: 1 };
            echo(world, kind, || Step::Tally(task.clone()));
            echo(world, kind, || Step::Prove(task.clone()));
            async move {
                let task = &task;
                step(world, None, |app: Arc<App>| async move { interline_tally::handle(&app, task.clone()).await })
                    .await?;
                step(world, None, |app: Arc<App>| async move { interline_prove::handle(&app, task.clone()).await })
                    .await
            }
        })
        .buffer_unordered(SHARDS_AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    let task = &interline_settle::Task { period, kind, run, rulebook, judgement };
    echo(world, kind, || Step::Settle(task.clone()));
    step(world, None, |app: Arc<App>| async move { interline_settle::handle(&app, task.clone()).await }).await?;
    Ok(())
}

/// Now and then a step of a final close comes once more, long after.
fn echo(world: &World, kind: RunKind, step: impl FnOnce() -> Step) {
    if kind == RunKind::Final && world.sim.chance(world.cloud.faults().duplicates / 2) {
        let at = world.now() + world.sim.between(MINUTE, 2 * HOUR);
        world.echoes.borrow_mut().push((at, step()));
    }
}

/// Delivers what comes once more.
pub async fn echoes(world: &World) {
    while !world.over.get() {
        world.sleep(world.sim.between(5 * MINUTE, HOUR)).await;
        let (due, later) = world.echoes.take().into_iter().partition(|(at, _)| *at <= world.now());
        world.echoes.replace(later);
        let due: Vec<(i64, Step)> = due;
        for (_, step) in due {
            world.report.borrow_mut().echoes += 1;
            let (period, task) = (&step, step.clone());
            let period = match period {
                Step::Cutoff(close) => close.period,
                Step::Tally(task) => Some(task.period),
                Step::Prove(task) => Some(task.period),
                Step::Settle(task) => Some(task.period),
            };
            let again = |app: Arc<App>| async move {
                match task {
                    Step::Cutoff(close) => interline_cutoff::handle(&app, close).await.map(|_| ()),
                    Step::Tally(task) => interline_tally::handle(&app, task).await.map(|_| ()),
                    Step::Prove(task) => interline_prove::handle(&app, task).await.map(|_| ()),
                    Step::Settle(task) => interline_settle::handle(&app, task).await.map(|_| ()),
                }
            };
            if let Ended::Answered(Err(failure)) = world.invoke(again).await {
                judge(world, RunKind::Final, period, &failure);
            }
        }
    }
}

/// Two final executions of a month at once, while its last events come in; the rulebook
/// may be published between their cutoffs, and a trial be under way.
pub async fn duels(world: &World) {
    for n in 0..world.scenario.months {
        // Before any clock lets the month be closed.
        world.sim.sleep_until(World::month(n + 1) + world.sim.between(MINUTE, 30 * MINUTE)).await;
        stragglers(world, n).await;
        let early = world.is_early(n);
        let at = if early { world.sim.between(65 * MINUTE, 110 * MINUTE) } else { world.sim.between(DAY, 2 * DAY) };
        world.sim.sleep_until(World::month(n + 1) + at).await;
        if world.over.get() {
            return;
        }
        let reprinted = world.sim.chance(600);
        let with_trial = world.sim.chance(300);
        let longest = *world.sim.pick(&[2, 50, 1_000]);
        let trial = async {
            if with_trial {
                world.sleep(BEFORE_DUEL + world.sim.between(0, longest)).await;
                execution(world, close_of(n, RunKind::Trial)).await;
            }
        };
        let one = async {
            world.sleep(BEFORE_DUEL).await;
            execution(world, close_of(n, RunKind::Final)).await;
        };
        let other = async {
            world.sleep(BEFORE_DUEL + world.sim.between(0, longest)).await;
            if reprinted {
                reprint(world).await;
            }
            // A process that has not read a rulebook yet.
            execution_by(world, close_of(n, RunKind::Final), Some(0)).await;
        };
        futures::join!(one, other, trial, stragglers(world, n));
    }
}

fn close_of(n: usize, kind: RunKind) -> Close {
    let period = Period::parse(&World::period(n)).unwrap();
    Close { empty: true, ..Close::new(period, kind) }
}

/// EventBridge: a trial and a final run for each month, and again until it is final.
pub async fn schedule(world: &World) {
    for n in 0..world.scenario.months {
        let end = World::month(n + 1);
        world.sim.sleep_until(end + world.sim.between(-12 * HOUR, 0)).await;
        execution(world, close_of(n, RunKind::Trial)).await;
        let early = world.is_early(n);
        let at = match world.scenario.clocks {
            // Before the month is over, were it not for the closer's clock.
            Clocks::Beyond => -world.sim.between(HOUR, 6 * HOUR),
            Clocks::Within if early => world.sim.between(30 * MINUTE, 2 * HOUR),
            Clocks::Within => world.sim.between(DAY, 3 * DAY),
        };
        world.sim.sleep_until(end + at).await;
        while !world.auditor.borrow().is_final(&World::period(n)) {
            execution(world, close_of(n, RunKind::Final)).await;
            world.sleep(world.sim.between(MINUTE, 6 * HOUR)).await;
            if world.over.get() {
                return;
            }
        }
    }
}

/// Finance asks for closes over the API, more often than it needs to.
pub async fn finance(world: &World) {
    for n in 0..world.scenario.months {
        let period = World::period(n);
        let early = world.is_early(n);
        let at = if early { world.sim.between(-HOUR, 2 * HOUR) } else { world.sim.between(DAY, 3 * DAY) };
        world.sim.sleep_until(World::month(n + 1) + at).await;
        for _ in 0..4 {
            let kind = if world.sim.chance(300) { "trial" } else { "final" };
            ask(world, &period, kind).await;
            world.sleep(world.sim.between(MINUTE, 8 * HOUR)).await;
        }
        // A closed month may be closed again any time: it stays as it is.
        let again = world.sim.below(n as u64 + 1) as usize;
        if world.auditor.borrow().is_final(&World::period(again)) {
            execution(world, close_of(again, RunKind::Final)).await;
        }
    }
}

async fn ask(world: &World, period: &str, kind: &str) {
    let path = format!("/v1/periods/{period}/close");
    let event =
        calls::event(&calls::arn("finance"), "POST", &path, &json!({ "kind": kind, "empty": true }).to_string());
    let request = calls::request(&event);
    let ended = world
        .invoke(|app| async move {
            let requested = world.requested.clone();
            let starter: interline_periods::Starter = Box::new(move |_, close| {
                requested.lock().unwrap().push_back(close);
                Box::pin(async { Ok(()) })
            });
            interline_periods::handle(&app, &starter, request).await
        })
        .await;
    let Ended::Answered(response) = ended else { return };
    let (status, body) = calls::read(response);
    if !matches!(status, 202 | 404 | 409 | 422 | 503) {
        world.violate(format!("{path} was answered with {status}: {body}"));
    }
}

/// Runs what the API was asked for.
pub async fn machine(world: &World) {
    while !world.over.get() {
        world.sleep(world.sim.between(100, 30_000)).await;
        let next = world.requested.lock().unwrap().pop_front();
        if let Some(close) = next {
            execution(world, close).await;
        }
    }
}

/// Without faults from here on: every month becomes final, closing it again gives the
/// same bytes, and every member is shown what the books say.
pub async fn last_look(world: &World) {
    for n in 0..world.scenario.months {
        let period = World::period(n);
        if !world.auditor.borrow().is_final(&period) {
            let closed = execution(world, close_of(n, RunKind::Final)).await;
            if !closed {
                // What changed behind its gates stays open, and so does what follows.
                let slipped = |n: usize| world.auditor.borrow().slipped(&World::period(n));
                if slipped(n) || (n > 0 && slipped(n - 1)) {
                    return;
                }
                return world.violate(format!("{period} could not be closed"));
            }
        }
        let task = |app: Arc<App>| async move {
            let Started { period, kind, run, rulebook, shards, judgement, .. } =
                interline_cutoff::handle(&app, close_of(n, RunKind::Final)).await?;
            assert!(shards.is_empty(), "a final month is not tallied again");
            let done =
                interline_settle::handle(&app, interline_settle::Task { period, kind, run, rulebook, judgement })
                    .await?;
            let run = app.ledger.period(period).await?.into_final_run().unwrap();
            let found = interline::verification::verification(&app, period, &run, None, &|_| {}).await?;
            Ok::<_, Failure>((done, found.differences))
        };
        let again = world.invoke_in(world.process(0), 0, task).await;
        let slipped = world.auditor.borrow().slipped(&period);
        match again {
            Ended::Answered(Ok((_, differences))) if !differences.is_empty() && !slipped => {
                return world.violate(format!("{period} computed again differs: {differences:?}"));
            }
            Ended::Answered(Ok((done, _))) => {
                if world.auditor.borrow().manifest(&period) != Some(done.manifest.as_str()) {
                    return world.violate(format!("{period} closed again has the manifest {}", done.manifest));
                }
                if world.auditor.borrow().is_busy(&period) {
                    return world.violate(format!("{period} is final and seems to be under way"));
                }
            }
            Ended::Answered(Err(_)) if slipped => return,
            Ended::Answered(Err(failure)) => return world.violate(format!("{period} closed again failed: {failure}")),
            Ended::Crashed => return world.violate("a process ended without a fault".to_owned()),
        }
    }
    let members = world.auditor.borrow().members();
    for member in members {
        let Some(shown) = look(world, "members", &format!("/v1/members/{member}")).await else {
            return world.violate(format!("member {member} is not shown"));
        };
        let checked = world.auditor.borrow().check_member(&member, &shown);
        if let Err(violation) = checked {
            return world.violate(violation);
        }
    }
}
