//! Buckets that a filter can touch.
//!
//! Source: `BucketSelectConverter`: `=` or `IN` on every bucket-key column, hashed with each entry's own bucket count.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::manifest::BucketFilter;
use crate::options::CoreOptions;
use crate::predicate::{Leaf, Predicate, PredicateOp};
use crate::spec::{BucketFunction, DataField, DataType, Datum, TableSchema};
use crate::table::Table;

/// Most value combinations that are hashed.
const COMBINATIONS_MAX: usize = 1000;

/// The filter over (bucket, total buckets) that `predicate` implies; `None` when it implies nothing.
pub(in crate::read) fn bucket_filter(
    schema: &TableSchema,
    options: &CoreOptions,
    predicate: &Predicate,
) -> Option<BucketFilter> {
    if options.bucket == -1 {
        return None;
    }
    let function =
        BucketFunction::parse(options.get("bucket-function.type").unwrap_or("default")).ok()?;
    let keys = options.bucket_keys(schema);
    if keys.is_empty() {
        return None;
    }
    let fields: Vec<&DataField> = keys
        .iter()
        .map(|k| schema.field(k))
        .collect::<Option<_>>()?;
    let conjuncts = match predicate {
        Predicate::And(parts) => parts.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut combinations: Vec<Vec<(Option<Datum>, DataType)>> = vec![Vec::new()];
    for field in fields {
        let values = conjuncts.iter().find_map(|p| equal_values(p, field))?;
        if combinations.len().checked_mul(values.len())? > COMBINATIONS_MAX {
            return None;
        }
        combinations = combinations
            .into_iter()
            .flat_map(|prefix| {
                values.iter().map(move |v| {
                    let mut row = prefix.clone();
                    row.push((Some(v.clone()), field.data_type.clone()));
                    row
                })
            })
            .collect();
    }
    let by_total: Mutex<Vec<(i32, HashSet<i32>)>> = Mutex::default();
    Some(Arc::new(move |bucket, total| {
        if total <= 0 || bucket < 0 {
            return true;
        }
        let mut known = by_total.lock();
        if let Some((_, wanted)) = known.iter().find(|(t, _)| *t == total) {
            return wanted.contains(&bucket);
        }
        let wanted: Option<HashSet<i32>> = combinations
            .iter()
            .map(|key| function.bucket(key, total).ok())
            .collect();
        let Some(wanted) = wanted else { return true };
        let keep = wanted.contains(&bucket);
        known.push((total, wanted));
        keep
    }))
}

/// Whether all rows of the table were put into their buckets by the types that the bucket key has now: ALTER TABLE may
/// give the bucket key of an append table another type, whose hash is another. Schemas that cannot be read count as other.
pub(super) async fn buckets_are_current(table: &Table) -> bool {
    let schema = table.schema();
    // types of primary keys, which hold the bucket key, never change
    if schema.has_primary_key() {
        return true;
    }
    let keys: Vec<&DataField> = table
        .options()
        .bucket_keys(schema)
        .iter()
        .filter_map(|key| schema.field(key))
        .collect();
    for id in 0..schema.id {
        let Ok(earlier) = table.schemas().schema(id).await else {
            return false;
        };
        let same = |now: &&DataField| {
            let then = earlier.fields.iter().find(|f| f.id == now.id);
            then.is_some_and(|f| f.data_type.kind == now.data_type.kind)
        };
        if !keys.iter().all(same) {
            return false;
        }
    }
    true
}

/// Values that the column must have for the predicate to hold.
fn equal_values(predicate: &Predicate, field: &DataField) -> Option<Vec<Datum>> {
    match predicate {
        Predicate::Leaf(Leaf {
            field_id,
            op: PredicateOp::Eq | PredicateOp::In,
            literals,
            ..
        }) if *field_id == field.id => Some(literals.clone()),
        Predicate::Or(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(equal_values(part, field)?);
            }
            Some(all)
        }
        Predicate::And(parts) => parts.iter().find_map(|p| equal_values(p, field)),
        _ => None,
    }
}
