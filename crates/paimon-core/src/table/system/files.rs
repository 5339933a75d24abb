//! `$files`, `$file_key_ranges`, `$manifests`, `$partitions`, `$buckets`.

use indexmap::IndexMap;

use super::rows::{Cell, Rows, boolean, int, long, opt_long, opt_text, text, time};
use crate::error::Result;
use crate::format::format_of;
use crate::manifest::{DeletionFiles, partition_values, read_index_manifest, read_manifest_list};
use crate::read::{FileStats, Partition, bucket_path, data_file_path};
use crate::spec::{
    BinaryRow, DataField, Datum, FileKind, FileSource, ManifestEntry, POSTPONE_BUCKET, SimpleStats,
    TableSchema, datum_to_legacy_text, datum_to_text, partition_value_text,
};
use crate::table::Table;

/// Live entries of the current snapshot, with their deletion vectors.
async fn live(table: &Table) -> Result<(Vec<ManifestEntry>, DeletionFiles)> {
    let Some(snapshot) = table.current_snapshot().await? else {
        return Ok((Vec::new(), DeletionFiles::default()));
    };
    let scan = table.manifest_scan();
    let (entries, _) = scan.live_files(&snapshot).await?;
    let index = read_index_manifest(
        table.io(),
        table.location(),
        snapshot.index_manifest.as_deref(),
    )
    .await?;
    Ok((
        entries,
        DeletionFiles::from_entries(table.location(), &index)?,
    ))
}

/// Every entry that a snapshot's manifests hold, ADD and DELETE, and its deletion vectors.
async fn recorded(table: &Table) -> Result<(Vec<ManifestEntry>, DeletionFiles)> {
    let Some(snapshot) = table.current_snapshot().await? else {
        return Ok((Vec::new(), DeletionFiles::default()));
    };
    let mut manifests = Vec::new();
    for list in [&snapshot.base_manifest_list, &snapshot.delta_manifest_list] {
        manifests.extend(read_manifest_list(table.io(), table.location(), list).await?);
    }
    let entries = table.manifest_scan().entries(&manifests).await?;
    let name = snapshot.index_manifest.as_deref();
    let index = read_index_manifest(table.io(), table.location(), name).await?;
    Ok((
        entries,
        DeletionFiles::from_entries(table.location(), &index)?,
    ))
}

/// `{v1, v2}`.
pub(super) fn partition_text(partition: &bytes::Bytes, fields: &[DataField]) -> Result<String> {
    let values = partition_values(partition, fields)?;
    Ok(format!("{{{}}}", join_values(&values, fields)))
}

