//! Integration tests of paimon-core through its public API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adopt;
mod analyze;
mod auto_tags;
mod commit;
mod compact;
mod copy;
mod crash_points;
mod expiry;
mod file_indexes;
mod fsck;
mod fuzz_corpus;
mod golden;
mod layering;
mod maintenance;
mod mutated;
mod overtaken;
mod pruning;
mod publication;
mod references;
mod rescale;
mod row_changes;
mod schedules;
mod streams;
mod write;
