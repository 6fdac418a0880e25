//! Tills and importers of lines, and those who look at what came of it.

use super::audit::{Name, Sent};
use super::terms;
use super::world::{DAY, Ended, HOUR, MINUTE, World, local_text, utc_text};
use crate::calls;
use crate::events::{HEADER, member_of_shard};
use crate::programme::s3_event;
use futures::future::join_all;
use interline_import::Imported;
use interline_lambda::Class;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const MEMBERS: u64 = 40;
/// The shard of some of them.
const NEIGHBOURHOOD: u16 = 35;
/// Events of a month that come after it, and as many while it is closed.
const STRAGGLERS: usize = 12;
/// From one rush to the next.
const RUSH: i64 = 12 * HOUR;
/// No request of a process that ended arrives later than this.
const SETTLED: i64 = 70_000;

/// An event as a line means to send it.
#[derive(Debug, Clone)]
pub struct Event {
    line: &'static str,
    kind: &'static str,
    reference: String,
    member: String,
    occurred: i64,
    amount: Option<i64>,
    points: Option<i64>,
    /// Kind and reference of what it takes back.
    reverses: Option<(&'static str, String)>,
}

/// An event that was recorded: it may be reversed, and be sent again.
#[derive(Debug, Clone)]
pub struct Past {
    event: Event,
    /// What its caller was told first; `None`: it came by a file.
    told: Option<Value>,
}

/// A row of a file, and the field in which it differs from what is recorded.
struct Row {
    event: Event,
    differs: Option<&'static str>,
}

fn code(kind: &str) -> &'static str {
    match kind {
        "accrual" => "a",
        "redemption" => "r",
        "reversal" => "v",
        _ => "j",
    }
}

