//! Benchmarks of the engine: tables made for them, whole-process comparison with other engines, and helpers shared by
//! the criterion benches.
//!
//! `cargo run --release -p paimon-benchmarks --bin compare -- --small` is the one command; see `src/bin/compare.rs`.

pub mod changes;
pub mod generate;
pub mod measure;
pub mod report;
pub mod sample;
pub mod sqlrun;
pub mod workload;
pub mod writes;

/// Errors of the benchmark tools: shown to the person who runs them, never handled.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Result of the benchmark tools.
pub type Result<T> = std::result::Result<T, Error>;
