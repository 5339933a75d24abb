//! What every catalog does alike. The unit tests of catalogs without a server run it as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Int32Array, RecordBatch, StringArray};
use paimon_catalog::{
    Catalog, Function, FunctionChange, FunctionDefinition, Identifier, PropertyChanges, View,
    ViewChange,
};
use paimon_core::ErrorKind;
use paimon_core::maintenance::create_branch;
use paimon_core::schema::{NewColumn, NewTable, SchemaChange};
use paimon_core::spec::{DataField, DataType, parse_data_type};
use paimon_core::table::Table;

/// A declared table: columns with types, options.
pub(crate) fn declared(columns: &[(&str, &str)], options: &[(&str, &str)]) -> NewTable {
    let column = |(name, text): &(&str, &str)| NewColumn {
        name: (*name).to_string(),
        data_type: parse_data_type(text).unwrap(),
        comment: None,
        default: None,
    };
    let option = |(k, v): &(&str, &str)| (k.to_string(), v.to_string());
    NewTable {
        columns: columns.iter().map(column).collect(),
        options: options.iter().map(option).collect(),
        ..NewTable::default()
    }
}

/// `a INT, b STRING`.
pub(crate) fn plain() -> NewTable {
    declared(&[("a", "INT"), ("b", "STRING")], &[])
}

pub(crate) async fn insert(table: &Table, rows: &[(i32, &str)]) {
    let a: Int32Array = rows.iter().map(|r| Some(r.0)).collect();
    let b: StringArray = rows.iter().map(|r| Some(r.1)).collect();
    let fields = table.schema().fields.clone();
    let columns = [Arc::new(a) as _, Arc::new(b) as _];
    let named = fields.iter().map(|f| f.name.as_str()).zip(columns);
    let batch = RecordBatch::try_from_iter(named).unwrap();
    let mut write = table.new_write().unwrap();
    write.write(&batch).await.unwrap();
    let messages = write.prepare_commit().await.unwrap();
    table.new_commit().commit(1, messages).await.unwrap();
}

pub(crate) async fn count(table: &Table) -> usize {
    let batches = table.read_builder().collect().await.unwrap();
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// What a service of others does its own way.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Quirks {
    /// A table that was renamed is said to lie where it was, although its files were moved.
    pub(crate) renamed_tables_keep_their_path: bool,
    /// A new branch is said to have the snapshots of `main`, whatever is in it.
    pub(crate) new_branches_are_not_empty: bool,
}

/// Runs the suite in databases whose names begin with `prefix`, and removes them.
pub(crate) async fn suite(catalog: &dyn Catalog, prefix: &str) {
    suite_but(catalog, prefix, Quirks::default()).await;
}

/// The suite but for what would show the quirks.
pub(crate) async fn suite_but(catalog: &dyn Catalog, prefix: &str, quirks: Quirks) {
    let names = [format!("{prefix}_one"), format!("{prefix}_two")];
    for name in &names {
        catalog.drop_database(name, true, true).await.unwrap();
    }
    databases(catalog, &names[0]).await;
    for name in &names {
        catalog.create_database(name, false).await.unwrap();
    }
    tables(catalog, &names[0]).await;
    changes(catalog, &names[0]).await;
    replacements(catalog, &names[0]).await;
    renames(catalog, &names[0], &names[1], quirks).await;
    rows(catalog, &names[0], quirks).await;
    concurrent_creation(catalog, &names[0]).await;
    refusals(catalog, &names[0]).await;
    views(catalog, &names[0], &names[1]).await;
    functions(catalog, &names[0]).await;
    for name in &names {
        catalog.drop_database(name, false, true).await.unwrap();
        assert!(!catalog.database_exists(name).await.unwrap());
    }
}

fn id(database: &str, object: &str) -> Identifier {
    Identifier::new(database, object).unwrap()
}

async fn kind_of<T>(done: impl Future<Output = paimon_core::Result<T>>) -> Option<ErrorKind> {
    done.await.err().map(|e| e.kind())
}

