//! Compactions of data-evolution tables between appends, changes of columns and deletions, against a model.
//!
//! With `PAIMON_COMPACT_DIR` the tables stay in that folder for another implementation to read, and beside each the rows
//! that it must find: the columns, the row id and the sequence number.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch};
use arrow_schema::{Field, Schema};
use paimon_core::ErrorKind;
use paimon_core::commit::RowChange;
use paimon_core::compact::OrderStrategy;
use paimon_core::read::{PlanRequest, SplitKind, is_side_file, plan};
use paimon_core::spec::{
    CommitKind, CommitMessage, DataField, DataType, Snapshot, TableSchema, TypeKind, row_id_field,
    sequence_number_field,
};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table};
use paimon_core::write::{
    ColumnFiles, Removal, RemovedRows, RowRange, WriteContext, discard_files, remove_rows,
};
use paimon_testing::json_rows::rows_to_json;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::commit::assert_sound;
use crate::write::publish::{create, open, publish};

/// Row id to the values of k, a, b, c and p.
type Model = BTreeMap<i64, [Option<i64>; 5]>;

const COLUMNS: [&str; 5] = ["k", "a", "b", "c", "p"];

fn schema(id: i64, partitioned: bool, options: &[(&str, &str)]) -> TableSchema {
    let int = |id, name| DataField::new(id, name, DataType::not_null(TypeKind::Int));
    let long = |id, name| DataField::new(id, name, DataType::nullable(TypeKind::BigInt));
    let mut fields = vec![int(0, "k"), long(1, "a"), long(2, "b")];
    if id > 0 {
        fields.push(long(4, "c"));
    }
    fields.push(int(3, "p"));
    let own = [
        ("row-tracking.enabled", "true"),
        ("data-evolution.enabled", "true"),
    ];
    TableSchema {
        version: 3,
        id,
        fields,
        highest_field_id: 4,
        partition_keys: partitioned.then(|| "p".to_string()).into_iter().collect(),
        primary_keys: Vec::new(),
        options: own
            .iter()
            .chain(options)
            .map(|(k, v)| ((*k).to_string(), (*v).to_string()))
            .collect(),
        comment: None,
        time_millis: 0,
    }
}

fn batch(table: &Table, rows: &[[Option<i64>; 5]]) -> RecordBatch {
    let columns = table.schema().fields.iter().map(|field| -> ArrayRef {
        let at = COLUMNS.iter().position(|c| *c == field.name).unwrap();
        let values = rows.iter().map(|row| row[at]);
        match field.data_type.kind {
            TypeKind::Int => {
                let values = values.map(|v| v.map(|v| i32::try_from(v).unwrap()));
                Arc::new(values.collect::<Int32Array>())
            }
            _ => Arc::new(values.collect::<Int64Array>()),
        }
    });
    RecordBatch::try_new(table.arrow_schema(), columns.collect()).unwrap()
}

async fn newest(table: &Table) -> Option<Snapshot> {
    table.snapshots().latest().await.unwrap()
}

async fn append(table: &Table, rows: &[[Option<i64>; 5]]) {
    let mut write = table.new_write().unwrap();
    write.write(&batch(table, rows)).await.unwrap();
    publish(table, write.prepare_commit().await.unwrap()).await;
}

/// Files with new values of some columns.
async fn changed(
    table: &Table,
    columns: &[&str],
    values: &BTreeMap<i64, Vec<Option<i64>>>,
) -> Vec<CommitMessage> {
    let fields = &table.schema().fields;
    let at = |name: &&str| fields.iter().position(|f| f.name == *name).unwrap();
    let positions: Vec<usize> = columns.iter().map(at).collect();
    let context = WriteContext::with_memory(0);
    let files = ColumnFiles::new(table, &positions, &context).unwrap();
    let plan = table.read_builder().plan().await.unwrap();
    let mut messages = Vec::new();
    for range in RowRange::of_splits(plan.splits).unwrap() {
        let own = values.iter().filter(|(id, _)| range.holds(**id));
        let (ids, own): (Vec<i64>, Vec<&Vec<Option<i64>>>) = own.unzip();
        if ids.is_empty() {
            continue;
        }
        let of = |i| own.iter().map(|v| v[i]).collect::<Int64Array>();
        let arrays = (0..columns.len()).map(|i| Arc::new(of(i)) as ArrayRef);
        let names = columns
            .iter()
            .map(|c| Field::new(*c, arrow_schema::DataType::Int64, true));
        let schema = Schema::new(names.collect::<Vec<_>>());
        let batch = RecordBatch::try_new(Arc::new(schema), arrays.collect()).unwrap();
        messages.push(files.write(&range, &ids, &batch).await.unwrap());
    }
    messages
}

