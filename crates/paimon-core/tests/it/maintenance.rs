//! Expiry, orphan files, tags and rollback: what is needed stays, and an interruption leaves garbage at worst.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use object_store::memory::InMemory;
use paimon_core::ErrorKind;
use paimon_core::commit::Overwrite;
use paimon_core::io::FileIo;
use paimon_core::maintenance::{
    ExpireSnapshots, NewTag, RemoveOrphanFiles, RollbackTarget, create_tag, delete_tag,
    repair_earliest_snapshot, rollback_to,
};
use paimon_core::table::Table;
use paimon_testing::fault_store::FaultStore;

use crate::commit::{PLAIN, assert_sound, create, ids, in_memory, once, written};

const NOW: i64 = 4_000_000_000_000;

fn all_but(retain_min: i64) -> ExpireSnapshots {
    ExpireSnapshots {
        retain_min: Some(retain_min),
        older_than_ms: Some(NOW),
        ..ExpireSnapshots::default()
    }
}

/// Rows 0..6 by six commits, each replacing what was there but the last two, which append.
async fn fill(table: &Table) {
    for id in 0..6 {
        let messages = written(table, &[id], 0).await;
        let commit = table.new_commit();
        if id < 4 {
            let all = Overwrite::Static(Vec::new());
            commit.overwrite(all, 1, messages).await.unwrap();
        } else {
            commit.commit(1, messages).await.unwrap();
        }
    }
}

async fn files(table: &Table) -> BTreeSet<String> {
    let all = table.io().list_recursive(table.location()).await.unwrap();
    all.into_iter().map(|(path, _)| path).collect()
}

async fn at_snapshot(table: &Table, option: &str, value: &str) -> Table {
    let options = HashMap::from([(option.to_string(), value.to_string())]);
    table.with_options(&options).await.unwrap()
}

#[tokio::test]
async fn expired_snapshots_take_only_their_own_files_along() {
    let table = in_memory(PLAIN).await;
    fill(&table).await;
    let tag = NewTag {
        name: "kept".into(),
        snapshot_id: Some(2),
        ..NewTag::default()
    };
    create_tag(&table, &tag, 0).await.unwrap();
    let before = files(&table).await;
    let planned = ExpireSnapshots {
        dry_run: true,
        ..all_but(2)
    };
    let planned = planned.run(&table, NOW).await.unwrap();
    assert_eq!(files(&table).await, before, "a dry run removes nothing");

    let expired = all_but(2).run(&table, NOW).await.unwrap();
    assert_eq!(expired, planned);
    assert_eq!(expired.snapshots, [1, 2, 3, 4]);
    assert_eq!(table.snapshots().ids().await.unwrap(), [5, 6]);
    let gone = before.difference(&files(&table).await).count();
    // hints change, nothing else appears
    assert_eq!(gone, expired.files.len() + 4);
    assert_eq!(ids(&table).await, once([3, 4, 5]));
    let tagged = at_snapshot(&table, "scan.tag-name", "kept").await;
    assert_eq!(ids(&tagged).await, once([1]));
    assert_sound(&table).await;
    let error = table.snapshots().get(3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SnapshotExpired);
}

#[tokio::test]
async fn an_expiry_stopped_anywhere_leaves_a_sound_table_and_garbage_that_is_found() {
    let mut stopped = 0;
    for deletes in 0.. {
        let inner = Arc::new(InMemory::new());
        let io = FileIo::with_store(inner.clone(), "memory://");
        let healthy = create(io, "memory:/t", PLAIN).await;
        fill(&healthy).await;
        let store = Arc::new(FaultStore::with_deletes(inner, deletes));
        let io = FileIo::with_store(store, "memory://");
        let table = Table::open(io, "memory:/t", "t").await.unwrap();
        let done = all_but(1).run(&table, NOW).await.is_ok();
        assert_sound(&healthy).await;
        assert_eq!(
            ids(&healthy).await,
            once([3, 4, 5]),
            "after {deletes} deletes"
        );
        all_but(1).run(&healthy, NOW).await.unwrap();
        let orphans = RemoveOrphanFiles {
            older_than_ms: Some(NOW),
            dry_run: false,
        };
        orphans.run(&healthy, NOW).await.unwrap();
        assert_sound(&healthy).await;
        assert_eq!(ids(&healthy).await, once([3, 4, 5]));
        let left = orphans.run(&healthy, NOW).await.unwrap();
        assert_eq!(left.files, Vec::<String>::new());
        if done {
            break;
        }
        stopped += 1;
    }
    assert!(stopped > 10, "only {stopped} interruptions were tried");
}

