#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use object_store::memory::InMemory;
use rstest::rstest;

use super::*;
use crate::io::FileIo;
use crate::schema::{NewColumn, NewTable};
use crate::spec::parse_data_type;

fn path(name: &str) -> ColumnPath {
    name.split('.').map(str::to_string).collect()
}

fn schema(options: &[(&str, &str)]) -> TableSchema {
    let columns = [
        ("p", "STRING"),
        ("id", "INT"),
        ("v", "INT"),
        ("r", "ROW<a INT, b ROW<c STRING>>"),
        ("l", "ARRAY<ROW<x INT>>"),
        ("m", "MAP<STRING, INT>"),
        ("s", "BIGINT NOT NULL"),
    ];
    let column = |(name, text): &(&str, &str)| NewColumn {
        name: (*name).to_string(),
        data_type: parse_data_type(text).unwrap(),
        comment: None,
        default: None,
    };
    let table = NewTable {
        columns: columns.iter().map(column).collect(),
        partition_keys: vec!["p".into()],
        primary_keys: vec!["p".into(), "id".into()],
        options: options
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect(),
        comment: None,
    };
    table.into_schema(1).unwrap()
}

fn add(name: &str, data_type: &str, position: Option<ColumnPosition>) -> SchemaChange {
    SchemaChange::AddColumn {
        path: path(name),
        data_type: parse_data_type(data_type).unwrap(),
        comment: Some("new".into()),
        position,
    }
}

fn rename(from: &str, to: &str) -> SchemaChange {
    SchemaChange::RenameColumn {
        path: path(from),
        to: to.into(),
    }
}

fn drop_column(name: &str) -> SchemaChange {
    SchemaChange::DropColumn { path: path(name) }
}

fn retype(name: &str, to: &str) -> SchemaChange {
    SchemaChange::UpdateColumnType {
        path: path(name),
        data_type: parse_data_type(to).unwrap(),
        keep_nullability: false,
    }
}

fn nullability(name: &str, nullable: bool) -> SchemaChange {
    SchemaChange::UpdateColumnNullability {
        path: path(name),
        nullable,
    }
}

fn shift(column: &str, position: ColumnPosition) -> SchemaChange {
    SchemaChange::UpdateColumnPosition {
        column: column.into(),
        position,
    }
}

fn set(key: &str, value: &str) -> SchemaChange {
    SchemaChange::SetOption {
        key: key.into(),
        value: value.into(),
    }
}

fn remove(key: &str) -> SchemaChange {
    SchemaChange::RemoveOption { key: key.into() }
}

fn names(schema: &TableSchema) -> Vec<&str> {
    schema.fields.iter().map(|f| f.name.as_str()).collect()
}

fn type_of(schema: &TableSchema, name: &str) -> String {
    schema.field(name).unwrap().data_type.to_string()
}

#[test]
fn new_columns_get_new_ids_at_any_depth_and_place() {
    let old = schema(&[]);
    assert_eq!(old.highest_field_id, 10);
    let changes = [
        add("n", "ROW<y INT>", Some(ColumnPosition::After("id".into()))),
        add("first", "INT", Some(ColumnPosition::First)),
        add("r.b.d", "DATE", Some(ColumnPosition::First)),
        add("l.element.y", "INT", None),
        drop_column("v"),
        add("v", "STRING", Some(ColumnPosition::Before("s".into()))),
    ];
    let new = old.altered(&changes, true, 9).unwrap();
    assert_eq!(
        names(&new),
        ["first", "p", "id", "n", "r", "l", "m", "v", "s"]
    );
    assert_eq!((new.id, new.time_millis, new.highest_field_id), (1, 9, 16));
    assert_eq!(new.field("v").unwrap().id, 16);
    assert_eq!(new.field("n").unwrap().description.as_deref(), Some("new"));
    assert!(
        type_of(&new, "r").contains("`d` DATE"),
        "{}",
        type_of(&new, "r")
    );
    assert!(
        type_of(&new, "l").contains("`y` INT"),
        "{}",
        type_of(&new, "l")
    );
}

