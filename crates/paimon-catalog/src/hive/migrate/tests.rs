#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch};
use paimon_core::ErrorKind;
use paimon_core::arrow_bridge::arrow_schema;
use paimon_core::format::{EncoderOptions, create_encoder};
use paimon_core::spec::{DataField, Datum, parse_data_type};

use super::*;
use crate::catalog::Catalog;
use crate::conformance::count;
use crate::hive::client::{FieldSchema, HivePartition, MetastoreClient, StorageDescriptor};
use crate::hive::testing::{MemoryMetastore, catalog, local};

const PARQUET: &str = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";
const ORC: &str = "org.apache.hadoop.hive.ql.io.orc.OrcSerde";
const AVRO: &str = "org.apache.hadoop.hive.serde2.avro.AvroSerDe";
const TEXT: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";

/// What Hive reads files of such rows with.
fn input_format(serde: &str) -> &'static str {
    match serde {
        PARQUET => "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        ORC => "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
        AVRO => "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
        _ => "org.apache.hadoop.mapred.TextInputFormat",
    }
}

/// Three rows of a column `id`.
fn file(format: &str) -> Vec<u8> {
    let field = DataField::new(0, "id", parse_data_type("INT").unwrap());
    let options = EncoderOptions {
        format: format.to_string(),
        compression: "zstd".to_string(),
        zstd_level: 1,
        block_size: None,
        table: NewTable::default().options,
    };
    let mut encoder = create_encoder(std::slice::from_ref(&field), &options).unwrap();
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let schema = arrow_schema(&[field]);
    encoder
        .write(&RecordBatch::try_new(schema, vec![ids]).unwrap())
        .unwrap();
    let mut bytes = encoder.take_output().concat();
    bytes.extend(encoder.finish().unwrap().concat());
    bytes
}

fn field(name: &str, data_type: &str) -> FieldSchema {
    FieldSchema {
        name: name.to_string(),
        data_type: data_type.to_string(),
        comment: Some(format!("about {name}")),
    }
}

struct Fixture {
    _folder: tempfile::TempDir,
    root: String,
    catalog: HiveCatalog,
    store: Arc<MemoryMetastore>,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap().to_string();
        let (catalog, store) = catalog(&root, &[]).await;
        Self {
            _folder: folder,
            root,
            catalog,
            store,
        }
    }

    fn exists(&self, path: &str) -> bool {
        Path::new(&self.root).join(path).exists()
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) {
        let location = format!("{}/{path}", self.root);
        local().publish(&location, bytes.into()).await.unwrap();
    }

    fn storage(&self, serde: &str, path: &str) -> StorageDescriptor {
        let mut storage = StorageDescriptor::plain();
        storage.columns = vec![field("id", "int")];
        storage.serde.library = Some(serde.to_string());
        storage.input_format = Some(input_format(serde).to_string());
        // the metastore writes locations so
        storage.location = Some(format!("file:{}/{path}", self.root));
        storage
    }

    fn table(&self, name: &str, serde: &str) -> HiveTable {
        HiveTable {
            name: name.to_string(),
            database: "default".to_string(),
            storage: self.storage(serde, name),
            table_type: "MANAGED_TABLE".to_string(),
            parameters: [("comment".to_string(), "of old".to_string())].into(),
            ..HiveTable::default()
        }
    }

    /// A table partitioned by `d` and `n`, of Parquet and ORC files.
    async fn partitioned(&self, name: &str) {
        let mut table = self.table(name, PARQUET);
        table.partition_keys = vec![field("d", "date"), field("n", "int")];
        self.store.create_table(&table).await.unwrap();
        let partition = |values: [&str; 2], serde: &str, path: &str| HivePartition {
            values: values.map(str::to_string).to_vec(),
            storage: self.storage(serde, path),
            ..HivePartition::default()
        };
        let partitions = vec![
            partition(
                ["2024-01-31", "1"],
                PARQUET,
                &format!("{name}/d=2024-01-31/n=1"),
            ),
            partition(
                ["2024-01-31", "__HIVE_DEFAULT_PARTITION__"],
                ORC,
                &format!("{name}_elsewhere"),
            ),
        ];
        self.store
            .add_partitions("default", name, partitions)
            .await
            .unwrap();
        self.put(
            &format!("{name}/d=2024-01-31/n=1/000000_0"),
            file("parquet"),
        )
        .await;
        self.put(&format!("{name}_elsewhere/part.orc"), file("orc"))
            .await;
    }

    async fn migrate(&self, migration: &Migration) -> Result<()> {
        self.catalog.migrate_table(migration).await
    }

    async fn refused(&self, name: &str) -> String {
        let error = self.migrate(&migration(name)).await.unwrap_err();
        let tables = self.store.table_names("default").await.unwrap();
        assert!(!tables.contains(&format!("{name}{INTERIM}")), "{tables:?}");
        error.to_string()
    }

    async fn rows(&self, name: &str) -> usize {
        count(&self.catalog.get_table(&id(name)).await.unwrap()).await
    }
}