/// Commits a change of rows that were read from `base`.
async fn commit_change(
    table: &Table,
    base: Option<Snapshot>,
    messages: &[CommitMessage],
) -> paimon_core::Result<Vec<i64>> {
    let change = RowChange {
        base,
        operation: "MERGE",
        even_if_empty: false,
    };
    let commit = table.new_commit();
    commit
        .commit_change(&change, BATCH_COMMIT_IDENTIFIER, messages.to_vec())
        .await
}

async fn discard(table: &Table, messages: &[CommitMessage]) {
    let context = WriteContext::with_memory(0);
    for message in messages {
        discard_files(table, context.ids.as_ref(), message)
            .await
            .unwrap();
    }
}

/// Marks rows as deleted, by the vectors of the files that stand for all columns of the rows.
async fn delete(table: &Table, row_ids: &[i64]) {
    let base = newest(table).await.unwrap();
    let files = plan(table, &PlanRequest::default()).await.unwrap();
    let mut removed = Vec::new();
    for split in &files.splits {
        let SplitKind::Columns(groups) = &split.kind else {
            panic!("{split:?}");
        };
        for group in groups {
            let oldest = group.iter().filter(|f| !is_side_file(&f.meta.file_name));
            let oldest = oldest.min_by_key(|f| f.meta.max_sequence_number).unwrap();
            let first = oldest.meta.first_row_id.unwrap();
            let own = row_ids.iter().map(|id| id - first);
            let own = own.filter(|at| (0..oldest.meta.row_count).contains(at));
            let positions: Vec<u64> = own.map(|at| u64::try_from(at).unwrap()).collect();
            if !positions.is_empty() {
                removed.push(RemovedRows {
                    partition: split.partition.clone(),
                    bucket: split.bucket,
                    total_buckets: split.total_buckets,
                    file: oldest.clone(),
                    positions: positions.into_iter().collect(),
                });
            }
        }
    }
    let context = WriteContext::with_memory(0);
    let messages = remove_rows(table, &context, &base, removed, Removal::Vectors);
    let messages = messages.await.unwrap();
    commit_change(table, Some(base), &messages).await.unwrap();
}

async fn read(table: &Table) -> Model {
    let fields = table.schema().fields.iter().map(|f| f.name.as_str());
    let names: Vec<&str> = fields.chain(["_ROW_ID"]).collect();
    let read = table.read_builder().with_projection(&names);
    let mut found = Model::new();
    for batch in read.collect().await.unwrap() {
        let value = |name: &str, row: usize| -> Option<i64> {
            let column = batch.column_by_name(name)?;
            let valid = column.is_valid(row);
            valid.then(|| match column.as_primitive_opt::<Int32Type>() {
                Some(ints) => ints.value(row).into(),
                None => column.as_primitive::<Int64Type>().value(row),
            })
        };
        for row in 0..batch.num_rows() {
            let values = COLUMNS.map(|name| value(name, row));
            let before = found.insert(value("_ROW_ID", row).unwrap(), values);
            assert!(before.is_none(), "a row id twice");
        }
    }
    found
}

/// All rows with their ids and sequence numbers as lines of JSON, sorted.
async fn lines(table: &Table) -> String {
    let mut fields = table.schema().fields.clone();
    fields.extend([row_id_field(), sequence_number_field()]);
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    let read = table.read_builder().with_projection(&names);
    let mut lines = Vec::new();
    for batch in read.collect().await.unwrap() {
        let rows = rows_to_json(&batch, &fields, &vec![0; batch.num_rows()]);
        lines.extend(rows.iter().map(|row| format!("{row}\n")));
    }
    lines.sort();
    lines.concat()
}

/// Number of normal files, and of groups of them with the same rows.
async fn files(table: &Table) -> (usize, usize) {
    let plan = plan(table, &PlanRequest::default()).await.unwrap();
    let groups: Vec<_> = (plan.splits.into_iter())
        .flat_map(|s| match s.kind {
            SplitKind::Columns(groups) => groups,
            other => panic!("{other:?}"),
        })
        .collect();
    (groups.iter().map(Vec::len).sum(), groups.len())
}

/// A table with its model and what it was at each snapshot.
struct History {
    table: Table,
    model: Model,
    states: BTreeMap<i64, Model>,
    next_row_id: i64,
    random: StdRng,
    deletes: bool,
}

