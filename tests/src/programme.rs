//! A programme on the embedded stack, with a clock that the test sets.

use crate::pack::Pack;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use interline::month_end;
use interline::world::{INBOX_BUCKET, TABLE, World};
use interline_cutoff::Close;
use interline_domain::claims::account::Account;
use interline_domain::events::Command;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::MemberId;
use interline_embedded::{Embedded, Storage};
use interline_import::Imported;
use interline_lambda::{App, Failure};
use interline_ledger::{Answer, Ledger, NewRulebook, Recorded, Rejection, Source};
use interline_reports::manifest::RunKind;
use interline_settle::Done;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// The sample programme's terms.
pub const RULEBOOK: &str = interline::sample::RULEBOOK;

pub type Items = BTreeMap<(String, String), HashMap<String, AttributeValue>>;

/// A rulebook with texts replaced, each of which must be there.
pub fn edited(rulebook: &str, replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(rulebook.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "the rulebook has no {old:?}");
        text.replacen(old, new, 1)
    })
}

pub struct Programme {
    pub world: World,
    now: Arc<Mutex<DateTime<Utc>>>,
}

impl Programme {
    /// The sample programme in memory at a moment.
    pub async fn sample(now: &str) -> Self {
        Self::open(Storage::Memory, RULEBOOK, now).await
    }

    pub async fn with_rulebook(rulebook: &str, now: &str) -> Self {
        Self::open(Storage::Memory, rulebook, now).await
    }

    pub async fn open(storage: Storage, rulebook: &str, now: &str) -> Self {
        let now = Arc::new(Mutex::new(moment(now)));
        let clock = now.clone();
        let world = World::embedded(storage, Arc::new(move || *clock.lock().unwrap())).await.unwrap();
        world.app.publish(rulebook).await.unwrap();
        Self { world, now }
    }

    pub fn app(&self) -> &App {
        &self.world.app
    }

    /// Goes on with another ledger over the same table.
    pub fn use_ledger(&mut self, ledger: Ledger) {
        let (app, now) = (&self.world.app, self.now.clone());
        let clock = Arc::new(move || *now.lock().unwrap());
        self.world.app = Arc::new(App::new(ledger, app.reports.clone(), app.inbox.clone(), clock));
    }

    /// Goes on with another version of the program.
    pub fn use_engine(&mut self, engine: &str) {
        let (app, now) = (&self.world.app, self.now.clone());
        let clock = Arc::new(move || *now.lock().unwrap());
        let app = App::new(app.ledger.clone(), app.reports.clone(), app.inbox.clone(), clock);
        self.world.app = Arc::new(app.with_engine(engine));
    }

    pub fn embedded(&self) -> &Embedded {
        self.world.embedded.as_ref().unwrap()
    }

    pub fn set_now(&self, now: &str) {
        *self.now.lock().unwrap() = moment(now);
    }

    pub async fn rulebook(&self) -> Rulebook {
        Rulebook::clone(&self.app().rulebook().await.unwrap().rulebook)
    }

    /// Events of one member, as through the API.
    pub async fn post(&self, commands: &[Command]) -> Vec<Answer> {
        self.post_from(commands, Source::Api(None)).await
    }

    pub async fn post_from(&self, commands: &[Command], source: Source<'_>) -> Vec<Answer> {
        let rulebook = self.rulebook().await;
        let app = self.app();
        app.ledger.post(&rulebook, app, &commands[0].head.member, commands, source, app.clock()).await.unwrap()
    }

    pub async fn post_one(&self, command: &Command) -> Answer {
        self.post(std::slice::from_ref(command)).await.remove(0)
    }

    /// Posts events that must all be accepted.
    pub async fn accept(&self, commands: &[Command]) -> Vec<Recorded> {
        self.post(commands).await.into_iter().map(accepted).collect()
    }

    pub async fn account(&self, member: &str) -> Account {
        self.app().ledger.account(&MemberId::parse(member).unwrap()).await.unwrap()
    }

