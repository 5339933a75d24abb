//! JDBC catalogs: SQLite always, PostgreSQL and MySQL where `PAIMON_TEST_POSTGRES` and `PAIMON_TEST_MYSQL` name one (as
//! `jdbc:postgresql://...`), with `.._USER` and `.._PASSWORD`.

use std::collections::BTreeMap;

use paimon_catalog::create_catalog;

use crate::conformance;

async fn run(uri: &str, prefix: &str, more: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = BTreeMap::from([
        ("metastore".to_string(), "jdbc".to_string()),
        (
            "uri".to_string(),
            uri.replace("FOLDER", folder.path().to_str().unwrap()),
        ),
        (
            "warehouse".to_string(),
            format!("{}/wh", folder.path().display()),
        ),
    ]);
    options.extend(more.iter().map(|(k, v)| (k.to_string(), v.to_string())));
    let catalog = create_catalog("paimon", options).unwrap();
    conformance::suite(catalog.as_ref(), prefix).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_it_does_what_every_catalog_does() {
    run("jdbc:sqlite:FOLDER/c.db", "lite", &[]).await;
    let locked = [("lock.enabled", "true"), ("lock-check-max-sleep", "20 ms")];
    run("jdbc:sqlite:FOLDER/c.db", "lite", &locked).await;
}

/// A server that the environment names: its address, and its user and password where it needs them.
async fn run_on_server(name: &str, prefix: &str) {
    let given = |suffix: &str| std::env::var(format!("PAIMON_TEST_{name}{suffix}"));
    let Ok(uri) = given("") else {
        eprintln!("left out: PAIMON_TEST_{name} does not name a server");
        return;
    };
    let user = given("_USER").unwrap_or_else(|_| "paimon".to_string());
    let password = given("_PASSWORD").unwrap_or_default();
    let key = format!("rust-{}", std::process::id());
    let mut options = vec![
        ("jdbc.user", user.as_str()),
        ("jdbc.password", password.as_str()),
        ("catalog-key", key.as_str()),
    ];
    options.retain(|(_, value)| !value.is_empty());
    run(&uri, prefix, &options).await;
    options.extend([("lock.enabled", "true"), ("lock-check-max-sleep", "20 ms")]);
    run(&uri, prefix, &options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_it_does_what_every_catalog_does() {
    run_on_server("POSTGRES", "pg").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mysql_it_does_what_every_catalog_does() {
    run_on_server("MYSQL", "my").await;
}
