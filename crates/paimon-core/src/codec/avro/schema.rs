//! The writer schema in the header of an Avro file.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::codec::parse_json;
use crate::error::{Error, Result};

/// Types may nest this deep.
const MAX_DEPTH: usize = 64;

/// Meaning of a primitive beyond its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogicalType {
    /// None, or one that does not matter here.
    None,
    /// `time-micros`
    TimeMicros,
    /// `timestamp-millis`, `local-timestamp-millis`
    TimestampMillis,
    /// `timestamp-micros`, `local-timestamp-micros`
    TimestampMicros,
    /// `timestamp-nanos`, `local-timestamp-nanos`
    TimestampNanos,
    /// `decimal` with its scale
    Decimal(i64),
}

/// An Avro type; every value outside a union takes at least one byte.
#[derive(Debug, Clone, PartialEq)]
pub enum AvroType {
    /// `null`, only in unions
    Null,
    /// `boolean`
    Boolean,
    /// `int`
    Int(LogicalType),
    /// `long`
    Long(LogicalType),
    /// `float`
    Float,
    /// `double`
    Double,
    /// `bytes`
    Bytes(LogicalType),
    /// `string`
    String,
    /// `fixed` of n bytes
    Fixed(usize, LogicalType),
    /// `enum`
    Enum,
    /// `array` of an item type
    Array(Arc<AvroType>),
    /// `map` from string to a value type
    Map(Arc<AvroType>),
    /// `union`
    Union(Arc<[AvroType]>),
    /// `record`
    Record(Arc<AvroRecord>),
}

/// A record.
#[derive(Debug, PartialEq)]
pub struct AvroRecord {
    /// Fields in stored order; at least one.
    pub fields: Vec<AvroField>,
}

/// A field of a record.
#[derive(Debug, PartialEq)]
pub struct AvroField {
    /// Name.
    pub name: String,
    /// Type.
    pub avro: AvroType,
}

impl AvroType {
    /// Parses the JSON of `avro.schema`.
    ///
    /// # Errors
    /// `Damaged` for JSON that is no Avro schema; `Unsupported` for recursive types, types nested too deep and types
    /// whose values take no bytes.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let value: Value = parse_json(json, "Avro schema")?;
        let mut parser = Parser::default();
        Ok(parser.parse(&value, "", 0)?.0)
    }

    /// The type below `["null", T]` and whether there was such a union.
    ///
    /// # Errors
    /// `Unsupported` for any other union: like Java, null must come first.
    pub fn optional(&self) -> Result<(&Self, bool)> {
        match self {
            AvroType::Union(branches) => match &branches[..] {
                [AvroType::Null, AvroType::Null | AvroType::Union(_)] => Err(bad_union()),
                [AvroType::Null, value] => Ok((value, true)),
                _ => Err(bad_union()),
            },
            other => Ok((other, false)),
        }
    }

    /// Name of the kind, for messages.
    pub fn kind_name(&self) -> &'static str {
        match self {
            AvroType::Null => "null",
            AvroType::Boolean => "boolean",
            AvroType::Int(_) => "int",
            AvroType::Long(_) => "long",
            AvroType::Float => "float",
            AvroType::Double => "double",
            AvroType::Bytes(_) => "bytes",
            AvroType::String => "string",
            AvroType::Fixed(..) => "fixed",
            AvroType::Enum => "enum",
            AvroType::Array(_) => "array",
            AvroType::Map(_) => "map",
            AvroType::Union(_) => "union",
            AvroType::Record(_) => "record",
        }
    }
}

fn bad_union() -> Error {
    Error::unsupported("Avro union must be [\"null\", T], in this order")
}

/// Types with the depth of what is below them, by full name.
#[derive(Default)]
struct Parser {
    names: HashMap<String, (AvroType, usize)>,
}

impl Parser {
    /// Type and nesting depth; `above` is how deep the caller already is.
    fn parse(&mut self, value: &Value, namespace: &str, above: usize) -> Result<(AvroType, usize)> {
        if above > MAX_DEPTH {
            return Err(too_deep());
        }
        let (avro, below) = match value {
            Value::String(name) => self.named(name, namespace)?,
            Value::Array(branches) => self.union(branches, namespace, above)?,
            Value::Object(object) => self.object(object, namespace, above)?,
            other => {
                return Err(Error::damaged(format!(
                    "Avro type must be a name, list or object, found {other}"
                )));
            }
        };
        if above + below > MAX_DEPTH {
            return Err(too_deep());
        }
        Ok((avro, below))
    }

    /// A type whose values take at least one byte.
    fn sized(&mut self, value: &Value, namespace: &str, above: usize) -> Result<(AvroType, usize)> {
        match self.parse(value, namespace, above)? {
            (AvroType::Null, _) => Err(Error::unsupported(
                "Avro type null is only supported inside a union",
            )),
            other => Ok(other),
        }
    }

    fn named(&self, name: &str, namespace: &str) -> Result<(AvroType, usize)> {
        if let Some(primitive) = primitive(name, LogicalType::None) {
            return Ok((primitive, 1));
        }
        self.names
            .get(&full_name(name, namespace))
            .or_else(|| self.names.get(name))
            .cloned()
            .ok_or_else(|| {
                Error::unsupported("Avro type is unknown or recursive").with("type", name)
            })
    }

