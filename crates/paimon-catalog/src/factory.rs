//! Catalogs by options.

use std::collections::BTreeMap;
use std::sync::Arc;

use paimon_core::io::Stores;
use paimon_core::{Error, Result};

use crate::caching::CachingCatalog;
use crate::catalog::Catalog;
use crate::filesystem::FileSystemCatalog;

/// Kinds of catalogs that this program was built with.
const KINDS: &[&str] = &[
    "filesystem",
    #[cfg(feature = "hive")]
    "hive",
    #[cfg(feature = "jdbc")]
    "jdbc",
    #[cfg(feature = "rest")]
    "rest",
];

/// Opens the catalog that the options describe: `metastore` (default `filesystem`) chooses the kind. Its warehouse is a
/// local path or in `memory:`. One that asks a service remembers tables for a while ([`CachingCatalog`]) unless
/// `cache-enabled` is `false`.
///
/// # Errors
/// `Unsupported` for a metastore this engine does not have (named), `InvalidInput` for a missing or malformed option.
pub fn create_catalog(name: &str, options: BTreeMap<String, String>) -> Result<Arc<dyn Catalog>> {
    create_catalog_on(name, options, &Stores::new())
}

/// As [`create_catalog`], for warehouses on any of these stores. The options of the stores are among those of the
/// catalog.
///
/// # Errors
/// As [`create_catalog`], and those of the store.
pub fn create_catalog_on(
    name: &str,
    options: BTreeMap<String, String>,
    stores: &Stores,
) -> Result<Arc<dyn Catalog>> {
    if let Some(kind) = options.get("type")
        && kind != "paimon"
    {
        return Err(Error::unsupported(format!(
            "catalog type {kind:?} is not supported: expected 'paimon'"
        ))
        .with("option", "type")
        .with("catalog", name));
    }
    let metastore = options
        .get("metastore")
        .map_or("filesystem", String::as_str);
    let remote = metastore != "filesystem";
    let catalog: Arc<dyn Catalog> = match metastore {
        "filesystem" => Arc::new(FileSystemCatalog::on(name, options, stores)?),
        #[cfg(feature = "hive")]
        "hive" => Arc::new(crate::hive::HiveCatalog::on(name, options, stores)?),
        #[cfg(feature = "jdbc")]
        "jdbc" => Arc::new(crate::jdbc::JdbcCatalog::on(name, options, stores)?),
        #[cfg(feature = "rest")]
        "rest" => Arc::new(crate::rest::RestCatalog::on(name, options, stores)?),
        other => {
            return Err(Error::unsupported(format!(
                "metastore {other:?} is not supported: expected one of {}",
                KINDS.join(", ")
            ))
            .with("option", "metastore")
            .with("catalog", name));
        }
    };
    CachingCatalog::around(catalog, remote)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn unknown_metastore_is_refused_by_name() {
        let options = BTreeMap::from([
            ("metastore".to_string(), "unheard".to_string()),
            ("warehouse".to_string(), "/wh".to_string()),
        ]);
        let error = create_catalog("c", options).unwrap_err();
        assert!(error.to_string().contains("unheard"), "{error}");
        for kind in KINDS {
            assert!(error.to_string().contains(kind), "{error}");
        }
    }
}
