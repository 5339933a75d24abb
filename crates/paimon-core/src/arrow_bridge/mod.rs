//! Paimon types <-> Arrow.

pub mod cast;
mod types;

pub use cast::cast_array;
pub use types::{arrow_field, arrow_schema, arrow_type};
