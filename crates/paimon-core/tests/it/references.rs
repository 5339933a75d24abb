//! Tags, branches, consumers and long-lived changelogs: what they name stays, what nothing names goes.

use std::collections::HashMap;

use paimon_core::ErrorKind;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::{
    ChangelogLimits, ExpireChangelogs, ExpireSnapshots, NewTag, RemoveOrphanFiles, RollbackTarget,
    TagsOlderThan, clear_consumers, create_branch, create_tag, delete_branch, delete_tag,
    expire_consumers, expire_tags, fast_forward, rename_branch, rename_tag, replace_tag,
    reset_consumer, rollback_to,
};
use paimon_core::snapshot::{SnapshotManager, list_branches, list_consumers, list_tags};
use paimon_core::table::Table;
use paimon_core::write::Clock;

use crate::commit::{PLAIN, assert_sound, ids, in_memory, once, written};

const NOW: i64 = 4_000_000_000_000;

/// Expires all snapshots but the newest ones.
async fn expire(table: &Table, retain: i64) -> Vec<i64> {
    let expire = ExpireSnapshots {
        retain_min: Some(retain),
        older_than_ms: Some(NOW),
        ..ExpireSnapshots::default()
    };
    expire.run(table, NOW).await.unwrap().snapshots
}

async fn append(table: &Table, id: i32) {
    let messages = written(table, &[id], 0).await;
    table.new_commit().commit(1, messages).await.unwrap();
}

async fn replace(table: &Table, id: i32) {
    table.new_commit().truncate(1).await.unwrap();
    append(table, id).await;
}

async fn tag(table: &Table, name: &str, snapshot_id: Option<i64>) -> paimon_core::Result<i64> {
    let tag = NewTag {
        name: name.into(),
        snapshot_id,
        time_retained_ms: None,
    };
    create_tag(table, &tag, 0).await
}

async fn tags(table: &Table) -> Vec<(String, i64)> {
    let root = table.metadata_root().unwrap();
    let tags = list_tags(table.io(), &root).await.unwrap();
    tags.into_iter()
        .map(|t| (t.name, t.tag.snapshot.id))
        .collect()
}

/// Files that nothing names.
async fn orphans(table: &Table) -> Vec<String> {
    let orphans = RemoveOrphanFiles {
        older_than_ms: Some(NOW),
        dry_run: true,
    };
    orphans.run(table, NOW).await.unwrap().files
}

async fn at_tag(table: &Table, name: &str) -> Table {
    let options = HashMap::from([("scan.tag-name".to_string(), name.to_string())]);
    table.with_options(&options).await.unwrap()
}

fn with_options(options: &str) -> String {
    PLAIN.replace(r#""options": {"#, &format!(r#""options": {{{options}, "#))
}

#[tokio::test]
async fn a_removed_tag_takes_the_files_of_its_expired_snapshot_along() {
    let table = in_memory(PLAIN).await;
    append(&table, 1).await;
    tag(&table, "a", None).await.unwrap();
    replace(&table, 2).await;
    assert_eq!(expire(&table, 1).await, [1, 2]);
    // the snapshot lives on in its tag
    tag(&table, "b", Some(1)).await.unwrap();
    delete_tag(&table, "a").await.unwrap();
    assert_eq!(ids(&at_tag(&table, "b").await).await, once([1]));
    rename_tag(&table, "b", "c").await.unwrap();
    assert_eq!(tags(&table).await, [("c".to_string(), 1)]);
    assert!(rename_tag(&table, "b", "d").await.is_err());
    assert_eq!(orphans(&table).await, Vec::<String>::new());
    delete_tag(&table, "c").await.unwrap();
    assert_eq!(orphans(&table).await, Vec::<String>::new());
    assert_eq!(ids(&table).await, once([2]));
    assert_sound(&table).await;
    let gone = tag(&table, "d", Some(1)).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::SnapshotExpired);
}

