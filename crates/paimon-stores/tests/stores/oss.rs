//! The OSS client against a server in the process that speaks OSS as far as the client asks. Signatures are not checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Int32Array, RecordBatch};
use object_store::ObjectStoreExt;
use paimon_catalog::{Catalog, Identifier, create_catalog_on};
use paimon_core::ErrorKind;
use paimon_core::io::{FileIo, Publication, StoreFactory};
use paimon_core::schema::{NewColumn, NewTable};
use paimon_core::spec::parse_data_type;
use paimon_core::table::Table;
use paimon_stores::{Environment, OssFactory};

use crate::conformance::{Target, check};
use crate::server::{BUCKET, Faults, Server};

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_store_does() {
    let server = Server::start();
    let target = Target::new(server.oss_options(), &format!("oss://{BUCKET}/wh"));
    check(&target).await;
    assert_eq!(server.open_uploads(), 0);
}

fn io(server: &Server) -> FileIo {
    let options = server.oss_options().into_iter().collect();
    let io = paimon_stores::all().file_io(&format!("oss://{BUCKET}"), &options);
    io.unwrap()
}

fn catalog(server: &Server, bucket: &str) -> Arc<dyn Catalog> {
    let more = [
        ("fs.oss.connection.timeout", "2 s"),
        ("fs.oss.attempts.maximum", "12"),
    ];
    let more = more.map(|(k, v)| (k.to_string(), v.to_string()));
    let mut options: BTreeMap<_, _> = server.oss_options().into_iter().chain(more).collect();
    options.insert("warehouse".to_string(), format!("oss://{bucket}/wh"));
    create_catalog_on("c", options, &paimon_stores::all()).unwrap()
}

fn one_column() -> NewTable {
    let options = [
        ("commit.max-retries", "200"),
        ("commit.min-retry-wait", "5 ms"),
        ("commit.max-retry-wait", "80 ms"),
    ];
    NewTable {
        columns: vec![NewColumn {
            name: "a".to_string(),
            data_type: parse_data_type("INT").unwrap(),
            comment: None,
            default: None,
        }],
        options: options.map(|(k, v)| (k.to_string(), v.to_string())).into(),
        ..NewTable::default()
    }
}

fn id() -> Identifier {
    Identifier::parse("d.t").unwrap()
}

async fn insert(table: &Table, value: i32) {
    let column = Arc::new(Int32Array::from(vec![value])) as _;
    let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
    let mut write = table.new_write().unwrap();
    write.write(&batch).await.unwrap();
    let messages = write.prepare_commit().await.unwrap();
    table.new_commit().commit(1, messages).await.unwrap();
}

async fn values(table: &Table) -> Vec<i32> {
    let batches = table.read_builder().collect().await.unwrap();
    let mut values: Vec<i32> = Vec::new();
    for batch in &batches {
        let column = batch.column(0).as_any().downcast_ref::<Int32Array>();
        values.extend(column.unwrap().values());
    }
    values.sort_unstable();
    values
}

