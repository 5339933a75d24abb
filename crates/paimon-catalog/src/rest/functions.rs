//! Functions of the service.
//!
//! Java: `RESTCatalog.getFunction`, `createFunction`, `RESTFunctionValidator`.

use paimon_core::{Error, ErrorKind, Result};

use super::RestCatalog;
use super::client::{Failure, Kind};
use crate::function::{Function, FunctionChange};
use crate::identifier::{DEFAULT_DATABASE, Identifier, SYSTEM_DATABASE};
use crate::names::check_component;

impl RestCatalog {
    pub(super) async fn function_names(&self, database: &str) -> Result<Vec<String>> {
        if database == SYSTEM_DATABASE {
            return Ok(Vec::new());
        }
        check_component("database", database)?;
        match self.api.functions(database).await {
            Err(Failure::Missing(..)) if database == DEFAULT_DATABASE => Ok(Vec::new()),
            Err(Failure::Missing(..)) => Err(self.no_database(database)),
            names => names.map_err(|f| Error::from(f).with("catalog", &self.name)),
        }
    }

    pub(super) async fn function(&self, identifier: &Identifier) -> Result<Function> {
        if !is_function_name(identifier.table()) {
            return Err(self.no_function(identifier));
        }
        let found = self.api.function(identifier).await;
        found.map_err(|f| self.function_error(identifier, f))
    }

    pub(super) async fn new_function(
        &self,
        identifier: &Identifier,
        function: &Function,
        ignore: bool,
    ) -> Result<()> {
        check_function_name(identifier)?;
        match self.api.create_function(identifier, function).await {
            Err(Failure::Exists(_)) if ignore => Ok(()),
            Err(Failure::Exists(_)) => Err(Error::invalid("function exists already")
                .with("function", identifier)
                .with("catalog", &self.name)),
            Err(Failure::Missing(..)) => Err(self.no_database(identifier.database())),
            done => done.map_err(|f| self.function_error(identifier, f)),
        }
    }

    pub(super) async fn remove_function(
        &self,
        identifier: &Identifier,
        ignore: bool,
    ) -> Result<()> {
        check_function_name(identifier)?;
        match self.api.drop_function(identifier).await {
            Err(Failure::Missing(..)) if ignore => Ok(()),
            done => done.map_err(|f| self.function_error(identifier, f)),
        }
    }

    pub(super) async fn change_function(
        &self,
        identifier: &Identifier,
        changes: &[FunctionChange],
    ) -> Result<()> {
        check_function_name(identifier)?;
        match self.api.alter_function(identifier, changes).await {
            Err(Failure::Exists(_)) => Err(Error::invalid("the function has that definition")
                .with("function", identifier)
                .with("catalog", &self.name)),
            Err(Failure::Missing(Kind::Definition, _)) => Err(Error::new(
                ErrorKind::NotFound,
                "the function has no such definition",
            )
            .with("function", identifier)
            .with("catalog", &self.name)),
            done => done.map_err(|f| self.function_error(identifier, f)),
        }
    }

    fn no_function(&self, identifier: &Identifier) -> Error {
        Error::new(ErrorKind::NotFound, "function does not exist")
            .with("function", identifier)
            .with("catalog", &self.name)
    }

    fn function_error(&self, identifier: &Identifier, failure: Failure) -> Error {
        match failure {
            Failure::Missing(Kind::Database, _) => self.no_database(identifier.database()),
            Failure::Missing(..) => self.no_function(identifier),
            failure => Error::from(failure)
                .with_default("function", identifier)
                .with("catalog", &self.name),
        }
    }
}

fn is_function_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.chars().all(fits) && name.chars().any(|c| c.is_ascii_alphabetic())
}

fn check_function_name(identifier: &Identifier) -> Result<()> {
    identifier.check_plain()?;
    match is_function_name(identifier.table()) {
        true => Ok(()),
        false => Err(Error::invalid(
            "the name of a function is made of letters, at least one, digits, '.', '_' and '-'",
        )
        .with("function", identifier)),
    }
}
