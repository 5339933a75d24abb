//! The catalogs of a session: DataFusion's own list lets none go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use datafusion::catalog::{CatalogProvider, CatalogProviderList};
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use paimon_catalog::Identifier;
use parking_lot::RwLock;

use super::PaimonSession;
use super::files::Files;
use crate::catalog::PaimonCatalogProvider;
use crate::error::to_datafusion;
use crate::parse::FILES_CATALOG;

/// Catalogs by name.
#[derive(Debug, Default)]
pub(super) struct Catalogs {
    by_name: RwLock<BTreeMap<String, Arc<dyn CatalogProvider>>>,
    /// Comments of the catalogs that were made from options; empty for none.
    comments: RwLock<BTreeMap<String, String>>,
    /// The catalog of files, which no list shows.
    files: OnceLock<Arc<Files>>,
}

impl Catalogs {
    /// Serves files as tables, once for a session.
    pub(super) fn set_files(&self, files: Files) {
        let _ = self.files.set(Arc::new(files));
    }

    /// Whether there was one.
    pub(super) fn remove(&self, name: &str) -> bool {
        self.comments.write().remove(name);
        self.by_name.write().remove(name).is_some()
    }

    /// Remembers that a catalog was made from options.
    pub(super) fn made_from_options(&self, name: &str, comment: String) {
        self.comments.write().insert(name.to_string(), comment);
    }
}

impl PaimonSession {
    /// Opens a catalog again with other options, and puts it in the place of the one before. Temporary views and tables
    /// of the session stay. Nothing changes when the options describe no catalog.
    ///
    /// # Errors
    /// As [`paimon_catalog::create_catalog_on`], and when there is no such catalog, or it was not made from options.
    pub fn alter_catalog(
        &self,
        name: &str,
        set: BTreeMap<String, String>,
        reset: &BTreeSet<String>,
    ) -> Result<()> {
        let (before, comment) = self.made_catalog(name)?;
        let before = paimon_provider(name, before.as_ref())?;
        let mut options = before.catalog().options().clone();
        options.retain(|key, _| !reset.contains(key));
        options.extend(set);
        let catalog = paimon_catalog::create_catalog_on(name, options, &self.stores)
            .map_err(to_datafusion)?;
        let provider = PaimonCatalogProvider::new(catalog, self.settings.clone())
            .with_views(self.view_planner())
            .with_session_tables_of(before);
        self.context.register_catalog(name, Arc::new(provider));
        self.catalogs.made_from_options(name, comment);
        Ok(())
    }

    /// Says what a catalog is for, in place of what was said before.
    ///
    /// # Errors
    /// When there is no such catalog, or it was not made from options.
    pub fn comment_on_catalog(&self, name: &str, comment: String) -> Result<()> {
        self.made_catalog(name)?;
        self.catalogs.made_from_options(name, comment);
        Ok(())
    }

    /// Options and comment of a catalog; the options may hold secrets.
    ///
    /// # Errors
    /// When there is no such catalog, or it is not one of Paimon.
    pub(crate) fn described_catalog(
        &self,
        name: &str,
    ) -> Result<(BTreeMap<String, String>, String)> {
        let provider = self.catalog(name)?;
        let options = paimon_provider(name, provider.as_ref())?
            .catalog()
            .options()
            .clone();
        let comment = self.catalogs.comments.read().get(name).cloned();
        Ok((options, comment.unwrap_or_default()))
    }

    /// Makes the catalog of a table forget what it remembers of it.
    ///
    /// # Errors
    /// When there is no such catalog, or the name is none of a table.
    pub(crate) fn forget_table(&self, name: &[Ident]) -> Result<()> {
        let (catalog, database, table) = self.resolve(name)?;
        let provider = self.catalog(&catalog)?;
        if let Some(paimon) = provider.downcast_ref::<PaimonCatalogProvider>() {
            let table = Identifier::new(&database, &table).map_err(to_datafusion)?;
            paimon.catalog().invalidate_table(&table);
        }
        Ok(())
    }

    /// A catalog that was made from options, with its comment.
    fn made_catalog(&self, name: &str) -> Result<(Arc<dyn CatalogProvider>, String)> {
        let provider = self.catalog(name)?;
        match self.catalogs.comments.read().get(name) {
            Some(comment) => Ok((provider, comment.clone())),
            None => Err(DataFusionError::Plan(format!(
                "catalog {name} was not made from options: it cannot be altered"
            ))),
        }
    }
}

fn paimon_provider<'a>(
    name: &str,
    provider: &'a dyn CatalogProvider,
) -> Result<&'a PaimonCatalogProvider> {
    provider
        .downcast_ref::<PaimonCatalogProvider>()
        .ok_or_else(|| {
            DataFusionError::Plan(format!(
                "catalog {name} is not one of Paimon: it has no options"
            ))
        })
}

impl CatalogProviderList for Catalogs {
    fn register_catalog(
        &self,
        name: String,
        catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        self.comments.write().remove(&name);
        self.by_name.write().insert(name, catalog)
    }

    fn catalog_names(&self) -> Vec<String> {
        self.by_name.read().keys().cloned().collect()
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        if name == FILES_CATALOG {
            let files = self.files.get()?;
            return Some(files.clone());
        }
        self.by_name.read().get(name).cloned()
    }
}
