//! The options that writers of data files look at, typed.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use indexmap::IndexMap;

use super::stats::StatsMode;
use crate::error::{Error, Result};
use crate::format::{EncoderOptions, check_compression};
use crate::options::{CoreOptions, parse_bool, parse_bytes, parse_i64};
use crate::spec::{BucketFunction, TableSchema};

const MIB: u64 = 1 << 20;

/// Options of a write, checked once.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// `data-file.prefix`
    pub data_prefix: String,
    /// `changelog-file.prefix`
    pub changelog_prefix: String,
    /// `file.suffix.include.compression`
    pub name_compression: bool,
    /// `target-file-size`, bytes
    pub target_file_size: u64,
    /// `target-file-row-num`
    pub target_file_rows: Option<u64>,
    /// `file.compression.zstd-level`
    pub zstd_level: i32,
    /// `file.block-size`, bytes
    pub block_size: Option<u64>,
    /// `metadata.stats-dense-store`
    pub dense_stats: bool,
    /// `data-file.thin-mode`
    pub thin: bool,
    /// `data-file.external-paths`, used in turn; empty when files stay in the table's folder
    pub external_paths: Vec<String>,
    /// `file-index.in-manifest-threshold`, bytes
    pub index_in_manifest: u64,
    /// `write-buffer-size`, bytes
    pub buffer_size: u64,
    /// `write-buffer-spillable`
    pub spillable: bool,
    /// `write-buffer-spill.max-disk-size`, bytes
    pub spill_bytes_max: u64,
    /// `local-sort.max-num-file-handles`: spilled runs of a bucket
    pub spill_runs_max: usize,
    /// `spill-compression` (Java's default is zstd), `spill-compression.zstd-level`
    pub spill_compression: SpillCompression,
    /// `rowkind.field`
    pub rowkind_field: Option<String>,
    /// `ignore-update-before`
    pub ignore_update_before: bool,
    /// `bucket-function.type`
    pub bucket_function: BucketFunction,
    data: Kind,
    per_level: BTreeMap<i32, Kind>,
    changelog: Kind,
    table: IndexMap<String, String>,
}

/// Format, compression and statistics of one kind of file; what is not set is inherited.
#[derive(Debug, Clone, Default)]
struct Kind {
    format: Option<String>,
    compression: Option<String>,
    stats: Option<StatsMode>,
}

/// How a data or changelog file is encoded.
#[derive(Debug, Clone)]
pub struct FileKind {
    /// Encoder settings.
    pub encoder: EncoderOptions,
    /// Statistics of columns without a mode of their own.
    pub stats: StatsMode,
    /// End of the file name, with the dot.
    pub extension: String,
}

/// How spilled rows are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpillCompression {
    /// Not while little is on disk, which stays in the system's cache of files; LZ4 frames from then on. The default.
    WhenMuch,
    /// Not at all.
    None,
    /// LZ4 frames.
    Lz4,
    /// Zstandard at this level.
    Zstd(i32),
}

/// Options that would change what is written and that this engine cannot honour, unless set to `false`.
const UNSUPPORTED_SWITCHES: &[&str] = &[
    "variant.inferShreddingSchema",
    "parquet.variant.inferShreddingSchema",
    "clustering.incremental.optimize-write",
];

/// The same, whatever their value.
const UNSUPPORTED_KEYS: &[&str] = &[
    "variant.shreddingSchema",
    "parquet.variant.shreddingSchema",
    "vector.file.format",
];

