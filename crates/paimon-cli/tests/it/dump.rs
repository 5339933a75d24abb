//! `paimon dump`.

use std::path::PathBuf;

use crate::support::{golden, plain};

fn files(folder: &str, prefix: &str) -> PathBuf {
    let folder = golden().join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.file_name().unwrap().to_str().unwrap().starts_with(prefix))
        .collect();
    files.sort();
    files.into_iter().next().unwrap()
}

#[test]
fn metadata_files_print_as_json() {
    for (folder, prefix, field) in [
        ("meta-time-travel/table/snapshot", "snapshot-", "commitKind"),
        ("meta-time-travel/table/schema", "schema-", "highestFieldId"),
        ("meta-time-travel/table/tag", "tag-", "schemaId"),
        (
            "meta-time-travel/table/manifest",
            "manifest-list-",
            "_NUM_ADDED_FILES",
        ),
        ("append-dv/table/manifest", "index-manifest-", "_INDEX_TYPE"),
    ] {
        let file = files(folder, prefix);
        let run = plain(&["dump", "--json", file.to_str().unwrap()]);
        assert_eq!(run.code, 0, "{run:?}");
        // the first manifest list of a table may be empty
        assert!(
            run.stdout.contains(field) || run.stdout == "[]\n",
            "{prefix}: {}",
            run.stdout
        );
    }
    let folder = golden().join("append-plain/table/manifest");
    let manifest = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| {
            let name = p.file_name().unwrap().to_str().unwrap();
            name.starts_with("manifest-") && !name.starts_with("manifest-list-")
        })
        .unwrap();
    let run = plain(&["dump", manifest.to_str().unwrap()]);
    assert!(run.stdout.contains("_MIN_SEQUENCE_NUMBER"), "{run:?}");
}

#[test]
fn files_that_are_no_metadata_are_refused() {
    let file = golden().join("meta-time-travel/expected.json");
    assert_eq!(plain(&["dump", file.to_str().unwrap()]).code, 0);
}

#[test]
fn a_wrong_path_is_no_damage() {
    let empty = tempfile::tempdir().unwrap();
    for (path, says) in [
        ("/no/such/file", "there is no such file"),
        (golden().to_str().unwrap(), "this is a folder"),
        (empty.path().to_str().unwrap(), "this is a folder"),
    ] {
        let run = plain(&["dump", path]);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains(says), "{run:?}");
        assert!(run.stderr.contains(path), "{run:?}");
    }
}
