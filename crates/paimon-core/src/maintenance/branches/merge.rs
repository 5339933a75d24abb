//! Adding the rows of one branch of an append table to another.
//!
//! Nothing records where a branch began, so only branches whose whole history is there and only added files can be merged:
//! then a file that the other one lacks is one that was never there. Source: `FileSystemBranchManager.mergeBranch`,
//! `BranchMergeHandler`.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;

use crate::commit::{BATCH_COMMIT_IDENTIFIER, CommitContext, FileStoreCommit};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::FileIdentifier;
use crate::spec::{
    CommitKind, CommitMessage, DataFileMeta, DataIncrement, ManifestCommittable, ManifestEntry,
};
use crate::table::Table;

/// Adds the files of branch `from` that branch `to` does not have to it, as one APPEND snapshot. Rows with ids get new
/// ones. Returns that snapshot; `None` when there is no such file.
///
/// # Errors
/// `NotFound` for an unknown branch. `InvalidInput` for one branch merged into itself or without snapshots, for a table with a
/// primary key or data evolution, for branches with other columns, schemas or row tracking, and for one whose history is not
/// complete or removed files. `Unsupported` where the catalog keeps the branches. `CommitConflict` when another merge added
/// the files meanwhile.
///
/// # Cancel safety
/// A cancelled call may have taken effect; calling it again adds nothing then.
pub async fn merge_branch(
    table: &Table,
    from: &str,
    to: &str,
    context: CommitContext,
) -> Result<Option<i64>> {
    if table.environment().versions.is_some() {
        return Err(
            Error::unsupported("the table's catalog keeps its branches and merges none")
                .with("table", table.name()),
        );
    }
    if from == to {
        return Err(refused(
            table,
            format!("branch {from:?} cannot be merged into itself"),
        ));
    }
    let (source, target) = (table.branch(from).await?, table.branch(to).await?);
    let source_files = files_of(&source).await?;
    let target_files = files_of(&target).await?;
    if source.options().row_tracking != target.options().row_tracking {
        return Err(refused(
            table,
            format!("branches {from:?} and {to:?} differ in `row-tracking.enabled`"),
        ));
    }
    if source.schema().fields != target.schema().fields {
        return Err(refused(
            table,
            format!("branches {from:?} and {to:?} have other columns"),
        ));
    }
    let known: HashSet<_> = target_files.iter().map(FileIdentifier::of).collect();
    let missing: Vec<&ManifestEntry> = source_files
        .iter()
        .filter(|entry| !known.contains(&FileIdentifier::of(entry)))
        .collect();
    if missing.is_empty() {
        return Ok(None);
    }
    check_schemas(&source, &target, &missing).await?;
    let committable = ManifestCommittable {
        identifier: BATCH_COMMIT_IDENTIFIER,
        messages: messages(&missing),
        ..ManifestCommittable::default()
    };
    let user = context.ids.uuid().to_string();
    let commit = FileStoreCommit::new(&target, &user, context)?;
    commit.add_files(&committable).await.map(Some)
}

/// The files of a branch that can be merged.
async fn files_of(branch: &Table) -> Result<Vec<ManifestEntry>> {
    let name = branch.branch_name();
    if branch.schema().has_primary_key() {
        return Err(refused(
            branch,
            "branches of tables with a primary key cannot be merged: fast_forward makes the table what a branch is".into(),
        ));
    }
    if branch.options().data_evolution {
        let message = "branches of tables with `data-evolution.enabled` cannot be merged";
        return Err(refused(branch, message.into()).with("option", "data-evolution.enabled"));
    }
    let snapshots = branch.snapshots().all().await?;
    for (snapshot, id) in snapshots.iter().zip(1..) {
        let adds = matches!(
            snapshot.commit_kind,
            CommitKind::Append | CommitKind::Analyze
        );
        if snapshot.id != id || !adds {
            let why = match snapshot.id == id {
                true => format!("snapshot {id} is of kind {}", snapshot.commit_kind.as_str()),
                false => format!("snapshot {id} is missing"),
            };
            return Err(refused(
                branch,
                format!(
                    "branch {name:?} cannot be merged, as not all of its history adds rows: {why}"
                ),
            ));
        }
    }
    match snapshots.last() {
        Some(newest) => Ok(branch.manifest_scan().live_files(newest).await?.0),
        None => Err(refused(branch, format!("branch {name:?} has no snapshot"))),
    }
}

/// Files are read by the schema they name: both branches must mean the same by it.
async fn check_schemas(source: &Table, target: &Table, files: &[&ManifestEntry]) -> Result<()> {
    let known = target.schemas().ids().await?;
    let named: BTreeSet<i64> = files.iter().map(|entry| entry.file.schema_id).collect();
    for id in named {
        let same = known.contains(&id)
            && source.schemas().schema(id).await? == target.schemas().schema(id).await?;
        if !same {
            return Err(refused(
                target,
                format!(
                    "schema {id}, which files of branch {:?} were written with, is another one in branch {:?}",
                    source.branch_name(),
                    target.branch_name()
                ),
            ));
        }
    }
    Ok(())
}

fn messages(files: &[&ManifestEntry]) -> Vec<CommitMessage> {
    let mut buckets: BTreeMap<(&Bytes, i32, i32), Vec<DataFileMeta>> = BTreeMap::new();
    for entry in files {
        let bucket = (&entry.partition, entry.bucket, entry.total_buckets);
        buckets.entry(bucket).or_default().push(DataFileMeta {
            // the target gives its own
            first_row_id: None,
            ..DataFileMeta::clone(&entry.file)
        });
    }
    let message =
        |((partition, bucket, total_buckets), new_files): ((&Bytes, _, _), _)| CommitMessage {
            partition: partition.clone(),
            bucket,
            total_buckets,
            base: None,
            data: DataIncrement {
                new_files,
                ..DataIncrement::default()
            },
            compact: Default::default(),
        };
    buckets.into_iter().map(message).collect()
}

fn refused(table: &Table, message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message).with("table", table.name())
}
