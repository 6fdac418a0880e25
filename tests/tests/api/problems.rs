//! The list of problems is complete: in the tests and in the documentation.

use crate::refusals;
use interline_domain::events::RULES;
use interline_lambda::problem::{KINDS, TYPE_PREFIX};
use serde_json::Value;
use std::collections::BTreeSet;

/// Problems that no row can bring about, with the reason.
const UNREACHED: [(&str, &str); 0] = [];

const PAGE: &str = include_str!("../../../infra/problems.md");

#[test]
fn every_problem_is_met_by_a_row() {
    let rows = refusals::all();
    let met: BTreeSet<&str> = rows.iter().map(|row| row.slug).chain(UNREACHED.map(|(slug, _)| slug)).collect();
    assert_eq!(met, KINDS.iter().map(|kind| kind.slug).collect());
}

#[test]
fn the_documentation_names_the_problems_that_depend_on_the_members_account() {
    let (_, rest) = PAGE.split_once("depends on the member's account (").unwrap();
    let named = rest.split(')').next().unwrap().split('`').skip(1).step_by(2);
    let by_state = RULES.iter().filter(|row| row.by_state).map(|row| row.code);
    assert_eq!(named.collect::<Vec<_>>(), by_state.collect::<Vec<_>>());
}

#[test]
fn the_documentation_lists_every_problem_and_no_other_with_an_example_of_each() {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Vec<&str>> = rows
        .map(|line| line.trim_matches('|').splitn(4, '|').map(|cell| cell.trim().trim_matches('`').trim()).collect())
        .collect();
    let listed: Vec<(String, u16, &str)> =
        rows.iter().map(|row| (row[0].to_owned(), row[1].parse().unwrap(), row[2])).collect();
    let kinds: Vec<(String, u16, &str)> =
        KINDS.iter().map(|kind| (kind.slug.to_owned(), kind.status, kind.title)).collect();
    assert_eq!(listed, kinds);
    for (row, kind) in rows.iter().zip(KINDS) {
        let example: Value = serde_json::from_str(row[3]).unwrap_or_else(|error| panic!("{error}: {}", row[3]));
        assert_eq!(example["type"], format!("{TYPE_PREFIX}{}", kind.slug));
        assert_eq!(example["status"], kind.status);
        assert_eq!(example["title"], kind.title);
        assert!(!example["detail"].as_str().unwrap().is_empty(), "{}", kind.slug);
    }
}
