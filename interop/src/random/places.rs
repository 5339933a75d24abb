//! Partitions that an overwrite names.

use paimon_core::spec::{TableSchema, TypeKind};
use serde_json::{Map, Value};

use super::pools::Pools;
use crate::numbers::Numbers;

/// Values of some partition columns.
pub struct Place {
    /// The values as texts.
    pub json: Value,
    values: Vec<(String, Value)>,
}

impl Place {
    /// Gives a row `[kind, v1, ..]` these values.
    pub fn put(&self, row: &mut Value, schema: &TableSchema) {
        for (name, value) in &self.values {
            if let Some(i) = schema.fields.iter().position(|f| f.name == *name) {
                row[i + 1] = value.clone();
            }
        }
    }
}

/// A random place; `None` when its values have no text that everyone writes alike.
pub fn place(numbers: &mut Numbers, pools: &mut Pools, schema: &TableSchema) -> Option<Place> {
    let mut place = Place {
        json: Value::Object(Map::new()),
        values: Vec::new(),
    };
    for name in numbers.some(&schema.partition_keys, schema.partition_keys.len()) {
        let field = schema.field(&name)?;
        let value = pools.value(numbers, field);
        let text = match (&field.data_type.kind, &value) {
            (
                TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt,
                Value::Number(n),
            ) => n.to_string(),
            (TypeKind::VarChar(_) | TypeKind::Char(_) | TypeKind::Date, Value::String(text)) => {
                text.clone()
            }
            _ => return None,
        };
        // those stand for null in a specification
        if text.trim().is_empty() || text == "__DEFAULT_PARTITION__" {
            return None;
        }
        place.json[&name] = Value::String(text);
        place.values.push((name, value));
    }
    Some(place)
}
