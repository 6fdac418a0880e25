//! The paths of the API and who may call them. What is not listed is refused.

use crate::caller::Caller;
use crate::problem::{METHOD_NOT_ALLOWED, NO_SUCH_PATH, Problem};
use interline_domain::events::EntryKind;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, MemberId, Reference};

/// The function that serves a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Record,
    Account,
    Periods,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    PutEntry { line: LineId, kind: EntryKind, reference: Reference },
    PutEvents { line: LineId },
    Entry { line: LineId, kind: EntryKind, reference: Reference },
    Member { member: MemberId },
    MemberEntries { member: MemberId },
    Quote,
    LineEntries { line: LineId },
    LinePosition { line: LineId },
    Periods,
    Period { period: Period },
    Close { period: Period },
    Reports { period: Period },
    Report { period: Period, path: String },
}

/// The collections under a line, and the kinds in them.
const COLLECTIONS: [(&str, EntryKind); 3] =
    [("accruals", EntryKind::Accrual), ("redemptions", EntryKind::Redemption), ("reversals", EntryKind::Reversal)];

/// Answered as GET is, without a body.
pub const HEAD: &str = "HEAD";

impl Route {
    pub fn find(method: &str, path: &str) -> Result<Self, Problem> {
        let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        let kind = |name: &str| COLLECTIONS.iter().find(|(word, _)| *word == name).map(|(_, kind)| *kind);
        let candidates: Vec<(&str, Result<Route, Problem>)> = match segments.as_slice() {
            ["v1", "lines", line_id, "entries"] => {
                vec![("GET", line(line_id).map(|line| Route::LineEntries { line }))]
            }
            ["v1", "lines", line_id, "events"] => vec![("PUT", line(line_id).map(|line| Route::PutEvents { line }))],
            ["v1", "lines", line_id, "position"] => {
                vec![("GET", line(line_id).map(|line| Route::LinePosition { line }))]
            }
            ["v1", "lines", line_id, collection, name] if kind(collection).is_some() => {
                let kind = kind(collection).unwrap_or(EntryKind::Accrual);
                let both = line(line_id).and_then(|line| Ok((line, reference(name)?)));
                let put = |(line, reference)| Route::PutEntry { line, kind, reference };
                let get = |(line, reference)| Route::Entry { line, kind, reference };
                vec![("PUT", both.clone().map(put)), ("GET", both.map(get))]
            }
            ["v1", "members", id] => vec![("GET", member(id).map(|member| Route::Member { member }))],
            ["v1", "members", id, "entries"] => {
                vec![("GET", member(id).map(|member| Route::MemberEntries { member }))]
            }
            ["v1", "quotes"] => vec![("POST", Ok(Route::Quote))],
            ["v1", "periods"] => vec![("GET", Ok(Route::Periods))],
            ["v1", "periods", id] => vec![("GET", period(id).map(|period| Route::Period { period }))],
            ["v1", "periods", id, "close"] => vec![("POST", period(id).map(|period| Route::Close { period }))],
            ["v1", "periods", id, "reports"] => vec![("GET", period(id).map(|period| Route::Reports { period }))],
            ["v1", "periods", id, "reports", file @ ..] => {
                let path = file.join("/");
                vec![("GET", period(id).map(|period| Route::Report { period, path }))]
            }
            _ => Vec::new(),
        };
        let mut methods: Vec<&str> = candidates.iter().map(|(method, _)| *method).collect();
        if methods.contains(&"GET") {
            methods.push(HEAD);
        }
        // What can be read can be asked about.
        let method = if method == HEAD { "GET" } else { method };
        match candidates.into_iter().find(|(of, _)| *of == method) {
            Some((_, route)) => route,
            None if methods.is_empty() => Err(Problem::new(NO_SUCH_PATH, "see the list of paths in the documentation")),
            None => Err(Problem::new(METHOD_NOT_ALLOWED, format!("the path takes {}", methods.join(", ")))),
        }
    }

    pub fn function(&self) -> Function {
        match self {
            Route::PutEntry { .. } | Route::PutEvents { .. } => Function::Record,
            Route::Entry { .. }
            | Route::Member { .. }
            | Route::MemberEntries { .. }
            | Route::Quote
            | Route::LineEntries { .. } => Function::Account,
            Route::LinePosition { .. }
            | Route::Periods
            | Route::Period { .. }
            | Route::Close { .. }
            | Route::Reports { .. }
            | Route::Report { .. } => Function::Periods,
        }
    }

    /// A name for logs and metrics, without ids.
    pub fn name(&self) -> &'static str {
        match self {
            Route::PutEntry { .. } => "put-entry",
            Route::PutEvents { .. } => "put-events",
            Route::Entry { .. } => "entry",
            Route::Member { .. } => "member",
            Route::MemberEntries { .. } => "member-entries",
            Route::Quote => "quote",
            Route::LineEntries { .. } => "line-entries",
            Route::LinePosition { .. } => "line-position",
            Route::Periods => "periods",
            Route::Period { .. } => "period",
            Route::Close { .. } => "close",
            Route::Reports { .. } => "reports",
            Route::Report { .. } => "report",
        }
    }

    /// A line touches what lies under its own path, and quotes (its handler
    /// checks that the quote is for the line itself). The member service reads
    /// one member. Finance reads everything and closes.
    pub fn allows(&self, caller: &Caller) -> bool {
        match (self, caller) {
            (Route::PutEntry { line, .. } | Route::PutEvents { line }, Caller::Line(own)) => line == own,
            (
                Route::Entry { line, .. } | Route::LineEntries { line } | Route::LinePosition { line },
                Caller::Line(own),
            ) => line == own,
            (Route::Quote, Caller::Line(_) | Caller::Finance | Caller::Members) => true,
            (Route::Member { .. } | Route::MemberEntries { .. }, Caller::Members | Caller::Finance) => true,
            (
                Route::Entry { .. }
                | Route::LineEntries { .. }
                | Route::LinePosition { .. }
                | Route::Periods
                | Route::Period { .. }
                | Route::Close { .. }
                | Route::Reports { .. }
                | Route::Report { .. },
                Caller::Finance,
            ) => true,
            (Route::PutEntry { .. } | Route::PutEvents { .. }, Caller::Finance | Caller::Members) => false,
            (Route::Member { .. } | Route::MemberEntries { .. }, Caller::Line(_)) => false,
            (Route::Entry { .. } | Route::LineEntries { .. } | Route::LinePosition { .. }, Caller::Members) => false,
            (
                Route::Periods
                | Route::Period { .. }
                | Route::Close { .. }
                | Route::Reports { .. }
                | Route::Report { .. },
                Caller::Line(_) | Caller::Members,
            ) => false,
        }
    }
}

fn line(text: &str) -> Result<LineId, Problem> {
    LineId::parse(text).map_err(|error| Problem::invalid("line", error))
}

fn reference(text: &str) -> Result<Reference, Problem> {
    Reference::parse(text).map_err(|error| Problem::invalid("reference", error))
}

fn member(text: &str) -> Result<MemberId, Problem> {
    MemberId::parse(text).map_err(|error| Problem::invalid("member", error))
}

fn period(text: &str) -> Result<Period, Problem> {
    Period::parse(text).map_err(|error| Problem::invalid("period", error))
}
