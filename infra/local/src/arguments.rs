use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime};
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, MemberId, SchemeId};
use interline_domain::units::moment::parse_occurred_at;
use std::net::IpAddr;
use std::path::PathBuf;

/// Clears and settles a multi-line loyalty programme, here on an embedded
/// DynamoDB and S3.
#[derive(Debug, Parser)]
#[command(name = "interline", bin_name = "cargo interline", version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// Where the embedded DynamoDB and S3 keep their files
    #[arg(long, global = true, default_value = ".interline", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Begin a new folder with this rulebook (import, demo), or bring it into
    /// force (serve)
    #[arg(long, global = true, value_name = "FILE")]
    pub rulebook: Option<PathBuf>,
    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Work on the AWS account of the environment (INTERLINE_TABLE,
    /// INTERLINE_REPORTS_BUCKET, INTERLINE_INBOX_BUCKET)
    #[arg(long, global = true)]
    pub aws: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Record two sample months, close them, print the clearing
    Demo,
    /// Say what is open, what is to be closed next, and who has sent nothing
    Status,
    /// Look at everything that a close rests on, and change nothing
    Doctor,
    /// Write the events that a month clears as a file that can be imported
    Export {
        #[arg(value_parser = period)]
        period: Period,
        /// Into this file; without it, on standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print what completes the program's arguments in a shell
    Completions { shell: Shell },
    /// Print the program's manual page
    Manual,
    /// Read files of events into the ledger
    Import {
        /// CSV, or CSV compressed with gzip; - for standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Exit with status 1 if a row is rejected
        #[arg(long)]
        strict: bool,
    },
    /// Close a month: cutoff, tally, settle
    Close {
        #[arg(value_parser = period)]
        period: Period,
        /// Compute everything, seal nothing; may be repeated
        #[arg(long)]
        trial: bool,
        /// Close the month although it has no entries
        #[arg(long)]
        empty: bool,
        /// What is said of its warnings; it stands in the statement
        #[arg(long, value_name = "TEXT")]
        remark: Option<String>,
        /// A check that is right as it is although it fails, and why; only checks of the estimate
        #[arg(long, value_name = "CHECK=REASON")]
        accept: Vec<String>,
        /// Sign the manifest with this private key (ECDSA on P-256, PEM)
        #[arg(long, value_name = "KEY", conflicts_with = "trial")]
        sign: Option<PathBuf>,
    },
    /// List the reports of a month's newest run, or copy them
    Reports {
        #[arg(value_parser = period)]
        period: Period,
        /// Copy the files into this folder
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Open the statement in a browser
        #[arg(long)]
        open: bool,
    },
    /// Print the slices for which one line owes another, of a month's newest run, as CSV
    Details {
        #[arg(value_parser = period)]
        period: Period,
        /// Whose points they are: a line, or a scheme of the programme's own
        #[arg(long, value_name = "FUNDER", value_parser = scheme)]
        funder: SchemeId,
        /// Which line honoured them
        #[arg(long, value_name = "LINE", value_parser = line)]
        redeemer: LineId,
        /// Into this file; without it, on standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show or confirm what is paid of a closed month
    Payments {
        #[command(subcommand)]
        command: PaymentsCommand,
    },
    /// Show the contract liability of a month's newest run
    Liability {
        #[arg(value_parser = period)]
        period: Period,
    },
    /// Recompute a closed month from the ledger and compare every byte, or
    /// every figure if another version closed it
    Verify {
        #[arg(value_parser = period)]
        period: Period,
        /// Check the manifest's signature with this public key (PEM)
        #[arg(long, value_name = "KEY")]
        public_key: Option<PathBuf>,
    },
    /// Show a member's balance, lots and debts
    Member {
        #[arg(value_parser = member)]
        member: MemberId,
        /// A day: of a closed month as the books have it, else the account with the lots
        /// that count on it (default: today)
        #[arg(long, value_name = "DATE")]
        on: Option<NaiveDate>,
    },
    /// Compare members' accounts with their entries
    Accounts {
        #[command(subcommand)]
        command: AccountsCommand,
    },
    /// Serve the API on loopback
    Serve {
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// Listen on this address instead of the two of loopback; whoever reaches it may
        /// do everything
        #[arg(long, value_name = "ADDRESS")]
        host: Option<IpAddr>,
        /// Serve S3, the inbox and the reports, on this port instead of any that is free
        #[arg(long, value_name = "PORT")]
        s3_port: Option<u16>,
        /// Let the programme's clock start here, to try a month that is over
        #[arg(long, value_name = "TIME", value_parser = moment)]
        now: Option<DateTime<FixedOffset>>,
    },
    /// Work with rulebooks
    Rulebook {
        #[command(subcommand)]
        command: RulebookCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum RulebookCommand {
    /// Check a rulebook and say everything that is wrong with it
    Check {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// List the rulebooks that came into force, when, and by whom
    History,
    /// Tell what a sale would earn under a rulebook, and who would pay for it
    Explain {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Where the sale is
        #[arg(long, value_parser = line)]
        line: LineId,
        /// What the member pays with money, in currency units
        #[arg(long)]
        amount: String,
        /// The day of the sale
        #[arg(long, value_name = "DATE")]
        on: NaiveDate,
        /// Its time by the programme's clocks
        #[arg(long, value_name = "TIME", default_value = "12:00", value_parser = time)]
        at: NaiveTime,
    },
    /// Show what a rulebook changes and bring it into force, if it is valid and may
    /// follow the one before
    Publish {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Why terms change for days that are past, in months that are not closed
        #[arg(long, value_name = "REASON")]
        retroactive: Option<String>,
        /// Do not ask before it comes into force on AWS
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub enum PaymentsCommand {
    /// List what is ordered and what of it is confirmed
    List {
        #[arg(value_parser = period)]
        period: Period,
    },
    /// Confirm what the bank has carried out: it gets its vouchers, in a run of payments that is written once
    Confirm {
        #[arg(value_parser = period)]
        period: Period,
        /// All that is open was booked on this day; without it, and without statements, on the days of the orders
        #[arg(long, value_name = "DATE", conflicts_with = "statements")]
        paid_on: Option<NaiveDate>,
        /// Bank statements (camt.053): what they say was booked
        #[arg(value_name = "STATEMENT")]
        statements: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub enum AccountsCommand {
    /// Name the members whose account is not what their entries give
    Check,
    /// Write their accounts as the entries give them
    Rebuild {
        /// Only say which
        #[arg(long)]
        dry_run: bool,
    },
}

impl Arguments {
    /// Why these arguments do not go together, and what to do instead.
    pub fn refused(&self) -> Option<String> {
        if self.aws && matches!(self.command, Command::Serve { .. }) {
            return Some(
                "serve is for a folder of this machine: its tokens are no secret, so it serves no ledger on AWS"
                    .to_owned(),
            );
        }
        let file = self.rulebook.as_ref()?.display();
        let publish = format!("interline rulebook publish {file}");
        match &self.command {
            Command::Rulebook { .. } => {
                Some("a rulebook to check or publish is named without --rulebook: it is the last argument".to_owned())
            }
            _ if self.aws => {
                Some(format!("--rulebook has no place with --aws; first bring it into force: {publish} --aws"))
            }
            Command::Demo | Command::Import { .. } | Command::Serve { .. } => None,
            Command::Close { .. }
            | Command::Reports { .. }
            | Command::Details { .. }
            | Command::Payments { .. }
            | Command::Liability { .. }
            | Command::Verify { .. }
            | Command::Accounts { .. }
            | Command::Status
            | Command::Doctor
            | Command::Export { .. }
            | Command::Completions { .. }
            | Command::Manual
            | Command::Member { .. } => Some(format!(
                "--rulebook has no place here: what a month was recorded and closed with is in force already; bring \
                 another into force for what comes: {publish}"
            )),
        }
    }
}

impl Command {
    /// Whether a folder without a ledger gets one.
    pub fn begins_a_ledger(&self) -> bool {
        match self {
            Command::Demo
            | Command::Import { .. }
            | Command::Serve { .. }
            | Command::Rulebook { command: RulebookCommand::Publish { .. } } => true,
            Command::Close { .. }
            | Command::Reports { .. }
            | Command::Details { .. }
            | Command::Payments { .. }
            | Command::Liability { .. }
            | Command::Verify { .. }
            | Command::Accounts { .. }
            | Command::Status
            | Command::Doctor
            | Command::Export { .. }
            | Command::Completions { .. }
            | Command::Manual
            | Command::Member { .. }
            | Command::Rulebook {
                command: RulebookCommand::Check { .. } | RulebookCommand::History | RulebookCommand::Explain { .. },
            } => false,
        }
    }
}

fn period(text: &str) -> Result<Period, String> {
    Period::parse(text).map_err(|error| error.to_string())
}

fn time(text: &str) -> Result<NaiveTime, String> {
    NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| "must be a time of day such as 18:30".to_owned())
}

fn line(text: &str) -> Result<LineId, String> {
    LineId::parse(text).map_err(|error| error.to_string())
}

fn scheme(text: &str) -> Result<SchemeId, String> {
    SchemeId::parse(text).map_err(|error| error.to_string())
}

fn member(text: &str) -> Result<MemberId, String> {
    MemberId::parse(text).map_err(|error| error.to_string())
}

fn moment(text: &str) -> Result<DateTime<FixedOffset>, String> {
    parse_occurred_at(text).map_err(|error| error.to_string())
}
