use interline_domain::close::period::CloseRefusal;
use interline_domain::close::settlement::SettleError;
use interline_domain::close::tally::TallyError;
use interline_domain::terms::rulebook::RulebookErrors;
use interline_domain::units::money::OutOfRange;
use interline_ledger::LedgerError;
use interline_reports::bucket::StoreError;
use lambda_runtime::Diagnostic;

/// Why a function failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Ledger(LedgerError),
    /// A close that may not begin or end as it was asked for.
    #[error(transparent)]
    Close(#[from] CloseRefusal),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the rulebook is not valid:\n{0}")]
    Rulebook(#[from] RulebookErrors),
    #[error(transparent)]
    Tally(#[from] TallyError),
    /// A state or tally that cannot be settled, such as a cohort with more
    /// points redeemed than issued.
    #[error("the close was stopped: {0}")]
    Settle(#[from] SettleError),
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The event that called the function.
    #[error("{0}")]
    BadEvent(String),
    /// An input as a whole that cannot be used, such as a file.
    #[error("{0}")]
    Unusable(String),
    /// The key of the pseudonyms is not there, or is not the one of before.
    #[error("pseudonym key {name}: {reason}")]
    Key { name: String, reason: String },
    /// A step of a final run that another version of the program began.
    #[error("run {0} was begun by another version of the program, or with another rulebook: start the close again")]
    OtherVersion(String),
    /// A close whose checks do not all pass.
    #[error("the close was stopped: {0}")]
    ChecksFailed(String),
    #[error("{0}")]
    Corrupt(String),
    #[error("the time limit came before the end; what was written stays, and the same call goes on from there")]
    TimedOut,
}

/// What the caller can do about it. Step Functions match on the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Try again.
    Retryable,
    /// It will be refused again until something else is done first.
    Refused,
    /// Try again, but not often: it may take as long again.
    TimedOut,
    /// Something that must tie does not.
    ChecksFailed,
    /// Somebody has to look.
    Broken,
}

impl Class {
    pub const fn name(self) -> &'static str {
        match self {
            Class::Retryable => "Interline.Retryable",
            Class::Refused => "Interline.Refused",
            Class::TimedOut => "Interline.TimedOut",
            Class::ChecksFailed => "Interline.ChecksFailed",
            Class::Broken => "Interline.Broken",
        }
    }
}

impl Failure {
    pub fn class(&self) -> Class {
        match self {
            Failure::Ledger(error) if error.is_retryable() => Class::Retryable,
            Failure::Store(error) if error.is_retryable() => Class::Retryable,
            Failure::Ledger(
                LedgerError::Broken { .. }
                | LedgerError::Refused(_)
                | LedgerError::WrongClock { .. }
                | LedgerError::Rulebook { .. },
            ) => Class::Broken,
            Failure::Ledger(_)
            | Failure::Close(_)
            | Failure::Rulebook(_)
            | Failure::BadEvent(_)
            | Failure::Unusable(_)
            | Failure::Key { .. }
            | Failure::OtherVersion(_) => Class::Refused,
            Failure::Settle(_) | Failure::ChecksFailed(_) => Class::ChecksFailed,
            Failure::TimedOut => Class::TimedOut,
            Failure::Store(_) | Failure::Tally(_) | Failure::OutOfRange(_) | Failure::Corrupt(_) => Class::Broken,
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Close(refusal) => Failure::Close(refusal),
            other => Failure::Ledger(other),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::Corrupt(error.to_string())
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Diagnostic { error_type: failure.class().name().to_owned(), error_message: failure.to_string() }
    }
}
