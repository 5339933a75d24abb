//! Test support: golden tables and their comparison.

pub mod fault_store;
pub mod folders;
pub mod fuzz;
pub mod golden;
pub mod json_rows;
pub mod mutate;
pub mod schedule;
pub mod sql_warehouse;
mod variant;
