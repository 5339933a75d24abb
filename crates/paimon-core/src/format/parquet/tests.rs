//! Reads of generated files against plain Rust answers.
