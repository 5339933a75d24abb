//! What cannot travel is refused by name.

use std::sync::Arc;

use datafusion::arrow::array::{Int32Array, RecordBatch};
use datafusion::datasource::MemTable;
use paimon_codec::CatalogResolver;

use super::{Way, encoded, run_encoded, session, warehouse};

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_the_session_are_refused_by_name() {
    let warehouse = warehouse();
    let sender = session(warehouse.path());
    let rows = Arc::new(Int32Array::from(vec![1])) as _;
    let batch = RecordBatch::try_from_iter([("a", rows)]).unwrap();
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
    sender
        .context()
        .register_table("here_only", Arc::new(table))
        .unwrap();
    let error = encoded(Way::Logical, &sender, "SELECT * FROM here_only").await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("in-memory table") && error.contains("here_only"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_with_secrets_are_refused() {
    let warehouse = warehouse();
    let sender = session(warehouse.path());
    let sql = "CREATE TABLE s (a INT) WITH ('fs.oss.accessKeySecret' = 'hush')";
    for way in [Way::Logical, Way::Physical] {
        let error = encoded(way, &sender, sql).await.unwrap_err().to_string();
        assert!(
            error.contains("secret") && !error.contains("hush"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_catalog_is_in_a_plan() {
    let warehouse = warehouse();
    let sender = paimon_datafusion::PaimonSession::new();
    let path = warehouse.path().to_str().unwrap().to_string();
    let options = [("warehouse", path.as_str()), ("s3.secret-key", "hush-hush")];
    let options = options.map(|(k, v)| (k.to_string(), v.to_string()));
    sender.create_catalog("paimon", options.into()).unwrap();
    sender.use_catalog("paimon").unwrap();
    for way in [Way::Logical, Way::Physical] {
        let bytes = encoded(way, &sender, "SELECT * FROM pk").await.unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("hush-hush"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_the_receiver_lacks_is_named() {
    let warehouse = warehouse();
    let sender = session(warehouse.path());
    let bytes = encoded(Way::Physical, &sender, "SELECT * FROM pk")
        .await
        .unwrap();
    let receiver = paimon_datafusion::PaimonSession::new();
    assert!(receiver.catalogs().is_empty());
    let error = run_encoded(Way::Physical, &receiver, &bytes)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("catalog = paimon"), "{error}");
}