/// Properties of a database, in catalogs that keep any.
async fn properties(catalog: &dyn Catalog, name: &str) {
    let set = |pairs: &[(&str, &str)]| PropertyChanges {
        set: pairs
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect(),
        ..PropertyChanges::default()
    };
    let missing = catalog.database_properties("not_there");
    assert_eq!(kind_of(missing).await, Some(ErrorKind::NotFound));
    let first = set(&[("x.a", "1"), ("x.b", "2")]);
    let done = kind_of(catalog.alter_database(name, &first)).await;
    if done == Some(ErrorKind::Unsupported) {
        assert!(catalog.database_properties(name).await.unwrap().is_empty());
        return;
    }
    assert_eq!(done, None);
    let removal = PropertyChanges {
        removed: ["x.a".to_string(), "x.none".to_string()].into(),
        ..set(&[("x.b", "3")])
    };
    catalog.alter_database(name, &removal).await.unwrap();
    let found = catalog.database_properties(name).await.unwrap();
    assert_eq!(found.get("x.b").map(String::as_str), Some("3"));
    assert!(!found.contains_key("x.a"), "{found:?}");
    let elsewhere = set(&[("location", "file:/elsewhere")]);
    let moved = catalog.alter_database(name, &elsewhere);
    assert_eq!(kind_of(moved).await, Some(ErrorKind::Unsupported));
    let missing = catalog.alter_database("not_there", &first);
    assert_eq!(kind_of(missing).await, Some(ErrorKind::NotFound));
}

async fn databases(catalog: &dyn Catalog, name: &str) {
    assert!(!catalog.database_exists(name).await.unwrap());
    assert_eq!(
        kind_of(catalog.list_tables(name)).await,
        Some(ErrorKind::NotFound)
    );
    let none = BTreeMap::new();
    catalog
        .create_database_with(name, false, &none)
        .await
        .unwrap();
    catalog.create_database(name, true).await.unwrap();
    assert_eq!(
        kind_of(catalog.create_database(name, false)).await,
        Some(ErrorKind::InvalidInput)
    );
    properties(catalog, name).await;
    let listed = catalog.list_databases().await.unwrap();
    assert!(listed.is_sorted() && listed.iter().any(|n| n == name));
    assert!(listed.iter().any(|n| n == "default") && !listed.iter().any(|n| n == "sys"));
    catalog
        .create_table(&id(name, "t"), plain(), false)
        .await
        .unwrap();
    let error = catalog.drop_database(name, false, false).await.unwrap_err();
    assert!(error.to_string().contains("CASCADE"), "{error}");
    catalog.drop_database(name, false, true).await.unwrap();
    assert_eq!(
        kind_of(catalog.drop_database(name, false, true)).await,
        Some(ErrorKind::NotFound)
    );
    catalog.drop_database(name, true, true).await.unwrap();
}

async fn tables(catalog: &dyn Catalog, database: &str) {
    let t = id(database, "t");
    assert!(!catalog.table_exists(&t).await.unwrap());
    assert_eq!(
        kind_of(catalog.get_table(&t)).await,
        Some(ErrorKind::NotFound)
    );
    let missing = id("no_such_database", "t");
    assert_eq!(
        kind_of(catalog.create_table(&missing, plain(), true)).await,
        Some(ErrorKind::NotFound)
    );
    let columns = [
        ("id", "INT NOT NULL"),
        ("v", "STRING"),
        ("dt", "STRING NOT NULL"),
    ];
    let options = [
        ("primary-key", "dt,id"),
        ("partition", "dt"),
        ("bucket", "2"),
        ("my.own", "kept"),
    ];
    let mut new = declared(&columns, &options);
    new.comment = Some("what it is".into());
    new.columns[1].comment = Some("a value".into());
    let expected = catalog.schema_of_new(&t, &new).unwrap();
    assert!(!catalog.table_exists(&t).await.unwrap());
    assert!(catalog.create_table(&t, new.clone(), false).await.unwrap());
    assert!(!catalog.create_table(&t, new.clone(), true).await.unwrap());
    assert_eq!(
        kind_of(catalog.create_table(&t, new, false)).await,
        Some(ErrorKind::InvalidInput)
    );
    let table = catalog.get_table(&t).await.unwrap();
    let mut schema = (**table.schema()).clone();
    schema.time_millis = expected.time_millis;
    assert_eq!(schema, expected);
    assert_eq!(schema.primary_keys, ["dt", "id"]);
    assert_eq!(table.name(), format!("{database}.t"));
    catalog
        .create_table(&id(database, "a"), plain(), false)
        .await
        .unwrap();
    assert_eq!(catalog.list_tables(database).await.unwrap(), ["a", "t"]);
    for name in ["a", "t"] {
        catalog
            .drop_table(&id(database, name), false)
            .await
            .unwrap();
    }
    assert_eq!(
        kind_of(catalog.drop_table(&t, false)).await,
        Some(ErrorKind::NotFound)
    );
    catalog.drop_table(&t, true).await.unwrap();
    assert!(catalog.list_tables(database).await.unwrap().is_empty());
    // the place is free again
    catalog.create_table(&t, plain(), false).await.unwrap();
    catalog.drop_table(&t, false).await.unwrap();
}