/// `v1, v2` as the internal values print in Java.
fn join_legacy(values: &[Option<Datum>]) -> String {
    let texts = values.iter().map(|value| match value {
        Some(value) => datum_to_legacy_text(value),
        None => "null".to_string(),
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn join_values(values: &[Option<Datum>], fields: &[DataField]) -> String {
    let texts = values.iter().zip(fields).map(|(value, field)| match value {
        Some(value) => datum_to_text(value, &field.data_type),
        None => "null".to_string(),
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn row_values(bytes: &bytes::Bytes, fields: &[DataField]) -> Result<Vec<Option<Datum>>> {
    let row = BinaryRow::from_serialized(bytes, "row")?;
    (0..fields.len().min(row.arity()))
        .map(|i| row.get(i, &fields[i].data_type))
        .collect()
}

pub(super) async fn files(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("partition", "STRING"),
        ("bucket", "INT NOT NULL"),
        ("file_path", "STRING NOT NULL"),
        ("file_format", "STRING NOT NULL"),
        ("schema_id", "BIGINT NOT NULL"),
        ("level", "INT NOT NULL"),
        ("record_count", "BIGINT NOT NULL"),
        ("file_size_in_bytes", "BIGINT NOT NULL"),
        ("min_key", "STRING"),
        ("max_key", "STRING"),
        ("null_value_counts", "STRING NOT NULL"),
        ("min_value_stats", "STRING NOT NULL"),
        ("max_value_stats", "STRING NOT NULL"),
        ("min_sequence_number", "BIGINT"),
        ("max_sequence_number", "BIGINT"),
        ("creation_time", "TIMESTAMP(3)"),
        ("deleteRowCount", "BIGINT"),
        ("file_source", "STRING"),
        ("first_row_id", "BIGINT"),
        ("write_cols", "ARRAY<STRING>"),
    ])?;
    let (mut entries, _) = live(table).await?;
    // files that wait in the postpone bucket are not shown, as in Java
    entries.retain(|e| e.bucket != POSTPONE_BUCKET);
    let partition_fields = table.schema().partition_fields();
    for entry in entries {
        let file = &entry.file;
        // schema files are kept by their manager once loaded
        let file_schema = table.schemas().schema(file.schema_id).await?;
        let path = path_text(table, &entry, &partition_fields)?;
        let stats = StatsTexts::of(&entry, &file_schema, table.schema());
        rows.push(vec![
            text(partition_text(&entry.partition, &partition_fields)?),
            int(entry.bucket),
            text(path),
            text(format_of(&file.file_name)),
            long(file.schema_id),
            int(file.level),
            long(file.row_count),
            long(file.file_size),
            opt_text(key_text(&file.min_key, &file_schema)?),
            opt_text(key_text(&file.max_key, &file_schema)?),
            text(stats.null_counts),
            text(stats.min),
            text(stats.max),
            opt_long(Some(file.min_sequence_number)),
            opt_long(Some(file.max_sequence_number)),
            time(file.creation_time),
            opt_long(file.delete_row_count),
            opt_text(file.file_source.map(|s| match s {
                FileSource::Append => "APPEND",
                FileSource::Compact => "COMPACT",
            })),
            opt_long(file.first_row_id),
            Cell::Texts(file.write_cols.clone()),
        ]);
    }
    Ok(rows)
}

pub(super) async fn key_ranges(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("partition", "STRING"),
        ("bucket", "INT NOT NULL"),
        ("file_path", "STRING NOT NULL"),
        ("file_format", "STRING NOT NULL"),
        ("schema_id", "BIGINT NOT NULL"),
        ("level", "INT NOT NULL"),
        ("record_count", "BIGINT NOT NULL"),
        ("file_size_in_bytes", "BIGINT NOT NULL"),
        ("min_key", "STRING"),
        ("max_key", "STRING"),
        ("first_row_id", "BIGINT"),
    ])?;
    let (mut entries, _) = live(table).await?;
    // as in `$files`
    entries.retain(|e| e.bucket != POSTPONE_BUCKET);
    let partition_fields = table.schema().partition_fields();
    for entry in entries {
        let file = &entry.file;
        let file_schema = table.schemas().schema(file.schema_id).await?;
        rows.push(vec![
            text(partition_text(&entry.partition, &partition_fields)?),
            int(entry.bucket),
            text(path_text(table, &entry, &partition_fields)?),
            text(format_of(&file.file_name)),
            long(file.schema_id),
            int(file.level),
            long(file.row_count),
            long(file.file_size),
            opt_text(key_text(&file.min_key, &file_schema)?),
            opt_text(key_text(&file.max_key, &file_schema)?),
            opt_long(file.first_row_id),
        ]);
    }
    Ok(rows)
}

/// Location of a data file.
fn path_text(table: &Table, entry: &ManifestEntry, fields: &[DataField]) -> Result<String> {
    let partition = Partition {
        bytes: entry.partition.clone(),
        values: partition_values(&entry.partition, fields)?,
    };
    data_file_path(&bucket_path(table, &partition, entry.bucket)?, &entry.file)
}

/// `[k1, k2]`; nothing in append tables.
fn key_text(bytes: &bytes::Bytes, schema: &TableSchema) -> Result<Option<String>> {
    let fields = schema.key_fields();
    if fields.is_empty() {
        return Ok(None);
    }
    let values = row_values(bytes, &fields)?;
    Ok(Some(format!("[{}]", join_legacy(&values))))
}

/// `{column=value, ...}` of a file's statistics.
struct StatsTexts {
    null_counts: String,
    min: String,
    max: String,
}

impl StatsTexts {
    fn of(entry: &ManifestEntry, file_schema: &TableSchema, schema: &TableSchema) -> Self {
        let mut parts: [Vec<String>; 3] = Default::default();
        let of_file = FileStats::new(&entry.file, file_schema);
        let mut fields: Vec<&DataField> = schema.fields.iter().collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        for field in fields {
            let stats = of_file.stored_column(field).unwrap_or_default();
            let value = |datum: &Option<Datum>| match datum {
                Some(datum) => datum_to_legacy_text(datum),
                None => "null".to_string(),
            };
            let nulls = stats
                .null_count
                .map_or("null".to_string(), |n| n.to_string());
            for (part, text) in parts
                .iter_mut()
                .zip([nulls, value(&stats.min), value(&stats.max)])
            {
                part.push(format!("{}={text}", field.name));
            }
        }
        let [nulls, min, max] = parts.map(|p| format!("{{{}}}", p.join(", ")));
        Self {
            null_counts: nulls,
            min,
            max,
        }
    }
}

pub(super) async fn manifests(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("file_name", "STRING NOT NULL"),
        ("file_size", "BIGINT NOT NULL"),
        ("num_added_files", "BIGINT NOT NULL"),
        ("num_deleted_files", "BIGINT NOT NULL"),
        ("schema_id", "BIGINT NOT NULL"),
        ("min_partition_stats", "STRING"),
        ("max_partition_stats", "STRING"),
        ("min_row_id", "BIGINT"),
        ("max_row_id", "BIGINT"),
    ])?;
    let Some(snapshot) = table.current_snapshot().await? else {
        return Ok(rows);
    };
    let fields = table.schema().partition_fields();
    let bounds = |stats: &SimpleStats| -> Result<(String, String)> {
        let of = |bytes| Ok::<_, crate::Error>(join_values(&row_values(bytes, &fields)?, &fields));
        Ok((
            format!("{{{}}}", of(&stats.min_values)?),
            format!("{{{}}}", of(&stats.max_values)?),
        ))
    };
    let changelog = snapshot.changelog_manifest_list.as_ref();
    let lists = [&snapshot.base_manifest_list, &snapshot.delta_manifest_list];
    for list in lists.into_iter().chain(changelog) {
        for m in read_manifest_list(table.io(), table.location(), list).await? {
            let (min, max) = bounds(&m.partition_stats)?;
            rows.push(vec![
                text(m.file_name),
                long(m.file_size),
                long(m.num_added_files),
                long(m.num_deleted_files),
                long(m.schema_id),
                text(min),
                text(max),
                opt_long(m.min_row_id),
                opt_long(m.max_row_id),
            ]);
        }
    }
    Ok(rows)
}

