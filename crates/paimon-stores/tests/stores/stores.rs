//! The suite on each store that is at hand.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::conformance::{Target, attempt, check, number, race, run, texts};
use crate::server::{BUCKET, Faults, Server};

pub const WRITERS: i64 = 4;
pub const COMMITS: i64 = 50;

/// Commits of each writer on a real server; `PAIMON_TEST_COMMITS` says how many where there is little time.
pub fn commits_on_a_server() -> i64 {
    let given = std::env::var("PAIMON_TEST_COMMITS").ok();
    given.map_or(COMMITS, |n| {
        n.parse().expect("PAIMON_TEST_COMMITS is a number")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_rules() {
    check(&Target::new(Vec::new(), "memory:/conformance")).await;
    race(&Target::new(Vec::new(), "memory:/race"), WRITERS, COMMITS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_the_rules() {
    let server = Server::start();
    let target = |folder: &str| Target::new(server.options(), &format!("s3://{BUCKET}/{folder}"));
    check(&target("wh")).await;
    // nothing is left behind
    assert_eq!(server.keys(), Vec::<String>::new());
    assert_eq!(server.open_uploads(), 0);
    race(&target("race"), WRITERS, COMMITS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_other_engines_mark_are_seen_and_dropped() {
    let server = Server::start();
    let target = Target::new(server.options(), &format!("s3://{BUCKET}/wh"));
    server.put("wh/", b"");
    server.put("wh/java.db/", b"");
    server.put("wh/java.db/t/", b"");
    let session = target.session();
    assert_eq!(texts(&session, "SHOW DATABASES").await, ["default", "java"]);
    assert_eq!(
        texts(&session, "SHOW TABLES IN java").await,
        Vec::<String>::new()
    );
    run(&session, "CREATE TABLE java.t (id BIGINT)").await;
    for folder in ["", "schema/", "snapshot/", "manifest/", "bucket-0/"] {
        server.put(&format!("wh/java.db/t/{folder}"), b"");
    }
    run(&session, "INSERT INTO java.t VALUES (1), (2)").await;
    assert_eq!(number(&session, "SELECT sum(id) FROM java.t").await, 3);
    run(&session, "DROP DATABASE java CASCADE").await;
    assert_eq!(texts(&session, "SHOW DATABASES").await, ["default"]);
    assert_eq!(server.keys(), ["wh/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ignores_the_condition_is_refused_before_a_table_is_there() {
    let server = Server::start();
    server.set_faults(Faults {
        ignores_condition: true,
        ..Faults::default()
    });
    let target = Target::new(server.options(), &format!("s3://{BUCKET}/wh"));
    let session = target.session();
    let error = attempt(&session, "CREATE TABLE t (id BIGINT)")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("If-None-Match"), "{error}");
    assert_eq!(server.keys(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bucket_is_read_with_the_credentials_of_each_catalog() {
    let (one, two) = (Server::start(), Server::start());
    let warehouse = format!("s3://{BUCKET}/wh");
    let first = Target::new(one.options(), &warehouse);
    let second = Target::new(two.options(), &warehouse);
    let session = first.session();
    session.create_catalog("d", second.options.clone()).unwrap();
    for (catalog, id) in [("c", 1), ("d", 2)] {
        run(
            &session,
            &format!("CREATE TABLE {catalog}.default.t (id BIGINT)"),
        )
        .await;
        run(
            &session,
            &format!("INSERT INTO {catalog}.default.t VALUES ({id})"),
        )
        .await;
    }
    let both = "SELECT sum(a.id * 10 + b.id) FROM c.default.t a CROSS JOIN d.default.t b";
    assert_eq!(number(&session, both).await, 12);
}

/// Folders of a server when `PAIMON_TEST_<STORE>_WAREHOUSE` names a warehouse on it;
/// `PAIMON_TEST_<STORE>_OPTIONS` holds catalog options as `key=value` lines or separated by commas.
#[allow(clippy::disallowed_methods, reason = "a run needs a folder of its own")]
pub fn external(store: &str) -> Option<impl Fn(&str) -> Target> {
    let variable = |name: &str| std::env::var(format!("PAIMON_TEST_{store}_{name}")).ok();
    let Some(warehouse) = variable("WAREHOUSE") else {
        eprintln!("left out: PAIMON_TEST_{store}_WAREHOUSE is not set");
        return None;
    };
    let options = variable("OPTIONS").unwrap_or_default();
    let options = options.split(['\n', ',']).filter_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        Some((key.to_string(), value.to_string()))
    });
    let options: Vec<_> = options.collect();
    let run = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    Some(move |name: &str| {
        let folder = format!("{}/{name}-{run}", warehouse.trim_end_matches('/'));
        Target::new(options.clone(), &folder)
    })
}

async fn keeps_the_rules(store: &str) {
    if let Some(target) = external(store) {
        check(&target("conformance")).await;
        race(&target("race"), WRITERS, commits_on_a_server()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_s3_server_keeps_the_rules() {
    keeps_the_rules("S3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_azure_server_keeps_the_rules() {
    keeps_the_rules("AZURE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_gcs_server_keeps_the_rules() {
    keeps_the_rules("GCS").await;
}

#[cfg(not(feature = "hdfs"))]
#[test]
fn hdfs_is_refused_with_the_feature_that_opens_it() {
    for location in ["hdfs://host:9000/wh", "viewfs://cluster/wh"] {
        let error = paimon_stores::all().file_io(location, &Default::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("feature `hdfs`"), "{error}");
    }
}
