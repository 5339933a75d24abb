//! Schema, manifests, manifest lists and the one snapshot of a table.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use paimon_core::codec::avro::Codec;
use paimon_core::codec::{encode_index_manifest, encode_manifest, encode_manifest_list};
use paimon_core::spec::{
    BinaryRow, DataField, DataFileMeta, FileKind, IndexManifestEntry, ManifestEntry,
    ManifestFileMeta, SimpleStats,
};
use serde_json::{Map, Value, json};

use super::hash::uuid_like;
use crate::Result;

/// Commit and creation time of everything: 2024-06-01 00:00:00.
pub const TIME_MILLIS: i64 = 1_717_200_000_000;

/// Entries of the index manifest.
pub type IndexEntries = Vec<IndexManifestEntry>;

/// A manifest to be written: its entries and the range of their partitions.
pub struct ManifestPart {
    /// Entries, all ADD.
    pub entries: Vec<ManifestEntry>,
    /// Statistics over their partition rows.
    pub partition_stats: SimpleStats,
}

/// The folder of a table under construction.
pub struct TableFolder {
    root: PathBuf,
}

impl TableFolder {
    /// Whether the table at `root` was completed.
    pub fn is_complete(root: &Path) -> bool {
        root.join("snapshot/LATEST").exists()
    }

    /// Makes the folder and its schema file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create(
        root: &Path,
        fields: &[DataField],
        partition_keys: &[&str],
        primary_keys: &[&str],
        options: &[(&str, &str)],
    ) -> Result<Self> {
        for folder in ["schema", "snapshot", "manifest"] {
            fs::create_dir_all(root.join(folder))?;
        }
        let field =
            |f: &DataField| json!({"id": f.id, "name": f.name, "type": f.data_type.to_string()});
        let options: Map<String, Value> = options
            .iter()
            .map(|(k, v)| ((*k).to_string(), json!(v)))
            .collect();
        let schema = json!({
            "version": 3,
            "id": 0,
            "fields": fields.iter().map(field).collect::<Vec<_>>(),
            "highestFieldId": fields.iter().map(|f| f.id).max().unwrap_or(0),
            "partitionKeys": partition_keys,
            "primaryKeys": primary_keys,
            "options": options,
            "timeMillis": TIME_MILLIS,
        });
        fs::write(
            root.join("schema/schema-0"),
            serde_json::to_vec_pretty(&schema)?,
        )?;
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    /// The folder of the table.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a bucket of an unpartitioned table, made if absent.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn bucket(&self, bucket: i32) -> Result<PathBuf> {
        let folder = self.root.join(format!("bucket-{bucket}"));
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Commits files of an unpartitioned table as snapshot 1.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn commit(
        &self,
        files: Vec<(i32, DataFileMeta)>,
        total_buckets: i32,
        index: IndexEntries,
    ) -> Result<()> {
        let partition = BinaryRow::empty().to_serialized();
        let entry = |(bucket, file)| ManifestEntry {
            kind: FileKind::Add,
            partition: partition.clone(),
            bucket,
            total_buckets,
            file: Arc::new(file),
        };
        let entries = files.into_iter().map(entry).collect();
        let partition_stats = empty_stats();
        self.commit_manifests(
            vec![],
            vec![ManifestPart {
                entries,
                partition_stats,
            }],
            index,
        )
    }

    /// Commits manifests as snapshot 1: `base` as if written earlier, `delta` as its own changes.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn commit_manifests(
        &self,
        base: Vec<ManifestPart>,
        delta: Vec<ManifestPart>,
        index: IndexEntries,
    ) -> Result<()> {
        let id = uuid_like(&self.root.file_name().unwrap_or_default().to_string_lossy());
        let rows = |parts: &[ManifestPart]| -> i64 {
            parts
                .iter()
                .flat_map(|p| &p.entries)
                .map(|e| e.file.row_count)
                .sum()
        };
        let (base_rows, delta_rows) = (rows(&base), rows(&delta));
        let first_delta = base.len();
        let base_list = self.write_list(
            &format!("manifest-list-{id}-0"),
            &self.write_manifests(&id, 0, &base)?,
        )?;
        let delta_manifests = self.write_manifests(&id, first_delta, &delta)?;
        let delta_list = self.write_list(&format!("manifest-list-{id}-1"), &delta_manifests)?;
        let mut snapshot = json!({
            "version": 3,
            "id": 1,
            "schemaId": 0,
            "baseManifestList": base_list.0,
            "baseManifestListSize": base_list.1,
            "deltaManifestList": delta_list.0,
            "deltaManifestListSize": delta_list.1,
            "commitUser": "benchmarks",
            "commitIdentifier": i64::MAX,
            "commitKind": "APPEND",
            "timeMillis": TIME_MILLIS,
            "totalRecordCount": base_rows + delta_rows,
            "deltaRecordCount": delta_rows,
        });
        if !index.is_empty() {
            let name = format!("index-manifest-{id}-0");
            fs::write(
                self.manifest(&name),
                encode_index_manifest(&index, Codec::default())?,
            )?;
            snapshot["indexManifest"] = json!(name);
        }
        fs::write(
            self.root.join("snapshot/snapshot-1"),
            serde_json::to_vec_pretty(&snapshot)?,
        )?;
        fs::write(self.root.join("snapshot/EARLIEST"), "1")?;
        fs::write(self.root.join("snapshot/LATEST"), "1")?;
        Ok(())
    }

    fn manifest(&self, name: &str) -> PathBuf {
        self.root.join("manifest").join(name)
    }

    fn write_manifests(
        &self,
        id: &str,
        first: usize,
        parts: &[ManifestPart],
    ) -> Result<Vec<ManifestFileMeta>> {
        let mut metas = Vec::with_capacity(parts.len());
        for (number, part) in (first..).zip(parts) {
            let file_name = format!("manifest-{id}-{number}");
            let bytes = encode_manifest(&part.entries, Codec::default())?;
            fs::write(self.manifest(&file_name), &bytes)?;
            let buckets = part.entries.iter().map(|e| e.bucket);
            let levels = part.entries.iter().map(|e| e.file.level);
            metas.push(ManifestFileMeta {
                file_name,
                file_size: i64::try_from(bytes.len())?,
                num_added_files: i64::try_from(part.entries.len())?,
                num_deleted_files: 0,
                partition_stats: part.partition_stats.clone(),
                schema_id: 0,
                min_bucket: buckets.clone().min(),
                max_bucket: buckets.max(),
                min_level: levels.clone().min(),
                max_level: levels.max(),
                min_row_id: None,
                max_row_id: None,
            });
        }
        Ok(metas)
    }

    fn write_list(&self, name: &str, metas: &[ManifestFileMeta]) -> Result<(String, usize)> {
        let bytes = encode_manifest_list(metas, Codec::default())?;
        fs::write(self.manifest(name), &bytes)?;
        Ok((name.to_string(), bytes.len()))
    }
}

/// Statistics over rows without columns.
pub fn empty_stats() -> SimpleStats {
    let row: Bytes = BinaryRow::empty().to_serialized();
    SimpleStats {
        min_values: row.clone(),
        max_values: row,
        null_counts: Some(vec![]),
    }
}
