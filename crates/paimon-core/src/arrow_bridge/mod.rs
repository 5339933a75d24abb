//! Paimon types <-> Arrow: types, single values, casts.

pub mod cast;
mod datum;
mod from_arrow;
pub(crate) mod interleave;
mod types;

pub use cast::cast_array;
pub use datum::{array_of, datum_at, datum_from_text, datums_to_array};
pub use from_arrow::paimon_type;
pub use types::{arrow_field, arrow_schema, arrow_type};
