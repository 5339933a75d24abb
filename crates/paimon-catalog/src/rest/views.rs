//! Views of the service.
//!
//! Java: `RESTCatalog.getView`, `createView`, `alterView`, `RESTApi`.

use paimon_core::{Error, ErrorKind, Result};

use super::RestCatalog;
use super::client::{Failure, Kind};
use crate::identifier::{DEFAULT_DATABASE, Identifier, SYSTEM_DATABASE};
use crate::names::check_component;
use crate::view::{View, ViewChange};

impl RestCatalog {
    pub(super) async fn view_names(&self, database: &str) -> Result<Vec<String>> {
        if database == SYSTEM_DATABASE {
            return Ok(Vec::new());
        }
        check_component("database", database)?;
        match self.api.views(database).await {
            Err(Failure::Missing(..)) if database == DEFAULT_DATABASE => Ok(Vec::new()),
            Err(Failure::Missing(..)) => Err(self.no_database(database)),
            names => names.map_err(|f| Error::from(f).with("catalog", &self.name)),
        }
    }

    pub(super) async fn view(&self, identifier: &Identifier) -> Result<View> {
        identifier.check_plain()?;
        let found = self.api.view(identifier).await;
        let answer = found.map_err(|f| self.view_error(identifier, f))?;
        Ok(answer.into())
    }

    pub(super) async fn new_view(
        &self,
        identifier: &Identifier,
        view: &View,
        ignore: bool,
    ) -> Result<()> {
        identifier.check_plain()?;
        match self.api.create_view(identifier, view).await {
            Err(Failure::Exists(_)) if ignore => Ok(()),
            Err(Failure::Exists(_)) => Err(self.view_taken(identifier)),
            Err(Failure::Missing(..)) => Err(self.no_database(identifier.database())),
            done => done.map_err(|f| self.view_error(identifier, f)),
        }
    }

    pub(super) async fn remove_view(&self, identifier: &Identifier, ignore: bool) -> Result<()> {
        identifier.check_plain()?;
        match self.api.drop_view(identifier).await {
            Err(Failure::Missing(..)) if ignore => Ok(()),
            done => done.map_err(|f| self.view_error(identifier, f)),
        }
    }

    pub(super) async fn move_view(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        from.check_plain()?;
        to.check_plain()?;
        match self.api.rename_view(from, to).await {
            Err(Failure::Exists(_)) => Err(self.view_taken(to)),
            done => done.map_err(|f| self.view_error(from, f)),
        }
    }

    pub(super) async fn change_view(
        &self,
        identifier: &Identifier,
        changes: &[ViewChange],
    ) -> Result<()> {
        identifier.check_plain()?;
        match self.api.alter_view(identifier, changes).await {
            Err(Failure::Exists(error)) => {
                Err(error.with("view", identifier).with("catalog", &self.name))
            }
            Err(Failure::Missing(Kind::Dialect, _)) => Err(Error::new(
                ErrorKind::NotFound,
                "the view has no query in that dialect",
            )
            .with("view", identifier)
            .with("catalog", &self.name)),
            done => done.map_err(|f| self.view_error(identifier, f)),
        }
    }

    fn view_taken(&self, identifier: &Identifier) -> Error {
        Error::invalid("a view or table has that name")
            .with("view", identifier)
            .with("catalog", &self.name)
    }

    fn view_error(&self, identifier: &Identifier, failure: Failure) -> Error {
        match failure {
            Failure::Missing(Kind::Database, _) => self.no_database(identifier.database()),
            Failure::Missing(..) => Error::new(ErrorKind::NotFound, "view does not exist")
                .with("view", identifier)
                .with("catalog", &self.name),
            failure => Error::from(failure)
                .with_default("view", identifier)
                .with("catalog", &self.name),
        }
    }
}
