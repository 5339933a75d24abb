//! Damaged files give rows or a typed error, never a panic.

use std::path::{Path, PathBuf};

use paimon_core::io::FileIo;
use paimon_core::table::Table;
use paimon_testing::folders::copy_folder;
use paimon_testing::mutate::mutate;

const TABLES: &[&str] = &[
    "pk-dedup-levels-parquet",
    "pk-dedup-levels-avro",
    "append-dv",
    "index-bitmap",
    "pk-agg-functions",
];
const MUTATIONS_PER_TABLE: u64 = 60;

async fn read(location: &str) -> paimon_core::Result<usize> {
    let table = Table::open(FileIo::for_location(location)?, location, "mutated").await?;
    let batches = table.read_builder().with_row_kind().collect().await?;
    Ok(batches.iter().map(|b| b.num_rows()).sum())
}

fn files_below(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files_below(&entry.path(), out);
        } else {
            out.push(entry.path());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutated_files_never_panic() {
    let seed: u64 = std::env::var("SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(7);
    println!("seed {seed}");
    let (mut read_on, mut refused) = (0, 0);
    for name in TABLES {
        let folder = tempfile::tempdir().unwrap();
        let source = super::golden::catalogue().join(name).join("table");
        copy_folder(&source, folder.path()).unwrap();
        let location = folder.path().to_str().unwrap().to_string();
        let whole = read(&location).await.unwrap();
        assert!(whole > 0, "{name} has no rows");
        let mut files = Vec::new();
        files_below(folder.path(), &mut files);
        files.sort();
        for i in 0..MUTATIONS_PER_TABLE {
            let path = &files[usize::try_from(i * 13 + seed).unwrap() % files.len()];
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, mutate(&bytes, seed + i).bytes).unwrap();
            let own = location.clone();
            let outcome = tokio::spawn(async move { read(&own).await }).await;
            std::fs::write(path, bytes).unwrap();
            match outcome {
                Ok(Ok(_)) => read_on += 1,
                Ok(Err(_)) => refused += 1,
                Err(panic) => panic!("{name}, {path:?}, mutation {i}, seed {seed}: {panic}"),
            }
        }
        assert_eq!(read(&location).await.unwrap(), whole);
    }
    println!("{read_on} reads went on, {refused} were refused");
    assert!(refused > 0);
}
