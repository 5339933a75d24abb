//! How many requests reads make of an object store, and which.

use std::collections::BTreeMap;

use paimon_core::format::parquet::read_metadata;
use paimon_core::io::FileIo;
use paimon_core::maintenance::RemoveOrphanFiles;
use paimon_core::maintenance::fsck::{Finding, fsck};
use paimon_core::table::Table;
use paimon_datafusion::PaimonSession;

use crate::conformance::{Target, number, run};
use crate::server::{BUCKET, Seen, Server};

const WAREHOUSE: &str = "wh";
/// Chunks with at most so many bytes between them are worth one request.
const GAP: u64 = 1 << 20;

/// Two partitions with a file each, whose footers have several row groups' worth of columns.
async fn filled(server: &Server) -> Target {
    let target = target(server, &[]);
    let session = target.session();
    run(
        &session,
        "CREATE TABLE t (id BIGINT, dt STRING, a DOUBLE, b STRING, c BIGINT) PARTITIONED BY (dt)",
    )
    .await;
    run(
        &session,
        "INSERT INTO t SELECT value, CASE WHEN value < 60000 THEN 'x' ELSE 'y' END, \
         sqrt(value), md5(CAST(value AS STRING)), value * 7919 % 100003 FROM generate_series(0, 119999)",
    )
    .await;
    target
}

fn target(server: &Server, more: &[(&str, &str)]) -> Target {
    let mut options = server.options();
    options.extend(more.iter().map(|(k, v)| (k.to_string(), v.to_string())));
    Target::new(options, &format!("s3://{BUCKET}/{WAREHOUSE}"))
}

fn is_data(seen: &&Seen) -> bool {
    seen.key.ends_with(".parquet")
}

/// Requests for the footer of each data file and for the chunks of some columns in each row group.
async fn minimum(server: &Server, target: &Target, columns: &[&str]) -> (usize, usize) {
    let location = |key: &str| format!("s3://{BUCKET}/{key}");
    let io = target
        .stores
        .file_io(&location(""), &target.options)
        .unwrap();
    let (mut files, mut requests) = (0, 0);
    for key in server.keys().iter().filter(|k| k.ends_with(".parquet")) {
        let footer = footer(&io, &location(key)).await;
        files += 1;
        requests += 1;
        for group in footer {
            let mut end = None;
            let chunks = group
                .iter()
                .filter(|(name, _)| columns.contains(&name.as_str()));
            for (_, (start, length)) in chunks {
                if end.is_none_or(|end| start - end > GAP) {
                    requests += 1;
                }
                end = Some(start + length);
            }
        }
    }
    server.take_seen();
    (files, requests)
}

/// Name, start and length of the column chunks of each row group, in order.
async fn footer(io: &FileIo, location: &str) -> Vec<Vec<(String, (u64, u64))>> {
    let metadata = read_metadata(&io.open(location).await.unwrap())
        .await
        .unwrap();
    let groups = metadata.row_groups().iter();
    let chunks = groups.map(|group| {
        let mut chunks: Vec<_> = group
            .columns()
            .iter()
            .map(|c| (c.column_path().string(), c.byte_range()))
            .collect();
        chunks.sort_by_key(|(_, range)| *range);
        chunks
    });
    chunks.collect()
}

async fn seen_by(server: &Server, session: &PaimonSession, sql: &str) -> (i64, Vec<Seen>) {
    server.take_seen();
    let sum = number(session, sql).await;
    (sum, server.take_seen())
}

