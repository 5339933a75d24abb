//! Marks of partitions to which no more rows will come. Source: `SuccessFileMarkDoneAction`, `SuccessFile`.

use serde::{Deserialize, Serialize};

use crate::codec::{parse_json, write_json};
use crate::error::{Error, Result};
use crate::read::partition_folder;
use crate::spec::Datum;
use crate::table::Table;

/// Name of the mark in the partition's folder.
const SUCCESS_FILE: &str = "_SUCCESS";
/// What is to happen when a partition is done.
const ACTION: &str = "partition.mark-done-action";
/// Larger marks are none.
const MARK_BYTES_MAX: u64 = 64 << 10;

/// A mark: epoch milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    creation_time: i64,
    modification_time: i64,
}

/// Marks partitions, given by the values of all partition columns, as done: writes the file `_SUCCESS` into the folder of
/// each, or brings its time up to date.
///
/// # Errors
/// `InvalidInput` when a partition column has no value; `Unsupported` when the table asks for another action than
/// `success-file`; `Io` when the store fails.
pub async fn mark_partitions_done(
    table: &Table,
    partitions: &[Vec<(String, Option<Datum>)>],
    now_ms: i64,
) -> Result<()> {
    let actions = table.options().get(ACTION).unwrap_or("success-file");
    let other = actions
        .split(',')
        .map(str::trim)
        .find(|action| *action != "success-file");
    if let Some(action) = other {
        let message = format!("action {action:?} for partitions that are done is not supported");
        return Err(Error::unsupported(message).with("option", ACTION));
    }
    let folders = partitions.iter().map(|values| folder(table, values));
    for folder in folders.collect::<Result<Vec<_>>>()? {
        mark(table, &folder, now_ms).await?;
    }
    Ok(())
}

fn folder(table: &Table, values: &[(String, Option<Datum>)]) -> Result<String> {
    let fields = table.schema().partition_fields();
    let value_of = |name: &str| values.iter().find(|(key, _)| key == name);
    let values = fields
        .iter()
        .map(|field| match value_of(&field.name) {
            Some((_, value)) => Ok(value.clone()),
            None => Err(Error::invalid(
                "a partition that is done needs the values of all partition columns",
            )
            .with("column", &field.name)),
        })
        .collect::<Result<Vec<_>>>()?;
    if values.is_empty() {
        return Err(Error::invalid("the table is not partitioned"));
    }
    let folder = partition_folder(table, &values);
    Ok(format!("{}/{folder}", table.location()))
}

async fn mark(table: &Table, folder: &str, now_ms: i64) -> Result<()> {
    let location = format!("{folder}/{SUCCESS_FILE}");
    let known = table.io().read_optional(&location, MARK_BYTES_MAX).await?;
    let known: Option<Mark> = match known {
        Some(bytes) => Some(parse_json(&bytes, "mark").map_err(|e| e.with("path", &location))?),
        None => None,
    };
    let mark = Mark {
        creation_time: known.map_or(now_ms, |mark| mark.creation_time),
        modification_time: now_ms,
    };
    table
        .io()
        .overwrite(&location, write_json(&mark)?.into())
        .await
}
