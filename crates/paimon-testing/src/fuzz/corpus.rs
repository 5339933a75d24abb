//! Inputs to begin with: small files of the golden tables, and the same content in other encodings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use paimon_core::codec::avro::Codec;
use paimon_core::codec::{encode_index_manifest, encode_manifest, encode_manifest_list};

use super::{files, manifests};

/// One input of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// Name of the target.
    pub target: &'static str,
    /// Name of the file.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Bytes and number of the seeds of one target.
const BYTES_MAX: usize = 60_000;
const SEEDS_MAX: usize = 24;
/// Bytes of one seed.
const SEED_BYTES_MAX: usize = 16_000;

/// The seeds that the golden tables in `catalogue` give, sorted; few for each target.
///
/// # Errors
/// When a folder cannot be read.
pub fn seeds(catalogue: &Path) -> std::io::Result<Vec<Seed>> {
    let mut by_target: BTreeMap<&'static str, BTreeSet<Vec<u8>>> = BTreeMap::new();
    let mut paths = Vec::new();
    files_below(catalogue, &mut paths)?;
    paths.sort();
    let mut add = |target, bytes: Vec<u8>| {
        let fits = !bytes.is_empty() && bytes.len() <= SEED_BYTES_MAX;
        if fits {
            by_target.entry(target).or_default().insert(bytes);
        }
    };
    for path in &paths {
        let relative = path.strip_prefix(catalogue).unwrap_or(path);
        for (target, bytes) in of_file(relative, &std::fs::read(path)?) {
            add(target, bytes);
        }
    }
    for (target, texts) in TEXTS {
        for text in *texts {
            add(target, text.as_bytes().to_vec());
        }
    }
    Ok(by_target
        .into_iter()
        .flat_map(|(target, all)| few(target, all))
        .collect())
}

/// Seeds of all sizes up to the limits of a target, small ones first.
fn few(target: &'static str, all: BTreeSet<Vec<u8>>) -> Vec<Seed> {
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(Vec::len);
    let step = all.len().div_ceil(SEEDS_MAX).max(1);
    let mut bytes = 0;
    let chosen = all.into_iter().step_by(step).take_while(|seed| {
        bytes += seed.len();
        bytes <= BYTES_MAX
    });
    let named = chosen.enumerate();
    named
        .map(|(i, bytes)| Seed {
            target,
            name: format!("{i:02}"),
            bytes,
        })
        .collect()
}

fn files_below(folder: &Path, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files_below(&entry.path(), out)?;
        } else {
            out.push(entry.path());
        }
    }
    Ok(())
}

/// Seeds that one file gives: itself, and what is in it.
fn of_file(relative: &Path, bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let name = relative
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or_default();
    let table = relative
        .iter()
        .next()
        .and_then(|n| n.to_str())
        .unwrap_or_default();
    let whole = |target| vec![(target, bytes.to_vec())];
    if name.starts_with("index-manifest-") {
        index_manifest(bytes)
    } else if name.starts_with("manifest-list-") {
        manifest_list(bytes)
    } else if name.starts_with("manifest-") {
        manifest(bytes)
    } else if name.starts_with("snapshot-") {
        whole("snapshot")
    } else if name.starts_with("schema-") {
        whole("schema")
    } else if name.starts_with("tag-") {
        whole("tag")
    } else if name.starts_with("consumer-") {
        whole("consumer")
    } else if name.starts_with("stat-") {
        whole("statistics")
    } else if name == "LATEST" || name == "EARLIEST" {
        whole("hint")
    } else if name.ends_with(".index") {
        file_index(bytes)
    } else if name.ends_with(".blob") {
        whole("blob_file")
    } else if name.starts_with("index-") && bytes.first() == Some(&1) {
        deletion_vectors(bytes)
    } else if table.starts_with("types-") || table.starts_with("compression-") {
        data_file(name, bytes)
    } else {
        Vec::new()
    }
}

fn manifest_list(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let plain =
        manifests::lists_of(bytes).and_then(|metas| encode_manifest_list(&metas, Codec::Null));
    let whole = Some(("manifest_list", bytes.to_vec()));
    whole
        .into_iter()
        .chain(plain.ok().map(|b| ("manifest_list", b)))
        .collect()
}

fn manifest(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = vec![("manifest", bytes.to_vec())];
    let Ok(entries) = manifests::entries_of(bytes) else {
        return seeds;
    };
    for entry in &entries {
        for row in [
            &entry.file.min_key,
            &entry.file.value_stats.max_values,
            &entry.partition,
        ] {
            let mut seed = vec![0];
            seed.extend_from_slice(row);
            seeds.push(("binary_row", seed));
        }
    }
    let plain = encode_manifest(&entries, Codec::Null);
    seeds.extend(plain.ok().map(|b| ("manifest", b)));
    seeds
}

fn index_manifest(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let plain = manifests::index_entries_of(bytes)
        .and_then(|entries| encode_index_manifest(&entries, Codec::Null));
    let whole = Some(("index_manifest", bytes.to_vec()));
    whole
        .into_iter()
        .chain(plain.ok().map(|b| ("index_manifest", b)))
        .collect()
}

