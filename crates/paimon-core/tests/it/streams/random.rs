//! Random lives of tables, followed by a reader that is killed again and again: what it was told makes the final state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use paimon_core::maintenance::ExpireSnapshots;
use paimon_core::table::{ChangeBatch, Table};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;

use super::{Told, records, stream};
use crate::commit::assert_sound;
use crate::compact::trees::{Model, Record, compact, read, schema, write};
use crate::write::publish::{create, open};

const DELETE: i8 = 3;

fn random_rows(random: &mut StdRng, value: &mut i64) -> Vec<Record> {
    let mut rows = BTreeMap::new();
    for _ in 0..random.random_range(1..30) {
        *value += 1;
        let kind = if random.random_bool(0.25) { DELETE } else { 0 };
        let key = random.random_range(0..60);
        rows.insert(key, (key, Some(key), Some(*value), kind));
    }
    rows.into_values().collect()
}

/// Writes, compacts and expires.
async fn live(table: Table, seed: u64, keyed: bool, rounds: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut value = 0;
    let expire = ExpireSnapshots {
        retain_max: Some(2),
        retain_min: Some(1),
        ..ExpireSnapshots::default()
    };
    for _ in 0..rounds {
        let mut rows = random_rows(&mut random, &mut value);
        if !keyed {
            rows.iter_mut().for_each(|r| r.3 = 0);
        }
        write(&table, &rows, None).await;
        if random.random_bool(0.5) {
            let full = random.random_bool(0.4);
            compact(&table, full).await;
        }
        if random.random_bool(0.4) {
            expire.run(&table, i64::MAX).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..8))).await;
    }
    // what waits for compaction is told by it
    compact(&table, true).await;
}

/// What an application makes of the changes.
#[derive(Clone, Default)]
struct State {
    rows: Model,
    /// Of tables without keys: how often each row was told.
    appended: BTreeMap<Record, usize>,
}

impl State {
    fn apply(&mut self, batch: &ChangeBatch, keyed: bool, strict: bool, context: &str) {
        for record in records(&batch.rows) {
            let (key, order, value, kind) = record;
            if !keyed {
                *self.appended.entry(record).or_default() += 1;
                continue;
            }
            let context = format!("{context}, snapshot {}: {record:?}", batch.snapshot_id);
            let row = (order, value);
            match kind {
                0 | 2 => {
                    let old = self.rows.insert(key, row);
                    assert!(!strict || old.is_none(), "{context} over {old:?}");
                }
                _ => {
                    let old = self.rows.remove(&key);
                    assert!(!strict || old == Some(row), "{context} but was {old:?}");
                }
            }
        }
    }
}

struct Case {
    producer: &'static str,
    keyed: bool,
    vectors: bool,
    /// Changelogs outlive snapshots, and there is no consumer that would keep these.
    decoupled: bool,
}

impl Case {
    fn options(&self) -> Vec<(&'static str, &'static str)> {
        let mut own = vec![
            ("write-only", "true"),
            ("num-sorted-run.compaction-trigger", "3"),
        ];
        if self.keyed {
            own.extend([("bucket", "2"), ("changelog-producer", self.producer)]);
        }
        if self.vectors {
            own.push(("deletion-vectors.enabled", "true"));
        }
        if self.decoupled {
            own.extend([
                ("changelog.num-retained.min", "100000"),
                ("changelog.num-retained.max", "1000000"),
                ("snapshot.num-retained.max", "1000"),
            ]);
        }
        own
    }

    /// Lookup and full compaction tell complete changes.
    fn is_strict(&self) -> bool {
        matches!(self.producer, "lookup" | "full-compaction")
    }

