//! Changes that make room in a schema for the columns of rows to be written.
//!
//! Source: `SchemaMergingUtils`, `SparkConnectorOptions`. Columns are matched by name; those that are not there are added,
//! nullable, at the end. The types of those that are there change only where that is asked for, never those of keys.

use arrow_schema::{DataType as ArrowType, Field, FieldRef};

use super::SchemaChange;
use super::alter::is_castable;
use crate::arrow_bridge::paimon_type;
use crate::error::{Error, Result};
use crate::options::{CoreOptions, parse_bool};
use crate::spec::{DataField, DataType, TableSchema, TypeKind};

/// What the rows of a write may change in the schema of their table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchemaMerging {
    /// Whether types become those of the rows where these are wider.
    pub widens_types: bool,
    /// Whether they may also become types that lose something.
    pub casts_explicitly: bool,
}

impl SchemaMerging {
    /// Option that has rows change the schema at all.
    pub const KEY: &str = "write.merge-schema";
    const WIDENING: &str = "write.merge-schema.type-widening";
    const EXPLICIT: &str = "write.merge-schema.explicit-cast";

    /// What the options of a table ask for; `None` where its schema stays as it is. Each of the three options counts only
    /// where the one before is set.
    ///
    /// # Errors
    /// `InvalidInput` naming an option that is neither true nor false.
    pub fn of(options: &CoreOptions) -> Result<Option<Self>> {
        let flag = |key: &str| {
            let parse = |text: &str| parse_bool(text).map_err(|e| e.with("option", key));
            options.get(key).map_or(Ok(false), parse)
        };
        let (merges, widens, explicit) = (
            flag(Self::KEY)?,
            flag(Self::WIDENING)?,
            flag(Self::EXPLICIT)?,
        );
        Ok(merges.then_some(Self {
            widens_types: widens,
            casts_explicitly: widens && explicit,
        }))
    }
}

impl TableSchema {
    /// The changes that give rows with these columns their place; none where they have it already. Columns of Arrow's type
    /// Null fit every column.
    ///
    /// # Errors
    /// `Unsupported` naming the column whose type cannot become what the rows have, or a new column without a type.
    pub fn merging_changes(
        &self,
        rows: &[FieldRef],
        merging: SchemaMerging,
    ) -> Result<Vec<SchemaChange>> {
        let mut merge = Merge {
            merging,
            path: Vec::new(),
            changes: Vec::new(),
        };
        let bucket_keys = CoreOptions::new(self)?.bucket_keys(self);
        for row in rows {
            let at = column_position(&self.fields, row.name());
            match at.and_then(|at| self.fields.get(at)) {
                Some(field) => {
                    let is_key = |keys: &[String]| keys.contains(&field.name);
                    let fixed = is_key(&self.primary_keys)
                        || is_key(&self.partition_keys)
                        || is_key(&bucket_keys);
                    merge.inside(&field.name, |merge| {
                        merge.merging.widens_types = merging.widens_types && !fixed;
                        merge.types(&field.data_type, row.data_type())
                    })?;
                    merge.merging = merging;
                }
                None => merge.add(row)?,
            }
        }
        Ok(merge.changes)
    }
}

/// The column of that name, else the only one that differs in case alone.
pub fn column_position(fields: &[DataField], name: &str) -> Option<usize> {
    let exact = fields.iter().position(|f| f.name == name);
    exact.or_else(|| {
        let similar = |(_, f): &(usize, &DataField)| f.name.eq_ignore_ascii_case(name);
        let mut similar = fields.iter().enumerate().filter(similar);
        match (similar.next(), similar.next()) {
            (Some((at, _)), None) => Some(at),
            _ => None,
        }
    })
}

struct Merge {
    merging: SchemaMerging,
    path: Vec<String>,
    changes: Vec<SchemaChange>,
}

impl Merge {
    /// Does something one step further down.
    fn inside(&mut self, name: &str, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.path.push(name.to_string());
        let done = work(self);
        self.path.pop();
        done
    }

    fn add(&mut self, row: &Field) -> Result<()> {
        let mut path = self.path.clone();
        path.push(row.name().clone());
        let data_type = paimon_type(row.data_type()).map_err(|e| {
            Error::unsupported("a new column gets the type of the rows: cast what has none")
                .with("column", path.join("."))
                .with_source(e)
        })?;
        self.changes.push(SchemaChange::AddColumn {
            path,
            data_type,
            comment: None,
            position: None,
        });
        Ok(())
    }

