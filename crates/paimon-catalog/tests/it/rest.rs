//! REST catalogs, where `PAIMON_TEST_REST` names a service (`http://host:port`); `PAIMON_TEST_REST_WAREHOUSE` and
//! `PAIMON_TEST_REST_TOKEN` go with it.

use std::collections::BTreeMap;

use paimon_catalog::create_catalog;

use crate::conformance::{self, Quirks};

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_catalog_does() {
    let Ok(uri) = std::env::var("PAIMON_TEST_REST") else {
        eprintln!("left out: PAIMON_TEST_REST does not name a service");
        return;
    };
    let given =
        |key: &str, default: &str| std::env::var(key).unwrap_or_else(|_| default.to_string());
    let options = [
        ("metastore", "rest".to_string()),
        ("uri", uri),
        ("warehouse", given("PAIMON_TEST_REST_WAREHOUSE", "rest-wh")),
        ("token.provider", "bear".to_string()),
        ("token", given("PAIMON_TEST_REST_TOKEN", "paimon-token")),
    ];
    let options: BTreeMap<String, String> = options
        .into_iter()
        .map(|(k, v)| (k.to_string(), v))
        .collect();
    let catalog = create_catalog("paimon", options).unwrap();
    let prefix = format!("rust{}", std::process::id());
    // of the server among Java Paimon's tests
    let quirks = Quirks {
        renamed_tables_keep_their_path: true,
        new_branches_are_not_empty: true,
    };
    conformance::suite_but(catalog.as_ref(), &prefix, quirks).await;
}
