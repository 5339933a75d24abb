#![allow(clippy::unwrap_used)]
use std::sync::atomic::{AtomicI64, Ordering};

use arrow_array::RecordBatch;
use object_store::memory::InMemory;
use uuid::Uuid;

use super::*;
use crate::io::FileIo;
use crate::options::CoreOptions;
use crate::spec::{BinaryRow, FileSource};
use crate::write::WriteOptions;
use crate::write::context::{Clock, FixedBudget, IdSource};
use crate::write::file::rows::FileLayout;
use crate::write::stats::{StatsModes, empty_stats};
use crate::write::testing::{batch, schema};

#[derive(Debug)]
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn epoch_ms(&self) -> i64 {
        self.local_ms()
    }

    fn local_ms(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct SameId;

impl IdSource for SameId {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(7)
    }
}

pub(in crate::write) fn writer(
    io: &FileIo,
    pairs: &[(&str, &str)],
    external: &[&str],
) -> RollingFileWriter {
    let schema = schema(&["BIGINT", "STRING"], &[], &[], pairs);
    let options = WriteOptions::new(&schema, &CoreOptions::new(&schema).unwrap()).unwrap();
    let kind = options.data_file(0);
    let settings = FileSettings {
        layout: FileLayout::of(&schema, false),
        schema_id: 3,
        stats: StatsModes::new(
            &schema.fields,
            kind.stats,
            &[],
            false,
            true,
            &schema.options,
        )
        .unwrap(),
        kind,
        prefix: options.data_prefix.clone(),
        level: 0,
        source: FileSource::Append,
        target_size: options.target_file_size,
        target_rows: options.target_file_rows,
        restart_sequence: false,
        indexed: true,
        index_in_manifest: options.index_in_manifest,
    };
    let context = WriteContext {
        clock: Arc::new(Ticks(AtomicI64::new(100))),
        ids: Arc::new(SameId),
        memory: Arc::new(FixedBudget::new(1 << 20)),
        parallelism: 1,
        ..WriteContext::with_memory(0)
    };
    let external = external.iter().map(|e| (*e).to_string()).collect();
    let paths = DataFilePaths::new(
        io.clone(),
        "memory:/t/bucket-0".into(),
        external,
        context.ids.uuid(),
    );
    RollingFileWriter::new(Arc::new(settings), Arc::new(paths), context, 40)
}

/// Another writer of the same bucket.
pub(in crate::write) fn sibling(writer: &RollingFileWriter) -> RollingFileWriter {
    RollingFileWriter::new(
        Arc::clone(&writer.settings),
        Arc::clone(&writer.paths),
        writer.context.clone(),
        writer.next_sequence,
    )
}

pub(in crate::write) fn rows(count: usize) -> RecordBatch {
    batch(&schema(&["BIGINT", "STRING"], &[], &[], &[]).fields, count)
}

pub(in crate::write) fn memory() -> FileIo {
    FileIo::with_store(Arc::new(InMemory::new()), "memory://")
}

#[tokio::test]
async fn files_end_at_their_number_of_rows() {
    let io = memory();
    let mut writer = writer(&io, &[("target-file-row-num", "70")], &[]);
    for count in [100, 1, 69, 35] {
        writer.write(FileRows::Plain(rows(count))).await.unwrap();
    }
    let files = writer.close().await.unwrap();
    let counts: Vec<i64> = files.iter().map(|f| f.row_count).collect();
    assert_eq!(counts, [70, 70, 65]);
    let sequences: Vec<(i64, i64)> = files
        .iter()
        .map(|f| (f.min_sequence_number, f.max_sequence_number))
        .collect();
    assert_eq!(sequences, [(40, 109), (110, 179), (180, 244)]);
    assert_eq!(writer.next_sequence(), 245);
    for (i, file) in files.iter().enumerate() {
        let uuid = Uuid::from_u128(7);
        assert_eq!(file.file_name, format!("data-{uuid}-{i}.parquet"));
        let stored = io
            .open(&format!("memory:/t/bucket-0/{}", file.file_name))
            .await
            .unwrap();
        assert_eq!(file.file_size, i64::try_from(stored.size()).unwrap());
        assert_eq!(file.min_key, BinaryRow::empty().to_serialized());
        assert_eq!(file.key_stats, empty_stats());
        assert_eq!(
            (file.schema_id, file.level, file.delete_row_count),
            (3, 0, Some(0))
        );
        assert_eq!(file.creation_time, Some(100 + i64::try_from(i).unwrap()));
        assert_eq!(file.value_stats_cols, None);
    }
    assert!(writer.close().await.unwrap().is_empty());
}