async fn changes(catalog: &dyn Catalog, database: &str) {
    let t = id(database, "changing");
    let options = [("x.a", "1"), ("x.b", "2")];
    let new = declared(&[("a", "INT"), ("b", "STRING")], &options);
    catalog.create_table(&t, new, false).await.unwrap();
    let made = [
        SchemaChange::AddColumn {
            path: vec!["c".into()],
            data_type: parse_data_type("DOUBLE").unwrap(),
            comment: Some("added".into()),
            position: None,
        },
        SchemaChange::RenameColumn {
            path: vec!["b".into()],
            to: "bb".into(),
        },
        SchemaChange::SetOption {
            key: "x.a".into(),
            value: "3".into(),
        },
        SchemaChange::RemoveOption { key: "x.b".into() },
        SchemaChange::UpdateComment(Some("changed".into())),
    ];
    catalog.alter_table(&t, &made).await.unwrap();
    let table = catalog.get_table(&t).await.unwrap();
    let names: Vec<&str> = table
        .schema()
        .fields
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(names, ["a", "bb", "c"]);
    assert_eq!(table.schema().id, 1);
    assert_eq!(table.options().get("x.a"), Some("3"));
    assert_eq!(table.options().get("x.b"), None);
    assert_eq!(table.schema().comment.as_deref(), Some("changed"));
    let extra = SchemaChange::SetOption {
        key: "x.c".into(),
        value: "4".into(),
    };
    catalog.alter_table(&t, &[extra]).await.unwrap();
    catalog.rollback_schema(&t, 1).await.unwrap();
    let table = catalog.get_table(&t).await.unwrap();
    assert_eq!((table.schema().id, table.options().get("x.c")), (1, None));
    assert!(catalog.rollback_schema(&t, 7).await.is_err());
    let missing = SchemaChange::DropColumn {
        path: vec!["nope".into()],
    };
    assert_eq!(
        kind_of(catalog.alter_table(&t, &[missing])).await,
        Some(ErrorKind::NotFound)
    );
    assert_eq!(
        kind_of(catalog.alter_table(&id(database, "nope"), &made)).await,
        Some(ErrorKind::NotFound)
    );
    catalog.drop_table(&t, false).await.unwrap();
}

