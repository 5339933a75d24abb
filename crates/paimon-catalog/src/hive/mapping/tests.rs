#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! Compared with what Java's catalog (1.4.2) stored in a Hive Metastore 3.1.3 for the same tables.

use paimon_core::schema::{NewColumn, NewTable};
use paimon_core::spec::parse_data_type;

use super::*;
use crate::hive::thrift::{Struct, Value};

fn settings(options: &[(&str, &str)]) -> HiveSettings {
    let own = [("uri", "thrift://a:1"), ("warehouse", "/wh")];
    let all = own.iter().chain(options);
    let all: BTreeMap<String, String> = all.map(|(k, v)| (k.to_string(), v.to_string())).collect();
    HiveSettings::new(&all).unwrap()
}

fn schema(columns: &[(&str, &str)], options: &[(&str, &str)]) -> TableSchema {
    let column = |(name, text): &(&str, &str)| NewColumn {
        name: (*name).to_string(),
        data_type: parse_data_type(text).unwrap(),
        comment: (*name == "id").then(|| "the id".to_string()),
        default: None,
    };
    let table = NewTable {
        columns: columns.iter().map(column).collect(),
        options: options
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect(),
        ..NewTable::default()
    };
    table.into_schema(0).unwrap()
}

fn stored(schema: &TableSchema, settings: &HiveSettings, external: bool) -> HiveTable {
    let identifier = Identifier::parse("jdb.t").unwrap();
    let place = Place {
        location: "file:/wh/jdb.db/t".into(),
        external,
    };
    new_table(&identifier, schema, &place, settings, 7).unwrap()
}

fn columns(fields: &[FieldSchema]) -> Vec<(&str, &str)> {
    fields
        .iter()
        .map(|f| (f.name.as_str(), f.data_type.as_str()))
        .collect()
}

/// Parameters beyond the two that every table has.
fn parameters(table: &HiveTable) -> Vec<(&str, &str)> {
    let all = table
        .parameters
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()));
    all.filter(|(k, _)| !["storage_handler", "table_type"].contains(k))
        .collect()
}

#[test]
fn a_primary_key_table_has_all_columns_options_and_keys() {
    let columns_of = [
        ("id", "BIGINT NOT NULL"),
        ("r", "ROW<x INT, y STRING>"),
        ("dt", "STRING NOT NULL"),
    ];
    let options = [
        ("primary-key", "id,dt"),
        ("partition", "dt"),
        ("bucket", "2"),
        ("hive.foo", "bar"),
    ];
    let mut schema = schema(&columns_of, &options);
    schema.comment = Some("a pk table".into());
    let table = stored(&schema, &settings(&[]), false);
    assert_eq!(
        parameters(&table),
        [
            ("bucket", "2"),
            ("bucket-key", "id"),
            ("comment", "a pk table"),
            ("hive.foo", "bar"),
            ("partition", "dt"),
            ("primary-key", "id,dt"),
        ]
    );
    assert_eq!(table.parameters["table_type"], "PAIMON");
    assert_eq!(table.parameters["storage_handler"], STORAGE_HANDLER);
    assert_eq!(
        columns(&table.storage.columns),
        [
            ("id", "bigint"),
            ("r", "struct<x:int,y:string>"),
            ("dt", "string")
        ]
    );
    assert_eq!(table.storage.columns[0].comment.as_deref(), Some("the id"));
    assert!(table.partition_keys.is_empty());
    assert_eq!(table.table_type, "MANAGED_TABLE");
    assert_eq!(table.create_time, 7);
    assert_eq!(table.storage.location.as_deref(), Some("file:/wh/jdb.db/t"));
    assert_eq!(table.storage.input_format.as_deref(), Some(INPUT_FORMAT));
    assert_eq!(table.storage.output_format.as_deref(), Some(OUTPUT_FORMAT));
    assert_eq!(table.storage.serde.library.as_deref(), Some(SERDE));
    assert!(table.storage.serde.parameters.is_empty());
    assert_eq!(kind(&table), Kind::Paimon);
}