    fn union(
        &mut self,
        branches: &[Value],
        namespace: &str,
        above: usize,
    ) -> Result<(AvroType, usize)> {
        let mut types = Vec::with_capacity(branches.len());
        let mut depth = 0;
        for branch in branches {
            let (avro, below) = self.parse(branch, namespace, above + 1)?;
            depth = depth.max(below);
            types.push(avro);
        }
        Ok((AvroType::Union(types.into()), depth + 1))
    }

    fn object(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
        above: usize,
    ) -> Result<(AvroType, usize)> {
        let Some(kind) = object.get("type") else {
            return Err(Error::damaged("Avro type lacks `type`"));
        };
        let Value::String(kind) = kind else {
            return self.parse(kind, namespace, above + 1);
        };
        let logical = logical_type(object);
        match kind.as_str() {
            "record" | "error" => self.record(object, namespace, above),
            "array" => {
                let item = part(object, "items")?;
                let (item, depth) = self.sized(item, namespace, above + 1)?;
                Ok((AvroType::Array(Arc::new(item)), depth + 1))
            }
            "map" => {
                let value = part(object, "values")?;
                let (value, depth) = self.sized(value, namespace, above + 1)?;
                Ok((AvroType::Map(Arc::new(value)), depth + 1))
            }
            "fixed" => {
                let size = part(object, "size")?.as_u64().unwrap_or(0);
                let size = usize::try_from(size).ok().filter(|n| *n > 0);
                let size = size.ok_or_else(|| {
                    Error::unsupported("Avro fixed must have a size of at least one byte")
                })?;
                self.define(object, namespace, (AvroType::Fixed(size, logical), 1))
            }
            "enum" => self.define(object, namespace, (AvroType::Enum, 1)),
            name => match primitive(name, logical) {
                Some(avro) => Ok((avro, 1)),
                None => self.named(name, namespace),
            },
        }
    }

    fn record(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
        above: usize,
    ) -> Result<(AvroType, usize)> {
        let inner = own_namespace(object, namespace);
        let Value::Array(list) = part(object, "fields")? else {
            return Err(Error::damaged("Avro record needs a list `fields`"));
        };
        let mut fields = Vec::with_capacity(list.len());
        let mut depth = 0;
        for field in list {
            let field = field
                .as_object()
                .ok_or_else(|| Error::damaged("Avro field must be an object"))?;
            let name = text(field, "name")?.to_string();
            let (avro, below) = self.sized(part(field, "type")?, &inner, above + 1)?;
            depth = depth.max(below);
            fields.push(AvroField { name, avro });
        }
        if fields.is_empty() {
            return Err(Error::unsupported(
                "Avro record without fields is not supported",
            ));
        }
        let record = AvroType::Record(Arc::new(AvroRecord { fields }));
        self.define(object, namespace, (record, depth + 1))
    }

    fn define(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
        avro: (AvroType, usize),
    ) -> Result<(AvroType, usize)> {
        let name = text(object, "name")?;
        let full = match object.get("namespace").and_then(Value::as_str) {
            Some(own) => full_name(name, own),
            None => full_name(name, namespace),
        };
        self.names.insert(full, avro.clone());
        Ok(avro)
    }
}

fn primitive(name: &str, logical: LogicalType) -> Option<AvroType> {
    Some(match name {
        "null" => AvroType::Null,
        "boolean" => AvroType::Boolean,
        "int" => AvroType::Int(logical),
        "long" => AvroType::Long(logical),
        "float" => AvroType::Float,
        "double" => AvroType::Double,
        "bytes" => AvroType::Bytes(logical),
        "string" => AvroType::String,
        _ => return None,
    })
}

fn logical_type(object: &Map<String, Value>) -> LogicalType {
    let scale = || object.get("scale").and_then(Value::as_i64).unwrap_or(0);
    match object.get("logicalType").and_then(Value::as_str) {
        Some("time-micros") => LogicalType::TimeMicros,
        Some("timestamp-millis" | "local-timestamp-millis") => LogicalType::TimestampMillis,
        Some("timestamp-micros" | "local-timestamp-micros") => LogicalType::TimestampMicros,
        Some("timestamp-nanos" | "local-timestamp-nanos") => LogicalType::TimestampNanos,
        Some("decimal") => LogicalType::Decimal(scale()),
        _ => LogicalType::None,
    }
}

fn own_namespace(object: &Map<String, Value>, namespace: &str) -> String {
    let own = object.get("namespace").and_then(Value::as_str);
    let in_name = object
        .get("name")
        .and_then(Value::as_str)
        .and_then(|name| name.rsplit_once('.'))
        .map(|(namespace, _)| namespace);
    in_name.or(own).unwrap_or(namespace).to_string()
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') {
        name.to_string()
    } else {
        format!("{namespace}.{name}")
    }
}

fn part<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a Value> {
    object
        .get(key)
        .ok_or_else(|| Error::damaged(format!("Avro type lacks `{key}`")))
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a str> {
    part(object, key)?
        .as_str()
        .ok_or_else(|| Error::damaged(format!("`{key}` of an Avro type must be text")))
}

fn too_deep() -> Error {
    Error::unsupported(format!(
        "Avro types nested more than {MAX_DEPTH} levels deep are not supported"
    ))
}
