//! The document, its schemas compiled, and what an answer must be by it.

use crate::served::Answer;
use boon::{Compiler, Draft, SchemaIndex, Schemas};
use interline_lambda::http::BODY_MAX_BYTES;
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const TEXT: &str = include_str!("../../../../infra/openapi.yaml");
const NAME: &str = "http://localhost/openapi.json";
/// Headers of HTTP itself, which every answer has.
const OF_HTTP: [&str; 3] = ["content-length", "content-type", "date"];

pub struct Document {
    pub json: Value,
    pub operations: Vec<Operation>,
    schemas: Schemas,
    compiled: BTreeMap<String, SchemaIndex>,
}

pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub function: String,
    pub callers: BTreeSet<String>,
    /// Pointers of the parameters of its path and its own.
    pub parameters: Vec<String>,
    /// Pointer of the body's schema.
    pub body: Option<String>,
    /// Pointers of the answers.
    pub answers: BTreeMap<u16, String>,
}

impl Document {
    pub fn get() -> &'static Self {
        static DOCUMENT: OnceLock<Document> = OnceLock::new();
        DOCUMENT.get_or_init(Self::read)
    }

    fn read() -> Self {
        let yaml = Yaml::load_from_str(TEXT).unwrap();
        let [yaml] = &yaml[..] else { panic!("the file holds one document") };
        let json = value(yaml);
        let mut document = Self { json, operations: Vec::new(), schemas: Schemas::new(), compiled: BTreeMap::new() };
        document.operations = document.read_operations();
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.enable_format_assertions();
        compiler.add_resource(NAME, document.json.clone()).unwrap();
        for pointer in document.all_schemas() {
            let compiled = compiler.compile(&format!("{NAME}#{pointer}"), &mut document.schemas);
            let compiled = compiled.unwrap_or_else(|error| panic!("{pointer}: {error:#}"));
            document.compiled.insert(pointer, compiled);
        }
        document
    }

    fn read_operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, item) in self.json["paths"].as_object().unwrap() {
            let at = format!("/paths/{}", escaped(path));
            for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
                let at_operation = format!("{at}/{method}");
                let text = |name: &str| operation[name].as_str().unwrap().to_owned();
                let parameters = |at: &str| -> Vec<String> {
                    let list = self.at(at).as_array().map_or(0, Vec::len);
                    (0..list).map(|number| self.resolved(&format!("{at}/{number}"))).collect()
                };
                let body = format!("{at_operation}/requestBody/content/application~1json/schema");
                let callers = operation["x-interline-callers"].as_array().unwrap();
                let answers = operation["responses"].as_object().unwrap().keys();
                operations.push(Operation {
                    id: text("operationId"),
                    method: method.to_uppercase(),
                    path: path.clone(),
                    function: text("x-interline-function"),
                    callers: callers.iter().map(|caller| caller.as_str().unwrap().to_owned()).collect(),
                    parameters: [
                        parameters(&format!("{at}/parameters")),
                        parameters(&format!("{at_operation}/parameters")),
                    ]
                    .concat(),
                    body: self.json.pointer(&body).map(|_| body),
                    answers: answers
                        .map(|status| {
                            (status.parse().unwrap(), self.resolved(&format!("{at_operation}/responses/{status}")))
                        })
                        .collect(),
                });
            }
        }
        operations
    }

    /// What lies under a pointer; null if there is nothing.
    pub fn at(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The pointer behind references.
    pub fn resolved(&self, pointer: &str) -> String {
        match self.at(pointer)["$ref"].as_str() {
            Some(target) => self.resolved(target.strip_prefix('#').unwrap()),
            None => pointer.to_owned(),
        }
    }

    pub fn operation(&self, id: &str) -> &Operation {
        self.operations.iter().find(|operation| operation.id == id).unwrap_or_else(|| panic!("no operation {id}"))
    }

    /// Whether a value is valid by the schema under a pointer, and why not.
    pub fn valid(&self, pointer: &str, value: &Value) -> Result<(), String> {
        let schema = self.compiled.get(pointer).unwrap_or_else(|| panic!("no schema under {pointer}"));
        self.schemas.validate(value, *schema).map_err(|error| format!("{error:#}"))
    }

    /// The schema of an answer of a content type.
    pub fn answer_schema(&self, answer: &str, content_type: &str) -> Option<String> {
        let pointer = format!("{answer}/content/{}/schema", escaped(content_type));
        self.json.pointer(&pointer).map(|_| pointer)
    }

    fn all_schemas(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for operation in &self.operations {
            let mut roots: Vec<String> = operation.parameters.iter().map(|at| format!("{at}/schema")).collect();
            roots.extend(operation.body.clone());
            for answer in operation.answers.values() {
                let types = self.at(&format!("{answer}/content")).as_object().into_iter().flat_map(Map::keys);
                roots.extend(types.map(|name| format!("{answer}/content/{}/schema", escaped(name))));
                let headers = self.at(&format!("{answer}/headers")).as_object().into_iter().flat_map(Map::keys);
                roots.extend(headers.map(|name| self.resolved(&format!("{answer}/headers/{name}")) + "/schema"));
            }
            for root in roots {
                self.add_schemas(&root, &mut found);
            }
        }
        found
    }

    fn add_schemas(&self, pointer: &str, found: &mut BTreeSet<String>) {
        if found.insert(pointer.to_owned()) {
            for part in self.parts(pointer) {
                self.add_schemas(part.pointer(), found);
            }
        }
    }

    /// The schemas that a schema is made of.
    pub fn parts(&self, pointer: &str) -> Vec<Part> {
        let schema = self.at(pointer);
        let mut parts = Vec::new();
        if let Some(target) = schema["$ref"].as_str() {
            parts.push(Part::Same(target.strip_prefix('#').unwrap().to_owned()));
        }
        let list = |name: &'static str| {
            (0..schema[name].as_array().map_or(0, Vec::len)).map(move |at| format!("{pointer}/{name}/{at}"))
        };
        parts.extend(list("allOf").map(Part::Same));
        parts.extend(list("oneOf").map(Part::One));
        for name in schema["properties"].as_object().into_iter().flat_map(Map::keys) {
            parts.push(Part::Field(name.clone(), format!("{pointer}/properties/{name}")));
        }
        if schema["items"].is_object() {
            parts.push(Part::Item(format!("{pointer}/items")));
        }
        let known = ["$ref", "allOf", "oneOf", "properties", "items", "not"];
        for name in ["anyOf", "if", "then", "else", "prefixItems", "contains", "patternProperties", "dependentSchemas"]
        {
            assert!(schema.get(name).is_none(), "{pointer} has {name}, and only {known:?} are followed");
        }
        parts
    }

    /// Refuses an answer that is not one of those documented.
    #[track_caller]
    pub fn check(&self, method: &str, path: &str, answer: &Answer) {
        if let Err(why) = self.conforms(method, path.split('?').next().unwrap_or_default(), answer) {
            let head = format!("{method} {path}: {} {:?}", answer.status, answer.headers);
            panic!("not as in infra/openapi.yaml: {head}\n{}\n{why}", answer.text());
        }
    }

    fn conforms(&self, method: &str, path: &str, answer: &Answer) -> Result<(), String> {
        let under_path: Vec<&Operation> = self.operations.iter().filter(|operation| operation.is_at(path)).collect();
        // What can be read can be asked about, and is not documented twice.
        if method == "HEAD" {
            return if answer.bytes.is_empty() { Ok(()) } else { Err("the answer has a body".to_owned()) };
        }
        let Some(operation) = under_path.iter().find(|operation| operation.method == method) else {
            return self.conforms_without_operation(&under_path, answer);
        };
        let documented = operation.answers.get(&answer.status).ok_or("the status is not documented")?;
        let by_gateway = self.content(documented, answer)?;
        let headers = self.at(&format!("{documented}/headers")).as_object().cloned().unwrap_or_default();
        for name in headers.keys() {
            let schema = self.resolved(&format!("{documented}/headers/{name}")) + "/schema";
            match answer.header(name) {
                Some(text) => self.valid(&schema, &json!(text)).map_err(|error| format!("header {name}: {error}"))?,
                None if by_gateway => {}
                None => return Err(format!("the header {name} is missing")),
            }
        }
        let known =
            |name: &str| OF_HTTP.contains(&name) || headers.keys().any(|header| header.eq_ignore_ascii_case(name));
        match answer.headers.keys().find(|name| !known(name.as_str())) {
            Some(name) => Err(format!("the header {name} is not documented")),
            None => Ok(()),
        }
    }

    /// Whether it was the gateway and not a function that gave the answer.
    fn content(&self, documented: &str, answer: &Answer) -> Result<bool, String> {
        if self.at(documented).get("content").is_none() {
            return if answer.bytes.is_empty() { Ok(false) } else { Err("the answer has a body".to_owned()) };
        }
        let content_type = answer.header("content-type").ok_or("the answer has no content type")?;
        let schema = self.answer_schema(documented, content_type).ok_or("the content type is not documented")?;
        let body: Value = serde_json::from_slice(&answer.bytes).map_err(|error| error.to_string())?;
        self.valid(&schema, &body)?;
        Ok(answer.status >= 400 && content_type == "application/json")
    }

    /// A method that a path does not have is 405, and a path that is none 404.
    fn conforms_without_operation(&self, under_path: &[&Operation], answer: &Answer) -> Result<(), String> {
        let body: Value = serde_json::from_slice(&answer.bytes).map_err(|error| error.to_string())?;
        if answer.header("content-type") == Some("application/json") {
            self.valid("/components/schemas/GatewayMessage", &body)?;
            return if matches!(answer.status, 403 | 413) {
                Ok(())
            } else {
                Err("not the gateway's to say".to_owned())
            };
        }
        self.valid("/components/schemas/Problem", &body)?;
        let mut methods: BTreeSet<&str> = under_path.iter().map(|operation| operation.method.as_str()).collect();
        if methods.contains("GET") {
            methods.insert("HEAD");
        }
        let (status, allowed) = if methods.is_empty() { (404, None) } else { (405, Some(methods)) };
        let allow = answer.header("allow").map(|text| text.split(", ").collect());
        if (answer.status, &allow) == (status, &allowed) {
            Ok(())
        } else {
            Err(format!("expected {status} and Allow {allowed:?}"))
        }
    }
}

