//! Random histories of tables whose compactions look up deeper levels: what readers see, the changelog that tells it, and
//! the deletion vectors.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int32Type, Int64Type};
use futures::TryStreamExt;
use paimon_core::format::{FileReadRequest, read_file};
use paimon_core::spec::{CommitMessage, sequence_number_field, value_kind_field};
use paimon_core::table::Table;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;

use super::trees::{Model, Record, compact, files, model, random_records, read, schema, write};
use crate::commit::assert_sound;
use crate::write::publish::create;

const KINDS: [&str; 4] = ["+I", "-U", "+U", "-D"];

/// Rows of a compaction's changelog files.
async fn changelog(folder: &Path, table: &Table, messages: &[CommitMessage]) -> Vec<Record> {
    let mut rows = Vec::new();
    for file in messages.iter().flat_map(|m| &m.compact.changelog_files) {
        let path = folder.join("bucket-0").join(&file.file_name);
        let mut fields = table.schema().fields.clone();
        fields.push(sequence_number_field());
        fields.push(value_kind_field());
        let size = u64::try_from(file.file_size).unwrap();
        let request = FileReadRequest {
            file: table.io().input(path.to_str().unwrap(), size).unwrap(),
            fields,
            selection: None,
            row_range: None,
            predicate: None,
            batch_size: 1000,
            step_bytes: 1 << 20,
            with_position: false,
        };
        let before = rows.len();
        let batches: Vec<_> = read_file(request)
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        for batch in &batches {
            let int = |c: usize| batch.column(c).as_primitive::<Int32Type>();
            let values = batch.column(2).as_primitive::<Int64Type>();
            let kinds = batch.column(4).as_primitive::<Int8Type>();
            for i in 0..batch.num_rows() {
                let order = int(1).iter().nth(i).unwrap();
                let value = values.iter().nth(i).unwrap();
                rows.push((int(0).value(i), order, value, kinds.value(i)));
            }
        }
        assert_eq!(
            rows.len() - before,
            usize::try_from(file.row_count).unwrap()
        );
        assert!(file.file_name.starts_with("changelog-"));
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
            let changes = changelog(folder, &table, &messages).await;
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
            format: if seed % 2 == 0 { "parquet" } else { "avro" },
            deduplicated: seed == 1 && producer != "none",
        };
        let temp = tempfile::tempdir().unwrap();
        marked += case.run(temp.path(), seed).await;
    }
    assert_eq!(marked > 0, vectors);
}
