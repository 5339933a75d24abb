//! Paimon types <-> Arrow.

mod types;

pub use types::{arrow_field, arrow_schema, arrow_type};
