//! The life of a period: open, sealed, final. What may be done with one, and what it is
//! then, is decided here for everybody who asks.

use crate::terms::rulebook::Rulebook;
use crate::units::calendar::Period;
use crate::units::moment::rfc3339_utc;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A run that was started this long ago without an end may be started again.
pub const ATTEMPT_STALE: TimeDelta = TimeDelta::minutes(30);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct PeriodState {
    pub period: Period,
    pub status: Status,
    /// The newest run that was started, until it is finished.
    pub attempt: Option<Attempt>,
    /// The newest trial that was finished.
    pub trial: Option<Run>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    Open,
    /// Accepts no entry any more.
    Sealed {
        sealed_at: DateTime<Utc>,
    },
    /// Closed with a final run, for good.
    Final {
        sealed_at: DateTime<Utc>,
        run: Run,
    },
}

/// A run that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub run: String,
    pub started_at: DateTime<Utc>,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why it ended without a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// A finished run of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Also the folder of its files.
    pub id: String,
    pub rulebook: String,
    /// SHA-256 of its manifest.
    pub manifest: String,
    pub finished_at: DateTime<Utc>,
    /// Who asked for it. Of the attempt that it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Version of the program, its calculation edition, and which build it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

/// A state as it is stored, where more could be written than there is.
#[derive(Serialize, Deserialize)]
struct Stored {
    period: Period,
    status: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt: Option<Attempt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trial: Option<Run>,
    #[serde(default, rename = "final", skip_serializing_if = "Option::is_none")]
    final_run: Option<Run>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Open,
    Sealed,
    Final,
}

#[derive(Debug, thiserror::Error)]
#[error("no period is {0:?} with this seal and this final run")]
struct NoState(Word);

impl TryFrom<Stored> for PeriodState {
    type Error = NoState;

    fn try_from(stored: Stored) -> Result<Self, NoState> {
        let Stored { period, status, sealed_at, attempt, trial, final_run } = stored;
        let status = match (status, sealed_at, final_run) {
            (Word::Open, None, None) => Status::Open,
            (Word::Sealed, Some(sealed_at), None) => Status::Sealed { sealed_at },
            (Word::Final, Some(sealed_at), Some(run)) => Status::Final { sealed_at, run },
            (status, ..) => return Err(NoState(status)),
        };
        Ok(Self { period, status, attempt, trial })
    }
}

impl From<PeriodState> for Stored {
    fn from(state: PeriodState) -> Self {
        let PeriodState { period, status, attempt, trial } = state;
        let (status, sealed_at, final_run) = match status {
            Status::Open => (Word::Open, None, None),
            Status::Sealed { sealed_at } => (Word::Sealed, Some(sealed_at), None),
            Status::Final { sealed_at, run } => (Word::Final, Some(sealed_at), Some(run)),
        };
        Self { period, status, sealed_at, attempt, trial, final_run }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    Trial,
    Final,
}

impl RunKind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Final => "final",
        }
    }
}

/// Why a period is not closed, or not now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseRefusal {
    #[error("period {period} lies before the programme's first period {first}")]
    BeforeProgramme { period: Period, first: Period },
    #[error("the programme's periods are {first} to {current}")]
    NotBegun { first: Period, current: Period },
    #[error("period {period} cannot be closed before {predecessor} is final")]
    PredecessorOpen { period: Period, predecessor: Period },
    #[error("period {period} is not over, or not for long enough: it may be sealed from {earliest} on")]
    TooEarly { period: Period, earliest: DateTime<Utc> },
    /// A final close of a month in which nothing happened, perhaps of a wrong one.
    #[error("{0} has no entries: close it with --empty (over the API: \"empty\": true) if that is right")]
    Empty(Period),
    #[error("run {run} was started at {}", rfc3339_utc(*.started_at))]
    UnderWay { run: String, started_at: DateTime<Utc> },
    #[error("period {period} is final with run {run}; a final run is immutable")]
    AlreadyFinal { period: Period, run: String },
    #[error("period {0} is not sealed; only a sealed one has a final run")]
    NotSealed(Period),
}

