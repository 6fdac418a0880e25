//! A JSON value that remembers which of its fields stood there twice: of these a map would
//! keep the last one.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

#[derive(Debug)]
pub struct Seen {
    pub value: Value,
    /// The first such field, with those it stands in before it.
    pub twice: Option<String>,
}

impl From<Value> for Seen {
    fn from(value: Value) -> Self {
        Self { value, twice: None }
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Whatever)
    }
}

struct Whatever;

impl<'de> Visitor<'de> for Whatever {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Seen, E> {
        Ok(Value::Null.into())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Seen, E> {
        Ok(Value::Bool(value).into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Seen, E> {
        Ok(Value::Number(value.into()).into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Seen, E> {
        Ok(Value::Number(value.into()).into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Seen, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number).into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Seen, E> {
        Ok(Value::String(value.to_owned()).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Seen, A::Error> {
        let (mut values, mut twice) = (Vec::new(), None);
        while let Some(Seen { value, twice: inside }) = list.next_element()? {
            values.push(value);
            twice = twice.or(inside);
        }
        Ok(Seen { value: Value::Array(values), twice })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let (mut fields, mut twice) = (Map::new(), None);
        while let Some((name, Seen { value, twice: inside })) = map.next_entry::<String, Seen>()? {
            let inside = inside.map(|inside| format!("{name}.{inside}"));
            let again = fields.contains_key(&name).then(|| name.clone());
            twice = twice.or(again).or(inside);
            fields.insert(name, value);
        }
        Ok(Seen { value: Value::Object(fields), twice })
    }
}
