//! Records out of their Avro encoding.

use std::sync::Arc;

use bytes::Bytes;

use super::layout;
use super::plan::{Plan, Step};
use crate::codec::avro::{Blocks, Cursor, Header};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{
    DataFileMeta, DeletionVectorMeta, FileKind, FileSource, GlobalIndexMeta, IndexManifestEntry,
    ManifestEntry, ManifestFileMeta, SimpleStats,
};

/// Memory that the records of one file may take.
const MAX_RECORD_BYTES: usize = 256 << 20;
/// Bytes that one file may inflate to, whether its records are kept or not.
const MAX_FILE_BYTES: usize = 2 << 30;

/// Chooses entries of a manifest while they are decoded.
pub trait EntryFilter: Sync {
    /// Whether to keep the entry, asked before its file is decoded; `partition` is the serialised partition row.
    fn keep(&self, kind: FileKind, partition: &Bytes, bucket: i32, total_buckets: i32) -> bool;

    /// Whether to keep an entry that [`Self::keep`] lets pass, now that its file is known.
    fn keep_file(&self, _kind: FileKind, _file: &DataFileMeta) -> bool {
        true
    }
}

/// Decodes a manifest list: one record per manifest, in order.
///
/// # Errors
/// `Damaged` when the bytes break the format, `Unsupported` for an unknown codec, `ResourceExhausted` past the limits.
pub fn decode_manifest_list(bytes: &Bytes) -> Result<Vec<ManifestFileMeta>> {
    let records = decode_file(bytes, &layout::MANIFEST_FILE, |cursor, plan| {
        manifest_file(cursor, plan).map(Some)
    });
    records.map_err(|e| e.with_default("kind", "manifest list"))
}

/// Decodes a manifest: its entries in order, without those that `filter` turns down.
///
/// Partition, keys and statistics share the memory of the inflated blocks.
///
/// # Errors
/// As [`decode_manifest_list`].
pub fn decode_manifest(
    bytes: &Bytes,
    filter: Option<&dyn EntryFilter>,
) -> Result<Vec<ManifestEntry>> {
    let records = decode_file(bytes, &layout::ENTRY, |cursor, plan| {
        entry(cursor, plan, filter)
    });
    records.map_err(|e| e.with_default("kind", "manifest"))
}

/// Decodes an index manifest: its entries in order.
///
/// # Errors
/// As [`decode_manifest_list`].
pub fn decode_index_manifest(bytes: &Bytes) -> Result<Vec<IndexManifestEntry>> {
    let records = decode_file(bytes, &layout::INDEX_ENTRY, |cursor, plan| {
        index_entry(cursor, plan).map(Some)
    });
    records.map_err(|e| e.with_default("kind", "index manifest"))
}

/// All records of a file for which `decode` gives one.
fn decode_file<T>(
    bytes: &Bytes,
    fields: &'static [layout::Field],
    decode: impl Fn(&mut Cursor<'_>, &Plan) -> Result<Option<T>>,
) -> Result<Vec<T>> {
    let header = Header::parse(bytes)?;
    let (record, wrapped) = header.record()?;
    let plan = Plan::compile(fields, record)?;
    let mut records = Vec::new();
    let mut inflated = 0usize;
    let mut kept = 0usize;
    for block in Blocks::new(&header, bytes) {
        let block = block?;
        inflated = inflated.saturating_add(block.data.len());
        check_limit(inflated, MAX_FILE_BYTES)?;
        let before = records.len();
        let mut cursor = Cursor::new(&block.data);
        for _ in 0..block.rows {
            if wrapped && !cursor.non_null()? {
                return Err(Error::damaged("record is null, a value is expected"));
            }
            let Some(record) = decode(&mut cursor, &plan)? else {
                continue;
            };
            records.push(record);
            check_limit(kept + records.len() * size_of::<T>(), MAX_RECORD_BYTES)?;
        }
        check_end(&cursor)?;
        if records.len() > before {
            kept = kept.saturating_add(block.data.len());
        }
    }
    Ok(records)
}

fn check_limit(bytes: usize, limit: usize) -> Result<()> {
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::ResourceExhausted,
        format!("records of one file need more than {limit} bytes of memory"),
    ))
}

