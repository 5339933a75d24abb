//! Making, renaming, removing and merging back branches.
//!
//! ```text
//! TABLE/branch/branch-NAME/schema, snapshot, tag     metadata of the branch
//! TABLE/manifest, index, bucket-..                    data of all branches
//! ```
//! Source: `BranchManager`, `FileSystemBranchManager`.

mod merge;

pub use merge::merge_branch;

use crate::error::{Error, ErrorKind, Result};
use crate::io::Publication;
use crate::snapshot::{branch_root, list_branches, list_tags, read_tag};
use crate::spec::Snapshot;
use crate::table::Table;

/// Largest metadata file that is copied, bytes.
const METADATA_SIZE_MAX: u64 = 64 << 20;

/// Makes a branch of the table's `main` branch: with its schemas only, or from a tag with that tag, its snapshot and the
/// schemas up to its.
///
/// # Errors
/// `InvalidInput` for a name that is `main`, blank, a number, no plain path component or taken; `NotFound` for an
/// unknown tag.
///
/// # Cancel safety
/// A cancelled call may leave files that are no branch yet: call it again.
pub async fn create_branch(table: &Table, name: &str, tag: Option<&str>) -> Result<()> {
    let main = table.branch("main").await?;
    let root = new_root(&main, name).await?;
    if let Some(versions) = &table.environment().versions {
        return versions.create_branch(name, tag).await;
    }
    let Some(tag_name) = tag else {
        return copy_schemas(&main, &root, i64::MAX).await;
    };
    let no_tag = || {
        Error::new(
            ErrorKind::NotFound,
            format!("tag {tag_name:?} does not exist"),
        )
        .with("table", table.name())
    };
    let location = main.location();
    let tag = read_tag(main.io(), location, tag_name).await?;
    let tag = tag.ok_or_else(no_tag)?;
    let file = format!("tag/tag-{tag_name}");
    copy(
        &main,
        &format!("{location}/{file}"),
        &format!("{root}/{file}"),
    )
    .await?;
    put_snapshot(&main, &root, &tag.snapshot).await?;
    // schemas last: they make the branch
    copy_schemas(&main, &root, tag.snapshot.schema_id).await?;
    // expiry and removal of tags look at branches after they removed theirs
    match read_tag(main.io(), location, tag_name).await? {
        Some(_) => Ok(()),
        None => {
            main.io().discard_folder(&root).await?;
            Err(no_tag())
        }
    }
}

/// Removes a branch. Its data files that nothing else needs are left to orphan cleaning.
///
/// # Errors
/// `NotFound` when there is none of that name, `InvalidInput` for `main` and for branches that the table reads from.
///
/// # Cancel safety
/// A cancelled call has removed part of the branch: call it again.
pub async fn delete_branch(table: &Table, name: &str) -> Result<()> {
    let root = existing_root(table, name).await?;
    for key in ["scan.fallback-branch", "scan.primary-branch"] {
        if table.options().get(key) == Some(name) {
            return Err(Error::invalid(format!(
                "branch {name:?} is in use: option `{key}` names it"
            ))
            .with("option", key));
        }
    }
    if let Some(versions) = &table.environment().versions {
        return versions.delete_branch(name).await;
    }
    // the schemas make the branch: what is left without them is no branch any more
    table.io().discard_folder(&format!("{root}/schema")).await?;
    table.io().discard_folder(&root).await
}

/// Renames a branch.
///
/// # Errors
/// `NotFound` when there is none of the old name, `InvalidInput` for a bad new name or one that is taken, `Unsupported`
/// where the catalog keeps the branches.
///
/// # Cancel safety
/// A cancelled call may leave the branch under both names.
pub async fn rename_branch(table: &Table, from: &str, to: &str) -> Result<()> {
    if table.environment().versions.is_some() {
        return Err(
            Error::unsupported("the table's catalog keeps its branches and renames none")
                .with("table", table.name()),
        );
    }
    let old = existing_root(table, from).await?;
    let new = new_root(table, to).await?;
    let files = table.io().list_recursive(&old).await?;
    let (schemas, others): (Vec<_>, Vec<_>) = files
        .into_iter()
        .map(|(path, _)| path)
        .partition(|path| path.starts_with("schema/"));
    for path in others.iter().chain(&schemas) {
        copy(table, &format!("{old}/{path}"), &format!("{new}/{path}")).await?;
    }
    table.io().discard_folder(&format!("{old}/schema")).await?;
    table.io().discard_folder(&old).await
}

