//! Which files of a table of Hive hold rows.

use paimon_core::Result;
use paimon_core::io::{FileIo, FileStatus};

/// A folder of the source.
pub(super) struct Folder {
    pub(super) location: String,
    /// Whether data files lie in it, or only folders.
    pub(super) has_files: bool,
}

/// Hive takes no notice of such names. Java: `HiveCloneUtils.HIDDEN_PATH_FILTER`.
fn is_hidden(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

/// The data files of a folder; empty ones, which Hive makes for empty buckets, hold no rows.
pub(super) async fn of_folder(io: &FileIo, location: &str) -> Result<Vec<FileStatus>> {
    let mut files = io.list_files(location).await?;
    files.retain(|f| f.size > 0 && !is_hidden(&f.name));
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Whether a location is in a folder or the folder itself.
pub(super) fn is_below(location: &str, folder: &str) -> bool {
    let (location, folder) = (plain(location), plain(folder));
    location
        .strip_prefix(&folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `file:/a` and `/a` are one place.
fn plain(location: &str) -> String {
    let path = location.strip_prefix("file:").unwrap_or(location);
    match path.len() == location.len() && !path.starts_with('/') {
        true => path.trim_end_matches('/').to_string(),
        false => format!("/{}", path.trim_matches('/')),
    }
}

/// A data file below the folders that lies in none that has files, if any.
pub(super) async fn beyond(io: &FileIo, folders: &[Folder]) -> Result<Option<String>> {
    let known: Vec<String> = folders
        .iter()
        .filter(|f| f.has_files)
        .map(|f| plain(&f.location))
        .collect();
    for (at, folder) in folders.iter().enumerate() {
        let covers = |(other_at, other): (usize, &Folder)| {
            let same = plain(&folder.location) == plain(&other.location);
            is_below(&folder.location, &other.location) && (!same || other_at < at)
        };
        if folders.iter().enumerate().any(covers) {
            continue;
        }
        for (path, status) in io.list_recursive(&folder.location).await? {
            let file = format!("{}/{path}", plain(&folder.location));
            let (parent, _) = file.rsplit_once('/').unwrap_or_default();
            if status.size == 0 || known.iter().any(|k| k == parent) {
                continue;
            }
            // the column of a partition that is not known may have any name
            let hidden = path
                .split('/')
                .any(|part| is_hidden(part) && !part.contains('='));
            if !hidden {
                return Ok(Some(format!("{}/{path}", folder.location)));
            }
        }
    }
    Ok(None)
}
