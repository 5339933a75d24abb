//! The options of the caches.
//!
//! Java: `CatalogOptions`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::kind::FileKind;
use crate::error::{Error, Result};
use crate::options::{parse_bool, parse_bytes};

const MANIFEST_MEMORY: u64 = 128 << 20;
const MANIFEST_THRESHOLD: u64 = 1 << 20;
const BLOCK_BYTES: u64 = 1 << 20;
const BLOCK_BYTES_RANGE: std::ops::RangeInclusive<u64> = 4 << 10..=16 << 20;
const WHITELIST: &str = "meta,global-index";
/// Of a cache in memory without `local-cache.max-size`.
const MEMORY_BYTES: u64 = 256 << 20;
/// Of the part in memory of a cache on disk.
const MEMORY_BYTES_OVER_DISK: u64 = 64 << 20;
/// Of a cache on disk without `local-cache.max-size`.
const DISK_BYTES: u64 = 10 << 30;

const LOCAL_CACHE_KEYS: [&str; 6] = [
    "local-cache.enabled",
    "local-cache.dir",
    "local-cache.max-size",
    "local-cache.memory-size",
    "local-cache.block-size",
    "local-cache.whitelist",
];

/// What is cached, and how much of it.
#[derive(Debug, Clone)]
pub(super) struct CacheSettings {
    /// Small files of the `manifest` folder, in memory.
    pub(super) manifests: Option<ManifestSettings>,
    /// Blocks of files.
    pub(super) blocks: Option<BlockSettings>,
}

/// The cache of small metadata files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ManifestSettings {
    /// Bytes of all files.
    pub(super) memory: u64,
    /// Bytes of the largest file that is kept.
    pub(super) threshold: u64,
}

impl Default for ManifestSettings {
    fn default() -> Self {
        Self {
            memory: MANIFEST_MEMORY,
            threshold: MANIFEST_THRESHOLD,
        }
    }
}

/// The cache of blocks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BlockSettings {
    pub(super) kinds: Vec<FileKind>,
    pub(super) block_bytes: u64,
    pub(super) memory: u64,
    pub(super) disk: Option<DiskSettings>,
}

/// Where on local disk blocks are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSettings {
    /// The folder, made when it is missing.
    pub folder: PathBuf,
    /// Bytes on disk, at most.
    pub capacity: u64,
    /// Bytes in memory over it, at most.
    pub memory: u64,
    /// Bytes of a block.
    pub block_bytes: u64,
}

impl CacheSettings {
    /// From the options of a catalog.
    ///
    /// # Errors
    /// `InvalidInput` naming the malformed option.
    pub(super) fn read(options: &BTreeMap<String, String>) -> Result<Self> {
        let read = Options(options);
        Ok(Self {
            manifests: manifests(&read)?,
            blocks: blocks(&read)?,
        })
    }
}

struct Options<'a>(&'a BTreeMap<String, String>);

impl Options<'_> {
    fn parsed<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T>) -> Result<Option<T>> {
        let value = self.0.get(key).map(|text| parse(text));
        value.transpose().map_err(|e| e.with("option", key))
    }
}

fn manifests(options: &Options<'_>) -> Result<Option<ManifestSettings>> {
    let memory = options.parsed("cache.manifest.small-file-memory", parse_bytes)?;
    let threshold = options.parsed("cache.manifest.small-file-threshold", parse_bytes)?;
    let all = options.parsed("cache.manifest.max-memory", parse_bytes)?;
    let default = ManifestSettings::default();
    let small = ManifestSettings {
        memory: memory.unwrap_or(default.memory),
        threshold: threshold.unwrap_or(default.threshold),
    };
    // room for more than the small files is room for files of any size
    let settings = match all {
        Some(memory) if memory > small.memory => ManifestSettings {
            memory,
            threshold: u64::MAX,
        },
        _ => small,
    };
    let enabled = options.parsed("cache-enabled", parse_bool)?.unwrap_or(true);
    Ok((enabled && settings.memory > 0).then_some(settings))
}

