//! Deleting files that nothing needs any more. What a failed commit left is `crate::write::discard_files`.

use futures::StreamExt;

use crate::error::Result;
use crate::io::split_location;
use crate::table::Table;

/// Deletions under way at a time.
const PARALLEL_DELETES: usize = 16;

/// Deletes files of a table, several at a time. All are tried; the first failure is returned.
///
/// Files outside of the table's folder are deleted only below a folder that `data-file.external-paths` names: a path in
/// metadata must not reach anything else.
pub(super) async fn delete_unneeded(table: &Table, files: Vec<String>) -> Result<()> {
    let roots = external_roots(table);
    let deletes = files.into_iter().map(|file| {
        let roots = &roots;
        async move {
            if is_below(&file, table.location()) {
                return table.io().discard(&file).await;
            }
            if !roots.iter().any(|root| is_below(&file, root)) {
                tracing::warn!(
                    path = file,
                    "a file outside of the table's folders is left alone"
                );
                return Ok(());
            }
            table.io().at(&file)?.discard(&file).await
        }
    });
    let results: Vec<Result<()>> = futures::stream::iter(deletes)
        .buffer_unordered(PARALLEL_DELETES)
        .collect()
        .await;
    results.into_iter().collect()
}

fn external_roots(table: &Table) -> Vec<String> {
    let paths = table
        .options()
        .get("data-file.external-paths")
        .unwrap_or("");
    let paths = paths.split(',').map(str::trim).filter(|p| !p.is_empty());
    paths.map(|p| p.trim_end_matches('/').to_string()).collect()
}

/// Whether a file is below a folder, however both are spelled: Java writes `file:/w` for `file:///w`.
fn is_below(file: &str, folder: &str) -> bool {
    let (Ok((store, path)), Ok((folder_store, folder))) =
        (split_location(file), split_location(folder))
    else {
        return false;
    };
    let rest = path.strip_prefix(folder).filter(|_| store == folder_store);
    rest.is_some_and(|rest| rest.starts_with('/') && !rest.split('/').any(|part| part == ".."))
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn only_paths_below_a_folder_are_below_it() {
        assert!(is_below("/t/bucket-0/data", "/t"));
        assert!(!is_below("/table/data", "/t"));
        assert!(!is_below("/t/../other", "/t"));
        assert!(!is_below("/t", "/t"));
        assert!(is_below("file:/t/bucket-0/data", "file:///t"));
        assert!(is_below("file:///t/data", "/t"));
        assert!(!is_below("s3://b/t/data", "/t"));
        assert!(!is_below("s3://b/t/data", "s3://c/t"));
    }
}
