//! The catalogs of a session: DataFusion's own list lets none go.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, CatalogProviderList};
use parking_lot::RwLock;

/// Catalogs by name.
#[derive(Debug, Default)]
pub(super) struct Catalogs {
    by_name: RwLock<BTreeMap<String, Arc<dyn CatalogProvider>>>,
}

impl Catalogs {
    /// Whether there was one.
    pub(super) fn remove(&self, name: &str) -> bool {
        self.by_name.write().remove(name).is_some()
    }
}

impl CatalogProviderList for Catalogs {
    fn register_catalog(
        &self,
        name: String,
        catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        self.by_name.write().insert(name, catalog)
    }

    fn catalog_names(&self) -> Vec<String> {
        self.by_name.read().keys().cloned().collect()
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        self.by_name.read().get(name).cloned()
    }
}