/// A table becomes another one in place.
async fn replacements(catalog: &dyn Catalog, database: &str) {
    let t = id(database, "replaced");
    let new = || {
        declared(
            &[("k", "BIGINT"), ("v", "DOUBLE")],
            &[("x.b", "2"), ("primary-key", "k")],
        )
    };
    let missing = catalog.schema_of_replacement(&t, new()).await;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    let old = declared(&[("a", "INT"), ("b", "STRING")], &[("x.a", "1")]);
    catalog.create_table(&t, old, false).await.unwrap();
    insert(&catalog.get_table(&t).await.unwrap(), &[(1, "x"), (2, "y")]).await;
    let schema = catalog.schema_of_replacement(&t, new()).await.unwrap();
    assert_eq!(count(&catalog.get_table(&t).await.unwrap()).await, 2);
    catalog.replace_table(&t, &schema).await.unwrap();
    let table = catalog.get_table(&t).await.unwrap();
    assert_eq!(count(&table).await, 0);
    assert_eq!(table.schema().id, 1);
    assert_eq!(table.schema().fields, schema.fields);
    assert_eq!(table.schema().primary_keys, ["k"]);
    assert_eq!(table.options().get("x.a"), None);
    assert_eq!(table.options().get("x.b"), Some("2"));
    let first = [("scan.snapshot-id".to_string(), "1".to_string())];
    let before = table.with_options(&first.into()).await.unwrap();
    assert_eq!(count(&before).await, 2);
    // of two replacements of one state the second one changes nothing
    assert_eq!(
        kind_of(catalog.replace_table(&t, &schema)).await,
        Some(ErrorKind::CommitConflict)
    );
    let mut elsewhere = plain();
    elsewhere.partition_keys = vec!["a".into()];
    let refused = catalog.schema_of_replacement(&t, elsewhere).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
    catalog.drop_table(&t, false).await.unwrap();
}

async fn renames(catalog: &dyn Catalog, database: &str, other: &str, quirks: Quirks) {
    let (t, u) = (id(database, "before"), id(other, "after"));
    catalog.create_table(&t, plain(), false).await.unwrap();
    insert(&catalog.get_table(&t).await.unwrap(), &[(1, "x")]).await;
    catalog.rename_table(&t, &u).await.unwrap();
    assert!(!catalog.table_exists(&t).await.unwrap());
    assert_eq!(catalog.list_tables(other).await.unwrap(), ["after"]);
    if !quirks.renamed_tables_keep_their_path {
        assert_eq!(count(&catalog.get_table(&u).await.unwrap()).await, 1);
    }
    catalog.create_table(&t, plain(), false).await.unwrap();
    for (from, to, kind) in [
        (&t, &u, ErrorKind::InvalidInput),
        (&id(database, "gone"), &id(other, "v"), ErrorKind::NotFound),
        (&t, &id("no_such_database", "v"), ErrorKind::NotFound),
    ] {
        assert_eq!(
            kind_of(catalog.rename_table(from, to)).await,
            Some(kind),
            "{from} {to}"
        );
    }
    catalog.drop_table(&t, false).await.unwrap();
    catalog.drop_table(&u, false).await.unwrap();
}

async fn rows(catalog: &dyn Catalog, database: &str, quirks: Quirks) {
    let t = id(database, "rows");
    catalog.create_table(&t, plain(), false).await.unwrap();
    let table = catalog.get_table(&t).await.unwrap();
    insert(&table, &[(1, "x"), (2, "y")]).await;
    create_branch(&table, "b", None).await.unwrap();
    let branch = catalog
        .get_table(&id(database, "rows$branch_b"))
        .await
        .unwrap();
    if !quirks.new_branches_are_not_empty {
        insert(&branch, &[(3, "z")]).await;
    }
    assert_eq!(count(&catalog.get_table(&t).await.unwrap()).await, 2);
    assert_eq!(
        kind_of(catalog.get_table(&id(database, "rows$branch_none"))).await,
        Some(ErrorKind::NotFound)
    );
    // eight writers at once: each commit is there, none twice
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let table = table.clone();
        writers.spawn(async move { insert(&table, &[(number, "w")]).await });
    }
    writers.join_all().await;
    assert_eq!(count(&catalog.get_table(&t).await.unwrap()).await, 10);
    catalog.drop_table(&t, false).await.unwrap();
}

async fn concurrent_creation(catalog: &dyn Catalog, database: &str) {
    let t = id(database, "raced");
    let create = || catalog.create_table(&t, plain(), true);
    let done = futures::future::join_all((0..6).map(|_| create())).await;
    let made = done.iter().filter(|d| matches!(d, Ok(true))).count();
    assert_eq!(made, 1, "{done:?}");
    assert!(catalog.table_exists(&t).await.unwrap());
    assert_eq!(count(&catalog.get_table(&t).await.unwrap()).await, 0);
    catalog.drop_table(&t, false).await.unwrap();
}

