//! Metastores that are down, slow or talk nonsense: waiting is bounded and the error names the address.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use paimon_catalog::{Catalog, create_catalog};
use paimon_core::{Error, ErrorKind};

fn catalog(uri: &str, options: &[(&str, &str)]) -> Arc<dyn Catalog> {
    let own = [
        ("metastore", "hive"),
        ("uri", uri),
        ("warehouse", "memory:/hive-faults"),
        ("hive.metastore.execute.setugi", "false"),
        ("hive.metastore.client.socket.timeout", "1s"),
        ("hive.metastore.client.connection.timeout", "1s"),
        ("hive.metastore.client.connect.retry.delay", "100 ms"),
        ("hive.metastore.connect.retries", "1"),
    ];
    let all = own.iter().chain(options);
    let all: BTreeMap<String, String> = all.map(|(k, v)| (k.to_string(), v.to_string())).collect();
    create_catalog("h", all).unwrap()
}

/// A server that treats every connection alike, and how many there were.
fn serve(treat: impl Fn(TcpStream) + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("thrift://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let (seen, treat) = (count.clone(), Arc::new(treat));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            seen.fetch_add(1, Ordering::SeqCst);
            let treat = treat.clone();
            std::thread::spawn(move || treat(stream.unwrap()));
        }
    });
    (uri, count)
}

/// Answers `get_all_databases` as a metastore with one database, over and over; `rounds` calls at most.
fn answer(mut stream: TcpStream, framed: bool, rounds: usize) {
    for _ in 0..rounds {
        if framed && stream.read_exact(&mut [0; 4]).is_err() {
            return;
        }
        let mut request = [0; 4 + 4 + 17 + 4 + 1];
        if stream.read_exact(&mut request).is_err() {
            return;
        }
        let mut reply = vec![0x80, 1, 0, 2];
        reply.extend(&request[4..29]);
        reply.extend([15, 0, 0, 11, 0, 0, 0, 1, 0, 0, 0, 7]);
        reply.extend(b"default\0");
        if framed {
            let length = u32::try_from(reply.len()).unwrap();
            stream.write_all(&length.to_be_bytes()).unwrap();
        }
        stream.write_all(&reply).unwrap();
    }
}

async fn failure(catalog: &dyn Catalog) -> Error {
    let started = Instant::now();
    let error = catalog.list_databases().await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(15), "{error}");
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_or_unknown_is_named() {
    let uris = "thrift://127.0.0.1:1,thrift://no-such-host.invalid:2";
    let error = failure(catalog(uris, &[]).as_ref()).await.to_string();
    assert!(error.contains("127.0.0.1:1"), "{error}");
    assert!(error.contains("no-such-host.invalid:2"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_garbage_and_closed_connections_end_in_time() {
    let (silent, _) = serve(|stream| {
        std::thread::sleep(Duration::from_secs(30));
        drop(stream);
    });
    let (http, _) = serve(|mut stream| {
        let mut some = [0; 8];
        let _ = stream.read(&mut some);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let (closing, _) = serve(drop);
    let (dripping, _) = serve(|mut stream| {
        // never a whole message
        while stream.write_all(&[0x80]).is_ok() {
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    for (uri, expected) in [
        (silent, "in time"),
        (http, "makes no sense"),
        (closing, "closed the connection"),
        (dripping, ""),
    ] {
        let error = failure(catalog(&uri, &[]).as_ref()).await.to_string();
        assert!(error.contains(&uri), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_kept_and_replaced_when_the_server_restarts() {
    let (uri, connections) = serve(|stream| answer(stream, false, 2));
    let catalog = catalog(&uri, &[]);
    for call in 0..6 {
        assert_eq!(
            catalog.list_databases().await.unwrap(),
            ["default"],
            "{call}"
        );
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn framed_transport_is_spoken_when_asked_for() {
    let framed = ("hive.metastore.thrift.framed.transport.enabled", "true");
    let (uri, _) = serve(|stream| answer(stream, true, 9));
    let names = catalog(&uri, &[framed]).list_databases().await.unwrap();
    assert_eq!(names, ["default"]);
    let (plain, _) = serve(|stream| answer(stream, false, 9));
    failure(catalog(&plain, &[framed]).as_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_address_answers_for_one_that_is_down() {
    let (uri, _) = serve(|stream| answer(stream, false, 9));
    let uris = format!("thrift://127.0.0.1:1,{uri}");
    let names = catalog(&uris, &[]).list_databases().await.unwrap();
    assert_eq!(names, ["default"]);
}
