//! The body of an event: the fields that its kind has, whichever they are.

use interline_domain::events::{Action, Command, EntryKind, Field, Fields, Form, Head, Origin, Refusal, fields_of};
use interline_domain::id::{LineId, MemberId, Reference};
use interline_domain::moment::parse_occurred_at;
use interline_domain::money::{Money, Points};
use interline_lambda::http::{Object, day, json_with};
use interline_lambda::problem::{INVALID_JSON, Problem};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use std::fmt;

const MEMBER: &str = "member";
const OCCURRED_AT: &str = "occurred_at";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reverses {
    kind: String,
    reference: String,
    on: Option<String>,
}

/// A value of JSON's type, not yet of the field's form.
#[derive(Debug)]
enum Sent {
    Text(String),
    Number(i64),
    Origin(Reverses),
}

#[derive(Debug)]
struct Body {
    member: String,
    occurred_at: String,
    sent: Vec<(&'static Field, Option<Sent>)>,
}

/// Reads a body that may have these fields.
struct Shape(Vec<&'static Field>);

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = Body;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Body, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
        let (mut member, mut occurred_at, mut sent) = (None, None, Vec::new());
        while let Some(name) = map.next_key::<String>()? {
            let mut head = |value: &mut Option<String>, name: &'static str| match value.replace(map.next_value()?) {
                None => Ok(()),
                Some(_) => Err(A::Error::duplicate_field(name)),
            };
            if name == MEMBER {
                head(&mut member, MEMBER)?;
            } else if name == OCCURRED_AT {
                head(&mut occurred_at, OCCURRED_AT)?;
            } else {
                let field = self.0.iter().copied().find(|field| field.json == name);
                let field = field.ok_or_else(|| self.unknown(&name))?;
                let value = match field.form {
                    Form::Amount => map.next_value::<Option<String>>()?.map(Sent::Text),
                    Form::Points => map.next_value::<Option<i64>>()?.map(Sent::Number),
                    Form::Origin => map.next_value::<Option<Object<Reverses>>>()?.map(|Object(of)| Sent::Origin(of)),
                };
                if sent.iter().any(|(before, _)| *before == field) {
                    return Err(A::Error::duplicate_field(field.json));
                }
                sent.push((field, value));
            }
        }
        Ok(Body {
            member: member.ok_or_else(|| A::Error::missing_field(MEMBER))?,
            occurred_at: occurred_at.ok_or_else(|| A::Error::missing_field(OCCURRED_AT))?,
            sent,
        })
    }
}

impl Shape {
    fn unknown<E: Error>(&self, name: &str) -> E {
        let names = [MEMBER, OCCURRED_AT].into_iter().chain(self.0.iter().map(|field| field.json));
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        E::custom(format!("unknown field `{name}`, expected one of {}", names.join(", ")))
    }
}

impl Body {
    fn sent(&self, field: &Field) -> Option<&Sent> {
        self.sent.iter().find(|(of, _)| *of == field).and_then(|(_, sent)| sent.as_ref())
    }
}

impl Fields for Body {
    type Error = Problem;

    fn amount(&self, field: &Field) -> Result<Option<Money>, Problem> {
        match self.sent(field) {
            Some(Sent::Text(text)) => Money::parse(text).map(Some).map_err(|error| Problem::invalid(field.json, error)),
            Some(Sent::Number(_) | Sent::Origin(_)) | None => Ok(None),
        }
    }

    fn points(&self, field: &Field) -> Result<Option<Points>, Problem> {
        match self.sent(field) {
            Some(Sent::Number(points)) => {
                Points::parse(&points.to_string()).map(Some).map_err(|error| Problem::invalid(field.json, error))
            }
            Some(Sent::Text(_) | Sent::Origin(_)) | None => Ok(None),
        }
    }

    fn origin(&self, field: &Field) -> Result<Option<Origin>, Problem> {
        let Some(Sent::Origin(Reverses { kind, reference, on })) = self.sent(field) else { return Ok(None) };
        let name = |part: &str| format!("{}.{part}", field.json);
        let unknown = || Problem::invalid(&name("kind"), "must be accrual, redemption or adjustment");
        Ok(Some(Origin {
            kind: EntryKind::from_word(kind).ok_or_else(unknown)?,
            reference: Reference::parse(reference).map_err(|error| Problem::invalid(&name("reference"), error))?,
            on: on.as_deref().map(|text| day(&name("on"), text)).transpose()?,
        }))
    }

    fn missing(&self, field: &Field) -> Problem {
        Problem::field(INVALID_JSON, field.json, format!("missing field `{}`", field.json))
    }

    fn refused(&self, refusal: Refusal) -> Problem {
        Problem::from(&refusal)
    }

    fn has(&self, field: &Field) -> bool {
        self.sent(field).is_some()
    }
}

/// An event as it stands in a body.
pub fn command(body: &[u8], line: &LineId, kind: EntryKind, reference: &Reference) -> Result<Command, Problem> {
    if kind == EntryKind::Adjustment {
        return Err(Problem::invalid("kind", "adjustments come in files only"));
    }
    let body = json_with(Shape(fields_of(kind)), body)?;
    let action = Action::read(kind, &body)?;
    let head = Head {
        line: line.clone(),
        reference: reference.clone(),
        member: MemberId::parse(&body.member).map_err(|error| Problem::invalid(MEMBER, error))?,
        occurred_at: parse_occurred_at(&body.occurred_at).map_err(|error| Problem::invalid(OCCURRED_AT, error))?,
    };
    Ok(Command { head, action })
}
