//! The document's operations are the routes of the code.

use super::calls::calls;
use super::document::{Document, Operation};
use interline_domain::units::id::LineId;
use interline_lambda::Caller;
use interline_lambda::problem::{KINDS, METHOD_NOT_ALLOWED, NO_SUCH_PATH, TYPE_PREFIX};
use interline_lambda::routes::{Found, Function, ROUTES, Who, find};
use std::collections::BTreeSet;

/// The document's own example of each name in the path.
fn path(document: &Document, operation: &Operation) -> String {
    operation.path_with(|name| {
        let of_name = |pointer: &&String| document.at(pointer)["name"] == name && document.at(pointer)["in"] == "path";
        let parameter = operation.parameters.iter().find(of_name).unwrap_or_else(|| panic!("{name} is not described"));
        assert_eq!(document.at(parameter)["required"], true, "{parameter}");
        let example = &document.at(parameter)["example"];
        document.valid(&format!("{parameter}/schema"), example).unwrap();
        example.as_str().unwrap().to_owned()
    })
}

fn function(found: &Found) -> &'static str {
    match found.route.function() {
        Function::Record => "record",
        Function::Account => "account",
        Function::Periods => "periods",
    }
}

fn callers(found: &Found) -> BTreeSet<String> {
    let allowed = |caller: Caller| found.allows(&caller);
    let own = Caller::Line(LineId::parse("grocery").unwrap());
    let other = Caller::Line(LineId::parse("dining").unwrap());
    // Whose the quote is stands in its body.
    assert!(found.row.who.contains(&Who::Line) || !allowed(other), "{} by another line", found.row.path);
    let all = [("line", allowed(own)), ("finance", allowed(Caller::Finance)), ("members", allowed(Caller::Members))];
    all.into_iter().filter(|(_, allowed)| *allowed).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_operation_is_a_route_with_its_function_and_callers_and_every_route_an_operation() {
    let document = Document::get();
    let mut rows = BTreeSet::new();
    for operation in &document.operations {
        let found = find(&operation.method, &path(document, operation)).unwrap();
        assert_eq!(operation.function, function(&found), "{}", operation.id);
        assert_eq!(operation.callers, callers(&found), "{}", operation.id);
        assert_eq!(operation.path.replace("+}", "}"), found.row.path.replace("+}", "}"), "{}", operation.id);
        rows.insert((found.row.method, found.row.path));
    }
    assert_eq!(rows, ROUTES.iter().map(|row| (row.method, row.path)).collect());
    let ids: Vec<&str> = document.operations.iter().map(|operation| operation.id.as_str()).collect();
    let called: BTreeSet<&str> = calls().iter().map(|call| call.operation).collect();
    assert_eq!(called, ids.iter().copied().collect());
    assert_eq!(called.len(), ids.len(), "an operationId is there twice");
}

#[test]
fn a_method_or_a_path_that_is_not_in_the_document_is_not_a_route() {
    let document = Document::get();
    for operation in &document.operations {
        let path = path(document, operation);
        let methods: BTreeSet<&str> = document
            .operations
            .iter()
            .filter(|other| other.path == operation.path)
            .map(|other| other.method.as_str())
            .collect();
        for method in ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "QUERY"] {
            let found = find(method, &path);
            // What can be read can be asked about.
            let named = if method == "HEAD" { "GET" } else { method };
            match methods.contains(named) {
                true => assert!(found.is_ok(), "{method} {path}"),
                false => assert_eq!(found.unwrap_err().kind, METHOD_NOT_ALLOWED, "{method} {path}"),
            }
        }
        // Every path near a documented one.
        let segments: Vec<&str> = path.split('/').collect();
        let mut others: Vec<String> = (1..segments.len()).map(|length| segments[..length].join("/")).collect();
        for at in 1..segments.len() {
            for name in ["x", "grocery", "2017-01", "entries", "reports", "V1", "members"] {
                let mut changed = segments.clone();
                changed[at] = name;
                others.push(changed.join("/"));
            }
        }
        others.extend([format!("{path}/"), format!("{path}/x"), format!("/{path}"), format!("/prod{path}")]);
        for other in others {
            let documented = document.operations.iter().any(|operation| operation.is_at(&other));
            for method in ["GET", "PUT", "POST"] {
                let unknown = find(method, &other).err().is_some_and(|problem| problem.kind == NO_SUCH_PATH);
                assert_eq!(unknown, !documented, "{method} {other}");
            }
        }
    }
}

#[test]
fn the_problems_of_the_document_are_those_of_the_code() {
    let schema = &Document::get().json["components"]["schemas"]["ProblemType"];
    let types: Vec<&str> = schema["enum"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let kinds: Vec<String> = KINDS.iter().map(|kind| format!("{TYPE_PREFIX}{}", kind.slug)).collect();
    assert_eq!(types, kinds);
    let rows = schema["description"].as_str().unwrap().lines().skip(2);
    let rows: Vec<Vec<&str>> = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert_eq!(rows.len(), KINDS.len());
    for (row, kind) in rows.iter().zip(KINDS) {
        assert_eq!(row[..3], [kind.slug, &kind.status.to_string(), kind.title]);
        assert!(row.len() == 4 && !row[3].is_empty(), "{row:?}");
    }
    let statuses = &Document::get().json["components"]["schemas"]["Problem"]["properties"]["status"]["enum"];
    let statuses: BTreeSet<u64> = statuses.as_array().unwrap().iter().map(|status| status.as_u64().unwrap()).collect();
    assert_eq!(statuses, KINDS.iter().map(|kind| u64::from(kind.status)).collect());
}
