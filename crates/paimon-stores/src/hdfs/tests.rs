#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::time::{Duration, Instant};

use paimon_core::io::{FileIo, Stores};

use super::*;
use crate::client::Patience;
use calls::Failure;

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    own.collect()
}

fn open(prefix: &str, pairs: &[(&str, &str)]) -> Result<OpenedStore> {
    HdfsFactory::new(Environment::default()).open(prefix, &options(pairs))
}

fn settings(pairs: &[(&str, &str)]) -> Result<Settings> {
    Settings::read(&options(pairs), &Environment::default())
}

#[test]
fn locations_name_a_host_a_name_service_or_the_default_file_system() {
    const SERVICE: [(&str, &str); 3] = [
        ("hadoop.dfs.ha.namenodes.ns", "a,b"),
        ("hadoop.dfs.namenode.rpc-address.ns.a", "one:8020"),
        ("hadoop.dfs.namenode.rpc-address.ns.b", "two:8020"),
    ];
    let opened = open("hdfs://host:9000", &[]).unwrap();
    assert_eq!(opened.commit, CommitPrimitive::ConditionalPut);
    assert!(!opened.replaced_by_others && opened.folders.is_some());
    assert!(open("hdfs://host", &[]).is_ok());
    assert!(open("hdfs://ns", &SERVICE).is_ok());
    for key in ["fs.defaultFS", "hadoop.fs.defaultFS"] {
        assert!(open("hdfs://", &[(key, "hdfs://host:9000")]).is_ok());
    }
    let error = open("hdfs://", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn mount_tables_and_users_in_locations_are_refused() {
    let error = open("viewfs://cluster", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("mount"), "{error}");
    let error = open("hdfs://me@host:1", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn options_of_hadoop_shape_new_files() {
    let read = settings(&[
        ("hadoop.dfs.replication", "2"),
        ("hadoop.dfs.blocksize", "64m"),
        ("hadoop.fs.permissions.umask-mode", "027"),
        ("hadoop.security.authentication", "kerberos"),
        ("hadoop.ipc.client.rpc-timeout.ms", "1500"),
        ("hadoop.ipc.client.connect.max.retries", "3"),
        ("s3.access-key", "x"),
    ])
    .unwrap();
    assert_eq!(read.creation.replication, Some(2));
    assert_eq!(read.creation.block_size, Some(64 << 20));
    assert_eq!(read.creation.permission, 0o640);
    assert_eq!(read.folder_mode, 0o750);
    assert_eq!(read.config["hadoop.security.authentication"], "kerberos");
    assert!(!read.config.contains_key("s3.access-key"));
    assert_eq!(read.patience.request_timeout, Duration::from_millis(1500));
    assert_eq!(read.patience.retries, 3);
    for (key, value) in [
        ("hadoop.dfs.replication", "-1"),
        ("hadoop.dfs.blocksize", "large"),
        ("hadoop.fs.permissions.umask-mode", "9"),
        ("hadoop-conf-dir", "/no/such/folder"),
        ("security.kerberos.login.principal", "me@REALM"),
    ] {
        let error = settings(&[(key, value)]).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{key}");
    }
}

#[test]
fn the_folder_of_the_configuration_comes_from_the_option_then_the_environment() {
    let folder = |name: &str| {
        let folder = std::env::temp_dir().join(format!("paimon-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let property = "<property><name>fs.defaultFS</name><value>hdfs://host:1</value></property>";
        let site = format!("<configuration>{property}</configuration>");
        std::fs::write(folder.join("core-site.xml"), site).unwrap();
        folder.to_str().unwrap().to_string()
    };
    let (given, named) = (folder("given"), folder("named"));
    let variable = ("HADOOP_CONF_DIR".to_string(), named.clone());
    let environment: Environment = [variable].into_iter().collect();
    let read = Settings::read(&options(&[("hadoop-conf-dir", &given)]), &environment).unwrap();
    assert_eq!(read.config_folder.as_deref(), Some(given.as_str()));
    let read = Settings::read(&BTreeMap::new(), &environment).unwrap();
    assert_eq!(read.config_folder.as_deref(), Some(named.as_str()));
    let factory = HdfsFactory::new(environment);
    assert!(factory.open("hdfs://", &BTreeMap::new()).is_ok());
    for folder in [given, named] {
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn only_failures_that_may_pass_are_tried_again() {
    let rpc = |class: &str| HdfsError::RPCError(class.into(), "why\n\tat java".into());
    let safe_mode = "org.apache.hadoop.hdfs.server.namenode.SafeModeException";
    let denied = "org.apache.hadoop.security.AccessControlException";
    for (error, again) in [
        (rpc(safe_mode), true),
        (HdfsError::IOError(std::io::Error::other("cut")), true),
        (rpc(denied), false),
        (rpc("java.io.FileNotFoundException"), false),
        (HdfsError::AlreadyExists("f".into()), false),
    ] {
        let failure = Failure::Hdfs(error);
        assert_eq!(failure.may_pass(), again, "{failure}");
        assert!(!failure.to_string().contains("at java"), "{failure}");
    }
    let error = Failure::Hdfs(rpc(denied)).at("read", "/t/f");
    assert!(matches!(
        error,
        object_store::Error::PermissionDenied { .. }
    ));
    assert!(error.to_string().contains("/t/f"), "{error}");
}

fn io(address: &str, timeout: &str) -> FileIo {
    let stores = Stores::new().with(Arc::new(HdfsFactory::new(Environment::default())));
    let options = options(&[
        ("hadoop.ipc.client.rpc-timeout.ms", timeout),
        ("hadoop.ipc.client.connect.max.retries", "1"),
    ]);
    stores
        .file_io(&format!("hdfs://{address}/wh"), &options)
        .unwrap()
}

#[tokio::test]
async fn a_name_node_that_is_down_or_silent_ends_in_an_error_that_names_the_file() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    // the port of a listener that is gone
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone_address = gone.local_addr().unwrap().to_string();
    drop(gone);
    for address in [&silent_address, &gone_address] {
        let io = io(address, "300");
        let began = Instant::now();
        let location = format!("hdfs://{address}/wh/snapshot-1");
        let error = io.publish(&location, "x".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("snapshot-1"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn patience_without_options_is_that_of_other_stores() {
    assert_eq!(settings(&[]).unwrap().patience, Patience::default());
}
