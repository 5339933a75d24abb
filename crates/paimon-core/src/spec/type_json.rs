//! The JSON form of types and fields in schema files.
//!
//! Atomic types are texts; ARRAY, MAP, MULTISET, ROW and VECTOR are objects that are told apart by the prefix of
//! `type`. Source: `DataTypeJsonParser`, `DataField.serializeJson`.

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::type_parser::parse_data_type;
use super::{DataField, DataType, TypeKind};
use crate::error::{Error, Result};

impl<'de> Deserialize<'de> for DataType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        type_of_json(&value).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for DataField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        field_of_json(&value).map_err(D::Error::custom)
    }
}

fn type_of_json(value: &Value) -> Result<DataType> {
    match value {
        Value::String(text) => parse_data_type(text),
        Value::Object(map) => {
            let name = map.get("type").and_then(Value::as_str).unwrap_or_default();
            let member = |key: &str| {
                map.get(key).ok_or_else(|| {
                    Error::damaged(format!("type {name:?} lacks the member {key:?}"))
                })
            };
            let nested = |key: &str| Ok::<_, Error>(Box::new(type_of_json(member(key)?)?));
            let kind = if name.starts_with("ARRAY") {
                TypeKind::Array(nested("element")?)
            } else if name.starts_with("VECTOR") {
                let length = member("length")?
                    .as_u64()
                    .and_then(|n| u32::try_from(n).ok());
                let length =
                    length.ok_or_else(|| Error::damaged("VECTOR needs a positive length"))?;
                TypeKind::Vector(nested("element")?, length)
            } else if name.starts_with("MULTISET") {
                TypeKind::Multiset(nested("element")?)
            } else if name.starts_with("MAP") {
                TypeKind::Map(nested("key")?, nested("value")?)
            } else if name.starts_with("ROW") {
                let fields = member("fields")?.as_array().ok_or_else(|| {
                    Error::damaged("the fields of a ROW type must be a JSON array")
                })?;
                TypeKind::Row(fields.iter().map(field_of_json).collect::<Result<_>>()?)
            } else {
                return Err(Error::damaged(format!(
                    "unknown nested type {name:?}: expected ARRAY, VECTOR, MULTISET, MAP or ROW"
                )));
            };
            Ok(DataType {
                kind,
                nullable: !name.contains("NOT NULL"),
            })
        }
        other => Err(Error::damaged(format!(
            "a type must be a JSON string or object, found {other}"
        ))),
    }
}

fn field_of_json(value: &Value) -> Result<DataField> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_string);
    let id = value
        .get("id")
        .and_then(Value::as_i64)
        .and_then(|id| i32::try_from(id).ok())
        .ok_or_else(|| Error::damaged("a field needs an integer id"))?;
    let name = text("name").ok_or_else(|| Error::damaged("a field needs a name"))?;
    let data_type = value
        .get("type")
        .ok_or_else(|| Error::damaged(format!("field {name:?} needs a type")))?;
    Ok(DataField {
        id,
        data_type: type_of_json(data_type)?,
        description: text("description"),
        default_value: text("defaultValue"),
        name,
    })
}

impl Serialize for DataType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = |base: &str| {
            let suffix = if self.nullable { "" } else { " NOT NULL" };
            format!("{base}{suffix}")
        };
        let mut map = match &self.kind {
            TypeKind::Array(_)
            | TypeKind::Vector(..)
            | TypeKind::Multiset(_)
            | TypeKind::Map(..)
            | TypeKind::Row(_) => serializer.serialize_map(None)?,
            _ => return serializer.collect_str(self),
        };
        match &self.kind {
            TypeKind::Array(element) => {
                map.serialize_entry("type", &name("ARRAY"))?;
                map.serialize_entry("element", element)?;
            }
            TypeKind::Vector(element, length) => {
                map.serialize_entry("type", &name("VECTOR"))?;
                map.serialize_entry("element", element)?;
                map.serialize_entry("length", length)?;
            }
            TypeKind::Multiset(element) => {
                map.serialize_entry("type", &name("MULTISET"))?;
                map.serialize_entry("element", element)?;
            }
            TypeKind::Map(key, value) => {
                map.serialize_entry("type", &name("MAP"))?;
                map.serialize_entry("key", key)?;
                map.serialize_entry("value", value)?;
            }
            TypeKind::Row(fields) => {
                map.serialize_entry("type", &name("ROW"))?;
                map.serialize_entry("fields", fields)?;
            }
            _ => {}
        }
        map.end()
    }
}

impl Serialize for DataField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("type", &self.data_type)?;
        if let Some(text) = &self.description {
            map.serialize_entry("description", text)?;
        }
        if let Some(text) = &self.default_value {
            map.serialize_entry("defaultValue", text)?;
        }
        map.end()
    }
}
