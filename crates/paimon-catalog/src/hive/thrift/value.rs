//! Values of the protocol, and typed access to the fields of a struct.

use std::collections::BTreeMap;

use paimon_core::{Error, Result};

/// Type codes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::hive) enum Kind {
    Bool = 2,
    Byte = 3,
    Double = 4,
    I16 = 6,
    I32 = 8,
    I64 = 10,
    Binary = 11,
    Struct = 12,
    Map = 13,
    Set = 14,
    List = 15,
}

impl Kind {
    pub(super) fn of_code(code: u8) -> Option<Self> {
        Some(match code {
            2 => Self::Bool,
            3 => Self::Byte,
            4 => Self::Double,
            6 => Self::I16,
            8 => Self::I32,
            10 => Self::I64,
            11 => Self::Binary,
            12 => Self::Struct,
            13 => Self::Map,
            14 => Self::Set,
            15 => Self::List,
            _ => return None,
        })
    }

    pub(super) fn code(self) -> u8 {
        self as u8
    }
}

/// A value of any type.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hive) enum Value {
    Bool(bool),
    Byte(i8),
    Double(f64),
    I16(i16),
    I32(i32),
    I64(i64),
    Binary(Vec<u8>),
    Struct(Struct),
    Map(Kind, Kind, Vec<(Value, Value)>),
    Set(Kind, Vec<Value>),
    List(Kind, Vec<Value>),
}

impl Value {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Bool(_) => Kind::Bool,
            Self::Byte(_) => Kind::Byte,
            Self::Double(_) => Kind::Double,
            Self::I16(_) => Kind::I16,
            Self::I32(_) => Kind::I32,
            Self::I64(_) => Kind::I64,
            Self::Binary(_) => Kind::Binary,
            Self::Struct(_) => Kind::Struct,
            Self::Map(..) => Kind::Map,
            Self::Set(..) => Kind::Set,
            Self::List(..) => Kind::List,
        }
    }

    pub(in crate::hive) fn text(text: &str) -> Self {
        Self::Binary(text.as_bytes().to_vec())
    }

    pub(in crate::hive) fn texts(texts: &[String]) -> Self {
        Self::List(Kind::Binary, texts.iter().map(|t| Self::text(t)).collect())
    }

    pub(in crate::hive) fn text_map(map: &BTreeMap<String, String>) -> Self {
        let pair = |(k, v): (&String, &String)| (Self::text(k), Self::text(v));
        Self::Map(Kind::Binary, Kind::Binary, map.iter().map(pair).collect())
    }

    pub(in crate::hive) fn structs(structs: Vec<Struct>) -> Self {
        let values = structs.into_iter().map(Self::Struct).collect();
        Self::List(Kind::Struct, values)
    }

    fn into_text(self) -> Result<String> {
        match self {
            Self::Binary(bytes) => String::from_utf8(bytes)
                .map_err(|e| Error::damaged("a text of the metastore is not UTF-8").with_source(e)),
            other => Err(unexpected("a text", &other)),
        }
    }
}

fn unexpected(expected: &str, found: &Value) -> Error {
    Error::damaged(format!(
        "the metastore sent another type than expected: expected {expected}, found {:?}",
        found.kind()
    ))
}

/// Fields by id. Reading a field takes it out, so that what is left is what the reader does not know.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::hive) struct Struct(pub(super) BTreeMap<i16, Value>);

impl Struct {
    /// With these fields, from id 1 on.
    pub(in crate::hive) fn of(values: impl IntoIterator<Item = Value>) -> Self {
        Self((1..).zip(values).collect())
    }

    /// Sets a field.
    #[must_use]
    pub(in crate::hive) fn with(mut self, id: i16, value: Value) -> Self {
        self.0.insert(id, value);
        self
    }

    /// Sets a field that may be absent.
    #[must_use]
    pub(in crate::hive) fn with_text(self, id: i16, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.with(id, Value::text(text)),
            None => self,
        }
    }

    pub(in crate::hive) fn take(&mut self, id: i16) -> Option<Value> {
        self.0.remove(&id)
    }

    pub(in crate::hive) fn take_text(&mut self, id: i16) -> Result<Option<String>> {
        self.take(id).map(Value::into_text).transpose()
    }

    pub(in crate::hive) fn take_i32(&mut self, id: i16) -> Result<Option<i32>> {
        match self.take(id) {
            None => Ok(None),
            Some(Value::I32(number)) => Ok(Some(number)),
            Some(other) => Err(unexpected("an i32", &other)),
        }
    }

    pub(in crate::hive) fn take_i64(&mut self, id: i16) -> Result<Option<i64>> {
        match self.take(id) {
            None => Ok(None),
            Some(Value::I64(number)) => Ok(Some(number)),
            Some(other) => Err(unexpected("an i64", &other)),
        }
    }

    pub(in crate::hive) fn take_struct(&mut self, id: i16) -> Result<Option<Struct>> {
        match self.take(id) {
            None => Ok(None),
            Some(Value::Struct(fields)) => Ok(Some(fields)),
            Some(other) => Err(unexpected("a struct", &other)),
        }
    }

    fn take_list(&mut self, id: i16) -> Result<Option<Vec<Value>>> {
        match self.take(id) {
            None => Ok(None),
            Some(Value::List(_, values)) => Ok(Some(values)),
            Some(other) => Err(unexpected("a list", &other)),
        }
    }

    pub(in crate::hive) fn take_texts(&mut self, id: i16) -> Result<Option<Vec<String>>> {
        let values = self.take_list(id)?;
        values
            .map(|values| values.into_iter().map(Value::into_text).collect())
            .transpose()
    }

    pub(in crate::hive) fn take_structs(&mut self, id: i16) -> Result<Option<Vec<Struct>>> {
        let fields = |value| match value {
            Value::Struct(fields) => Ok(fields),
            other => Err(unexpected("a struct", &other)),
        };
        let values = self.take_list(id)?;
        values
            .map(|values| values.into_iter().map(fields).collect())
            .transpose()
    }

    pub(in crate::hive) fn take_text_map(
        &mut self,
        id: i16,
    ) -> Result<Option<BTreeMap<String, String>>> {
        match self.take(id) {
            None => Ok(None),
            Some(Value::Map(_, _, pairs)) => pairs
                .into_iter()
                .map(|(k, v)| Ok((k.into_text()?, v.into_text()?)))
                .collect::<Result<_>>()
                .map(Some),
            Some(other) => Err(unexpected("a map", &other)),
        }
    }
}
