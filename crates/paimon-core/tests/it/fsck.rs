//! The invariants hold in tables that Java wrote, and their violations are found.

use std::path::{Path, PathBuf};

use paimon_core::io::FileIo;
use paimon_core::maintenance::fsck::{Finding, fsck};
use paimon_core::table::Table;

use crate::golden::catalogue;

async fn check(folder: &Path) -> Result<Vec<Finding>, paimon_core::Error> {
    let location = folder.to_str().unwrap();
    let io = FileIo::for_location(location)?;
    let table = Table::open(io, location, "t").await?;
    Ok(fsck(&table).await?.findings)
}

/// Violations that Java's own tables have: (golden, invariant, words of the message).
const KNOWN: &[(&str, &str, &str)] = &[
    // release 0.4.0 counted removed rows as added
    ("legacy-0.4.0-pk-avro", "I9", "totalRecordCount"),
    ("legacy-0.4.0-pk-orc", "I9", "totalRecordCount"),
    ("legacy-0.4.0-pk-parquet", "I9", "totalRecordCount"),
];

fn tables() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(catalogue().canonicalize().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let folder = entry.path().join("table");
        if folder.join("schema").is_dir() {
            found.push((entry.file_name().into_string().unwrap(), folder));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn tables_written_by_java_hold_the_invariants() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for (name, folder) in tables() {
        if name.starts_with("bad-") || name.starts_with("odd-") {
            continue;
        }
        let findings = match check(&folder).await {
            Ok(findings) => findings,
            Err(e) if e.kind() == paimon_core::ErrorKind::Unsupported => continue,
            Err(e) => {
                wrong.push(format!("{name}: {e}"));
                continue;
            }
        };
        checked += 1;
        let known = |f: &Finding| {
            KNOWN.iter().any(|(golden, invariant, words)| {
                *golden == name && *invariant == f.invariant && f.message.contains(words)
            })
        };
        wrong.extend(
            findings
                .iter()
                .filter(|f| !known(f))
                .map(|f| format!("{name}: {f:?}")),
        );
    }
    assert!(checked > 150, "only {checked} tables were checked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn damage_is_found() {
    for (golden, invariant) in [
        ("bad-missing-data-file", "I2"),
        ("bad-missing-manifest", "I2"),
        ("bad-missing-manifest-list", "I2"),
        ("bad-truncated-parquet", "I2"),
        ("bad-corrupt-manifest", "I2"),
        ("bad-snapshot-json", "I1"),
        ("bad-dv-missing", "I2"),
        ("bad-dv-truncated", "I2"),
        ("bad-dv-magic", "I5"),
        ("odd-dv-wrong-crc", "I5"),
    ] {
        let findings = check(
            &catalogue()
                .canonicalize()
                .unwrap()
                .join(golden)
                .join("table"),
        )
        .await
        .unwrap();
        assert!(
            findings.iter().any(|f| f.invariant == invariant),
            "{golden}: {invariant} is expected among {findings:?}"
        );
    }
}
