//! Random histories of tables whose compactions look up deeper levels: what readers see, the changelog that tells it, and
//! the deletion vectors.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int32Type, Int64Type};
use paimon_core::read::ChangeScan;
use paimon_core::table::Table;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;

use super::automatic::written;
use super::trees::{Model, Record, compact, files, model, random_records, read, schema, write};
use crate::commit::assert_sound;
use crate::write::publish::{create, publish};

const KINDS: [&str; 4] = ["+I", "-U", "+U", "-D"];

/// What the changelogs of the snapshots after `start` tell.
async fn changelog(table: &Table, start: i64) -> Vec<Record> {
    let end = table.snapshots().latest_id().await.unwrap().unwrap();
    let changes = table
        .changes_between(start, end)
        .with_scan(ChangeScan::Changelog);
    let mut rows = Vec::new();
    for batch in changes.collect().await.unwrap() {
        let orders = batch.column(1).as_primitive::<Int32Type>().iter();
        let values = batch.column(2).as_primitive::<Int64Type>().iter();
        let keys = batch.column(0).as_primitive::<Int32Type>().values();
        let kinds = batch.column(3).as_primitive::<Int8Type>().values();
        let columns = keys.iter().zip(orders).zip(values).zip(kinds);
        rows.extend(columns.map(|(((key, order), value), kind)| (*key, order, value, *kind)));
    }
    rows
}

/// Applies a changelog; each row must fit what is there.
fn replay(state: &mut Model, rows: &[Record], deduplicated: bool, context: &str) {
    let mut updated = None;
    for (key, order, value, kind) in rows {
        let row = (*order, *value);
        let kind = KINDS[usize::try_from(*kind).unwrap()];
        let context = format!("{context}: {kind} {key} {row:?}");
        match kind {
            "+I" => assert_eq!(state.insert(*key, row), None, "{context}"),
            "-D" => assert_eq!(state.remove(key), Some(row), "{context}"),
            "-U" => {
                assert_eq!(state.remove(key), Some(row), "{context}");
                updated = Some((*key, row));
                continue;
            }
            _ => {
                let (old_key, old) = updated.take().expect("-U before +U");
                assert_eq!(old_key, *key, "{context}");
                assert!(!deduplicated || old != row, "{context}");
                assert_eq!(state.insert(*key, row), None, "{context}");
            }
        }
        assert_eq!(updated, None, "{context}");
    }
    assert_eq!(updated, None, "{context}");
}

struct Case {
    engine: &'static str,
    by_sequence: bool,
    producer: &'static str,
    vectors: bool,
    format: &'static str,
    deduplicated: bool,
}

impl Case {
    fn options(&self) -> Vec<(&'static str, &'static str)> {
        let mut options = vec![
            ("bucket", "1"),
            ("write-only", "true"),
            ("merge-engine", self.engine),
            ("file.format", self.format),
            ("changelog-producer", self.producer),
            ("num-sorted-run.compaction-trigger", "4"),
            ("target-file-size", "8 kb"),
        ];
        if self.engine == "aggregation" {
            options.push(("fields.v.aggregate-function", "sum"));
        }
        if self.by_sequence {
            options.push(("sequence.field", "s"));
        }
        if self.vectors {
            options.push(("deletion-vectors.enabled", "true"));
        }
        if self.producer == "none" && !self.vectors {
            options.push(("force-lookup", "true"));
        }
        if self.deduplicated {
            options.push(("changelog-producer.row-deduplicate", "true"));
        }
        options
    }

