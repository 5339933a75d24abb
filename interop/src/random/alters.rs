//! Random changes of a schema.

use paimon_core::spec::{DataField, DataType, MAX_LENGTH, TableSchema, TypeKind};
use serde_json::{Value, json};

use super::filters::quoted;
use super::history::{Engine, History, TABLE};
use super::kinds::fit_for_avro;
use super::sql;
use super::types::any_kind;
use crate::numbers::Numbers;
use crate::ours;
use crate::play::Stop;

/// A change for Java, and the statement that makes it here.
struct Change {
    json: Value,
    sql: String,
}

/// One change that Java allows, by either engine; others change nothing.
pub async fn step(history: &mut History<'_>) -> Result<(), Stop> {
    let schema = history.schema().await?;
    let fresh = format!("n{}", history.log.len());
    let Some(change) = change(&mut history.numbers, &schema, &fresh)? else {
        return Ok(());
    };
    let request = json!({"changes": [change.json]});
    let allowed = history
        .java
        .ask("alter", &history.shape, request.clone())
        .await;
    if let Err(why) = allowed {
        history
            .log
            .push(format!("Java allows no {}: {why}", change.sql));
        return Ok(());
    }
    let engine = history.engine();
    history.log.push(format!("{engine:?} {}", change.sql));
    if let Some(twin) = &history.twin {
        history.ask("alter", twin, request.clone()).await?;
    }
    match engine {
        Engine::Java => history
            .ask("alter", &history.table, request)
            .await
            .map(drop)?,
        Engine::Ours => match sql::run(&history.session, &change.sql).await {
            Err(Stop::Refused(why)) => {
                history.refused.push(why);
                history.ask("alter", &history.table, request).await?;
            }
            other => other.map(drop)?,
        },
    }
    same_columns(history).await
}

/// The table has the columns of its shape, field ids and all.
async fn same_columns(history: &History<'_>) -> Result<(), Stop> {
    let here = history.schema().await?;
    let shape = ours::open(&history.shape, &[])
        .await
        .map_err(|e| Stop::ours("the altered shape", &e))?;
    let java = shape.schema();
    match here.fields == java.fields
        && here.highest_field_id == java.highest_field_id
        && here.options == java.options
    {
        true => Ok(()),
        false => Err(Stop::Wrong(format!(
            "altered to {here:?}, by Java to {java:?}"
        ))),
    }
}

fn change(
    numbers: &mut Numbers,
    schema: &TableSchema,
    fresh: &str,
) -> Result<Option<Change>, Stop> {
    let keys = |f: &&DataField| {
        schema.primary_keys.contains(&f.name) || schema.partition_keys.contains(&f.name)
    };
    let values: Vec<&DataField> = schema.fields.iter().filter(|f| !keys(f)).collect();
    // an index option that names a column which is gone: 1.4.2 allows it, 2.0.0 then refuses the table, as this engine
    // does; a renamed column with options of its own: Java cannot read the files or the snapshots that are there
    let indexed = |f: &&DataField| {
        let mut options = schema.options.iter();
        let of_column = format!("fields.{}.", f.name);
        options.any(|(k, v)| {
            let lists = k.starts_with("file-index.")
                || k.ends_with(".sequence-group")
                || matches!(k.as_str(), "bucket-key" | "sequence.field");
            k.starts_with(&of_column) || (lists && v.split(',').any(|column| column == f.name))
        })
    };
    let values: Vec<&DataField> = values.into_iter().filter(|f| !indexed(f)).collect();
    if values.is_empty() {
        return Ok(None);
    }
    let field = *numbers.pick(&values);
    let name = quoted(&field.name);
    if numbers.one_in(4) {
        return Ok(Some(option(numbers, schema)));
    }
    Ok(Some(match numbers.below(8) {
        0 | 1 => {
            let mut next_id = 0;
            let depth = u32::from(numbers.one_in(2));
            let kind = any_kind(numbers, depth, &mut next_id);
            let avro = schema.options.values().any(|v| v.contains("avro"));
            let kind = if avro { fit_for_avro(&kind) } else { kind };
            let data_type = DataType::nullable(kind);
            let (mut json, place) = (
                vec![json!("add"), json!(fresh), type_json(&data_type)?],
                place(numbers, schema, fresh),
            );
            json.extend(place.iter().map(|p| json!(p)));
            Change {
                json: Value::Array(json),
                sql: format!(
                    "ALTER TABLE {TABLE} ADD COLUMN {fresh} {data_type}{}",
                    place_sql(place.as_deref())
                ),
            }
        }
        2 => Change {
            json: json!(["drop", field.name]),
            sql: format!("ALTER TABLE {TABLE} DROP COLUMN {name}"),
        },
        3 | 4 => Change {
            json: json!(["rename", field.name, fresh]),
            sql: format!("ALTER TABLE {TABLE} RENAME COLUMN {name} TO {fresh}"),
        },
        5 | 6 => {
            let Some(kind) = wider(numbers, &field.data_type.kind) else {
                return Ok(None);
            };
            let data_type = DataType {
                kind,
                nullable: field.data_type.nullable,
            };
            let plain = data_type.with_nullable(true);
            Change {
                json: json!(["type", field.name, type_json(&data_type)?]),
                sql: format!("ALTER TABLE {TABLE} ALTER COLUMN {name} TYPE {plain}"),
            }
        }
        _ => {
            let place = place(numbers, schema, &field.name).unwrap_or_default();
            Change {
                json: json!(["move", field.name, place]),
                sql: format!(
                    "ALTER TABLE {TABLE} ALTER COLUMN {name}{}",
                    place_sql(Some(&place))
                ),
            }
        }
    }))
}

