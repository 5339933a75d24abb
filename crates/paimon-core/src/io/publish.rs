//! Small files that must appear whole: snapshots, schemas, hints, manifests.

use std::io::{ErrorKind as IoErrorKind, Write};

use bytes::Bytes;
use object_store::{ObjectStoreExt, PutMode, PutOptions};

use super::output::{LocalFile, blocking};
use super::{FileIo, store_error};
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
            return blocking(location, move || {
                let mut file = LocalFile::create(target)?;
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
        let path = self.path(location)?;
        if let Some(target) = self.local_path(&path) {
            return blocking(location, move || {
                let mut file = LocalFile::create(target)?;
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
}
