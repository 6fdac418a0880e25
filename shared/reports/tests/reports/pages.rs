use crate::pack;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use interline_reports::manifest::RunKind;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

fn pages(pack: &BTreeMap<String, Vec<u8>>) -> BTreeMap<&str, &str> {
    let pages = pack.iter().filter(|(path, _)| path.ends_with(".html"));
    pages.map(|(path, bytes)| (path.as_str(), std::str::from_utf8(bytes).unwrap())).collect()
}

/// What stands between two marks, every time.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split_once(end).map(|(found, _)| found))
}

#[test]
fn pages_need_no_network_and_allow_only_their_own_style_and_script() {
    let pack = pack(RunKind::Final);
    let pages = pages(&pack);
    assert_eq!(pages.len(), 5);
    for (path, page) in pages {
        for word in ["http://", "https://", "src=", "url(", "@import", "style=\"", "onclick", "<link"] {
            assert!(!page.contains(word), "{path} has {word}");
        }
        let policy = between(page, "Content-Security-Policy\" content=\"", "\"").next().unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        for element in ["style", "script"] {
            let (start, end) = (format!("<{element}>"), format!("</{element}>"));
            let sources: Vec<&str> = between(page, &start, &end).collect();
            assert_eq!(sources.len(), 1);
            let hash = STANDARD.encode(Sha256::digest(sources[0]));
            let quoted = policy.replace("&#39;", "'");
            assert!(quoted.contains(&format!("{element}-src 'sha256-{hash}'")), "{path}: {policy}");
        }
    }
}

#[test]
fn links_lead_to_files_of_the_pack() {
    let mut pack = pack(RunKind::Final);
    pack.insert("manifest.json".to_owned(), Vec::new());
    for (path, page) in pages(&pack) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let links: BTreeSet<&str> = between(page, "href=\"", "\"").collect();
        for link in &links {
            let target = if folder.is_empty() { (*link).to_owned() } else { format!("{folder}/{link}") };
            assert!(pack.contains_key(&target), "{path} links to {target}");
        }
        let reports = pack
            .keys()
            .filter(|file| file.ends_with(".csv") && file.rsplit_once('/').map_or("", |(folder, _)| folder) == folder);
        for file in reports {
            let name = file.rsplit('/').next().unwrap();
            assert!(links.contains(name), "{path} does not link to {name}");
        }
    }
}

#[test]
fn names_are_escaped_and_both_languages_are_there() {
    let pack = pack(RunKind::Final);
    let page = pages(&pack)["statement.html"];
    assert!(page.contains("Points &amp; &quot;Perks&quot; &lt;Group&gt;"));
    assert!(page.contains("<span lang=\"en\">Malls &lt;&amp; more&gt;</span>"));
    assert!(page.contains("<span lang=\"zh-CN\">商场</span>"));
    assert!(page.contains("Cohorts below zero") && page.contains("&lt;1&gt;"));
    assert!(!page.contains("<Group>") && !page.contains("<1>"));
    assert_eq!(page.matches("lang=\"zh-CN\"").count(), page.matches("lang=\"en\"").count() + 1, "and the root's");
    // Not by colour alone: a failed check says so, a negative number has its sign.
    assert!(page.contains("✗ <span lang=\"zh-CN\">未通过</span>"));
    assert!(page.contains("<span class=\"neg\">−27.18</span>"));
}

#[test]
fn a_trial_says_that_it_is_one() {
    for (kind, trial) in [(RunKind::Trial, true), (RunKind::Final, false)] {
        let pack = pack(kind);
        for (path, page) in pages(&pack) {
            assert_eq!(page.contains("Do not post or pay"), trial, "{path}");
            assert_eq!(page.contains(">TRIAL<"), trial, "{path}");
            assert_eq!(page.contains(">FINAL<"), !trial, "{path}");
        }
    }
}

#[test]
fn a_lines_statement_shows_its_own_pairs_and_no_others() {
    let pack = pack(RunKind::Final);
    // What names one pair: its amount in every file, its points.
    let pairs = [
        ("dining", "hotel_1", ["12,345.67", "12345.67", "4,321"]),
        ("dining", "mall", ["987.65", "987.65", "987<"]),
        ("group", "hotel_1", ["5.77", "5.77", "55<"]),
        ("hotel_1", "dining", ["31.41", "31.41", "120<"]),
        ("mall", "dining", ["27.18", "27.18", "60<"]),
        ("mall", "group", ["16.18", "16.18", "16.18"]),
    ];
    for line in ["dining", "group", "hotel_1", "mall"] {
        let folder = format!("lines/{line}/");
        let own: Vec<(&String, &str)> = pack
            .iter()
            .filter(|(path, _)| path.starts_with(&folder))
            .map(|(path, bytes)| (path, std::str::from_utf8(bytes).unwrap()))
            .collect();
        let (page, csv) = (pack_text(&own, "statement.html"), pack_text(&own, "statement.csv"));
        for (payer, payee, marks) in pairs {
            let [shown, written, points] = marks;
            let concerned = payer == line || payee == line;
            assert_eq!(page.contains(shown), concerned, "{line}: {payer} to {payee}: {shown}");
            assert_eq!(csv.contains(written), concerned, "{line}: {payer} to {payee}: {written}");
            if concerned {
                assert!(page.contains(points), "{line}: {points}");
            } else {
                for (path, text) in &own {
                    for mark in marks {
                        assert!(!text.contains(mark), "{path} tells what {payer} owes {payee}");
                    }
                }
            }
        }
        // Another line's balance sheet is none of its business either.
        for (funder, closing) in [("dining", "74,949.68"), ("mall", "7,777.00")] {
            assert_eq!(page.contains(closing), funder == line, "{line}: {closing}");
        }
        // Nor whom it has nothing to do with.
        for (other, name) in [("dining", "餐饮"), ("group", "集团总部"), ("hotel_1", "酒店"), ("mall", "商场")]
        {
            let pair = |payer: &str, payee: &str| payer == line && payee == other || payer == other && payee == line;
            let paid = own.iter().any(|(path, text)| path.ends_with("payments.csv") && text.contains(other));
            if other != line && !paid && !pairs.iter().any(|(payer, payee, _)| pair(payer, payee)) {
                assert!(!page.contains(name) && !csv.contains(other), "{line} reads of {other}");
            }
        }
    }
}

fn pack_text<'a>(files: &[(&String, &'a str)], name: &str) -> &'a str {
    files.iter().find(|(path, _)| path.ends_with(name)).unwrap().1
}

#[test]
fn the_net_of_a_lines_statement_is_its_net_position() {
    let pack = pack(RunKind::Final);
    let positions = String::from_utf8(pack["positions.csv"].clone()).unwrap();
    for row in positions.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        let csv = &pack[&format!("lines/{}/statement.csv", fields[0])];
        let net: i128 = fields[5].replace('.', "").parse().unwrap();
        assert_eq!(crate::column_sum(csv, "net"), net, "{row}");
    }
}