fn check_end(cursor: &Cursor<'_>) -> Result<()> {
    if cursor.remaining() == 0 {
        return Ok(());
    }
    Err(Error::damaged(format!(
        "{} bytes are left after the last record of an Avro block",
        cursor.remaining()
    )))
}

fn manifest_file(cursor: &mut Cursor<'_>, plan: &Plan) -> Result<ManifestFileMeta> {
    let mut meta = ManifestFileMeta {
        file_name: String::new(),
        file_size: 0,
        num_added_files: 0,
        num_deleted_files: 0,
        partition_stats: SimpleStats::default(),
        schema_id: 0,
        min_bucket: None,
        max_bucket: None,
        min_level: None,
        max_level: None,
        min_row_id: None,
        max_row_id: None,
    };
    plan.read(cursor, |cursor, field, step| {
        match field {
            0 => version(cursor, 2)?,
            1 => meta.file_name = cursor.string()?.to_string(),
            2 => meta.file_size = natural(cursor, "_FILE_SIZE")?,
            3 => meta.num_added_files = natural(cursor, "_NUM_ADDED_FILES")?,
            4 => meta.num_deleted_files = natural(cursor, "_NUM_DELETED_FILES")?,
            5 => meta.partition_stats = stats(cursor, step.record()?)?,
            6 => meta.schema_id = natural(cursor, "_SCHEMA_ID")?,
            7 => meta.min_bucket = Some(cursor.int()?),
            8 => meta.max_bucket = Some(cursor.int()?),
            9 => meta.min_level = Some(cursor.int()?),
            10 => meta.max_level = Some(cursor.int()?),
            11 => meta.min_row_id = Some(cursor.long()?),
            12 => meta.max_row_id = Some(cursor.long()?),
            _ => step.skip(cursor)?,
        }
        Ok(())
    })?;
    Ok(meta)
}

fn entry(
    cursor: &mut Cursor<'_>,
    plan: &Plan,
    filter: Option<&dyn EntryFilter>,
) -> Result<Option<ManifestEntry>> {
    let mut kind = FileKind::Add;
    let mut partition = Bytes::new();
    let mut bucket = 0;
    let mut total_buckets = 0;
    let mut file = None;
    // Java stores the file last, so the filter can be asked before it is decoded.
    let early = filter.filter(|_| plan.in_order(&[1, 2, 3, 4], 5));
    plan.read(cursor, |cursor, field, step| {
        match field {
            0 => version(cursor, 2)?,
            1 => kind = file_kind(cursor)?,
            2 => partition = cursor.bytes()?,
            3 => bucket = bucket_id(cursor)?,
            4 => total_buckets = cursor.int()?,
            5 => {
                if early.is_some_and(|f| !f.keep(kind, &partition, bucket, total_buckets)) {
                    step.skip(cursor)?;
                } else {
                    file = Some(data_file(cursor, step.record()?)?);
                }
            }
            _ => step.skip(cursor)?,
        }
        Ok(())
    })?;
    let late = filter.filter(|_| early.is_none());
    if late.is_some_and(|f| !f.keep(kind, &partition, bucket, total_buckets)) {
        return Ok(None);
    }
    let file = file.filter(|file| filter.is_none_or(|f| f.keep_file(kind, file)));
    Ok(file.map(|file| ManifestEntry {
        kind,
        partition,
        bucket,
        total_buckets,
        file: Arc::new(file),
    }))
}