    /// Brings a type together with what the rows have there.
    fn types(&mut self, there: &DataType, rows: &ArrowType) -> Result<()> {
        match (&there.kind, rows) {
            (_, ArrowType::Null) => Ok(()),
            (_, ArrowType::Dictionary(_, values)) => self.types(there, values),
            (TypeKind::Row(fields), ArrowType::Struct(rows)) => self.fields(fields, rows),
            (TypeKind::Array(element), rows) if let Some(row) = element_of(rows) => {
                self.inside("element", |merge| merge.types(element, row))
            }
            (TypeKind::Map(key, value), ArrowType::Map(entries, _)) => {
                let Some((key_rows, value_rows)) = entries_of(entries) else {
                    return Ok(());
                };
                self.unchanged("the keys of a map", |merge| merge.types(key, key_rows))?;
                self.inside("value", |merge| merge.types(value, value_rows))
            }
            (TypeKind::Multiset(element), ArrowType::Map(entries, _)) => {
                let Some((rows, _)) = entries_of(entries) else {
                    return Ok(());
                };
                self.unchanged("a multiset", |merge| merge.types(element, rows))
            }
            // these have several types in Arrow, and widen to none
            (TypeKind::Variant | TypeKind::Blob | TypeKind::Vector(..), _) => Ok(()),
            _ => self.leaf(there, rows),
        }
    }

    fn fields(&mut self, there: &[DataField], rows: &[FieldRef]) -> Result<()> {
        for row in rows {
            let at = column_position(there, row.name());
            match at.and_then(|at| there.get(at)) {
                Some(field) => self.inside(&field.name, |merge| {
                    merge.types(&field.data_type, row.data_type())
                })?,
                None => self.add(row)?,
            }
        }
        Ok(())
    }

    /// Refuses changes in a place that has no path.
    fn unchanged(&mut self, what: &str, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let before = self.changes.len();
        work(self)?;
        match self.changes.len() > before {
            false => Ok(()),
            true => Err(Error::unsupported(format!(
                "a write cannot change the type of {what}: cast the rows to the type that is there"
            ))
            .with("column", self.path.join("."))),
        }
    }

    fn leaf(&mut self, there: &DataType, rows: &ArrowType) -> Result<()> {
        if !self.merging.widens_types {
            return Ok(());
        }
        let rows = paimon_type(rows).map_err(|e| e.with("column", self.path.join(".")))?;
        if rows.kind == there.kind {
            return Ok(());
        }
        let kind = self.widened(there, &rows)?;
        if kind != there.kind {
            self.changes.push(SchemaChange::UpdateColumnType {
                path: self.path.clone(),
                data_type: DataType {
                    kind,
                    nullable: there.nullable,
                },
                keep_nullability: true,
            });
        }
        Ok(())
    }

    fn widened(&self, there: &DataType, rows: &DataType) -> Result<TypeKind> {
        let refused = |why: &str| {
            Err(Error::unsupported(format!(
                "a column of type {} cannot become {} {why}",
                there.kind, rows.kind
            ))
            .with("column", self.path.join(".")))
        };
        if let (
            TypeKind::Decimal { precision, scale },
            TypeKind::Decimal {
                precision: wanted,
                scale: other,
            },
        ) = (&there.kind, &rows.kind)
        {
            return match scale == other {
                true => Ok(TypeKind::Decimal {
                    precision: *precision.max(wanted),
                    scale: *scale,
                }),
                false => refused("in a write, as the scales differ: cast the rows"),
            };
        }
        let explicit = self.merging.casts_explicitly;
        if !is_castable(there, rows, explicit)
            || !(explicit || keeps_values(&there.kind, &rows.kind))
        {
            return refused(
                "in a write: cast the rows, or set write.merge-schema.explicit-cast where ALTER TABLE can do it",
            );
        }
        let shrinks =
            |size: fn(&TypeKind) -> Option<u32>| match (size(&there.kind), size(&rows.kind)) {
                (Some(there), Some(rows)) => rows < there,
                _ => false,
            };
        match !explicit && (shrinks(length) || shrinks(precision)) {
            true => refused(
                "in a write, as it is shorter: cast the rows, or set write.merge-schema.explicit-cast",
            ),
            false => Ok(rows.kind.clone()),
        }
    }
}

/// Whether every value of a type is one of the other; Java's implicit casts allow more, of which some make NULL.
fn keeps_values(from: &TypeKind, to: &TypeKind) -> bool {
    let digits = match from {
        TypeKind::TinyInt => 3,
        TypeKind::SmallInt => 5,
        TypeKind::Int => 10,
        TypeKind::BigInt => 19,
        TypeKind::Float | TypeKind::Double | TypeKind::Decimal { .. } => {
            return !matches!(to, TypeKind::Decimal { .. })
                && !matches!(from, TypeKind::Decimal { .. });
        }
        TypeKind::Timestamp(_) => return matches!(to, TypeKind::Timestamp(_)),
        _ => return true,
    };
    match to {
        TypeKind::Decimal { precision, scale } => precision.saturating_sub(*scale) >= digits,
        _ => true,
    }
}

