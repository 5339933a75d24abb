//! The rules of a section's merge.

use crate::options::MergeEngine;
use crate::predicate::Predicate;
use crate::spec::DataField;
use crate::table::Table;

/// What becomes of rows that share a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The last one stays.
    Latest,
    /// The first one stays.
    First,
    /// They are folded by a merge function.
    Fold,
}

/// The rules of a section's merge.
#[derive(Debug, Clone)]
pub struct MergeRules {
    /// What becomes of rows that share a key.
    pub resolution: Resolution,
    /// Whether -U and -D rows stay in the result.
    pub keep_deletes: bool,
    /// A filter over key columns alone: rows that do not match it take no part. It is the same for all rows of a key,
    /// so it never changes what becomes of the others.
    pub key_filter: Predicate,
    pub(in crate::read) key_fields: Vec<DataField>,
    pub(in crate::read) sequence_fields: Vec<DataField>,
    pub(in crate::read) sequence_descending: bool,
    pub(in crate::read) snapshot_ordering: bool,
    pub(in crate::read) lookup: bool,
    pub(in crate::read) ignore_delete: bool,
}

impl MergeRules {
    /// The rules of a primary-key table.
    pub fn of(table: &Table) -> Self {
        let options = table.options();
        let schema = table.schema();
        let resolution = match options.merge_engine {
            MergeEngine::Deduplicate => Resolution::Latest,
            MergeEngine::FirstRow => Resolution::First,
            MergeEngine::PartialUpdate | MergeEngine::Aggregation => Resolution::Fold,
        };
        Self {
            resolution,
            keep_deletes: false,
            key_filter: Predicate::AlwaysTrue,
            key_fields: schema.key_fields(),
            sequence_fields: schema.select(&options.sequence_fields),
            sequence_descending: options.sequence_descending,
            snapshot_ordering: options.snapshot_ordering,
            lookup: options.need_lookup() && resolution != Resolution::First,
            ignore_delete: options.ignore_delete,
        }
    }
}
