//! Writing manifests, manifest lists and index manifests.
//!
//! Source: `ManifestFile`, `ManifestList`, `IndexManifestFile`.

use std::cmp::Ordering;

use bytes::Bytes;
use uuid::Uuid;

use crate::codec::{encode_index_manifest, encode_manifest, encode_manifest_list};
use crate::commit::options::CommitOptions;
use crate::error::Result;
use crate::io::FileIo;
use crate::manifest::partition_values;
use crate::spec::{
    BinaryRowWriter, DataField, Datum, FileKind, IndexManifestEntry, ManifestEntry,
    ManifestFileMeta, SimpleStats,
};
use crate::write::encode_hashes;

/// Writes metadata files of one attempt and remembers them.
pub(in crate::commit) struct ManifestFiles<'a> {
    io: &'a FileIo,
    table: &'a str,
    partition_fields: &'a [DataField],
    options: &'a CommitOptions,
    schema_id: i64,
    uuid: Uuid,
    manifests: u32,
    lists: u32,
    hash_indexes: u32,
    written: Vec<String>,
}

/// A written file: its name and its bytes.
pub(in crate::commit) type NamedSize = (String, i64);

impl<'a> ManifestFiles<'a> {
    /// Files named after `uuid`, which nobody else uses.
    pub(in crate::commit) fn new(
        io: &'a FileIo,
        table: &'a str,
        partition_fields: &'a [DataField],
        options: &'a CommitOptions,
        schema_id: i64,
        uuid: Uuid,
    ) -> Self {
        Self {
            io,
            table,
            partition_fields,
            options,
            schema_id,
            uuid,
            manifests: 0,
            lists: 0,
            hash_indexes: 0,
            written: Vec::new(),
        }
    }

    /// Files of one attempt, named after a `uuid` of their own.
    pub(in crate::commit) fn of_attempt(&self, uuid: Uuid) -> Self {
        Self {
            uuid,
            manifests: 0,
            lists: 0,
            hash_indexes: 0,
            written: Vec::new(),
            ..*self
        }
    }

    /// Removes what was written; for attempts that certainly published nothing.
    pub(in crate::commit) async fn discard(mut self) {
        self.discard_written().await;
    }

    /// As [`Self::discard`].
    pub(in crate::commit) async fn discard_written(&mut self) {
        for location in std::mem::take(&mut self.written) {
            if let Err(error) = self.io.discard(&location).await {
                tracing::warn!(path = location, %error, "a file of a failed commit stays behind");
            }
        }
    }

    /// Removes written files of these names, as [`Self::discard`].
    pub(in crate::commit) async fn discard_named(&mut self, names: &[&str]) {
        let named = |location: &String| names.iter().any(|n| location.ends_with(&format!("/{n}")));
        let (gone, kept) = std::mem::take(&mut self.written)
            .into_iter()
            .partition(named);
        self.written = kept;
        let mut files = self.of_attempt(self.uuid);
        files.written = gone;
        files.discard().await;
    }

    /// Writes entries to manifests of about the target size.
    pub(in crate::commit) async fn entries(
        &mut self,
        entries: &[ManifestEntry],
    ) -> Result<Vec<ManifestFileMeta>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let all = encode_manifest(entries, self.options.codec)?;
        let parts = (all.len() as u64)
            .div_ceil(self.options.manifest_target_size.max(1))
            .clamp(1, entries.len() as u64);
        let chunk = entries
            .len()
            .div_ceil(usize::try_from(parts).unwrap_or(usize::MAX));
        if chunk == entries.len() {
            return Ok(vec![self.manifest(entries, all).await?]);
        }
        let mut metas = Vec::new();
        for part in entries.chunks(chunk) {
            let bytes = encode_manifest(part, self.options.codec)?;
            metas.push(self.manifest(part, bytes).await?);
        }
        Ok(metas)
    }

    async fn manifest(
        &mut self,
        entries: &[ManifestEntry],
        bytes: Vec<u8>,
    ) -> Result<ManifestFileMeta> {
        let name = format!("manifest-{}-{}", self.uuid, self.manifests);
        self.manifests += 1;
        let size = self.write(&name, bytes).await?;
        describe(name, size, entries, self.partition_fields, self.schema_id)
    }

    /// Writes a manifest list.
    pub(in crate::commit) async fn list(
        &mut self,
        metas: &[ManifestFileMeta],
    ) -> Result<NamedSize> {
        let bytes = encode_manifest_list(metas, self.options.codec)?;
        let name = format!("manifest-list-{}-{}", self.uuid, self.lists);
        self.lists += 1;
        let size = self.write(&name, bytes).await?;
        Ok((name, size))
    }

    /// Writes the index manifest.
    pub(in crate::commit) async fn index(
        &mut self,
        entries: &[IndexManifestEntry],
    ) -> Result<String> {
        let bytes = encode_index_manifest(entries, self.options.codec)?;
        let name = format!("index-manifest-{}-0", self.uuid);
        self.write(&name, bytes).await?;
        Ok(name)
    }

    /// Writes the HASH index file of a bucket.
    pub(in crate::commit) async fn hashes(&mut self, hashes: &[i32]) -> Result<NamedSize> {
        let name = format!("index-{}-{}", self.uuid, self.hash_indexes);
        self.hash_indexes += 1;
        let size = self.write_to("index", &name, encode_hashes(hashes)).await?;
        Ok((name, size))
    }

    async fn write(&mut self, name: &str, bytes: Vec<u8>) -> Result<i64> {
        self.write_to("manifest", name, bytes.into()).await
    }

    async fn write_to(&mut self, folder: &str, name: &str, bytes: Bytes) -> Result<i64> {
        let location = format!("{}/{folder}/{name}", self.table);
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        self.written.push(location.clone());
        self.io.overwrite(&location, bytes).await?;
        Ok(size)
    }
}

