//! Catalogs through their public interface: one suite for all of them, and what each does on its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;
mod filesystem;
#[cfg(feature = "hive")]
mod hive_faults;
#[cfg(feature = "kerberos")]
mod hive_kerberos;
#[cfg(feature = "hive")]
mod hive_server;
#[cfg(feature = "jdbc")]
mod jdbc;
#[cfg(feature = "rest")]
mod rest;
