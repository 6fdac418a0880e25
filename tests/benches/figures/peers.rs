//! The same month by what people would use instead. `tests/peers/peers.py` runs
//! each as a process of its own on the same files, compares the results to the
//! fen, and only then says how long each took.

use crate::Options;
use interline_domain::claims::lot::{Cohort, Expiry, Slice};
use interline_domain::close::settle::settle;
use interline_domain::close::settlement::{Inputs, Settlement};
use interline_domain::close::tally::{Fold, SaleRates, Tally, TallyError};
use interline_domain::events::{Accrual, Did, Entry, EntryKind, Event, Head, Issue, Redemption, Spent};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, MemberId, Reference, SchemeId};
use interline_domain::units::money::{Money, Points};
use interline_domain::units::scope::Scope;
use interline_tests::cny;
use interline_tests::measure::Report;
use interline_tests::month::Month;
use interline_tests::programme::RULEBOOK;
use interline_tests::shard;
use interline_tests::{SHARDS, the_shard};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

const PART: &str = "peers";
/// The argument that makes this program fold a file and print the result.
pub const MODE: &str = "fold-file";

/// hledger reads some ten thousand transactions a second, and keeps them all.
const JOURNAL_AT_MOST: u64 = 100_000;

/// One row per slice; an entry without slices has one row with an empty lot.
const COLUMNS: &str =
    "line,kind,reference,member,occurred_at,amount,points,value,slice,funder,issued,expires,slice_points";

