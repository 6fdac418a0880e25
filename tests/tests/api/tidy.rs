//! What must hold of the sources themselves, where no compiler says so.

use interline_lambda::routes::ROUTES;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The domain's rooms from the ground up: each may use those before it.
const ROOMS: [&str; 7] = ["units", "claims", "actuarial", "terms", "legs", "events", "close"];
const LINES_OF_A_FUNCTION_MAX: usize = 70;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Rust files under a folder of the workspace with their text; what is a test is cut off.
fn sources(folder: &str) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![workspace().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("tests") && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
                found.insert(path.strip_prefix(workspace()).unwrap().to_owned(), text);
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

fn production() -> BTreeMap<PathBuf, String> {
    ["shared", "functions", "infra"].into_iter().flat_map(sources).collect()
}

/// `a::b::c` of a path behind `crate::`, for every path that a text names.
fn named(text: &str) -> impl Iterator<Item = String> {
    text.split("crate::").skip(1).map(|rest| {
        let path = rest.split(|of: char| !(of.is_ascii_alphanumeric() || of == '_' || of == ':')).next().unwrap();
        path.trim_end_matches(':').to_owned()
    })
}

#[test]
fn no_function_is_longer_than_a_page() {
    // As rustfmt writes it, a function ends where its own indentation comes again.
    let mut found = 0;
    for (path, text) in production() {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let is_function = ["fn ", "async fn ", "const fn "].iter().any(|word| {
                code.strip_prefix(word).is_some() || code.starts_with("pub") && code.contains(&format!(" {word}"))
            });
            if !is_function || line.ends_with(';') || line.ends_with('}') {
                continue;
            }
            let end = format!("{}}}", &line[..line.len() - code.len()]);
            let length = lines[at..].iter().take_while(|line| **line != end).count() + 1;
            assert!(length <= LINES_OF_A_FUNCTION_MAX, "{}:{}: {length} lines", path.display(), at + 1);
            found += 1;
        }
    }
    assert!(found > 500, "only {found} functions were seen");
}

#[test]
fn a_room_of_the_domain_uses_none_above_it() {
    for (path, text) in sources("shared/domain/src") {
        assert!(!text.contains("crate::{") && !text.contains("super::super"), "{}: name whole paths", path.display());
        let inside = path.strip_prefix("shared/domain/src").unwrap().with_extension("");
        let room = inside.iter().next().unwrap().to_str().unwrap();
        let Some(floor) = ROOMS.iter().position(|of| *of == room) else {
            assert_eq!(room, "lib", "{} is in no room", path.display());
            continue;
        };
        for used in named(&text) {
            let other = used.split("::").next().unwrap();
            let other = ROOMS.iter().position(|of| *of == other);
            assert!(other.is_none_or(|other| other <= floor), "{}: crate::{used}", path.display());
        }
    }
}

#[test]
fn no_two_files_of_the_domain_need_each_other_but_for_the_lists_of_modules() {
    let sources = sources("shared/domain/src");
    let module = |path: &Path| {
        let inside = path.strip_prefix("shared/domain/src").unwrap().with_extension("");
        inside.iter().map(|part| part.to_str().unwrap()).collect::<Vec<_>>().join("::")
    };
    let modules: BTreeSet<String> = sources.keys().map(|path| module(path)).collect();
    let file_of = |path: &str| {
        let mut path = path.to_owned();
        while !modules.contains(&path) {
            path = path.rsplit_once("::")?.0.to_owned();
        }
        Some(path)
    };
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in &sources {
        let own = module(path);
        let mut used: BTreeSet<String> = named(text).filter_map(|path| file_of(&path)).collect();
        // A list of modules is no user of them.
        used.retain(|of| *of != own && !own.starts_with(&format!("{of}::")));
        let siblings = text.split("use super::").skip(1).filter_map(|rest| {
            let name = rest.split(|of: char| !(of.is_ascii_alphanumeric() || of == '_')).next()?;
            file_of(&format!("{}::{name}", own.rsplit_once("::")?.0))
        });
        used.extend(siblings.filter(|of| *of != own && !own.starts_with(&format!("{of}::"))));
        uses.insert(own, used);
    }
    // Whoever uses nothing that is left can be taken away; a circle never can.
    while let Some(leaf) = uses.iter().find(|(_, used)| used.iter().all(|of| !uses.contains_key(of))) {
        let leaf = leaf.0.clone();
        uses.remove(&leaf);
    }
    assert!(uses.is_empty(), "these need each other: {uses:#?}");
}

#[test]
fn what_lies_behind_the_ledger_knows_legs_and_no_kind_of_event() {
    let behind =
        ["shared/domain/src/close", "shared/domain/src/legs", "shared/domain/src/actuarial", "shared/reports/src"];
    for (path, text) in behind.into_iter().flat_map(sources) {
        let named = |line: &&str| line.contains("crate::events") || line.contains("interline_domain::events");
        for line in text.lines().filter(named) {
            // An entry is folded, digested, and counted on its member's account.
            let entry_points = [
                "use crate::events::Entry;",
                "use crate::events::{Balances, Entry};",
                "use crate::events::{Canonical, Entry};",
            ];
            assert!(entry_points.contains(&line.trim()), "{}: {line}", path.display());
        }
    }
}

#[test]
fn keys_are_built_and_taken_apart_in_one_file() {
    let builds = ["\"A#", "\"E#", "\"G#", "\"M#", "\"U#", "\"R#", "\"P#", "\"history#"];
    // Nobody else in what knows a table has to do with what stands between a key's parts.
    let parts = ["'#'", "}#", "#{", "#\""];
    for (path, text) in production() {
        if path.ends_with("keys.rs") {
            continue;
        }
        let in_the_ledger = path.starts_with("shared/ledger");
        let handles = |line: &&str| {
            let code = line.trim_start();
            let is_code = !code.starts_with("//") && !code.starts_with('#');
            builds.iter().any(|prefix| code.contains(prefix))
                || in_the_ledger && is_code && parts.iter().any(|part| code.contains(part))
        };
        let found: Vec<&str> = text.lines().filter(handles).collect();
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}

#[test]
fn every_limit_limits_something() {
    let sources = production();
    let (limits, text) = sources.iter().find(|(path, _)| path.ends_with("units/limits.rs")).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    for name in names {
        let is_used = sources.iter().any(|(path, text)| path != limits && text.contains(name));
        assert!(is_used || text.matches(name).count() > 1, "{name}");
    }
}

#[test]
fn the_template_has_the_routes_of_the_table_and_no_other() {
    let template = fs::read_to_string(workspace().join("template.yaml")).unwrap();
    let keys = template.lines().filter_map(|line| line.trim().strip_prefix("RouteKey: "));
    let deployed: BTreeSet<String> = keys.filter(|key| *key != "$default").map(str::to_owned).collect();
    let rows = ROUTES.iter().map(|row| format!("{} {}", row.method, row.path));
    // What can be read can be asked about.
    let asked = ROUTES.iter().filter(|row| row.method == "GET").map(|row| format!("HEAD {}", row.path));
    assert_eq!(deployed, rows.chain(asked).collect());
}