/// Makes `main` what a branch is: snapshots and tags of `main` from the branch's first snapshot on are replaced by the
/// branch's.
///
/// # Errors
/// `NotFound` when there is no such branch, `InvalidInput` for `main` or a branch without snapshots.
///
/// # Cancel safety
/// A cancelled call may leave `main` at an earlier snapshot: call it again.
pub async fn fast_forward(table: &Table, name: &str) -> Result<()> {
    let root = existing_root(table, name).await?;
    let main = table.branch("main").await?;
    let branch = table.branch(name).await?;
    let ids = branch.snapshots().ids().await?;
    let Some(first) = ids.first().copied() else {
        return Err(
            Error::invalid(format!("branch {name:?} has no snapshot")).with("table", table.name())
        );
    };
    if let Some(versions) = &table.environment().versions {
        return versions.fast_forward(name).await;
    }
    let (io, location) = (main.io(), main.location());
    for tag in list_tags(io, location).await? {
        if tag.tag.snapshot.id >= first {
            io.discard(&format!("{location}/tag/tag-{}", tag.name))
                .await?;
        }
    }
    // the hint first: Java believes one that is too large
    io.discard(&format!("{location}/snapshot/LATEST")).await?;
    for id in main.snapshots().ids().await?.into_iter().rev() {
        if id >= first && !same_snapshot(&main, &branch, id).await? {
            io.discard(&main.snapshots().location(id)).await?;
        }
    }
    replace_schemas(&main, &branch, &root).await?;
    for file in io.list_files(&format!("{root}/tag")).await? {
        let path = format!("tag/{}", file.name);
        copy(
            &main,
            &format!("{root}/{path}"),
            &format!("{location}/{path}"),
        )
        .await?;
    }
    for id in ids {
        let from = branch.snapshots().location(id);
        copy(&main, &from, &main.snapshots().location(id)).await?;
    }
    if let Some(last) = main.snapshots().ids().await?.last() {
        main.snapshots().hint_latest(*last).await;
    }
    Ok(())
}

/// Whether a snapshot is the same in both, so that it can stay while others are replaced.
async fn same_snapshot(a: &Table, b: &Table, id: i64) -> Result<bool> {
    let (a, b) = (
        a.snapshots().try_get(id).await?,
        b.snapshots().try_get(id).await?,
    );
    Ok(a.is_some() && a == b)
}

/// Puts the schemas of a branch in the place of those of `main`. The table has a schema at any time.
async fn replace_schemas(main: &Table, branch: &Table, root: &str) -> Result<()> {
    let location = main.location();
    let ids = branch.schemas().ids().await?;
    for id in &ids {
        let path = format!("schema/schema-{id}");
        copy(
            main,
            &format!("{root}/{path}"),
            &format!("{location}/{path}"),
        )
        .await?;
    }
    let newest = ids.last().copied().unwrap_or(0);
    for id in main.schemas().ids().await?.into_iter().rev() {
        if id > newest {
            main.io()
                .discard(&format!("{location}/schema/schema-{id}"))
                .await?;
        }
    }
    Ok(())
}

/// Folder of a branch to be made; empty.
async fn new_root(table: &Table, name: &str) -> Result<String> {
    let is_number = name.bytes().all(|b| b.is_ascii_digit());
    if name == "main" || name.trim().is_empty() || is_number {
        return Err(Error::invalid(format!(
            "a branch name must not be `main`, blank or a number, found {name:?}"
        )));
    }
    let known = list_branches(table.io(), table.location()).await?;
    if known.iter().any(|b| b.name == name) {
        return Err(
            Error::invalid(format!("branch {name:?} exists already")).with("table", table.name())
        );
    }
    let root = branch_root(table.location(), name)?;
    // what a stopped call left must not become part of the branch
    table.io().discard_folder(&root).await?;
    Ok(root)
}

async fn existing_root(table: &Table, name: &str) -> Result<String> {
    if name == "main" {
        return Err(Error::invalid("the branch `main` is the table itself"));
    }
    let known = list_branches(table.io(), table.location()).await?;
    if !known.iter().any(|b| b.name == name) {
        return Err(crate::snapshot::no_branch(table.name(), name));
    }
    branch_root(table.location(), name)
}

async fn copy_schemas(main: &Table, root: &str, last: i64) -> Result<()> {
    for id in main.schemas().ids().await? {
        if id <= last {
            let path = format!("schema/schema-{id}");
            copy(
                main,
                &format!("{}/{path}", main.location()),
                &format!("{root}/{path}"),
            )
            .await?;
        }
    }
    Ok(())
}

async fn put_snapshot(main: &Table, root: &str, snapshot: &Snapshot) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(snapshot)
        .map_err(|e| Error::internal("a snapshot is no JSON").with_source(e))?;
    let path = format!("{root}/snapshot/snapshot-{}", snapshot.id);
    main.io().overwrite(&path, bytes.into()).await
}

/// Copies a metadata file. One that is there with the same content is fine.
async fn copy(table: &Table, from: &str, to: &str) -> Result<()> {
    let bytes = table.io().read(from, METADATA_SIZE_MAX).await?;
    match table.io().publish(to, bytes.clone()).await? {
        Publication::Created => Ok(()),
        Publication::Exists => table.io().overwrite(to, bytes).await,
    }
}
