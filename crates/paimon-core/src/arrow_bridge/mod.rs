//! Paimon types <-> Arrow: types, single values, casts, schema evolution by field id.

pub mod cast;
mod datum;
mod evolution;
mod types;

pub use cast::cast_array;
pub use datum::{array_of, datum_at, datums_to_array};
pub use evolution::EvolutionPlan;
pub use types::{arrow_field, arrow_schema, arrow_type};