/// Another value of an option that may change; no format that the table's values are not made for.
fn option(numbers: &mut Numbers, schema: &TableSchema) -> Change {
    let uses = |format: &str| schema.options.values().any(|v| v.contains(format));
    // compressions that not every format has
    let bound = ["gzip", "lz4", "none"].into_iter().any(uses);
    let formats = ["avro", "orc", "parquet"]
        .into_iter()
        .filter(|f| uses(f) && !bound)
        .collect::<Vec<_>>();
    let formats = if formats.is_empty() {
        vec![schema.options["file.format"].as_str()]
    } else {
        formats
    };
    let choices: &[(&str, &[&str])] = &[
        ("file.format", &formats),
        ("file.format", &formats),
        (
            "metadata.stats-mode",
            &["none", "counts", "full", "truncate(2)"],
        ),
        ("file.compression", &["zstd", "snappy"]),
        ("target-file-size", &["1 kb", "128 mb"]),
        ("metadata.stats-dense-store", &["true", "false"]),
        ("num-sorted-run.compaction-trigger", &["2", "5"]),
    ];
    let (key, values) = numbers.pick(choices);
    let value = numbers.pick(values);
    Change {
        json: json!(["set", key, value]),
        sql: format!("ALTER TABLE {TABLE} SET ('{key}' = '{value}')"),
    }
}

/// The column before, "" for the first place, nothing for the last.
fn place(numbers: &mut Numbers, schema: &TableSchema, column: &str) -> Option<String> {
    let others: Vec<&DataField> = schema.fields.iter().filter(|f| f.name != column).collect();
    match numbers.below(3) {
        0 => None,
        1 => Some(String::new()),
        _ => others.first().map(|_| numbers.pick(&others).name.clone()),
    }
}

fn place_sql(place: Option<&str>) -> String {
    match place {
        None => String::new(),
        Some("") => " FIRST".to_string(),
        Some(column) => format!(" AFTER {}", quoted(column)),
    }
}

fn type_json(data_type: &DataType) -> Result<Value, Stop> {
    let field = DataField::new(0, "f", data_type.clone());
    let json = serde_json::to_value(&field).map_err(|e| Stop::Wrong(e.to_string()))?;
    Ok(json["type"].clone())
}

/// A type that values of this one are cast to.
fn wider(numbers: &mut Numbers, kind: &TypeKind) -> Option<TypeKind> {
    let string = TypeKind::VarChar(MAX_LENGTH);
    let to: Vec<TypeKind> = match kind {
        TypeKind::TinyInt => vec![TypeKind::SmallInt, TypeKind::Int, TypeKind::BigInt],
        TypeKind::SmallInt => vec![TypeKind::Int, TypeKind::BigInt, TypeKind::Double],
        TypeKind::Int => vec![
            TypeKind::BigInt,
            TypeKind::Decimal {
                precision: 20,
                scale: 2,
            },
            string,
        ],
        TypeKind::BigInt => vec![
            TypeKind::Decimal {
                precision: 38,
                scale: 0,
            },
            string,
        ],
        TypeKind::Float => vec![TypeKind::Double],
        TypeKind::Decimal { precision, scale } if *precision < 36 => vec![
            TypeKind::Decimal {
                precision: precision + 2,
                scale: *scale,
            },
            TypeKind::Decimal {
                precision: precision + 2,
                scale: scale + 1,
            },
        ],
        TypeKind::Char(_) | TypeKind::VarChar(_) => vec![TypeKind::VarChar(200), string],
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => vec![TypeKind::VarBinary(MAX_LENGTH)],
        TypeKind::Date => vec![TypeKind::Timestamp(3), string],
        TypeKind::Timestamp(3) => vec![TypeKind::Timestamp(6)],
        TypeKind::Boolean => vec![TypeKind::Int, string],
        _ => return None,
    };
    Some(numbers.pick(&to).clone())
}
