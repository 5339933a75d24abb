//! Which options go with which `scan.mode`. Source: `SchemaValidation.validateStartupMode`.

use indexmap::IndexMap;

use crate::error::{Error, Result};

/// Options that name a point in time, with the modes they go with.
pub(crate) const POINTS: &[(&str, &[&str])] = &[
    ("scan.timestamp-millis", &["from-timestamp"]),
    ("scan.timestamp", &["from-timestamp"]),
    ("scan.snapshot-id", &["from-snapshot", "from-snapshot-full"]),
    ("scan.tag-name", &["from-snapshot"]),
    ("scan.watermark", &["from-snapshot"]),
    ("scan.version", &["from-snapshot"]),
    (
        "scan.file-creation-time-millis",
        &["from-file-creation-time"],
    ),
    ("scan.creation-time-millis", &["from-creation-timestamp"]),
];

/// Points that Java lets pass beside a mode without one; they win over it.
const LENIENT: &[&str] = &[
    "scan.watermark",
    "scan.version",
    "scan.creation-time-millis",
];

/// Modes without a point.
const MODES: &[&str] = &["latest-full", "full", "latest", "compacted-full"];

/// Options that ask for changes; they go with `incremental`.
const INCREMENTAL: &[&str] = &[
    "incremental-between",
    "incremental-between-timestamp",
    "incremental-to-auto-tag",
];

/// Checks that the other options fit `scan.mode`.
///
/// # Errors
/// `InvalidInput` naming the mode and what does not go with it or is missing.
pub(crate) fn check_scan_mode(options: &IndexMap<String, String>) -> Result<()> {
    let mode = match options.get("scan.mode").map(String::as_str) {
        None | Some("default") => return Ok(()),
        Some(mode) => mode,
    };
    let wrong = |text: String| Err(Error::invalid(text).with("option", "scan.mode"));
    let points: Vec<&str> = POINTS
        .iter()
        .filter(|(_, modes)| modes.contains(&mode))
        .map(|(key, _)| *key)
        .collect();
    let fitting = match mode {
        "incremental" => INCREMENTAL,
        _ if !points.is_empty() => points.as_slice(),
        "latest-delta" => &[],
        _ if MODES.contains(&mode) => LENIENT,
        other => return wrong(format!("unknown scan mode {other:?}")),
    };
    let all = POINTS.iter().map(|(key, _)| key).chain(INCREMENTAL);
    let mut given = all.filter(|key| options.contains_key(**key));
    if let Some(key) = given.clone().find(|key| !fitting.contains(key)) {
        return wrong(format!("`{key}` does not go with `scan.mode` = {mode}"));
    }
    let needs_one = mode == "incremental" || !points.is_empty();
    match given.next() {
        None if needs_one => wrong(format!(
            "`scan.mode` = {mode} needs the option that names the point in time: {}",
            fitting.join(", ")
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &[(&str, &str)]) -> Result<()> {
        let pairs = options.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        check_scan_mode(&pairs.collect())
    }

    #[test]
    fn modes_and_points_fit_each_other() {
        for options in [
            &[("scan.snapshot-id", "1")][..],
            &[("scan.mode", "default"), ("scan.snapshot-id", "1")],
            &[("scan.mode", "from-snapshot"), ("scan.tag-name", "t")],
            &[
                ("scan.mode", "from-timestamp"),
                ("scan.timestamp", "2024-01-01"),
            ],
            &[("scan.mode", "latest"), ("scan.version", "3")],
            &[("scan.mode", "compacted-full")],
            &[("scan.mode", "latest-delta")],
            &[("scan.mode", "incremental"), ("incremental-between", "1,2")],
        ] {
            assert!(check(options).is_ok(), "{options:?}");
        }
        for options in [
            &[("scan.mode", "from-snapshot")][..],
            &[("scan.mode", "from-snapshot-full"), ("scan.tag-name", "t")],
            &[("scan.mode", "from-timestamp"), ("scan.snapshot-id", "1")],
            &[("scan.mode", "latest"), ("scan.snapshot-id", "1")],
            &[
                ("scan.mode", "compacted-full"),
                ("scan.timestamp-millis", "1"),
            ],
            &[("scan.mode", "latest-delta"), ("scan.version", "1")],
            &[("scan.mode", "latest-full"), ("incremental-between", "1,2")],
            &[("scan.mode", "incremental"), ("scan.snapshot-id", "1")],
            &[("scan.mode", "incremental")],
            &[("scan.mode", "newest")],
        ] {
            assert!(check(options).is_err(), "{options:?}");
        }
    }
}
