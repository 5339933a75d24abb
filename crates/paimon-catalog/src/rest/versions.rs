//! Snapshots, rollbacks and branches of a table through the service.
//!
//! Java: `CatalogSnapshotCommit`, `CatalogBranchManager`, `TableRollback`. The service writes the files.

use std::sync::Arc;

use async_trait::async_trait;
use paimon_core::table::{CommitAnswer, SnapshotPublication, VersionManagement};
use paimon_core::{Error, Result};
use serde_json::json;

use super::api::Api;
use super::client::Failure;
use super::messages::CommitTable;
use crate::identifier::{DEFAULT_BRANCH, Identifier};

/// The versions of one table.
#[derive(Debug)]
pub(super) struct RestVersions {
    pub(super) api: Arc<Api>,
    /// The table without a branch.
    pub(super) table: Identifier,
    /// Id by which the service tells the table from another one of the same name.
    pub(super) id: Option<String>,
}

impl RestVersions {
    fn on(&self, branch: &str) -> Result<Identifier> {
        match branch {
            DEFAULT_BRANCH => Ok(self.table.clone()),
            other => {
                let object = format!("{}$branch_{other}", self.table.table());
                Identifier::new(self.table.database(), &object)
            }
        }
    }

    fn error(&self, failure: Failure) -> Error {
        Error::from(failure).with_default("table", &self.table)
    }
}

#[async_trait]
impl VersionManagement for RestVersions {
    async fn commit(&self, publication: SnapshotPublication<'_>) -> CommitAnswer {
        let identifier = match self.on(publication.branch) {
            Ok(identifier) => identifier,
            Err(error) => return CommitAnswer::Refused(error),
        };
        let body = CommitTable {
            table_id: self.id.as_deref(),
            base_snapshot_uuid: publication.base.and_then(|s| s.uuid.as_deref()),
            snapshot: publication.snapshot,
            statistics: publication.statistics.iter().map(Into::into).collect(),
        };
        match self.api.commit(&identifier, &body).await {
            Ok(true) => CommitAnswer::Committed,
            Ok(false) | Err(Failure::Exists(_)) => CommitAnswer::Lost,
            Err(failure @ Failure::Doubtful(_)) => CommitAnswer::Unknown(self.error(failure)),
            Err(failure) => CommitAnswer::Refused(self.error(failure)),
        }
    }

    async fn rollback_to_snapshot(&self, branch: &str, id: i64) -> Result<()> {
        let instant = json!({ "type": "snapshot", "snapshotId": id });
        let done = self.api.rollback(&self.on(branch)?, instant).await;
        done.map_err(|f| self.error(f).with("snapshot_id", id))
    }

    async fn rollback_to_tag(&self, branch: &str, tag: &str) -> Result<()> {
        let instant = json!({ "type": "tag", "tagName": tag });
        let done = self.api.rollback(&self.on(branch)?, instant).await;
        done.map_err(|f| self.error(f).with("tag", tag))
    }

    async fn create_branch(&self, name: &str, tag: Option<&str>) -> Result<()> {
        let done = self.api.create_branch(&self.table, name, tag).await;
        done.map_err(|f| self.error(f).with("branch", name))
    }

    async fn delete_branch(&self, name: &str) -> Result<()> {
        let done = self.api.drop_branch(&self.table, name).await;
        done.map_err(|f| self.error(f).with("branch", name))
    }

    async fn fast_forward(&self, name: &str) -> Result<()> {
        let done = self.api.forward_branch(&self.table, name).await;
        done.map_err(|f| self.error(f).with("branch", name))
    }
}
