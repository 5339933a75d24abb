//! Analyzer rules.

mod timestamps;

pub(crate) use timestamps::TimestampLiterals;
