//! The body of an event: the fields that its kind has, whichever they are.

use interline_domain::events::{
    Action, Command, EntryKind, Field, Fields, Form, Head, Origin, Refusal, TAXES, Taxes, fields_of,
};
use interline_domain::units::currency::Currency;
use interline_domain::units::id::{LineId, MemberId, Reference, TaxCode};
use interline_domain::units::moment::parse_occurred_at;
use interline_domain::units::money::{Money, Points};
use interline_lambda::http::{Object, day, json_with};
use interline_lambda::problem::Problem;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use std::fmt;

const MEMBER: &str = "member";
const OCCURRED_AT: &str = "occurred_at";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reverses {
    kind: Option<String>,
    reference: Option<String>,
    on: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaxPart {
    code: Option<String>,
    amount: Option<String>,
}

/// A value of JSON's type, not yet of the field's form.
#[derive(Debug)]
enum Sent {
    Text(String),
    Number(i64),
    Origin(Reverses),
    Taxes(Vec<TaxPart>),
}

#[derive(Debug)]
struct Body {
    member: Option<String>,
    occurred_at: Option<String>,
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

/// What a name in a body stands for.
enum Name {
    Member,
    OccurredAt,
    Field(&'static Field),
}

/// Reads a name, so that an unknown one is told with its place.
struct Names<'a>(&'a Shape);

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Names<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        match name {
            MEMBER => Ok(Name::Member),
            OCCURRED_AT => Ok(Name::OccurredAt),
            name => {
                let Shape(fields) = self.0;
                let field = fields.iter().copied().find(|field| field.json == name);
                field.map(Name::Field).ok_or_else(|| self.0.unknown(name))
            }
        }
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
        let (mut member, mut occurred_at) = (None, None);
        let mut sent: Vec<(&'static Field, Option<Sent>)> = Vec::new();
        while let Some(name) = map.next_key_seed(Names(&self))? {
            let twice = match name {
                Name::Member if member.is_some() => Some(MEMBER),
                Name::OccurredAt if occurred_at.is_some() => Some(OCCURRED_AT),
                Name::Field(field) if sent.iter().any(|(before, _)| *before == field) => Some(field.json),
                Name::Member | Name::OccurredAt | Name::Field(_) => None,
            };
            if let Some(name) = twice {
                return Err(A::Error::duplicate_field(name));
            }
            match name {
                Name::Member => member = Some(map.next_value()?),
                Name::OccurredAt => occurred_at = Some(map.next_value()?),
                Name::Field(field) => sent.push((field, Sent::read(field, &mut map)?)),
            }
        }
        Ok(Body { member, occurred_at, sent })
    }
}

impl Sent {
    fn read<'de, A: MapAccess<'de>>(field: &Field, map: &mut A) -> Result<Option<Self>, A::Error> {
        Ok(match field.form {
            Form::Amount | Form::TaxCode => map.next_value::<Option<String>>()?.map(Sent::Text),
            Form::Points => map.next_value::<Option<i64>>()?.map(Sent::Number),
            Form::Origin => map.next_value::<Option<Object<Reverses>>>()?.map(|Object(of)| Sent::Origin(of)),
            Form::Taxes => {
                let parts = map.next_value::<Option<Vec<Object<TaxPart>>>>()?;
                parts.map(|parts| Sent::Taxes(parts.into_iter().map(|Object(part)| part).collect()))
            }
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

/// A body whose amounts are in a currency.
struct InCurrency<'a> {
    body: &'a Body,
    currency: Currency,
}

impl Fields for InCurrency<'_> {
    type Error = Problem;

    fn amount(&self, field: &Field) -> Result<Option<Money>, Problem> {
        match self.body.sent(field) {
            Some(Sent::Text(text)) => {
                self.currency.parse_money(text).map(Some).map_err(|error| Problem::invalid(field.json, error))
            }
            Some(Sent::Number(_) | Sent::Origin(_) | Sent::Taxes(_)) | None => Ok(None),
        }
    }

    fn points(&self, field: &Field) -> Result<Option<Points>, Problem> {
        match self.body.sent(field) {
            Some(Sent::Number(points)) => {
                Points::parse(&points.to_string()).map(Some).map_err(|error| Problem::invalid(field.json, error))
            }
            Some(Sent::Text(_) | Sent::Origin(_) | Sent::Taxes(_)) | None => Ok(None),
        }
    }

    fn origin(&self, field: &Field) -> Result<Option<Origin>, Problem> {
        let Some(Sent::Origin(Reverses { kind, reference, on })) = self.body.sent(field) else { return Ok(None) };
        let name = |part: &str| format!("{}.{part}", field.json);
        let kind = kind.as_ref().ok_or_else(|| Problem::missing(&name("kind")))?;
        let reference = reference.as_ref().ok_or_else(|| Problem::missing(&name("reference")))?;
        let unknown = || Problem::invalid(name("kind"), "must be accrual, redemption or adjustment");
        Ok(Some(Origin {
            kind: EntryKind::from_word(kind).ok_or_else(unknown)?,
            reference: Reference::parse(reference).map_err(|error| Problem::invalid(name("reference"), error))?,
            on: on.as_deref().map(|text| day(&name("on"), text)).transpose()?,
        }))
    }

    fn taxes(&self, field: &Field, amount: Option<Money>) -> Result<Option<Taxes>, Problem> {
        let Some(Sent::Taxes(sent)) = self.body.sent(field) else { return Ok(None) };
        if sent.is_empty() {
            return Ok(None);
        }
        let mut parts = Vec::new();
        for (at, TaxPart { code, amount }) in sent.iter().enumerate() {
            let name = |part: &str| format!("{}[{at}].{part}", field.json);
            let code = code.as_ref().ok_or_else(|| Problem::missing(&name("code")))?;
            let code = TaxCode::parse(code).map_err(|error| Problem::invalid(name("code"), error))?;
            let amount = amount.as_ref().ok_or_else(|| Problem::missing(&name("amount")))?;
            let amount = self.currency.parse_money(amount).map_err(|error| Problem::invalid(name("amount"), error))?;
            parts.push((code, Some(amount)));
        }
        Taxes::sent(parts, amount).map(Some).map_err(|error| Problem::invalid(field.json, error))
    }

    fn tax_code(&self, field: &Field) -> Result<Option<TaxCode>, Problem> {
        let Some(Sent::Text(text)) = self.body.sent(field) else { return Ok(None) };
        TaxCode::parse(text).map(Some).map_err(|error| Problem::invalid(field.json, error))
    }

    fn missing(&self, field: &Field) -> Problem {
        Problem::missing(field.json)
    }

    fn refused(&self, refusal: Refusal) -> Problem {
        let mut problem = Problem::from(&refusal);
        // Files have one column for a sale's parts and a redemption's code.
        if problem.field.as_deref() == Some(TAXES.name) {
            problem.field = Some(TAXES.json.to_owned());
        }
        problem
    }
}

/// An event as it stands in a body.
pub fn command(
    body: &[u8],
    currency: Currency,
    line: &LineId,
    kind: EntryKind,
    reference: &Reference,
) -> Result<Command, Problem> {
    if kind == EntryKind::Adjustment {
        return Err(Problem::invalid("kind", "adjustments come in files only"));
    }
    let body = json_with(Shape(fields_of(kind)), body)?;
    let member = body.member.as_ref().ok_or_else(|| Problem::missing(MEMBER))?;
    let occurred_at = body.occurred_at.as_ref().ok_or_else(|| Problem::missing(OCCURRED_AT))?;
    let of_kind = InCurrency { body: &body, currency };
    let action = match Action::read(kind, &of_kind) {
        Err(problem) if problem.kind.status == 400 => return Err(problem),
        // What cannot be is told after what is wrongly written.
        action => action,
    };
    let head = Head {
        line: line.clone(),
        reference: reference.clone(),
        member: MemberId::parse(member).map_err(|error| Problem::invalid(MEMBER, error))?,
        occurred_at: parse_occurred_at(occurred_at).map_err(|error| Problem::invalid(OCCURRED_AT, error))?,
    };
    Ok(Command { head, action: action? })
}
