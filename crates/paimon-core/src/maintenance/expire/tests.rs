//! The quick way to find what goes finds what the thorough way finds.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use object_store::memory::InMemory;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::unneeded::unneeded;
use super::{ExpireSnapshots, unreached};
use crate::commit::{CommitContext, FileStoreCommit, Overwrite, testing};
use crate::io::FileIo;
use crate::maintenance::{NewTag, create_tag};
use crate::spec::{
    BinaryRow, CommitMessage, CompactIncrement, DataFileMeta, DataIncrement, ManifestCommittable,
};
use crate::table::Table;

const SCHEMA: &str = r#"{"version": 3, "id": 0, "highestFieldId": 0, "partitionKeys": [], "primaryKeys": [],
    "fields": [{"id": 0, "name": "id", "type": "INT"}], "options": {"manifest.merge-min-count": "3"}}"#;

/// A table whose data files are only names.
struct History {
    table: Table,
    live: Vec<DataFileMeta>,
    next: usize,
    random: StdRng,
}

impl History {
    async fn new(seed: u64) -> Self {
        let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
        let schema = SCHEMA.to_string().into();
        io.publish("memory:/t/schema/schema-0", schema)
            .await
            .unwrap();
        Self {
            table: Table::open(io, "memory:/t", "t").await.unwrap(),
            live: Vec::new(),
            next: 0,
            random: StdRng::seed_from_u64(seed),
        }
    }

    fn file(&mut self) -> DataFileMeta {
        self.next += 1;
        let mut file = testing::file(&format!("data-{}.parquet", self.next), 1);
        if self.random.random_bool(0.3) {
            file.extra_files = vec![format!("data-{}.index", self.next)];
        }
        file
    }

    async fn step(&mut self) {
        let commit = FileStoreCommit::new(&self.table, "u", CommitContext::default()).unwrap();
        let new = self.file();
        let (mut data, mut compact) = (DataIncrement::default(), CompactIncrement::default());
        let choice = self.random.random_range(0..10);
        match choice {
            0..4 => data.new_files = vec![new.clone()],
            4 => {
                data.new_files = vec![new.clone()];
                data.changelog_files = vec![self.file()];
            }
            5..7 => {
                compact.compact_before = self.live.clone();
                compact.compact_after = vec![new.clone()];
            }
            7 if !self.live.is_empty() => {
                // another level, the same file
                let old = self.live[0].clone();
                let lifted = DataFileMeta {
                    level: old.level + 1,
                    ..old.clone()
                };
                compact.compact_before = vec![old];
                compact.compact_after = vec![lifted.clone()];
                self.live[0] = lifted;
            }
            _ => data.new_files = vec![new.clone()],
        }
        match choice {
            5..7 => self.live = vec![new],
            7 if !compact.is_empty() => {}
            8.. => self.live = vec![new],
            _ => self.live.push(new),
        }
        let committable = ManifestCommittable {
            identifier: 1,
            messages: vec![CommitMessage {
                partition: BinaryRow::empty().to_serialized(),
                bucket: 0,
                total_buckets: -1,
                base: None,
                data,
                compact,
            }],
            ..ManifestCommittable::default()
        };
        if choice >= 8 {
            let all = Overwrite::Static(Vec::new());
            commit.overwrite(&all, &committable).await.unwrap();
        } else {
            commit.commit(&committable).await.unwrap();
        }
    }

    async fn tag(&mut self) {
        let ids = self.table.snapshots().ids().await.unwrap();
        let tag = NewTag {
            name: format!("tag-{}", self.next),
            snapshot_id: Some(ids[self.random.random_range(0..ids.len())]),
            time_retained_ms: None,
        };
        create_tag(&self.table, &tag, 0).await.unwrap();
    }
}

#[tokio::test]
async fn both_ways_find_the_same_files() {
    let mut compared = 0;
    for seed in 0..30 {
        let mut history = History::new(seed).await;
        for _ in 0..25 {
            history.step().await;
            if history.random.random_bool(0.15) {
                history.tag().await;
            }
            let table = &history.table;
            let ids = table.snapshots().ids().await.unwrap();
            let (first, last) = (ids[0], ids[ids.len() - 1]);
            let end = history.random.random_range(first..=last);
            if end == first || !history.random.random_bool(0.25) {
                continue;
            }
            let mut expired = Vec::new();
            for id in first..end {
                expired.push(table.snapshots().get(id).await.unwrap());
            }
            let quick = unneeded(table, &expired, end).await.unwrap();
            let thorough = unreached(table, &expired, end, false).await.unwrap();
            assert_eq!(quick, thorough, "seed {seed}, snapshots {first}..{end}");
            compared += quick.len();
            let expire = ExpireSnapshots {
                retain_min: Some(last - end + 1),
                older_than_ms: Some(i64::MAX),
                max_deletes: Some(i64::MAX / 2),
                ..ExpireSnapshots::default()
            };
            let done = expire.run(table, i64::MAX).await.unwrap();
            assert_eq!(done.snapshots, (first..end).collect::<Vec<_>>());
        }
    }
    assert!(compared > 500, "only {compared} files were compared");
}
