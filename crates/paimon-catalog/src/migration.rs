//! Tables of plain files that become Paimon tables.

use std::collections::BTreeMap;

use crate::identifier::Identifier;

/// A table of Hive that is to become a Paimon table in place: its data files are moved, not copied.
///
/// Java: `org.apache.paimon.migrate.Migrator`.
#[derive(Debug, Clone)]
pub struct Migration {
    /// The table of Hive.
    pub source: Identifier,
    /// An append table that takes the files, made when it is not there. Without one the Paimon table takes the place and the
    /// name of the source.
    pub target: Option<Identifier>,
    /// Whether the source, without files then, is dropped. Needed without a target.
    pub drops_source: bool,
    /// Options of a table that is made.
    pub options: BTreeMap<String, String>,
    /// Files examined or moved at a time.
    pub parallelism: usize,
}
