//! The login to a real metastore that wants Kerberos: `services/run.sh kerberos` starts one with its key distribution centre.
//! `PAIMON_TEST_HMS_KEYTABS` is the folder of `alice.keytab` and `bob.keytab`, whose tickets live for eight seconds; the
//! ticket cache holds one of alice's.

use std::collections::BTreeMap;
use std::time::Duration;

use paimon_catalog::{Identifier, create_catalog};
use paimon_core::ErrorKind;

use crate::conformance::plain;
use crate::hive_server::{Server, server};

const LEVELS: [&str; 3] = ["authentication", "integrity", "privacy"];

/// A metastore, and the folder of keytabs; `None`, with a message, without them.
fn kerberos() -> Option<(Server, String)> {
    let Ok(keytabs) = std::env::var("PAIMON_TEST_HMS_KEYTABS") else {
        eprintln!("left out: PAIMON_TEST_HMS_KEYTABS names no folder of keytabs");
        return None;
    };
    server().map(|server| (server, keytabs))
}

fn keytab_login<'a>(user: &'a str, keytab: &'a str) -> [(&'a str, &'a str); 2] {
    [
        ("security.kerberos.login.principal", user),
        ("security.kerberos.login.keytab", keytab),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_log_in_side_by_side_and_the_ticket_cache_stays_as_it_was() {
    let Some((server, keytabs)) = kerberos() else {
        return;
    };
    let bob = format!("{keytabs}/bob.keytab");
    let bob = keytab_login("bob@PAIMON.TEST", &bob);
    let catalogs = [server.catalog(&[]), server.catalog(&bob)];
    let names = ["it_krb_alice", "it_krb_bob"];
    for (catalog, name) in catalogs.iter().zip(names) {
        catalog.drop_database(name, true, true).await.unwrap();
        catalog.create_database(name, false).await.unwrap();
    }
    for (catalog, other) in catalogs.iter().zip(["it_krb_bob", "it_krb_alice"]) {
        assert!(catalog.database_exists(other).await.unwrap());
        catalog.drop_database(other, false, true).await.unwrap();
    }
    let cache = std::env::var("KRB5CCNAME").unwrap();
    let cache = std::fs::read(cache.trim_start_matches("FILE:")).unwrap();
    let holds = |name: &[u8]| cache.windows(name.len()).any(|part| part == name);
    assert!(holds(b"alice") && !holds(b"bob"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_larger_than_the_buffer_of_the_server_arrive_whole() {
    let Some((server, _)) = kerberos() else {
        return;
    };
    for level in LEVELS {
        let catalog = server.catalog(&[("hadoop.rpc.protection", level)]);
        let database = format!("it_krb_{level}");
        catalog.drop_database(&database, true, true).await.unwrap();
        catalog.create_database(&database, false).await.unwrap();
        let t = Identifier::new(&database, "t").unwrap();
        // a server says that it takes 64 KB at a time
        let long: String = ('a'..='z').cycle().take(300_000).collect();
        let mut new = plain();
        new.options.insert("some.text".to_string(), long.clone());
        catalog.create_table(&t, new, false).await.unwrap();
        let found = catalog.get_table(&t).await.unwrap();
        assert_eq!(found.schema().options.get("some.text"), Some(&long));
        catalog.drop_database(&database, false, true).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_that_ended_are_fetched_again_from_the_keytab() {
    let Some((server, keytabs)) = kerberos() else {
        return;
    };
    let keytab = format!("{keytabs}/bob.keytab");
    let [principal, keytab] = keytab_login("bob", &keytab);
    for level in LEVELS {
        let options = [principal, keytab, ("hadoop.rpc.protection", level)];
        let catalog = server.catalog(&options);
        catalog.list_databases().await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        // on the connection that is there, and on a new one
        catalog.list_databases().await.unwrap();
        server.catalog(&options).list_databases().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_log_in_learns_why() {
    let Some((server, keytabs)) = kerberos() else {
        return;
    };
    let alice = format!("{keytabs}/alice.keytab");
    let service = |principal| ("hive.metastore.kerberos.principal", principal);
    let off = ("hive.metastore.sasl.enabled", "false");
    for (options, expected) in [
        (&[off][..], "hive.metastore.sasl.enabled"),
        (
            &[service("hive/elsewhere@PAIMON.TEST")],
            "hive/elsewhere@PAIMON.TEST not found",
        ),
        // the server cannot read a ticket for another service
        (
            &[service("bob/_HOST@PAIMON.TEST")],
            "bob/localhost@PAIMON.TEST not found",
        ),
        (&[service("hive/_HOST@NO.SUCH.REALM")], "NO.SUCH.REALM"),
        (
            &keytab_login("bob@PAIMON.TEST", &alice),
            "logging in as \"bob@PAIMON.TEST\"",
        ),
        (&keytab_login("nobody@PAIMON.TEST", &alice), "nobody"),
    ] {
        let quick = [("hive.metastore.connect.retries", "0")];
        let all: Vec<(&str, &str)> = options.iter().chain(&quick).copied().collect();
        let error = server.catalog(&all).list_databases().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        let text = format!("{error:#}");
        assert!(text.contains(expected), "{options:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metastore_without_kerberos_is_not_logged_in_to() {
    let Some((server, _)) = kerberos() else {
        return;
    };
    // a server that closes what it does not understand
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!(
        "thrift://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
        }
    });
    let catalog = server.catalog(&[("uri", &uri), ("hive.metastore.connect.retries", "0")]);
    let error = catalog.list_databases().await.unwrap_err();
    assert!(
        error.to_string().contains("hive.metastore.sasl.enabled"),
        "{error}"
    );
}

#[test]
fn without_a_ticket_there_is_no_catalog() {
    let Some((server, keytabs)) = kerberos() else {
        return;
    };
    let keytab = format!("{keytabs}/no-such.keytab");
    let options = keytab_login("bob", &keytab);
    let options: BTreeMap<String, String> = server.options(&options);
    let error = create_catalog("h", options).unwrap_err().to_string();
    assert!(error.contains("no-such.keytab"), "{error}");
}
