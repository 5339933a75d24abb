//! Files of other programs become files of a table, wherever the call that moves them is cut off.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch};
use bytes::Bytes;
use paimon_core::ErrorKind;
use paimon_core::arrow_bridge::arrow_schema;
use paimon_core::commit::CommitContext;
use paimon_core::format::{EncoderOptions, create_encoder};
use paimon_core::io::FileIo;
use paimon_core::maintenance::{
    AdoptFiles, ForeignFile, RemoveMissingFiles, RemoveOrphanFiles, finish_adoption,
};
use paimon_core::predicate::{Predicate, PredicateOp};
use paimon_core::spec::{DataField, Datum, parse_data_type};
use paimon_core::table::Table;
use paimon_core::write::WriteContext;

use crate::commit::{PLAIN, add, assert_sound, create, ids, once, partitioned};

/// The table without its NOT NULL.
fn nullable(schema: &str) -> String {
    schema.replace("INT NOT NULL", "INT")
}

/// A file with one INT column, which has no values of partition columns.
fn file(format: &str, column: &str, values: &[i32]) -> Bytes {
    let field = DataField::new(0, column, parse_data_type("INT").unwrap());
    let options = EncoderOptions {
        format: format.to_string(),
        compression: "zstd".to_string(),
        zstd_level: 1,
        block_size: None,
        table: Default::default(),
    };
    let mut encoder = create_encoder(std::slice::from_ref(&field), &options).unwrap();
    let schema = arrow_schema(&[field]);
    let values: ArrayRef = Arc::new(Int32Array::from(values.to_vec()));
    encoder
        .write(&RecordBatch::try_new(schema, vec![values]).unwrap())
        .unwrap();
    let mut bytes = encoder.take_output().concat();
    bytes.extend(encoder.finish().unwrap().concat());
    bytes.into()
}

struct Fixture {
    _folder: tempfile::TempDir,
    root: String,
    table: Table,
}

impl Fixture {
    async fn new(schema: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap().to_string();
        let io = FileIo::for_location(&root).unwrap();
        let table = create(io, &format!("{root}/t"), schema).await;
        Self {
            _folder: folder,
            root,
            table,
        }
    }

    async fn foreign(
        &self,
        name: &str,
        format: &str,
        bytes: Bytes,
        partition: &[Option<Datum>],
    ) -> ForeignFile {
        let location = format!("{}/old/{name}", self.root);
        let size = bytes.len() as u64;
        self.table.io().publish(&location, bytes).await.unwrap();
        ForeignFile {
            location,
            size,
            format: format.to_string(),
            partition: partition.to_vec(),
        }
    }

    async fn adopt(&self, files: &[ForeignFile]) -> paimon_core::Result<usize> {
        let adoption = AdoptFiles {
            files: files.to_vec(),
            // one after the other, for a test to know how far it got
            parallelism: 1,
        };
        adoption.run(&self.table, &CommitContext::default()).await
    }

    async fn finish(&self) -> paimon_core::Result<usize> {
        finish_adoption(&self.table, &CommitContext::default(), 1).await
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(&self.root).join(name)
    }

    async fn refused(&self, file: ForeignFile) -> String {
        let error = self.adopt(std::slice::from_ref(&file)).await.unwrap_err();
        assert!(Path::new(&file.location).exists(), "{error}");
        assert!(!self.path("t/adoption.json").exists(), "{error}");
        assert_eq!(self.table.snapshots().latest_id().await.unwrap(), None);
        error.to_string()
    }
}

