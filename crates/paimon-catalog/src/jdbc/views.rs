//! Views: rows of `paimon_views`, each with the JSON of a view.
//!
//! Java: `JdbcCatalog.getView`, `createView`, `dropView`, `renameView`, `alterView`. The table is made with the first view.

use paimon_core::{Error, ErrorKind, Result};

use super::JdbcCatalog;
use super::connections::Failure;
use crate::identifier::{Identifier, SYSTEM_DATABASE};
use crate::names::check_component;
use crate::view::{View, ViewChange};

/// So often a change is tried when others change the view meanwhile.
const ATTEMPTS: usize = 10;

impl JdbcCatalog {
    pub(super) async fn view_names(&self, database: &str) -> Result<Vec<String>> {
        if database == SYSTEM_DATABASE {
            return Ok(Vec::new());
        }
        check_component("database", database)?;
        if !self.has_database(database).await? {
            return Err(self.no_database(database));
        }
        let mut names = self.rows.views(database).await?;
        names.sort();
        Ok(names)
    }

    pub(super) async fn view(&self, identifier: &Identifier) -> Result<View> {
        identifier.check_plain()?;
        let json = self.rows.view(identifier).await?;
        let json = json.ok_or_else(|| self.no_view(identifier))?;
        View::of_json(&json).map_err(|e| e.with("view", identifier))
    }

    pub(super) async fn new_view(
        &self,
        identifier: &Identifier,
        view: &View,
        ignore: bool,
    ) -> Result<()> {
        identifier.check_plain()?;
        if !self.has_database(identifier.database()).await? {
            return Err(self.no_database(identifier.database()));
        }
        let json = view.json().map_err(|e| e.with("view", identifier))?;
        self.rows.create_views().await?;
        self.ensure_default_database(identifier.database()).await?;
        let create = async {
            if self.rows.has_view(identifier).await? {
                return match ignore {
                    true => Ok(()),
                    false => Err(self.view_taken("view exists already", identifier)),
                };
            }
            if self.rows.has_table_row(identifier).await? {
                return Err(self.view_taken("a table has that name", identifier));
            }
            let rows = [self.rows.insert_view(identifier, &json)];
            let is_there = async || Ok(self.rows.view(identifier).await?.as_deref() == Some(&json));
            self.changed(identifier, &rows, is_there).await
        };
        let created = self.exclusively(identifier, create).await;
        created.map_err(|e| e.with_default("view", identifier))
    }

    pub(super) async fn remove_view(&self, identifier: &Identifier, ignore: bool) -> Result<()> {
        identifier.check_plain()?;
        let remove = async {
            match (self.rows.has_view(identifier).await?, ignore) {
                (true, _) => {
                    let rows = [self.rows.delete_view(identifier)];
                    let is_gone = async || Ok(!self.rows.has_view(identifier).await?);
                    self.changed(identifier, &rows, is_gone).await
                }
                (false, true) => Ok(()),
                (false, false) => Err(self.no_view(identifier)),
            }
        };
        let removed = self.exclusively(identifier, remove).await;
        removed.map_err(|e| e.with_default("view", identifier))
    }

    pub(super) async fn move_view(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        from.check_plain()?;
        to.check_plain()?;
        if from == to {
            return Err(self.view_taken("the view has that name already", to));
        }
        let rename = async {
            if !self.rows.has_view(from).await? {
                return Err(self.no_view(from));
            }
            if !self.has_database(to.database()).await? {
                return Err(self.no_database(to.database()));
            }
            if self.rows.has_view(to).await? || self.rows.has_table_row(to).await? {
                return Err(self.view_taken("a view or table has that name", to));
            }
            self.ensure_default_database(to.database()).await?;
            let rows = [self.rows.rename_view(from, to)];
            let is_moved =
                async || Ok(self.rows.has_view(to).await? && !self.rows.has_view(from).await?);
            self.changed(from, &rows, is_moved).await
        };
        let renamed = self.both_exclusively(from, to, rename).await;
        renamed.map_err(|e| e.with_default("view", from))
    }

    pub(super) async fn change_view(
        &self,
        identifier: &Identifier,
        changes: &[ViewChange],
    ) -> Result<()> {
        identifier.check_plain()?;
        let alter = async {
            for _ in 0..ATTEMPTS {
                if self.try_change_view(identifier, changes).await? {
                    return Ok(());
                }
            }
            Err(Error::new(
                ErrorKind::CommitConflict,
                format!("others changed the view {ATTEMPTS} times meanwhile"),
            ))
        };
        let altered = self.exclusively(identifier, alter).await;
        altered.map_err(|e| e.with_default("view", identifier))
    }

    /// Whether the view was still as it was read.
    async fn try_change_view(
        &self,
        identifier: &Identifier,
        changes: &[ViewChange],
    ) -> Result<bool> {
        let old = self.rows.view(identifier).await?;
        let old = old.ok_or_else(|| self.no_view(identifier))?;
        let mut view = View::of_json(&old)?;
        for change in changes {
            view.change(change)?;
        }
        let new = view.json()?;
        let rows = [self.rows.update_view(identifier, &old, &new)];
        let failure = match self.rows.change(&rows).await {
            Ok(counts) => return Ok(counts.iter().any(|n| *n > 0)),
            Err(failure) => failure,
        };
        let is_there = async || self.rows.view(identifier).await;
        match failure {
            Failure::Doubtful(_) if is_there().await.is_ok_and(|v| v == Some(new)) => Ok(true),
            failure => Err(failure.into()),
        }
    }

    fn no_view(&self, identifier: &Identifier) -> Error {
        Error::new(ErrorKind::NotFound, "view does not exist")
            .with("view", identifier)
            .with("catalog", &self.name)
    }

    fn view_taken(&self, text: &str, identifier: &Identifier) -> Error {
        Error::invalid(text)
            .with("view", identifier)
            .with("catalog", &self.name)
    }
}