fn bytes(seen: &[&Seen]) -> usize {
    let ranges = seen.iter().filter_map(|s| s.range);
    ranges.map(|(from, to)| to - from + 1).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_needs_few_requests_and_planning_lists_no_data_folder() {
    let server = Server::start();
    let target = filled(&server).await;
    for (sql, columns) in [
        (
            "SELECT sum(id + length(b) + c) + CAST(sum(a) AS BIGINT) FROM t",
            &["id", "a", "b", "c"][..],
        ),
        ("SELECT sum(id + c) FROM t", &["id", "c"][..]),
        ("SELECT sum(c) FROM t WHERE id > 100", &["id", "c"][..]),
    ] {
        let (files, least) = minimum(&server, &target, columns).await;
        let (_, seen) = seen_by(&server, &target.session(), sql).await;
        let data: Vec<&Seen> = seen.iter().filter(is_data).collect();
        println!(
            "{sql}: {files} files, at least {least} requests, made {} of {} bytes, {} others",
            data.len(),
            bytes(&data),
            seen.len() - data.len()
        );
        assert!(files >= 2);
        assert!(data.len() * 2 <= least * 3, "{sql}: {data:#?}");
        let listed: Vec<&str> = seen.iter().filter_map(|s| s.prefix.as_deref()).collect();
        assert!(
            listed
                .iter()
                .all(|p| !p.contains("bucket-") && !p.contains("dt=")),
            "{sql}: {listed:?}"
        );
        assert!(seen.iter().all(|s| s.method == "GET" || s.method == "HEAD"));
        assert!(data.iter().all(|s| s.method == "GET"), "{sql}: {data:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_reads_no_manifest() {
    let server = Server::start();
    let session = filled(&server).await.session();
    let sql = "SELECT sum(id) FROM t";
    let is_manifest = |s: &&Seen| s.key.contains("/manifest/");
    let (first, seen) = seen_by(&server, &session, sql).await;
    assert!(seen.iter().any(|s| is_manifest(&s)), "{seen:#?}");
    let (second, seen) = seen_by(&server, &session, sql).await;
    assert_eq!(seen.iter().filter(is_manifest).count(), 0, "{seen:#?}");
    assert_eq!(first, second);
    // what was committed meanwhile is seen
    run(&session, "INSERT INTO t VALUES (1, 'x', 1.0, 'b', 1)").await;
    assert_eq!(number(&session, sql).await, first + 1);
    let off = target(&server, &[("cache-enabled", "false")]).session();
    for _ in 0..2 {
        let (_, seen) = seen_by(&server, &off, sql).await;
        assert!(seen.iter().any(|s| is_manifest(&s)), "{seen:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_sees_what_the_store_lost_though_the_cache_has_it() {
    let server = Server::start();
    let target = filled(&server).await;
    let location = format!("s3://{BUCKET}/{WAREHOUSE}/default.db/t");
    let io = target.stores.file_io(&location, &target.options).unwrap();
    let table = Table::open(io, &location, "t").await.unwrap();
    let plan = async || table.read_builder().plan().await.unwrap().splits.len();
    let splits = plan().await;
    let keys = server.keys();
    let manifest = keys
        .iter()
        .find(|k| k.contains("/manifest/manifest-") && !k.contains("list"));
    let manifest = manifest.unwrap();
    assert_eq!(fsck(&table).await.unwrap().findings, []);
    server.remove(manifest);
    assert_eq!(plan().await, splits);
    let findings = fsck(&table).await.unwrap().findings;
    let missing = |f: &Finding| f.path.as_deref().is_some_and(|p| p.ends_with(manifest));
    assert!(findings.iter().any(missing), "{findings:#?}");
    let later = 4_102_444_800_000;
    let orphans = RemoveOrphanFiles {
        older_than_ms: Some(later),
        dry_run: true,
    };
    let found = orphans.run(&table, later).await;
    assert!(found.is_err(), "{found:?}");
}

async fn second_run_reads_nothing(server: &Server, options: &[(&str, &str)]) {
    let session = target(server, options).session();
    let sql = "SELECT sum(id + length(b)) FROM t";
    let (first, seen) = seen_by(server, &session, sql).await;
    let data: Vec<&Seen> = seen.iter().filter(is_data).collect();
    println!(
        "first run: {} requests of {} bytes",
        data.len(),
        bytes(&data)
    );
    assert!(!data.is_empty());
    let (second, seen) = seen_by(server, &session, sql).await;
    assert_eq!(seen.iter().filter(is_data).count(), 0, "{seen:#?}");
    assert_eq!(first, second);
    println!("second run: {} requests, none for data", seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_with_blocks_in_memory_reads_no_data() {
    let server = Server::start();
    filled(&server).await;
    let options = [
        ("local-cache.enabled", "true"),
        ("local-cache.whitelist", "*"),
        ("local-cache.max-size", "200 mb"),
    ];
    second_run_reads_nothing(&server, &options).await;
    // with the cache the first run makes no more requests than a store without one
    let (_, least) = minimum(&server, &target(&server, &[]), &["id", "b"]).await;
    let fresh = [&options[..2], &[("local-cache.max-size", "201 mb")]].concat();
    let sql = "SELECT sum(id + length(b)) FROM t";
    let (_, seen) = seen_by(&server, &target(&server, &fresh).session(), sql).await;
    let data = seen.iter().filter(is_data).count();
    assert!(data * 2 <= least * 3, "{data} requests, at least {least}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_with_keys_and_deletion_vectors_are_read_from_blocks_too() {
    let server = Server::start();
    let plain = target(&server, &[]);
    let session = plain.session();
    for table in [
        "CREATE TABLE k (id BIGINT PRIMARY KEY, v STRING) WITH ('bucket' = '1', 'write-only' = 'true')",
        "CREATE TABLE d (id BIGINT PRIMARY KEY, v STRING) WITH ('bucket' = '1', \
         'deletion-vectors.enabled' = 'true')",
    ] {
        run(&session, table).await;
    }
    for table in ["k", "d"] {
        for round in 0..3 {
            let rows = format!(
                "INSERT INTO {table} SELECT value, md5(CAST(value + {round} AS STRING)) \
                 FROM generate_series(0, 19999) WHERE value % (1 + {round}) = 0"
            );
            run(&session, &rows).await;
        }
    }
    let options = [
        ("local-cache.enabled", "true"),
        ("local-cache.whitelist", "*"),
        ("local-cache.block-size", "64 kb"),
    ];
    let cached = target(&server, &options).session();
    let mut seen = BTreeMap::new();
    for table in ["k", "d"] {
        let sql = format!("SELECT sum(id + ascii(v)) FROM {table}");
        let expected = number(&session, &sql).await;
        for run in 0..2 {
            let (sum, made) = seen_by(&server, &cached, &sql).await;
            assert_eq!(sum, expected, "{table}, run {run}");
            let files = |s: &&Seen| s.key.contains("/bucket-0/") || s.key.contains("/index/");
            seen.insert((table, run), made.iter().filter(files).count());
        }
    }
    assert!(seen[&("k", 0)] > 0 && seen[&("d", 0)] > 0, "{seen:?}");
    assert_eq!((seen[&("k", 1)], seen[&("d", 1)]), (0, 0), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_analyze_shows_what_the_cache_did() {
    let server = Server::start();
    filled(&server).await;
    let options = [
        ("local-cache.enabled", "true"),
        ("local-cache.whitelist", "data"),
        ("local-cache.max-size", "100 mb"),
    ];
    let session = target(&server, &options).session();
    let explain = async || {
        let sql = "EXPLAIN ANALYZE SELECT sum(id) FROM t";
        let plan = session.sql(sql).await.unwrap().to_string().await.unwrap();
        let value = |name: &str| {
            let (_, rest) = plan.split_once(&format!("{name}=")).unwrap();
            rest.split([',', ']', ' ']).next().unwrap().to_string()
        };
        (value("cache_hits"), value("cache_misses"))
    };
    let (_, misses) = explain().await;
    assert_ne!(misses, "0");
    let (hits, misses) = explain().await;
    assert_ne!(hits, "0");
    assert_eq!(misses, "0");
}