#[tokio::test]
async fn files_of_every_format_move_into_their_partitions() {
    let it = Fixture::new(&nullable(&partitioned())).await;
    let mut files = Vec::new();
    for (n, format) in (0i32..).zip(["parquet", "orc", "avro"]) {
        let partition = (n > 0).then_some(Datum::Int(n));
        let bytes = file(format, "id", &[10 * n, 10 * n + 1]);
        // names of Hive have no ending
        let name = format!("{format}/000000_0");
        files.push(it.foreign(&name, format, bytes, &[partition]).await);
    }
    assert_eq!(it.adopt(&files).await.unwrap(), 3);
    assert_eq!(ids(&it.table).await, once([0, 1, 10, 11, 20, 21]));
    for place in [
        "t/p=__DEFAULT_PARTITION__/bucket-0/000000_0.parquet",
        "t/p=1/bucket-0/000000_0.orc",
        "t/p=2/bucket-0/000000_0.avro",
    ] {
        assert!(it.path(place).exists(), "{place}");
    }
    assert!(files.iter().all(|f| !Path::new(&f.location).exists()));
    assert!(!it.path("t/adoption.json").exists());
    assert_sound(&it.table).await;
    assert_eq!(it.adopt(&[]).await.unwrap(), 0);
    assert_eq!(it.table.snapshots().ids().await.unwrap(), [1]);
}

