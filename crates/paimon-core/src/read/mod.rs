//! Scan planning, splits and reads.

mod selection;

pub use selection::FileSelection;
