//! Integration tests of paimon-core through its public API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod commit;
mod compact;
mod crash_points;
mod fsck;
mod golden;
mod layering;
mod maintenance;
mod mutated;
mod pruning;
mod references;
mod write;