impl WriteOptions {
    /// Options of a table.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed value, `Unsupported` for an option this engine cannot honour when writing; both
    /// name the key.
    pub fn new(schema: &TableSchema, options: &CoreOptions) -> Result<Self> {
        let o = Reader { options };
        o.refuse_unsupported()?;
        let default_size = if schema.has_primary_key() { 128 } else { 256 } * MIB;
        let stats = o.stats("metadata.stats-mode")?;
        let data = Kind {
            format: Some(o.text("file.format", "parquet").to_ascii_lowercase()),
            compression: Some(o.text("file.compression", "zstd")),
            stats: Some(stats.unwrap_or(StatsMode::Truncate(16))),
        };
        let changelog = Kind {
            format: options
                .get("changelog-file.format")
                .map(str::to_ascii_lowercase),
            compression: options
                .get("changelog-file.compression")
                .map(str::to_string),
            stats: o.stats("changelog-file.stats-mode")?,
        };
        Ok(Self {
            data_prefix: o.text("data-file.prefix", "data-"),
            changelog_prefix: o.text("changelog-file.prefix", "changelog-"),
            name_compression: o.bool("file.suffix.include.compression", false)?,
            target_file_size: o.bytes("target-file-size")?.unwrap_or(default_size),
            target_file_rows: o.positive("target-file-row-num")?,
            zstd_level: o.number("file.compression.zstd-level")?.unwrap_or(1),
            block_size: o.bytes("file.block-size")?,
            dense_stats: o.bool("metadata.stats-dense-store", true)?,
            thin: o.bool("data-file.thin-mode", false)?,
            external_paths: o.external_paths()?,
            index_in_manifest: o.bytes("file-index.in-manifest-threshold")?.unwrap_or(500),
            buffer_size: o.bytes("write-buffer-size")?.unwrap_or(256 * MIB),
            spillable: o.bool("write-buffer-spillable", true)?,
            spill_bytes_max: o
                .bytes("write-buffer-spill.max-disk-size")?
                .unwrap_or(u64::MAX),
            spill_runs_max: o.spill_runs_max()?,
            spill_compression: o.spill_compression()?,
            rowkind_field: options.get("rowkind.field").map(str::to_string),
            ignore_update_before: o.bool("ignore-update-before", false)?,
            bucket_function: match options.get("bucket-function.type") {
                Some(name) => BucketFunction::parse(name)?,
                None => BucketFunction::default(),
            },
            data,
            per_level: o.per_level()?,
            changelog,
            table: options.map().clone(),
        })
    }

    /// How data files of a level are encoded; append files are of level 0.
    pub fn data_file(&self, level: i32) -> FileKind {
        let own = self.per_level.get(&level).cloned().unwrap_or_default();
        self.kind(own)
    }

    /// How changelog files are encoded.
    pub fn changelog_file(&self) -> FileKind {
        self.kind(self.changelog.clone())
    }

    /// Checks the compression of all files that a table may be written to.
    ///
    /// # Errors
    /// As [`check_compression`].
    pub fn check_compression(&self) -> Result<()> {
        let levels = self.per_level.keys().chain([&0]);
        let kinds = levels.map(|level| self.data_file(*level));
        let mut kinds = kinds.chain([self.changelog_file()]);
        kinds.try_for_each(|kind| check_compression(&kind.encoder))
    }

    /// Options as stored.
    pub fn table(&self) -> &IndexMap<String, String> {
        &self.table
    }

    fn kind(&self, own: Kind) -> FileKind {
        let text = |own: Option<String>, all: &Option<String>| {
            own.or_else(|| all.clone()).unwrap_or_default()
        };
        let encoder = EncoderOptions {
            format: text(own.format, &self.data.format),
            compression: text(own.compression, &self.data.compression),
            zstd_level: self.zstd_level,
            block_size: self.block_size,
            table: self.table.clone(),
        };
        let extension = match codec_extension(&encoder.compression) {
            Some(codec) if self.name_compression => format!(".{codec}.{}", encoder.format),
            _ => format!(".{}", encoder.format),
        };
        FileKind {
            stats: own
                .stats
                .or(self.data.stats)
                .unwrap_or(StatsMode::Truncate(16)),
            encoder,
            extension,
        }
    }
}

/// Name of a codec in file names; `None` without compression. Source: `HadoopCompressionType`.
fn codec_extension(compression: &str) -> Option<String> {
    let lower = compression.to_ascii_lowercase();
    Some(match lower.as_str() {
        "none" => return None,
        "gzip" => "gz".into(),
        "bzip2" => "bz2".into(),
        "zstd" => "zst".into(),
        _ => lower,
    })
}

struct Reader<'a> {
    options: &'a CoreOptions,
}

