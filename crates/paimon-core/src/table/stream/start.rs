//! Where a streaming read starts: `scan.mode` and the options it goes with.
//!
//! Source: `CoreOptions.startupMode`, `SchemaValidation.validateStartupMode`,
//! `AbstractDataTableScan.createStartingScanner`.

use super::super::Table;
use super::super::travel::parse_timestamp_ms;
use super::history::History;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{ChangelogProducer, CoreOptions, POINTS, StreamingOptions, parse_i64};
use crate::snapshot::read_tag;
use crate::spec::{CommitKind, Snapshot};

/// Where a streaming read starts. Times are epoch milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamStart {
    /// The newest state, then what changes.
    LatestFull,
    /// What changes from now on.
    Latest,
    /// The state of the newest compaction, then what changes.
    CompactedFull,
    /// What changes from this snapshot on; from the oldest one if that is later.
    FromSnapshot(i64),
    /// The state at this snapshot (the oldest one if that is later), then what changes.
    FromSnapshotFull(i64),
    /// What changes from the first snapshot on that was committed at this time or later.
    FromTimestamp(i64),
    /// Of the newest state the files created at this time or later, then what changes.
    FromFileCreationTime(i64),
    /// As `FromTimestamp` where older snapshots are left, else as `FromFileCreationTime`.
    FromCreationTimestamp(i64),
}

impl StreamStart {
    /// The start that a table's options name.
    pub(super) async fn new(table: &Table) -> Result<Self> {
        let options = table.options();
        let mode = options.get("scan.mode").unwrap_or("default");
        let given: Vec<_> = POINTS
            .iter()
            .filter_map(|(key, modes)| Some((*key, *modes, options.get(key)?)))
            .collect();
        match (mode, given.as_slice()) {
            (_, [(a, ..), (b, ..), ..]) => Err(Error::invalid(format!(
                "only one point to start from may be given, found `{a}` and `{b}`"
            ))),
            ("default", []) => Ok(Self::LatestFull),
            (mode, [(key, modes, value)]) if mode == "default" || modes.contains(&mode) => {
                let full = mode == "from-snapshot-full";
                let at = Self::from_point(table, key, value, full).await;
                at.map_err(|e| e.with_default("option", key))
            }
            (mode, [(key, ..)]) => Err(Error::invalid(format!(
                "`{key}` does not go with `scan.mode` = {mode}"
            ))
            .with("option", "scan.mode")),
            (mode, []) => {
                Self::without_point(mode).map_err(|e| e.with_default("option", "scan.mode"))
            }
        }
    }

    fn without_point(mode: &str) -> Result<Self> {
        match mode {
            "latest-full" | "full" => Ok(Self::LatestFull),
            "latest" => Ok(Self::Latest),
            "compacted-full" => Ok(Self::CompactedFull),
            "latest-delta" | "incremental" => Err(Error::invalid(format!(
                "`scan.mode` = {mode} is of batch reads, a streaming read cannot start there"
            ))),
            mode if POINTS.iter().any(|(_, modes)| modes.contains(&mode)) => Err(Error::invalid(
                format!("`scan.mode` = {mode} needs the option that names the point in time"),
            )),
            other => Err(Error::invalid(format!("unknown scan mode {other:?}"))),
        }
    }

