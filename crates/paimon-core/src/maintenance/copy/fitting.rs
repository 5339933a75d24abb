//! Whether the files of one table can be those of another.
//!
//! Source: `CopySchemaOperator.checkCompatible`, which asks for less: what is asked for here decides how files are read.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::spec::{DataField, POSTPONE_BUCKET};
use crate::table::Table;

/// Options that say how files are to be read and merged.
const DECISIVE: &[&str] = &[
    "bucket",
    "bucket-key",
    "bucket-function.type",
    "merge-engine",
    "sequence.field",
    "sequence.field.sort-order",
    "rowkind.field",
    "ignore-delete",
    "deletion-vectors.enabled",
    "deletion-vectors.bitmap64",
    "data-file.thin-mode",
];

/// Checks that files of `source` can be files of `target`.
///
/// # Errors
/// `Unsupported` as [`check_kind`], for either table. `InvalidInput` when it is the same table, or columns, keys or options
/// differ that decide how files are read.
pub(super) fn check_pair(source: &Table, target: &Table) -> Result<()> {
    check(source, target).map_err(|e| {
        e.with("source", source.name())
            .with_default("table", target.name())
    })
}

fn check(source: &Table, target: &Table) -> Result<()> {
    if source.location() == target.location() && source.io().identity() == target.io().identity() {
        return Err(Error::invalid("a table cannot be copied into itself"));
    }
    check_kind(source)?;
    check_kind(target)?;
    let (from, to) = (source.schema(), target.schema());
    if !same_names_and_types(&from.fields, &to.fields) {
        return Err(Error::invalid(
            "the tables must have the same columns in the same order, with the same types",
        ));
    }
    if from.primary_keys != to.primary_keys || from.partition_keys != to.partition_keys {
        return Err(Error::invalid(
            "the tables must have the same primary key and partition columns",
        ));
    }
    let keys = DECISIVE.iter().map(|key| key.to_string());
    let of_fields = from.options.keys().chain(to.options.keys());
    let of_fields = of_fields.filter(|key| key.starts_with("fields.")).cloned();
    for key in keys.chain(of_fields) {
        if from.options.get(&key) != to.options.get(&key) {
            return Err(Error::invalid(format!(
                "option `{key}` of the tables must be the same: it decides how files are read"
            ))
            .with("option", key));
        }
    }
    Ok(())
}

/// Checks that the files of a table do not say whose they are.
///
/// # Errors
/// `Unsupported` for tables with row tracking and with postponed buckets.
pub(super) fn check_kind(table: &Table) -> Result<()> {
    if table.options().row_tracking {
        return Err(Error::unsupported(
            "files of tables with row tracking belong to row ids of their own table: they cannot be copied",
        )
        .with("option", "row-tracking.enabled"));
    }
    if table.options().bucket == POSTPONE_BUCKET {
        return Err(Error::unsupported(
            "postponed files cannot be copied: their names tell the order in which they were written",
        )
        .with("option", "bucket"));
    }
    Ok(())
}

/// Checks that files of these schemas hold the columns that the table has now: copies are files of one schema.
///
/// # Errors
/// `Unsupported` naming the schema.
pub(super) async fn check_schemas(
    source: &Table,
    ids: impl IntoIterator<Item = i64>,
) -> Result<()> {
    for id in ids.into_iter().collect::<BTreeSet<_>>() {
        let schema = source.schemas().schema(id).await?;
        let (own, now) = (&schema.fields, &source.schema().fields);
        let same_ids = own.iter().map(|f| f.id).eq(now.iter().map(|f| f.id));
        if !same_ids || !same_names_and_types(own, now) {
            return Err(Error::unsupported(format!(
                "files of schema {id} have other columns than the table has now: a full compaction writes them anew"
            ))
            .with("source", source.name()));
        }
    }
    Ok(())
}

/// Files know columns by name; ids are those of a table.
fn same_names_and_types(a: &[DataField], b: &[DataField]) -> bool {
    let is_same = |(a, b): (&DataField, &DataField)| {
        a.name == b.name && a.data_type.to_string() == b.data_type.to_string()
    };
    a.len() == b.len() && a.iter().zip(b).all(is_same)
}