fn data_file(cursor: &mut Cursor<'_>, plan: &Plan) -> Result<DataFileMeta> {
    let mut file = empty_data_file();
    plan.read(cursor, |cursor, field, step| {
        match field {
            0 => file.file_name = cursor.string()?.to_string(),
            1 => file.file_size = natural(cursor, "_FILE_SIZE")?,
            2 => file.row_count = natural(cursor, "_ROW_COUNT")?,
            3 => file.min_key = cursor.bytes()?,
            4 => file.max_key = cursor.bytes()?,
            5 => file.key_stats = stats(cursor, step.record()?)?,
            6 => file.value_stats = stats(cursor, step.record()?)?,
            7 => file.min_sequence_number = cursor.long()?,
            8 => file.max_sequence_number = cursor.long()?,
            9 => file.schema_id = natural(cursor, "_SCHEMA_ID")?,
            10 => file.level = level(cursor)?,
            11 => file.extra_files = strings(cursor, step)?,
            12 => file.creation_time = Some(cursor.long()?),
            13 => file.delete_row_count = Some(natural(cursor, "_DELETE_ROW_COUNT")?),
            14 => file.embedded_index = Some(cursor.bytes()?),
            15 => file.file_source = Some(file_source(cursor)?),
            16 => file.value_stats_cols = Some(strings(cursor, step)?),
            17 => file.external_path = Some(cursor.string()?.to_string()),
            18 => file.first_row_id = Some(cursor.long()?),
            19 => file.write_cols = Some(strings(cursor, step)?),
            20 => file.write_cols_sequences = Some(items(cursor, step, |c, _| c.long())?),
            _ => step.skip(cursor)?,
        }
        Ok(())
    })?;
    Ok(file)
}

fn empty_data_file() -> DataFileMeta {
    DataFileMeta {
        file_name: String::new(),
        file_size: 0,
        row_count: 0,
        min_key: Bytes::new(),
        max_key: Bytes::new(),
        key_stats: SimpleStats::default(),
        value_stats: SimpleStats::default(),
        min_sequence_number: 0,
        max_sequence_number: 0,
        schema_id: 0,
        level: 0,
        extra_files: Vec::new(),
        creation_time: None,
        delete_row_count: None,
        embedded_index: None,
        file_source: None,
        value_stats_cols: None,
        external_path: None,
        first_row_id: None,
        write_cols: None,
        write_cols_sequences: None,
    }
}

fn index_entry(cursor: &mut Cursor<'_>, plan: &Plan) -> Result<IndexManifestEntry> {
    let mut entry = IndexManifestEntry {
        kind: FileKind::Add,
        partition: Bytes::new(),
        bucket: 0,
        index_type: String::new(),
        file_name: String::new(),
        file_size: 0,
        row_count: 0,
        dv_ranges: None,
        external_path: None,
        global_index: None,
    };
    plan.read(cursor, |cursor, field, step| {
        match field {
            0 => version(cursor, 1)?,
            1 => entry.kind = file_kind(cursor)?,
            2 => entry.partition = cursor.bytes()?,
            3 => entry.bucket = bucket_id(cursor)?,
            4 => entry.index_type = cursor.string()?.to_string(),
            5 => entry.file_name = cursor.string()?.to_string(),
            6 => entry.file_size = natural(cursor, "_FILE_SIZE")?,
            7 => entry.row_count = natural(cursor, "_ROW_COUNT")?,
            8 => entry.dv_ranges = Some(items(cursor, step, dv_range)?),
            9 => entry.external_path = Some(cursor.string()?.to_string()),
            10 => entry.global_index = Some(global_index(cursor, step.record()?)?),
            _ => step.skip(cursor)?,
        }
        Ok(())
    })?;
    Ok(entry)
}

fn dv_range(cursor: &mut Cursor<'_>, step: &Step) -> Result<DeletionVectorMeta> {
    let mut range = DeletionVectorMeta {
        data_file_name: String::new(),
        offset: 0,
        length: 0,
        cardinality: None,
    };
    step.record()?.read(cursor, |cursor, field, step| {
        match field {
            0 => range.data_file_name = cursor.string()?.to_string(),
            1 => range.offset = natural_int(cursor, "f1")?,
            2 => range.length = natural_int(cursor, "f2")?,
            3 => range.cardinality = Some(natural(cursor, "_CARDINALITY")?),
            _ => step.skip(cursor)?,
        }
        Ok(())
    })?;
    Ok(range)
}

fn global_index(cursor: &mut Cursor<'_>, plan: &Plan) -> Result<GlobalIndexMeta> {
    let mut index = GlobalIndexMeta {
        row_range_start: 0,
        row_range_end: 0,
        index_field_id: 0,
        extra_field_ids: None,
        index_meta: None,
        source_meta: None,
    };
    plan.read(cursor, |cursor, field, step| {
        match field {
            0 => index.row_range_start = cursor.long()?,
            1 => index.row_range_end = cursor.long()?,
            2 => index.index_field_id = cursor.int()?,
            3 => index.extra_field_ids = Some(items(cursor, step, |c, _| c.int())?),
            4 => index.index_meta = Some(cursor.bytes()?),
            5 => index.source_meta = Some(cursor.bytes()?),
            _ => step.skip(cursor)?,
        }
        Ok(())
    })?;
    Ok(index)
}

