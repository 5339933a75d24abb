//! From SQL text to DataFusion's statements, with Paimon's additions: options hints and time travel.
//!
//! DataFusion drops time-travel clauses and the tokenizer drops comments, so both are taken out of the token stream
//! before parsing and attached to the table's name; see [`relation`]. What cannot be attached is an error.

mod cursor;
mod defaults;
mod files;
mod functions;
mod hint;
mod local_zone;
mod marked;
mod metadata;
mod numbers;
mod positions;
mod redact;
mod relation;
mod split;
mod timestamps;
mod with_insert;

pub(crate) use cursor::{Cursor, given_once};
pub(crate) use defaults::{default_value, is_default, query_with_defaults};
pub(crate) use files::{FILES_CATALOG, FILES_SCHEMA};
pub(crate) use hint::hints_in;
pub(crate) use marked::{RelationClause, TravelTo, parse_marked, tokenize};
pub(crate) use metadata::{METADATA_OPTION, with_metadata_columns};
pub(crate) use positions::with_distinct_names;
pub use redact::redact_sql;
pub(crate) use redact::redact_text;
pub(crate) use relation::{attach_options, plain_and_options};
pub use split::{is_complete, split_statements};
pub(crate) use with_insert::with_before_query;
