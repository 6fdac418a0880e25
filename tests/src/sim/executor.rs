//! One thread, one clock, one seed: tasks go on when the event that they wait for
//! is the next one, and every delay is drawn from the seed.

use futures::future::LocalBoxFuture;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// Splitmix64: small, and the same everywhere.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

type Event = Box<dyn FnOnce() + Send>;

struct State {
    /// Milliseconds since 1970.
    now: i64,
    sequence: u64,
    random: Random,
    events: BTreeMap<(i64, u64), Event>,
    steps: u64,
    /// A digest of everything that happened: the same for the same seed.
    trace: u64,
}

#[derive(Clone)]
pub struct Sim(Arc<Mutex<State>>);

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sim")
    }
}

impl Sim {
    pub fn new(seed: u64, now: i64) -> Self {
        let random = Random::new(seed);
        Self(Arc::new(Mutex::new(State { now, sequence: 0, random, events: BTreeMap::new(), steps: 0, trace: seed })))
    }

    pub fn now(&self) -> i64 {
        self.0.lock().unwrap().now
    }

    pub fn steps(&self) -> u64 {
        self.0.lock().unwrap().steps
    }

    pub fn trace(&self) -> u64 {
        self.0.lock().unwrap().trace
    }

    /// Counts an operation of a port and takes it into the trace.
    pub fn step(&self, what: &str) {
        let mut state = self.0.lock().unwrap();
        state.steps += 1;
        let mut trace = state.trace ^ (state.now as u64);
        for byte in what.bytes() {
            trace = (trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        state.trace = trace;
    }

    pub fn number(&self) -> u64 {
        self.0.lock().unwrap().random.number()
    }

    /// A number below `end`.
    pub fn below(&self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    pub fn between(&self, least: i64, most: i64) -> i64 {
        least + (self.number() % ((most - least + 1).max(1) as u64)) as i64
    }

    pub fn chance(&self, per_thousand: u64) -> bool {
        self.below(1000) < per_thousand
    }

    pub fn pick<'a, T>(&self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }

    pub fn after(&self, millis: i64, event: impl FnOnce() + Send + 'static) {
        let mut state = self.0.lock().unwrap();
        state.sequence += 1;
        let at = (state.now + millis.max(0), state.sequence);
        state.events.insert(at, Box::new(event));
    }

    pub fn sleep(&self, millis: i64) -> Answer<()> {
        let (slot, answer) = slot();
        self.after(millis, move || slot.fill(()));
        answer
    }

    /// Until a moment, unless that is over.
    pub fn sleep_until(&self, at: i64) -> Answer<()> {
        self.sleep(at - self.now())
    }

    /// Lets the next event happen.
    fn next(&self) -> bool {
        let event = {
            let mut state = self.0.lock().unwrap();
            let Some(((at, _), event)) = state.events.pop_first() else { return false };
            state.now = at;
            event
        };
        event();
        true
    }
}

#[derive(Debug)]
struct Inside<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// Where an answer will be put.
#[derive(Debug)]
pub struct Slot<T>(Arc<Mutex<Inside<T>>>);

/// Waits for what is put into its slot.
#[derive(Debug)]
pub struct Answer<T>(Arc<Mutex<Inside<T>>>);

pub fn slot<T>() -> (Slot<T>, Answer<T>) {
    let inside = Arc::new(Mutex::new(Inside { value: None, waker: None }));
    (Slot(inside.clone()), Answer(inside))
}

impl<T> Slot<T> {
    /// Nobody waits any more: the process that asked is gone.
    pub fn is_forgotten(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    pub fn fill(self, value: T) {
        let waker = {
            let mut inside = self.0.lock().unwrap();
            inside.value = Some(value);
            inside.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut inside = self.0.lock().unwrap();
        match inside.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                inside.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Runs a future and drops it at the n-th place where it waits, if a number is given.
pub struct Mortal<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    waits_left: Option<u64>,
}

pub fn mortal<'a, T>(future: impl Future<Output = T> + 'a, waits_left: Option<u64>) -> Mortal<'a, T> {
    Mortal { future: Box::pin(future), waits_left }
}

impl<'a, T: 'a> Future for Mortal<'a, T> {
    /// `None`: it was dropped.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        match self.future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => match &mut self.waits_left {
                Some(0) => {
                    self.future = Box::pin(std::future::pending());
                    Poll::Ready(None)
                }
                Some(left) => {
                    *left -= 1;
                    Poll::Pending
                }
                None => Poll::Pending,
            },
        }
    }
}

#[derive(Debug)]
struct Task {
    number: usize,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap();
        if !ready.contains(&self.number) {
            ready.push_back(self.number);
        }
    }
}

/// Runs tasks until all are done, and then what is still under way. `observe` is
/// called after every event and may end the run.
pub fn run<'a, E>(
    sim: &Sim,
    tasks: Vec<LocalBoxFuture<'a, ()>>,
    mut observe: impl FnMut() -> Result<(), E>,
) -> Result<(), E> {
    let ready = Arc::new(Mutex::new((0..tasks.len()).collect::<VecDeque<usize>>()));
    let wakers: Vec<Waker> =
        (0..tasks.len()).map(|number| Arc::new(Task { number, ready: ready.clone() }).into()).collect();
    let mut tasks: Vec<Option<LocalBoxFuture<'a, ()>>> = tasks.into_iter().map(Some).collect();
    loop {
        loop {
            let next = ready.lock().unwrap().pop_front();
            let Some(number) = next else { break };
            let Some(task) = &mut tasks[number] else { continue };
            if task.as_mut().poll(&mut Context::from_waker(&wakers[number])).is_ready() {
                tasks[number] = None;
            }
            observe()?;
        }
        if !sim.next() {
            assert!(tasks.iter().all(Option::is_none), "a task waits for what will never come");
            return Ok(());
        }
        observe()?;
    }
}