#[tokio::test]
async fn files_end_at_their_size() {
    for format in ["parquet", "avro"] {
        let options = [
            ("target-file-size", "100 kb"),
            ("file.format", format),
            ("parquet.compression", "none"),
            ("avro.codec", "null"),
            ("parquet.enable.dictionary", "false"),
        ];
        let io = memory();
        let mut writer = writer(&io, &options[..], &[]);
        for _ in 0..20 {
            writer.write(FileRows::Plain(rows(5_000))).await.unwrap();
        }
        let files = writer.close().await.unwrap();
        assert!(files.len() > 5, "{format}: {} files", files.len());
        let (last, full) = files.split_last().unwrap();
        assert!(
            full.iter()
                .all(|f| (90_000..250_000).contains(&f.file_size)),
            "{format}"
        );
        assert!(last.row_count > 0);
        assert_eq!(files.iter().map(|f| f.row_count).sum::<i64>(), 100_000);
    }
}

#[tokio::test]
async fn external_paths_take_turns() {
    let io = memory();
    let mut writer = writer(
        &io,
        &[
            ("target-file-row-num", "10"),
            ("file-index.bloom-filter.columns", "c0"),
            ("file-index.in-manifest-threshold", "1 b"),
        ],
        &["memory:/x/bucket-0", "memory:/y/bucket-0"],
    );
    writer.write(FileRows::Plain(rows(30))).await.unwrap();
    let files = writer.close().await.unwrap();
    for (file, root) in files.iter().zip(["x", "y", "x"]) {
        let path = format!("memory:/{root}/bucket-0/{}", file.file_name);
        assert_eq!(file.external_path.as_deref(), Some(path.as_str()));
        assert!(io.exists(&path).await.unwrap());
        assert_eq!(file.extra_files, [format!("{}.index", file.file_name)]);
        assert!(io.exists(&format!("{path}.index")).await.unwrap());
    }
}

#[tokio::test]
async fn an_aborted_writer_leaves_nothing() {
    let io = memory();
    let mut writer = writer(
        &io,
        &[
            ("target-file-row-num", "10"),
            ("file-index.bloom-filter.columns", "c0"),
            ("file-index.in-manifest-threshold", "1 b"),
        ],
        &[],
    );
    writer.write(FileRows::Plain(rows(35))).await.unwrap();
    assert_eq!(io.list_files("memory:/t/bucket-0").await.unwrap().len(), 6);
    writer.abort().await;
    assert!(
        io.list_files("memory:/t/bucket-0")
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn small_indexes_lie_in_the_metadata() {
    let io = memory();
    let options = [
        ("file-index.bloom-filter.columns", "c0"),
        ("file-index.bloom-filter.c0.items", "30"),
    ];
    let mut writer = writer(&io, &options[..], &[]);
    writer.write(FileRows::Plain(rows(30))).await.unwrap();
    let files = writer.close().await.unwrap();
    assert!(files[0].extra_files.is_empty());
    assert!(files[0].embedded_index.as_ref().unwrap().len() < 500);
}

#[test]
fn an_index_that_no_reader_takes_is_not_written() {
    let largest = usize::try_from(crate::read::INDEX_SIZE_MAX).unwrap();
    let bytes = vec![0; largest + 1];
    check_index_size(&bytes[..largest]).unwrap();
    let error = check_index_size(&bytes).unwrap_err().to_string();
    assert!(error.contains("file-index"), "{error}");
}