#[tokio::test]
async fn the_oldest_snapshot_is_the_one_behind_a_gap() {
    let table = in_memory(PLAIN).await;
    let empty = repair_earliest_snapshot(&table, 1).await.unwrap_err();
    assert!(empty.message().contains("no snapshots"), "{empty}");
    fill(&table).await;
    let manager = table.snapshots();
    manager.hint_earliest(1).await;
    table.io().discard(&manager.location(3)).await.unwrap();
    for (id, wrong) in [
        (0, "is expected"),
        (2, "snapshot 3 does not exist"),
        (3, "snapshot 3 does not exist"),
        (5, "snapshot 4 exists"),
        (7, "is expected"),
    ] {
        let error = repair_earliest_snapshot(&table, id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.message().contains(wrong), "{id}: {error}");
    }
    assert_eq!(repair_earliest_snapshot(&table, 4).await.unwrap(), 1);
    assert_eq!(manager.earliest_id().await.unwrap(), Some(4));
    assert_eq!(repair_earliest_snapshot(&table, 4).await.unwrap(), 4);
    assert_eq!(ids(&table).await, once([3, 4, 5]));
}

#[tokio::test]
async fn limits_keep_snapshots() {
    let table = in_memory(PLAIN).await;
    fill(&table).await;
    let default = ExpireSnapshots::default();
    assert_eq!(default.run(&table, NOW).await.unwrap().snapshots, [0; 0]);
    let young = ExpireSnapshots {
        older_than_ms: Some(0),
        ..all_but(1)
    };
    assert_eq!(young.run(&table, NOW).await.unwrap().snapshots, [0; 0]);
    let few = ExpireSnapshots {
        max_deletes: Some(1),
        ..all_but(1)
    };
    assert_eq!(few.run(&table, NOW).await.unwrap().snapshots, [1]);
    table
        .io()
        .overwrite(
            "memory:/t/consumer/consumer-c",
            r#"{"nextSnapshot": 4}"#.into(),
        )
        .await
        .unwrap();
    assert_eq!(all_but(1).run(&table, NOW).await.unwrap().snapshots, [2, 3]);
    let wrong = ExpireSnapshots {
        retain_max: Some(1),
        ..all_but(2)
    };
    let error = wrong.run(&table, NOW).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn orphans_are_old_files_that_nothing_names() {
    let table = in_memory(PLAIN).await;
    fill(&table).await;
    // a write that was never committed
    written(&table, &[100], 0).await;
    table
        .io()
        .overwrite("memory:/t/notes.txt", "mine".into())
        .await
        .unwrap();
    let young = RemoveOrphanFiles {
        older_than_ms: Some(0),
        dry_run: false,
    };
    assert_eq!(young.run(&table, NOW).await.unwrap().files.len(), 0);
    let old = RemoveOrphanFiles {
        older_than_ms: Some(NOW),
        dry_run: false,
    };
    let removed = old.run(&table, NOW).await.unwrap();
    assert_eq!(removed.files.len(), 1);
    assert!(removed.files[0].contains("/bucket-0/data-"), "{removed:?}");
    assert!(removed.bytes > 0);
    assert!(files(&table).await.contains("notes.txt"));
    assert_sound(&table).await;
    let future = RemoveOrphanFiles {
        older_than_ms: Some(NOW + 1),
        dry_run: false,
    };
    assert!(future.run(&table, NOW).await.is_err());
}

#[tokio::test]
async fn a_rollback_forgets_later_snapshots_and_tags() {
    let table = in_memory(PLAIN).await;
    fill(&table).await;
    for (name, id) in [("early", 4), ("late", 6)] {
        let tag = NewTag {
            name: name.into(),
            snapshot_id: Some(id),
            time_retained_ms: Some(1000),
        };
        assert_eq!(create_tag(&table, &tag, 0).await.unwrap(), id);
        assert!(
            create_tag(&table, &tag, 0).await.is_err(),
            "the name is taken"
        );
    }
    let id = rollback_to(&table, &RollbackTarget::Snapshot(5))
        .await
        .unwrap();
    assert_eq!(id, 5);
    assert_eq!(ids(&table).await, once([3, 4]));
    let gone = rollback_to(&table, &RollbackTarget::Tag("late".into())).await;
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
    all_but(1).run(&table, NOW).await.unwrap();
    let id = rollback_to(&table, &RollbackTarget::Tag("early".into())).await;
    assert_eq!(id.unwrap(), 4);
    assert_eq!(table.snapshots().ids().await.unwrap(), [4]);
    assert_eq!(ids(&table).await, once([3]));
    assert_sound(&table).await;
    delete_tag(&table, "early").await.unwrap();
    assert!(delete_tag(&table, "early").await.is_err());
    let messages = written(&table, &[9], 0).await;
    assert_eq!(table.new_commit().commit(1, messages).await.unwrap(), [5]);
    assert_eq!(ids(&table).await, once([3, 9]));
}
