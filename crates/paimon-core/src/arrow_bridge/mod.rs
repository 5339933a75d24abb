//! Paimon types <-> Arrow: types, single values, casts, schema evolution by field id.

<<<<<<< HEAD
mod cast;
mod cast_value;
mod datum;
mod evolution;
mod types;

pub use cast::cast_array;
pub use datum::{array_of, datum_at, datums_to_array};
pub use evolution::EvolutionPlan;
=======
pub mod cast;
mod types;

pub use cast::cast_array;
>>>>>>> casts
pub use types::{arrow_field, arrow_schema, arrow_type};