    async fn from_point(table: &Table, key: &str, value: &str, full: bool) -> Result<Self> {
        let batch_only = |what: &str| {
            Err(Error::invalid(format!(
                "a streaming read cannot start from a {what}"
            )))
        };
        match key {
            "scan.snapshot-id" if full => Ok(Self::FromSnapshotFull(parse_i64(value)?)),
            "scan.snapshot-id" => Ok(Self::FromSnapshot(parse_i64(value)?)),
            "scan.timestamp-millis" => Ok(Self::FromTimestamp(parse_i64(value)?)),
            "scan.timestamp" => Ok(Self::FromTimestamp(parse_timestamp_ms(value)?)),
            "scan.file-creation-time-millis" => Ok(Self::FromFileCreationTime(parse_i64(value)?)),
            "scan.creation-time-millis" => Ok(Self::FromCreationTimestamp(parse_i64(value)?)),
            "scan.tag-name" => batch_only("tag"),
            "scan.watermark" => batch_only("watermark"),
            _ => {
                let root = table.metadata_root()?;
                if read_tag(table.io(), &root, value).await?.is_some() {
                    return batch_only("tag");
                }
                if value.starts_with("watermark-") {
                    return batch_only("watermark");
                }
                if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(Error::new(
                        ErrorKind::NotFound,
                        format!("version {value:?} is neither a tag nor a snapshot id"),
                    ));
                }
                Ok(Self::FromSnapshot(parse_i64(value)?))
            }
        }
    }
}

/// What a start comes to.
#[derive(Debug)]
pub(super) enum Start {
    /// A state to read whole, of files created since a time (milliseconds) where there is one.
    State(Box<Snapshot>, Option<i64>),
    /// The first snapshot whose changes are read.
    Next(i64),
    /// The table has no snapshots yet.
    Nothing,
}

/// Finds the start in the table's history. `was_empty`: the table had no snapshots when the read began.
pub(super) async fn find(
    start: &StreamStart,
    history: &History,
    options: &CoreOptions,
    streaming: &StreamingOptions,
    was_empty: bool,
) -> Result<Start> {
    let snapshots = history.snapshots();
    let from = |next: Option<i64>| next.map_or(Start::Nothing, Start::Next);
    let state = |snapshot: Option<Snapshot>, since| match snapshot {
        Some(snapshot) => Start::State(Box::new(snapshot), since),
        None => Start::Nothing,
    };
    Ok(match start {
        StreamStart::LatestFull => state(snapshots.latest().await?, None),
        // what came to a table that was empty came after the start
        StreamStart::Latest if was_empty => from(snapshots.earliest_id().await?),
        StreamStart::Latest => from(snapshots.latest_id().await?.map(|id| id + 1)),
        StreamStart::CompactedFull => state(compacted(history, options, streaming).await?, None),
        StreamStart::FromSnapshot(id) => from(
            history
                .earliest_id()
                .await?
                .map(|earliest| earliest.max(*id)),
        ),
        StreamStart::FromSnapshotFull(id) => match snapshots.earliest_id().await? {
            Some(earliest) => state(snapshots.try_get(earliest.max(*id)).await?, None),
            None => Start::Nothing,
        },
        StreamStart::FromTimestamp(time) => {
            from(history.last_before(*time).await?.map(|id| id + 1))
        }
        StreamStart::FromFileCreationTime(time) => state(snapshots.latest().await?, Some(*time)),
        StreamStart::FromCreationTimestamp(time) => {
            let earliest = history.earliest_id().await?;
            let next = history.last_before(*time).await?.map(|id| id + 1);
            match (next, earliest) {
                (Some(next), Some(earliest))
                    if next > earliest && history.try_get(next).await?.is_some() =>
                {
                    Start::Next(next)
                }
                _ => state(snapshots.latest().await?, Some(*time)),
            }
        }
    })
}

/// The newest snapshot of a compaction that took everything, as far as the options tell; else the newest.
async fn compacted(
    history: &History,
    options: &CoreOptions,
    streaming: &StreamingOptions,
) -> Result<Option<Snapshot>> {
    let commits = streaming.full_compaction_delta_commits;
    let interval = match options.changelog_producer {
        ChangelogProducer::FullCompaction => Some(commits.unwrap_or(1)),
        _ => commits,
    };
    let is_wanted = |s: &Snapshot| {
        let id = s.commit_identifier;
        s.commit_kind == CommitKind::Compact
            && interval.is_none_or(|commits| id % commits == 0 || id == i64::MAX)
    };
    let all = history.snapshots().all().await?;
    let found = all.iter().rev().find(|s| is_wanted(s)).or(all.last());
    Ok(found.cloned())
}
