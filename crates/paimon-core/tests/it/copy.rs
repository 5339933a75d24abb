//! Copies of tables: what a copy that fails leaves behind.

use paimon_core::ErrorKind;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::CopyFiles;

use crate::commit::{add, assert_sound, create, ids, in_memory, once, partitioned};

const ALL: CopyFiles = CopyFiles {
    partitions: None,
    parallelism: 2,
};

#[tokio::test]
async fn a_copy_that_fails_leaves_the_target_as_it_was() {
    let source = in_memory(&partitioned()).await;
    let target = create(source.io().clone(), "memory:/copy", &partitioned()).await;
    add(&source, &[1, 2], 0).await;
    add(&target, &[7], 0).await;
    let context = CommitContext::default();
    assert_eq!(ALL.run(&source, &target, &context).await.unwrap(), 1);
    assert_eq!(ids(&target).await, once([1, 2]));
    assert_sound(&target).await;

    add(&source, &[3], 1).await;
    let io = source.io();
    let folder = "memory:/t/p=1/bucket-0";
    let lost = io.list_files(folder).await.unwrap();
    let lost = format!("{folder}/{}", lost[0].name);
    io.discard(&lost).await.unwrap();
    let count = async || {
        let mut files = 0;
        for folder in ["p=0/bucket-0", "p=1/bucket-0", "manifest", "snapshot"] {
            let listed = io.list_files(&format!("memory:/copy/{folder}")).await;
            files += listed.unwrap().len();
        }
        files
    };
    let before = count().await;
    let error = ALL.run(&source, &target, &context).await.unwrap_err();
    assert!(
        [ErrorKind::NotFound, ErrorKind::Damaged].contains(&error.kind()),
        "{error}"
    );
    assert_eq!(ids(&target).await, once([1, 2]));
    assert_eq!(count().await, before);
}
