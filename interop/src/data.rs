//! The rows of the cases: a table of single-valued columns and its batches, the same on every run.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use paimon_core::spec::{DataField, DataType, TableSchema, TypeKind};
use serde_json::{Value, json};

use crate::numbers::Numbers;

/// Number of commits in a case.
pub const BATCHES: usize = 5;
/// Rows per commit, about.
const ROWS: usize = 40;

/// Which kinds of rows a case writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// Insertions and updates and deletions of known keys.
    All,
    /// The same without -U: rows that move between partitions.
    Upserts,
    /// Insertions, -U and -D that take back values.
    Retractions,
    /// Insertions with nulls in many columns.
    Partial,
    /// Insertions.
    Insertions,
    /// Insertions, no key twice in a commit.
    Distinct,
}

/// A table `k, p, v, d, s, t` without field ids of its own.
pub fn schema(keys: &[&str], partitioned: bool, options: &[(&str, &str)]) -> TableSchema {
    let decimal = TypeKind::Decimal {
        precision: 10,
        scale: 2,
    };
    let columns = [
        ("k", DataType::not_null(TypeKind::Int)),
        ("p", DataType::not_null(TypeKind::Int)),
        ("v", DataType::nullable(TypeKind::BigInt)),
        ("d", DataType::nullable(decimal)),
        ("s", DataType::string()),
        ("t", DataType::nullable(TypeKind::Timestamp(6))),
    ];
    let fields: Vec<DataField> = (0..)
        .zip(columns)
        .map(|(id, (name, data_type))| DataField::new(id, name, data_type))
        .collect();
    let texts = |names: &[&str]| names.iter().map(|n| (*n).to_string()).collect();
    TableSchema {
        version: 3,
        id: 0,
        fields,
        highest_field_id: 5,
        partition_keys: texts(if partitioned { &["p"] } else { &[] }),
        primary_keys: texts(keys),
        options: options
            .iter()
            .map(|(k, v)| ((*k).to_string(), (*v).to_string()))
            .collect::<IndexMap<_, _>>(),
        comment: None,
        time_millis: 0,
    }
}

/// The batches of a case.
pub fn batches(changes: Changes, moves: bool) -> Vec<Vec<Value>> {
    let mut history = History {
        numbers: Numbers::from_state(7),
        changes,
        moves,
        live: BTreeMap::new(),
        dead: BTreeSet::new(),
    };
    (0..BATCHES)
        .map(|i| history.batch(u64::try_from(i).unwrap_or(0)))
        .collect()
}

struct History {
    numbers: Numbers,
    changes: Changes,
    /// Keys change their partition.
    moves: bool,
    /// Partition of every key.
    live: BTreeMap<u64, u64>,
    /// Keys once deleted: where the next row of one goes is each engine's own matter when keys move.
    dead: BTreeSet<u64>,
}

impl History {
    fn batch(&mut self, number: u64) -> Vec<Value> {
        let mut rows = Vec::new();
        while rows.len() < ROWS {
            let key = number * 15 + self.numbers.below(45);
            let again = |row: &Value| row[1] == key;
            let skip = match self.changes {
                Changes::Distinct => rows.iter().any(again),
                _ => self.moves && self.dead.contains(&key),
            };
            if !skip {
                self.change(key, &mut rows);
            }
        }
        rows
    }

    fn change(&mut self, key: u64, rows: &mut Vec<Value>) {
        let home = if self.moves {
            self.numbers.below(3)
        } else {
            key % 3
        };
        let old = self.live.get(&key).copied();
        let deletes = matches!(
            self.changes,
            Changes::All | Changes::Upserts | Changes::Retractions
        );
        match old {
            Some(partition) if deletes && self.numbers.one_in(5) => {
                rows.push(self.row("-D", key, partition));
                self.live.remove(&key);
                self.dead.insert(key);
                return;
            }
            Some(partition)
                if matches!(self.changes, Changes::All | Changes::Retractions)
                    && self.numbers.one_in(3) =>
            {
                rows.push(self.row("-U", key, partition));
                rows.push(self.row("+U", key, home));
            }
            Some(_) if self.updates() && self.numbers.one_in(2) => {
                rows.push(self.row("+U", key, home));
            }
            _ => rows.push(self.row("+I", key, home)),
        }
        self.live.insert(key, home);
    }

    fn updates(&self) -> bool {
        !matches!(self.changes, Changes::Insertions | Changes::Distinct)
    }

    fn row(&mut self, kind: &str, key: u64, partition: u64) -> Value {
        let n = &mut self.numbers;
        let rarely = if self.changes == Changes::Partial {
            2
        } else {
            8
        };
        let value = n.below(2000);
        let v = (!n.one_in(rarely)).then_some(value);
        let d = (!n.one_in(rarely)).then(|| format!("{}.{:02}", n.below(99_999), n.below(100)));
        let s = (!n.one_in(rarely)).then(|| format!("text {}", n.below(50)));
        let t = (!n.one_in(rarely)).then(|| {
            let (day, second, micros) = (n.below(28) + 1, n.below(60), n.below(1_000_000));
            format!("2024-02-{day:02}T10:20:{second:02}.{micros:06}000")
        });
        json!([kind, key, partition, v, d, s, t])
    }
}