impl History {
    async fn append(&mut self) {
        let count = self.random.random_range(1..40);
        let partition = self.random.random_range(0..2);
        let rows: Vec<[Option<i64>; 5]> = (0..count)
            .map(|_| {
                let mut value = || {
                    self.random
                        .random_bool(0.8)
                        .then(|| self.random.random_range(0..99))
                };
                let (a, b) = (value(), value());
                let c = value().filter(|_| self.table.schema().id > 0);
                [
                    Some(self.random.random_range(0..99)),
                    a,
                    b,
                    c,
                    Some(partition),
                ]
            })
            .collect();
        append(&self.table, &rows).await;
        for row in rows {
            self.model.insert(self.next_row_id, row);
            self.next_row_id += 1;
        }
    }

    /// New values of some columns of some rows, close to each other or all over the table.
    fn change(&mut self) -> (Vec<&'static str>, BTreeMap<i64, Vec<Option<i64>>>) {
        let added = self.table.schema().id > 0;
        let choices: &[&[&'static str]] = match added {
            true => &[&["a"], &["b"], &["a", "b"], &["c"], &["b", "c"]],
            false => &[&["a"], &["b"], &["a", "b"]],
        };
        let columns = choices[self.random.random_range(0..choices.len())].to_vec();
        let start = self.random.random_range(0..self.next_row_id.max(1));
        let near = self.random.random_bool(0.5);
        let ids: Vec<i64> = self.model.keys().copied().collect();
        let mut values = BTreeMap::new();
        for id in ids {
            if (!near || (start..start + 20).contains(&id)) && self.random.random_bool(0.3) {
                let new = columns
                    .iter()
                    .map(|_| self.random.random_bool(0.8).then_some(100 + id));
                values.insert(id, new.collect());
            }
        }
        (columns, values)
    }

    fn apply(&mut self, columns: &[&str], values: &BTreeMap<i64, Vec<Option<i64>>>) {
        for (id, new) in values {
            let row = self.model.get_mut(id).unwrap();
            for (name, value) in columns.iter().zip(new) {
                let at = COLUMNS.iter().position(|c| c == name).unwrap();
                row[at] = *value;
            }
        }
    }

    async fn compact(&mut self) {
        let full = self.random.random_bool(0.5);
        let messages = self.table.new_compact().full(full).run().await.unwrap();
        if !messages.is_empty() {
            publish(&self.table, messages).await;
        }
    }

    /// A compaction and a change of columns that were both planned on the same snapshot.
    async fn race(&mut self) {
        let base = newest(&self.table).await;
        let full = self.random.random_bool(0.7);
        let compaction = self.table.new_compact().full(full).run().await.unwrap();
        let (columns, values) = self.change();
        let change = changed(&self.table, &columns, &values).await;
        let commit = self.table.new_commit();
        let compaction_first = self.random.random_bool(0.5);
        if compaction_first {
            if !compaction.is_empty() {
                commit
                    .commit(BATCH_COMMIT_IDENTIFIER, compaction)
                    .await
                    .unwrap();
            }
            match commit_change(&self.table, base, &change).await {
                Ok(_) => self.apply(&columns, &values),
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::CommitConflict, "{e}");
                    discard(&self.table, &change).await;
                }
            }
            return;
        }
        commit_change(&self.table, base, &change).await.unwrap();
        self.apply(&columns, &values);
        if compaction.is_empty() {
            return;
        }
        if let Err(e) = commit
            .commit(BATCH_COMMIT_IDENTIFIER, compaction.clone())
            .await
        {
            assert_eq!(e.kind(), ErrorKind::CommitConflict, "{e}");
            discard(&self.table, &compaction).await;
        }
    }

    async fn delete(&mut self) {
        let random = &mut self.random;
        let ids = self.model.keys().copied();
        let mut ids: Vec<i64> = ids.filter(|_| random.random_bool(0.1)).collect();
        // a file of which nothing is left would go
        ids.retain(|id| id % 7 != 0 && self.model.contains_key(&(id - id % 7)));
        if !ids.is_empty() {
            delete(&self.table, &ids).await;
            self.model.retain(|id, _| !ids.contains(id));
        }
    }

    async fn add_column(&mut self, folder: &Path, next: &TableSchema) {
        if self.table.schema().id == 0 {
            self.table = create(folder, next).await;
        }
    }

    async fn check(&mut self, step: &str) {
        let found = read(&self.table).await;
        assert_eq!(found, self.model, "after {step}");
        if let Some(snapshot) = newest(&self.table).await {
            let known = self
                .states
                .entry(snapshot.id)
                .or_insert_with(|| self.model.clone());
            assert_eq!(*known, self.model, "after {step}");
        }
    }

    async fn check_past(&self) {
        for (id, state) in &self.states {
            let options = [("scan.snapshot-id".to_string(), id.to_string())];
            let table = self.table.with_options(&options.into()).await.unwrap();
            let mut found = read(&table).await;
            // the column of the newest schema is read as null where it was not there yet
            for (row_id, row) in state {
                let own = found.remove(row_id);
                assert_eq!(own.as_ref(), Some(row), "row {row_id} of snapshot {id}");
            }
            assert!(found.is_empty(), "snapshot {id}: {found:?}");
        }
    }
}