/// What a manifest list says of a manifest.
fn describe(
    file_name: String,
    file_size: i64,
    entries: &[ManifestEntry],
    partition_fields: &[DataField],
    schema_id: i64,
) -> Result<ManifestFileMeta> {
    let count = |kind: FileKind| {
        let found = entries.iter().filter(|e| e.kind == kind).count();
        i64::try_from(found).unwrap_or(i64::MAX)
    };
    let ids = || {
        entries.iter().map(|e| {
            let first = e.file.first_row_id?;
            Some((first, first + e.file.row_count - 1))
        })
    };
    let row_ids: Option<Vec<(i64, i64)>> = ids().collect();
    let row_ids = row_ids.unwrap_or_default();
    Ok(ManifestFileMeta {
        file_name,
        file_size,
        num_added_files: count(FileKind::Add),
        num_deleted_files: count(FileKind::Delete),
        partition_stats: partition_stats(entries, partition_fields)?,
        schema_id: entries
            .iter()
            .map(|e| e.file.schema_id)
            .max()
            .unwrap_or(schema_id),
        min_bucket: entries.iter().map(|e| e.bucket).min(),
        max_bucket: entries.iter().map(|e| e.bucket).max(),
        min_level: entries.iter().map(|e| e.file.level).min(),
        max_level: entries.iter().map(|e| e.file.level).max(),
        min_row_id: row_ids.iter().map(|r| r.0).min(),
        max_row_id: row_ids.iter().map(|r| r.1).max(),
    })
}

/// Bounds and null counts of the partition columns over all entries.
fn partition_stats(entries: &[ManifestEntry], fields: &[DataField]) -> Result<SimpleStats> {
    let mut low: Vec<Option<Datum>> = vec![None; fields.len()];
    let mut high: Vec<Option<Datum>> = vec![None; fields.len()];
    let mut nulls = vec![0i64; fields.len()];
    let mut last: Option<(&Bytes, Vec<Option<Datum>>)> = None;
    for entry in entries {
        let values = match &last {
            Some((bytes, values)) if *bytes == &entry.partition => values.clone(),
            _ => partition_values(&entry.partition, fields)?,
        };
        for (i, value) in values.iter().enumerate() {
            match value {
                None => nulls[i] += 1,
                Some(value) => {
                    extend(&mut low[i], value, Ordering::Less);
                    extend(&mut high[i], value, Ordering::Greater);
                }
            }
        }
        last = Some((&entry.partition, values));
    }
    Ok(SimpleStats {
        min_values: row_of(&low, fields),
        max_values: row_of(&high, fields),
        null_counts: Some(nulls.into_iter().map(Some).collect()),
    })
}

fn extend(bound: &mut Option<Datum>, value: &Datum, wanted: Ordering) {
    let beyond = match bound {
        None => true,
        Some(bound) => value.compare(bound) == Some(wanted),
    };
    if beyond {
        *bound = Some(value.clone());
    }
}

fn row_of(values: &[Option<Datum>], fields: &[DataField]) -> Bytes {
    let mut row = BinaryRowWriter::new(fields.len());
    for (value, field) in values.iter().zip(fields) {
        row.push(value.as_ref(), &field.data_type);
    }
    row.finish().to_serialized()
}