fn length(kind: &TypeKind) -> Option<u32> {
    match kind {
        TypeKind::Char(n) | TypeKind::VarChar(n) | TypeKind::Binary(n) | TypeKind::VarBinary(n) => {
            Some(*n)
        }
        _ => None,
    }
}

fn precision(kind: &TypeKind) -> Option<u32> {
    match kind {
        TypeKind::Time(p) | TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) => {
            Some(u32::from(*p))
        }
        _ => None,
    }
}

fn element_of(rows: &ArrowType) -> Option<&ArrowType> {
    match rows {
        ArrowType::List(f)
        | ArrowType::LargeList(f)
        | ArrowType::ListView(f)
        | ArrowType::LargeListView(f)
        | ArrowType::FixedSizeList(f, _) => Some(f.data_type()),
        _ => None,
    }
}

/// Types of keys and values.
fn entries_of(entries: &Field) -> Option<(&ArrowType, &ArrowType)> {
    match entries.data_type() {
        ArrowType::Struct(fields) => match fields.as_ref() {
            [key, value] => Some((key.data_type(), value.data_type())),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::arrow_bridge::arrow_type;
    use crate::schema::{NewColumn, NewTable};
    use crate::spec::parse_data_type;

    const PLAIN: SchemaMerging = SchemaMerging {
        widens_types: false,
        casts_explicitly: false,
    };
    const WIDENING: SchemaMerging = SchemaMerging {
        widens_types: true,
        casts_explicitly: false,
    };
    const EXPLICIT: SchemaMerging = SchemaMerging {
        widens_types: true,
        casts_explicitly: true,
    };

    fn schema(columns: &[(&str, &str)]) -> TableSchema {
        let columns = columns.iter().map(|(name, text)| NewColumn {
            name: (*name).to_string(),
            data_type: parse_data_type(text).unwrap(),
            comment: None,
            default: None,
        });
        let table = NewTable {
            columns: columns.collect(),
            ..NewTable::default()
        };
        table.into_schema(0).unwrap()
    }

    fn rows(columns: &[(&str, &str)]) -> Vec<FieldRef> {
        let field = |(name, text): &(&str, &str)| {
            let arrow = arrow_type(&parse_data_type(text).unwrap());
            Arc::new(Field::new(*name, arrow, true))
        };
        columns.iter().map(field).collect()
    }

    /// Names and types of the columns after rows of these columns were taken in.
    fn merged(
        schema: &TableSchema,
        given: &[FieldRef],
        merging: SchemaMerging,
    ) -> Result<Vec<String>> {
        let changes = schema.merging_changes(given, merging)?;
        let new = schema.altered(&changes, true, 0)?;
        let shown = |f: &DataField| format!("{} {}", f.name, f.data_type);
        Ok(new.fields.iter().map(shown).collect())
    }

    #[test]
    fn unknown_columns_are_added_at_any_depth_and_known_ones_stay() {
        let table = schema(&[
            ("id", "INT NOT NULL"),
            ("r", "ROW<a INT, m MAP<STRING, ROW<x INT>>>"),
            ("l", "ARRAY<ROW<b INT>>"),
        ]);
        let given = rows(&[
            ("extra", "BIGINT NOT NULL"),
            ("R", "ROW<a BIGINT, c STRING, m MAP<STRING, ROW<y INT>>>"),
            ("l", "ARRAY<ROW<d DOUBLE>>"),
            ("ID", "BIGINT"),
        ]);
        assert_eq!(
            merged(&table, &given, PLAIN).unwrap(),
            [
                "id INT NOT NULL",
                "r ROW<`a` INT, `m` MAP<STRING, ROW<`x` INT, `y` INT>>, `c` STRING>",
                "l ARRAY<ROW<`b` INT, `d` DOUBLE>>",
                "extra BIGINT",
            ]
        );
        let known = rows(&[("l", "ARRAY<ROW<b BIGINT>>"), ("id", "STRING")]);
        assert_eq!(table.merging_changes(&known, PLAIN).unwrap(), []);
    }

    #[test]
    fn types_become_wider_where_java_lets_them() {
        for (there, row, widening, explicit) in [
            (
                "INT NOT NULL",
                "BIGINT",
                Some("BIGINT NOT NULL"),
                Some("BIGINT NOT NULL"),
            ),
            ("BIGINT", "INT", None, Some("INT")),
            ("INT", "DOUBLE", Some("DOUBLE"), Some("DOUBLE")),
            (
                "DECIMAL(10, 2)",
                "DECIMAL(12, 2)",
                Some("DECIMAL(12, 2)"),
                Some("DECIMAL(12, 2)"),
            ),
            (
                "DECIMAL(10, 2)",
                "DECIMAL(8, 2)",
                Some("DECIMAL(10, 2)"),
                Some("DECIMAL(10, 2)"),
            ),
            ("DECIMAL(10, 2)", "DECIMAL(12, 3)", None, None),
            ("INT", "DECIMAL(2, 1)", None, Some("DECIMAL(2, 1)")),
            (
                "INT",
                "DECIMAL(12, 2)",
                Some("DECIMAL(12, 2)"),
                Some("DECIMAL(12, 2)"),
            ),
            ("FLOAT", "DECIMAL(38, 2)", None, Some("DECIMAL(38, 2)")),
            ("DECIMAL(10, 2)", "DOUBLE", None, Some("DOUBLE")),
            ("TIMESTAMP(3)", "DATE", None, Some("DATE")),
            ("VARCHAR(5)", "STRING", Some("STRING"), Some("STRING")),
            ("INT", "STRING", None, Some("STRING")),
            ("STRING", "DATE", None, Some("DATE")),
            (
                "TIMESTAMP(3)",
                "TIMESTAMP(6)",
                Some("TIMESTAMP(6)"),
                Some("TIMESTAMP(6)"),
            ),
            ("TIMESTAMP(6)", "TIMESTAMP(3)", None, Some("TIMESTAMP(3)")),
            (
                "ROW<a INT>",
                "ROW<a BIGINT>",
                Some("ROW<`a` BIGINT>"),
                Some("ROW<`a` BIGINT>"),
            ),
            (
                "ARRAY<INT>",
                "ARRAY<BIGINT>",
                Some("ARRAY<BIGINT>"),
                Some("ARRAY<BIGINT>"),
            ),
            (
                "MAP<INT, INT>",
                "MAP<INT, BIGINT>",
                Some("MAP<INT, BIGINT>"),
                Some("MAP<INT, BIGINT>"),
            ),
            ("MAP<INT, INT>", "MAP<BIGINT, INT>", None, None),
            ("INT", "ARRAY<INT>", None, None),
        ] {
            let table = schema(&[("c", there)]);
            let given = rows(&[("c", row)]);
            for (merging, expected) in [(WIDENING, widening), (EXPLICIT, explicit)] {
                let found = merged(&table, &given, merging).ok();
                let expected = expected.map(|text| vec![format!("c {text}")]);
                assert_eq!(found, expected, "{there} with rows of {row}, {merging:?}");
            }
        }
    }

    #[test]
    fn keys_keep_their_types_and_what_has_no_type_adds_nothing() {
        let mut table = schema(&[("id", "INT NOT NULL"), ("dt", "INT"), ("v", "INT")]);
        table.primary_keys = vec!["id".into()];
        table.partition_keys = vec!["dt".into()];
        let given = rows(&[("id", "BIGINT"), ("dt", "BIGINT"), ("v", "BIGINT")]);
        let changes = table.merging_changes(&given, WIDENING).unwrap();
        assert!(
            matches!(changes.as_slice(), [SchemaChange::UpdateColumnType { path, .. }] if path == &["v"]),
            "{changes:?}"
        );
        let null = |name: &str| Arc::new(Field::new(name, ArrowType::Null, true));
        assert_eq!(table.merging_changes(&[null("v")], WIDENING).unwrap(), []);
        let error = table.merging_changes(&[null("new")], PLAIN).unwrap_err();
        assert!(error.to_string().contains("column = new"), "{error}");
    }

    #[test]
    fn options_count_where_the_one_before_is_set() {
        let of = |keys: &[&str]| {
            let mut table = schema(&[("c", "INT")]);
            for key in keys {
                table.options.insert((*key).into(), "true".into());
            }
            SchemaMerging::of(&CoreOptions::new(&table).unwrap()).unwrap()
        };
        let (key, widening, explicit) = (
            SchemaMerging::KEY,
            SchemaMerging::WIDENING,
            SchemaMerging::EXPLICIT,
        );
        assert_eq!(of(&[widening, explicit]), None);
        assert_eq!(of(&[key]), Some(PLAIN));
        assert_eq!(of(&[key, explicit]), Some(PLAIN));
        assert_eq!(of(&[key, widening]), Some(WIDENING));
        assert_eq!(of(&[key, widening, explicit]), Some(EXPLICIT));
    }
}
