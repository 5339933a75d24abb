//! Which files a format table has.
//!
//! Java: `FormatTableScan`, `PartitionPathUtils.searchPartSpecAndPaths`. Folders are pruned level by level: a filter over
//! the columns known so far leaves those out whose values it refuses.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use futures::{StreamExt, TryStreamExt};
use paimon_catalog::FormatTable;
use paimon_core::arrow_bridge::arrow_schema;

use super::partitions::{Layout, is_hidden};
use crate::error::to_datafusion;

/// Folders that are listed at once.
const LISTINGS: usize = 16;

/// A file to read.
#[derive(Debug, Clone)]
pub(crate) struct TableFile {
    pub(crate) location: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Of each partition column one value.
    pub(crate) partition: Arc<Vec<ArrayRef>>,
}

/// A folder of a partition, perhaps of its first columns only.
#[derive(Debug, Clone)]
pub(super) struct PartitionFolder {
    /// Path of folders below the table; empty for the table itself.
    pub(super) path: String,
    /// Values of the columns so far, one row each.
    pub(super) values: Vec<ArrayRef>,
}

/// Filters over columns of the table, and what runs them.
#[derive(Clone, Copy)]
pub(super) struct Pruning<'a> {
    pub(super) filters: &'a [Expr],
    pub(super) state: &'a dyn Session,
}

/// The partitions that the filters let pass; filters over other columns count as passed. A table without partition
/// columns is one partition.
///
/// # Errors
/// `Damaged` for a folder that is no value of its column, `Io` when the store fails.
pub(super) async fn partitions(
    table: &FormatTable,
    layout: &Layout,
    pruning: Option<Pruning<'_>>,
) -> Result<Vec<PartitionFolder>> {
    let mut found = vec![PartitionFolder {
        path: String::new(),
        values: Vec::new(),
    }];
    for level in 0..layout.keys.len() {
        let below = futures::stream::iter(found)
            .map(|parent| below(table, layout, level, parent))
            .buffered(LISTINGS)
            .try_concat();
        found = below.await.map_err(to_datafusion)?;
        if let Some(pruning) = pruning {
            found = kept(layout, level, pruning, found)?;
        }
    }
    Ok(found)
}

async fn below(
    table: &FormatTable,
    layout: &Layout,
    level: usize,
    parent: PartitionFolder,
) -> paimon_core::Result<Vec<PartitionFolder>> {
    let location = joined(&table.location, &parent.path);
    let mut names = table.io.list_folders(&location).await?;
    names.sort();
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let Some(value) = layout.value(level, &name) else {
            continue;
        };
        let value = layout
            .typed_value(level, value.as_deref())
            .map_err(|e| e.with("path", joined(&location, &name)))?;
        let mut values = parent.values.clone();
        values.push(value);
        let path = match parent.path.is_empty() {
            true => name,
            false => format!("{}/{name}", parent.path),
        };
        found.push(PartitionFolder { path, values });
    }
    Ok(found)
}

/// Those that pass the filters over the columns up to a level that need the column of the level.
fn kept(
    layout: &Layout,
    level: usize,
    pruning: Pruning<'_>,
    found: Vec<PartitionFolder>,
) -> Result<Vec<PartitionFolder>> {
    let known = layout.keys.get(..=level).unwrap_or_default();
    let Some(own) = known.last() else {
        return Ok(found);
    };
    let decides = |filter: &&Expr| {
        let columns = filter.column_refs();
        columns.iter().any(|c| c.name == own.name)
            && columns
                .iter()
                .all(|c| known.iter().any(|k| k.name == c.name))
    };
    let filters: Vec<&Expr> = pruning.filters.iter().filter(decides).collect();
    if filters.is_empty() || found.is_empty() {
        return Ok(found);
    }
    let schema = arrow_schema(known);
    let columns = (0..known.len())
        .map(|i| {
            let values = found.iter().filter_map(|f| f.values.get(i));
            let values: Vec<&dyn Array> = values.map(AsRef::as_ref).collect();
            Ok(concat(&values)?)
        })
        .collect::<Result<Vec<_>>>()?;
    // nullability of the columns does not matter to filters
    let fields = schema.fields().iter();
    let fields = fields.map(|f| f.as_ref().clone().with_nullable(true));
    let schema = Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
    let batch = RecordBatch::try_new(schema.clone(), columns)?;
    let df_schema = DFSchema::try_from(schema.as_ref().clone())?;
    let mut keeps = vec![true; found.len()];
    for filter in filters {
        let filter = unqualified(filter)?;
        let filter = pruning.state.create_physical_expr(filter, &df_schema)?;
        let passed = filter.evaluate(&batch)?.into_array(found.len())?;
        let passed = arrow::compute::cast(&passed, &DataType::Boolean)?;
        for (keep, passes) in keeps.iter_mut().zip(passed.as_boolean()) {
            *keep &= passes == Some(true);
        }
    }
    let kept = found.into_iter().zip(keeps).filter(|(_, keep)| *keep);
    Ok(kept.map(|(folder, _)| folder).collect())
}

/// The filter with names of columns alone.
fn unqualified(filter: &Expr) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let plain = filter.clone().transform(|expr| {
        Ok(match expr {
            Expr::Column(c) if c.relation.is_some() => {
                Transformed::yes(Expr::Column(datafusion::common::Column::from_name(c.name)))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(plain.data)
}

/// The files of partitions, in the order of these and of their names.
///
/// # Errors
/// `Io` when the store fails.
pub(super) async fn files(
    table: &FormatTable,
    partitions: Vec<PartitionFolder>,
) -> paimon_core::Result<Vec<TableFile>> {
    futures::stream::iter(partitions)
        .map(|partition| async move {
            let location = joined(&table.location, &partition.path);
            let mut found = table.io.list_recursive(&location).await?;
            found.retain(|(path, _)| !path.split('/').any(is_hidden));
            found.sort_by(|a, b| a.0.cmp(&b.0));
            let values = Arc::new(partition.values);
            let file = |(path, status): (String, paimon_core::io::FileStatus)| TableFile {
                location: joined(&location, &path),
                size: status.size,
                partition: values.clone(),
            };
            Ok(found.into_iter().map(file).collect::<Vec<_>>())
        })
        .buffered(LISTINGS)
        .try_concat()
        .await
}

/// A path below a folder.
pub(super) fn joined(folder: &str, path: &str) -> String {
    match path.is_empty() {
        true => folder.to_string(),
        false => format!("{folder}/{path}"),
    }
}