fn blocks(options: &Options<'_>) -> Result<Option<BlockSettings>> {
    let enabled = options.parsed("local-cache.enabled", parse_bool)?;
    let max = options.parsed("local-cache.max-size", parse_bytes)?;
    let memory = options.parsed("local-cache.memory-size", parse_bytes)?;
    let block_bytes = options.parsed("local-cache.block-size", parse_bytes)?;
    let block_bytes = block_bytes.unwrap_or(BLOCK_BYTES);
    let kinds = options.parsed("local-cache.whitelist", FileKind::parse_list)?;
    if !BLOCK_BYTES_RANGE.contains(&block_bytes) {
        return Err(Error::invalid(format!(
            "blocks of 4 kb to 16 mb are expected, found {block_bytes} bytes"
        ))
        .with("option", "local-cache.block-size"));
    }
    if enabled != Some(true) {
        return Ok(None);
    }
    for key in options.0.keys() {
        if key.starts_with("local-cache.") && !LOCAL_CACHE_KEYS.contains(&key.as_str()) {
            tracing::warn!(option = key, "option has no effect on the cache");
        }
    }
    let disk = options.0.get("local-cache.dir").map(|folder| DiskSettings {
        folder: PathBuf::from(folder),
        capacity: max.unwrap_or(DISK_BYTES),
        memory: memory.unwrap_or(MEMORY_BYTES_OVER_DISK),
        block_bytes,
    });
    Ok(Some(BlockSettings {
        kinds: match kinds {
            Some(kinds) => kinds,
            None => FileKind::parse_list(WHITELIST)?,
        },
        block_bytes,
        memory: max.or(memory).unwrap_or(MEMORY_BYTES),
        disk,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<CacheSettings> {
        let own = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        CacheSettings::read(&own.collect())
    }

    #[test]
    fn small_manifests_are_cached_unless_told_otherwise() {
        let small = ManifestSettings {
            memory: 128 << 20,
            threshold: 1 << 20,
        };
        let settings = read(&[]).unwrap();
        assert_eq!(settings.manifests, Some(small));
        assert_eq!(settings.blocks, None);
        for (key, value) in [
            ("cache-enabled", "false"),
            ("cache.manifest.small-file-memory", "0"),
        ] {
            assert_eq!(read(&[(key, value)]).unwrap().manifests, None, "{key}");
        }
        let all = read(&[("cache.manifest.max-memory", "1 gb")]).unwrap();
        let all = all.manifests.unwrap();
        assert_eq!((all.memory, all.threshold), (1 << 30, u64::MAX));
        let less = read(&[("cache.manifest.max-memory", "1 mb")]).unwrap();
        assert_eq!(less.manifests, Some(small));
    }

    #[test]
    fn blocks_are_cached_in_memory_or_on_disk() {
        let blocks = |pairs: &[(&str, &str)]| {
            let on = [&[("local-cache.enabled", "true")][..], pairs].concat();
            read(&on).unwrap().blocks.unwrap()
        };
        let plain = blocks(&[]);
        assert_eq!(plain.kinds, [FileKind::Meta, FileKind::GlobalIndex]);
        assert_eq!((plain.block_bytes, plain.memory), (1 << 20, 256 << 20));
        assert_eq!(blocks(&[("local-cache.max-size", "1 mb")]).memory, 1 << 20);
        let disk = blocks(&[
            ("local-cache.dir", "/c"),
            ("local-cache.max-size", "1 gb"),
            ("local-cache.memory-size", "2 mb"),
            ("local-cache.block-size", "64 kb"),
        ]);
        let expected = DiskSettings {
            folder: "/c".into(),
            capacity: 1 << 30,
            memory: 2 << 20,
            block_bytes: 64 << 10,
        };
        assert_eq!(disk.disk, Some(expected));
    }

    #[test]
    fn malformed_values_name_their_option() {
        for (key, value) in [
            ("cache-enabled", "maybe"),
            ("local-cache.block-size", "1 b"),
            ("local-cache.whitelist", "all"),
            ("local-cache.max-size", "much"),
        ] {
            let error = read(&[(key, value)]).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }
}