#[tokio::test]
async fn parquet_files_are_pruned_by_what_their_footers_say() {
    let it = Fixture::new(&nullable(PLAIN)).await;
    let mut files = Vec::new();
    for (name, values) in [("a", [1, 9]), ("b", [10, 19])] {
        let bytes = file("parquet", "id", &values);
        files.push(it.foreign(name, "parquet", bytes, &[]).await);
    }
    it.adopt(&files).await.unwrap();
    let field = &it.table.schema().fields[0];
    let above = Predicate::leaf(field, PredicateOp::Gt, vec![Some(Datum::Int(9))]).unwrap();
    let builder = it.table.read_builder().with_filter(above);
    let plan = builder.plan().await.unwrap();
    let files: usize = plan.splits.iter().map(|s| s.files().len()).sum();
    assert_eq!(files, 1);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_anything_changes() {
    let it = Fixture::new(&nullable(PLAIN)).await;
    let spelled = file("parquet", "ID", &[1]);
    let error = it.refused(it.foreign("a", "parquet", spelled, &[]).await);
    assert!(error.await.contains("spells"));
    let nothing = file("orc", "_col0", &[1]);
    let error = it.refused(it.foreign("b", "orc", nothing, &[]).await);
    assert!(error.await.contains("none of the table's columns"));
    let error = it.refused(it.foreign("c", "csv", Bytes::from_static(b"1"), &[]).await);
    assert!(error.await.contains("csv"));
    let error = it.refused(
        it.foreign("d", "parquet", Bytes::from_static(b"1"), &[])
            .await,
    );
    assert!(error.await.contains("Parquet"));
    let mut grown = it
        .foreign("e", "parquet", file("parquet", "id", &[1]), &[])
        .await;
    grown.size += 1;
    assert!(it.refused(grown).await.contains("bytes"));

    let good = file("parquet", "id", &[1]);
    let one = it.foreign("x/f", "parquet", good.clone(), &[]).await;
    let two = it.foreign("y/f", "parquet", good.clone(), &[]).await;
    let error = it.adopt(&[one.clone(), two.clone()]).await.unwrap_err();
    assert!(error.to_string().contains("same name"), "{error}");
    it.adopt(&[one]).await.unwrap();
    let error = it.adopt(&[two]).await.unwrap_err();
    assert!(error.to_string().contains("already"), "{error}");

    for (schema, what) in [
        (PLAIN.to_string(), "NOT NULL"),
        (
            nullable(PLAIN).replace(
                r#""options": {"#,
                r#""options": {"bucket": "1", "bucket-key": "id", "#,
            ),
            "bucket",
        ),
        (
            PLAIN.replace(r#""primaryKeys": []"#, r#""primaryKeys": ["id"]"#),
            "primary key",
        ),
    ] {
        let it = Fixture::new(&schema).await;
        let error = it.refused(it.foreign("f", "parquet", good.clone(), &[]).await);
        let error = error.await;
        assert!(error.contains(what), "{error}");
    }
}

/// A partitioned table whose adoption of one file for each of two partitions was cut off between them: nothing can be put
/// where the second one is to go.
async fn half_adopted() -> Fixture {
    let it = Fixture::new(&nullable(&partitioned())).await;
    let mut files = Vec::new();
    for p in [1, 2] {
        let bytes = file("parquet", "id", &[p]);
        let name = format!("p{p}/f");
        files.push(
            it.foreign(&name, "parquet", bytes, &[Some(Datum::Int(p))])
                .await,
        );
    }
    std::os::unix::fs::symlink(it.path("nowhere/x"), it.path("t/p=2")).unwrap();
    let error = it.adopt(&files).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    it
}

#[tokio::test]
async fn a_call_that_is_cut_off_loses_nothing_and_is_finished_by_the_next() {
    let it = half_adopted().await;
    assert!(it.path("t/adoption.json").exists());
    assert!(it.path("t/p=1/bucket-0/f.parquet").exists());
    assert!(it.path("old/p2/f").exists());
    // what has been moved is no orphan, though its file may be old
    let cleaning = RemoveOrphanFiles {
        older_than_ms: Some(i64::MAX / 2),
        dry_run: false,
    };
    let orphans = cleaning.run(&it.table, i64::MAX / 2).await.unwrap();
    assert!(
        orphans.files.iter().all(|f| !f.contains("/p=1/")),
        "{orphans:?}"
    );
    assert!(it.finish().await.is_err());
    std::fs::remove_file(it.path("t/p=2")).unwrap();
    assert_eq!(it.finish().await.unwrap(), 2);
    assert_eq!(ids(&it.table).await, once([1, 2]));
    assert_eq!(it.table.snapshots().ids().await.unwrap(), [1]);
    assert!(!it.path("t/adoption.json").exists());
    assert_eq!(it.finish().await.unwrap(), 0);
    assert_sound(&it.table).await;
}

/// A table whose adoption of one file was cut off when the journal was all that it had written.
async fn begun() -> Fixture {
    let it = Fixture::new(&nullable(PLAIN)).await;
    let bytes = file("parquet", "id", &[7]);
    let one = it.foreign("f", "parquet", bytes, &[]).await;
    std::os::unix::fs::symlink(it.path("nowhere/x"), it.path("t/bucket-0")).unwrap();
    it.adopt(&[one]).await.unwrap_err();
    std::fs::remove_file(it.path("t/bucket-0")).unwrap();
    std::fs::remove_dir_all(it.path("t/snapshot")).unwrap();
    it
}

#[tokio::test]
async fn a_call_that_is_cut_off_before_its_commit_commits_later() {
    let it = begun().await;
    assert_eq!(it.adopt(&[]).await.unwrap(), 0);
    assert_eq!(ids(&it.table).await, once([7]));
    assert_sound(&it.table).await;
}

#[tokio::test]
async fn files_are_added_once_though_the_snapshot_that_added_them_has_expired() {
    let it = half_adopted().await;
    std::fs::remove_file(it.path("t/p=2")).unwrap();
    add(&it.table, &[7], 3).await;
    std::fs::remove_file(it.path("t/snapshot/snapshot-1")).unwrap();
    std::fs::write(it.path("t/snapshot/EARLIEST"), "2").unwrap();
    assert_eq!(it.finish().await.unwrap(), 2);
    assert_eq!(ids(&it.table).await, once([1, 2, 7]));
    assert!(!it.path("t/adoption.json").exists());
}

#[tokio::test]
async fn files_that_are_still_to_be_moved_are_not_taken_for_lost() {
    let it = half_adopted().await;
    let removal = RemoveMissingFiles {
        dry_run: false,
        parallelism: 2,
    };
    let context = WriteContext::with_memory(0);
    let error = removal.run(&it.table, &context).await.unwrap_err();
    assert!(error.to_string().contains("still to be moved"), "{error}");
    std::fs::remove_file(it.path("t/p=2")).unwrap();
    assert_eq!(it.finish().await.unwrap(), 2);
    assert!(removal.run(&it.table, &context).await.unwrap().is_empty());
    assert_eq!(ids(&it.table).await, once([1, 2]));
}

#[tokio::test]
async fn an_adoption_that_can_no_longer_begin_is_given_up() {
    let it = begun().await;
    std::fs::remove_file(it.path("old/f")).unwrap();
    it.finish().await.unwrap_err();
    assert_eq!(it.finish().await.unwrap(), 0);
}
