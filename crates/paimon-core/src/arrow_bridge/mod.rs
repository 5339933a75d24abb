//! Paimon types <-> Arrow: types, single values, casts.

pub mod cast;
mod datum;
mod decimals;
mod from_arrow;
pub(crate) mod interleave;
mod types;
pub mod zone;

pub use cast::cast_array;
pub use datum::{array_of, datum_at, datum_from_text, datums_to_array};
pub(crate) use decimals::{check_decimals, declared_max};
pub use from_arrow::paimon_type;
pub use types::{arrow_field, arrow_schema, arrow_type};