impl Reader<'_> {
    fn text(&self, key: &str, default: &str) -> String {
        self.options.get(key).unwrap_or(default).to_string()
    }

    fn parsed<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T>) -> Result<Option<T>> {
        let value = self.options.get(key).map(parse).transpose();
        value.map_err(|e| e.with("option", key))
    }

    fn bool(&self, key: &str, default: bool) -> Result<bool> {
        Ok(self.parsed(key, parse_bool)?.unwrap_or(default))
    }

    fn bytes(&self, key: &str) -> Result<Option<u64>> {
        self.parsed(key, parse_bytes)
    }

    fn stats(&self, key: &str) -> Result<Option<StatsMode>> {
        self.parsed(key, StatsMode::parse)
    }

    fn number<T: TryFrom<i64>>(&self, key: &str) -> Result<Option<T>> {
        self.parsed(key, |text| {
            let wide = parse_i64(text)?;
            T::try_from(wide).map_err(|_| Error::invalid(format!("{wide} is out of range")))
        })
    }

    fn positive(&self, key: &str) -> Result<Option<u64>> {
        self.parsed(key, |text| {
            let n = parse_i64(text)?;
            let positive = u64::try_from(n).ok().filter(|n| *n > 0);
            positive.ok_or_else(|| Error::invalid(format!("expected more than 0, found {n}")))
        })
    }

    fn map<T: FromStr>(&self, key: &str) -> Result<BTreeMap<i32, T>>
    where
        T::Err: Display,
    {
        let Some(text) = self.options.get(key) else {
            return Ok(BTreeMap::new());
        };
        let wrong = |entry: &str| {
            Error::invalid(format!("expected `level:value,..`, found {entry:?}"))
                .with("option", key)
        };
        text.split(',')
            .filter(|entry| !entry.trim().is_empty())
            .map(|entry| {
                let (level, value) = entry.split_once(':').ok_or_else(|| wrong(entry))?;
                let level = level.trim().parse().map_err(|_| wrong(entry))?;
                let value = value.trim().parse().map_err(|_| wrong(entry))?;
                Ok((level, value))
            })
            .collect()
    }

    fn per_level(&self) -> Result<BTreeMap<i32, Kind>> {
        const STATS: &str = "metadata.stats-mode.per.level";
        let mut levels: BTreeMap<i32, Kind> = BTreeMap::new();
        for (level, format) in self.map::<String>("file.format.per.level")? {
            levels.entry(level).or_default().format = Some(format.to_ascii_lowercase());
        }
        for (level, codec) in self.map::<String>("file.compression.per.level")? {
            levels.entry(level).or_default().compression = Some(codec);
        }
        for (level, mode) in self.map::<String>(STATS)? {
            let mode = StatsMode::parse(&mode).map_err(|e| e.with("option", STATS))?;
            levels.entry(level).or_default().stats = Some(mode);
        }
        Ok(levels)
    }

    fn external_paths(&self) -> Result<Vec<String>> {
        const STRATEGY: &str = "data-file.external-paths.strategy";
        const PATHS: &str = "data-file.external-paths";
        let paths = self.options.get(PATHS).unwrap_or("");
        let strategy = self.text(STRATEGY, "none").to_ascii_lowercase();
        match strategy.as_str() {
            "none" => Ok(Vec::new()),
            "round-robin" => {
                let paths: Vec<String> = paths
                    .split(',')
                    .map(|p| p.trim().trim_end_matches('/').to_string())
                    .filter(|p| !p.is_empty())
                    .collect();
                if paths.is_empty() {
                    return Err(Error::invalid(
                        "external paths are asked for but `data-file.external-paths` names none",
                    )
                    .with("option", STRATEGY));
                }
                if let Some(path) = paths.iter().find(|p| !p.contains(":/")) {
                    return Err(Error::invalid(format!(
                        "external paths are URLs with a scheme, such as file:///x, found {path:?}"
                    ))
                    .with("option", PATHS));
                }
                Ok(paths)
            }
            other => Err(Error::unsupported(format!(
                "external paths with strategy {other:?} are not supported: none and round-robin are"
            ))
            .with("option", STRATEGY)),
        }
    }

    /// Two at least: a merge of one run would free no file.
    fn spill_runs_max(&self) -> Result<usize> {
        const KEY: &str = "local-sort.max-num-file-handles";
        let runs = self.positive(KEY)?.unwrap_or(128);
        match usize::try_from(runs) {
            Ok(1) => Err(Error::invalid("expected at least 2, found 1").with("option", KEY)),
            Ok(runs) => Ok(runs),
            Err(_) => Ok(usize::MAX),
        }
    }

    fn spill_compression(&self) -> Result<SpillCompression> {
        const KEY: &str = "spill-compression";
        let level = self.number("spill-compression.zstd-level")?.unwrap_or(1);
        let Some(name) = self.options.get(KEY).map(str::to_ascii_lowercase) else {
            return Ok(SpillCompression::WhenMuch);
        };
        match name.as_str() {
            "none" => Ok(SpillCompression::None),
            "lz4" => Ok(SpillCompression::Lz4),
            "zstd" => Ok(SpillCompression::Zstd(level)),
            _ => Err(Error::unsupported(format!(
                "spill compression {name:?} is not supported: none, lz4 and zstd are"
            ))
            .with("option", KEY)),
        }
    }

    fn refuse_unsupported(&self) -> Result<()> {
        for key in UNSUPPORTED_SWITCHES {
            if self.bool(key, false)? {
                return Err(refused(key));
            }
        }
        for key in self.options.map().keys() {
            let shredding = key.ends_with(".map.storage-layout")
                && self.options.get(key) == Some("shared-shredding");
            if UNSUPPORTED_KEYS.contains(&key.as_str()) || shredding {
                return Err(refused(key));
            }
        }
        Ok(())
    }
}