async fn refusals(catalog: &dyn Catalog, database: &str) {
    for (database, object) in [
        ("sys", "t"),
        (database, "t$snapshots"),
        (database, "t$branch_b"),
    ] {
        let name = id(database, object);
        assert!(catalog.create_table(&name, plain(), true).await.is_err());
        assert!(catalog.drop_table(&name, true).await.is_err());
    }
    assert!(catalog.create_database("sys", true).await.is_err());
    assert!(catalog.drop_database("sys", true, true).await.is_err());
    assert!(catalog.create_database("a/b", true).await.is_err());
    assert!(catalog.database_exists("sys").await.unwrap());
    assert!(!catalog.list_tables("sys").await.unwrap().is_empty());
    let bad = declared(
        &[("a", "INT")],
        &[("merge-engine", "no-such"), ("primary-key", "a")],
    );
    assert!(
        catalog
            .create_table(&id(database, "bad"), bad, false)
            .await
            .is_err()
    );
    assert!(!catalog.table_exists(&id(database, "bad")).await.unwrap());
}

/// Views, in catalogs that keep any.
async fn views(catalog: &dyn Catalog, one: &str, two: &str) {
    let mut field = DataField::new(0, "a", parse_data_type("INT").unwrap());
    field.description = Some("what".to_string());
    let view = View {
        fields: vec![field, DataField::new(1, "b", DataType::string())],
        query: "SELECT a, 'it''s' FROM t".to_string(),
        comment: Some("for tests".to_string()),
        options: BTreeMap::from([("x.y".to_string(), "1".to_string())]),
        ..View::default()
    };
    let (v, w) = (id(one, "v"), id(two, "w"));
    assert_eq!(
        kind_of(catalog.get_view(&v)).await,
        Some(ErrorKind::NotFound)
    );
    assert!(catalog.list_views(one).await.unwrap().is_empty());
    let made = kind_of(catalog.create_view(&v, &view, false)).await;
    if !catalog.keeps_views() {
        assert_eq!(made, Some(ErrorKind::Unsupported));
        assert_eq!(
            kind_of(catalog.drop_view(&v, false)).await,
            Some(ErrorKind::Unsupported)
        );
        assert_eq!(
            kind_of(catalog.rename_view(&v, &w)).await,
            Some(ErrorKind::Unsupported)
        );
        assert_eq!(
            kind_of(catalog.alter_view(&v, &[])).await,
            Some(ErrorKind::Unsupported)
        );
        return;
    }
    assert_eq!(made, None);
    catalog.create_view(&v, &view, true).await.unwrap();
    let again = catalog.create_view(&v, &view, false);
    assert_eq!(kind_of(again).await, Some(ErrorKind::InvalidInput));
    let found = catalog.get_view(&v).await.unwrap();
    assert_eq!(found.query_in("rust"), view.query);
    assert_eq!(found.comment, view.comment);
    assert_eq!(found.options.get("x.y").map(String::as_str), Some("1"));
    let columns: Vec<_> = found
        .fields
        .iter()
        .map(|f| (f.name.as_str(), f.data_type.to_string()))
        .collect();
    assert_eq!(
        columns,
        [("a", "INT".to_string()), ("b", "STRING".to_string())]
    );
    assert_eq!(found.fields[0].description.as_deref(), Some("what"));
    dialects(catalog, &v).await;
    assert_eq!(catalog.list_views(one).await.unwrap(), ["v"]);
    assert!(
        !catalog
            .list_tables(one)
            .await
            .unwrap()
            .contains(&"v".to_string())
    );
    catalog.rename_view(&v, &w).await.unwrap();
    assert_eq!(
        kind_of(catalog.get_view(&v)).await,
        Some(ErrorKind::NotFound)
    );
    assert_eq!(catalog.get_view(&w).await.unwrap().query, view.query);
    assert_eq!(
        kind_of(catalog.rename_view(&v, &w)).await,
        Some(ErrorKind::NotFound)
    );
    catalog.drop_view(&w, false).await.unwrap();
    catalog.drop_view(&w, true).await.unwrap();
    assert_eq!(
        kind_of(catalog.drop_view(&w, false)).await,
        Some(ErrorKind::NotFound)
    );
}

