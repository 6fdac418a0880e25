//! What was seen of the document: which answers, fields, words and nulls.

use super::document::{Document, Operation, Part};
use crate::served::Answer;
use interline_lambda::problem::TYPE_PREFIX;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Answers in their order, with method and path.
#[derive(Debug, Clone, Default)]
pub struct Answers(Arc<Mutex<Vec<(String, String, Answer)>>>);

impl Answers {
    pub fn add(&self, method: &str, path: &str, answer: &Answer) {
        self.0.lock().unwrap().push((method.to_owned(), path.to_owned(), answer.clone()));
    }
}

/// Each entry says what it is about, so that what is missing can be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// `getMember 200 application/json`
    pub answers: BTreeSet<String>,
    /// `putAccrual 422 no-earn-rule`
    pub problems: BTreeSet<String>,
    /// Fields by operation and status.
    pub fields: BTreeSet<String>,
    /// Words of a list of words, in any answer.
    pub words: BTreeSet<String>,
    /// Fields that may be null, and are, in any answer.
    pub nulls: BTreeSet<String>,
}

impl Seen {
    pub fn add(&mut self, answers: &Answers) {
        let document = Document::get();
        for (method, path, answer) in &*answers.0.lock().unwrap() {
            let path = path.split('?').next().unwrap();
            let found =
                document.operations.iter().find(|operation| operation.method == *method && operation.is_at(path));
            if let Some(operation) = found {
                self.add_one(document, operation, answer);
            }
        }
    }

    fn add_one(&mut self, document: &Document, operation: &Operation, answer: &Answer) {
        let here = format!("{} {}", operation.id, answer.status);
        let content_type = answer.header("content-type").filter(|_| !answer.bytes.is_empty());
        self.answers.insert(format!("{here} {}", content_type.unwrap_or("no body")));
        let Some(content_type) = content_type else { return };
        let body = answer.json();
        if let Some(slug) = body["type"].as_str().and_then(|urn| urn.strip_prefix(TYPE_PREFIX)) {
            self.problems.insert(format!("{here} {slug}"));
        }
        let schema = document.answer_schema(&operation.answers[&answer.status], content_type).unwrap();
        self.value(document, &here, &schema, &body);
    }

    fn value(&mut self, document: &Document, here: &str, schema: &str, value: &Value) {
        if let Some(word) =
            document.at(schema)["enum"].as_array().and_then(|words| words.iter().find(|word| *word == value))
        {
            self.words.insert(format!("{schema} {word}"));
        }
        for part in document.parts(schema) {
            match part {
                Part::Same(pointer) => self.value(document, here, &pointer, value),
                Part::One(pointer) => {
                    if document.valid(&pointer, value).is_ok() {
                        self.value(document, here, &pointer, value);
                    }
                }
                Part::Field(name, pointer) => match value.get(&name) {
                    Some(Value::Null) => drop(self.nulls.insert(pointer)),
                    Some(value) => {
                        self.fields.insert(field(here, &pointer));
                        self.value(document, here, &pointer, value);
                    }
                    None => {}
                },
                Part::Item(pointer) => {
                    for item in value.as_array().into_iter().flatten() {
                        self.value(document, here, &pointer, item);
                    }
                }
            }
        }
    }

    /// All that the document says there is.
    pub fn documented() -> Self {
        let document = Document::get();
        let mut all = Self::default();
        for operation in &document.operations {
            for (status, answer) in &operation.answers {
                let here = format!("{} {status}", operation.id);
                let types = document.at(&format!("{answer}/content")).as_object();
                if types.is_none() {
                    all.answers.insert(format!("{here} no body"));
                }
                for content_type in types.into_iter().flat_map(|types| types.keys()) {
                    all.answers.insert(format!("{here} {content_type}"));
                    all.all_of(document, &here, &document.answer_schema(answer, content_type).unwrap());
                }
                let schema = document.resolved(&format!("{answer}/content/application~1problem+json/schema"));
                let types = document.at(&format!("{schema}/allOf/1/properties/type/enum")).as_array();
                let slugs = types.into_iter().flatten().filter_map(|urn| urn.as_str()?.strip_prefix(TYPE_PREFIX));
                all.problems.extend(slugs.map(|slug| format!("{here} {slug}")));
            }
        }
        all
    }

    fn all_of(&mut self, document: &Document, here: &str, schema: &str) {
        for word in document.at(schema)["enum"].as_array().into_iter().flatten() {
            self.words.insert(format!("{schema} {word}"));
        }
        for part in document.parts(schema) {
            if let Part::Field(_, pointer) = &part {
                self.fields.insert(field(here, pointer));
                if document.valid(pointer, &Value::Null).is_ok() {
                    self.nulls.insert(pointer.clone());
                }
            }
            self.all_of(document, here, part.pointer());
        }
    }
}

/// The fields that all problems share are looked for in any of them.
fn field(here: &str, pointer: &str) -> String {
    match pointer.starts_with("/components/schemas/Problem/") {
        true => pointer.to_owned(),
        false => format!("{here} {pointer}"),
    }
}