    /// Points that a member can spend at a moment.
    pub async fn balance(&self, member: &str, at: &str) -> i64 {
        let day = self.rulebook().await.day(moment(at));
        self.account(member).await.balance(day).unwrap().get()
    }

    /// Imports a file on behalf of the platform.
    pub async fn import(&self, name: &str, bytes: &[u8]) -> (Imported, Option<Vec<u8>>) {
        let platform = self.rulebook().await.platform;
        let (mut imported, rejects) =
            interline_import::import(self.app(), &platform, name, bytes, &|_, _| {}).await.unwrap();
        interline_import::finish(self.app(), &platform, &mut imported).await.unwrap();
        (imported, rejects)
    }

    /// Puts a file into the inbox and lets the handler hear of it.
    pub async fn deliver(&self, key: &str, bytes: &[u8]) -> Imported {
        self.app().inbox.put(key, bytes.to_vec()).await.unwrap();
        let event = serde_json::from_value(s3_event(&[key])).unwrap();
        interline_import::handle(self.app(), event).await.unwrap().remove(0)
    }

    /// Closes a month for good, whether there is anything in it or not.
    pub async fn close(&self, period: &str) -> Result<Done, Failure> {
        self.close_as(period, RunKind::Final, None).await
    }

    pub async fn close_as(&self, period: &str, kind: RunKind, rulebook: Option<String>) -> Result<Done, Failure> {
        let period = Period::parse(period).unwrap();
        let close = Close { rulebook, empty: true, ..Close::new(period, kind) };
        month_end::close(self.app(), close, &|_| {}).await
    }

    /// Closes a period and reads what the run left.
    pub async fn closed(&self, period: &str) -> Pack {
        let done = self.close(period).await.unwrap();
        Pack::of(self, period, &done.run).await
    }

    /// Every item of the table.
    pub async fn items(&self) -> Items {
        let mut items = Items::new();
        let mut pages = self.embedded().dynamodb().scan().table_name(TABLE).into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.unwrap();
            let key = |name: &str| item[name].as_s().unwrap().clone();
            items.insert((key("pk"), key("sk")), item);
        }
        items
    }

    /// Puts an item behind the ledger's back.
    pub async fn put_item(&self, item: HashMap<String, AttributeValue>) {
        self.embedded().dynamodb().put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    }
}

/// The event that S3 sends for new objects.
pub fn s3_event(keys: &[&str]) -> serde_json::Value {
    let record = |key: &&str| {
        serde_json::json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "cn-north-1",
            "eventTime": "2017-02-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "line" }, "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": {},
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "inbox",
                "bucket": { "name": INBOX_BUCKET, "ownerIdentity": { "principalId": "group" }, "arn": "" },
                "object": { "key": key, "size": 1, "eTag": "", "sequencer": "0" },
            },
        })
    };
    serde_json::json!({ "Records": keys.iter().map(record).collect::<Vec<_>>() })
}

pub fn moment(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// A rulebook brought into force behind the program's back.
pub fn by_hand(hash: &str, now: DateTime<Utc>) -> NewRulebook<'_> {
    NewRulebook { hash, record: None, unsealed: None, by: None, now }
}

pub fn accepted(answer: Answer) -> Recorded {
    match answer {
        Answer::Accepted(recorded) => *recorded,
        other => panic!("not accepted: {other:?}"),
    }
}

pub fn replayed(answer: Answer) -> Recorded {
    match answer {
        Answer::Replayed(recorded) => *recorded,
        other => panic!("not replayed: {other:?}"),
    }
}

/// Code and field of a rejection.
pub fn rejected(answer: &Answer) -> (&str, &str) {
    let Answer::Rejected(rejection) = answer else { panic!("not rejected: {answer:?}") };
    (rejection.code(), rejection.field())
}

pub fn rejection(answer: Answer) -> Rejection {
    match answer {
        Answer::Rejected(rejection) => rejection,
        other => panic!("not rejected: {other:?}"),
    }
}
