//! The start of every function's process, against a function that does nothing,
//! built in the same run with the same profile.

use crate::Options;
use interline_reports::manifest::RunKind;
use interline_tests::calls::{arn, event};
use interline_tests::events::{csv, gzip, some_of_january};
use interline_tests::functions::Function;
use interline_tests::measure::{Report, peak_memory, resident_memory};
use interline_tests::programme::{Programme, s3_event};
use interline_tests::programs::{example, folder};
use serde_json::{Value, json};
use std::path::Path;

const PART: &str = "start-up";
const AFTER_JANUARY: &str = "2017-02-01T06:00:00+08:00";

pub async fn measure(options: &Options, report: &mut Report) {
    let programme = Programme::sample(AFTER_JANUARY).await;
    programme.import("january.csv", &some_of_january(300)).await;
    let done = programme.close_as("2017-01", RunKind::Trial, None).await.unwrap();
    let sale = csv(["accrual,dining,S-1,2017-01-05T12:00:00+08:00,m1,100.00,,"]);
    programme.app().inbox.put("inbox/dining/one.csv", sale).await.unwrap();
    let hash = programme.rulebook().await.hash;
    let call = |role: &str, method, path: &str, body: &str| event(&arn(role), method, path, body);
    let redeemed = json!({ "member": "m2", "occurred_at": "2017-01-20T12:00:00+08:00", "amount": "20.00" }).to_string();
    let task = json!({ "period": "2017-01", "run": done.run, "rulebook": hash, "shard": 0, "kind": "trial" });
    // The first event of each.
    let functions = [
        ("record", call("line-grocery", "PUT", "/v1/lines/grocery/accruals/A-1", &redeemed)),
        ("account", call("members", "GET", "/v1/members/hh0900", "")),
        ("periods", call("finance", "GET", "/v1/periods", "")),
        ("import", s3_event(&["inbox/dining/one.csv"])),
        ("cutoff", json!({ "period": "2017-01", "kind": "trial" })),
        ("tally", without(&task, "kind")),
        ("settle", without(&task, "shard")),
    ];
    let starts = if options.quick { 2 } else { 4 * options.runs };
    let mut bare_polls = Vec::new();
    let mut polls = vec![Vec::new(); functions.len()];
    let mut memory = vec![Vec::new(); functions.len()];
    let mut bare_memory = Vec::new();
    // In turns, so that whatever else the machine does meets all of them.
    for _ in 0..starts {
        let mut function = Function::start_example("bare", &programme).await;
        bare_polls.push(milliseconds(&function).await);
        assert_eq!(function.invoke(json!({ "any": "event" })).await, Ok(json!({ "any": "event" })));
        bare_memory.push(resident_memory(function.id()));
        for (at, (name, event)) in functions.iter().enumerate() {
            let mut function = Function::start(name, &programme).await;
            polls[at].push(milliseconds(&function).await);
            let answer = function.invoke(event.clone()).await.unwrap();
            let status = answer["statusCode"].as_u64().unwrap_or(200);
            assert!((200..300).contains(&status), "{name}: {answer}");
            memory[at].push(resident_memory(function.id()));
        }
    }
    report.add(PART, "bare, first poll", "ms", bare_polls.clone());
    report.add(PART, "bare, memory after an event", "MB", bare_memory);
    sizes(report, "bare", &example("bare"));
    for (((name, _), polls), memory) in functions.iter().zip(polls).zip(memory) {
        let above = polls.iter().zip(&bare_polls).map(|(poll, bare)| poll - bare).collect();
        report.add(PART, format!("{name}, first poll"), "ms", polls);
        report.add(PART, format!("{name}, first poll above bare"), "ms", above);
        report.add(PART, format!("{name}, memory after an event"), "MB", memory);
        sizes(report, name, &folder().join(format!("interline-{name}")));
    }
    import_memory(options, report, &programme).await;
}

/// The most memory that an import takes, by the rows of its file. Every row is
/// rejected, and so is also kept for the file of rejected rows: the worst case.
async fn import_memory(options: &Options, report: &mut Report, programme: &Programme) {
    let sizes: &[usize] = if options.quick { &[1_000] } else { &[10_000, 100_000, 1_000_000] };
    for rows in sizes {
        let row = |at: usize| format!("accrual,grocery,S-{at},2017-01-05T12:00:00+08:00,member-{at},100.00,,");
        let file = csv((0..*rows).map(row));
        programme.app().inbox.put("inbox/dining/many.csv", file).await.unwrap();
        let mut import = Function::start("import", programme).await;
        let imported = import.invoke(s3_event(&["inbox/dining/many.csv"])).await.unwrap();
        assert_eq!(imported[0]["rejected"], *rows);
        report.add(PART, format!("import of {rows} rows, peak memory"), "MB", vec![peak_memory(import.id())]);
    }
}

async fn milliseconds(function: &Function) -> f64 {
    function.first_poll().await.as_secs_f64() * 1e3
}

fn sizes(report: &mut Report, name: &str, program: &Path) {
    let bytes = std::fs::read(program).unwrap();
    report.add(PART, format!("{name}, program"), "MB", vec![bytes.len() as f64 / 1e6]);
    // A zip has the same deflated bytes and a header.
    report.add(PART, format!("{name}, zipped"), "MB", vec![gzip(&bytes).len() as f64 / 1e6]);
}

fn without(task: &Value, field: &str) -> Value {
    let mut task = task.clone();
    task.as_object_mut().unwrap().remove(field);
    task
}