async fn history(seed: u64, root: &Path) -> usize {
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let partitioned = random.random_bool(0.3);
    let deletes = random.random_bool(0.4);
    let formats = ["parquet", "orc", "avro"];
    let mut options = vec![("file.format", formats[random.random_range(0..3)])];
    if deletes {
        options.push(("deletion-vectors.enabled", "true"));
    }
    if random.random_bool(0.5) {
        // groups pass the target at different sizes
        options.push(("source.split.open-file-cost", "1 kb"));
        options.push(("target-file-size", "4 kb"));
    }
    let folder = root.join(format!("evolution-{seed}"));
    let table = create(&folder, &schema(0, partitioned, &options)).await;
    let mut history = History {
        table,
        model: Model::new(),
        states: BTreeMap::new(),
        next_row_id: 0,
        random,
        deletes,
    };
    history.append().await;
    for _ in 0..25 {
        let step = match history.random.random_range(0..100) {
            0..35 => {
                history.append().await;
                "an append"
            }
            // changes of columns read all rows of a file: they do not know deletion vectors
            35..60 if !history.deletes => {
                let (columns, values) = history.change();
                let base = newest(&history.table).await;
                let messages = changed(&history.table, &columns, &values).await;
                commit_change(&history.table, base, &messages)
                    .await
                    .unwrap();
                history.apply(&columns, &values);
                "a change"
            }
            35..60 => {
                history.delete().await;
                "a deletion"
            }
            60..65 => {
                let next = schema(1, partitioned, &options);
                history.add_column(&folder, &next).await;
                "a new column"
            }
            65..85 if !history.deletes => {
                history.race().await;
                "a race"
            }
            _ => {
                history.compact().await;
                "a compaction"
            }
        };
        history.check(step).await;
    }
    history.compact().await;
    history.check("the last compaction").await;
    history.check_past().await;
    assert_sound(&history.table).await;
    std::fs::write(folder.with_extension("rows"), lines(&history.table).await).unwrap();
    let kinds = history.table.snapshots().all().await.unwrap();
    let compactions = kinds
        .iter()
        .filter(|s| s.commit_kind == CommitKind::Compact);
    compactions.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_keep_their_ids_and_newest_columns_through_random_histories() {
    let temp = tempfile::tempdir().unwrap();
    let root = std::env::var_os("PAIMON_COMPACT_DIR").map_or(temp.path().into(), PathBuf::from);
    let seeds = match std::env::var("PAIMON_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..6).collect(),
    };
    let mut compactions = 0;
    for seed in seeds {
        compactions += history(seed, &root).await;
    }
    assert!(compactions > 0);
}

fn row(k: i64, a: i64) -> [Option<i64>; 5] {
    [Some(k), Some(a), None, None, Some(0)]
}

fn one(id: i64, value: i64) -> BTreeMap<i64, Vec<Option<i64>>> {
    [(id, vec![Some(value)])].into()
}

/// Three files of two rows each; the second has a newer column a.
async fn small(folder: &Path, options: &[(&str, &str)]) -> Table {
    let table = create(folder, &schema(0, false, options)).await;
    for k in 0..3 {
        append(&table, &[row(k, 10 + k), row(k, 20 + k)]).await;
    }
    let base = newest(&table).await;
    let messages = changed(&table, &["a"], &one(2, 99)).await;
    commit_change(&table, base, &messages).await.unwrap();
    table
}

#[tokio::test]
async fn the_files_of_neighbouring_rows_become_one_with_all_columns() {
    let folder = tempfile::tempdir().unwrap();
    let table = small(folder.path(), &[]).await;
    let before = read(&table).await;
    assert_eq!(files(&table).await, (4, 3));
    // a compaction of what is due waits for five files
    assert!(
        table
            .new_compact()
            .full(false)
            .run()
            .await
            .unwrap()
            .is_empty()
    );
    let messages = table.new_compact().run().await.unwrap();
    let [message] = messages.as_slice() else {
        panic!("{messages:?}");
    };
    let [file] = message.compact.compact_after.as_slice() else {
        panic!("{messages:?}");
    };
    assert_eq!((file.first_row_id, file.row_count), (Some(0), 6));
    assert_eq!((file.min_sequence_number, file.max_sequence_number), (1, 4));
    assert_eq!((&file.write_cols, file.schema_id), (&None, 0));
    assert_eq!(message.compact.compact_before.len(), 4);
    publish(&table, messages).await;
    assert_eq!(files(&table).await, (1, 1));
    assert_eq!(read(&table).await, before);
    assert!(table.new_compact().run().await.unwrap().is_empty());
    let newest = newest(&table).await.unwrap();
    assert_eq!(
        (newest.commit_kind, newest.next_row_id),
        (CommitKind::Compact, Some(6))
    );
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_change_of_columns_and_a_compaction_that_moves_the_range_exclude_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let table = small(folder.path(), &[]).await;
    let base = newest(&table).await;
    let compaction = table.new_compact().run().await.unwrap();
    let change = changed(&table, &["b"], &one(0, 7)).await;
    commit_change(&table, base.clone(), &change).await.unwrap();
    let commit = table.new_commit();
    let late = commit.commit(BATCH_COMMIT_IDENTIFIER, compaction).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::CommitConflict);
    assert_eq!(read(&table).await[&0][2], Some(7));
    // planned anew it comes through, and the next change of the old ranges does not
    let stale = changed(&table, &["b"], &one(1, 8)).await;
    let base = newest(&table).await;
    table.new_compact().commit().await.unwrap();
    let late = commit_change(&table, base, &stale).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::CommitConflict);
    let rows = read(&table).await;
    assert_eq!(
        (rows[&0][2], rows[&1][2], rows[&2][1]),
        (Some(7), None, Some(99))
    );
    assert_sound(&table).await;
}

