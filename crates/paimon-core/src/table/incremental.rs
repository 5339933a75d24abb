//! Options that ask for the changes of a range of snapshots. Source: `CoreOptions.INCREMENTAL_BETWEEN`,
//! `AbstractDataTableScan.createIncrementalStartingScanner`, `IncrementalDeltaStartingScanner`,
//! `IncrementalDiffStartingScanner`.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::Table;
use super::changes::ChangesBuilder;
use super::travel::parse_timestamp_ms;
use crate::error::{Error, Result};
use crate::maintenance::Periods;
use crate::options::{TaggingOptions, check_scan_mode};
use crate::read::ChangeScan;
use crate::snapshot::{TagInfo, list_tags, read_tag};
use crate::spec::Snapshot;

const BETWEEN: &str = "incremental-between";
const BETWEEN_TIMESTAMP: &str = "incremental-between-timestamp";
const TO_AUTO_TAG: &str = "incremental-to-auto-tag";
const SCAN_MODE: &str = "incremental-between-scan-mode";
const TAG_TO_SNAPSHOT: &str = "incremental-between-tag-to-snapshot";

/// `incremental-between-scan-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Auto,
    Files(ChangeScan),
    Diff,
}

impl Table {
    /// The changes that incremental options ask for, of this table with the other options; `None` without incremental
    /// options.
    ///
    /// `incremental-between` = `a,b` takes what came after snapshot a up to b, `incremental-between-timestamp` =
    /// `t1,t2` (epoch milliseconds or `yyyy-MM-dd HH:mm:ss` in the zone of the process) the snapshots committed after t1 and not after t2. With
    /// two tags, or `incremental-between-scan-mode` = `diff`, the two states are compared; so they are with
    /// `incremental-to-auto-tag` = `t`: t and the automatic tag before it.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed value or a state that does not exist, else as [`Self::with_options`].
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
        // the mode that comes with these options, or fits them
        if let Some(mode) = rest.remove("scan.mode") {
            let mut options: IndexMap<String, String> = asked.clone().into_iter().collect();
            options.insert("scan.mode".into(), mode);
            check_scan_mode(&options).map_err(|e| e.with_default("table", self.name()))?;
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
        changes_of(&table, &asked).await.map(Some).map_err(named)
    }
}

async fn changes_of(table: &Table, asked: &HashMap<String, String>) -> Result<ChangesBuilder> {
    let known = [
        BETWEEN,
        BETWEEN_TIMESTAMP,
        TO_AUTO_TAG,
        SCAN_MODE,
        TAG_TO_SNAPSHOT,
    ];
    if let Some(key) = asked.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(
            Error::unsupported(format!("option `{key}` is not supported in reads"))
                .with("option", key),
        );
    }
    let mode = mode(asked)?;
    let given = [BETWEEN, BETWEEN_TIMESTAMP, TO_AUTO_TAG]
        .map(|key| asked.get(key).map(|value| (key, value)))
        .into_iter()
        .flatten();
    match given.collect::<Vec<_>>().as_slice() {
        [(BETWEEN, range)] => {
            let as_snapshots = is_set(asked, TAG_TO_SNAPSHOT)?;
            of_range(table, range, mode, as_snapshots).await
        }
        [(BETWEEN_TIMESTAMP, range)] => of_times(table, range, mode).await,
        [(_, tag)] => to_auto_tag(table, tag).await,
        _ => {
            return Err(Error::invalid(format!(
                "expected one of the options `{BETWEEN}`, `{BETWEEN_TIMESTAMP}` and `{TO_AUTO_TAG}`"
            )));
        }
    }
    .map_err(|e| match asked.get(BETWEEN) {
        Some(_) => e.with_default("option", BETWEEN),
        None => e,
    })
}

fn mode(asked: &HashMap<String, String>) -> Result<Mode> {
    let Some(mode) = asked.get(SCAN_MODE) else {
        return Ok(Mode::Auto);
    };
    match mode.to_ascii_lowercase().as_str() {
        "auto" => Ok(Mode::Auto),
        "delta" => Ok(Mode::Files(ChangeScan::Delta)),
        "changelog" => Ok(Mode::Files(ChangeScan::Changelog)),
        "diff" => Ok(Mode::Diff),
        _ => Err(Error::invalid(format!(
            "expected auto, delta, changelog or diff, found {mode:?}"
        ))
        .with("option", SCAN_MODE)),
    }
}

fn is_set(asked: &HashMap<String, String>, key: &'static str) -> Result<bool> {
    match asked.get(key).map(|v| v.trim().to_ascii_lowercase()) {
        None => Ok(false),
        Some(value) => value.parse().map_err(|_| {
            Error::invalid(format!("expected true or false, found {value:?}")).with("option", key)
        }),
    }
}