fn stats(cursor: &mut Cursor<'_>, plan: &Plan) -> Result<SimpleStats> {
    let mut stats = SimpleStats::default();
    plan.read(cursor, |cursor, field, step| {
        match field {
            0 => stats.min_values = cursor.bytes()?,
            1 => stats.max_values = cursor.bytes()?,
            2 => stats.null_counts = Some(optional_items(cursor, step)?),
            _ => step.skip(cursor)?,
        }
        Ok(())
    })?;
    Ok(stats)
}

/// Null counts: longs that may be null.
fn optional_items(cursor: &mut Cursor<'_>, step: &Step) -> Result<Vec<Option<i64>>> {
    let mut out = Vec::new();
    loop {
        let count = cursor.items()?;
        if count == 0 {
            return Ok(out);
        }
        out.reserve_exact(count.min(RESERVE));
        for _ in 0..count {
            out.push(if step.optional_items && !cursor.non_null()? {
                None
            } else {
                Some(cursor.long()?)
            });
        }
    }
}

/// Items reserved at once; more are reserved as they turn up.
const RESERVE: usize = 256;

/// Items that must not be null.
fn items<T>(
    cursor: &mut Cursor<'_>,
    step: &Step,
    item: impl Fn(&mut Cursor<'_>, &Step) -> Result<T>,
) -> Result<Vec<T>> {
    let mut out = Vec::new();
    loop {
        let count = cursor.items()?;
        if count == 0 {
            return Ok(out);
        }
        out.reserve_exact(count.min(RESERVE));
        for _ in 0..count {
            if step.optional_items && !cursor.non_null()? {
                return Err(Error::damaged("item of an array is null"));
            }
            out.push(item(cursor, step)?);
        }
    }
}

fn strings(cursor: &mut Cursor<'_>, step: &Step) -> Result<Vec<String>> {
    items(cursor, step, |c, _| c.string().map(str::to_string))
}

fn version(cursor: &mut Cursor<'_>, expected: i32) -> Result<()> {
    match cursor.int()? {
        found if found == expected => Ok(()),
        found => Err(Error::damaged(format!(
            "record has `_VERSION` {found}, expected {expected}"
        ))),
    }
}

fn file_kind(cursor: &mut Cursor<'_>) -> Result<FileKind> {
    match cursor.int()? {
        0 => Ok(FileKind::Add),
        1 => Ok(FileKind::Delete),
        other => Err(Error::damaged(format!(
            "entry has kind {other}, expected 0 (ADD) or 1 (DELETE)"
        ))),
    }
}

fn file_source(cursor: &mut Cursor<'_>) -> Result<FileSource> {
    match cursor.int()? {
        0 => Ok(FileSource::Append),
        1 => Ok(FileSource::Compact),
        other => Err(Error::damaged(format!(
            "file has source {other}, expected 0 (APPEND) or 1 (COMPACT)"
        ))),
    }
}

fn bucket_id(cursor: &mut Cursor<'_>) -> Result<i32> {
    match cursor.int()? {
        bucket if bucket >= -2 => Ok(bucket),
        bucket => Err(Error::damaged(format!(
            "entry has bucket {bucket}, expected at least -2"
        ))),
    }
}

fn level(cursor: &mut Cursor<'_>) -> Result<i32> {
    natural_int(cursor, "_LEVEL")
}

fn natural_int(cursor: &mut Cursor<'_>, field: &'static str) -> Result<i32> {
    match cursor.int()? {
        value if value >= 0 => Ok(value),
        value => Err(negative(field, value.into())),
    }
}

fn natural(cursor: &mut Cursor<'_>, field: &'static str) -> Result<i64> {
    match cursor.long()? {
        value if value >= 0 => Ok(value),
        value => Err(negative(field, value)),
    }
}

#[cold]
fn negative(field: &'static str, value: i64) -> Error {
    Error::damaged(format!("`{field}` is {value}, expected at least 0"))
}