/// A close that somebody asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub kind: RunKind,
    /// A final run may be of a month in which nothing happened.
    pub empty: bool,
    pub now: DateTime<Utc>,
}

/// What a close may begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// A run of the period as it is.
    Run,
    /// The period is sealed first.
    Seal,
    /// As [`Seal`](Begin::Seal), if something is booked in it: otherwise it is
    /// [`CloseRefusal::Empty`].
    SealUnlessEmpty,
}

/// Refuses a period that is none of the programme's up to now.
pub fn check_begun(rulebook: &Rulebook, period: Period, now: DateTime<Utc>) -> Result<(), CloseRefusal> {
    let (first, current) = (rulebook.first_period, rulebook.period(now));
    match first <= period && period <= current {
        true => Ok(()),
        false => Err(CloseRefusal::NotBegun { first, current }),
    }
}

/// The period that must be final before another is closed; the first one has none.
pub fn predecessor(first: Period, period: Period) -> Result<Option<Period>, CloseRefusal> {
    match period < first {
        true => Err(CloseRefusal::BeforeProgramme { period, first }),
        false => Ok((period > first).then(|| period.previous())),
    }
}

impl Status {
    pub const fn word(&self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Sealed { .. } => "sealed",
            Status::Final { .. } => "final",
        }
    }
}

impl Attempt {
    pub fn new(run: &str, by: Option<&str>, now: DateTime<Utc>) -> Self {
        Self { run: run.to_owned(), started_at: now, by: by.map(str::to_owned), failed: None }
    }

    /// Whether it may still come to an end of its own.
    fn is_under_way(&self, now: DateTime<Utc>) -> bool {
        self.failed.is_none() && self.started_at > now - ATTEMPT_STALE
    }
}

impl PeriodState {
    /// A period that nothing was done with yet.
    pub fn open(period: Period) -> Self {
        Self { period, status: Status::Open, attempt: None, trial: None }
    }

    pub fn is_open(&self) -> bool {
        self.status == Status::Open
    }

    pub fn is_final(&self) -> bool {
        self.final_run().is_some()
    }

    pub fn sealed_at(&self) -> Option<DateTime<Utc>> {
        match self.status {
            Status::Open => None,
            Status::Sealed { sealed_at } | Status::Final { sealed_at, .. } => Some(sealed_at),
        }
    }

    pub fn final_run(&self) -> Option<&Run> {
        match &self.status {
            Status::Open | Status::Sealed { .. } => None,
            Status::Final { run, .. } => Some(run),
        }
    }

    pub fn into_final_run(self) -> Option<Run> {
        match self.status {
            Status::Open | Status::Sealed { .. } => None,
            Status::Final { run, .. } => Some(run),
        }
    }

    /// The final run if there is one, else the newest trial.
    pub fn newest(&self) -> Option<(RunKind, &Run)> {
        let closed = self.final_run().map(|run| (RunKind::Final, run));
        closed.or_else(|| self.trial.as_ref().map(|run| (RunKind::Trial, run)))
    }

    /// The final run, which a later period rests on.
    pub fn closed_before(self, period: Period) -> Result<Run, CloseRefusal> {
        let predecessor = self.period;
        self.into_final_run().ok_or(CloseRefusal::PredecessorOpen { period, predecessor })
    }

    /// Whether a close may begin now, and with what. That its turn has come is told by
    /// [`predecessor`] and [`closed_before`](Self::closed_before).
    pub fn begin(&self, rulebook: &Rulebook, asked: Asked) -> Result<Begin, CloseRefusal> {
        let Asked { kind, empty, now } = asked;
        match (kind, &self.status) {
            (RunKind::Trial, _) | (RunKind::Final, Status::Sealed { .. }) => Ok(Begin::Run),
            (RunKind::Final, Status::Final { run, .. }) => Err(self.already_final(run)),
            (RunKind::Final, Status::Open) => {
                self.check_over(rulebook, now)?;
                Ok(if empty { Begin::Seal } else { Begin::SealUnlessEmpty })
            }
        }
    }