pub fn measure(options: &Options, report: &mut Report) {
    let rulebook = Rulebook::parse(RULEBOOK).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/peers.py");
    for entries in options.sizes().filter(|entries| options.quick || *entries >= 100_000) {
        let folder = tempfile::tempdir_in(&options.folder).unwrap();
        write_files(folder.path(), &Month::new(&rulebook, entries, options.seed), &rulebook);
        let output = Command::new("python3")
            .arg(&script)
            .args(["measure", "--runs", &options.runs.to_string(), "--ours"])
            .arg(std::env::current_exe().unwrap())
            .arg(folder.path())
            .stderr(std::process::Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", script.display());
        let figures = serde_json::from_slice(&output.stdout).unwrap();
        report.take(PART, &format!("{} entries, ", crate::month_end::short(entries)), &figures);
    }
}

/// `slices.csv`, the terms as plain tables, and `month.journal` for hledger.
fn write_files(folder: &Path, month: &Month<'_>, rulebook: &Rulebook) {
    let create = |name: &str| BufWriter::with_capacity(1 << 20, File::create(folder.join(name)).unwrap());
    let mut slices = create("slices.csv");
    let mut journal = (month.entries <= JOURNAL_AT_MOST).then(|| create("month.journal"));
    writeln!(slices, "{COLUMNS}").unwrap();
    for shard in 0..SHARDS {
        for recorded in month.shard(shard) {
            write_slices(&mut slices, &recorded.entry);
            if let Some(journal) = &mut journal {
                write_transaction(journal, rulebook, &recorded.entry);
            }
        }
    }
    let day = month.period.first_day();
    let mut prices = create("prices.csv");
    let mut splits = create("splits.csv");
    writeln!(prices, "funder,redeemer,price").unwrap();
    writeln!(splits, "payer,redeemer,part,beneficiary,share").unwrap();
    for funder in &rulebook.lines {
        for redeemer in &rulebook.lines {
            let (funder, redeemer) = (&SchemeId::of(&funder.id), &redeemer.id);
            let Some(price) = rulebook.price(funder, redeemer, day) else { continue };
            writeln!(prices, "{funder},{redeemer},{price}").unwrap();
            let Some(split) = rulebook.split(funder, redeemer, day) else { continue };
            for (part, (to, share)) in split.shares.iter().enumerate() {
                let to = to.other_than(redeemer).unwrap_or(redeemer);
                writeln!(splits, "{funder},{redeemer},{part},{to},{share}").unwrap();
            }
        }
    }
}

fn shown(amount: Money) -> String {
    cny().show(amount).to_string()
}

fn write_slices(file: &mut impl Write, entry: &Entry) {
    let Head { line, reference, member, occurred_at } = &entry.head;
    let amount = entry.fields().amount.map(shown).unwrap_or_default();
    let points = entry.fields().points.map(|points| points.to_string()).unwrap_or_default();
    let (value, slices) = match &entry.event {
        Event::Accrual(did) => (String::new(), &did.fact.slices),
        Event::Redemption(did) => (shown(did.fact.value), &did.fact.slices),
        other => panic!("the month has no {other:?}"),
    };
    let event =
        format!("{line},{},{reference},{member},{},{amount},{points},{value}", entry.kind(), occurred_at.to_rfc3339());
    if slices.is_empty() {
        writeln!(file, "{event},0,,,,").unwrap();
    }
    for (at, Slice { cohort: Cohort { expires, issued, scheme }, points }) in slices.iter().enumerate() {
        writeln!(file, "{event},{at},{scheme},{issued},{expires},{points}").unwrap();
    }
}

/// A plain-text ledger does not rate: what a slice costs is written down for it.
fn write_transaction(file: &mut impl Write, rulebook: &Rulebook, entry: &Entry) {
    let Head { line, reference, occurred_at, .. } = &entry.head;
    let postings: Vec<String> = match &entry.event {
        Event::Accrual(did) => did
            .fact
            .slices
            .iter()
            .flat_map(|Slice { cohort, points }| {
                [format!("points:{}  {points} PT", account(cohort)), format!("issued:{line}  -{points} PT")]
            })
            .collect(),
        _ => entry
            .owed(rulebook)
            .unwrap()
            .iter()
            .flat_map(|slice| {
                let mut postings = vec![
                    format!("points:{}  -{} PT", account(slice.cohort), slice.points),
                    format!("redeemed:{line}  {} PT", slice.points),
                ];
                if slice.cohort.scheme != *slice.redeemer && !slice.amount.is_zero() {
                    let funder = &slice.cohort.scheme;
                    postings.push(format!("owed:{funder}:{line}  {} CNY", shown(slice.amount)));
                    postings.push(format!("due:{line}:{funder}  -{} CNY", shown(slice.amount)));
                }
                postings
            })
            .collect(),
    };
    if !postings.is_empty() {
        writeln!(file, "{} {} {line} {reference}", occurred_at.date_naive(), entry.kind()).unwrap();
        postings.iter().for_each(|posting| writeln!(file, "  {posting}").unwrap());
        writeln!(file).unwrap();
    }
}

fn account(cohort: &Cohort) -> String {
    format!("{}:{}:{}", cohort.scheme, cohort.issued, cohort.expires)
}

/// Reads, rates, folds and settles a file of slices, with a thread for every
/// processor, and prints what its peers must find too.
pub fn from_file(path: &str) {
    let rulebook = Rulebook::parse(RULEBOOK).unwrap();
    let length = std::fs::metadata(path).unwrap().len();
    let parts = std::thread::available_parallelism().unwrap().get() as u64;
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..parts)
            .map(|part| {
                let rulebook = &rulebook;
                let bytes = length * part / parts..length * (part + 1) / parts;
                scope.spawn(move || folded(rulebook, path, bytes.start, bytes.end))
            })
            .collect();
        for thread in threads {
            tally.merge(&thread.join().unwrap()).unwrap();
        }
    });
    let inputs = Inputs {
        rulebook: &rulebook,
        period: rulebook.first_period,
        tally: &tally,
        shards: &[],
        sealed: None,
        previous: None,
    };
    print(&tally, &settle(&inputs).unwrap());
}

fn print(tally: &Tally, settlement: &Settlement) {
    let mut text = String::new();
    let mut owed = std::collections::BTreeMap::new();
    for (key, obligation) in &tally.obligations {
        owed.entry((&key.scheme, &key.redeemer)).or_insert(Money::ZERO).add(obligation.amount).unwrap();
    }
    for ((payer, redeemer), amount) in owed {
        text += &format!("owed,{payer},{redeemer},{}\n", shown(amount));
    }
    for row in &settlement.bilateral {
        text += &format!("bilateral,{},{},{}\n", row.payer, row.payee, shown(row.amount));
    }
    for position in settlement.positions.iter().filter(|position| !position.net.is_zero()) {
        text += &format!("net,{},{}\n", position.line, shown(position.net));
    }
    for row in &settlement.roll_forward {
        let Cohort { expires, issued, scheme: funder } = &row.cohort;
        text += &format!("issued,{funder},{issued},{expires},{}\n", row.issued);
        text += &format!("outstanding,{funder},{issued},{expires},{}\n", row.closing);
    }
    std::io::stdout().write_all(text.as_bytes()).unwrap();
}