#[tokio::test]
async fn columns_written_while_one_range_is_compacted_win_over_it() {
    let folder = tempfile::tempdir().unwrap();
    // each range passes the target by itself
    let table = small(folder.path(), &[("target-file-size", "1 kb")]).await;
    let base = newest(&table).await;
    let compaction = table.new_compact().run().await.unwrap();
    assert_eq!(compaction[0].compact.compact_before.len(), 2);
    let change = changed(&table, &["a"], &one(3, 7)).await;
    commit_change(&table, base.clone(), &change).await.unwrap();
    let commit = table.new_commit();
    commit
        .commit(BATCH_COMMIT_IDENTIFIER, compaction)
        .await
        .unwrap();
    let rows = read(&table).await;
    assert_eq!((rows[&2][1], rows[&3][1]), (Some(99), Some(7)));
    assert_sound(&table).await;
}

#[tokio::test]
async fn deleted_rows_stay_deleted_and_keep_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let table = small(folder.path(), &[("deletion-vectors.enabled", "true")]).await;
    delete(&table, &[1, 2, 5]).await;
    let before = read(&table).await;
    assert_eq!(before.keys().copied().collect::<Vec<_>>(), [0, 3, 4]);
    let stale = table.new_compact().run().await.unwrap();
    delete(&table, &[4]).await;
    let commit = table.new_commit();
    let late = commit.commit(BATCH_COMMIT_IDENTIFIER, stale).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::CommitConflict);
    table.new_compact().commit().await.unwrap();
    assert_eq!(files(&table).await, (1, 1));
    let after = read(&table).await;
    assert_eq!(after.keys().copied().collect::<Vec<_>>(), [0, 3]);
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_table_opened_before_a_column_was_added_is_not_compacted() {
    let folder = tempfile::tempdir().unwrap();
    let old = small(folder.path(), &[]).await;
    let new = create(folder.path(), &schema(1, false, &[])).await;
    append(&new, &[[Some(1), None, None, Some(5), Some(0)]]).await;
    let error = old.new_compact().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    new.new_compact().commit().await.unwrap();
    let reopened = open(folder.path()).await;
    assert_eq!(read(&reopened).await[&6][3], Some(5));
}

#[tokio::test]
async fn rows_with_ids_by_position_are_not_sorted() {
    let folder = tempfile::tempdir().unwrap();
    let table = small(folder.path(), &[]).await;
    let sorted = table
        .new_compact()
        .order(OrderStrategy::Order, vec!["a".into()]);
    let error = sorted.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}
