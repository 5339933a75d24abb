//! Catalogs of Paimon tables: the [`Catalog`] trait, object names, the catalogs on a filesystem, on a Hive Metastore, in
//! a relational database and behind a REST service (features `hive`, `jdbc` and `rest`, on by default), one that remembers
//! what another one said, and a factory by options.
//!
//! Java: `org.apache.paimon.catalog`.

mod caching;
mod catalog;
mod factory;
mod filesystem;
mod format_table;
mod function;
#[cfg(feature = "hive")]
mod hive;
mod identifier;
#[cfg(feature = "jdbc")]
mod jdbc;
mod migration;
mod names;
#[cfg(any(feature = "hive", feature = "jdbc"))]
mod queues;
#[cfg(feature = "rest")]
mod rest;
mod sys_tables;
#[cfg(any(feature = "hive", feature = "jdbc", feature = "rest"))]
mod tables;
mod view;

pub use caching::CachingCatalog;
pub use catalog::{Catalog, PropertyChanges};
pub use factory::{create_catalog, create_catalog_on};
pub use filesystem::FileSystemCatalog;
pub use format_table::{FileFormat, FormatTable};
pub use function::{Function, FunctionChange, FunctionDefinition, FunctionFile};
#[cfg(feature = "hive")]
pub use hive::HiveCatalog;
pub use identifier::{DEFAULT_BRANCH, DEFAULT_DATABASE, Identifier, SYSTEM_DATABASE};
#[cfg(feature = "jdbc")]
pub use jdbc::JdbcCatalog;
pub use migration::Migration;
pub use names::absolute_location;
pub use paimon_core::options::{is_secret_key, redacted};
#[cfg(feature = "rest")]
pub use rest::RestCatalog;
pub use view::{View, ViewChange};

// tests that are shared with those of the public interface name the crate
#[cfg(test)]
extern crate self as paimon_catalog;
#[cfg(test)]
#[path = "../tests/it/conformance.rs"]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod conformance;
