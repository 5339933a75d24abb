//! Statistics of a data file seen through the current schema.
//!
//! Source: `SimpleStatsEvolution`. Columns are matched by id; a column the file lacks counts as all null.

use std::cell::OnceCell;

use crate::arrow_bridge::{array_of, cast_array, datum_at};
use crate::error::Result;
use crate::predicate::ColumnStats;
use crate::spec::{
    BinaryRow, DataField, DataFileMeta, DataType, Datum, SimpleStats, TableSchema, TypeKind,
};

/// Statistics of a column of `current`, taken from a file written with the schema `file_schema`.
pub fn column_stats(
    meta: &DataFileMeta,
    file_schema: &TableSchema,
    current: &DataField,
) -> Option<ColumnStats> {
    FileStats::new(meta, file_schema).column(current)
}

/// Statistics of one file under the schema it was written with.
pub struct FileStats<'a> {
    meta: &'a DataFileMeta,
    schema: &'a TableSchema,
    key_fields: Vec<&'a DataField>,
    keys: OnceCell<Option<Rows>>,
    values: OnceCell<Option<Rows>>,
}

struct Rows {
    min: BinaryRow,
    max: BinaryRow,
}

impl<'a> FileStats<'a> {
    /// Statistics of `meta`, whose `schema_id` is that of `schema`.
    pub fn new(meta: &'a DataFileMeta, schema: &'a TableSchema) -> Self {
        let key_fields = schema
            .trimmed_primary_keys()
            .iter()
            .filter_map(|k| schema.field(k))
            .collect();
        Self {
            meta,
            schema,
            key_fields,
            keys: OnceCell::new(),
            values: OnceCell::new(),
        }
    }

    /// Statistics of a column of the current schema; `None` when nothing is known.
    pub fn column(&self, current: &DataField) -> Option<ColumnStats> {
        if let Some(field) = self.schema.field_by_id(current.id)
            && let Some(i) = self.key_fields.iter().position(|k| k.id == field.id)
        {
            let stats = self.stats_at(&self.meta.key_stats, &self.keys, i, field, |bound| {
                widen(bound, field, current)
            });
            return Some(unpadded(stats, &field.data_type.kind));
        }
        self.value_column(current)
    }

    /// Value statistics as they are stored, cast to the current type, for a file that may hold only some of the columns.
    pub fn stored_column(&self, current: &DataField) -> Option<ColumnStats> {
        let has = |f: &DataField| {
            let written = self.meta.write_cols.as_ref();
            written.is_none_or(|w| w.contains(&f.name))
        };
        match self.schema.field_by_id(current.id) {
            Some(field) if has(field) => {
                let cast = |bound| cast_datum(bound, &field.data_type, &current.data_type);
                self.values_of(field, cast)
            }
            _ => Some(ColumnStats {
                min: None,
                max: None,
                null_count: Some(self.meta.row_count),
            }),
        }
    }

    /// The same from the value statistics alone.
    pub fn value_column(&self, current: &DataField) -> Option<ColumnStats> {
        let Some(field) = self.schema.field_by_id(current.id) else {
            return Some(ColumnStats {
                min: None,
                max: None,
                null_count: Some(self.meta.row_count),
            });
        };
        if let Some(written) = &self.meta.write_cols
            && !written.contains(&field.name)
        {
            // other files of the row-id group may hold the column
            return None;
        }
        let stats = self.values_of(field, |bound| widen(bound, field, current))?;
        Some(unpadded(stats, &field.data_type.kind))
    }

    fn values_of(
        &self,
        field: &DataField,
        convert: impl Fn(Datum) -> Option<Datum>,
    ) -> Option<ColumnStats> {
        let stored = self.meta.value_stats_cols.as_ref();
        let i = match stored.or(self.meta.write_cols.as_ref()) {
            Some(names) => names.iter().position(|n| *n == field.name)?,
            None => self.schema.fields.iter().position(|f| f.id == field.id)?,
        };
        Some(self.stats_at(&self.meta.value_stats, &self.values, i, field, convert))
    }

    fn stats_at(
        &self,
        stats: &SimpleStats,
        rows: &OnceCell<Option<Rows>>,
        i: usize,
        field: &DataField,
        convert: impl Fn(Datum) -> Option<Datum>,
    ) -> ColumnStats {
        let null_count = stats
            .null_counts
            .as_ref()
            .and_then(|n| n.get(i).copied())
            .flatten();
        let bound = |row: &BinaryRow| -> Option<Datum> {
            if i >= row.arity() {
                return None;
            }
            convert(row.get(i, &field.data_type).ok()??)
        };
        let rows = rows.get_or_init(|| decode(stats).ok()).as_ref();
        ColumnStats {
            min: rows.and_then(|r| bound(&r.min)),
            max: rows.and_then(|r| bound(&r.max)),
            null_count,
        }
    }
}

/// ORC pads the bounds of CHAR columns: without the blanks a minimum is still one.
fn unpadded(stats: ColumnStats, kind: &TypeKind) -> ColumnStats {
    let min = match stats.min {
        Some(Datum::String(text)) if matches!(kind, TypeKind::Char(_)) => {
            Some(Datum::String(text.trim_end_matches(' ').to_string()))
        }
        other => other,
    };
    ColumnStats { min, ..stats }
}

/// A bound as the columns' values are read; `None` where it cannot be cast.
fn cast_datum(bound: Datum, from: &DataType, to: &DataType) -> Option<Datum> {
    if from.kind == to.kind {
        return Some(bound);
    }
    let array = array_of(Some(&bound), from, 1).ok()?;
    let cast = cast_array(&array, from, to).ok()?;
    datum_at(&cast, 0, to).ok()?
}

fn decode(stats: &SimpleStats) -> Result<Rows> {
    Ok(Rows {
        min: BinaryRow::from_serialized(&stats.min_values, "minimum statistics")?,
        max: BinaryRow::from_serialized(&stats.max_values, "maximum statistics")?,
    })
}

/// A bound of the file's type as one of the current type, where order and value survive.
fn widen(datum: Datum, from: &DataField, to: &DataField) -> Option<Datum> {
    let (from, to) = (&from.data_type.kind, &to.data_type.kind);
    let same = from == to
        || matches!((from, to),
            (TypeKind::Char(a) | TypeKind::VarChar(a), TypeKind::VarChar(b)) if a <= b)
        || matches!((from, to), (TypeKind::VarBinary(a), TypeKind::VarBinary(b)) if a <= b);
    if same {
        return Some(datum);
    }
    let wide = match datum {
        Datum::TinyInt(v) => i64::from(v),
        Datum::SmallInt(v) => i64::from(v),
        Datum::Int(v) => i64::from(v),
        Datum::BigInt(v) => v,
        _ => return None,
    };
    match to {
        TypeKind::TinyInt => i8::try_from(wide).ok().map(Datum::TinyInt),
        TypeKind::SmallInt => i16::try_from(wide).ok().map(Datum::SmallInt),
        TypeKind::Int => i32::try_from(wide).ok().map(Datum::Int),
        TypeKind::BigInt => Some(Datum::BigInt(wide)),
        _ => None,
    }
}
