//! The ledger, buckets and clock that a command works on.

use crate::CliError;
use crate::arguments::{Arguments, Command, RulebookCommand};
use crate::commands::is_standard_input;
use crate::files::write;
use crate::keys::KeyFolder;
use crate::output::warn;
use crate::sample;
use chrono::{DateTime, FixedOffset};
use interline_domain::terms::rulebook::Rulebook;
use interline_embedded::{DATABASE, Embedded, Storage};
use interline_lambda::bootstrap::{self, Settings};
use interline_lambda::{App, Clock, Failure, Program, person_of};
use interline_ledger::Ledger;
use interline_reports::bucket::Bucket;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const TABLE: &str = "interline";
pub const REPORTS_BUCKET: &str = "interline-reports";
pub const INBOX_BUCKET: &str = "interline-inbox";
/// Says how a folder's files are to be read.
const FORMAT_MARKER: &str = "format";
const FORMAT: &str = "4";

pub struct World {
    pub app: Arc<App>,
    /// Where the embedded S3 keeps its objects; none on AWS.
    pub folder: Option<PathBuf>,
    pub data_dir: PathBuf,
    /// The servers behind it; none on AWS.
    pub embedded: Option<Embedded>,
}

/// Refuses a folder that a program with another stored form made, and marks a new one.
fn check_format(data_dir: &Path, begins: bool) -> Result<(), CliError> {
    let marker = data_dir.join(FORMAT_MARKER);
    match std::fs::read_to_string(&marker) {
        Ok(format) if format.trim() == FORMAT => Ok(()),
        Ok(format) => Err(CliError::Usage(format!(
            "{} is of format {:?}, this program reads format {FORMAT}: use the program that made it",
            data_dir.display(),
            format.trim()
        ))),
        // Made before there were markers.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match begins {
            true => write(&marker, format!("{FORMAT}\n").as_bytes()),
            false => Ok(()),
        },
        Err(source) => Err(cannot_read(&marker, source)),
    }
}

/// Who is logged in.
fn user() -> Option<String> {
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok()).filter(|name| !name.is_empty())
}

impl World {
    pub async fn open(arguments: &Arguments) -> Result<Self, CliError> {
        let given = given(arguments)?;
        let world = match arguments.aws {
            true => Self::on_aws(arguments).await?,
            false => Self::on_disk(arguments).await?,
        };
        world.bring_into_force(arguments, given).await?;
        Ok(world)
    }

    async fn on_aws(arguments: &Arguments) -> Result<Self, CliError> {
        let settings = Settings::from_env()?;
        let config = bootstrap::sdk_config().await;
        let app = bootstrap::with_keys(bootstrap::app(&config, &settings), &config).with_program(program());
        // Only for what is noted beside a run or a rulebook: whoever may not ask is not kept from working.
        let caller = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
        let app = app.with_person(caller.ok().and_then(|caller| caller.arn.as_deref().and_then(person_of)));
        Ok(Self { app: Arc::new(app), folder: None, data_dir: arguments.data_dir.clone(), embedded: None })
    }

    async fn on_disk(arguments: &Arguments) -> Result<Self, CliError> {
        let begins = arguments.command.begins_a_ledger();
        if !begins && !arguments.data_dir.join(DATABASE).is_file() {
            return Err(no_ledger(&arguments.data_dir));
        }
        check_format(&arguments.data_dir, begins)?;
        let storage = Storage::Directory(arguments.data_dir.clone());
        let s3_port = match &arguments.command {
            Command::Serve { s3_port, .. } => *s3_port,
            _ => None,
        };
        let embedded = Embedded::start_on(storage.clone(), s3_port).await?;
        // Any folder may have been served with its clock set by hand.
        let has_ledger = begins || embedded.has_table(TABLE).await;
        let world = Self::start(embedded, storage, clock(&arguments.command), program(), true);
        match begins {
            true => world.create().await?,
            false if !has_ledger => return Err(no_ledger(&arguments.data_dir)),
            false => {}
        }
        Ok(world)
    }

    /// A world on the embedded stack, with no rulebook of its own.
    pub async fn embedded(storage: Storage, clock: Clock) -> Result<Self, CliError> {
        let embedded = Embedded::start(storage.clone()).await?;
        let world = Self::start(embedded, storage, clock, Arc::new(|| None), false);
        world.create().await?;
        Ok(world)
    }

    fn start(embedded: Embedded, storage: Storage, clock: Clock, program: Program, gate_always_checked: bool) -> Self {
        let data_dir = match &storage {
            Storage::Directory(path) => path.clone(),
            Storage::Memory => PathBuf::new(),
        };
        let folder = matches!(storage, Storage::Directory(_)).then(|| data_dir.join("s3"));
        let ledger = Ledger::new(embedded.dynamodb(), TABLE).with_gate_always_checked(gate_always_checked);
        let reports = Bucket::new(embedded.s3(), REPORTS_BUCKET);
        let inbox = Bucket::new(embedded.s3(), INBOX_BUCKET);
        let mut app = App::new(ledger, reports, inbox, clock).with_program(program).with_person(user());
        if folder.is_some() {
            app = app.with_keys(Arc::new(KeyFolder::of(&data_dir)));
        }
        Self { app: Arc::new(app), folder, data_dir, embedded: Some(embedded) }
    }

    async fn create(&self) -> Result<(), CliError> {
        let ledger = &self.app.ledger;
        ledger.create_table_if_missing().await?;
        if let Some(embedded) = &self.embedded
            && !embedded.has_table(TABLE).await
        {
            embedded.drop_table(TABLE).await?;
            ledger.create_table_if_missing().await?;
        }
        self.app.reports.create_if_missing().await?;
        self.app.inbox.create_if_missing().await?;
        Ok(())
    }

