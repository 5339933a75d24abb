//! Tables on object stores, through the public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;
mod faults;
#[cfg(feature = "hdfs")]
mod hdfs;
#[cfg(feature = "oss")]
mod oss;
mod requests;
mod server;
mod stores;