#[test]
fn partition_columns_move_where_the_metastore_knows_them() {
    let options = [("partition", "dt"), ("metastore.partitioned-table", "true")];
    let partitioned = schema(&[("a", "INT"), ("dt", "STRING")], &options);
    let table = stored(&partitioned, &settings(&[]), false);
    assert_eq!(columns(&table.storage.columns), [("a", "int")]);
    assert_eq!(columns(&table.partition_keys), [("dt", "string")]);
    let options = [("metastore.tag-to-partition", "tag_dt")];
    let tagged = schema(&[("a", "INT"), ("b", "STRING")], &options);
    let table = stored(&tagged, &settings(&[]), false);
    assert_eq!(
        columns(&table.storage.columns),
        [("a", "int"), ("b", "string")]
    );
    assert_eq!(columns(&table.partition_keys), [("tag_dt", "string")]);
}

#[test]
fn external_tables_say_so() {
    let table = stored(&schema(&[("a", "INT")], &[]), &settings(&[]), true);
    assert_eq!(table.table_type, "EXTERNAL_TABLE");
    assert_eq!(parameters(&table), [("EXTERNAL", "TRUE")]);
    assert!(is_external(&table));
}

#[test]
fn fewer_properties_are_stored_when_not_all_are_wanted() {
    let options = [
        ("bucket", "2"),
        ("bucket-key", "a"),
        ("hive.foo", "bar"),
        ("data-file.path-directory", "data"),
    ];
    let schema = schema(&[("a", "INT")], &options);
    let some = settings(&[("sync-all-properties", "false")]);
    let mut table = stored(&schema, &some, false);
    assert_eq!(
        parameters(&table),
        [("data-file.path-directory", "data"), ("foo", "bar")]
    );
    let mut altered = schema.clone();
    altered.options.shift_remove("hive.foo");
    let removed = BTreeSet::from(["hive.foo".to_string()]);
    update(&mut table, &altered, &removed, &some).unwrap();
    assert_eq!(parameters(&table), [("data-file.path-directory", "data")]);
}

#[test]
fn locations_can_lie_in_properties() {
    let inside = settings(&[("location-in-properties", "true")]);
    let table = stored(&schema(&[("a", "INT")], &[]), &inside, false);
    assert_eq!(table.storage.location, None);
    assert_eq!(table.parameters[LOCATION], "file:/wh/jdb.db/t");
    assert_eq!(location(&table, &inside).unwrap(), "file:/wh/jdb.db/t");
}

#[test]
fn an_update_keeps_what_others_stored() {
    let options = [("primary-key", "a"), ("bucket", "1"), ("x", "1")];
    let mut schema = schema(&[("a", "INT"), ("b", "STRING")], &options);
    let settings = settings(&[]);
    let mut table = stored(&schema, &settings, false);
    table.parameters.insert("other".into(), "kept".into());
    table.storage.serde.rest = Struct::default().with(4, Value::text("described"));
    table.rest = Struct::default().with(19, Value::I64(5));
    let before = (table.rest.clone(), table.storage.serde.rest.clone());
    schema.primary_keys.clear();
    schema.options.shift_remove("x");
    schema.fields.pop();
    let removed = BTreeSet::from(["x".to_string()]);
    update(&mut table, &schema, &removed, &settings).unwrap();
    assert_eq!(parameters(&table), [("bucket", "1"), ("other", "kept")]);
    assert_eq!(columns(&table.storage.columns), [("a", "int")]);
    assert_eq!((table.rest, table.storage.serde.rest), before);
}

#[test]
fn long_comments_fit_the_metastore() {
    assert_eq!(short_comment("a\nb\rc"), "a b c");
    let long = short_comment(&"ü".repeat(300));
    assert_eq!(long.chars().count(), COMMENT_MAX);
    assert!(long.ends_with("..."));
}
