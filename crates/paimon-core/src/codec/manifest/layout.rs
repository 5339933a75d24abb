//! The fields of manifest lists, manifests and index manifests: one table for reading, writing and the Avro schema.
//!
//! Field by field as Java 2.0.0 writes them.

use std::fmt::Write;

/// A field of a record.
pub(super) struct Field {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub shape: Shape,
    /// Stored as `["null", T]`; may be missing in a file.
    pub optional: bool,
}

/// Type of a field.
pub(super) enum Shape {
    Int,
    Long,
    Timestamp,
    Bytes,
    String,
    Record(&'static [Field]),
    /// Item type and whether items are `["null", T]`.
    Array(&'static Shape, bool),
}

const fn must(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        optional: false,
    }
}

const fn may(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        optional: true,
    }
}

/// `SimpleStats`
pub(super) static STATS: [Field; 3] = [
    must("_MIN_VALUES", Shape::Bytes),
    must("_MAX_VALUES", Shape::Bytes),
    may("_NULL_COUNTS", Shape::Array(&Shape::Long, true)),
];

/// `ManifestFileMeta`
pub(super) static MANIFEST_FILE: [Field; 13] = [
    must("_VERSION", Shape::Int),
    must("_FILE_NAME", Shape::String),
    must("_FILE_SIZE", Shape::Long),
    must("_NUM_ADDED_FILES", Shape::Long),
    must("_NUM_DELETED_FILES", Shape::Long),
    must("_PARTITION_STATS", Shape::Record(&STATS)),
    must("_SCHEMA_ID", Shape::Long),
    may("_MIN_BUCKET", Shape::Int),
    may("_MAX_BUCKET", Shape::Int),
    may("_MIN_LEVEL", Shape::Int),
    may("_MAX_LEVEL", Shape::Int),
    may("_MIN_ROW_ID", Shape::Long),
    may("_MAX_ROW_ID", Shape::Long),
];

/// `ManifestEntry`
pub(super) static ENTRY: [Field; 6] = [
    must("_VERSION", Shape::Int),
    must("_KIND", Shape::Int),
    must("_PARTITION", Shape::Bytes),
    must("_BUCKET", Shape::Int),
    must("_TOTAL_BUCKETS", Shape::Int),
    must("_FILE", Shape::Record(&DATA_FILE)),
];

/// `DataFileMeta`; the last field is read but not written, as in 2.0.0.
pub(super) static DATA_FILE: [Field; 21] = [
    must("_FILE_NAME", Shape::String),
    must("_FILE_SIZE", Shape::Long),
    must("_ROW_COUNT", Shape::Long),
    must("_MIN_KEY", Shape::Bytes),
    must("_MAX_KEY", Shape::Bytes),
    must("_KEY_STATS", Shape::Record(&STATS)),
    must("_VALUE_STATS", Shape::Record(&STATS)),
    must("_MIN_SEQUENCE_NUMBER", Shape::Long),
    must("_MAX_SEQUENCE_NUMBER", Shape::Long),
    must("_SCHEMA_ID", Shape::Long),
    must("_LEVEL", Shape::Int),
    must("_EXTRA_FILES", Shape::Array(&Shape::String, false)),
    may("_CREATION_TIME", Shape::Timestamp),
    may("_DELETE_ROW_COUNT", Shape::Long),
    may("_EMBEDDED_FILE_INDEX", Shape::Bytes),
    may("_FILE_SOURCE", Shape::Int),
    may("_VALUE_STATS_COLS", Shape::Array(&Shape::String, false)),
    may("_EXTERNAL_PATH", Shape::String),
    may("_FIRST_ROW_ID", Shape::Long),
    may("_WRITE_COLS", Shape::Array(&Shape::String, false)),
    may("_WRITE_COLS_SEQUENCES", Shape::Array(&Shape::Long, false)),
];

/// `IndexManifestEntry`
pub(super) static INDEX_ENTRY: [Field; 11] = [
    must("_VERSION", Shape::Int),
    must("_KIND", Shape::Int),
    must("_PARTITION", Shape::Bytes),
    must("_BUCKET", Shape::Int),
    must("_INDEX_TYPE", Shape::String),
    must("_FILE_NAME", Shape::String),
    must("_FILE_SIZE", Shape::Long),
    must("_ROW_COUNT", Shape::Long),
    may(
        "_DELETIONS_VECTORS_RANGES",
        Shape::Array(&Shape::Record(&DV_RANGE), true),
    ),
    may("_EXTERNAL_PATH", Shape::String),
    may("_GLOBAL_INDEX", Shape::Record(&GLOBAL_INDEX)),
];

/// `DeletionVectorMeta`
pub(super) static DV_RANGE: [Field; 4] = [
    must("f0", Shape::String),
    must("f1", Shape::Int),
    must("f2", Shape::Int),
    may("_CARDINALITY", Shape::Long),
];

/// `GlobalIndexMeta`
pub(super) static GLOBAL_INDEX: [Field; 6] = [
    must("_ROW_RANGE_START", Shape::Long),
    must("_ROW_RANGE_END", Shape::Long),
    must("_INDEX_FIELD_ID", Shape::Int),
    may("_EXTRA_FIELD_IDS", Shape::Array(&Shape::Int, false)),
    may("_INDEX_META", Shape::Bytes),
    may("_SOURCE_META", Shape::Bytes),
];

/// Field that is written only when a value needs it.
const ONLY_WHEN_USED: &str = "_WRITE_COLS_SEQUENCES";

/// Avro schema (JSON) of a file of `fields`, with `_WRITE_COLS_SEQUENCES` only if `with_sequences`.
pub(super) fn avro_schema(fields: &[Field], with_sequences: bool) -> String {
    let mut out = String::new();
    let space = ",\"namespace\":\"org.apache.paimon.avro.generated\"";
    write_record(&mut out, fields, "record", space, with_sequences);
    out
}

fn write_record(out: &mut String, fields: &[Field], name: &str, space: &str, sequences: bool) {
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "{{\"type\":\"record\",\"name\":\"{name}\"{space},\"fields\":["
    );
    let stored = fields
        .iter()
        .filter(|f| sequences || f.name != ONLY_WHEN_USED);
    for (i, field) in stored.enumerate() {
        let separator = if i == 0 { "" } else { "," };
        let _ = write!(
            out,
            "{separator}{{\"name\":\"{}\",\"type\":{}",
            field.name,
            if field.optional { "[\"null\"," } else { "" }
        );
        let nested = format!("{name}_{}", field.name);
        write_shape(out, &field.shape, &nested, sequences);
        out.push_str(if field.optional {
            "],\"default\":null}"
        } else {
            "}"
        });
    }
    out.push_str("]}");
}

fn write_shape(out: &mut String, shape: &Shape, name: &str, sequences: bool) {
    match shape {
        Shape::Int => out.push_str("\"int\""),
        Shape::Long => out.push_str("\"long\""),
        Shape::Timestamp => {
            out.push_str("{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}");
        }
        Shape::Bytes => out.push_str("\"bytes\""),
        Shape::String => out.push_str("\"string\""),
        Shape::Record(fields) => write_record(out, fields, name, "", sequences),
        Shape::Array(item, optional) => {
            out.push_str("{\"type\":\"array\",\"items\":");
            out.push_str(if *optional { "[\"null\"," } else { "" });
            write_shape(out, item, name, sequences);
            out.push_str(if *optional { "]}" } else { "}" });
        }
    }
}
