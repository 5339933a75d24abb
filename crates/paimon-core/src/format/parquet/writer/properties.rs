//! Writer settings from table options, under the names that parquet-mr gives them.

use indexmap::IndexMap;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, Type as PhysicalType, ZstdLevel};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::{ColumnPath, SchemaDescriptor, TypePtr};

use super::{failed, schema};
use crate::error::{Error, Result};
use crate::format::encoder::EncoderOptions;
use crate::options::{parse_bool, parse_bytes, parse_i64};
use crate::spec::{DataField, SEQUENCE_NUMBER};

/// Options that are understood; a `#column` may follow those that end in `#`.
const KNOWN: &[&str] = &[
    "parquet.block.size",
    "parquet.block.row.count.limit",
    "parquet.page.size",
    "parquet.dictionary.page.size",
    "parquet.page.row.count.limit",
    "parquet.enable.dictionary",
    "parquet.writer.version",
    "parquet.compression",
    "parquet.compression.codec.zstd.level",
    "parquet.statistics.truncate.length",
    "parquet.columnindex.truncate.length",
    "parquet.bloom.filter.enabled",
    "parquet.bloom.filter.fpp",
    "parquet.bloom.filter.expected.ndv",
    // only readers and Java's allocation look at these
    "parquet.page.verify-checksum.enabled",
    "parquet.page.write-checksum.enabled",
    "parquet.memory.pool.ratio",
    "parquet.memory.min.chunk.size",
    "parquet.block.size.row.check.min",
    "parquet.block.size.row.check.max",
    "parquet.page.size.row.check.min",
    "parquet.page.size.row.check.max",
    "parquet.page.size.check.estimate",
    "parquet.filter.columnindex.enabled",
    "parquet.filter.dictionary.enabled",
    "parquet.filter.stats.enabled",
    "parquet.filter.bloom.enabled",
];

/// Settings of a file.
///
/// # Errors
/// `Unsupported` naming an option or codec that cannot be honoured, `InvalidInput` for a malformed value.
pub(super) fn writer_properties(
    fields: &[DataField],
    layout: &TypePtr,
    options: &EncoderOptions,
) -> Result<WriterProperties> {
    schema::check_types(fields)?;
    let map = &options.table;
    refuse_unknown(map)?;
    let descriptor = SchemaDescriptor::new(layout.clone());
    let mut builder = WriterProperties::builder()
        .set_compression(compression(options)?)
        // Java reads the bounds of a footer as exact
        .set_statistics_truncate_length(None);
    builder = sizes(builder, map)?;
    if let Some(enabled) = boolean(map, "parquet.enable.dictionary")? {
        builder = builder.set_dictionary_enabled(enabled);
    }
    // ascending or unique: a dictionary only costs
    builder = builder.set_column_dictionary_enabled(ColumnPath::from(SEQUENCE_NUMBER), false);
    for leaf in descriptor.columns() {
        if leaf.physical_type() == PhysicalType::INT96 {
            builder =
                builder.set_column_statistics_enabled(leaf.path().clone(), EnabledStatistics::None);
        }
        builder = of_column(builder, map, leaf.path())?;
    }
    Ok(builder.build())
}

/// Positions of the columns whose dictionary no option asks for or forbids: their values may decide.
pub(super) fn undecided_dictionaries(fields: &[DataField], options: &EncoderOptions) -> Vec<usize> {
    const KEY: &str = "parquet.enable.dictionary";
    if options.table.contains_key(KEY) {
        return Vec::new();
    }
    let decided = |f: &DataField| options.table.contains_key(&format!("{KEY}#{}", f.name));
    let fields = fields.iter().enumerate();
    fields
        .filter(|(_, f)| !decided(f))
        .map(|(at, _)| at)
        .collect()
}

/// Bytes of a row group: `parquet.block.size`, else `file.block-size`.
///
/// # Errors
/// `InvalidInput` for a malformed size.
pub(super) fn row_group_bytes(options: &EncoderOptions) -> Result<Option<u64>> {
    let own = size(&options.table, "parquet.block.size")?;
    Ok(own.or(options.block_size))
}

/// Rows of a row group: `parquet.block.row.count.limit`; without it, a size in bytes alone decides where one is asked for.
///
/// # Errors
/// `InvalidInput` for a malformed number.
pub(super) fn row_group_rows(options: &EncoderOptions) -> Result<u64> {
    let rows = size(&options.table, "parquet.block.row.count.limit")?.map(|rows| rows.max(1));
    let unlimited = row_group_bytes(options)?.map(|_| u64::MAX);
    Ok(rows.or(unlimited).unwrap_or(super::ROW_GROUP_ROWS))
}

fn refuse_unknown(map: &IndexMap<String, String>) -> Result<()> {
    for key in map.keys().filter(|k| k.starts_with("parquet.")) {
        let plain = key.split('#').next().unwrap_or(key);
        if !KNOWN.contains(&plain) {
            return Err(Error::unsupported(format!(
                "option `{key}` is not supported when writing"
            ))
            .with("option", key));
        }
    }
    Ok(())
}