fn decimal(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

impl Event {
    fn name(&self) -> Name {
        (self.line.to_owned(), code(self.kind).to_owned(), self.reference.clone(), self.member.clone())
    }

    fn request(&self) -> Value {
        let mut body = json!({ "member": self.member, "occurred_at": local_text(self.occurred) });
        if let Some(amount) = self.amount {
            body["amount"] = json!(decimal(amount));
        }
        if let Some(points) = self.points {
            body["points"] = json!(points);
        }
        if let Some((kind, reference)) = &self.reverses {
            body["reverses"] = json!({ "kind": kind, "reference": reference });
        }
        let path = format!("/v1/lines/{}/{}s/{}", self.line, self.kind, self.reference);
        calls::event(&calls::arn(&format!("line-{}", self.line)), "PUT", &path, &body.to_string())
    }

    fn row(&self) -> String {
        let amount = self.amount.map(decimal).unwrap_or_default();
        let points = self.points.map(|points| points.to_string()).unwrap_or_default();
        let reverses = self.reverses.as_ref().map(|(kind, of)| format!("{kind}:{of}")).unwrap_or_default();
        let (line, reference, member) = (self.line, &self.reference, &self.member);
        format!("{},{line},{reference},{},{member},{amount},{points},{reverses}", self.kind, local_text(self.occurred))
    }

    /// Points of a redemption, or the amount of a sale.
    fn size(&self) -> i64 {
        self.amount.or(self.points).unwrap_or_default()
    }
}

impl World {
    fn sent(&self, event: &Event, change: impl FnOnce(&mut Sent)) {
        let mut auditor = self.auditor.borrow_mut();
        let sent = auditor.sent.entry(event.name()).or_default();
        (sent.occurred, sent.amount, sent.points) = (utc_text(event.occurred), event.amount, event.points);
        change(sent);
    }

    /// `told`: what its caller was told.
    fn accepted(&self, event: &Event, told: Option<&Value>) {
        let was = self.auditor.borrow().sent.get(&event.name()).is_some_and(|sent| sent.accepted);
        self.sent(event, |sent| sent.accepted = true);
        if !was {
            self.history.borrow_mut().push(Past { event: event.clone(), told: told.cloned() });
        }
    }

    /// An event of long ago or of now, and the same with one field changed.
    fn known_again(&self, line: Option<&str>) -> Option<(Past, Event, Option<&'static str>)> {
        let history = self.history.borrow();
        let of_line: Vec<&Past> =
            history.iter().filter(|past| line.is_none_or(|line| past.event.line == line)).collect();
        if of_line.is_empty() {
            return None;
        }
        let past = (*self.sim.pick(&of_line)).clone();
        let mut event = past.event.clone();
        let differs = match self.sim.below(8) {
            0 | 1 => {
                let member = self.member();
                let differs = member != event.member;
                event.member = member;
                differs.then_some("member")
            }
            2 | 3 => {
                // Within its month or over a month's end, or before the programme began.
                let most = *self.sim.pick(&[HOUR, 3 * DAY, 40 * DAY]);
                event.occurred += *self.sim.pick(&[-1, 1]) * self.sim.between(1, most / 1000) * 1000;
                Some("occurred_at")
            }
            4 if event.amount.is_some() => {
                event.amount = event.amount.map(|amount| amount + 1);
                Some("amount")
            }
            4 if event.points.is_some() => {
                event.points = event.points.map(|points| points + 1);
                Some("points")
            }
            5 if event.reverses.is_some() => {
                event.reverses = event.reverses.map(|(kind, of)| (kind, format!("{of}-other")));
                Some("reverses")
            }
            _ => None,
        };
        Some((past, event, differs))
    }

    fn member(&self) -> String {
        // A few members come often, so that lines meet at their accounts.
        let most = if self.sim.chance(400) { 4 } else { MEMBERS };
        format!("m{}", self.sim.below(most))
    }

    /// One of a few members of one shard.
    fn neighbour(&self) -> String {
        member_of_shard(NEIGHBOURHOOD, self.sim.below(12) as usize)
    }

    /// When an event happened that is sent now: mostly now, sometimes long ago.
    fn occurred(&self) -> i64 {
        let back = match self.sim.below(20) {
            0 => self.sim.between(0, 35 * DAY),
            1 | 2 => self.sim.between(0, 3 * DAY),
            3..6 => self.sim.between(0, HOUR),
            _ => self.sim.between(-8 * MINUTE, MINUTE),
        };
        (self.now() - back) / 1000 * 1000
    }

    fn event(&self, line: &'static str, from_file: bool) -> Event {
        let (member, occurred) = (self.member(), self.occurred());
        let occurred = if from_file { occurred.min(self.now() - HOUR) / 1000 * 1000 } else { occurred };
        let reference = self.reference("n");
        let event = |kind, amount, points| Event {
            line,
            kind,
            reference: reference.clone(),
            member: member.clone(),
            occurred,
            amount,
            points,
            reverses: None,
        };
        match self.sim.below(20) {
            0..10 => event("accrual", Some(self.sim.between(1, 30_000)), None),
            10..16 => {
                let points = match line {
                    "dining" => self.sim.between(1, 60) * 5,
                    "hotel" => self.sim.between(1, 200),
                    _ => self.sim.between(8, 400),
                };
                event("redemption", None, Some(points))
            }
            16 if from_file => event("adjustment", None, Some(self.sim.between(1, 300))),
            _ => self
                .reversal(line, &reference)
                .unwrap_or_else(|| event("accrual", Some(self.sim.between(1, 9_000)), None)),
        }
    }

    fn reversal(&self, line: &'static str, reference: &str) -> Option<Event> {
        let history = self.history.borrow();
        // Mostly lately, sometimes many months ago.
        let latest = if self.sim.chance(300) { usize::MAX } else { 60 };
        let reversible = |event: &&Event| event.line == line && event.kind != "reversal";
        let of_line: Vec<&Event> =
            history.iter().rev().map(|past| &past.event).filter(reversible).take(latest).collect();
        if of_line.is_empty() {
            return None;
        }
        let past = *self.sim.pick(&of_line);
        let part = self.sim.chance(500).then(|| self.sim.between(1, past.size().max(1)));
        let (amount, points) = if past.kind == "accrual" { (part, None) } else { (None, part) };
        let occurred = self.occurred().max(past.occurred);
        Some(Event {
            line,
            kind: "reversal",
            reference: reference.to_owned(),
            member: past.member.clone(),
            occurred,
            amount,
            points,
            reverses: Some((past.kind, past.reference.clone())),
        })
    }

    /// How long a caller waits before it tries again.
    fn patience(&self) -> i64 {
        match self.sim.below(20) {
            0 => self.sim.between(HOUR, 3 * DAY),
            1..5 => self.sim.between(MINUTE, HOUR),
            _ => self.sim.between(500, 20_000),
        }
    }
}

/// A till sends one event after the other until each has an answer.
pub async fn till(world: &World, line: &'static str) {
    while !world.over.get() {
        let in_a_rush = world.sim.chance(400);
        if in_a_rush {
            // A sale starts at six places at once: they meet at a few accounts.
            let start = (world.now() / RUSH + 1) * RUSH;
            world.sim.sleep_until(start + world.sim.between(0, 15)).await;
        } else {
            world.sleep(world.scenario.calm * world.sim.between(MINUTE, 8 * HOUR)).await;
        }
        let mut event = world.event(line, false);
        if in_a_rush && event.reverses.is_none() {
            event.member = format!("m{}", world.sim.below(2));
            event.occurred = world.now() / 1000 * 1000;
        }
        if world.sim.chance(15) {
            // A clock that is far ahead.
            event.occurred += 3 * HOUR;
        }
        send(world, &event).await;
        if world.sim.chance(150) {
            again(world).await;
        }
    }
}

/// Some of the last events of a month.
pub async fn stragglers(world: &World, n: usize) {
    let events = (0..STRAGGLERS).map(|_| async move {
        world.sleep(world.sim.between(0, *world.sim.pick(&[300, 3_000, 30_000]))).await;
        let line = *world.sim.pick(&terms::LINES);
        let mut event = world.event(line, false);
        if event.reverses.is_none() {
            event.member = format!("m{}", world.sim.below(4));
        }
        // Some are of the month before, which is sealed, and come while this one is open.
        let end = World::month(if n > 0 && world.sim.chance(300) { n } else { n + 1 });
        let last = (end - world.sim.between(1, 2 * DAY)) / 1000 * 1000;
        if event.reverses.is_none() {
            event.occurred = last;
        }
        send(world, &event).await;
    });
    join_all(events).await;
}

/// Sends an event until it has an answer that counts.
async fn send(world: &World, event: &Event) {
    let mut last_unresolved = i64::MIN / 2;
    loop {
        let copies = 1 + usize::from(world.sim.chance(world.cloud.faults().duplicates));
        world.report.borrow_mut().duplicates += copies as u64 - 1;
        let request = event.request();
        let calls = (0..copies).map(|copy| {
            let request = calls::request(&request);
            async move {
                // A copy may come a while later, and even after the answer.
                world.sleep(if copy == 0 { 0 } else { world.sim.between(0, 30_000) }).await;
                let begun = world.now();
                let ended = world.invoke(|app| async move { interline_record::handle(&app, request).await }).await;
                (begun, ended)
            }
        });
        let mut refused = None;
        let mut bodies: Vec<Value> = Vec::new();
        for (begun, ended) in join_all(calls).await {
            let Ended::Answered(response) = ended else {
                last_unresolved = world.now();
                continue;
            };
            let (status, body) = calls::read(response);
            match status {
                200 | 201 => {
                    let limit = world.now() + 40 * MINUTE;
                    if event.occurred > limit {
                        world.violate(format!("{event:?} lies in the future and was recorded"));
                    }
                    bodies.push(body);
                    world.sent(event, |sent| sent.created += u32::from(status == 201));
                }
                503 => last_unresolved = world.now(),
                400..=499 => refused = Some((begun, body)),
                _ => world.violate(format!("{event:?} was answered with {status}: {body}")),
            }
        }
        if let Some(first) = bodies.first() {
            // It may be refused before it is recorded, never after.
            let recorded = world.auditor.borrow().recorded_at(&event.name());
            if let Some((_, body)) = refused.filter(|(begun, _)| recorded.is_some_and(|at| *begun > at)) {
                return world.violate(format!("{event:?} was both accepted and refused: {body}"));
            }
            if bodies.iter().any(|body| body != first) {
                return world.violate(format!("{event:?} has several first answers: {bodies:?}"));
            }
            return world.accepted(event, Some(first));
        }
        if let Some((_, body)) = refused {
            if may_pass(&body) && world.sim.chance(700) && event.occurred < world.now() + HOUR {
                world.sleep(world.sim.between(MINUTE, 30 * MINUTE)).await;
                continue;
            }
            world.report.borrow_mut().refused += 1;
            let settled = world.now() - last_unresolved > SETTLED;
            return world.sent(event, |sent| sent.unknown |= !settled);
        }
        if world.over.get() && world.sim.chance(500) {
            // Nobody will ever ask again.
            return world.sent(event, |sent| sent.unknown = true);
        }
        world.sleep(world.patience()).await;
    }
}

/// A refusal by the clock of one process, which another may not share.
fn may_pass(body: &Value) -> bool {
    body["type"].as_str().is_some_and(|kind| kind.ends_with(":in-the-future"))
}

/// A known event again, at once or long after: as it was, it gets the first answer
/// whatever happened since; with something else in it, a conflict.
async fn again(world: &World) {
    // At once, the process asked may be one whose clock is behind.
    let soon = world.sim.chance(500);
    world.sleep(if soon { world.sim.between(0, 2_000) } else { world.patience() }).await;
    let Some((past, event, differs)) = world.known_again(None) else { return };
    // Points that are given come by files only.
    if event.kind == "adjustment" {
        return;
    }
    let request = calls::request(&event.request());
    let Ended::Answered(response) =
        world.invoke(|app| async move { interline_record::handle(&app, request).await }).await
    else {
        return;
    };
    let (status, body) = calls::read(response);
    if status == 503 {
        return;
    }
    world.report.borrow_mut().again += 1;
    let fine = match (differs, &past.told) {
        (None, Some(told)) => status == 200 && body == *told,
        (None, None) => status == 200,
        (Some(field), _) => status == 409 && body["field"] == field,
    };
    if !fine {
        world.violate(format!("{past:?} again as {event:?} was answered with {status}: {body}"));
    }
}

/// Drops files into a line's inbox; S3 tells of each at least once.
pub async fn importer(world: &World, line: &'static str) {
    while !world.over.get() {
        world.sleep(world.scenario.calm * world.sim.between(HOUR, 5 * DAY)).await;
        let events = file_of(world, line);
        let mut rows: Vec<String> = vec![HEADER.to_owned()];
        rows.extend(events.iter().map(|row| row.event.row()));
        if world.sim.chance(100) {
            rows.push("accrual,mall,,yesterday,m1,,".to_owned());
        }
        let bytes = (rows.join("\n") + "\n").into_bytes();
        let times = 1 + usize::from(world.sim.chance(150));
        let mut answers = BTreeMap::new();
        for _ in 0..times {
            // Repeated under another name, it is the same file.
            let key = format!("inbox/{line}/{}.csv", world.reference("f"));
            world.cloud.inbox.lock().unwrap().put(&key, bytes.clone());
            deliver(world, &key, &events, &mut answers).await;
        }
    }
}

fn file_of(world: &World, line: &'static str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let new = |event| Row { event, differs: None };
    // Neighbours of a shard, weeks ago: recorded together.
    let neighbours = world.sim.chance(150).then(|| world.sim.between(20, 40) * DAY);
    for _ in 0..world.sim.between(1, 30) {
        let of = if line == terms::PLATFORM { *world.sim.pick(&terms::LINES) } else { line };
        if world.sim.chance(60)
            && let Some((_, event, differs)) = world.known_again(Some(of))
            && rows.iter().all(|row| row.event.reference != event.reference)
        {
            // What another file or a caller sent, as it was or otherwise.
            rows.push(Row { event, differs });
            continue;
        }
        if let Some(back) = neighbours {
            let event = world.event(of, true);
            let event = match event.reverses {
                Some(_) => event,
                None => Event { member: world.neighbour(), occurred: (world.now() - back) / 1000 * 1000, ..event },
            };
            rows.push(new(event));
            continue;
        }
        let last = rows.last().filter(|row| row.differs.is_none()).map(|row| row.event.clone());
        match last {
            // The same row twice, or several of one member.
            Some(last) if world.sim.chance(30) => rows.push(new(last)),
            Some(last) if world.sim.chance(300) => {
                let next = world.event(of, true);
                rows.push(new(if next.reverses.is_some() { next } else { Event { member: last.member, ..next } }));
            }
            _ => rows.push(new(world.event(of, true))),
        }
    }
    rows
}

/// Delivers an object's event until it was handled, and reads what was rejected.
async fn deliver(world: &World, key: &str, events: &[Row], answers: &mut BTreeMap<usize, bool>) {
    world.report.borrow_mut().files += 1;
    loop {
        let copies = 1 + usize::from(world.sim.chance(world.cloud.faults().duplicates));
        world.report.borrow_mut().duplicates += copies as u64 - 1;
        let calls = (0..copies).map(|copy| async move {
            world.sleep(if copy == 0 { 0 } else { world.sim.between(0, 30_000) }).await;
            let event = serde_json::from_value(s3_event(&[key])).unwrap();
            world.invoke(|app| async move { interline_import::handle(&app, event).await }).await
        });
        let mut handled = false;
        for ended in join_all(calls).await {
            match ended {
                Ended::Answered(Ok(imported)) => {
                    handled = true;
                    taken_in(world, &imported[0], events, answers, copies == 1);
                }
                Ended::Answered(Err(failure)) if failure.class() != Class::Retryable => {
                    return world.violate(format!("file {key} failed: {failure}"));
                }
                Ended::Answered(Err(_)) | Ended::Crashed => {}
            }
        }
        if handled {
            return;
        }
        world.sleep(world.patience()).await;
    }
}

/// `alone`: no other process was at the same file.
fn taken_in(world: &World, imported: &Imported, rows: &[Row], answers: &mut BTreeMap<usize, bool>, alone: bool) {
    if let Some(reason) = &imported.refused {
        return world.violate(format!("a file was refused: {reason}"));
    }
    let rejected: BTreeMap<usize, (String, String)> = match &imported.rejects {
        None => BTreeMap::new(),
        Some(key) => {
            let inbox = world.cloud.inbox.lock().unwrap();
            let sheet = crate::pack::Sheet::read(&inbox.objects[key]);
            let number = |row: &BTreeMap<String, String>| row["rejected_line"].parse::<usize>().unwrap() - 2;
            let why = |row: &BTreeMap<String, String>| (row["rejected_code"].clone(), row["rejected_field"].clone());
            sheet.rows.iter().map(|row| (number(row), why(row))).collect()
        }
    };
    for (at, Row { event, differs }) in rows.iter().enumerate() {
        if let Some(field) = differs {
            if rejected.get(&at) != Some(&("conflict".to_owned(), (*field).to_owned())) {
                return world.violate(format!("{event:?} differs in {field}, the file: {:?}", rejected.get(&at)));
            }
            continue;
        }
        let is_accepted = match rejected.get(&at).map(|(code, _)| code.as_str()) {
            None => true,
            // By the clock of one process; another that was at it may not share it.
            Some("in-the-future") if !alone || answers.get(&at) != Some(&true) => {
                world.sent(event, |sent| sent.unknown = true);
                continue;
            }
            Some(_) => false,
        };
        if *answers.entry(at).or_insert(is_accepted) != is_accepted {
            let text = rejected.get(&at).map_or("accepted", |(code, _)| code);
            return world.violate(format!("{event:?} was {text} to the same file that was told otherwise before"));
        }
        match is_accepted {
            true => world.accepted(event, None),
            false => world.sent(event, |_| {}),
        }
    }
}

/// Looks at members, statements, periods and reports.
pub async fn reporter(world: &World) {
    while !world.over.get() {
        world.sleep(world.scenario.calm * world.sim.between(30 * MINUTE, 12 * HOUR)).await;
        let member = world.member();
        let line = *world.sim.pick(&terms::LINES);
        let period = World::period(world.sim.below(world.scenario.months as u64) as usize);
        match world.sim.below(7) {
            0 => statement(world, &format!("/v1/members/{member}/entries?limit=50"), "members", true).await,
            1 => {
                let path = format!("/v1/lines/{line}/entries?period={period}&limit=40");
                statement(world, &path, &format!("line-{line}"), false).await;
            }
            2 => drop(look(world, "members", &format!("/v1/members/{member}")).await),
            3 => drop(look(world, "finance", "/v1/periods").await),
            4 => drop(look(world, "finance", &format!("/v1/periods/{period}")).await),
            5 => {
                let path = format!("/v1/lines/{line}/position?period={period}");
                drop(look(world, &format!("line-{line}"), &path).await);
            }
            _ => drop(look(world, "finance", &format!("/v1/periods/{period}/reports")).await),
        }
    }
}

/// A GET; `None` for what is not there, or not now.
pub async fn look(world: &World, role: &str, path: &str) -> Option<Value> {
    let request = calls::request(&calls::event(&calls::arn(role), "GET", path, ""));
    let is_period = path.contains("/periods") || path.contains("/position");
    let ended = world
        .invoke(|app| async move {
            match is_period {
                true => {
                    let nowhere: interline_periods::Starter = Box::new(|_, _| Box::pin(async { Ok(()) }));
                    interline_periods::handle(&app, &nowhere, request).await
                }
                false => interline_account::handle(&app, request).await,
            }
        })
        .await;
    let Ended::Answered(response) = ended else { return None };
    let (status, body) = calls::read(response);
    match status {
        200 => Some(body),
        404 | 503 => None,
        _ => {
            world.violate(format!("{path} was answered with {status}: {body}"));
            None
        }
    }
}

/// A list page by page: nothing twice; a statement newest first.
async fn statement(world: &World, path: &str, role: &str, newest_first: bool) {
    let (mut seen, mut before, mut cursor) = (BTreeSet::new(), None::<i64>, None::<String>);
    loop {
        let more = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let Some(page) = look(world, role, &format!("{path}{more}")).await else { return };
        for entry in page["entries"].as_array().into_iter().flatten() {
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            let occurred = super::world::moment(&text("occurred_at")).timestamp_millis();
            let name = (text("line"), code(&text("kind")).to_owned(), text("reference"), text("member"));
            if !world.auditor.borrow().has(&name) {
                return world.violate(format!("{path} shows {entry}, which is not recorded"));
            }
            if !seen.insert(name) || (newest_first && before.is_some_and(|before| occurred > before)) {
                return world.violate(format!("{path} shows {entry} twice or out of order"));
            }
            before = Some(occurred);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return,
        }
    }
}
