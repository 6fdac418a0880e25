//! The paths of the API and who may call them, as one table. What is not listed is refused.

use crate::caller::Caller;
use crate::problem::{Allow, NO_SUCH_PATH, Problem};
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

/// A route, by the function that serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    Record(RecordRoute),
    Account(AccountRoute),
    Periods(PeriodsRoute),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordRoute {
    Entry { line: LineId, kind: EntryKind, reference: Reference },
    Events { line: LineId },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountRoute {
    Entry { line: LineId, kind: EntryKind, reference: Reference },
    LineEntries { line: LineId },
    Member { member: MemberId },
    MemberEntries { member: MemberId },
    Quote,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeriodsRoute {
    All,
    One { period: Period },
    Close { period: Period },
    Payments { period: Period },
    Confirm { period: Period },
    Reports { period: Period },
    Report { period: Period, path: String },
    Position { line: LineId },
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The line that the path names.
    OwnLine,
    /// Any line: whose it is stands in the body, and the handler looks.
    Line,
    Members,
    Finance,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub method: &'static str,
    /// `{name}` stands for one segment, `{name+}` for one and more at the end.
    pub path: &'static str,
    /// For logs and metrics, without ids.
    pub name: &'static str,
    pub who: &'static [Who],
    /// Of what stands in the path, in its order.
    route: fn(&[&str]) -> Result<Route, Problem>,
}

/// A line touches what lies under its own path. The member service reads one member.
/// Finance reads everything, closes, and confirms payments.
pub const ROUTES: &[Row] = &[
    row("PUT", "/v1/lines/{line}/accruals/{reference}", "put-entry", &[Who::OwnLine], |at| put(at, EntryKind::Accrual)),
    row("PUT", "/v1/lines/{line}/redemptions/{reference}", "put-entry", &[Who::OwnLine], |at| {
        put(at, EntryKind::Redemption)
    }),
    row("PUT", "/v1/lines/{line}/reversals/{reference}", "put-entry", &[Who::OwnLine], |at| {
        put(at, EntryKind::Reversal)
    }),
    row("PUT", "/v1/lines/{line}/events", "put-events", &[Who::OwnLine], |at| {
        Ok(Route::Record(RecordRoute::Events { line: line(at[0])? }))
    }),
    row("GET", "/v1/lines/{line}/accruals/{reference}", "entry", &[Who::OwnLine, Who::Finance], |at| {
        get(at, EntryKind::Accrual)
    }),
    row("GET", "/v1/lines/{line}/redemptions/{reference}", "entry", &[Who::OwnLine, Who::Finance], |at| {
        get(at, EntryKind::Redemption)
    }),
    row("GET", "/v1/lines/{line}/reversals/{reference}", "entry", &[Who::OwnLine, Who::Finance], |at| {
        get(at, EntryKind::Reversal)
    }),
    row("GET", "/v1/lines/{line}/entries", "line-entries", &[Who::OwnLine, Who::Finance], |at| {
        Ok(Route::Account(AccountRoute::LineEntries { line: line(at[0])? }))
    }),
    row("GET", "/v1/lines/{line}/position", "line-position", &[Who::OwnLine, Who::Finance], |at| {
        Ok(Route::Periods(PeriodsRoute::Position { line: line(at[0])? }))
    }),
    row("GET", "/v1/members/{member}", "member", &[Who::Members, Who::Finance], |at| {
        Ok(Route::Account(AccountRoute::Member { member: member(at[0])? }))
    }),
    row("GET", "/v1/members/{member}/entries", "member-entries", &[Who::Members, Who::Finance], |at| {
        Ok(Route::Account(AccountRoute::MemberEntries { member: member(at[0])? }))
    }),
    row("POST", "/v1/quotes", "quote", &[Who::Line, Who::Members, Who::Finance], |_| {
        Ok(Route::Account(AccountRoute::Quote))
    }),
    row("GET", "/v1/periods", "periods", &[Who::Finance], |_| Ok(Route::Periods(PeriodsRoute::All))),
    row("GET", "/v1/periods/{period}", "period", &[Who::Finance], |at| {
        Ok(Route::Periods(PeriodsRoute::One { period: period(at[0])? }))
    }),
    row("POST", "/v1/periods/{period}/close", "close", &[Who::Finance], |at| {
        Ok(Route::Periods(PeriodsRoute::Close { period: period(at[0])? }))
    }),
    row("GET", "/v1/periods/{period}/payments", "payments", &[Who::Finance], |at| {
        Ok(Route::Periods(PeriodsRoute::Payments { period: period(at[0])? }))
    }),
    row("POST", "/v1/periods/{period}/payments", "confirm-payments", &[Who::Finance], |at| {
        Ok(Route::Periods(PeriodsRoute::Confirm { period: period(at[0])? }))
    }),
    row("GET", "/v1/periods/{period}/reports", "reports", &[Who::Finance], |at| {
        Ok(Route::Periods(PeriodsRoute::Reports { period: period(at[0])? }))
    }),
    row("GET", "/v1/periods/{period}/reports/{file+}", "report", &[Who::Finance], |at| {
        Ok(Route::Periods(PeriodsRoute::Report { period: period(at[0])?, path: at[1..].join("/") }))
    }),
];

/// Answered as GET is, without a body.
pub const HEAD: &str = "HEAD";

const fn row(
    method: &'static str,
    path: &'static str,
    name: &'static str,
    who: &'static [Who],
    route: fn(&[&str]) -> Result<Route, Problem>,
) -> Row {
    Row { method, path, name, who, route }
}

impl Row {
    /// What stands in a path that is of this form.
    fn captured<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
        let mut captured = Vec::new();
        for part in self.path.strip_prefix('/').unwrap_or(self.path).split('/') {
            let segment = segments.next()?;
            if part.starts_with('{') {
                captured.push(segment);
                if part.ends_with("+}") {
                    captured.extend(segments.by_ref());
                }
            } else if part != segment {
                return None;
            }
        }
        segments.next().is_none().then_some(captured)
    }
}

/// A row of the table with the route that a path is of it.
#[derive(Debug, Clone)]
pub struct Found {
    pub row: &'static Row,
    pub route: Route,
}

impl Found {
    pub fn allows(&self, caller: &Caller) -> bool {
        self.row.who.iter().any(|who| match (who, caller) {
            (Who::OwnLine, Caller::Line(own)) => self.route.line() == Some(own),
            (Who::Line, Caller::Line(_)) | (Who::Members, Caller::Members) | (Who::Finance, Caller::Finance) => true,
            (Who::OwnLine | Who::Line | Who::Members | Who::Finance, _) => false,
        })
    }
}

pub fn find(method: &str, path: &str) -> Result<Found, Problem> {
    // What can be read can be asked about.
    let asked = if method == HEAD { "GET" } else { method };
    let mut methods = Vec::new();
    for row in ROUTES {
        let Some(captured) = row.captured(path) else { continue };
        if row.method == asked {
            return Ok(Found { row, route: (row.route)(&captured)? });
        }
        methods.push(row.method);
    }
    if methods.is_empty() {
        return Err(Problem::new(NO_SUCH_PATH, "see the list of paths in the documentation"));
    }
    if methods.contains(&"GET") {
        methods.push(HEAD);
    }
    Err(Problem::takes(Allow(methods)))
}

impl Route {
    pub fn function(&self) -> Function {
        match self {
            Route::Record(_) => Function::Record,
            Route::Account(_) => Function::Account,
            Route::Periods(_) => Function::Periods,
        }
    }

    /// The line that the path names.
    fn line(&self) -> Option<&LineId> {
        match self {
            Route::Record(RecordRoute::Entry { line, .. } | RecordRoute::Events { line })
            | Route::Account(AccountRoute::Entry { line, .. } | AccountRoute::LineEntries { line })
            | Route::Periods(PeriodsRoute::Position { line }) => Some(line),
            Route::Account(AccountRoute::Member { .. } | AccountRoute::MemberEntries { .. } | AccountRoute::Quote)
            | Route::Periods(
                PeriodsRoute::All
                | PeriodsRoute::One { .. }
                | PeriodsRoute::Close { .. }
                | PeriodsRoute::Payments { .. }
                | PeriodsRoute::Confirm { .. }
                | PeriodsRoute::Reports { .. }
                | PeriodsRoute::Report { .. },
            ) => None,
        }
    }
}

fn put(at: &[&str], kind: EntryKind) -> Result<Route, Problem> {
    let (line, reference) = (line(at[0])?, reference(at[1])?);
    Ok(Route::Record(RecordRoute::Entry { line, kind, reference }))
}

fn get(at: &[&str], kind: EntryKind) -> Result<Route, Problem> {
    let (line, reference) = (line(at[0])?, reference(at[1])?);
    Ok(Route::Account(AccountRoute::Entry { line, kind, reference }))
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
