//! The cases: all combinations of what decides how a primary-key table is laid out, and single tables beside them.

use std::path::Path;

use paimon_core::schema::NewTable;
use paimon_core::spec::{TableSchema, TypeKind};
use paimon_core::{Error, Result};
use serde_json::{Value, json};

use crate::case::Case;
use crate::data::{BATCHES, Changes, batches, schema};
use crate::ours;
use crate::rows::Batch;

const ENGINES: &[&str] = &["deduplicate", "partial-update", "aggregation", "first-row"];
const PRODUCERS: &[&str] = &["none", "input", "lookup", "full-compaction"];
const FORMATS: &[&str] = &["parquet", "avro"];
/// Name, option `bucket`, whether the primary key leaves the partition out.
const BUCKETS: &[(&str, &str, bool)] = &[
    ("fixed1", "1", false),
    ("fixed3", "3", false),
    ("dynamic", "-1", false),
    ("postpone", "-2", false),
    ("cross", "-1", true),
];
/// Options of the columns that an aggregation needs. Only sums can be taken back.
const AGGREGATES: &[(&str, &str)] = &[
    ("fields.p.ignore-retract", "true"),
    ("fields.v.aggregate-function", "sum"),
    ("fields.d.aggregate-function", "max"),
    ("fields.d.ignore-retract", "true"),
    ("fields.s.aggregate-function", "last_non_null_value"),
    ("fields.s.ignore-retract", "true"),
    ("fields.t.aggregate-function", "min"),
    ("fields.t.ignore-retract", "true"),
];

type Declared<'a> = Vec<(&'a str, &'a str)>;

fn filters() -> Vec<Value> {
    vec![
        json!(["=", "k", 33]),
        json!([">=", "k", 60]),
        json!(["=", "p", 1]),
        json!(["between", "v", 100, 400]),
        json!(["starts_with", "s", "text 1"]),
        json!(["<", "d", "20000.00"]),
        json!(["is_null", "t"]),
    ]
}

fn case(name: String, schema: TableSchema, changes: Changes, moves: bool) -> Result<Case> {
    let batches = batches(changes, moves)
        .into_iter()
        .map(|rows| Batch::from_json(rows, &schema.fields))
        .collect::<Result<_>>()?;
    let option = |key: &str| schema.options.get(key).map(String::as_str);
    let producer = option("changelog-producer");
    let keyed = schema.has_primary_key();
    let compacted = matches!(producer, Some("lookup" | "full-compaction"))
        || option("merge-engine") == Some("first-row")
        || (keyed && option("deletion-vectors.enabled") == Some("true"))
        || option("bucket") == Some("-2");
    Ok(Case {
        name,
        schema,
        batches,
        compacted,
        deletes: None,
        filters: filters(),
    })
}

/// Every combination of merge engine, changelog producer, bucket mode, file format and partitioning.
pub fn primary_key_tables() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for engine in ENGINES {
        for producer in PRODUCERS {
            for bucket in BUCKETS {
                for format in FORMATS {
                    for partitioned in [false, true] {
                        // a table is cross-partition because it has partitions
                        if bucket.2 <= partitioned {
                            cases.push(combination(
                                engine,
                                producer,
                                *bucket,
                                format,
                                partitioned,
                            )?);
                        }
                    }
                }
            }
        }
    }
    Ok(cases)
}

fn combination(
    engine: &str,
    producer: &str,
    (bucket_name, bucket, cross): (&str, &str, bool),
    format: &str,
    partitioned: bool,
) -> Result<Case> {
    let mut options: Declared<'_> = vec![
        ("merge-engine", engine),
        ("changelog-producer", producer),
        ("bucket", bucket),
        ("file.format", format),
    ];
    let changes = match engine {
        "deduplicate" if cross => Changes::Upserts,
        "deduplicate" => Changes::All,
        "partial-update" => Changes::Partial,
        "aggregation" if cross => Changes::Insertions,
        "aggregation" => Changes::Retractions,
        _ => Changes::Insertions,
    };
    if engine == "aggregation" {
        options.extend(AGGREGATES);
    }
    if bucket == "-1" {
        options.push(("dynamic-bucket.target-row-num", "20"));
    }
    let keys: &[&str] = if partitioned && !cross {
        &["p", "k"]
    } else {
        &["k"]
    };
    let layout = if partitioned { "partitioned" } else { "whole" };
    let name = format!("{engine}-{producer}-{bucket_name}-{format}-{layout}");
    case(name, schema(keys, partitioned, &options), changes, cross)
}

/// Append tables and options that the combinations leave out.
pub fn single_tables() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for format in FORMATS {
        for partitioned in [false, true] {
            for (name, options) in append_options() {
                // Java cannot read row ids of Avro files back, so it does not compact them
                if name == "row-tracking" && *format == "avro" {
                    continue;
                }
                let layout = if partitioned { "partitioned" } else { "whole" };
                let name = format!("append-{name}-{format}-{layout}");
                let mut all = vec![("file.format", *format)];
                all.extend(options);
                let table = schema(&[], partitioned, &all);
                let mut case = case(name, table, Changes::Insertions, false)?;
                if case.schema.options.contains_key("deletion-vectors.enabled") {
                    case.deletes = Some(json!(["between", "k", 20, 40]));
                }
                cases.push(case);
            }
        }
        for (name, changes, options) in keyed_options() {
            let mut all = vec![("file.format", *format), ("bucket", "2")];
            all.extend(options);
            cases.push(case(
                format!("{name}-{format}"),
                schema(&["k"], false, &all),
                changes,
                false,
            )?);
        }
        for (engine, changes) in [
            ("deduplicate", Changes::Upserts),
            ("partial-update", Changes::Partial),
        ] {
            let all = [
                ("file.format", *format),
                ("merge-engine", engine),
                ("bucket", "-1"),
                ("deletion-vectors.enabled", "true"),
            ];
            cases.push(case(
                format!("cross-vectors-{engine}-{format}"),
                schema(&["k"], true, &all),
                changes,
                true,
            )?);
        }
    }
    Ok(cases)
}

