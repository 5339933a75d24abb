//! Integration tests of paimon-core through its public API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod golden;
mod mutated;
mod write;