fn refused(key: &str) -> Error {
    Error::unsupported(format!("option `{key}` is not supported when writing")).with("option", key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::write::testing::schema;

    fn options(pairs: &[(&str, &str)]) -> Result<WriteOptions> {
        let schema = schema(&["INT NOT NULL", "STRING"], &[], &["c0"], pairs);
        WriteOptions::new(&schema, &CoreOptions::new(&schema)?)
    }

    #[test]
    fn defaults_are_javas() {
        let o = options(&[]).unwrap();
        assert_eq!(o.target_file_size, 128 << 20);
        let file = o.data_file(0);
        assert_eq!(file.encoder.format, "parquet");
        assert_eq!(file.encoder.compression, "zstd");
        assert_eq!(file.extension, ".parquet");
        assert_eq!(file.stats, StatsMode::Truncate(16));
    }

    #[test]
    fn codecs_of_all_files_are_checked() {
        for (pairs, wrong) in [
            (vec![("file.compression", "gzip")], None),
            (vec![("file.compression", "zip")], Some("file.compression")),
            (
                vec![("file.compression", "gzip"), ("file.format", "orc")],
                Some("file.compression"),
            ),
            (
                vec![("file.compression.per.level", "0:snappy,5:zip")],
                Some("file.compression"),
            ),
            (
                vec![
                    ("file.compression", "gzip"),
                    ("changelog-file.format", "avro"),
                    ("avro.codec", "rar"),
                ],
                Some("avro.codec"),
            ),
            (
                vec![("parquet.compression.codec.zstd.level", "99")],
                Some("parquet.compression.codec.zstd.level"),
            ),
        ] {
            let checked = options(&pairs).unwrap().check_compression();
            match wrong {
                None => checked.unwrap(),
                Some(key) => {
                    let error = checked.unwrap_err().to_string();
                    assert!(error.contains(&format!("option = {key}")), "{error}");
                }
            }
        }
    }

    #[test]
    fn levels_and_changelog_have_their_own_formats() {
        let o = options(&[
            ("file.format.per.level", "0:avro,5:orc"),
            ("file.compression.per.level", "0:snappy"),
            ("metadata.stats-mode.per.level", "0:none"),
            ("changelog-file.format", "avro"),
            ("changelog-file.stats-mode", "full"),
            ("file.suffix.include.compression", "true"),
        ])
        .unwrap();
        let level0 = o.data_file(0);
        assert_eq!(level0.extension, ".snappy.avro");
        assert_eq!(level0.stats, StatsMode::None);
        assert_eq!(o.data_file(1).extension, ".zst.parquet");
        assert_eq!(o.data_file(5).encoder.format, "orc");
        let changelog = o.changelog_file();
        assert_eq!(
            (changelog.extension.as_str(), changelog.stats),
            (".zst.avro", StatsMode::Full)
        );
    }

    #[test]
    fn wrong_and_unsupported_options_are_named() {
        for (key, value) in [
            ("file.format.per.level", "avro"),
            ("target-file-size", "big"),
            ("target-file-row-num", "0"),
            ("metadata.stats-mode", "some"),
            ("data-file.external-paths.strategy", "specific-fs"),
            ("data-file.external-paths.strategy", "round-robin"),
            ("variant.shreddingSchema", "{}"),
            ("fields.c1.map.storage-layout", "shared-shredding"),
            ("bucket-function.type", "best"),
            ("spill-compression", "lzo"),
            ("local-sort.max-num-file-handles", "1"),
            ("write-buffer-spillable", "perhaps"),
        ] {
            let error = options(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(key), "{key}: {error}");
        }
        let pairs = [
            ("data-file.external-paths", "/w/e1,file:///w/e2"),
            ("data-file.external-paths.strategy", "round-robin"),
        ];
        let error = options(&pairs).unwrap_err().to_string();
        assert!(error.contains("/w/e1"), "{error}");
    }
}