#[test]
fn columns_move_and_change() {
    let changes = [
        shift("s", ColumnPosition::First),
        shift("p", ColumnPosition::Last),
        shift("v", ColumnPosition::Before("id".into())),
        retype("v", "BIGINT"),
        retype("r.a", "DOUBLE"),
        retype("m.value", "BIGINT"),
        nullability("s", true),
        SchemaChange::UpdateColumnComment {
            path: path("r.b"),
            comment: Some("inner".into()),
        },
        SchemaChange::UpdateColumnDefault {
            path: path("v"),
            default: Some("'7'".into()),
        },
        SchemaChange::UpdateComment(Some("a table".into())),
    ];
    let new = schema(&[]).altered(&changes, true, 0).unwrap();
    assert_eq!(names(&new), ["s", "v", "id", "r", "l", "m", "p"]);
    assert_eq!(type_of(&new, "v"), "BIGINT");
    assert_eq!(type_of(&new, "m"), "MAP<STRING, BIGINT>");
    assert_eq!(type_of(&new, "s"), "BIGINT");
    assert!(type_of(&new, "r").contains("`a` DOUBLE"));
    assert_eq!(new.field("v").unwrap().default_value.as_deref(), Some("7"));
    assert_eq!(new.comment.as_deref(), Some("a table"));
}

#[test]
fn options_name_columns_as_an_older_schema_does() {
    let options = [
        ("merge-engine", "partial-update"),
        ("fields.s.sequence-group", "v,m"),
        ("fields.v.aggregate-function", "sum"),
    ];
    let old = schema(&options);
    let changes = [rename("s", "seq"), rename("v", "s")];
    let mut new = old.altered(&changes, true, 0).unwrap();
    assert!(new.options.contains_key("fields.seq.sequence-group"));
    new.options.insert("read.batch-size".into(), "7".into());
    let mut expected = old.options.clone();
    expected.insert("read.batch-size".into(), "7".into());
    assert_eq!(options_in_names_of(&new, &old), expected);
}

#[test]
fn names_in_options_and_keys_follow_a_rename() {
    let options = [
        ("bucket", "2"),
        ("bucket-key", "id"),
        ("merge-engine", "partial-update"),
        ("fields.s.sequence-group", "v,m"),
        ("fields.v.aggregate-function", "sum"),
        ("snapshot.time-retained", "1 d"),
    ];
    let changes = [
        rename("id", "key"),
        rename("v", "value"),
        rename("s", "seq"),
        rename("r.a", "z"),
    ];
    let new = schema(&options).altered(&changes, true, 0).unwrap();
    assert_eq!(new.primary_keys, ["p", "key"]);
    let options: Vec<(&str, &str)> = new
        .options
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        options,
        [
            ("bucket", "2"),
            ("bucket-key", "key"),
            ("merge-engine", "partial-update"),
            ("fields.seq.sequence-group", "value,m"),
            ("fields.value.aggregate-function", "sum"),
            ("snapshot.time-retained", "1 d"),
        ]
    );
    assert!(type_of(&new, "r").contains("`z` INT"));
    assert_eq!(new.highest_field_id, 10);
}

