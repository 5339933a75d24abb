//! Every store request of an operation fails once: before its effect, after it, or because the process is killed there.
//! The table is old or new, never in between, and repeating the operation succeeds.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::memory::InMemory;
use paimon_core::commit::Overwrite;
use paimon_core::io::FileIo;
use paimon_core::maintenance::{
    ExpireSnapshots, NewTag, RemoveOrphanFiles, RollbackTarget, create_branch, create_tag,
    delete_branch, delete_tag, fast_forward, rename_tag, rollback_to,
};
use paimon_core::spec::{CommitMessage, CompactIncrement, DataIncrement};
use paimon_core::table::Table;
use paimon_core::{ErrorKind, Result};
use paimon_testing::fault_store::{FaultStore, Script};

use crate::commit::{PLAIN, assert_sound, create, ids, once, written};

const NOW: i64 = 4_000_000_000_000;

type Rows = BTreeMap<i32, usize>;
type Operation = dyn Fn(Table, Vec<CommitMessage>) -> BoxFuture<'static, Result<()>>;

/// One operation on a table that holds the rows 0, 1, 2 in three snapshots.
struct Case {
    name: &'static str,
    /// Merges manifests at every commit.
    merges: bool,
    /// Rows that a write prepares for the operation; a number over 100 stands for a compaction of all files.
    writes: &'static [i32],
    old: Rows,
    new: Rows,
    run: Box<Operation>,
}

fn case<F>(
    name: &'static str,
    writes: &'static [i32],
    new: impl IntoIterator<Item = i32>,
    run: impl Fn(Table, Vec<CommitMessage>) -> F + 'static,
) -> Case
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    Case {
        name,
        merges: false,
        writes,
        old: once(0..3),
        new: once(new),
        run: Box::new(move |table, messages| run(table, messages).boxed()),
    }
}

fn cases() -> Vec<Case> {
    let commit = |table: Table, messages| async move {
        let commit = table.new_commit().with_user("u");
        commit.commit(1, messages).await.map(drop)
    };
    let merging = Case {
        merges: true,
        ..case("append with merged manifests", &[3], 0..4, commit)
    };
    let tag = |name: &str, id| NewTag {
        name: name.into(),
        snapshot_id: Some(id),
        ..NewTag::default()
    };
    let expire = || ExpireSnapshots {
        retain_min: Some(1),
        older_than_ms: Some(NOW),
        ..ExpireSnapshots::default()
    };
    vec![
        case("append", &[3], 0..4, commit),
        merging,
        case("compact", &[100], 0..3, commit),
        case("overwrite", &[9], [9], |table, messages| async move {
            let commit = table.new_commit().with_user("u");
            let all = Overwrite::Static(Vec::new());
            commit.overwrite(all, 1, messages).await.map(drop)
        }),
        case("truncate", &[], [], |table, _| async move {
            let commit = table.new_commit().with_user("u");
            commit.truncate(1).await.map(drop)
        }),
        case("expire", &[], 0..3, move |table, _| async move {
            expire().run(&table, NOW).await.map(drop)
        }),
        case("orphan files", &[50], 0..3, move |table, _| async move {
            let orphans = RemoveOrphanFiles {
                older_than_ms: Some(NOW),
                dry_run: false,
            };
            orphans.run(&table, NOW).await.map(drop)
        }),
        case("create tag", &[], 0..3, move |table, _| {
            let tag = tag("new", 2);
            async move {
                match create_tag(&table, &tag, 0).await {
                    Err(e) if e.to_string().contains("exists already") => Ok(()),
                    other => other.map(drop),
                }
            }
        }),
        case("delete tag", &[], 0..3, |table, _| async move {
            match delete_tag(&table, "first").await {
                Err(e) if e.to_string().contains("does not exist") => Ok(()),
                other => other,
            }
        }),
        case(
            "expire, then delete tag",
            &[],
            0..3,
            move |table, _| async move {
                expire().run(&table, NOW).await?;
                match delete_tag(&table, "first").await {
                    Err(e) if e.to_string().contains("does not exist") => Ok(()),
                    other => other,
                }
            },
        ),
        case("rename tag", &[], 0..3, |table, _| async move {
            match rename_tag(&table, "first", "second").await {
                Err(e) if e.to_string().contains("does not exist") => Ok(()),
                Err(e) if e.to_string().contains("exists already") => {
                    delete_tag(&table, "first").await
                }
                other => other,
            }
        }),
        case("create branch", &[], 0..3, |table, _| async move {
            match create_branch(&table, "new", Some("first")).await {
                Err(e) if e.to_string().contains("exists already") => Ok(()),
                other => other,
            }
        }),
        case("delete branch", &[], 0..3, |table, _| async move {
            match delete_branch(&table, "side").await {
                Err(e) if e.to_string().contains("does not exist") => Ok(()),
                other => other,
            }
        }),
        case("fast forward", &[], [0, 7], |table, _| async move {
            fast_forward(&table, "side").await
        }),
        case("rollback", &[], 0..2, |table, _| async move {
            rollback_to(&table, &RollbackTarget::Snapshot(2))
                .await
                .map(drop)
        }),
        case("rollback to tag", &[], [0], |table, _| async move {
            let target = RollbackTarget::Tag("first".into());
            match rollback_to(&table, &target).await {
                Err(e) if e.to_string().contains("does not exist") => Ok(()),
                other => other.map(drop),
            }
        }),
    ]
}

