//! HDFS, when `PAIMON_TEST_HDFS_WAREHOUSE` names a warehouse on it (see `services/run.sh`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use paimon_core::ErrorKind;
use paimon_core::io::{FileIo, OpenedStore, Publication, StoreFactory};
use paimon_stores::{Environment, HdfsFactory};
use paimon_testing::fault_store::FaultStore;

use crate::conformance::{Target, attempt, check, number, race, run};
use crate::stores::{WRITERS, commits_on_a_server, external};

/// Puts that fail before or after their effect, beyond what the client retries.
#[derive(Debug)]
struct Faulty {
    one_in: u64,
    seed: u64,
}

impl StoreFactory for Faulty {
    fn schemes(&self) -> &[&'static str] {
        &["hdfs"]
    }

    fn open(
        &self,
        prefix: &str,
        options: &BTreeMap<String, String>,
    ) -> paimon_core::Result<OpenedStore> {
        let mut opened = HdfsFactory::new(Environment::of_process()).open(prefix, options)?;
        opened.store = Arc::new(FaultStore::new(opened.store, self.one_in, self.seed));
        Ok(opened)
    }
}

fn io(target: &Target) -> (FileIo, String) {
    let warehouse = target.options["warehouse"].clone();
    let io = target.stores.file_io(&warehouse, &target.options).unwrap();
    (io, warehouse)
}

#[test]
fn a_real_hdfs_server_keeps_the_rules() {
    // unoptimised, the suite needs more stack than threads have
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().thread_stack_size(16 << 20).build();
    let runtime = runtime.unwrap();
    runtime.block_on(async { tokio::spawn(rules()).await.unwrap() });
}

async fn rules() {
    let Some(target) = external("HDFS") else {
        return;
    };
    check(&target("conformance")).await;
    let commits = commits_on_a_server();
    race(&target("race"), WRITERS, commits).await;
    for seed in [1, 2] {
        eprintln!("seed {seed}");
        let mut target = target("faults");
        target.stores = target.stores.with(Arc::new(Faulty { one_in: 12, seed }));
        race(&target, WRITERS, commits.min(15)).await;
    }
    renamed(&target("renamed")).await;
    published_once(&target("published")).await;
    left_nothing(&target("cancelled")).await;
    listed(&target("listed")).await;
}

async fn renamed(target: &Target) {
    let session = target.session();
    run(&session, "CREATE TABLE t (id BIGINT)").await;
    run(&session, "INSERT INTO t VALUES (1), (2)").await;
    run(&session, "CREATE TABLE taken (id BIGINT)").await;
    assert!(
        attempt(&session, "ALTER TABLE t RENAME TO taken")
            .await
            .is_err()
    );
    run(&session, "ALTER TABLE t RENAME TO u").await;
    let other = target.session();
    assert_eq!(number(&other, "SELECT sum(id) FROM u").await, 3);
    assert!(attempt(&other, "SELECT * FROM t").await.is_err());
    let (io, warehouse) = io(target);
    let (none, other_name) = (format!("{warehouse}/none"), format!("{warehouse}/x"));
    assert!(io.rename_folder(&none, &other_name).await.is_err());
    // dropped folders are gone, not only empty
    run(&other, "DROP TABLE u").await;
    run(&other, "DROP TABLE taken").await;
    let left = io.list_folders(&format!("{warehouse}/default.db")).await;
    assert_eq!(left.unwrap(), Vec::<String>::new());
}

async fn published_once(target: &Target) {
    let (io, warehouse) = io(target);
    for round in 0..10 {
        let location = format!("{warehouse}/snapshot-{round}");
        let writers = (0..8).map(|writer| {
            let (io, location) = (io.clone(), location.clone());
            tokio::spawn(async move {
                let bytes = Bytes::from(format!("writer {writer}"));
                (writer, io.publish(&location, bytes).await.unwrap())
            })
        });
        let mut won = Vec::new();
        for task in writers.collect::<Vec<_>>() {
            let (writer, answer) = task.await.unwrap();
            won.extend((answer == Publication::Created).then_some(writer));
        }
        assert_eq!(won.len(), 1, "round {round}");
        let content = io.read(&location, 100).await.unwrap();
        assert_eq!(content, format!("writer {}", won[0]));
    }
    let empty = format!("{warehouse}/empty");
    io.publish(&empty, Bytes::new()).await.unwrap();
    assert_eq!(io.read(&empty, 1).await.unwrap(), Bytes::new());
    assert_eq!(io.list_files(&warehouse).await.unwrap().len(), 11);
}

/// Staged files of writes that were given up go away.
async fn left_nothing(target: &Target) {
    let (io, warehouse) = io(target);
    let folder = format!("{warehouse}/bucket-0");
    let large = || Bytes::from(vec![7; 9 << 20]);
    for (name, abort) in [("a", true), ("b", false)] {
        let mut file = io.create(&format!("{folder}/{name}")).await.unwrap();
        file.write(large()).await.unwrap();
        match abort {
            true => file.abort().await,
            false => drop(file),
        }
    }
    for micros in [0, 500, 2_000, 5_000, 20_000] {
        let location = format!("{folder}/c-{micros}");
        let publish = io.publish(&location, large());
        let _ = tokio::time::timeout(Duration::from_micros(micros), publish).await;
    }
    let staged = async || {
        let files = io.list_files(&folder).await.unwrap();
        files
            .into_iter()
            .filter(|f| f.name.ends_with(".tmp"))
            .count()
    };
    for _ in 0..100 {
        if staged().await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} staged files are left", staged().await);
}

async fn listed(target: &Target) {
    let (io, warehouse) = io(target);
    let deep = format!("{warehouse}/t/dt=a%20b/bucket-0/data ü.parquet");
    io.publish(&deep, Bytes::from_static(b"0123456789"))
        .await
        .unwrap();
    io.create_folder(&format!("{warehouse}/t/empty"))
        .await
        .unwrap();
    let mut folders = io.list_folders(&format!("{warehouse}/t")).await.unwrap();
    folders.sort();
    assert_eq!(folders, ["dt=a%20b", "empty"]);
    assert!(
        io.list_files(&format!("{warehouse}/t"))
            .await
            .unwrap()
            .is_empty()
    );
    let all = io.list_recursive(&warehouse).await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].0, "t/dt=a%20b/bucket-0/data ü.parquet");
    assert!(
        io.list_files(&format!("{warehouse}/none"))
            .await
            .unwrap()
            .is_empty()
    );
    let input = io.open(&deep).await.unwrap();
    assert_eq!(input.read_range(3..6).await.unwrap(), "345");
    assert!(!io.exists(&format!("{warehouse}/t")).await.unwrap());
    let missing = io.read(&format!("{warehouse}/none"), 1).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Damaged);
    io.remove_folder(&format!("{warehouse}/t")).await.unwrap();
    io.remove_folder(&format!("{warehouse}/t")).await.unwrap();
    assert!(io.list_folders(&warehouse).await.unwrap().is_empty());
}
