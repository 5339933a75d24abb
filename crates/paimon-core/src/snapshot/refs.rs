//! Tags, branches and consumers.

use crate::codec::parse_json;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{FileIo, checked_name, is_not_found};
use crate::snapshot::JSON_SIZE_MAX;
use crate::spec::{Consumer, Tag};

/// A tag with its name.
#[derive(Debug, Clone)]
pub struct TagInfo {
    /// Name.
    pub name: String,
    /// Content of its file.
    pub tag: Tag,
    /// Modification time of the file, epoch milliseconds.
    pub modified_ms: i64,
}

/// A branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchInfo {
    /// Name.
    pub name: String,
    /// Modification time of its first schema file, epoch milliseconds.
    pub created_ms: i64,
}

/// Folder of a branch's metadata; the table folder itself for `main`.
///
/// # Errors
/// `InvalidInput` when the name is not one plain path component.
pub fn branch_root(table: &str, branch: &str) -> Result<String> {
    if branch.is_empty() || branch == "main" {
        return Ok(table.to_string());
    }
    checked_name(branch).map_err(|_| {
        Error::invalid("a branch name must be one plain path component").with("branch", branch)
    })?;
    Ok(format!("{table}/branch/branch-{branch}"))
}

/// One tag, `None` when there is none of that name.
pub async fn read_tag(io: &FileIo, root: &str, name: &str) -> Result<Option<Tag>> {
    if checked_name(name).is_err() {
        return Ok(None);
    }
    let path = format!("{root}/tag/tag-{name}");
    match io.read(&path, JSON_SIZE_MAX).await {
        Ok(bytes) => parse_json(&bytes, "tag")
            .map(Some)
            .map_err(|e| e.with_default("path", path)),
        Err(e) if is_not_found(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// All tags, sorted by snapshot id, then name. A tag that is renamed meanwhile is among them.
///
/// # Errors
/// `Damaged` for a broken tag, `CommitConflict` when tags go away again and again while they are read.
pub async fn list_tags(io: &FileIo, root: &str) -> Result<Vec<TagInfo>> {
    for _ in 0..LISTINGS_MAX {
        // one that went after it was listed may have got a new name, which was not listed
        if let Some(mut tags) = read_listed_tags(io, root).await? {
            tags.sort_by(|a, b| (a.tag.snapshot.id, &a.name).cmp(&(b.tag.snapshot.id, &b.name)));
            return Ok(tags);
        }
    }
    let message = "tags were removed or renamed each time they were read: try again";
    Err(Error::new(ErrorKind::CommitConflict, message).with("path", format!("{root}/tag")))
}

/// So often tags are listed while others change them.
const LISTINGS_MAX: usize = 20;

/// The tags of one listing; `None` when one of them is gone.
async fn read_listed_tags(io: &FileIo, root: &str) -> Result<Option<Vec<TagInfo>>> {
    let mut tags = Vec::new();
    for file in io.list_files(&format!("{root}/tag")).await? {
        let Some(name) = file.name.strip_prefix("tag-") else {
            continue;
        };
        // other files of that folder
        if checked_name(name).is_err() {
            continue;
        }
        let Some(tag) = read_tag(io, root, name).await? else {
            return Ok(None);
        };
        tags.push(TagInfo {
            name: name.to_string(),
            tag,
            modified_ms: file.modified_ms,
        });
    }
    Ok(Some(tags))
}

/// All branches but `main`, sorted by name. A folder without schemas is no branch: it is being made or removed.
pub async fn list_branches(io: &FileIo, table: &str) -> Result<Vec<BranchInfo>> {
    let folder = format!("{table}/branch");
    let mut branches = Vec::new();
    for name in io.list_folders(&folder).await? {
        let Some(branch) = name.strip_prefix("branch-") else {
            continue;
        };
        let files = io.list_files(&format!("{folder}/{name}/schema")).await?;
        let schemas = files.iter().filter(|f| f.name.starts_with("schema-"));
        if let Some(created_ms) = schemas.map(|f| f.modified_ms).min() {
            branches.push(BranchInfo {
                name: branch.to_string(),
                created_ms,
            });
        }
    }
    branches.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(branches)
}

/// All consumers with their progress, sorted by id.
pub async fn list_consumers(io: &FileIo, root: &str) -> Result<Vec<(String, Consumer)>> {
    let folder = format!("{root}/consumer");
    let mut consumers = Vec::new();
    for file in io.list_files(&folder).await? {
        let Some(id) = file.name.strip_prefix("consumer-") else {
            continue;
        };
        let path = format!("{folder}/{}", file.name);
        let bytes = io.read(&path, JSON_SIZE_MAX).await?;
        let consumer =
            parse_json(&bytes, "consumer").map_err(|e: Error| e.with_default("path", path))?;
        consumers.push((id.to_string(), consumer));
    }
    consumers.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(consumers)
}

/// The error for a branch that does not exist.
pub(crate) fn no_branch(table: &str, branch: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("branch {branch:?} does not exist"),
    )
    .with("table", table)
}