struct World {
    inner: InMemory,
    messages: Vec<CommitMessage>,
}

async fn world(case: &Case) -> World {
    let inner = Arc::new(InMemory::new());
    let io = FileIo::with_store(inner.clone(), "memory://");
    let options = match case.merges {
        true => r#""options": {"manifest.merge-min-count": "2", "#,
        false => r#""options": {"#,
    };
    let schema = PLAIN.replace(r#""options": {"#, options);
    let healthy = create(io, "memory:/t", &schema).await;
    let mut files = Vec::new();
    for id in 0..3 {
        let messages = written(&healthy, &[id], 0).await;
        files.extend(messages[0].data.new_files.clone());
        healthy.new_commit().commit(1, messages).await.unwrap();
    }
    let first = NewTag {
        name: "first".into(),
        snapshot_id: Some(1),
        ..NewTag::default()
    };
    create_tag(&healthy, &first, 0).await.unwrap();
    if case.name.contains("forward") || case.name == "delete branch" {
        create_branch(&healthy, "side", Some("first"))
            .await
            .unwrap();
        let side = healthy.branch("side").await.unwrap();
        let messages = written(&side, &[7], 0).await;
        side.new_commit().commit(1, messages).await.unwrap();
    }
    let messages = match case.writes {
        [] => Vec::new(),
        [100] => {
            let new = written(&healthy, &[0, 1, 2], 0).await.remove(0);
            vec![CommitMessage {
                data: DataIncrement::default(),
                compact: CompactIncrement {
                    compact_before: files,
                    compact_after: new.data.new_files.clone(),
                    ..CompactIncrement::default()
                },
                ..new
            }]
        }
        rows => written(&healthy, rows, 0).await,
    };
    World {
        inner: inner.fork(),
        messages,
    }
}

/// Runs the operation with one fault; false when it was over before the fault was due.
async fn with_fault(case: &Case, world: &World, script: Script) -> bool {
    let context = format!("{} with {script:?}", case.name);
    let inner = Arc::new(world.inner.fork());
    let io = FileIo::with_store(inner.clone(), "memory://");
    let healthy = Table::open(io, "memory:/t", "t").await.unwrap();
    let store = Arc::new(FaultStore::with_script(inner, script));
    let io = FileIo::with_store(store.clone(), "memory://");
    let table = Table::open(io, "memory:/t", "t").await;
    let outcome = match table {
        Ok(table) => (case.run)(table, world.messages.clone()).await,
        Err(error) => Err(error),
    };
    let due = store.requests() > script.at;
    // a new process looks at what is there
    let seen = ids(&healthy).await;
    match &outcome {
        Ok(()) => assert_eq!(seen, case.new, "{context}: acknowledged"),
        Err(error) => assert!(
            seen == case.old || seen == case.new || is_between(case, &seen),
            "{context}: {seen:?} after {error}"
        ),
    }
    if let Err(error) = &outcome
        && error.kind() == ErrorKind::CommitConflict
    {
        assert_eq!(
            seen, case.old,
            "{context}: files may be removed after {error}"
        );
    }
    assert_sound(&healthy).await;
    (case.run)(healthy.clone(), world.messages.clone())
        .await
        .unwrap_or_else(|e| panic!("{context}: repeating fails: {e}"));
    assert_eq!(ids(&healthy).await, case.new, "{context}: repeated");
    assert_sound(&healthy).await;
    due
}

/// A rollback or a fast-forward passes through the snapshots between.
fn is_between(case: &Case, seen: &Rows) -> bool {
    let passes = case.name.starts_with("rollback") || case.name == "fast forward";
    passes && (0..3).any(|n| *seen == once(0..n))
}

#[tokio::test]
async fn every_request_may_fail() {
    let mut points = 0;
    for case in cases() {
        let world = world(&case).await;
        // a kill before a request is a kill after the one before it
        for (takes_effect, fatal) in [(false, false), (true, false), (true, true)] {
            for at in 0.. {
                let script = Script {
                    at,
                    takes_effect,
                    fatal,
                };
                if !with_fault(&case, &world, script).await {
                    break;
                }
                points += 1;
            }
        }
    }
    println!("{points} crash points");
    assert!(points > 500, "only {points} crash points");
}
