//! Small files that must appear whole: snapshots, schemas, hints, manifests.

use std::io::{ErrorKind as IoErrorKind, Write};

use bytes::Bytes;
use object_store::{ObjectStoreExt, PutMode, PutOptions};

use super::output::{LocalFile, blocking};
use super::{Durability, FileIo, store_error};
use crate::error::{Error, Result};

/// Answer of [`FileIo::publish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// The file is there now, with these bytes.
    Created,
    /// A file of that name was there already and is unchanged.
    Exists,
}

impl FileIo {
    /// Creates a file with a given content unless its name is taken: of several writers exactly one succeeds.
    ///
    /// On the local file system the bytes are staged as `.NAME.<uuid>.tmp`, synced and hard-linked to their name; other
    /// stores get a conditional put.
    ///
    /// # Errors
    /// `Io` when the store fails. The file may be there all the same: read it back before deciding.
    ///
    /// # Cancel safety
    /// A cancelled call may have created the file.
    pub async fn publish(&self, location: &str, bytes: Bytes) -> Result<Publication> {
        let path = self.path(location)?;
        if let Some(target) = self.local_path(&path) {
            let durability = self.durability;
            return blocking(location, move || {
                if target.symlink_metadata().is_ok() {
                    return Ok(Publication::Exists);
                }
                let mut file = LocalFile::create(target, durability)?;
                file.write_all(&bytes)?;
                match file.link() {
                    Ok(()) => Ok(Publication::Created),
                    Err(e) if e.kind() == IoErrorKind::AlreadyExists => Ok(Publication::Exists),
                    Err(e) => Err(e),
                }
            })
            .await;
        }
        let options = PutOptions::from(PutMode::Create);
        match self.store.put_opts(&path, bytes.into(), options).await {
            Ok(_) => Ok(Publication::Created),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(Publication::Exists),
            Err(object_store::Error::NotImplemented { .. }) => Err(Error::unsupported(
                "the store has no conditional put, which commits need",
            )
            .with("path", location)),
            Err(e) => Err(store_error(e, location)),
        }
    }

    /// Writes a file, replacing one of the same name. Readers see the old or the new content.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn overwrite(&self, location: &str, bytes: Bytes) -> Result<()> {
        self.replace(location, bytes, self.durability).await
    }

    /// As [`Self::overwrite`], but never synced: for hints, which readers do not need.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn overwrite_hint(&self, location: &str, bytes: Bytes) -> Result<()> {
        self.replace(location, bytes, Durability::Cached).await
    }

    async fn replace(&self, location: &str, bytes: Bytes, durability: Durability) -> Result<()> {
        let path = self.path(location)?;
        if let Some(target) = self.local_path(&path) {
            return blocking(location, move || {
                let mut file = LocalFile::create(target, durability)?;
                file.write_all(&bytes)?;
                file.publish()
            })
            .await;
        }
        match self.store.put(&path, bytes.into()).await {
            Ok(_) => Ok(()),
            Err(e) => Err(store_error(e, location)),
        }
    }

    /// Whether a program that is not atomic may replace a file right after [`Self::publish`] created it: Java renames
    /// over existing files on a local disk.
    pub fn published_may_be_replaced(&self) -> bool {
        &*self.prefix == "file://"
    }
}
