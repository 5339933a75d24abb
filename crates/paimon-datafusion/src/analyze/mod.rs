//! Analyzer rules.

mod common_types;
mod timestamps;

pub(crate) use common_types::CommonTypes;
pub(crate) use timestamps::TimestampLiterals;
