//! The tour of the README works as it is printed.

use crate::served::serve;
use interline::world::World;
use interline_embedded::Storage;
use interline_lambda::bootstrap::system_clock;
use interline_tests::programme::{RULEBOOK, moment};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const README: &str = include_str!("../../../README.md");
const HEADING: &str = "## Five minutes with curl";
const ADDRESS: &str = "localhost:8080";
/// For one command; the longest waits for a close.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command and the lines that it prints.
#[derive(Debug)]
struct Step {
    command: &'static str,
    output: Vec<&'static str>,
}

fn section() -> &'static str {
    let (_, rest) = README.split_once(&format!("\n{HEADING}\n")).expect("the README has no tour");
    rest.split("\n## ").next().unwrap()
}

/// The commands behind `$ ` in the section's console blocks.
fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let blocks = section().split("\n```console\n").skip(1);
    for line in blocks.flat_map(|block| block.split("\n```").next().unwrap().lines()) {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push(Step { command, output: Vec::new() }),
            None => steps.last_mut().expect("output before the first command").output.push(line),
        }
    }
    assert!(!steps.is_empty(), "the tour has no ```console block with commands");
    steps
}

/// Whether lines are as printed: `...` alone on a line stands for any lines,
/// `…` within a line for any text.
fn lines_match(actual: &[&str], printed: &[&str]) -> bool {
    match printed.split_first() {
        None => actual.is_empty(),
        Some((&"...", rest)) => (0..=actual.len()).any(|skipped| lines_match(&actual[skipped..], rest)),
        Some((line, rest)) => {
            actual.split_first().is_some_and(|(first, others)| text_matches(first, line) && lines_match(others, rest))
        }
    }
}

fn text_matches(actual: &str, printed: &str) -> bool {
    match printed.split_once('…') {
        None => actual == printed,
        Some((before, after)) => actual.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| text_matches(&rest[at..], after))
        }),
    }
}

#[test]
fn printed_lines_match_what_they_stand_for() {
    for (actual, printed, expected) in [
        ("a\nb", "a\nb", true),
        ("a\nb", "a", false),
        ("a", "a\nb", false),
        ("a\nb\nc\nd", "a\n...\nd", true),
        ("a\nd", "a\n...\nd", true),
        ("a\nb", "a\n...\nd", false),
        ("\"run\": \"v1-1a2b\"", "\"run\": \"v1-…\"", true),
        ("IL-1,a,b,1.27", "IL-…,…,1.27", true),
        ("IL-1,a,b,1.28", "IL-…,…,1.27", false),
        ("", "...", true),
    ] {
        let lines = |text: &'static str| text.lines().collect::<Vec<_>>();
        assert_eq!(lines_match(&lines(actual), &lines(printed)), expected, "{actual:?} {printed:?}");
    }
}

#[tokio::test]
async fn the_tour_of_the_readme_works_as_it_is_printed() {
    let now = section().split_once("serve --now ").expect("the tour says at which time it starts").1;
    let now = moment(now.split(['`', ' ', '\n']).next().unwrap());
    let system = system_clock();
    let ahead = now - system();
    let world = World::embedded(Storage::Memory, Arc::new(move || system() + ahead)).await.unwrap();
    let published = world.app.publish(RULEBOOK).await.unwrap();
    let (address, _stop) = serve(world.app.clone(), &published.rulebook).await;
    let folder = tempfile::tempdir().unwrap();
    for step in steps() {
        let mut bash = Command::new("bash");
        bash.args(["-c", &step.command.replace(ADDRESS, &address.to_string())]);
        // A proxy of the environment knows nothing of this server.
        bash.env("no_proxy", "*").current_dir(folder.path()).stdin(Stdio::null());
        let run = tokio::task::spawn_blocking(move || bash.output().unwrap());
        let output = tokio::time::timeout(PATIENCE, run).await.expect(step.command).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let printed = text(&output.stdout) + &text(&output.stderr);
        let actual: Vec<&str> = printed.lines().collect();
        assert!(
            lines_match(&actual, &step.output),
            "$ {}\nprinted\n{printed}\nand the README says\n{}",
            step.command,
            step.output.join("\n")
        );
    }
}