/// Writers that share nothing commit one row at a time to one table; none is lost or doubled.
async fn race(server: &Arc<Server>, writers: i32, commits: i32) {
    let first = catalog(server, BUCKET);
    first.drop_database("d", true, true).await.unwrap();
    first.create_database("d", false).await.unwrap();
    first
        .create_table(&id(), one_column(), false)
        .await
        .unwrap();
    let tasks = (0..writers).map(|writer| {
        let server = server.clone();
        tokio::spawn(async move {
            let table = catalog(&server, BUCKET).get_table(&id()).await.unwrap();
            for commit in 0..commits {
                insert(&table, writer * commits + commit).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let table = catalog(server, BUCKET).get_table(&id()).await.unwrap();
    let expected: Vec<i32> = (0..writers * commits).collect();
    assert_eq!(values(&table).await, expected);
    assert_eq!(first.list_tables("d").await.unwrap(), ["t"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_race_lose_nothing() {
    let server = Arc::new(Server::start());
    race(&server, 4, 15).await;
    assert_eq!(server.open_uploads(), 0);
    // dropped with all files; the folder of the database has its marker
    catalog(&server, BUCKET)
        .drop_table(&id(), false)
        .await
        .unwrap();
    let left = server.keys();
    assert!(!left.iter().any(|key| key.contains("/t/")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_survive_a_flaky_server() {
    let server = Arc::new(Server::start());
    for seed in [21, 22] {
        eprintln!("seed {seed}");
        server.set_faults(Faults {
            one_in: 10,
            seed,
            delay: Duration::from_millis(300),
            ..Faults::default()
        });
        let before = server.faulted();
        race(&server, 4, 10).await;
        assert!(server.faulted() > before + 40);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_replaces_in_spite_of_the_header_takes_no_commits() {
    let server = Server::start();
    server.set_faults(Faults {
        ignores_condition: true,
        ..Faults::default()
    });
    let path = format!("oss://{BUCKET}/t/schema/schema-0");
    let error = io(&server).publish(&path, "x".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().contains("x-oss-forbid-overwrite"),
        "{error}"
    );
    assert!(server.keys().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_published_once_under_the_name_that_it_has() {
    let server = Server::start();
    let io = io(&server);
    let path = format!("oss://{BUCKET}/t/dt=a%2Fb/x y");
    for expected in [Publication::Created, Publication::Exists] {
        let published = io.publish(&path, "one".into()).await.unwrap();
        assert_eq!(published, expected);
    }
    assert_eq!(&io.read(&path, 10).await.unwrap()[..], b"one");
    assert_eq!(server.keys(), ["t/dt=a%2Fb/x y"]);
    let folder = format!("oss://{BUCKET}/t");
    assert_eq!(io.list_folders(&folder).await.unwrap(), ["dt=a%2Fb"]);
    let listed = io.list_files(&format!("{folder}/dt=a%2Fb")).await.unwrap();
    assert_eq!((listed[0].name.as_str(), listed[0].size), ("x y", 3));
    io.overwrite(&path, "other".into()).await.unwrap();
    assert_eq!(&io.read(&path, 10).await.unwrap()[..], b"other");
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_of_many_pages_are_whole() {
    let server = Server::start();
    for i in 0..120 {
        server.put(&format!("t/f{i:03}/x"), b"");
        server.put(&format!("t/g{i:03}"), b"");
    }
    let (io, folder) = (io(&server), format!("oss://{BUCKET}/t"));
    assert_eq!(io.list_folders(&folder).await.unwrap().len(), 120);
    assert_eq!(io.list_files(&folder).await.unwrap().len(), 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_come_in_parts() {
    let server = Server::start();
    let opened = {
        let options = server.oss_options().into_iter().collect();
        let factory = OssFactory::new(Environment::default());
        factory.open(&format!("oss://{BUCKET}"), &options).unwrap()
    };
    let path = object_store::path::Path::parse("t/dt=a%2Fb/large").unwrap();
    let mut upload = opened.store.put_multipart(&path).await.unwrap();
    for byte in [1u8, 2, 3] {
        upload.put_part(vec![byte; 1 << 20].into()).await.unwrap();
    }
    upload.complete().await.unwrap();
    let got = opened.store.get(&path).await.unwrap();
    assert_eq!((got.meta.size, &got.meta.location), (3 << 20, &path));
    let bytes = got.bytes().await.unwrap();
    let sums: Vec<usize> = bytes.chunks(1 << 20).map(|c| usize::from(c[9])).collect();
    assert_eq!(sums, [1, 2, 3]);
    let ranges = [0..1, (2 << 20) - 1..(2 << 20) + 1];
    let parts = opened.store.get_ranges(&path, &ranges).await.unwrap();
    assert_eq!([&parts[0][..], &parts[1][..]], [&[1][..], &[2, 3]]);
    let mut given_up = opened.store.put_multipart(&path).await.unwrap();
    given_up.put_part(vec![0; 1 << 20].into()).await.unwrap();
    given_up.abort().await.unwrap();
    assert_eq!(server.open_uploads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_files_and_missing_buckets_are_told_apart() {
    let server = Server::start();
    let read = io(&server).read(&format!("oss://{BUCKET}/none"), 10).await;
    assert!(paimon_core::io::is_not_found(&read.unwrap_err()));
    let error = catalog(&server, "elsewhere").list_databases().await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("bucket or container does not exist"),
        "{error}"
    );
    for secret in ["AKIATESTING", "hidden-secret"] {
        assert!(!error.contains(secret), "{error}");
    }
}
