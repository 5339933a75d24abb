//! Bytes <-> spec values.

mod json;

pub use json::parse_json;