pub enum Part {
    /// A schema of the same value.
    Same(String),
    /// One of several.
    One(String),
    Field(String, String),
    Item(String),
}

impl Part {
    pub fn pointer(&self) -> &str {
        match self {
            Part::Same(pointer) | Part::One(pointer) | Part::Field(_, pointer) | Part::Item(pointer) => pointer,
        }
    }
}

impl Operation {
    /// A file's path goes on over slashes.
    pub fn is_at(&self, path: &str) -> bool {
        let (template, given): (Vec<&str>, Vec<&str>) = (self.path.split('/').collect(), path.split('/').collect());
        let given = match template.last() {
            Some(&"{file}") if given.len() > template.len() => &given[..template.len()],
            _ => &given[..],
        };
        template.len() == given.len()
            && template.iter().zip(given).all(|(template, given)| template.starts_with('{') || template == given)
    }

    /// The path with a value in the place of each name.
    pub fn path_with(&self, value: impl Fn(&str) -> String) -> String {
        let part = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => value(name),
            None => part.to_owned(),
        };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}

pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// YAML as JSON; the document has no tags, anchors or floats.
fn value(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(boolean)) => json!(boolean),
        Yaml::Value(Scalar::Integer(integer)) => json!(integer),
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Sequence(items) => items.iter().map(value).collect(),
        Yaml::Mapping(fields) => {
            let name = |key: &Yaml<'_>| key.as_str().unwrap_or_else(|| panic!("{key:?} is no name")).to_owned();
            Value::Object(fields.iter().map(|(key, field)| (name(key), value(field))).collect())
        }
        other => panic!("not expected in the document: {other:?}"),
    }
}

/// A body that is one byte too long for any operation.
pub fn too_long() -> String {
    " ".repeat(BODY_MAX_BYTES + 1)
}
