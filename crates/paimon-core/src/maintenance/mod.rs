//! Looking after a table: checking its invariants.

pub mod fsck;
