//! Pure values of the format: types, schema, snapshot, manifest entry, data-file meta, binary row, hashes.
//!
//! No I/O, no async, no clock.

mod binary_row;
mod bucket;
mod commit_message;
mod data_type;
mod datum;
mod datum_text;
mod hash;
mod manifest;
mod partition_path;
mod schema;
mod snapshot;
mod stats;
mod system_fields;
mod type_json;
mod type_parser;

pub use binary_row::*;
pub use bucket::*;
pub use commit_message::*;
pub use data_type::*;
pub use datum::*;
pub(crate) use datum_text::java_float;
pub use datum_text::{datum_to_legacy_text, datum_to_text};
pub use hash::*;
pub use manifest::*;
pub use partition_path::*;
pub use schema::*;
pub use snapshot::*;
pub use stats::*;
pub use system_fields::*;
pub use type_parser::parse_data_type;
