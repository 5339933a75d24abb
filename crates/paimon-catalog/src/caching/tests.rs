#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use paimon_core::{Error, ErrorKind};
use tokio::sync::Notify;

use super::testing::HandClock;
use super::*;
use crate::conformance::{self, count, insert, plain};
use crate::filesystem::FileSystemCatalog;

/// A catalog on files that counts what it is asked for.
#[derive(Debug)]
struct Counting {
    files: FileSystemCatalog,
    opened: AtomicUsize,
    described: AtomicUsize,
    /// Where a look at a table waits before it answers.
    gate: Option<(Notify, Notify)>,
    /// Whether changes take effect and fail.
    loses_answers: bool,
}

impl Counting {
    fn new(folder: &tempfile::TempDir) -> Self {
        Self {
            files: files(folder),
            opened: AtomicUsize::new(0),
            described: AtomicUsize::new(0),
            gate: None,
            loses_answers: false,
        }
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Catalog for Counting {
    fn name(&self) -> &str {
        self.files.name()
    }

    fn options(&self) -> &BTreeMap<String, String> {
        self.files.options()
    }

    async fn list_databases(&self) -> Result<Vec<String>> {
        self.files.list_databases().await
    }

    async fn database_exists(&self, database: &str) -> Result<bool> {
        self.files.database_exists(database).await
    }

    async fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        self.files.list_tables(database).await
    }

    async fn table_exists(&self, identifier: &Identifier) -> Result<bool> {
        self.files.table_exists(identifier).await
    }

    async fn get_table(&self, identifier: &Identifier) -> Result<Table> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let table = self.files.get_table(identifier).await;
        if let Some((here, go)) = &self.gate {
            here.notify_one();
            go.notified().await;
        }
        table
    }

    async fn create_database(&self, database: &str, ignore_if_exists: bool) -> Result<()> {
        self.files.create_database(database, ignore_if_exists).await
    }

    async fn database_properties(&self, database: &str) -> Result<BTreeMap<String, String>> {
        let times = self.described.fetch_add(1, Ordering::Relaxed) + 1;
        Ok([(database.to_string(), times.to_string())].into())
    }

    async fn alter_database(&self, _: &str, _: &PropertyChanges) -> Result<()> {
        Ok(())
    }

    async fn drop_database(&self, database: &str, ignore: bool, cascade: bool) -> Result<()> {
        self.files.drop_database(database, ignore, cascade).await
    }

    fn schema_of_new(&self, identifier: &Identifier, table: &NewTable) -> Result<TableSchema> {
        self.files.schema_of_new(identifier, table)
    }

    async fn create_table(&self, id: &Identifier, table: NewTable, ignore: bool) -> Result<bool> {
        self.files.create_table(id, table, ignore).await
    }

    async fn drop_table(&self, identifier: &Identifier, ignore: bool) -> Result<()> {
        self.files.drop_table(identifier, ignore).await
    }

    async fn rename_table(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        self.files.rename_table(from, to).await
    }

    async fn alter_table(&self, id: &Identifier, changes: &[SchemaChange]) -> Result<()> {
        self.files.alter_table(id, changes).await?;
        match self.loses_answers {
            true => Err(Error::new(ErrorKind::Io, "no answer")),
            false => Ok(()),
        }
    }

    async fn replace_table(&self, id: &Identifier, schema: &TableSchema) -> Result<()> {
        self.files.replace_table(id, schema).await
    }

    fn global_system_tables(&self) -> &'static [&'static str] {
        self.files.global_system_tables()
    }

    async fn global_system_table(&self, name: &str) -> Result<Option<SystemTable>> {
        self.files.global_system_table(name).await
    }
}

fn files(folder: &tempfile::TempDir) -> FileSystemCatalog {
    let warehouse = folder.path().to_str().unwrap().to_string();
    FileSystemCatalog::new("c", [("warehouse".to_string(), warehouse)].into()).unwrap()
}