/// The entries whose first row begins between two bytes of the file.
fn folded(rulebook: &Rulebook, path: &str, start: u64, end: u64) -> Tally {
    let mut file = File::open(path).unwrap();
    // From one byte early to the next line: a row that begins at `start` is this
    // part's. The first part skips the header so.
    let early = start.saturating_sub(1);
    file.seek(SeekFrom::Start(early)).unwrap();
    let mut file = BufReader::with_capacity(1 << 17, file);
    let first = early + file.skip_until(b'\n').unwrap() as u64;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).buffer_capacity(1 << 17).from_reader(file);
    let rates = SaleRates::default();
    let mut folds: Vec<Fold<'_>> =
        (0..SHARDS).map(|shard| Fold::new(rulebook, &rates, rulebook.first_period, the_shard(shard))).collect();
    let mut names = Names::default();
    let mut row = csv::StringRecord::new();
    let mut entry: Option<Entry> = None;
    loop {
        let begins = first + reader.position().byte();
        let more = reader.read_record(&mut row).unwrap();
        let continues = more && &row[8] != "0";
        if !continues && let Some(entry) = entry.take() {
            folds[usize::from(shard(&entry.head.member))].add(&entry, |_| Ok::<(), TallyError>(())).unwrap();
        }
        if !more || (begins >= end && !continues) {
            break;
        }
        match &mut entry {
            Some(entry) => slices(entry).push(names.slice(&row)),
            None if continues => {}
            None => entry = Some(names.entry(&row, rulebook.first_period)),
        }
    }
    let mut tally = Tally::default();
    folds.into_iter().for_each(|fold| tally.merge(&fold.finish()).unwrap());
    tally
}

fn slices(entry: &mut Entry) -> &mut Vec<Slice> {
    match &mut entry.event {
        Event::Accrual(did) => &mut did.fact.slices,
        Event::Redemption(did) => &mut did.fact.slices,
        other => panic!("the month has no {other:?}"),
    }
}

/// Lines and cohorts read before: there are few of them.
#[derive(Default)]
struct Names {
    lines: Vec<LineId>,
    cohorts: Vec<([String; 3], Cohort)>,
}

impl Names {
    fn line(&mut self, text: &str) -> LineId {
        match self.lines.iter().find(|line| line.as_str() == text) {
            Some(line) => line.clone(),
            None => {
                let line = LineId::parse(text).unwrap();
                self.lines.push(line.clone());
                line
            }
        }
    }

    fn slice(&mut self, row: &csv::StringRecord) -> Slice {
        let texts = [&row[9], &row[10], &row[11]];
        let points = Points::parse(&row[12]).unwrap();
        if let Some((_, cohort)) = self.cohorts.iter().find(|(known, _)| *known == texts) {
            return Slice { cohort: cohort.clone(), points };
        }
        let [funder, issued, expires] = texts;
        let cohort = Cohort {
            scheme: SchemeId::of(&self.line(funder)),
            issued: Period::parse(issued).unwrap(),
            expires: Expiry::parse(expires).unwrap(),
        };
        self.cohorts.push((texts.map(str::to_owned), cohort.clone()));
        Slice { cohort, points }
    }

    fn entry(&mut self, row: &csv::StringRecord, period: Period) -> Entry {
        let slices = if row[9].is_empty() { Vec::new() } else { vec![self.slice(row)] };
        let event = match EntryKind::from_word(&row[1]).unwrap() {
            EntryKind::Accrual => Event::Accrual(Did {
                asked: Accrual::of(cny().parse_money(&row[5]).unwrap()),
                fact: Issue { slices, ..Issue::default() },
            }),
            EntryKind::Redemption => Event::Redemption(Did {
                asked: Redemption::of(Points::parse(&row[6]).unwrap(), None),
                fact: Spent { value: cny().parse_money(&row[7]).unwrap(), slices },
            }),
            other => panic!("the month has no {other}"),
        };
        let head = Head {
            line: self.line(&row[0]),
            reference: Reference::parse(&row[2]).unwrap(),
            member: MemberId::parse(&row[3]).unwrap(),
            occurred_at: interline_domain::units::moment::parse_occurred_at(&row[4]).unwrap(),
        };
        Entry { head, scope: Scope::Line, home: period, booked: period, event }
    }
}
