//! Where values come from: a few per column, so that rows meet and filters find something.

use std::collections::{BTreeMap, BTreeSet};

use paimon_core::spec::{DataField, TableSchema};
use serde_json::{Value, json};

use super::definition::Definition;
use super::types::{small, value};
use crate::numbers::Numbers;

/// Values of a column.
const POOL: usize = 6;

/// The values of every column by its field id; a column with another type has others.
pub struct Pools {
    values: BTreeMap<(i32, String), Vec<Value>>,
    small: BTreeSet<i32>,
    /// Whether files may be ORC: Java writes other instants before 1583 and in the last second before 1970 than it is
    /// given, prunes days before 1583 by another calendar, reads zeros of either sign as the first of them, and prunes by texts of CHAR columns as if they had no
    /// blanks at their ends, which it adds.
    pub orc: bool,
    /// Whether files may be Parquet: statistics leave NaN out, which Java does not think of when it prunes.
    pub parquet: bool,
    /// Whether Java compares bytes as signed numbers: filters leave them alone.
    pub signed_bytes: bool,
}

impl Pools {
    /// Empty pools for a table that a release of Java shares.
    pub fn new(definition: &Definition, release: &str) -> Self {
        Self {
            values: BTreeMap::new(),
            small: definition.small.clone(),
            orc: definition.writes("orc"),
            parquet: definition.writes("parquet"),
            signed_bytes: release == "1.4.2",
        }
    }

    /// A value of a column.
    pub fn value(&mut self, numbers: &mut Numbers, field: &DataField) -> Value {
        let (few, orc) = (self.small.contains(&field.id), self.orc);
        let of = |numbers: &mut Numbers| match few {
            true => small(numbers, &field.data_type.kind),
            false => fresh(numbers, field, orc),
        };
        let key = (field.id, field.data_type.to_string());
        let pool = self
            .values
            .entry(key)
            .or_insert_with(|| (0..POOL).map(|_| of(numbers)).collect());
        numbers.pick(pool).clone()
    }

    /// Rows of a table, each with one of these kinds; with `distinct` no key twice.
    pub fn rows(
        &mut self,
        numbers: &mut Numbers,
        schema: &TableSchema,
        kinds: &[&str],
        kind_column: Option<i32>,
        distinct: bool,
    ) -> Vec<Value> {
        let count = *numbers.pick(&[1, 3, 8, 8, 20, 60]);
        let mut seen = BTreeSet::new();
        let mut rows = Vec::new();
        for _ in 0..count {
            let kind = *numbers.pick(kinds);
            let mut row = vec![json!(if kind_column.is_some() { "+I" } else { kind })];
            for field in &schema.fields {
                row.push(match kind_column == Some(field.id) {
                    true => json!(kind),
                    false => self.column(numbers, schema, field),
                });
            }
            let key: Vec<String> = (1..)
                .zip(&schema.fields)
                .filter(|(_, f)| schema.primary_keys.contains(&f.name))
                .map(|(i, _)| row[i].to_string())
                .collect();
            if !distinct || seen.insert(key) {
                rows.push(Value::Array(row));
            }
        }
        rows
    }

    fn column(&mut self, numbers: &mut Numbers, schema: &TableSchema, field: &DataField) -> Value {
        let places = schema.primary_keys.contains(&field.name)
            || schema.partition_keys.contains(&field.name);
        if places || self.small.contains(&field.id) || !numbers.one_in(4) {
            self.value(numbers, field)
        } else {
            fresh(numbers, field, self.orc)
        }
    }
}

fn fresh(numbers: &mut Numbers, field: &DataField, orc: bool) -> Value {
    let value = value(numbers, &field.data_type);
    if orc { fit_for_orc(value) } else { value }
}

/// Without the values that Java's ORC gives back changed.
fn fit_for_orc(value: Value) -> Value {
    match value {
        Value::String(text) if text == "-0.0" => json!("0.0"),
        Value::String(text) if matches!(text.as_str(), "0001-01-01" | "1582-10-04") => {
            json!("1583-01-01")
        }
        Value::String(text) => match text.split_once('T') {
            Some(("1969-12-31", clock)) => json!(format!("1969-12-30T{clock}")),
            Some(("0001-01-01" | "1582-10-04" | "1582-10-15", clock)) => {
                json!(format!("1583-01-01T{clock}"))
            }
            _ => json!(text),
        },
        Value::Array(items) => items.into_iter().map(fit_for_orc).collect(),
        other => other,
    }
}
