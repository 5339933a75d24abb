//! Progress of streaming readers. Source: `ConsumerManager`.

use crate::codec::parse_json;
use crate::error::{Error, Result};
use crate::io::checked_name;
use crate::snapshot::{JSON_SIZE_MAX, list_consumers};
use crate::spec::Consumer;
use crate::table::Table;

/// Sets the first snapshot that a consumer has not read; `None` forgets the consumer.
///
/// # Errors
/// `InvalidInput` for a name that is no plain path component or a snapshot id below 1.
pub async fn reset_consumer(table: &Table, id: &str, next_snapshot: Option<i64>) -> Result<()> {
    let Some(next_snapshot) = next_snapshot else {
        return table.io().discard(&path_of(table, id)?).await;
    };
    if next_snapshot < 1 {
        return Err(Error::invalid(format!(
            "snapshot ids begin with 1, found {next_snapshot}"
        )));
    }
    let set = Consumer {
        next_snapshot,
        last_snapshot: None,
    };
    write_consumer(table, id, &set).await
}

/// Keeps a consumer's progress.
///
/// # Errors
/// `InvalidInput` for a name that is no plain path component, `Io` when the store fails.
pub(crate) async fn write_consumer(table: &Table, id: &str, consumer: &Consumer) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(consumer)
        .map_err(|e| Error::internal("a consumer is no JSON").with_source(e))?;
    let path = path_of(table, id)?;
    table.io().overwrite(&path, bytes.into()).await
}

/// Forgets the consumers that `forget` accepts. Returns their ids.
///
/// # Errors
/// `Damaged` for a broken consumer file.
pub async fn clear_consumers(table: &Table, forget: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let consumers = list_consumers(table.io(), &table.metadata_root()?).await?;
    let ids: Vec<String> = consumers
        .into_iter()
        .map(|(id, _)| id)
        .filter(|id| forget(id))
        .collect();
    for id in &ids {
        table.io().discard(&path_of(table, id)?).await?;
    }
    Ok(ids)
}

/// Forgets the consumers whose file was last written before `older_than_ms`, epoch milliseconds. Returns their ids.
///
/// # Errors
/// `Io` when the store fails.
pub async fn expire_consumers(table: &Table, older_than_ms: i64) -> Result<Vec<String>> {
    let folder = format!("{}/consumer", table.metadata_root()?);
    let mut gone = Vec::new();
    for file in table.io().list_files(&folder).await? {
        if let Some(id) = file.name.strip_prefix("consumer-")
            && file.modified_ms < older_than_ms
        {
            table
                .io()
                .discard(&format!("{folder}/{}", file.name))
                .await?;
            gone.push(id.to_string());
        }
    }
    gone.sort();
    Ok(gone)
}

/// One consumer; `None` when it has no progress.
///
/// # Errors
/// `Damaged` for a broken consumer file.
pub(crate) async fn read_consumer(table: &Table, id: &str) -> Result<Option<Consumer>> {
    let path = path_of(table, id)?;
    let Some(bytes) = table.io().read_optional(&path, JSON_SIZE_MAX).await? else {
        return Ok(None);
    };
    let consumer = parse_json(&bytes, "consumer").map_err(|e| e.with_default("path", &path))?;
    Ok(Some(consumer))
}

/// Whether an id can name a consumer's file.
///
/// # Errors
/// `InvalidInput` for a name that is no plain path component.
pub(crate) fn check_consumer_id(id: &str) -> Result<()> {
    checked_name(id).map(|_| ()).map_err(|_| {
        Error::invalid(format!(
            "a consumer id must be one plain path component, found {id:?}"
        ))
    })
}

fn path_of(table: &Table, id: &str) -> Result<String> {
    check_consumer_id(id)?;
    Ok(format!("{}/consumer/consumer-{id}", table.metadata_root()?))
}
