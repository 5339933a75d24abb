//! Where decoded plans find their catalogs.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::TaskContext;
use paimon_catalog::Catalog;
use paimon_core::{Error, ErrorKind};
use paimon_datafusion::{PaimonCatalogProvider, PaimonSession, to_datafusion};

/// The catalogs of the process that runs a plan, by the names that the planning process gave them.
///
/// They bring warehouse, locks and credentials of their own: a plan holds none of these.
pub trait CatalogResolver: Send + Sync {
    /// All catalogs.
    fn catalogs(&self) -> Vec<Arc<dyn Catalog>>;

    /// The catalog of a name.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn catalog(&self, name: &str) -> paimon_core::Result<Arc<dyn Catalog>> {
        let found = self.catalogs().into_iter().find(|c| c.name() == name);
        found.ok_or_else(|| {
            let message = "a plan reads a catalog that this process does not have";
            Error::new(ErrorKind::NotFound, message).with("catalog", name)
        })
    }
}

impl CatalogResolver for PaimonSession {
    fn catalogs(&self) -> Vec<Arc<dyn Catalog>> {
        let context = self.context();
        let names = context.catalog_names().into_iter();
        names
            .filter_map(|name| {
                let provider = context.catalog(&name)?;
                let paimon = provider.downcast_ref::<PaimonCatalogProvider>()?;
                Some(paimon.catalog().clone())
            })
            .collect()
    }
}

impl CatalogResolver for Vec<Arc<dyn Catalog>> {
    fn catalogs(&self) -> Vec<Arc<dyn Catalog>> {
        self.clone()
    }
}

/// The resolver of a codec.
#[derive(Clone)]
pub(crate) struct Catalogs(pub(crate) Arc<dyn CatalogResolver>);

impl Debug for Catalogs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let catalogs = self.0.catalogs();
        let names = catalogs.iter().map(|c| c.name());
        f.debug_list().entries(names).finish()
    }
}

impl Catalogs {
    /// The catalog of a name.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub(crate) fn catalog(&self, name: &str) -> Result<Arc<dyn Catalog>> {
        self.0.catalog(name).map_err(to_datafusion)
    }

    /// A session of its own over all catalogs, with the configuration and the runtime of a task.
    pub(crate) fn session(&self, context: &TaskContext) -> PaimonSession {
        let config = context.session_config().clone();
        let session = PaimonSession::with_runtime(config, context.runtime_env());
        for catalog in self.0.catalogs() {
            session.register_catalog(catalog);
        }
        session
    }
}
