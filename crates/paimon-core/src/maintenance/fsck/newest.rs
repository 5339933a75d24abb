//! I2 (row counts), I4 and I5: the files of the newest snapshot.

use super::{Check, Finding, scan};
use crate::commit::overlapping_files;
use crate::deletionvectors::{decode_deletion_vector, read_range_of};
use crate::error::Result;
use crate::format::parquet::read_metadata;
use crate::manifest::{index_file_path, partition_values, read_index_manifest};
use crate::read::{Partition, bucket_path, data_file_path};
use crate::spec::{IndexManifestEntry, ManifestEntry, Snapshot};
use crate::table::Table;

/// Checks the live files of a snapshot.
pub(super) async fn check(check: &Check, table: &Table, snapshot: &Snapshot) -> Result<()> {
    // a manifest that cannot be read is known already
    let Ok((live, _)) = scan(table).live_files(snapshot).await else {
        return Ok(());
    };
    let keys = table.schema().key_fields();
    if !keys.is_empty() {
        match overlapping_files(&live, &keys) {
            Ok(pairs) => {
                for (a, b) in pairs {
                    let message = format!(
                        "{} and {} of bucket {} overlap on level {}",
                        a.file.file_name, b.file.file_name, a.bucket, a.file.level
                    );
                    check.found(Finding::new("I4", message).in_snapshot(snapshot.id));
                }
            }
            Err(error) => check.found(Finding::of("I4", &error, Some(snapshot.id))),
        }
    }
    for entry in &live {
        row_count(check, table, entry).await?;
    }
    let index = snapshot.index_manifest.as_deref();
    if let Ok(entries) = read_index_manifest(table.io(), table.location(), index).await {
        for entry in entries.iter().filter(|e| e.dv_ranges.is_some()) {
            vectors(check, table, entry, &live).await?;
        }
    }
    Ok(())
}

fn path_of(table: &Table, entry: &ManifestEntry) -> Result<String> {
    let partition = Partition {
        bytes: entry.partition.clone(),
        values: partition_values(&entry.partition, &table.schema().partition_fields())?,
    };
    data_file_path(&bucket_path(table, &partition, entry.bucket)?, &entry.file)
}

async fn row_count(check: &Check, table: &Table, entry: &ManifestEntry) -> Result<()> {
    let path = path_of(table, entry)?;
    if !path.ends_with(".parquet") {
        return Ok(());
    }
    let size = u64::try_from(entry.file.file_size).unwrap_or(0);
    match read_metadata(&table.io().input(&path, size)?).await {
        Ok(metadata) => {
            let rows = metadata.file_metadata().num_rows();
            if rows != entry.file.row_count {
                let message = format!(
                    "file has {rows} rows, its manifest entry says {}",
                    entry.file.row_count
                );
                check.found(Finding::new("I2", message).at(path));
            }
        }
        Err(error) => check.found(Finding::of("I2", &error, None).at(path)),
    }
    Ok(())
}

async fn vectors(
    check: &Check,
    table: &Table,
    entry: &IndexManifestEntry,
    live: &[ManifestEntry],
) -> Result<()> {
    let path = index_file_path(table.location(), entry)?;
    let size = u64::try_from(entry.file_size).unwrap_or(0);
    let input = table.io().input(&path, size)?;
    for meta in entry.dv_ranges.iter().flatten() {
        let owner = live.iter().find(|e| {
            e.partition == entry.partition
                && e.bucket == entry.bucket
                && e.file.file_name == meta.data_file_name
        });
        let Some(owner) = owner else {
            let message = format!(
                "a deletion vector belongs to {}, which is not live",
                meta.data_file_name
            );
            check.found(Finding::new("I5", message).at(&path));
            continue;
        };
        let read = async {
            let bytes = input.read_range(read_range_of(meta, size)?).await?;
            let vector = decode_deletion_vector(&bytes, meta, &path)?;
            vector.check_row_count(u64::try_from(owner.file.row_count).unwrap_or(0))?;
            Ok::<_, crate::Error>(vector.cardinality())
        };
        match read.await {
            Ok(found) => {
                let recorded = meta.cardinality.and_then(|c| u64::try_from(c).ok());
                if let Some(recorded) = recorded.filter(|r| *r != found) {
                    let message = format!(
                        "the deletion vector of {} has {found} rows, {recorded} are recorded",
                        meta.data_file_name
                    );
                    check.found(Finding::new("I5", message).at(&path));
                }
            }
            Err(error) => check.found(Finding::of("I5", &error, None).at(&path)),
        }
    }
    Ok(())
}