fn two(text: &str) -> Result<(&str, &str)> {
    let (start, end) = text
        .split_once(',')
        .ok_or_else(|| Error::invalid(format!("expected `start,end`, found {text:?}")))?;
    Ok((start.trim(), end.trim()))
}

async fn of_range(
    table: &Table,
    text: &str,
    mode: Mode,
    tags_as_snapshots: bool,
) -> Result<ChangesBuilder> {
    let (start, end) = two(text)?;
    if let (Some(start), Some(end)) = (tag(table, start).await?, tag(table, end).await?) {
        if end.id < start.id {
            return Err(Error::invalid(format!(
                "the range of tags {text:?} ends at snapshot {}, before it starts at {}",
                end.id, start.id
            )));
        }
        return Ok(match tags_as_snapshots && mode != Mode::Diff {
            true => of_snapshots(table, start.id, end.id, mode),
            false => table.difference_between(Some(start), end),
        });
    }
    let (Ok(start), Ok(end)) = (start.parse::<i64>(), end.parse::<i64>()) else {
        return Err(Error::invalid(format!(
            "expected two tags or two snapshot ids, found {text:?}"
        )));
    };
    // nothing changed within one snapshot, be it expired
    if mode != Mode::Diff || start == end {
        return Ok(of_snapshots(table, start, end, mode));
    }
    let before = match start {
        0 => None,
        _ => Some(state(table, start).await?),
    };
    Ok(table.difference_between(before, state(table, end).await?))
}

fn of_snapshots(table: &Table, start: i64, end: i64, mode: Mode) -> ChangesBuilder {
    let changes = table.changes_between(start, end);
    match mode {
        Mode::Files(scan) => changes.with_scan(scan),
        Mode::Auto | Mode::Diff => changes,
    }
}

async fn tag(table: &Table, name: &str) -> Result<Option<Snapshot>> {
    let tag = read_tag(table.io(), &table.metadata_root()?, name).await?;
    Ok(tag.map(|t| t.snapshot))
}

async fn state(table: &Table, id: i64) -> Result<Snapshot> {
    let found = table.snapshots().try_get(id).await?;
    found.ok_or_else(|| Error::invalid(format!("snapshot {id} does not exist")))
}

async fn of_times(table: &Table, text: &str, mode: Mode) -> Result<ChangesBuilder> {
    let named = |e: Error| e.with_default("option", BETWEEN_TIMESTAMP);
    let (start, end) = two(text).map_err(named)?;
    let millis = |text: &str| text.parse().or_else(|_| parse_timestamp_ms(text));
    let (start, end) = (millis(start).map_err(named)?, millis(end).map_err(named)?);
    if start > end {
        return Err(named(Error::invalid(format!(
            "the range {text:?} ends before it starts"
        ))));
    }
    let snapshots = table.snapshots();
    let before = snapshots.at_or_before(start).await?;
    let (Some(earliest), Some(after)) = (
        snapshots.earliest_id().await?,
        snapshots.at_or_before(end).await?,
    ) else {
        return Ok(table.changes_between(0, 0));
    };
    if mode != Mode::Diff {
        let start = before.map_or(earliest - 1, |s| s.id);
        return Ok(of_snapshots(table, start, after.id, mode));
    }
    // as Java does, the oldest state is the one to compare with where there is no earlier one
    let before = match before {
        Some(before) => before,
        None => state(table, earliest).await?,
    };
    Ok(table.difference_between(Some(before), after))
}

/// The state of an automatic tag compared with that of the automatic tag before; nothing where one is missing.
async fn to_auto_tag(table: &Table, name: &str) -> Result<ChangesBuilder> {
    let periods = Periods::new(&TaggingOptions::new(table.options())?);
    let Some(period) = periods.start(name) else {
        return Err(Error::invalid(format!(
            "expected a tag that is named as automatic ones are, found {name:?}"
        ))
        .with("option", TO_AUTO_TAG));
    };
    let tags = list_tags(table.io(), &table.metadata_root()?).await?;
    let start = |tag: &TagInfo| periods.start(&tag.name);
    let before = tags
        .iter()
        .filter(|t| start(t).is_some_and(|s| s < period))
        .max_by_key(|t| start(t));
    let end = tags.iter().find(|t| t.name == name);
    Ok(match (before, end) {
        (Some(before), Some(end)) => {
            let before = before.tag.snapshot.clone();
            table.difference_between(Some(before), end.tag.snapshot.clone())
        }
        _ => table.changes_between(0, 0),
    })
}
