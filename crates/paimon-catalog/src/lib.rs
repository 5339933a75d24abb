//! Catalogs of Paimon tables: the [`Catalog`] trait, object names, the catalogs on a filesystem and on a Hive Metastore
//! (feature `hive`, on by default), and a factory by options.
//!
//! Java: `org.apache.paimon.catalog`.

mod catalog;
mod factory;
mod filesystem;
#[cfg(feature = "hive")]
mod hive;
mod identifier;
mod names;
mod sys_tables;

pub use catalog::Catalog;
pub use factory::{create_catalog, create_catalog_on};
pub use filesystem::FileSystemCatalog;
#[cfg(feature = "hive")]
pub use hive::HiveCatalog;
pub use identifier::{DEFAULT_BRANCH, DEFAULT_DATABASE, Identifier, SYSTEM_DATABASE};
pub use names::absolute_location;
pub use paimon_core::options::{is_secret_key, redacted};

// tests that are shared with those of the public interface name the crate
#[cfg(test)]
extern crate self as paimon_catalog;
