//! Paimon types <-> Arrow.

mod evolution;
mod types;

pub use evolution::{EvolutionPlan, array_of};
pub use types::{arrow_field, arrow_schema, arrow_type};
