//! Small files that must appear whole: snapshots, schemas, hints, manifests.

use std::io::{ErrorKind as IoErrorKind, Write};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use uuid::Uuid;

use super::output::{LocalFile, blocking};
use super::{CommitPrimitive, Durability, FileIo, store_error};
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
    /// stores publish by their [`CommitPrimitive`]. After a failure the file is read back: an answer that was lost does not
    /// matter as long as the store can be read.
    ///
    /// # Errors
    /// `Io` when the store fails. The file may be there all the same: read it back before deciding. `Unsupported` when
    /// the store has no means to do this.
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
        match self.opened.commit {
            CommitPrimitive::ConditionalPut => self.put_absent(location, &path, bytes).await,
            CommitPrimitive::UnprovenPut => {
                let prove = || self.prove(location);
                self.proof.get_or_try_init(prove).await?;
                self.put_absent(location, &path, bytes).await
            }
            CommitPrimitive::Rename => self.rename_absent(location, &path, bytes).await,
            CommitPrimitive::Missing => Err(no_primitive(location)),
        }
    }

    /// A put that fails when the name is taken.
    async fn put_absent(&self, location: &str, path: &Path, bytes: Bytes) -> Result<Publication> {
        let options = PutOptions::from(PutMode::Create);
        let put = self
            .opened
            .store
            .put_opts(path, bytes.clone().into(), options);
        match put.await {
            Ok(_) => Ok(Publication::Created),
            Err(error) => self.settled(location, path, &bytes, error).await,
        }
    }

    /// The staged file gets its name by a rename that fails when the name is taken.
    async fn rename_absent(
        &self,
        location: &str,
        path: &Path,
        bytes: Bytes,
    ) -> Result<Publication> {
        let store = &self.opened.store;
        let stage = self.path(&stage_beside(location))?;
        store
            .put(&stage, bytes.clone().into())
            .await
            .map_err(|e| store_error(e, location))?;
        match store.rename_if_not_exists(&stage, path).await {
            Ok(()) => Ok(Publication::Created),
            Err(error) => {
                let settled = self.settled(location, path, &bytes, error).await;
                // best effort: orphan cleaning removes what is left
                let _ = store.delete(&stage).await;
                settled
            }
        }
    }

    /// Decides by what is there when the answer does not tell. The request is not sent again: the name may have been
    /// taken and freed since.
    async fn settled(
        &self,
        location: &str,
        path: &Path,
        bytes: &Bytes,
        error: object_store::Error,
    ) -> Result<Publication> {
        if is_taken(&error) {
            return Ok(Publication::Exists);
        }
        if matches!(error, object_store::Error::NotImplemented { .. }) {
            return Err(no_primitive(location));
        }
        match self.holds(path, bytes).await {
            Some(true) => Ok(Publication::Created),
            Some(false) => Ok(Publication::Exists),
            None => Err(store_error(error, location)),
        }
    }

    /// Whether a file has this content; `None` when there is none, or it cannot be read.
    async fn holds(&self, path: &Path, bytes: &Bytes) -> Option<bool> {
        let found = self.opened.store.get(path).await.ok()?;
        if u64::try_from(bytes.len()).is_ok_and(|len| len != found.meta.size) {
            return Some(false);
        }
        Some(found.bytes().await.ok()? == *bytes)
    }

    /// Creates a scratch file twice: the second time must fail.
    async fn prove(&self, location: &str) -> Result<()> {
        let scratch = stage_beside(location);
        let path = self.path(&scratch)?;
        let first = self.put_absent(&scratch, &path, Bytes::from_static(b"1"));
        first.await?;
        let second = self.put_absent(&scratch, &path, Bytes::from_static(b"2"));
        let second = second.await;
        if let Err(error) = self.opened.store.delete(&path).await {
            tracing::warn!(%path, %error, "could not remove a scratch file");
        }
        match second? {
            Publication::Exists => Ok(()),
            Publication::Created => Err(Error::unsupported(
                "the store ignores the condition of a put (`If-None-Match: *`, on OSS `x-oss-forbid-overwrite`, which \
                 buckets with versions ignore): commits of several writers would replace each other, so that nothing \
                 is written to it",
            )
            .with("store", self.prefix())),
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
        match self.opened.store.put(&path, bytes.into()).await {
            Ok(_) => Ok(()),
            Err(e) => Err(store_error(e, location)),
        }
    }

    /// Whether a program that is not atomic may replace a file right after [`Self::publish`] created it: Java renames
    /// over existing files on a local disk and on object stores.
    pub fn published_may_be_replaced(&self) -> bool {
        &*self.prefix == "file://" || self.opened.replaced_by_others
    }
}

fn is_taken(error: &object_store::Error) -> bool {
    matches!(
        error,
        object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }
    )
}

fn no_primitive(location: &str) -> Error {
    Error::unsupported(
        "the store cannot create a file only if its name is free, which commits without a catalog lock need",
    )
    .with("path", location)
}

/// A name in the same folder that no reader looks at and nobody else uses.
#[allow(
    clippy::disallowed_methods,
    reason = "the name of a stage is never seen again"
)]
fn stage_beside(location: &str) -> String {
    let (folder, name) = location.rsplit_once('/').unwrap_or(("", location));
    format!("{folder}/.{name}.{}.tmp", Uuid::new_v4())
}
