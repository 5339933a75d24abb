//! Making and removing folders. Object stores have none: there a folder is what its files' names begin with.

use futures::TryStreamExt;

use super::output::blocking;
use super::{FileIo, store_error};
use crate::error::Result;

impl FileIo {
    /// Makes a folder with its parents; does nothing where folders exist by their files alone.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn create_folder(&self, location: &str) -> Result<()> {
        let path = self.path(location)?;
        match self.local_path(&path) {
            Some(path) => blocking(location, move || std::fs::create_dir_all(path)).await,
            None => Ok(()),
        }
    }

    /// Removes a folder with everything in it. Links are removed, not followed. A missing folder is fine.
    ///
    /// # Errors
    /// `Io` when the store fails: part of the folder may be left.
    pub async fn remove_folder(&self, location: &str) -> Result<()> {
        let path = self.path(location)?;
        if let Some(path) = self.local_path(&path) {
            return blocking(location, move || match std::fs::remove_dir_all(path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
                other => other,
            })
            .await;
        }
        let names = self.object_store().list(Some(&path)).map_ok(|o| o.location);
        let removed = self.object_store().delete_stream(Box::pin(names));
        removed
            .try_for_each(|_| std::future::ready(Ok(())))
            .await
            .map_err(|e| store_error(e, location))
    }
}
