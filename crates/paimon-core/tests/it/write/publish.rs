//! Makes tables and snapshots by hand: just enough to read back what a write produced.

use std::path::Path;

use bytes::Bytes;
use paimon_core::codec::avro::Codec;
use paimon_core::codec::{encode_index_manifest, encode_manifest, encode_manifest_list};
use paimon_core::io::FileIo;
use paimon_core::spec::{
    BinaryRow, CommitKind, CommitMessage, DataFileMeta, FileKind, IndexManifestEntry,
    ManifestEntry, ManifestFileMeta, SimpleStats, Snapshot, TableSchema, binary_row,
};
use paimon_core::table::Table;

/// A new table in `folder`.
pub async fn create(folder: &Path, schema: &TableSchema) -> Table {
    let text = serde_json::to_vec_pretty(schema).unwrap();
    put(folder, &format!("schema/schema-{}", schema.id), &text);
    open(folder).await
}

/// The table in `folder`.
pub async fn open(folder: &Path) -> Table {
    let location = folder.to_str().unwrap();
    let io = FileIo::for_location(location).unwrap();
    Table::open(io, location, "t").await.unwrap()
}

/// Publishes messages as the next snapshot: all earlier files stay.
pub async fn publish(folder: &Path, table: &Table, messages: &[CommitMessage]) {
    let before = table.snapshots().latest().await.unwrap();
    let id = before.as_ref().map_or(1, |s| s.id + 1);
    let added = |files: fn(&CommitMessage) -> &[DataFileMeta]| -> Vec<ManifestEntry> {
        let entries = messages.iter().flat_map(|m| {
            files(m).iter().map(|f| ManifestEntry {
                kind: FileKind::Add,
                partition: m.partition.clone(),
                bucket: m.bucket,
                total_buckets: m.total_buckets,
                file: f.clone(),
            })
        });
        entries.collect()
    };
    let delta = added(|m| &m.data.new_files);
    let changelog = added(|m| &m.data.changelog_files);
    let mut base = Vec::new();
    if let Some(before) = &before {
        for list in [&before.base_manifest_list, &before.delta_manifest_list] {
            let metas =
                paimon_core::manifest::read_manifest_list(table.io(), table.location(), list).await;
            base.extend(metas.unwrap());
        }
    }
    let list = |name: String, metas: &[ManifestFileMeta]| {
        let bytes = encode_manifest_list(metas, Codec::default()).unwrap();
        put(folder, &format!("manifest/{name}"), &bytes);
        (name, i64::try_from(bytes.len()).ok())
    };
    let base = list(format!("manifest-list-{id}-0"), &base);
    let entries = manifest(folder, table, &format!("manifest-{id}-0"), &delta);
    let deltas = list(format!("manifest-list-{id}-1"), &entries);
    let changelogs = (!changelog.is_empty()).then(|| {
        let entries = manifest(folder, table, &format!("manifest-{id}-1"), &changelog);
        list(format!("manifest-list-{id}-2"), &entries)
    });
    let rows =
        |entries: &[ManifestEntry]| -> i64 { entries.iter().map(|e| e.file.row_count).sum() };
    let total = before
        .as_ref()
        .and_then(|s| s.total_record_count)
        .unwrap_or(0);
    let snapshot = Snapshot {
        version: Some(3),
        uuid: None,
        id,
        schema_id: table.schema().id,
        base_manifest_list: base.0,
        base_manifest_list_size: base.1,
        delta_manifest_list: deltas.0,
        delta_manifest_list_size: deltas.1,
        changelog_manifest_list: changelogs.as_ref().map(|c| c.0.clone()),
        changelog_manifest_list_size: changelogs.as_ref().and_then(|c| c.1),
        index_manifest: index_manifest(folder, table, before.as_ref(), id, messages).await,
        commit_user: "test".into(),
        writer_version: None,
        commit_identifier: id,
        commit_kind: CommitKind::Append,
        time_millis: 1_700_000_000_000 + id,
        total_record_count: Some(total + rows(&delta)),
        delta_record_count: Some(rows(&delta)),
        changelog_record_count: Some(rows(&changelog)),
        watermark: None,
        statistics: None,
        properties: None,
        next_row_id: None,
        operation: None,
    };
    let json = serde_json::to_vec(&snapshot).unwrap();
    put(folder, &format!("snapshot/snapshot-{id}"), &json);
    put(folder, "snapshot/LATEST", id.to_string().as_bytes());
}

fn manifest(
    folder: &Path,
    table: &Table,
    name: &str,
    entries: &[ManifestEntry],
) -> Vec<ManifestFileMeta> {
    let bytes = encode_manifest(entries, Codec::default()).unwrap();
    put(folder, &format!("manifest/{name}"), &bytes);
    let fields = table.schema().partition_fields();
    let nulls: Vec<_> = fields.iter().map(|f| (None, f.data_type.clone())).collect();
    let unknown = if fields.is_empty() {
        BinaryRow::empty().to_serialized()
    } else {
        binary_row(&nulls).to_serialized()
    };
    vec![ManifestFileMeta {
        file_name: name.into(),
        file_size: i64::try_from(bytes.len()).unwrap(),
        num_added_files: i64::try_from(entries.len()).unwrap(),
        num_deleted_files: 0,
        partition_stats: SimpleStats {
            min_values: unknown.clone(),
            max_values: unknown,
            null_counts: Some(vec![None; fields.len()]),
        },
        schema_id: table.schema().id,
        min_bucket: None,
        max_bucket: None,
        min_level: None,
        max_level: None,
        min_row_id: None,
        max_row_id: None,
    }]
}

/// HASH index files, the newest of each bucket.
async fn index_manifest(
    folder: &Path,
    table: &Table,
    before: Option<&Snapshot>,
    id: i64,
    messages: &[CommitMessage],
) -> Option<String> {
    let old = before.and_then(|s| s.index_manifest.as_deref());
    let mut entries = paimon_core::manifest::read_index_manifest(table.io(), table.location(), old)
        .await
        .unwrap();
    let new: Vec<&IndexManifestEntry> = messages
        .iter()
        .flat_map(|m| &m.data.new_index_files)
        .collect();
    let place = |e: &IndexManifestEntry| -> (Bytes, i32) { (e.partition.clone(), e.bucket) };
    entries.retain(|e| !new.iter().any(|n| place(n) == place(e)));
    entries.extend(new.into_iter().cloned());
    if entries.is_empty() {
        return None;
    }
    let name = format!("index-manifest-{id}");
    let bytes = encode_index_manifest(&entries, Codec::default()).unwrap();
    put(folder, &format!("manifest/{name}"), &bytes);
    Some(name)
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