/// Sums over files. What was taken away is subtracted, but its time counts: it tells when something changed.
#[derive(Default)]
struct Totals {
    records: i64,
    size: i64,
    files: i64,
    updated: Option<i64>,
    total_buckets: i32,
    deleted: i64,
}

impl Totals {
    fn add(&mut self, entry: &ManifestEntry, deleted: Option<i64>) {
        let sign = match entry.kind {
            FileKind::Add => 1,
            FileKind::Delete => -1,
        };
        self.records += sign * entry.file.row_count;
        self.size += sign * entry.file.file_size;
        self.files += sign;
        self.updated = self.updated.max(entry.file.creation_time);
        self.total_buckets = entry.total_buckets;
        self.deleted += sign * deleted.unwrap_or(0);
    }
}

/// `k1=v1/k2=v2`, the values cast to strings; a blank one shows as a missing one, whose folder it shares.
fn partition_name(values: &[Option<Datum>], fields: &[DataField], null: &str) -> String {
    let parts = values.iter().zip(fields).map(|(value, field)| {
        let text = partition_value_text(value.as_ref(), &field.data_type, null, false);
        format!("{}={text}", field.name)
    });
    parts.collect::<Vec<_>>().join("/")
}

pub(super) async fn partitions(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("partition", "STRING"),
        ("record_count", "BIGINT NOT NULL"),
        ("file_size_in_bytes", "BIGINT NOT NULL"),
        ("file_count", "BIGINT NOT NULL"),
        ("last_update_time", "TIMESTAMP(3)"),
        ("created_at", "TIMESTAMP(3)"),
        ("created_by", "STRING"),
        ("updated_by", "STRING"),
        ("options", "STRING"),
        ("total_buckets", "INT NOT NULL"),
        ("done", "BOOLEAN NOT NULL"),
        ("deleted_record_count", "BIGINT"),
    ])?;
    let (entries, deletions) = recorded(table).await?;
    let fields = table.schema().partition_fields();
    let options = table.options();
    let mut totals: IndexMap<bytes::Bytes, (String, Totals)> = IndexMap::new();
    for entry in &entries {
        // postponed rows are no part of the table yet
        if entry.bucket == POSTPONE_BUCKET {
            continue;
        }
        let values = partition_values(&entry.partition, &fields)?;
        let name = partition_name(&values, &fields, &options.partition_default_name);
        let deleted = deletions
            .get(&entry.partition, entry.bucket, &entry.file.file_name)
            .and_then(|d| d.meta.cardinality);
        totals
            .entry(entry.partition.clone())
            .or_insert_with(|| (name, Totals::default()))
            .1
            .add(entry, deleted);
    }
    for (name, t) in totals.into_values().filter(|(_, t)| t.files > 0) {
        rows.push(vec![
            text(name),
            long(t.records),
            long(t.size),
            long(t.files),
            time(t.updated),
            time(None),
            opt_text(None::<String>),
            opt_text(None::<String>),
            opt_text(None::<String>),
            int(t.total_buckets),
            boolean(false),
            long(t.deleted),
        ]);
    }
    Ok(rows)
}

pub(super) async fn buckets(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("partition", "STRING"),
        ("bucket", "INT NOT NULL"),
        ("record_count", "BIGINT NOT NULL"),
        ("file_size_in_bytes", "BIGINT NOT NULL"),
        ("file_count", "BIGINT NOT NULL"),
        ("last_update_time", "TIMESTAMP(3)"),
    ])?;
    let (entries, _) = recorded(table).await?;
    let fields = table.schema().partition_fields();
    let mut totals: IndexMap<(bytes::Bytes, i32), (String, Totals)> = IndexMap::new();
    for entry in &entries {
        let name = partition_text(&entry.partition, &fields)?;
        totals
            .entry((entry.partition.clone(), entry.bucket))
            .or_insert_with(|| (name, Totals::default()))
            .1
            .add(entry, None);
    }
    for ((_, bucket), (name, t)) in totals.into_iter().filter(|(_, (_, t))| t.files > 0) {
        rows.push(vec![
            text(name),
            int(bucket),
            long(t.records),
            long(t.size),
            long(t.files),
            time(t.updated),
        ]);
    }
    Ok(rows)
}