/// Queries of a view for single programs, in catalogs that keep any.
async fn dialects(catalog: &dyn Catalog, view: &Identifier) {
    let (dialect, query) = ("rust".to_string(), "SELECT 1, 'x'".to_string());
    let add = ViewChange::AddDialect {
        dialect: dialect.clone(),
        query: query.clone(),
    };
    let drop = ViewChange::DropDialect { dialect };
    let before = catalog.get_view(view).await.unwrap();
    let added = kind_of(catalog.alter_view(view, std::slice::from_ref(&add))).await;
    if added == Some(ErrorKind::Unsupported) {
        assert_eq!(catalog.get_view(view).await.unwrap(), before);
        return;
    }
    assert_eq!(added, None);
    assert_eq!(
        catalog.get_view(view).await.unwrap().query_in("rust"),
        query
    );
    let again = kind_of(catalog.alter_view(view, &[add])).await;
    assert_eq!(again, Some(ErrorKind::InvalidInput));
    for expected in [None, Some(ErrorKind::NotFound)] {
        let dropped = catalog.alter_view(view, std::slice::from_ref(&drop));
        assert_eq!(kind_of(dropped).await, expected);
    }
    let after = catalog.get_view(view).await.unwrap();
    assert_eq!((after.query, after.fields), (before.query, before.fields));
}

/// Functions, in catalogs that keep any.
async fn functions(catalog: &dyn Catalog, database: &str) {
    let f = id(database, "f");
    let sql = |definition: &str| FunctionDefinition::Sql {
        definition: definition.to_string(),
    };
    let function = Function {
        input_params: Some(vec![DataField::new(
            0,
            "x",
            parse_data_type("INT").unwrap(),
        )]),
        return_params: Some(vec![DataField::new(0, "f", DataType::string())]),
        deterministic: true,
        definitions: BTreeMap::from([("one".to_string(), sql("x + 1"))]),
        comment: Some("for tests".to_string()),
        options: BTreeMap::from([("x.y".to_string(), "1".to_string())]),
    };
    let missing = kind_of(catalog.get_function(&f)).await;
    assert_eq!(missing, Some(ErrorKind::NotFound));
    assert!(catalog.list_functions(database).await.unwrap().is_empty());
    let made = kind_of(catalog.create_function(&f, &function, false)).await;
    let add = [FunctionChange::AddDefinition {
        name: "two".to_string(),
        definition: sql("x + 2"),
    }];
    if !catalog.keeps_functions() {
        let refused = Some(ErrorKind::Unsupported);
        assert_eq!(made, refused);
        assert_eq!(kind_of(catalog.drop_function(&f, false)).await, refused);
        assert_eq!(kind_of(catalog.alter_function(&f, &add)).await, refused);
        return;
    }
    assert_eq!(made, None);
    catalog.create_function(&f, &function, true).await.unwrap();
    let again = catalog.create_function(&f, &function, false);
    assert_eq!(kind_of(again).await, Some(ErrorKind::InvalidInput));
    assert_eq!(catalog.get_function(&f).await.unwrap(), function);
    assert_eq!(catalog.list_functions(database).await.unwrap(), ["f"]);
    catalog.alter_function(&f, &add).await.unwrap();
    let twice = kind_of(catalog.alter_function(&f, &add)).await;
    assert_eq!(twice, Some(ErrorKind::InvalidInput));
    let found = catalog.get_function(&f).await.unwrap();
    assert_eq!(found.definitions["two"], sql("x + 2"));
    assert_eq!(found.definitions["one"], sql("x + 1"));
    catalog.drop_function(&f, false).await.unwrap();
    catalog.drop_function(&f, true).await.unwrap();
    let missing = Some(ErrorKind::NotFound);
    assert_eq!(kind_of(catalog.drop_function(&f, false)).await, missing);
    assert_eq!(kind_of(catalog.alter_function(&f, &add)).await, missing);
}
