//! Catalogs of Paimon tables: the [`Catalog`] trait, object names, the filesystem catalog and a factory by options.
//!
//! Java: `org.apache.paimon.catalog`.

mod catalog;
mod factory;
mod filesystem;
mod identifier;
mod names;
mod sys_tables;

pub use catalog::Catalog;
pub use factory::{create_catalog, create_catalog_on};
pub use filesystem::FileSystemCatalog;
pub use identifier::{DEFAULT_BRANCH, DEFAULT_DATABASE, Identifier, SYSTEM_DATABASE};
pub use names::absolute_location;
pub use paimon_core::options::{is_secret_key, redacted};
