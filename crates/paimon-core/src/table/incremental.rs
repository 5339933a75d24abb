//! Options that ask for the changes of a range of snapshots. Source: `CoreOptions.INCREMENTAL_BETWEEN`,
//! `IncrementalDeltaStartingScanner`.

use std::collections::HashMap;

use super::Table;
use super::changes::ChangesBuilder;
use super::travel::parse_timestamp_ms;
use crate::error::{Error, Result};
use crate::read::ChangeScan;

const BETWEEN: &str = "incremental-between";
const BETWEEN_TIMESTAMP: &str = "incremental-between-timestamp";
const SCAN_MODE: &str = "incremental-between-scan-mode";

impl Table {
    /// The changes that incremental options ask for, of this table with the other options; `None` without incremental
    /// options.
    ///
    /// `incremental-between` = `a,b` takes what came after snapshot a up to b, `incremental-between-timestamp` =
    /// `t1,t2` (epoch milliseconds or `yyyy-MM-dd HH:mm:ss`, UTC) the snapshots committed after t1 and not after t2.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed value, `Unsupported` for ranges between tags and differences of states, else as
    /// [`Self::with_options`].
    pub async fn incremental(
        &self,
        dynamic: &HashMap<String, String>,
    ) -> Result<Option<ChangesBuilder>> {
        let (asked, mut rest): (HashMap<String, String>, HashMap<String, String>) = dynamic
            .clone()
            .into_iter()
            .partition(|(key, _)| key.starts_with("incremental"));
        if asked.is_empty() {
            return Ok(None);
        }
        // the mode that comes with these options
        if rest
            .get("scan.mode")
            .is_some_and(|mode| mode == "incremental")
        {
            rest.remove("scan.mode");
        }
        let table = match rest.is_empty() {
            true => self.clone(),
            false => self.with_options(&rest).await?,
        };
        let named = |e: Error| e.with_default("table", self.name());
        if table.target().snapshot().is_some() {
            return Err(named(Error::invalid(
                "incremental options and time travel exclude each other",
            )));
        }
        let (start, end) = range(&table, &asked).await.map_err(named)?;
        let changes = table.changes_between(start, end);
        Ok(Some(match scan(&asked).map_err(named)? {
            Some(scan) => changes.with_scan(scan),
            None => changes,
        }))
    }
}

async fn range(table: &Table, asked: &HashMap<String, String>) -> Result<(i64, i64)> {
    let known = [BETWEEN, BETWEEN_TIMESTAMP, SCAN_MODE];
    if let Some(key) = asked.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(
            Error::unsupported(format!("option `{key}` is not supported in reads"))
                .with("option", key),
        );
    }
    match (asked.get(BETWEEN), asked.get(BETWEEN_TIMESTAMP)) {
        (Some(between), None) => of_snapshots(between).map_err(|e| e.with("option", BETWEEN)),
        (None, Some(times)) => of_times(table, times)
            .await
            .map_err(|e| e.with("option", BETWEEN_TIMESTAMP)),
        _ => Err(Error::invalid(format!(
            "expected one of the options `{BETWEEN}` and `{BETWEEN_TIMESTAMP}`"
        ))),
    }
}

fn two(text: &str) -> Result<(&str, &str)> {
    let (start, end) = text
        .split_once(',')
        .ok_or_else(|| Error::invalid(format!("expected `start,end`, found {text:?}")))?;
    Ok((start.trim(), end.trim()))
}

fn of_snapshots(text: &str) -> Result<(i64, i64)> {
    let (start, end) = two(text)?;
    match (start.parse(), end.parse()) {
        (Ok(start), Ok(end)) => Ok((start, end)),
        _ => Err(Error::unsupported(format!(
            "changes between tags are not supported: expected two snapshot ids, found {text:?}"
        ))),
    }
}

async fn of_times(table: &Table, text: &str) -> Result<(i64, i64)> {
    let (start, end) = two(text)?;
    let millis = |text: &str| text.parse().or_else(|_| parse_timestamp_ms(text));
    let (start, end) = (millis(start)?, millis(end)?);
    if start > end {
        return Err(Error::invalid(format!(
            "the range {text:?} ends before it starts"
        )));
    }
    let snapshots = table.snapshots();
    let Some(earliest) = snapshots.earliest_id().await? else {
        return Ok((0, 0));
    };
    let at = async |time| -> Result<i64> {
        let found = snapshots.at_or_before(time).await?;
        Ok(found.map_or(earliest - 1, |s| s.id))
    };
    Ok((at(start).await?, at(end).await?))
}

fn scan(asked: &HashMap<String, String>) -> Result<Option<ChangeScan>> {
    let Some(mode) = asked.get(SCAN_MODE) else {
        return Ok(None);
    };
    match mode.to_ascii_lowercase().as_str() {
        "auto" => Ok(None),
        "delta" => Ok(Some(ChangeScan::Delta)),
        "changelog" => Ok(Some(ChangeScan::Changelog)),
        "diff" => Err(Error::unsupported(
            "differences of two states are not supported",
        )),
        _ => Err(Error::invalid(format!(
            "expected auto, delta, changelog or diff, found {mode:?}"
        ))),
    }
    .map_err(|e| e.with("option", SCAN_MODE))
}
