//! Rules about names, keys and types.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringViewArray};

use super::Check;
use crate::arrow_bridge::cast_array;
use crate::error::{Error, Result};
use crate::spec::{DataField, DataType, ROW_ID, SEQUENCE_NUMBER, TypeKind, VALUE_KIND};

/// Names that system columns have.
const RESERVED: &[&str] = &[SEQUENCE_NUMBER, VALUE_KIND, "_LEVEL", "rowkind", ROW_ID];
const KEY_PREFIX: &str = "_KEY_";

impl Check<'_> {
    pub(super) fn columns(&self) -> Result<()> {
        for field in &self.schema.fields {
            if RESERVED.contains(&field.name.as_str()) || field.name.starts_with(KEY_PREFIX) {
                return Err(Error::invalid(format!(
                    "column name {:?} is reserved for the system",
                    field.name
                ))
                .with("column", &field.name));
            }
            check_type(&field.data_type).map_err(|e| e.with("column", &field.name))?;
            check_default(field)?;
        }
        self.field_options()
    }

    /// Options `fields.<column>[,<column>..].<what>` name columns. Source: `validateFieldsPrefix`.
    fn field_options(&self) -> Result<()> {
        for key in self.schema.options.keys() {
            let Some(rest) = key.strip_prefix("fields.") else {
                continue;
            };
            let known = |name: &str| self.schema.field(name).is_some();
            let whole = |f: &DataField| {
                rest.strip_prefix(&f.name)
                    .is_some_and(|r| r.starts_with('.'))
            };
            if rest == "default-aggregate-function" || self.schema.fields.iter().any(whole) {
                continue;
            }
            let names = rest.split('.').next().unwrap_or_default();
            if let Some(unknown) = names.split(',').map(str::trim).find(|n| !known(n)) {
                return Err(Error::invalid(format!(
                    "option `{key}` names {unknown:?}, which is not a column"
                ))
                .with("option", key));
            }
        }
        Ok(())
    }

    pub(super) fn keys(&self) -> Result<()> {
        let schema = self.schema;
        for (keys, what) in [
            (&schema.primary_keys, "primary key"),
            (&schema.partition_keys, "partition key"),
        ] {
            for (i, name) in keys.iter().enumerate() {
                if keys[..i].contains(name) {
                    return Err(
                        Error::invalid(format!("{what} names {name:?} twice")).with("column", name)
                    );
                }
                let nested = |f: &DataField| {
                    f.data_type.kind.is_nested() || f.data_type.kind == TypeKind::Blob
                };
                if schema.field(name).is_some_and(nested) {
                    return Err(Error::invalid(format!(
                        "{what} column {name:?} must be of a simple type"
                    ))
                    .with("column", name));
                }
            }
        }
        let nullable = self.flag("primary-key.nullable")?;
        if nullable && !schema.has_primary_key() {
            return Err(Error::invalid("`primary-key.nullable` needs a primary key")
                .with("option", "primary-key.nullable"));
        }
        if schema.has_primary_key() && schema.trimmed_primary_keys().is_empty() {
            return Err(Error::invalid(
                "the primary key must have a column that is not a partition column",
            )
            .with("option", "primary-key"));
        }
        self.rowkind()
    }

    fn rowkind(&self) -> Result<()> {
        let Some(name) = self.core.get("rowkind.field") else {
            return Ok(());
        };
        match self.schema.field(name) {
            Some(field) if field.data_type.kind.is_string() => Ok(()),
            _ => Err(
                Error::invalid(format!("{name:?} is no column of characters"))
                    .with("option", "rowkind.field"),
            ),
        }
    }

    pub(super) fn bucket_keys(&self) -> Result<()> {
        let schema = self.schema;
        let Some(keys) = self.core.get("bucket-key").filter(|k| !k.trim().is_empty()) else {
            return Ok(());
        };
        for name in keys.split(',').map(str::trim) {
            let wrong = |text: String| Err(Error::invalid(text).with("option", "bucket-key"));
            let Some(field) = schema.field(name) else {
                return wrong(format!("bucket key {name:?} is not a column"));
            };
            if schema.partition_keys.iter().any(|k| k == name) {
                return wrong(format!("bucket key {name:?} is a partition column"));
            }
            if schema.has_primary_key() && !schema.primary_keys.iter().any(|k| k == name) {
                return wrong(format!(
                    "bucket key {name:?} is not part of the primary key"
                ));
            }
            if field.data_type.kind.is_nested() {
                return wrong(format!(
                    "bucket key {name:?} is of type {}, expected a simple type",
                    field.data_type
                ));
            }
        }
        Ok(())
    }

    /// Every format that is used must have a place for all types.
    pub(super) fn formats(&self) -> Result<()> {
        const PER_LEVEL: &str = "file.format.per.level";
        let mut used: Vec<(&str, &str)> = Vec::new();
        for key in ["file.format", "changelog-file.format"] {
            used.extend(self.core.get(key).map(|format| (key, format)));
        }
        for entry in self
            .core
            .get(PER_LEVEL)
            .into_iter()
            .flat_map(|v| v.split(','))
        {
            let format = entry.split_once(':').map_or(entry, |(_, format)| format);
            used.push((PER_LEVEL, format));
        }
        for (key, format) in used {
            let refused: &dyn Fn(&TypeKind) -> bool =
                match format.trim().to_ascii_lowercase().as_str() {
                    "avro" => &|kind| match kind {
                        TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) => *p > 6,
                        TypeKind::Time(p) => *p > 3,
                        TypeKind::Variant => true,
                        _ => false,
                    },
                    "orc" => &|kind| matches!(kind, TypeKind::Variant | TypeKind::Vector(..)),
                    _ => continue,
                };
            let fields = &self.schema.fields;
            if let Some(field) = fields.iter().find(|f| any_type(&f.data_type, refused)) {
                return Err(Error::invalid(format!(
                    "files of format {} cannot hold column {:?} of type {}",
                    format.trim(),
                    field.name,
                    field.data_type
                ))
                .with("column", &field.name)
                .with("option", key));
            }
        }
        Ok(())
    }
}