/// The contents of the vectors of an index file, without their frames.
fn deletion_vectors(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = Vec::new();
    let mut rest = bytes.get(1..).unwrap_or_default();
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let size = usize::try_from(i32::from_be_bytes(*size)).unwrap_or(usize::MAX);
        let Some((data, after)) = after.split_at_checked(size) else {
            break;
        };
        seeds.push(("deletion_vector", data.to_vec()));
        rest = after.get(4..).unwrap_or_default();
    }
    seeds
}

/// A container, and the indexes in it one by one.
fn file_index(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = vec![("file_index", bytes.to_vec())];
    let mut at = 16;
    let int = |at: &mut usize| {
        let raw = bytes.get(*at..*at + 4)?.first_chunk::<4>()?;
        *at += 4;
        usize::try_from(i32::from_be_bytes(*raw)).ok()
    };
    let text = |at: &mut usize| {
        let length = usize::from(u16::from_be_bytes(*bytes.get(*at..)?.first_chunk::<2>()?));
        let text = std::str::from_utf8(bytes.get(*at + 2..*at + 2 + length)?).ok();
        *at += 2 + length;
        text
    };
    let mut bodies = || {
        for _ in 0..int(&mut at)? {
            let column = text(&mut at)?;
            for _ in 0..int(&mut at)? {
                let target = match text(&mut at)? {
                    "bloom-filter" => "bloom_filter",
                    "bitmap" => "bitmap_index",
                    "bsi" => "bsi_index",
                    _ => "range_bitmap",
                };
                let (start, length) = (int(&mut at)?, int(&mut at)?);
                let body = bytes.get(start..start.checked_add(length)?)?;
                seeds.push((target, of_index(column, body)));
            }
        }
        Some(())
    };
    // a file that is cut gives what is before the cut
    let _ = bodies();
    seeds
}

/// Type by what the column's name says, ten rows, content.
fn of_index(column: &str, body: &[u8]) -> Vec<u8> {
    let types = super::indexes::indexed_types();
    let kind = types.iter().position(|(data_type, _)| {
        let name = data_type.to_string().to_lowercase();
        let name = name.split(['(', ' ']).next().unwrap_or_default();
        column.to_lowercase().contains(name)
    });
    let kind = kind.and_then(|kind| u8::try_from(kind).ok()).unwrap_or(0);
    let mut seed = vec![kind, 10, 0];
    seed.extend_from_slice(body);
    seed
}

/// A data file, and its first rows in every format.
fn data_file(name: &str, bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let known = [
        ("avro", "avro_file"),
        ("orc", "orc_file"),
        ("parquet", "parquet_file"),
    ];
    let Some((format, target)) = known.into_iter().find(|(format, _)| name.ends_with(format))
    else {
        return Vec::new();
    };
    let mut seeds = vec![(target, bytes.to_vec())];
    let Some(rows) = files::rows(format, Bytes::copy_from_slice(bytes)) else {
        return seeds;
    };
    let rows = rows.slice(0, rows.num_rows().min(4));
    for compression in ["none", "snappy", "zstd", "lz4"] {
        let again = files::file(format, compression, &rows);
        seeds.extend(again.map(|bytes| (target, bytes.to_vec())));
    }
    seeds
}

/// Seeds of the targets that read texts.
const TEXTS: &[(&str, &[&str])] = &[
    (
        "data_type",
        &[
            "INT NOT NULL",
            "VARCHAR(20)",
            "STRING",
            "CHAR(5) NOT NULL",
            "DECIMAL(38, 10)",
            "TIMESTAMP(9) WITH LOCAL TIME ZONE",
            "TIMESTAMP_LTZ(3)",
            "ARRAY<INT NOT NULL> NOT NULL",
            "MAP<STRING, ARRAY<DOUBLE>>",
            "MULTISET<STRING>",
            "ROW<a INT, `b c` STRING 'comment'>",
            "VECTOR<FLOAT, 3>",
            "VARIANT",
            "BLOB",
        ],
    ),
    (
        "option_values",
        &[
            "true",
            "-1",
            "128 mb",
            "1g",
            "9223372036854775807",
            "10 s",
            "5min",
            "1 d",
            "2024-01-31 10:20:30.123",
        ],
    ),
    (
        "partition_path",
        &[
            "a=1/b=2",
            "dt=2024-01-31",
            "p=%2F%zz%",
            "日本=é",
            "__DEFAULT_PARTITION__",
        ],
    ),
    (
        "table_options",
        &[
            "bucket=4\nbucket-key=k\nfile.format=orc",
            "merge-engine=aggregation\nfields.v.aggregate-function=max\nchangelog-producer=lookup",
            "merge-engine=partial-update\nfields.k.sequence-group=v\nsequence.field=v",
            "snapshot.num-retained.min=1\nsnapshot.num-retained.max=2\nsnapshot.time-retained=1 h",
            "tag.automatic-creation=process-time\ntag.creation-period=daily\ntag.num-retained-max=3",
            "deletion-vectors.enabled=true\nsource.split.target-size=1 mb",
        ],
    ),
];
