//! Rows that wait on local disk: they come back as without, and nothing of them stays.

use std::path::Path;

use paimon_core::spec::CommitMessage;
use paimon_core::table::TableWrite;
use paimon_core::write::WriteContext;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rstest::rstest;

use super::histories::{
    batch, bucket_folder, file_rows, is_empty, model, random_records, read, schema,
};
use super::publish::{create, open, publish};

/// Folders and files below a folder.
fn entries(folder: &Path) -> usize {
    let Ok(found) = std::fs::read_dir(folder) else {
        return 0;
    };
    let found = found.map(|e| e.unwrap().path());
    found.map(|path| 1 + entries(&path)).sum()
}

/// A write with 16 kb of memory that spills below `folder`.
async fn start(root: &Path, spill: &Path, options: &[(&str, &str)]) -> TableWrite {
    let mut all = vec![("bucket", "2"), ("write-buffer-size", "16 kb")];
    all.extend_from_slice(options);
    let table = create(root, &schema(&all)).await;
    let mut context = WriteContext::with_memory(16 << 10);
    context.spill_folder = spill.to_path_buf();
    table.write_builder().with_context(context).build().unwrap()
}

fn files(messages: &[CommitMessage]) -> usize {
    messages.iter().map(|m| m.data.new_files.len()).sum()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn spilled_rows_are_gone_after_the_end_of_a_write(
    #[values("commit", "abort", "drop")] end: &str,
    #[values("", "none", "lz4", "zstd")] compression: &str,
) {
    let temp = tempfile::tempdir().unwrap();
    let (root, spill) = (temp.path().join("t"), temp.path().join("spill"));
    let option = [("spill-compression", compression)];
    let options = &option[..usize::from(!compression.is_empty())];
    let mut write = start(&root, &spill, options).await;
    let mut random = StdRng::seed_from_u64(5);
    let mut all = Vec::new();
    for _ in 0..20 {
        let records = random_records(&mut random, 500, 2_000, true);
        let (rows, kinds) = batch(&records);
        write.write_with_kinds(&rows, &kinds).await.unwrap();
        all.extend(records);
    }
    assert!(entries(&spill) > 3, "a folder, its lock and runs in it");
    assert!(is_empty(&root.join("p=a")), "nothing is in the table yet");
    match end {
        "commit" => {
            let messages = write.prepare_commit().await.unwrap();
            assert_eq!(entries(&spill), 2, "the folder and its lock alone");
            assert_eq!(files(&messages), 6, "a file per partition and bucket");
            publish(&open(&root).await, messages).await;
            drop(write);
            let found = read(&open(&root).await).await;
            assert_eq!(found, model("deduplicate", None, &all));
        }
        "abort" => write.abort().await,
        _ => drop(write),
    }
    // spills that are under way when a write is dropped end on their own
    for _ in 0..500 {
        if entries(&spill) > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    assert_eq!(entries(&spill), 0);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_disk_or_runs_flushes_to_the_table(
    #[values("write-buffer-spill.max-disk-size", "local-sort.max-num-file-handles")] key: &str,
) {
    let temp = tempfile::tempdir().unwrap();
    let (root, spill) = (temp.path().join("t"), temp.path().join("spill"));
    let limit = if key.ends_with("size") { "20 kb" } else { "2" };
    let mut write = start(&root, &spill, &[(key, limit)]).await;
    let mut random = StdRng::seed_from_u64(6);
    let mut all = Vec::new();
    for _ in 0..40 {
        let records = random_records(&mut random, 500, 5_000, false);
        write.write(&batch(&records).0).await.unwrap();
        all.extend(records);
    }
    let messages = write.prepare_commit().await.unwrap();
    assert!(files(&messages) > 6, "{} files", files(&messages));
    publish(&open(&root).await, messages).await;
    let found = read(&open(&root).await).await;
    assert_eq!(found, model("deduplicate", None, &all));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_fails_the_write_and_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (root, spill) = (temp.path().join("t"), temp.path().join("no-folder"));
    std::fs::write(&spill, "a file").unwrap();
    let mut write = start(&root, &spill, &[]).await;
    let mut random = StdRng::seed_from_u64(7);
    let mut failure = None;
    for _ in 0..20 {
        let records = random_records(&mut random, 500, 2_000, false);
        if let Err(error) = write.write(&batch(&records).0).await {
            failure = Some(error.to_string());
            break;
        }
    }
    let text = failure.unwrap();
    assert!(
        text.contains("could not be spilled") && text.contains("no-folder"),
        "{text}"
    );
    assert!(write.prepare_commit().await.is_err());
    write.abort().await;
    assert!(is_empty(&root.join("p=a")));
    assert_eq!(std::fs::read_to_string(&spill).unwrap(), "a file");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_input_changelog_is_the_same_with_and_without_spilling(
    #[values(None, Some("s"))] sequence: Option<&str>,
) {
    let mut found = Vec::new();
    for spillable in ["true", "false"] {
        let temp = tempfile::tempdir().unwrap();
        let (root, spill) = (temp.path().join("t"), temp.path().join("spill"));
        let mut options = vec![
            ("write-buffer-spillable", spillable),
            ("changelog-producer", "input"),
        ];
        options.extend(sequence.map(|s| ("sequence.field", s)));
        let mut write = start(&root, &spill, &options).await;
        let mut random = StdRng::seed_from_u64(9);
        for _ in 0..8 {
            let records = random_records(&mut random, 500, 300, true);
            let (rows, kinds) = batch(&records);
            write.write_with_kinds(&rows, &kinds).await.unwrap();
        }
        let table = open(&root).await;
        let mut rows = Vec::new();
        for message in write.prepare_commit().await.unwrap() {
            let folder = bucket_folder(&root, &message);
            for file in &message.data.changelog_files {
                for row in file_rows(&table, &folder, file).await {
                    rows.push((message.partition.to_vec(), message.bucket, row));
                }
            }
        }
        assert_eq!(rows.len(), 4_000);
        rows.sort();
        found.push(rows);
    }
    assert!(found[0] == found[1], "the changelogs differ");
}