/// A default must be a text of its column's type.
fn check_default(field: &DataField) -> Result<()> {
    let Some(text) = &field.default_value else {
        return Ok(());
    };
    let array: ArrayRef = Arc::new(StringViewArray::from(vec![text.as_str()]));
    match cast_array(&array, &DataType::string(), &field.data_type) {
        Ok(_) => Ok(()),
        Err(e) => Err(Error::invalid(format!(
            "default {text:?} is no value of type {}",
            field.data_type
        ))
        .with("column", &field.name)
        .with_source(e)),
    }
}

/// Parameters of types in range.
fn check_type(data_type: &DataType) -> Result<()> {
    let wrong = |kind: &TypeKind| -> bool {
        match kind {
            TypeKind::Decimal { precision, scale } => {
                !(1..=38).contains(precision) || scale > precision
            }
            TypeKind::Char(n)
            | TypeKind::VarChar(n)
            | TypeKind::Binary(n)
            | TypeKind::VarBinary(n) => *n == 0,
            TypeKind::Time(p) | TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) => *p > 9,
            TypeKind::Row(fields) => {
                let names = fields.iter().map(|f| &f.name);
                names
                    .clone()
                    .enumerate()
                    .any(|(i, n)| names.clone().take(i).any(|o| o == n))
            }
            _ => false,
        }
    };
    if any_type(data_type, &wrong) {
        return Err(Error::invalid(format!(
            "type {data_type} has a length, precision or name that is not allowed"
        )));
    }
    Ok(())
}

/// Whether a type or one inside it is such.
fn any_type(data_type: &DataType, is: &dyn Fn(&TypeKind) -> bool) -> bool {
    is(&data_type.kind)
        || match &data_type.kind {
            TypeKind::Array(e) | TypeKind::Vector(e, _) | TypeKind::Multiset(e) => any_type(e, is),
            TypeKind::Map(k, v) => any_type(k, is) || any_type(v, is),
            TypeKind::Row(fields) => fields.iter().any(|f| any_type(&f.data_type, is)),
            _ => false,
        }
}