fn id(name: &str) -> Identifier {
    Identifier::new("default", name).unwrap()
}

fn migration(name: &str) -> Migration {
    Migration {
        source: id(name),
        target: None,
        drops_source: true,
        options: [("file.format".to_string(), "orc".to_string())].into(),
        parallelism: 1,
    }
}

#[tokio::test]
async fn tables_of_each_format_take_their_own_place() {
    for (serde, format) in [(PARQUET, "parquet"), (ORC, "orc"), (AVRO, "avro")] {
        let it = Fixture::new().await;
        it.store.create_table(&it.table("t", serde)).await.unwrap();
        it.put("t/000000_0", file(format)).await;
        it.put("t/_SUCCESS", Vec::new()).await;
        it.put("t/000001_0", Vec::new()).await;
        assert_eq!(
            it.catalog.list_migratable_tables("default").await.unwrap(),
            ["t"]
        );
        it.migrate(&migration("t")).await.unwrap();
        let table = it.catalog.get_table(&id("t")).await.unwrap();
        assert_eq!(count(&table).await, 3);
        assert!(table.location().ends_with("/t"));
        assert_eq!(table.schema().comment.as_deref(), Some("of old"));
        assert_eq!(
            table.schema().fields[0].description.as_deref(),
            Some("about id")
        );
        assert_eq!(table.options().get("file.format"), Some("orc"));
        assert_eq!(table.options().get("hive.comment"), Some("of old"));
        assert!(it.exists(&format!("t/bucket-0/000000_0.{format}")));
        assert_eq!(it.store.table_names("default").await.unwrap(), ["t"]);
        assert!(
            it.catalog
                .list_migratable_tables("default")
                .await
                .unwrap()
                .is_empty()
        );
        let again = it.migrate(&migration("t")).await.unwrap_err();
        assert!(again.to_string().contains("already"), "{again}");
    }
}

#[tokio::test]
async fn partitions_keep_their_values_wherever_they_lie() {
    let it = Fixture::new().await;
    it.partitioned("t").await;
    it.migrate(&migration("t")).await.unwrap();
    let table = it.catalog.get_table(&id("t")).await.unwrap();
    assert_eq!(count(&table).await, 6);
    assert_eq!(table.schema().partition_keys, ["d", "n"]);
    let plan = table.read_builder().plan().await.unwrap();
    let values: BTreeSet<String> = plan
        .splits
        .iter()
        .map(|s| format!("{:?}", s.partition.values))
        .collect();
    let day = Some(Datum::Date(19_753));
    assert_eq!(
        values,
        [
            format!("{:?}", vec![day.clone(), Some(Datum::Int(1))]),
            format!("{:?}", vec![day, None])
        ]
        .into()
    );
    assert!(it.exists("t/d=19753/n=__HIVE_DEFAULT_PARTITION__/bucket-0/part.orc"));
}

