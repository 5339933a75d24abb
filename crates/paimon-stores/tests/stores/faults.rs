//! Stores that fail: nothing is lost, doubled or shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use paimon_core::io::{OpenedStore, Publication, StoreFactory};
use paimon_stores::{Environment, S3Factory};
use paimon_testing::fault_store::FaultStore;

use crate::conformance::{Target, attempt, number, race, run};
use crate::server::{BUCKET, Faults, Server};

/// Puts of S3 clients that fail before or after their effect, beyond what the client retries.
#[derive(Debug)]
struct Faulty {
    one_in: u64,
    seed: u64,
}

impl StoreFactory for Faulty {
    fn schemes(&self) -> &[&'static str] {
        &["s3"]
    }

    fn open(
        &self,
        prefix: &str,
        options: &BTreeMap<String, String>,
    ) -> paimon_core::Result<OpenedStore> {
        let mut opened = S3Factory::new(Environment::default()).open(prefix, options)?;
        opened.store = Arc::new(FaultStore::new(opened.store, self.one_in, self.seed));
        Ok(opened)
    }
}

fn on(server: &Server) -> Target {
    let mut options = server.options();
    let more = [
        ("fs.s3a.connection.timeout", "2 s"),
        ("fs.s3a.attempts.maximum", "12"),
    ];
    options.extend(more.map(|(k, v)| (k.to_string(), v.to_string())));
    Target::new(options, &format!("s3://{BUCKET}/wh"))
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_survive_lost_answers_and_failed_puts() {
    let server = Server::start();
    for seed in [1, 2] {
        eprintln!("seed {seed}");
        let mut target = on(&server);
        target.stores = target.stores.with(Arc::new(Faulty { one_in: 12, seed }));
        race(&target, 4, 15).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_survive_a_flaky_server() {
    let server = Server::start();
    let target = on(&server);
    for seed in [11, 12] {
        eprintln!("seed {seed}");
        server.set_faults(Faults {
            one_in: 10,
            seed,
            delay: Duration::from_millis(300),
            ..Faults::default()
        });
        let before = server.faulted();
        race(&target, 4, 10).await;
        assert!(server.faulted() > before + 40);
    }
    server.set_faults(Faults::default());
    assert_eq!(server.open_uploads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_published_once_whatever_the_server_answers() {
    let server = Server::start();
    let target = on(&server);
    let warehouse = &target.options["warehouse"];
    let io = target.stores.file_io(warehouse, &target.options).unwrap();
    server.set_faults(Faults {
        one_in: 3,
        seed: 5,
        delay: Duration::from_millis(10),
        ..Faults::default()
    });
    for n in 0..60 {
        let location = format!("{warehouse}/snapshot-{n}");
        let answer = io.publish(&location, format!("first {n}").into()).await;
        // 409: another put was under way, says the server
        if answer.unwrap() == Publication::Created {
            let second = io.publish(&location, format!("second {n}").into()).await;
            assert_eq!(second.unwrap(), Publication::Exists, "{n}");
            let content = io.read(&location, 100).await.unwrap();
            assert_eq!(content, format!("first {n}"));
        }
    }
    assert!(server.faulted() > 40);
    assert!(server.keys().len() > 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_never_comes_is_found_again() {
    let server = Server::start();
    let mut target = on(&server);
    let timeout = ("fs.s3a.connection.timeout", "400 ms");
    target.options.insert(timeout.0.into(), timeout.1.into());
    let session = target.session();
    run(&session, "CREATE TABLE t (id BIGINT)").await;
    // later than the client waits: every write is a time-out after success
    server.set_faults(Faults {
        one_in: 4,
        seed: 3,
        delay: Duration::from_millis(900),
        ..Faults::default()
    });
    for id in 0..5 {
        run(&session, &format!("INSERT INTO t VALUES ({id})")).await;
    }
    server.set_faults(Faults::default());
    assert_eq!(number(&session, "SELECT count(*) FROM t").await, 5);
    assert_eq!(
        number(&session, "SELECT max(snapshot_id) FROM `t$snapshots`").await,
        5
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_given_up_leaves_no_parts() {
    let server = Server::start();
    let target = on(&server);
    let io = target
        .stores
        .file_io(&target.options["warehouse"], &target.options)
        .unwrap();
    for abort in [true, false] {
        let location = format!("s3://{BUCKET}/wh/data-{abort}");
        let mut file = io.create(&location).await.unwrap();
        file.write(vec![1; 20 << 20].into()).await.unwrap();
        assert_eq!(server.open_uploads(), 1);
        match abort {
            true => file.abort().await,
            false => drop(file),
        }
        let began = Instant::now();
        while server.open_uploads() > 0 && began.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(server.open_uploads(), 0, "abort {abort}");
    }
    assert_eq!(server.keys(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_is_named_and_no_secret_is_shown() {
    let server = Server::start();
    let mut target = on(&server);
    target
        .options
        .insert("warehouse".into(), "s3://elsewhere/wh".into());
    let session = target.session();
    for sql in [
        "SHOW DATABASES",
        "CREATE TABLE t (id BIGINT)",
        "SELECT * FROM t",
    ] {
        let error = attempt(&session, sql).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("does not exist"), "{sql}: {text}");
        assert!(
            !text.contains("AKIATESTING") && !text.contains("hidden-secret"),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_ends_in_an_error_not_in_a_hang() {
    let server = Server::start();
    let mut target = on(&server);
    for (key, value) in [
        ("s3.endpoint", "http://127.0.0.1:9"),
        ("fs.s3a.attempts.maximum", "3"),
    ] {
        target.options.insert(key.into(), value.into());
    }
    let began = Instant::now();
    let error = attempt(&target.session(), "SHOW DATABASES")
        .await
        .unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(20), "{error}");
    assert!(!format!("{error:?}").contains("AKIATESTING"), "{error:?}");
}
