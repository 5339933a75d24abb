//! I2: files that snapshots reach.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use futures::StreamExt;

use super::{Check, Finding};
use crate::error::Result;
use crate::io::is_not_found;
use crate::manifest::{
    index_file_path, live_entries, manifest_path, partition_values, read_index_manifest,
};
use crate::options::ChangelogProducer;
use crate::read::{Partition, bucket_path, data_file_path};
use crate::spec::{FileKind, FileSource, ManifestEntry, Snapshot};
use crate::table::Table;

/// Stores asked for sizes at a time.
const PARALLEL_HEADS: usize = 16;

/// A file and its recorded size, when one is recorded.
pub(in crate::maintenance) type Reached = (String, Option<i64>);

/// Adds every file that a long-lived changelog needs: its changelog files where the table has a changelog producer, else
/// the rows that its delta added.
///
/// With a producer the delta goes with the snapshot, also where it has no changelog. Without one files that a compaction
/// wrote do: they hold no new rows. Java expires so (`SnapshotDeletion`).
pub(in crate::maintenance) async fn reach_changelog(
    check: &Check,
    table: &Table,
    changelog: &Snapshot,
    reached: &mut BTreeSet<Reached>,
) -> Result<()> {
    let id = changelog.id;
    if let Some(name) = &changelog.changelog_manifest_list {
        let size = changelog.changelog_manifest_list_size;
        let mut entries = reach_list(check, table, id, name, size, reached).await?;
        entries.retain(|e| e.kind == FileKind::Add);
        return data_files(table, &entries, reached);
    }
    if table.options().changelog_producer != ChangelogProducer::None {
        return Ok(());
    }
    let (name, size) = (
        &changelog.delta_manifest_list,
        changelog.delta_manifest_list_size,
    );
    let mut entries = reach_list(check, table, id, name, size, reached).await?;
    entries.retain(|e| e.kind == FileKind::Add && e.file.file_source != Some(FileSource::Compact));
    data_files(table, &entries, reached)
}

/// Adds a manifest list and its manifests; returns their entries, none when one cannot be read.
pub(in crate::maintenance) async fn reach_list(
    check: &Check,
    table: &Table,
    snapshot_id: i64,
    name: &str,
    size: Option<i64>,
    reached: &mut BTreeSet<Reached>,
) -> Result<Vec<ManifestEntry>> {
    let location = table.location();
    reached.insert((manifest_path(location, name)?, size));
    let Some(list) = check.list(table, name, snapshot_id).await else {
        return Ok(Vec::new());
    };
    for meta in &list {
        let path = manifest_path(location, &meta.file_name)?;
        reached.insert((path, Some(meta.file_size)));
    }
    let entries = check.entries(table, &list, snapshot_id).await;
    Ok(entries.unwrap_or_default())
}

/// Adds every file that a snapshot or tag needs.
pub(in crate::maintenance) async fn reach(
    check: &Check,
    table: &Table,
    snapshot: &Snapshot,
    reached: &mut BTreeSet<Reached>,
) -> Result<()> {
    let id = snapshot.id;
    let (base, base_size) = (
        &snapshot.base_manifest_list,
        snapshot.base_manifest_list_size,
    );
    let mut live = reach_list(check, table, id, base, base_size, reached).await?;
    let (delta, delta_size) = (
        &snapshot.delta_manifest_list,
        snapshot.delta_manifest_list_size,
    );
    live.extend(reach_list(check, table, id, delta, delta_size, reached).await?);
    if let Some(name) = &snapshot.changelog_manifest_list {
        let size = snapshot.changelog_manifest_list_size;
        let entries = reach_list(check, table, id, name, size, reached).await?;
        data_files(table, &entries, reached)?;
    }
    data_files(table, &live_entries(live), reached)?;
    reach_indexes(check, table, snapshot, reached).await
}

/// Adds index and statistics files of a snapshot.
pub(in crate::maintenance) async fn reach_indexes(
    check: &Check,
    table: &Table,
    snapshot: &Snapshot,
    reached: &mut BTreeSet<Reached>,
) -> Result<()> {
    let location = table.location();
    if let Some(name) = &snapshot.index_manifest {
        reached.insert((manifest_path(location, name)?, None));
    }
    let index = snapshot.index_manifest.as_deref();
    match read_index_manifest(table.io(), location, index).await {
        Ok(entries) => {
            for entry in entries {
                reached.insert((index_file_path(location, &entry)?, Some(entry.file_size)));
            }
        }
        Err(error) => check.found(Finding::of("I2", &error, Some(snapshot.id))),
    }
    if let Some(name) = &snapshot.statistics {
        let name = crate::io::checked_name(name)?;
        reached.insert((format!("{location}/statistics/{name}"), None));
    }
    Ok(())
}

/// Adds data files with the files beside them.
pub(in crate::maintenance) fn data_files(
    table: &Table,
    entries: &[ManifestEntry],
    reached: &mut BTreeSet<Reached>,
) -> Result<()> {
    let fields = table.schema().partition_fields();
    let mut folders: HashMap<(Bytes, i32), String> = HashMap::new();
    for entry in entries {
        let key = (entry.partition.clone(), entry.bucket);
        let folder = match folders.get(&key) {
            Some(folder) => folder.clone(),
            None => {
                let partition = Partition {
                    bytes: entry.partition.clone(),
                    values: partition_values(&entry.partition, &fields)?,
                };
                let folder = bucket_path(table, &partition, entry.bucket)?;
                folders.insert(key, folder.clone());
                folder
            }
        };
        let path = data_file_path(&folder, &entry.file)?;
        let beside = path.rsplit_once('/').map_or("", |(f, _)| f).to_string();
        for extra in &entry.file.extra_files {
            let extra = crate::io::checked_name(extra)?;
            reached.insert((format!("{beside}/{extra}"), None));
        }
        reached.insert((path, Some(entry.file.file_size)));
    }
    Ok(())
}

/// Asks the store for every file.
pub(super) async fn check_sizes(
    check: &Check,
    table: &Table,
    reached: BTreeSet<Reached>,
) -> Result<()> {
    let io = table.io();
    let answers = futures::stream::iter(reached).map(|(path, size)| async move {
        let opened = io.open(&path).await;
        (path, size, opened)
    });
    let mut answers = answers.buffered(PARALLEL_HEADS);
    while let Some((path, size, opened)) = answers.next().await {
        match opened {
            Ok(file) => {
                let found = i64::try_from(file.size()).unwrap_or(i64::MAX);
                if let Some(size) = size.filter(|size| *size != found) {
                    let message = format!("file has {found} bytes, {size} are recorded");
                    check.found(Finding::new("I2", message).at(path));
                }
            }
            Err(error) if is_not_found(&error) => {
                check.found(Finding::new("I2", "file does not exist").at(path));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