#[tokio::test]
async fn tags_expire_by_their_own_time_and_by_age() {
    let table = in_memory(&with_options(r#""tag.default-time-retained": "1 h""#)).await;
    append(&table, 1).await;
    tag(&table, "default", None).await.unwrap();
    let long = NewTag {
        name: "long".into(),
        snapshot_id: None,
        time_retained_ms: Some(10 * 3_600_000),
    };
    create_tag(&table, &long, 0).await.unwrap();
    let none: Vec<String> = Vec::new();
    assert_eq!(expire_tags(&table, None, 3_600_000).await.unwrap(), none);
    assert_eq!(
        expire_tags(&table, None, 3_600_001).await.unwrap(),
        ["default"]
    );
    let old = TagsOlderThan {
        local_ms: 1,
        epoch_ms: 0,
    };
    assert_eq!(
        expire_tags(&table, Some(old), 3_600_001).await.unwrap(),
        ["long"]
    );
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_replaced_tag_names_the_other_snapshot() {
    let table = in_memory(PLAIN).await;
    append(&table, 1).await;
    tag(&table, "t", None).await.unwrap();
    append(&table, 2).await;
    let again = tag(&table, "t", None).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::InvalidInput);
    let new = NewTag {
        name: "t".into(),
        ..NewTag::default()
    };
    assert_eq!(replace_tag(&table, &new, 0).await.unwrap(), 2);
    assert_eq!(tags(&table).await, [("t".to_string(), 2)]);
}

#[tokio::test]
async fn a_tag_that_alone_keeps_its_snapshot_can_be_replaced_by_itself_and_rolled_back_to() {
    let table = in_memory(PLAIN).await;
    append(&table, 1).await;
    tag(&table, "t", None).await.unwrap();
    for id in 2..5 {
        replace(&table, id).await;
    }
    expire(&table, 1).await;
    let longer = NewTag {
        name: "t".into(),
        snapshot_id: Some(1),
        time_retained_ms: Some(1),
    };
    assert_eq!(replace_tag(&table, &longer, 0).await.unwrap(), 1);
    let gone = NewTag {
        snapshot_id: Some(2),
        ..longer
    };
    assert!(replace_tag(&table, &gone, 0).await.is_err());
    assert_eq!(tags(&table).await, [("t".to_string(), 1)]);
    let target = RollbackTarget::Snapshot(2);
    assert!(rollback_to(&table, &target).await.is_err());
    let target = RollbackTarget::Snapshot(1);
    assert_eq!(rollback_to(&table, &target).await.unwrap(), 1);
    assert_eq!(ids(&table).await, once([1]));
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_branch_lives_on_its_own_and_holds_on_to_its_files() {
    let main = in_memory(PLAIN).await;
    append(&main, 1).await;
    tag(&main, "start", None).await.unwrap();
    create_branch(&main, "b", Some("start")).await.unwrap();
    let branch = main.branch("b").await.unwrap();
    append(&branch, 10).await;
    assert_eq!(ids(&branch).await, once([1, 10]));
    replace(&main, 2).await;
    delete_tag(&main, "start").await.unwrap();
    expire(&main, 1).await;
    assert_eq!(ids(&main).await, once([2]));
    assert_eq!(ids(&branch).await, once([1, 10]));
    assert_sound(&main).await;
    // and the other way round
    replace(&branch, 11).await;
    expire(&branch, 1).await;
    assert_eq!(ids(&branch).await, once([11]));
    assert_eq!(ids(&main).await, once([2]));
    assert_sound(&main).await;
}

#[tokio::test]
async fn bad_branches_are_refused() {
    let main = in_memory(PLAIN).await;
    append(&main, 1).await;
    for name in ["main", " ", "12", "a/b", ".."] {
        let error = create_branch(&main, name, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}");
    }
    create_branch(&main, "b", None).await.unwrap();
    assert!(create_branch(&main, "b", None).await.is_err());
    let error = create_branch(&main, "c", Some("nope")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = fast_forward(&main, "b").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    for name in ["main", "c"] {
        assert!(delete_branch(&main, name).await.is_err());
    }
}

#[tokio::test]
async fn a_branch_is_renamed_and_removed() {
    let main = in_memory(PLAIN).await;
    append(&main, 1).await;
    create_branch(&main, "b", None).await.unwrap();
    append(&main.branch("b").await.unwrap(), 5).await;
    rename_branch(&main, "b", "c").await.unwrap();
    let names: Vec<String> = list_branches(main.io(), main.location())
        .await
        .unwrap()
        .into_iter()
        .map(|b| b.name)
        .collect();
    assert_eq!(names, ["c"]);
    assert_eq!(ids(&main.branch("c").await.unwrap()).await, once([5]));
    assert_sound(&main).await;
    delete_branch(&main, "c").await.unwrap();
    assert!(main.branch("c").await.is_err());
    assert!(!orphans(&main).await.is_empty());
    assert_eq!(ids(&main).await, once([1]));
}

#[tokio::test]
async fn a_fast_forward_makes_main_what_the_branch_is() {
    let main = in_memory(PLAIN).await;
    append(&main, 1).await;
    append(&main, 2).await;
    tag(&main, "start", None).await.unwrap();
    create_branch(&main, "b", Some("start")).await.unwrap();
    let branch = main.branch("b").await.unwrap();
    append(&branch, 10).await;
    append(&branch, 11).await;
    append(&main, 3).await;
    tag(&main, "forgotten", None).await.unwrap();
    fast_forward(&main, "b").await.unwrap();
    assert_eq!(ids(&main).await, once([1, 2, 10, 11]));
    assert_eq!(main.snapshots().ids().await.unwrap(), [1, 2, 3, 4]);
    assert_eq!(tags(&main).await, [("start".to_string(), 2)]);
    assert_sound(&main).await;
    append(&main, 12).await;
    assert_eq!(ids(&main).await, once([1, 2, 10, 11, 12]));
    assert_eq!(ids(&branch).await, once([1, 2, 10, 11]));
}

#[tokio::test]
async fn consumers_are_set_forgotten_and_expire() {
    let table = in_memory(PLAIN).await;
    for (id, next) in [("a", 3), ("b", 5), ("c", 7)] {
        reset_consumer(&table, id, Some(next)).await.unwrap();
    }
    reset_consumer(&table, "a", Some(4)).await.unwrap();
    assert!(reset_consumer(&table, "x/y", Some(4)).await.is_err());
    assert!(reset_consumer(&table, "a", Some(0)).await.is_err());
    reset_consumer(&table, "c", None).await.unwrap();
    let left = async || {
        let all = list_consumers(table.io(), table.location()).await.unwrap();
        let next: Vec<_> = all
            .into_iter()
            .map(|(id, c)| (id, c.next_snapshot))
            .collect();
        next
    };
    assert_eq!(left().await, [("a".to_string(), 4), ("b".to_string(), 5)]);
    let none: Vec<String> = Vec::new();
    assert_eq!(expire_consumers(&table, 0).await.unwrap(), none);
    assert_eq!(
        clear_consumers(&table, |id| id == "b").await.unwrap(),
        ["b"]
    );
    assert_eq!(expire_consumers(&table, NOW).await.unwrap(), ["a"]);
    assert!(left().await.is_empty());
}

#[tokio::test]
async fn changelogs_outlive_their_snapshots_and_expire_later() {
    let table = in_memory(&with_options(
        r#""changelog.num-retained.min": "3", "changelog.num-retained.max": "3", "snapshot.num-retained.min": "1",
           "snapshot.num-retained.max": "2""#,
    ))
    .await;
    for id in 0..6 {
        replace(&table, id).await;
    }
    // commits expire by themselves; nothing is old, but there are too many
    let root = table.metadata_root().unwrap();
    let changelogs = SnapshotManager::changelogs(table.io().clone(), &root);
    assert_eq!(table.snapshots().ids().await.unwrap(), [11, 12]);
    assert_eq!(changelogs.ids().await.unwrap(), [10]);
    assert_sound(&table).await;
    assert_eq!(ids(&table).await, once([5]));
    assert_eq!(orphans(&table).await, Vec::<String>::new());
    assert_eq!(changelogs.latest_id().await.unwrap(), Some(10));
    assert_eq!(changelogs.earliest_id().await.unwrap(), Some(10));
    // the newest one always stays
    let none: Vec<i64> = Vec::new();
    assert_eq!(ExpireChangelogs.run(&table, NOW).await.unwrap(), none);
}

#[tokio::test]
async fn changelogs_expire_within_limits_or_all_at_once() {
    let table = in_memory(&with_options(
        r#""changelog.num-retained.min": "6", "changelog.num-retained.max": "8", "snapshot.num-retained.min": "1",
           "snapshot.num-retained.max": "2""#,
    ))
    .await;
    for id in 0..6 {
        replace(&table, id).await;
    }
    let root = table.metadata_root().unwrap();
    let changelogs = SnapshotManager::changelogs(table.io().clone(), &root);
    assert_eq!(changelogs.ids().await.unwrap(), [5, 6, 7, 8, 9, 10]);
    let expire =
        async |limits: ChangelogLimits| ExpireChangelogs.run_within(&table, &limits, NOW).await;
    let limits = ChangelogLimits {
        retain_max: Some(4),
        retain_min: Some(3),
        max_deletes: Some(1),
        ..ChangelogLimits::default()
    };
    assert_eq!(expire(limits.clone()).await.unwrap(), [5]);
    let wrong = ChangelogLimits {
        retain_max: Some(2),
        ..limits.clone()
    };
    assert_eq!(
        expire(wrong).await.unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    let more = ChangelogLimits {
        max_deletes: Some(100),
        older_than_ms: Some(0),
        ..limits
    };
    assert_eq!(expire(more).await.unwrap(), [6, 7, 8]);
    let all = ChangelogLimits {
        delete_all: true,
        ..ChangelogLimits::default()
    };
    assert_eq!(expire(all).await.unwrap(), [9, 10]);
    assert_eq!(changelogs.latest_id().await.unwrap(), None);
    assert_sound(&table).await;
    assert_eq!(ids(&table).await, once([5]));
    assert_eq!(orphans(&table).await, Vec::<String>::new());
}

#[derive(Debug)]
struct Later(i64);

impl Clock for Later {
    fn local_ms(&self) -> i64 {
        self.epoch_ms()
    }

    fn epoch_ms(&self) -> i64 {
        self.0
    }
}

#[tokio::test]
async fn commits_expire_old_snapshots_unless_the_table_is_write_only() {
    for (options, expected) in [
        (r#""snapshot.num-retained.min": "2""#, vec![3, 4]),
        (
            r#""snapshot.num-retained.min": "2", "write-only": "true""#,
            vec![1, 2, 3, 4],
        ),
    ] {
        let table = in_memory(&with_options(options)).await;
        for id in 0..4 {
            let context = CommitContext {
                clock: std::sync::Arc::new(Later(NOW + i64::from(id) * 3_600_001)),
                ..CommitContext::default()
            };
            let commit = table.new_commit().with_context(context);
            let messages = written(&table, &[id], 0).await;
            commit.commit(1, messages).await.unwrap();
        }
        assert_eq!(
            table.snapshots().ids().await.unwrap(),
            expected,
            "{options}"
        );
        assert_eq!(ids(&table).await, once(0..4));
        assert_sound(&table).await;
    }
}