fn sizes(
    mut builder: WriterPropertiesBuilder,
    map: &IndexMap<String, String>,
) -> Result<WriterPropertiesBuilder> {
    let rows = |key| -> Result<Option<usize>> { Ok(size(map, key)?.map(to_usize)) };
    if let Some(bytes) = rows("parquet.page.size")? {
        builder = builder.set_data_page_size_limit(bytes);
    }
    if let Some(bytes) = rows("parquet.dictionary.page.size")? {
        builder = builder.set_dictionary_page_size_limit(bytes);
    }
    if let Some(rows) = rows("parquet.page.row.count.limit")? {
        builder = builder.set_data_page_row_count_limit(rows);
    }
    if let Some(bytes) = rows("parquet.columnindex.truncate.length")? {
        builder = builder.set_column_index_truncate_length(Some(bytes.max(1)));
    }
    if let Some(version) = map.get("parquet.writer.version") {
        let version = match version.to_ascii_lowercase().as_str() {
            "v1" | "parquet_1_0" => WriterVersion::PARQUET_1_0,
            "v2" | "parquet_2_0" => WriterVersion::PARQUET_2_0,
            other => {
                return Err(
                    Error::invalid(format!("expected v1 or v2, found {other:?}"))
                        .with("option", "parquet.writer.version"),
                );
            }
        };
        builder = builder.set_writer_version(version);
    }
    if boolean(map, "parquet.bloom.filter.enabled")? == Some(true) {
        builder = builder.set_bloom_filter_enabled(true);
    }
    Ok(builder)
}

fn of_column(
    mut builder: WriterPropertiesBuilder,
    map: &IndexMap<String, String>,
    path: &ColumnPath,
) -> Result<WriterPropertiesBuilder> {
    let column = path.string();
    let key = |name: &str| format!("{name}#{column}");
    if let Some(enabled) = boolean(map, &key("parquet.enable.dictionary"))? {
        builder = builder.set_column_dictionary_enabled(path.clone(), enabled);
    }
    let all = boolean(map, "parquet.bloom.filter.enabled")?.unwrap_or(false);
    let own = boolean(map, &key("parquet.bloom.filter.enabled"))?;
    if own.is_none() && !all {
        return Ok(builder);
    }
    builder = builder.set_column_bloom_filter_enabled(path.clone(), own.unwrap_or(all));
    let ndv = key("parquet.bloom.filter.expected.ndv");
    if let Some(ndv) = size(map, &ndv)? {
        builder = builder.set_column_bloom_filter_max_ndv(path.clone(), ndv);
    }
    for name in [
        key("parquet.bloom.filter.fpp"),
        "parquet.bloom.filter.fpp".into(),
    ] {
        if let Some(text) = map.get(&name) {
            let fpp: f64 = text
                .trim()
                .parse()
                .ok()
                .filter(|f| *f > 0.0 && *f < 1.0)
                .ok_or_else(|| {
                    Error::invalid(format!("expected a number between 0 and 1, found {text:?}"))
                        .with("option", &name)
                })?;
            builder = builder.set_column_bloom_filter_fpp(path.clone(), fpp);
            break;
        }
    }
    Ok(builder)
}

pub(super) fn compression(options: &EncoderOptions) -> Result<Compression> {
    let own = options.table.get("parquet.compression");
    let (key, name) = match own {
        Some(name) => ("parquet.compression", name),
        None => ("file.compression", &options.compression),
    };
    Ok(match name.to_ascii_lowercase().as_str() {
        "none" | "uncompressed" => Compression::UNCOMPRESSED,
        "snappy" => Compression::SNAPPY,
        "gzip" => Compression::GZIP(GzipLevel::default()),
        "brotli" => Compression::BROTLI(BrotliLevel::default()),
        "lz4" => Compression::LZ4,
        "lz4_raw" => Compression::LZ4_RAW,
        "zstd" => Compression::ZSTD(zstd_level(options)?),
        _ => {
            return Err(Error::unsupported(format!(
                "Parquet files cannot be compressed with {name:?}: zstd, snappy, lz4, lz4_raw, gzip, brotli and none \
                 are supported"
            ))
            .with("option", key));
        }
    })
}

fn zstd_level(options: &EncoderOptions) -> Result<ZstdLevel> {
    const KEY: &str = "parquet.compression.codec.zstd.level";
    let (key, level) = match options.table.get(KEY) {
        Some(text) => {
            let level = parse_i64(text).map_err(|e| e.with("option", KEY))?;
            (KEY, i32::try_from(level).unwrap_or(i32::MAX))
        }
        None => ("file.compression.zstd-level", options.zstd_level),
    };
    ZstdLevel::try_new(level)
        .map_err(failed)
        .map_err(|e| Error::invalid("zstd level is out of range").with_source(e))
        .map_err(|e| e.with("option", key))
}

fn boolean(map: &IndexMap<String, String>, key: &str) -> Result<Option<bool>> {
    let parse = |v: &String| parse_bool(v).map_err(|e| e.with("option", key));
    map.get(key).map(parse).transpose()
}

fn size(map: &IndexMap<String, String>, key: &str) -> Result<Option<u64>> {
    let parse = |v: &String| parse_bytes(v).map_err(|e| e.with("option", key));
    map.get(key).map(parse).transpose()
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
