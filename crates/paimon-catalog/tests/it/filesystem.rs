//! The filesystem catalog.

use std::collections::BTreeMap;

use paimon_catalog::create_catalog;

use crate::conformance;

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_catalog_does() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap().to_string();
    let options = BTreeMap::from([("warehouse".to_string(), warehouse)]);
    let catalog = create_catalog("paimon", options).unwrap();
    conformance::suite(catalog.as_ref(), "fs").await;
}