    /// Publishes what the command publishes, and refuses a command that does not
    /// go with what is in force.
    async fn bring_into_force(&self, arguments: &Arguments, given: Option<Given>) -> Result<(), CliError> {
        let in_force = match self.app.ledger.current_rulebook().await? {
            Some(hash) => Some(self.app.rulebook_by_hash(&hash).await?),
            None => None,
        };
        if let (Command::Serve { now: Some(now), .. }, Some(current)) = (&arguments.command, &in_force) {
            self.check_clock(&current.rulebook, *now).await?;
        }
        match (&arguments.command, in_force, given) {
            (Command::Serve { .. }, Some(_), Some(given)) => drop(self.app.publish(&given.text).await?),
            (Command::Demo, Some(current), given) => check_demo(&self.data_dir, &current.rulebook, given.as_ref())?,
            (Command::Import { .. }, Some(current), Some(given)) => {
                return Err(CliError::Usage(format!(
                    "{} has a rulebook in force already ({}, hash {}): leave out --rulebook, or bring the file into \
                     force first: interline rulebook publish {}",
                    self.data_dir.display(),
                    current.rulebook.name,
                    current.rulebook.hash,
                    given.path.display()
                )));
            }
            (_, Some(_), _) => {}
            // On AWS whatever needs a rulebook says that there is none.
            (command, None, given) if !arguments.aws || matches!(command, Command::Rulebook { .. }) => {
                self.begin(command, given).await?;
            }
            (_, None, _) => {}
        }
        Ok(())
    }

    /// The first rulebook of a programme, with the key that it names.
    async fn begin(&self, command: &Command, given: Option<Given>) -> Result<(), CliError> {
        if !command.begins_a_ledger() {
            return Err(no_ledger(&self.data_dir));
        }
        let text = match &given {
            Some(given) => given.text.as_str(),
            None => {
                warn("No rulebook yet: using the sample programme's (choose another with --rulebook FILE).");
                sample::RULEBOOK
            }
        };
        if let Some(given) = &given
            && let Some(name) = given.rulebook.pseudonym_key.to_fetch()
            && self.folder.is_some()
            && KeyFolder::of(&self.data_dir).make_if_missing(name)?
        {
            let place = self.data_dir.join("keys").join(name);
            warn(format!("New pseudonym key: {}. Keep a copy: without it no month can be closed.", place.display()));
        }
        // It publishes by itself.
        if !matches!(command, Command::Rulebook { .. }) {
            self.app.publish(text).await?;
        }
        Ok(())
    }

    /// What is recorded in a sealed month can never be cleared.
    async fn check_clock(&self, rulebook: &Rulebook, now: DateTime<FixedOffset>) -> Result<(), CliError> {
        let periods = self.app.ledger.periods().await?;
        let sealed = periods.iter().filter(|state| !state.is_open()).map(|state| state.period).max();
        match sealed {
            Some(sealed) if rulebook.period(now.to_utc()) <= sealed => Err(CliError::Usage(format!(
                "the clock cannot start at {}: in {} month {sealed} is sealed already; take a time from {} on, or \
                 another folder with --data-dir",
                now.to_rfc3339(),
                self.data_dir.display(),
                sealed.next()
            ))),
            Some(_) | None => Ok(()),
        }
    }

    pub async fn close(self) {
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }
}

/// A rulebook that was named on the command line.
struct Given {
    path: PathBuf,
    text: String,
    rulebook: Rulebook,
}

/// Reads whatever the command names, so that a wrong name or a mistake in it
/// leaves nothing behind.
fn given(arguments: &Arguments) -> Result<Option<Given>, CliError> {
    if let Command::Import { files, .. } = &arguments.command {
        for path in files.iter().filter(|path| !is_standard_input(path)) {
            std::fs::metadata(path).map_err(|source| cannot_read(path, source))?;
        }
    }
    let path = match &arguments.command {
        Command::Rulebook { command: RulebookCommand::Publish { file, .. } } => file,
        _ => match &arguments.rulebook {
            Some(file) => file,
            None => return Ok(None),
        },
    };
    let text = read(path)?;
    let rulebook = Rulebook::parse(&text).map_err(Failure::from)?;
    if let Command::Demo = arguments.command {
        let sample = Rulebook::parse(sample::RULEBOOK).map_err(Failure::from)?;
        if rulebook.first_period != sample.first_period {
            return Err(CliError::Usage(format!(
                "the sample's events begin in {}; give {} that first_period, it has {}",
                sample.first_period,
                path.display(),
                rulebook.first_period
            )));
        }
    }
    Ok(Some(Given { path: path.clone(), text, rulebook }))
}

/// The demo runs under the sample's terms or those it is given, and in no
/// programme that has others.
fn check_demo(data_dir: &Path, current: &Rulebook, given: Option<&Given>) -> Result<(), CliError> {
    let hash = match given {
        Some(given) => given.rulebook.hash.clone(),
        None => Rulebook::parse(sample::RULEBOOK).map_err(Failure::from)?.hash,
    };
    if current.hash == hash {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{} holds another programme ({}); give the demo a folder of its own with --data-dir",
        data_dir.display(),
        current.name
    )))
}

fn no_ledger(data_dir: &Path) -> CliError {
    CliError::Usage(format!(
        "there is no ledger in {}: interline import, demo, serve or rulebook publish makes one; --data-dir names \
         another folder",
        data_dir.display()
    ))
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

pub fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|source| cannot_read(path, source))
}

fn cannot_read(path: &Path, source: std::io::Error) -> CliError {
    CliError::File { action: "cannot read", path: path.to_owned(), source }
}