#[tokio::test]
async fn a_target_takes_the_files_of_several_sources() {
    let it = Fixture::new().await;
    for name in ["a", "b"] {
        it.store
            .create_table(&it.table(name, PARQUET))
            .await
            .unwrap();
        it.put(&format!("{name}/of_{name}"), file("parquet")).await;
    }
    let into = |name: &str, drops_source| Migration {
        target: Some(id("all")),
        drops_source,
        ..migration(name)
    };
    it.migrate(&into("a", false)).await.unwrap();
    it.migrate(&into("b", true)).await.unwrap();
    assert_eq!(it.rows("all").await, 6);
    assert_eq!(it.store.table_names("default").await.unwrap(), ["a", "all"]);
    let keeps = Migration {
        drops_source: false,
        ..migration("a")
    };
    let error = it.migrate(&keeps).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    it.partitioned("p").await;
    let error = it.migrate(&into("p", false)).await.unwrap_err();
    assert!(error.to_string().contains("partition columns"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_migrated_is_named_and_stays() {
    let it = Fixture::new().await;
    let missing = it.migrate(&migration("none")).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);

    it.store
        .create_table(&it.table("text", TEXT))
        .await
        .unwrap();
    assert!(it.refused("text").await.contains(TEXT));
    let hudi = "org.apache.hudi.hadoop.HoodieParquetInputFormat";
    let mut copy_on_write = it.table("cow", PARQUET);
    copy_on_write.storage.input_format = Some(hudi.to_string());
    it.store.create_table(&copy_on_write).await.unwrap();
    it.put("cow/a.parquet", file("parquet")).await;
    assert!(it.refused("cow").await.contains(hudi));
    assert!(it.exists("cow/a.parquet"));
    for (key, value) in [
        ("spark.sql.sources.provider", "hudi"),
        ("spark.sql.sources.provider", "DELTA"),
        ("spark.sql.sources.provider", "org.apache.iceberg.spark"),
        ("table_type", "ICEBERG"),
    ] {
        let mut table = it.table("other", PARQUET);
        table.parameters.insert(key.into(), value.into());
        let name = ("default".to_string(), "other".to_string());
        it.store.state.lock().await.tables.insert(name, table);
        assert!(it.refused("other").await.contains(key), "{value}");
    }
    let mut acid = it.table("acid", ORC);
    acid.parameters
        .insert("transactional".into(), "true".into());
    it.store.create_table(&acid).await.unwrap();
    assert!(it.refused("acid").await.contains("transactional"));
    let mut union = it.table("union", ORC);
    union
        .storage
        .columns
        .push(field("u", "uniontype<int,string>"));
    it.store.create_table(&union).await.unwrap();
    assert!(it.refused("union").await.contains("uniontype"));
    it.store
        .create_table(&it.table("keyed", ORC))
        .await
        .unwrap();
    let key = ("default".to_string(), "keyed".to_string());
    it.store.state.lock().await.with_primary_key.insert(key);
    assert!(it.refused("keyed").await.contains("primary key"));

    // files that Hive's client would not see through the metastore
    it.store
        .create_table(&it.table("deep", PARQUET))
        .await
        .unwrap();
    it.put("deep/HIVE_UNION_SUBDIR_1/000000_0", file("parquet"))
        .await;
    assert!(it.refused("deep").await.contains("HIVE_UNION_SUBDIR_1"));
    it.partitioned("p").await;
    it.put("p/d=2024-02-01/n=1/000000_0", file("parquet")).await;
    assert!(it.refused("p").await.contains("d=2024-02-01"));
    assert!(it.exists("p/d=2024-01-31/n=1/000000_0"));
    it.partitioned("q").await;
    let foreign = HivePartition {
        values: vec!["2024-02-02".to_string(), "1".to_string()],
        storage: StorageDescriptor {
            input_format: Some(hudi.to_string()),
            ..it.storage(PARQUET, "q_of_hudi")
        },
        ..HivePartition::default()
    };
    it.store
        .add_partitions("default", "q", vec![foreign])
        .await
        .unwrap();
    assert!(it.refused("q").await.contains(hudi));

    let mut bucketed = migration("deep");
    bucketed.options.insert("bucket".into(), "2".into());
    bucketed.options.insert("bucket-key".into(), "id".into());
    std::fs::remove_dir_all(format!("{}/deep/HIVE_UNION_SUBDIR_1", it.root)).unwrap();
    let error = it.migrate(&bucketed).await.unwrap_err();
    assert!(error.to_string().contains("bucket"), "{error}");
    assert!(!it.exists(&format!("deep{INTERIM}")));
}

#[tokio::test]
async fn what_was_cut_off_the_same_call_finishes() {
    let it = Fixture::new().await;
    let fail = async |method: &'static str| {
        let error = Error::new(ErrorKind::Io, "cut off");
        it.store.state.lock().await.failures.insert(method, error);
    };
    it.partitioned("t").await;
    let lost = Error::new(ErrorKind::Io, "no answer").with("outcome", "unknown");
    it.store
        .state
        .lock()
        .await
        .failures
        .insert("create_table", lost);
    it.migrate(&migration("t")).await.unwrap_err();
    // the interim table has a schema file, which the metastore does not know
    assert!(it.exists("t_paimon_/schema/schema-0"));
    assert_eq!(it.store.table_names("default").await.unwrap(), ["t"]);
    // the first partition's files move, those of the second cannot
    let blocked = format!(
        "{}/t{INTERIM}/d=19753/n=__HIVE_DEFAULT_PARTITION__",
        it.root
    );
    std::fs::create_dir_all(Path::new(&blocked).parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/nowhere/x", &blocked).unwrap();
    let error = it.migrate(&migration("t")).await.unwrap_err();
    assert!(error.to_string().contains("same call"), "{error}");
    assert!(it.exists("t_elsewhere/part.orc"));
    std::fs::remove_file(&blocked).unwrap();
    fail("drop_table").await;
    it.migrate(&migration("t")).await.unwrap_err();
    fail("alter_table").await;
    it.migrate(&migration("t")).await.unwrap_err();
    // the source is gone, the table has its interim name
    assert_eq!(
        it.store.table_names("default").await.unwrap(),
        ["t_paimon_"]
    );
    // so that the migration of a database finishes it too
    assert_eq!(
        it.catalog.list_migratable_tables("default").await.unwrap(),
        ["t"]
    );
    it.migrate(&migration("t")).await.unwrap();
    assert!(
        it.catalog
            .list_migratable_tables("default")
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(it.rows("t").await, 6);
    let table = it.catalog.get_table(&id("t")).await.unwrap();
    assert_eq!(table.snapshots().ids().await.unwrap(), [1]);
}

#[tokio::test]
async fn a_source_with_its_interim_table_is_listed_once() {
    let it = Fixture::new().await;
    it.store
        .create_table(&it.table("t", PARQUET))
        .await
        .unwrap();
    for name in ["t_paimon_", "_paimon_", "other"] {
        let new = new_table(
            &Source::new(&it.catalog, id("t"), it.table("t", PARQUET))
                .await
                .unwrap(),
            &migration("t"),
        );
        it.catalog
            .new_table(&id(name), new.unwrap(), false)
            .await
            .unwrap();
    }
    assert_eq!(
        it.catalog.list_migratable_tables("default").await.unwrap(),
        ["t"]
    );
}

#[tokio::test]
async fn a_partition_that_came_meanwhile_keeps_the_source() {
    let it = Fixture::new().await;
    let mut table = it.table("t", PARQUET);
    table.partition_keys = vec![field("n", "int")];
    it.store.create_table(&table).await.unwrap();
    let mut source = Source::new(&it.catalog, id("t"), table).await.unwrap();
    let partition = HivePartition {
        values: vec!["1".to_string()],
        storage: it.storage(PARQUET, "elsewhere"),
        ..HivePartition::default()
    };
    it.store
        .add_partitions("default", "t", vec![partition])
        .await
        .unwrap();
    it.put("t/_SUCCESS", Vec::new()).await;
    it.put("elsewhere/000000_0", file("parquet")).await;
    let error = it.catalog.drop_source(&mut source).await.unwrap_err();
    assert!(error.to_string().contains("elsewhere"), "{error}");
    assert_eq!(it.store.table_names("default").await.unwrap(), ["t"]);
    it.migrate(&migration("t")).await.unwrap();
    assert_eq!(it.rows("t").await, 3);
}

#[tokio::test]
async fn parquet_tables_of_old_have_an_input_format_of_their_own() {
    let it = Fixture::new().await;
    let mut table = it.table("t", "parquet.hive.serde.ParquetHiveSerDe");
    assert!(
        Source::new(&it.catalog, id("t"), table.clone())
            .await
            .is_err()
    );
    table.storage.input_format = Some("parquet.hive.DeprecatedParquetInputFormat".into());
    Source::new(&it.catalog, id("t"), table).await.unwrap();
}
