#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use paimon_core::ErrorKind;

use super::*;

fn catalog(folder: &std::path::Path) -> FileSystemCatalog {
    let options = BTreeMap::from([(
        "warehouse".to_string(),
        folder.to_str().unwrap().to_string(),
    )]);
    FileSystemCatalog::new("paimon", options).unwrap()
}

fn touch(folder: &std::path::Path, path: &str) {
    let file = folder.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, "{}").unwrap();
}

#[tokio::test]
async fn a_table_exists_when_it_has_a_schema_file() {
    let folder = tempfile::tempdir().unwrap();
    touch(folder.path(), "a.db/t1/schema/schema-0");
    touch(folder.path(), "a.db/t2/schema/schema-17");
    touch(folder.path(), "a.db/t3/schema/other");
    touch(folder.path(), "a.db/t4/bucket-0/data");
    touch(folder.path(), "b.db/Mixed/schema/schema-0");
    touch(folder.path(), "not_a_database/t/schema/schema-0");
    let catalog = catalog(folder.path());
    assert_eq!(
        catalog.list_databases().await.unwrap(),
        ["a", "b", "default"]
    );
    assert_eq!(catalog.list_tables("a").await.unwrap(), ["t1", "t2"]);
    assert_eq!(catalog.list_tables("b").await.unwrap(), ["Mixed"]);
    for (name, expected) in [("a.t1", true), ("a.t3", false), ("b.mixed", false)] {
        let id = Identifier::parse(name).unwrap();
        assert_eq!(catalog.table_exists(&id).await.unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn reads_of_a_missing_warehouse_create_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("wh");
    let catalog = catalog(&missing);
    assert_eq!(catalog.list_databases().await.unwrap(), ["default"]);
    assert!(catalog.list_tables("default").await.unwrap().is_empty());
    let error = catalog.list_tables("nope").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = catalog
        .get_table(&Identifier::parse("t").unwrap())
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!missing.exists());
}
