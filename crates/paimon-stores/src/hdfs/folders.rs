//! Folders: made, removed and renamed by one request each.

use object_store::path::Path;
use object_store::{Error, Result};
use paimon_core::io::Folders;

use super::calls::{Calls, absolute, generic};

#[derive(Debug)]
pub(super) struct HdfsFolders {
    calls: Calls,
    /// Permissions of new folders.
    mode: u32,
}

impl HdfsFolders {
    pub(super) fn new(calls: Calls, mode: u32) -> Self {
        Self { calls, mode }
    }

    async fn exists(&self, path: &str) -> Result<bool> {
        let status = || self.calls.client().get_file_info(path);
        match self.calls.repeat("look up", path, status).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[async_trait::async_trait]
impl Folders for HdfsFolders {
    async fn create(&self, path: &Path) -> Result<()> {
        let path = absolute(path);
        let make = || self.calls.client().mkdirs(&path, self.mode, true);
        self.calls.repeat("make folder", &path, make).await
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        let path = absolute(path);
        let remove = || self.calls.client().delete(&path, true);
        match self.calls.repeat("remove folder", &path, remove).await {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let (from, to) = (absolute(from), absolute(to));
        // a rename into a folder that is there would move below it in other calls of HDFS; this one refuses
        let rename = self.calls.client().rename(&from, &to, false);
        let Err(failure) = self.calls.once(rename).await else {
            return Ok(());
        };
        if failure.is_taken() {
            return Err(failure.at("rename folder to", &to));
        }
        // the answer may be lost, or that of a second request after a first that was heard
        match (self.exists(&from).await, self.exists(&to).await) {
            (Ok(false), Ok(true)) => Ok(()),
            (Ok(_), Ok(_)) => Err(failure.at("rename folder", &from)),
            _ => Err(generic(format!(
                "rename folder {from} to {to}: {failure}; it may have taken effect"
            ))),
        }
    }
}
