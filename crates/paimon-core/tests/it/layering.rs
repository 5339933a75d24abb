//! The import table of ARCHITECTURE.md, kept true.

use std::collections::BTreeSet;
use std::path::Path;

/// Folders of `src`, lowest first. A folder may name the ones before it.
const LAYERS: &[&str] = &[
    "error",
    "spec",
    "options",
    "arrow_bridge",
    "predicate",
    "mergetree",
    "selection",
    "io",
    "codec",
    "deletionvectors",
    "index",
    "format",
    "schema",
    "snapshot",
    "manifest",
    "read",
    "write",
    "compact",
    "commit",
    "maintenance",
    "table",
];

/// What goes downwards all the same: an opened table, with the snapshot it reads, is what a read is given.
const DOWNWARDS: &[(&str, &str)] = &[
    ("read", "table::Table"),
    ("read", "table::ScanTarget"),
    ("write", "table::Table"),
    ("compact", "table::Table"),
    ("compact", "table::ScanTarget"),
    ("commit", "table::Table"),
    ("maintenance", "table::Table"),
];

fn rust_files(folder: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Code above the first test module, and nothing of files that hold tests alone.
fn product_code(path: &Path, src: &Path) -> Option<String> {
    let relative = path.strip_prefix(src).unwrap();
    let is_test = relative.components().any(|c| {
        matches!(
            c.as_os_str().to_str(),
            Some("tests" | "tests.rs" | "testing.rs" | "random.rs")
        )
    });
    if is_test {
        return None;
    }
    let text = std::fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    Some(text[..end].to_string())
}

/// What follows each `crate::` in the code, comments left out.
fn imports(code: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| is_name(*c)).collect())
        .collect()
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|l| *l == name)
}

#[test]
fn folders_import_lower_folders_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for path in files {
        let relative = path.strip_prefix(&src).unwrap().to_path_buf();
        let first = relative.iter().next().unwrap().to_str().unwrap();
        let own = first.trim_end_matches(".rs");
        if own == "lib" {
            continue;
        }
        let Some(own_layer) = layer(own) else {
            wrong.push(format!("{own} is not in the table"));
            continue;
        };
        let Some(code) = product_code(&path, &src) else {
            continue;
        };
        checked += 1;
        for import in imports(&code) {
            let top = import.split("::").next().unwrap_or_default();
            let allowed = layer(top).is_none_or(|l| l <= own_layer)
                || DOWNWARDS.contains(&(own, import.as_str()));
            if !allowed {
                wrong.push(format!("{} names crate::{import}", relative.display()));
            }
        }
    }
    assert!(checked > 100, "only {checked} files were checked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_io_names_the_object_store_crate() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let wrong: Vec<String> = files
        .iter()
        .filter(|p| !p.starts_with(src.join("io")))
        .filter(|p| product_code(p, &src).is_some_and(|code| code.contains("object_store::")))
        .map(|p| p.display().to_string())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
