//! Black-box tests of the program `paimon` over golden tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod book;
mod catalogs;
#[cfg(feature = "cache")]
mod disk_cache;
mod dump;
mod follow;
mod fsck;
mod golden;
mod kills;
mod output;
mod scripts;
mod statements;
mod support;
mod updates;
mod writes;
