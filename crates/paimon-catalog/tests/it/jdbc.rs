//! JDBC catalogs: SQLite always, PostgreSQL where `PAIMON_TEST_POSTGRES` names one (as `jdbc:postgresql://...`).

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

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_it_does_what_every_catalog_does() {
    let Ok(uri) = std::env::var("PAIMON_TEST_POSTGRES") else {
        eprintln!("left out: PAIMON_TEST_POSTGRES does not name a server");
        return;
    };
    let user = std::env::var("PAIMON_TEST_POSTGRES_USER").unwrap_or_else(|_| "paimon".to_string());
    let key = format!("rust-{}", std::process::id());
    let plain = [("jdbc.user", user.as_str()), ("catalog-key", key.as_str())];
    run(&uri, "pg", &plain).await;
    let locked = [
        plain[0],
        plain[1],
        ("lock.enabled", "true"),
        ("lock-check-max-sleep", "20 ms"),
    ];
    run(&uri, "pg", &locked).await;
}
