//! What a case is and how it may end.

use paimon_core::spec::TableSchema;
use serde_json::Value;

use crate::rows::Batch;

/// A table and what happens to it.
pub struct Case {
    /// Unique, also the name of its folder.
    pub name: String,
    /// The declared table.
    pub schema: TableSchema,
    /// Rows of the commits: three of ours, one of Java, one of ours.
    pub batches: Vec<Batch>,
    /// Rows become visible only when they are compacted, or the changelog depends on when they are: every commit is
    /// followed by a full compaction.
    pub compacted: bool,
    /// Append tables with deletion vectors: what Java deletes.
    pub deletes: Option<Value>,
    /// Filters `[op, column, literals..]` that Java's planner is given.
    pub filters: Vec<Value>,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything agreed.
    Ok,
    /// Everything that this engine did agreed, but it refused something by name.
    Refused(Vec<String>),
    /// Everything agreed but what is known to differ.
    Differs(Vec<String>),
    /// Java does not allow such a table.
    Skipped(String),
    /// A difference, or an error that is no refusal.
    Failed(String),
}