fn append_options() -> Vec<(&'static str, Declared<'static>)> {
    vec![
        ("unaware", vec![("compaction.min.file-num", "2")]),
        ("bucketed", vec![("bucket", "3"), ("bucket-key", "k")]),
        ("vectors", vec![("deletion-vectors.enabled", "true")]),
        (
            "vectors-bucketed",
            vec![
                ("deletion-vectors.enabled", "true"),
                ("bucket", "2"),
                ("bucket-key", "k"),
            ],
        ),
        (
            "vectors-wide",
            vec![
                ("deletion-vectors.enabled", "true"),
                ("deletion-vectors.bitmap64", "true"),
            ],
        ),
        ("row-tracking", vec![("row-tracking.enabled", "true")]),
        ("stats-full", vec![("metadata.stats-mode", "full")]),
        ("stats-none", vec![("metadata.stats-mode", "none")]),
        (
            "indexed",
            vec![
                ("file-index.bloom-filter.columns", "k,s"),
                ("file-index.bloom-filter.k.items", "200"),
                ("file-index.bloom-filter.s.items", "200"),
                ("file-index.bitmap.columns", "p,v"),
            ],
        ),
        (
            "small-files",
            vec![
                ("target-file-size", "1 kb"),
                ("manifest.compression", "null"),
            ],
        ),
    ]
}

fn keyed_options() -> Vec<(&'static str, Changes, Declared<'static>)> {
    vec![
        (
            "sequence-field",
            Changes::Insertions,
            vec![("sequence.field", "v")],
        ),
        (
            "sequence-descending",
            // Java sorts the rows of one commit in ascending order all the same
            Changes::Distinct,
            vec![
                ("sequence.field", "v"),
                ("sequence.field.sort-order", "descending"),
            ],
        ),
        (
            "ignore-delete",
            Changes::All,
            vec![("ignore-delete", "true")],
        ),
        (
            "vectors",
            Changes::All,
            vec![("deletion-vectors.enabled", "true")],
        ),
        (
            "vectors-lookup",
            Changes::All,
            vec![
                ("deletion-vectors.enabled", "true"),
                ("changelog-producer", "lookup"),
            ],
        ),
        (
            "sequence-group",
            Changes::Partial,
            vec![
                ("merge-engine", "partial-update"),
                ("fields.v.sequence-group", "d,s"),
                ("fields.d.aggregate-function", "sum"),
            ],
        ),
        (
            "remove-on-delete",
            Changes::All,
            vec![
                ("merge-engine", "partial-update"),
                ("partial-update.remove-record-on-delete", "true"),
            ],
        ),
        (
            "small-files",
            Changes::All,
            vec![("target-file-size", "1 kb")],
        ),
        (
            "thin-values",
            Changes::All,
            vec![("data-file.thin-mode", "true")],
        ),
    ]
}

/// Golden tables with all data types, written again: name in the catalogue, format of the copy.
const TYPES: &[(&str, &str)] = &[
    ("types-parquet", "parquet"),
    ("types-avro", "avro"),
    ("types-variant", "parquet"),
    ("types-pk-key-columns", "parquet"),
    ("types-pk-key-columns", "avro"),
];

fn counts_nanoseconds(kind: &TypeKind) -> bool {
    matches!(kind, TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) if *p > 6)
}

/// Copies of golden tables: every commit holds all their rows.
pub async fn type_tables(catalogue: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (name, format) in TYPES {
        let golden = catalogue.join(name).join("table");
        let source = ours::open(&golden, &[]).await?;
        let mut schema = TableSchema::clone(source.schema());
        // their years before 1677 are out of reach for Arrow's nanoseconds
        schema
            .fields
            .retain(|f| !counts_nanoseconds(&f.data_type.kind));
        schema
            .options
            .insert("file.format".into(), (*format).into());
        let schema = NewTable::like(&schema).into_schema(0)?;
        let names: Vec<&str> = schema.fields.iter().map(|f| f.name.as_str()).collect();
        let read = source.read_builder().with_projection(&names);
        let read = read.with_row_kind().collect().await?;
        let first = read
            .first()
            .ok_or_else(|| Error::invalid("the golden table is empty"))?;
        let batch = Batch::insertions(first, &schema.fields)?;
        let key = schema
            .primary_keys
            .first()
            .or(schema.fields.first().map(|f| &f.name));
        let first_value = &batch.json[0][1];
        let filters = match first_value.is_number() {
            true => vec![json!(["=", key, first_value])],
            false => Vec::new(),
        };
        cases.push(Case {
            name: format!("{name}-as-{format}"),
            schema,
            batches: vec![batch; BATCHES],
            compacted: false,
            deletes: None,
            filters,
        });
    }
    Ok(cases)
}
