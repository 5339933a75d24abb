//! Publishing a file by what a store guarantees.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use paimon_core::ErrorKind;
use paimon_core::io::{CommitPrimitive, FileIo, OpenedStore, Publication};
use paimon_testing::fault_store::{FaultStore, Script};

const FILE: &str = "memory:/t/snapshot/snapshot-1";

fn io(store: Arc<dyn ObjectStore>, commit: CommitPrimitive) -> FileIo {
    let opened = OpenedStore {
        store,
        commit,
        replaced_by_others: false,
        folders: None,
    };
    FileIo::with_opened(opened, "memory://")
}

async fn names(io: &FileIo) -> Vec<String> {
    let files = io.list_files("memory:/t/snapshot").await.unwrap();
    files.into_iter().map(|f| f.name).collect()
}

#[tokio::test]
async fn one_of_many_writers_gets_the_name_by_every_primitive() {
    for commit in [
        CommitPrimitive::ConditionalPut,
        CommitPrimitive::UnprovenPut,
        CommitPrimitive::Rename,
    ] {
        let io = io(Arc::new(InMemory::new()), commit);
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..16 {
            let io = io.clone();
            tasks.spawn(async move {
                let content = format!("writer {writer}").into();
                (writer, io.publish(FILE, content).await.unwrap())
            });
        }
        let answers = tasks.join_all().await;
        let winners: Vec<_> = answers
            .iter()
            .filter(|(_, answer)| *answer == Publication::Created)
            .collect();
        assert_eq!(winners.len(), 1, "{commit:?}");
        let content = io.read(FILE, 100).await.unwrap();
        assert_eq!(content, format!("writer {}", winners[0].0), "{commit:?}");
        assert_eq!(names(&io).await, ["snapshot-1"], "{commit:?}");
    }
}

#[tokio::test]
async fn a_store_without_a_primitive_publishes_nothing() {
    let io = io(Arc::new(InMemory::new()), CommitPrimitive::Missing);
    let error = io.publish(FILE, "x".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(names(&io).await.is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_what_is_there() {
    for takes_effect in [true, false] {
        let script = Script {
            at: 0,
            takes_effect,
            fatal: false,
        };
        let store = FaultStore::with_script(Arc::new(InMemory::new()), script);
        let io = io(Arc::new(store), CommitPrimitive::ConditionalPut);
        let answer = io.publish(FILE, "x".into()).await;
        match takes_effect {
            true => assert_eq!(answer.unwrap(), Publication::Created),
            false => assert_eq!(answer.unwrap_err().kind(), ErrorKind::Io),
        }
    }
}