fn id(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

fn set(key: &str, value: &str) -> SchemaChange {
    SchemaChange::SetOption {
        key: key.into(),
        value: value.into(),
    }
}

/// A caching catalog on files, with a table `t`.
struct Fixture {
    folder: tempfile::TempDir,
    inner: Arc<Counting>,
    clock: Arc<HandClock>,
    catalog: CachingCatalog,
}

impl Fixture {
    async fn new(change: impl FnOnce(&mut Counting)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut inner = Counting::new(&folder);
        inner
            .files
            .create_table(&id("t"), plain(), false)
            .await
            .unwrap();
        change(&mut inner);
        let inner = Arc::new(inner);
        let clock = Arc::new(HandClock::default());
        let settings = CacheSettings {
            after_access: Duration::from_secs(10),
            after_write: Duration::from_secs(30),
        };
        let catalog = CachingCatalog::with(inner.clone(), settings, clock.clone());
        Self {
            folder,
            inner,
            clock,
            catalog,
        }
    }

    async fn table(&self) -> Table {
        self.catalog.get_table(&id("t")).await.unwrap()
    }
}

#[tokio::test]
async fn a_table_is_opened_once_until_its_time_is_over() {
    let fixture = Fixture::new(|_| {}).await;
    insert(&fixture.table().await, &[(1, "a")]).await;
    assert_eq!(count(&fixture.table().await).await, 1);
    assert_eq!(fixture.inner.opened(), 1);
    fixture.clock.pass_ms(9_999);
    fixture.table().await;
    assert_eq!(fixture.inner.opened(), 1);
    fixture.clock.pass_ms(10_000);
    fixture.table().await;
    assert_eq!(fixture.inner.opened(), 2);
}

#[tokio::test]
async fn rows_of_others_are_seen_at_once() {
    let fixture = Fixture::new(|_| {}).await;
    let kept = fixture.table().await;
    let other = files(&fixture.folder).get_table(&id("t")).await.unwrap();
    insert(&other, &[(1, "a"), (2, "b")]).await;
    assert_eq!(count(&fixture.table().await).await, 2);
    assert_eq!(count(&kept).await, 2);
    assert_eq!(fixture.inner.opened(), 1);
}

#[tokio::test]
async fn changes_of_others_are_seen_at_once() {
    let fixture = Fixture::new(|_| {}).await;
    assert_eq!(fixture.table().await.schema().id, 0);
    let other = files(&fixture.folder);
    let change = set("snapshot.num-retained.max", "77");
    other.alter_table(&id("t"), &[change]).await.unwrap();
    let schema = fixture.table().await.schema().clone();
    assert_eq!(schema.options["snapshot.num-retained.max"], "77");
    assert_eq!(fixture.inner.opened(), 2);
    // the id of its schema is that of before
    other.drop_table(&id("t"), false).await.unwrap();
    let missing = fixture.catalog.get_table(&id("t")).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    other.create_table(&id("t"), plain(), false).await.unwrap();
    fixture.table().await;
    other.drop_table(&id("t"), false).await.unwrap();
    let columns = [("a", "BIGINT"), ("b", "STRING"), ("c", "INT")];
    let table = conformance::declared(&columns, &[]);
    other.create_table(&id("t"), table, false).await.unwrap();
    let schema = fixture.table().await.schema().clone();
    assert_eq!((schema.id, schema.fields.len()), (0, 3));
}

#[tokio::test]
async fn a_branch_that_completes_the_table_is_seen_when_it_comes() {
    let fixture = Fixture::new(|_| {}).await;
    let change = set("scan.fallback-branch", "b");
    fixture
        .catalog
        .alter_table(&id("t"), &[change])
        .await
        .unwrap();
    fixture.table().await;
    fixture.table().await;
    assert_eq!(fixture.inner.opened(), 2);
    let table = fixture.table().await;
    paimon_core::maintenance::create_branch(&table, "b", None)
        .await
        .unwrap();
    fixture.table().await;
    fixture.table().await;
    // it is opened with the table, and kept with it
    assert_eq!(fixture.inner.opened(), 4);
}

#[tokio::test]
async fn a_table_whose_options_choose_a_snapshot_is_opened_each_time() {
    let fixture = Fixture::new(|_| {}).await;
    insert(&fixture.table().await, &[(1, "a")]).await;
    let change = set("scan.snapshot-id", "1");
    fixture
        .catalog
        .alter_table(&id("t"), &[change])
        .await
        .unwrap();
    let before = fixture.inner.opened();
    for _ in 0..2 {
        assert_eq!(count(&fixture.table().await).await, 1);
    }
    assert_eq!(fixture.inner.opened(), before + 2);
}

#[tokio::test]
async fn own_changes_forget_the_table_and_its_branches() {
    let fixture = Fixture::new(|_| {}).await;
    let table = fixture.table().await;
    paimon_core::maintenance::create_branch(&table, "b", None)
        .await
        .unwrap();
    let branch = id("t$branch_b");
    fixture.catalog.get_table(&branch).await.unwrap();
    assert_eq!(fixture.inner.opened(), 2);
    fixture.catalog.invalidate_table(&id("t"));
    fixture.catalog.get_table(&branch).await.unwrap();
    fixture.table().await;
    assert_eq!(fixture.inner.opened(), 4);
    let (t, u) = (id("t"), id("u"));
    fixture.catalog.rename_table(&t, &u).await.unwrap();
    for name in [&t, &branch] {
        let missing = fixture.catalog.get_table(name).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
    fixture.catalog.get_table(&u).await.unwrap();
    fixture.catalog.drop_table(&u, false).await.unwrap();
    let missing = fixture.catalog.get_table(&u).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_change_that_failed_is_believed_to_have_taken_effect() {
    let fixture = Fixture::new(|inner| inner.loses_answers = true).await;
    fixture.table().await;
    let change = set("snapshot.num-retained.max", "77");
    let lost = fixture.catalog.alter_table(&id("t"), &[change]).await;
    assert!(lost.is_err());
    let schema = fixture.table().await.schema().clone();
    assert_eq!(schema.options["snapshot.num-retained.max"], "77");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_a_change_overtook_is_not_kept() {
    let gate = Some((Notify::new(), Notify::new()));
    let fixture = Arc::new(Fixture::new(|inner| inner.gate = gate).await);
    let (here, go) = fixture.inner.gate.as_ref().unwrap();
    let looking = fixture.clone();
    let look = tokio::spawn(async move { looking.table().await });
    here.notified().await;
    let change = set("snapshot.num-retained.max", "77");
    fixture
        .catalog
        .alter_table(&id("t"), &[change])
        .await
        .unwrap();
    go.notify_one();
    assert_eq!(look.await.unwrap().schema().id, 0);
    go.notify_one();
    assert_eq!(fixture.table().await.schema().id, 1);
    assert_eq!(fixture.inner.opened(), 2);
}

#[tokio::test]
async fn properties_of_a_database_are_asked_for_once_until_they_change() {
    let fixture = Fixture::new(|_| {}).await;
    let asked = async || {
        let properties = fixture.catalog.database_properties("default").await;
        properties.unwrap()["default"].clone()
    };
    assert_eq!([asked().await, asked().await], ["1", "1"]);
    let changes = PropertyChanges::default();
    fixture
        .catalog
        .alter_database("Default", &changes)
        .await
        .unwrap();
    assert_eq!([asked().await, asked().await], ["2", "2"]);
    fixture.clock.pass_ms(30_000);
    assert_eq!(asked().await, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_catalog_does() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap().to_string();
    let options = [
        ("warehouse".to_string(), warehouse),
        ("cache-enabled".to_string(), "true".to_string()),
    ];
    let catalog = crate::create_catalog("c", options.into()).unwrap();
    assert!(format!("{catalog:?}").contains("CachingCatalog"));
    conformance::suite(catalog.as_ref(), "kept").await;
}
