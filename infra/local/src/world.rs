//! The ledger, buckets and clock that a command works on.

use crate::CliError;
use crate::arguments::{Arguments, Command, RulebookCommand};
use crate::sample;
use interline_domain::id::MemberId;
use interline_embedded::{Embedded, Storage};
use interline_lambda::bootstrap::{self, Settings};
use interline_lambda::{App, Clock, Program};
use interline_ledger::{Ledger, StatementFilter};
use interline_reports::bucket::Bucket;
use std::path::PathBuf;
use std::sync::Arc;

pub const TABLE: &str = "interline";
pub const REPORTS_BUCKET: &str = "interline-reports";
pub const INBOX_BUCKET: &str = "interline-inbox";

pub struct World {
    pub app: Arc<App>,
    /// Where the embedded S3 keeps its objects; none on AWS.
    pub folder: Option<PathBuf>,
    pub data_dir: PathBuf,
    /// The servers behind it; none on AWS.
    pub embedded: Option<Embedded>,
}

impl World {
    pub async fn open(arguments: &Arguments) -> Result<Self, CliError> {
        let mut world = if arguments.aws {
            let settings = Settings::from_env()?;
            let app = bootstrap::app(&bootstrap::sdk_config().await, &settings).with_program(program());
            Self { app: Arc::new(app), folder: None, data_dir: arguments.data_dir.clone(), embedded: None }
        } else {
            let storage = Storage::Directory(arguments.data_dir.clone());
            Self::embedded_as(storage, clock(&arguments.command), program()).await?
        };
        world.data_dir = arguments.data_dir.clone();
        let published = match &arguments.command {
            Command::Rulebook { command: RulebookCommand::Publish { file } } => Some(file),
            _ => arguments.rulebook.as_ref(),
        };
        if let Some(path) = published {
            let text = read(path)?;
            world.app.publish(&text).await?;
        } else if !arguments.aws && world.app.ledger.current_rulebook().await?.is_none() {
            eprintln!("No rulebook yet: using the sample programme's (choose another with --rulebook FILE).");
            world.app.publish(sample::RULEBOOK).await?;
        }
        Ok(world)
    }

    /// A world on the embedded stack, with no rulebook of its own.
    pub async fn embedded(storage: Storage, clock: Clock) -> Result<Self, CliError> {
        Self::embedded_as(storage, clock, Arc::new(|| None)).await
    }

    async fn embedded_as(storage: Storage, clock: Clock, program: Program) -> Result<Self, CliError> {
        let data_dir = match &storage {
            Storage::Directory(path) => path.clone(),
            Storage::Memory => PathBuf::new(),
        };
        let folder = matches!(storage, Storage::Directory(_)).then(|| data_dir.join("s3"));
        let embedded = Embedded::start(storage).await?;
        let ledger = Ledger::new(embedded.dynamodb(), TABLE);
        ledger.create_table_if_missing().await?;
        if half_made(&ledger).await {
            embedded.drop_table(TABLE).await?;
            ledger.create_table_if_missing().await?;
        }
        let reports = Bucket::new(embedded.s3(), REPORTS_BUCKET);
        let inbox = Bucket::new(embedded.s3(), INBOX_BUCKET);
        reports.create_if_missing().await?;
        inbox.create_if_missing().await?;
        let app = Arc::new(App::new(ledger, reports, inbox, clock).with_program(program));
        Ok(Self { app, folder, data_dir, embedded: Some(embedded) })
    }

    pub async fn close(self) {
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }
}

/// Whether a process was killed while it created the table: the embedded
/// DynamoDB knows the table then, and has no place for its items or for those of
/// the index. Nothing can have been recorded in it.
async fn half_made(ledger: &Ledger) -> bool {
    let Ok(nobody) = MemberId::parse("nobody") else { return false };
    let answers = [
        ledger.current_rulebook().await.map(|_| ()),
        ledger.member_entries(&nobody, &StatementFilter::default(), None, 1).await.map(|_| ()),
    ];
    answers.into_iter().any(|answer| answer.is_err_and(|error| error.to_string().contains("no such table")))
}

/// This very executable, by its hash.
fn program() -> Program {
    Arc::new(bootstrap::executable)
}

/// The system's clock, or one that was set to another time.
fn clock(command: &Command) -> Clock {
    let system = bootstrap::system_clock();
    match command {
        Command::Serve { now: Some(now), .. } => {
            let ahead = now.to_utc() - system();
            Arc::new(move || system() + ahead)
        }
        _ => system,
    }
}

pub fn read(path: &std::path::Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|source| CliError::File {
        action: "cannot read",
        path: path.to_owned(),
        source,
    })
}