    /// Follows the table until it is quiet and `done`, dropped at random moments. Returns the state and the number of
    /// restarts.
    async fn follow(&self, table: &Table, seed: u64, done: Arc<AtomicBool>) -> (State, usize) {
        let mut random = StdRng::seed_from_u64(seed + 1000);
        let mut kept = State::default();
        let mut kept_next = 1;
        for restarts in 0.. {
            let context = format!("seed {seed}, restart {restarts}");
            let start = kept_next.to_string();
            let own = [
                ("scan.mode", "from-snapshot"),
                ("scan.snapshot-id", start.as_str()),
            ];
            let mut pairs = own.to_vec();
            if !self.decoupled {
                pairs.push(("consumer-id", "reader"));
            }
            let pause = Told::default();
            let read = stream(table, &pairs)
                .await
                .with_pause(Arc::new(pause.clone()));
            let mut changes = read.changes().await.unwrap();
            let mut state = kept.clone();
            let mut budget = random.random_range(1..12);
            loop {
                let was_done = done.load(Ordering::SeqCst);
                let batch = tokio::select! {
                    batch = changes.next() => batch.unwrap().unwrap_or_else(|e| panic!("{context}: {e:?}")),
                    () = pause.waits.notified() => {
                        if was_done {
                            return (kept, restarts);
                        }
                        tokio::time::sleep(Duration::from_millis(2)).await;
                        pause.go_on.notify_one();
                        continue;
                    }
                };
                state.apply(&batch, self.keyed, self.is_strict(), &context);
                if budget == 0 {
                    // killed before it could say so
                    break;
                }
                budget -= 1;
                if let Some(progress) = batch.completes {
                    if let Some(consumer) = read.consumer() {
                        consumer.acknowledge(&progress).await.unwrap();
                    }
                    kept = state.clone();
                    kept_next = progress.next_snapshot;
                }
            }
        }
        (kept, 0)
    }

    async fn run(&self, seed: u64) {
        let temp = tempfile::tempdir().unwrap();
        let table = create(temp.path(), &schema(self.keyed, false, &self.options())).await;
        // the reader is there before anything expires
        write(&table, &[(0, Some(0), Some(0), 0)], None).await;
        if !self.decoupled {
            let pairs = [("consumer-id", "reader"), ("scan.snapshot-id", "1")];
            stream(&table, &pairs).await.changes().await.unwrap();
        }
        let done = Arc::new(AtomicBool::new(false));
        let writer = open(temp.path()).await;
        let (told, keyed) = (done.clone(), self.keyed);
        let writing = tokio::spawn(async move {
            live(writer, seed, keyed, 25).await;
            told.store(true, Ordering::SeqCst);
        });
        let following =
            tokio::time::timeout(Duration::from_secs(120), self.follow(&table, seed, done));
        let (state, restarts) = following.await.unwrap();
        writing.await.unwrap();
        assert!(restarts > 0);
        let rows = read(&table).await;
        let context = format!("seed {seed}, {restarts} restarts");
        if self.keyed {
            let expected: Model = rows.into_iter().collect();
            assert!(state.rows == expected, "{context}");
        } else {
            let mut expected = BTreeMap::new();
            for (key, (order, value)) in rows {
                *expected.entry((key, order, value, 0)).or_default() += 1;
            }
            assert!(state.appended == expected, "{context}");
        }
        assert_sound(&table).await;
    }
}

#[rstest]
#[case::append("none", false, false, false)]
#[case::none("none", true, false, false)]
#[case::input("input", true, false, false)]
#[case::lookup("lookup", true, false, false)]
#[case::vectors("lookup", true, true, false)]
#[case::full_compaction("full-compaction", true, false, false)]
#[case::changelogs_alone("lookup", true, false, true)]
#[case::input_changelogs_alone("input", true, false, true)]
#[case::deltas_alone("none", true, false, true)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_make_the_state(
    #[case] producer: &'static str,
    #[case] keyed: bool,
    #[case] vectors: bool,
    #[case] decoupled: bool,
) {
    let first: u64 = std::env::var("SEED").map_or(0, |s| s.parse().unwrap());
    for seed in first..first + 2 {
        println!("seed {seed}");
        let case = Case {
            producer,
            keyed,
            vectors,
            decoupled,
        };
        case.run(seed).await;
    }
}
