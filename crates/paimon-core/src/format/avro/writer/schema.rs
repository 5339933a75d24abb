//! The Avro schema of Paimon columns, as the text that Java writes.

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::spec::{DataField, DataType, TypeKind};

const ROOT: &str = "record";

/// Schema of files with these columns.
///
/// # Errors
/// `Unsupported` naming the column when Paimon's Avro files have no place for its type or name.
pub(super) fn record(fields: &[DataField]) -> Result<String> {
    let mut root =
        json!({"type": "record", "name": ROOT, "namespace": "org.apache.paimon.avro.generated"});
    root["fields"] = fields_of(fields, ROOT)?;
    Ok(root.to_string())
}

fn fields_of(fields: &[DataField], record: &str) -> Result<Value> {
    let mut out = Vec::with_capacity(fields.len());
    for field in fields {
        check_name(&field.name)?;
        let name = format!("{record}_{}", field.name);
        let avro = avro_type(&field.data_type, &name)
            .map_err(|e| e.with_default("column", &field.name))?;
        let mut entry = json!({"name": field.name, "type": avro});
        if field.data_type.nullable {
            entry["default"] = Value::Null;
        }
        out.push(entry);
    }
    Ok(out.into())
}

/// Type of a value; `record` names the records inside it.
fn avro_type(data_type: &DataType, record: &str) -> Result<Value> {
    let plain = plain_type(&data_type.kind, record)?;
    Ok(if data_type.nullable {
        json!(["null", plain])
    } else {
        plain
    })
}

fn plain_type(kind: &TypeKind, record: &str) -> Result<Value> {
    Ok(match kind {
        TypeKind::Boolean => json!("boolean"),
        TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int => json!("int"),
        TypeKind::BigInt => json!("long"),
        TypeKind::Float => json!("float"),
        TypeKind::Double => json!("double"),
        TypeKind::Char(_) | TypeKind::VarChar(_) => json!("string"),
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => json!("bytes"),
        TypeKind::Date => json!({"type": "int", "logicalType": "date"}),
        TypeKind::Time(p) if *p <= 3 => json!({"type": "int", "logicalType": "time-millis"}),
        TypeKind::Timestamp(p) if *p <= 3 => {
            json!({"type": "long", "logicalType": "timestamp-millis"})
        }
        TypeKind::Timestamp(p) if *p <= 6 => {
            json!({"type": "long", "logicalType": "timestamp-micros"})
        }
        // Java has the names the other way round; the values are epoch values all the same
        TypeKind::LocalZonedTimestamp(p) if *p <= 3 => {
            json!({"type": "long", "logicalType": "local-timestamp-millis"})
        }
        TypeKind::LocalZonedTimestamp(p) if *p <= 6 => {
            json!({"type": "long", "logicalType": "local-timestamp-micros"})
        }
        TypeKind::Decimal { precision, scale } => {
            json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
        }
        TypeKind::Array(element) | TypeKind::Vector(element, _) => {
            json!({"type": "array", "items": avro_type(element, record)?})
        }
        TypeKind::Map(key, value) => map_type(key, value, record)?,
        TypeKind::Multiset(element) => map_type(element, &multiset_count(), record)?,
        TypeKind::Row(fields) => {
            json!({"type": "record", "name": record, "fields": fields_of(fields, record)?})
        }
        other => {
            return Err(Error::unsupported(format!(
                "Avro files cannot hold {other} columns"
            )));
        }
    })
}

/// Type of the counts of a MULTISET.
pub(super) fn multiset_count() -> DataType {
    DataType::nullable(TypeKind::Int)
}

fn map_type(key: &DataType, value: &DataType, record: &str) -> Result<Value> {
    if key.kind.is_string() {
        return Ok(json!({"type": "map", "values": avro_type(value, record)?}));
    }
    let mut value = json!({"name": "value", "type": avro_type(value, &format!("{record}_value"))?});
    if value["type"].is_array() {
        value["default"] = Value::Null;
    }
    let key = json!({"name": "key", "type": avro_type(key, &format!("{record}_key"))?});
    let items = json!({"type": "record", "name": record, "fields": [key, value]});
    Ok(json!({"type": "array", "items": items, "logicalType": "map"}))
}

fn check_name(name: &str) -> Result<()> {
    let mut chars = name.chars();
    let first = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    Err(Error::unsupported(
        "Avro files cannot hold this column: names are letters, digits and `_`, not beginning with a digit",
    )
    .with("column", name))
}