    /// Returns how many compactions changed deletion vectors.
    async fn run(&self, folder: &Path, seed: u64) -> usize {
        let mut random = StdRng::seed_from_u64(seed);
        let table = create(folder, &schema(true, false, &self.options())).await;
        let lookup = self.producer != "full-compaction";
        let mut records = Vec::new();
        let mut told = Model::new();
        let mut marked = 0;
        for round in 0..random.random_range(6..14) {
            let context = format!("seed {seed}, round {round}");
            let start = table.snapshots().latest_id().await.unwrap().unwrap_or(0);
            for _ in 0..random.random_range(1..3) {
                let deletes = self.engine == "deduplicate" && !self.by_sequence;
                let nulls = self.engine != "partial-update" || !self.by_sequence;
                let new = random_records(&mut random, deletes, nulls);
                write(&table, &new, None).await;
                records.extend(new);
            }
            let full = random.random_bool(0.2);
            let messages = compact(&table, full).await;
            let expected = model(self.engine, self.by_sequence, &records);
            let rows = read(&table).await;
            let seen: Model = rows.iter().copied().collect();
            assert_eq!(rows.len(), seen.len(), "{context}: a key twice");
            let wrong = expected.iter().find(|(k, v)| seen.get(k) != Some(v));
            assert!(
                seen == expected,
                "{context}: {wrong:?}, {} rows",
                seen.len()
            );
            marked += messages
                .iter()
                .filter(|m| !m.compact.new_index_files.is_empty())
                .count();
            let changes = changelog(&table, start).await;
            replay(&mut told, &changes, self.deduplicated, &context);
            let complete = match self.producer {
                "none" => changes.is_empty(),
                "lookup" => told == expected,
                _ => !full || told == expected,
            };
            assert!(complete, "{context}: the changelog tells something else");
            if lookup {
                assert!(files(&table).await.iter().all(|f| f.0 > 0), "{context}");
            }
            assert_sound(&table).await;
        }
        marked
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn histories_and_their_changelogs_agree(
    #[values("deduplicate", "partial-update", "aggregation", "first-row")] engine: &'static str,
    #[values(false, true)] by_sequence: bool,
    #[values("none", "lookup", "full-compaction")] producer: &'static str,
    #[values(false, true)] vectors: bool,
) {
    let first_row = engine == "first-row";
    if first_row && (by_sequence || vectors || producer == "full-compaction") {
        return;
    }
    if vectors && producer == "full-compaction" {
        return;
    }
    let mut marked = 0;
    for seed in 0..2 {
        let case = Case {
            engine,
            by_sequence,
            producer,
            vectors,
            format: match (seed, vectors) {
                (0, _) => "parquet",
                (_, false) => "avro",
                (_, true) => "orc",
            },
            deduplicated: seed == 1 && producer != "none",
        };
        let temp = tempfile::tempdir().unwrap();
        marked += case.run(temp.path(), seed).await;
    }
    assert_eq!(marked > 0, vectors);
}

/// Writers that begin at the same snapshot number their rows alike; the commits of some come late.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn writers_that_race_for_keys_tell_what_readers_see(
    #[values("deduplicate", "partial-update", "aggregation")] engine: &'static str,
    #[values(false, true)] vectors: bool,
) {
    for seed in 0..6 {
        let case = Case {
            engine,
            by_sequence: false,
            producer: "lookup",
            vectors,
            format: "parquet",
            deduplicated: false,
        };
        let mut random = StdRng::seed_from_u64(seed);
        let temp = tempfile::tempdir().unwrap();
        let table = create(temp.path(), &schema(true, false, &case.options())).await;
        let mut told = Model::new();
        let mut late = Vec::new();
        for round in 0..20 {
            let context = format!("seed {seed}, round {round}");
            for _ in 0..random.random_range(1..4) {
                let count = random.random_range(1..4);
                let record = |i: i64| {
                    let value = Some(i64::from(round) * 10 + i);
                    (random.random_range(0..4), Some(round), value, 0)
                };
                let records: Vec<Record> = (0..count).map(record).collect();
                late.push(written(&table, &records).await);
            }
            let start = table.snapshots().latest_id().await.unwrap().unwrap_or(0);
            for _ in 0..random.random_range(1..3) {
                if !late.is_empty() {
                    let one = late.swap_remove(random.random_range(0..late.len()));
                    publish(&table, one).await;
                }
            }
            compact(&table, random.random_bool(0.1)).await;
            let changes = changelog(&table, start).await;
            replay(&mut told, &changes, false, &context);
            let seen: Model = read(&table).await.into_iter().collect();
            assert_eq!(seen, told, "{context}");
        }
    }
}

/// Java merges every record that a lookup compaction rewrites, one that is alone in its key, too: without a value in its
/// sequence group a partial update then sets nothing.
#[rstest]
#[tokio::test]
async fn a_lookup_compaction_merges_lone_records(
    #[values("none", "lookup")] producer: &'static str,
) {
    let temp = tempfile::tempdir().unwrap();
    let options = [
        ("bucket", "1"),
        ("write-only", "true"),
        ("merge-engine", "partial-update"),
        ("fields.s.sequence-group", "v"),
        ("changelog-producer", producer),
    ];
    let table = create(temp.path(), &schema(true, false, &options)).await;
    write(&table, &[(1, None, Some(5), 0)], None).await;
    compact(&table, true).await;
    // the file moved as it is
    assert_eq!(read(&table).await, [(1, (None, Some(5)))]);
    write(&table, &[(2, Some(1), Some(6), 0)], None).await;
    compact(&table, true).await;
    let lone = if producer == "lookup" { None } else { Some(5) };
    assert_eq!(
        read(&table).await,
        [(1, (None, lone)), (2, (Some(1), Some(6)))]
    );
}