    /// The run that a final close of a final period gives again, with its own rulebook
    /// or not at all. `None`: the close is a new run.
    pub fn again(&self, kind: RunKind, rulebook: &str) -> Result<Option<&Run>, CloseRefusal> {
        match (kind, self.final_run()) {
            (RunKind::Trial, _) | (RunKind::Final, None) => Ok(None),
            (RunKind::Final, Some(run)) if run.rulebook == rulebook => Ok(Some(run)),
            (RunKind::Final, Some(run)) => Err(self.already_final(run)),
        }
    }

    /// The period once it is sealed. `None`: it is already, and stays as it was sealed.
    pub fn sealed(&self, rulebook: &Rulebook, now: DateTime<Utc>) -> Result<Option<Self>, CloseRefusal> {
        match self.status {
            Status::Sealed { .. } | Status::Final { .. } => Ok(None),
            Status::Open => {
                self.check_over(rulebook, now)?;
                Ok(Some(Self { status: Status::Sealed { sealed_at: now }, ..self.clone() }))
            }
        }
    }

    /// The period with a run that was started, whatever was under way.
    pub fn started(self, attempt: Attempt) -> Self {
        Self { attempt: Some(attempt), ..self }
    }

    /// As [`started`](Self::started), unless another run is under way.
    pub fn claimed(self, attempt: Attempt) -> Result<Self, CloseRefusal> {
        match &self.attempt {
            Some(Attempt { run, started_at, .. }) if self.is_busy(attempt.started_at) => {
                Err(CloseRefusal::UnderWay { run: run.clone(), started_at: *started_at })
            }
            Some(_) | None => Ok(self.started(attempt)),
        }
    }

    fn is_busy(&self, now: DateTime<Utc>) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.is_under_way(now))
    }

    /// The period once its run ended without a result. `None`: another was started since.
    pub fn failed(mut self, run: &str, reason: &str) -> Option<Self> {
        let attempt = self.attempt.as_mut().filter(|attempt| attempt.run == run)?;
        attempt.failed = Some(reason.to_owned());
        Some(self)
    }

    pub fn finished_trial(mut self, run: Run) -> Self {
        let (run, _) = self.end(run);
        Self { trial: Some(run), ..self }
    }

    /// The period with its final run. `None`: this run is it already, and nothing says
    /// that it is under way.
    pub fn finished_final(mut self, run: Run) -> Result<Option<Self>, CloseRefusal> {
        match &self.status {
            Status::Open => Err(CloseRefusal::NotSealed(self.period)),
            Status::Final { run: recorded, .. } if recorded.id == run.id && recorded.manifest == run.manifest => {
                let (_, was_under_way) = self.end(run);
                Ok(was_under_way.then_some(self))
            }
            Status::Final { run: recorded, .. } => Err(self.already_final(recorded)),
            Status::Sealed { sealed_at } => {
                let sealed_at = *sealed_at;
                let (run, _) = self.end(run);
                Ok(Some(Self { status: Status::Final { sealed_at, run }, ..self }))
            }
        }
    }

    /// Takes away the attempt that a run ends, and notes who asked for it.
    fn end(&mut self, mut run: Run) -> (Run, bool) {
        let ended = self.attempt.take_if(|attempt| attempt.run == run.id);
        let was_under_way = ended.is_some();
        if let Some(attempt) = ended {
            run.by = attempt.by;
        }
        (run, was_under_way)
    }

    fn check_over(&self, rulebook: &Rulebook, now: DateTime<Utc>) -> Result<(), CloseRefusal> {
        let earliest = rulebook.seal_not_before(self.period);
        match now < earliest {
            true => Err(CloseRefusal::TooEarly { period: self.period, earliest }),
            false => Ok(()),
        }
    }

    fn already_final(&self, run: &Run) -> CloseRefusal {
        CloseRefusal::AlreadyFinal { period: self.period, run: run.id.clone() }
    }
}