#[rstest]
#[case(rename("p", "q"), "partition column `p` cannot be renamed")]
#[case(rename("v", "s"), "there is a column `s` already")]
#[case(rename("nope", "x"), "column `nope` does not exist: there are p, id")]
#[case(drop_column("p"), "partition column `p` cannot be dropped")]
#[case(drop_column("id"), "primary key column `id` cannot be dropped")]
#[case(drop_column("r.b.c"), "the last column cannot be dropped")]
#[case(drop_column("r.x"), "column `r.x` does not exist")]
#[case(retype("id", "BIGINT"), "primary key column `id`")]
#[case(retype("p", "INT"), "partition column `p`")]
#[case(retype("v", "DATE"), "INT cannot become DATE")]
#[case(retype("l", "ARRAY<ROW<x BIGINT>>"), "there is no such cast")]
#[case(
    retype("v", "BIGINT NOT NULL"),
    "alter-column-null-to-not-null.disabled"
)]
#[case(nullability("v", false), "alter-column-null-to-not-null.disabled")]
#[case(
    nullability("id", true),
    "primary key column `id` cannot be made nullable"
)]
#[case(add("v", "INT", None), "there is a column `v` already")]
#[case(add("n", "INT NOT NULL", None), "a new column must be nullable")]
#[case(add("_KEY_n", "INT", None), "reserved")]
#[case(add("m.x", "INT", None), "which has no field \"x\"")]
#[case(add("n", "INT", Some(ColumnPosition::After("o".into()))), "column `o` does not exist")]
#[case(shift("v", ColumnPosition::After("v".into())), "relative to itself")]
#[case(
    set("merge-engine", "first-row"),
    "option `merge-engine` of this table cannot change"
)]
#[case(set("bucket", "4"), "cannot change when it is -1")]
#[case(set("type", "format-table"), "option `type`")]
#[case(set("primary-key", "id"), "option `primary-key`")]
#[case(set("deletion-vectors.enabled", "true"), "deletion-vectors.modifiable")]
#[case(set("snapshot.num-retained.max", "0"), "snapshot.num-retained")]
#[case(
    SchemaChange::DropPrimaryKey,
    "primary key of a table that has snapshots"
)]
fn what_must_not_change_is_refused(#[case] change: SchemaChange, #[case] named: &str) {
    let error = schema(&[])
        .altered(&[change], true, 0)
        .unwrap_err()
        .to_string();
    assert!(error.contains(named), "{error}");
}

#[test]
fn some_options_are_fixed_only_by_data() {
    let old = schema(&[("bucket", "2"), ("ignore-delete", "true")]);
    for (change, fixed) in [
        (set("bucket", "4"), false),
        (set("bucket", "-1"), true),
        (remove("bucket"), true),
        (set("bucket-key", "id"), true),
        (set("ignore-delete", "false"), true),
        (set("deletion-vectors.enabled", "true"), true),
        (set("deletion-vectors.enabled", "false"), false),
        (set("changelog-producer", "input"), false),
        (SchemaChange::DropPrimaryKey, true),
    ] {
        assert_eq!(
            old.altered(std::slice::from_ref(&change), true, 0).is_err(),
            fixed,
            "{change:?}"
        );
        if change != SchemaChange::DropPrimaryKey {
            assert!(old.altered(&[change], false, 0).is_ok());
        }
    }
}

#[test]
fn nothing_new_makes_no_schema() {
    let old = schema(&[("bucket", "2")]);
    let changes = [
        set("bucket", "2"),
        set("primary-key", "p, id"),
        set("type", "TABLE"),
        remove("no.such.option"),
        retype("v", "INT"),
    ];
    assert_eq!(old.altered(&changes, true, 5).unwrap(), old);
}

#[test]
fn strict_options_are_kept() {
    let strict = schema(&[("disable-explicit-type-casting", "true")]);
    assert!(
        strict
            .altered(&[retype("v", "SMALLINT")], false, 0)
            .is_err()
    );
    assert!(strict.altered(&[retype("v", "BIGINT")], false, 0).is_ok());
    let loose = schema(&[("alter-column-null-to-not-null.disabled", "false")]);
    assert!(loose.altered(&[nullability("v", false)], true, 0).is_ok());
    let front = schema(&[("add-column-before-partition", "true")]);
    let new = front.altered(&[add("n", "INT", None)], true, 0).unwrap();
    assert_eq!(names(&new)[..2], ["n", "p"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_changes_all_take_effect() {
    let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
    let manager = SchemaManager::new(io, "memory:/t");
    assert_eq!(
        manager
            .alter(&[set("a", "b")], true, 0)
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
    manager.create(&schema(&[])).await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|i| {
            let manager = manager.clone();
            tokio::spawn(async move {
                let change = add(&format!("c{i}"), "INT", None);
                manager.alter(&[change], true, 0).await.unwrap().id
            })
        })
        .collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=20).collect::<Vec<_>>());
    let newest = manager.latest().await.unwrap().unwrap();
    assert_eq!((newest.fields.len(), newest.highest_field_id), (27, 30));
}
