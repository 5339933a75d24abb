//! Folders as a whole: databases and tables that come, go and are renamed.

use std::io::ErrorKind as IoErrorKind;
use std::path::Path as FsPath;

use bytes::Bytes;
use futures::StreamExt;
use object_store::ObjectStore;
use object_store::path::Path;

use super::output::{blocking, create_folders};
use super::{FileIo, store_error};
use crate::error::{Error, ErrorKind, Result};

/// Object that keeps an empty folder in sight on stores that have no folders.
const MARKER: &str = ".folder";

impl FileIo {
    /// Makes a folder with its parents. One that is there already is fine.
    ///
    /// On stores without folders an empty object `.folder` in it stands for the folder.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn create_folder(&self, location: &str) -> Result<()> {
        let path = self.path(location)?;
        if let Some(folders) = &self.opened.folders {
            let created = folders.create(&path).await;
            return created.map_err(|e| store_error(e, location));
        }
        match self.local_path(&path) {
            Some(target) => {
                blocking(location, move || {
                    create_folders(&target)?
                        .iter()
                        .try_for_each(|folder| sync(folder))
                })
                .await
            }
            None => {
                let marker = format!("{location}/{MARKER}");
                self.publish(&marker, Bytes::new()).await.map(|_| ())
            }
        }
    }

    /// Removes a folder with everything below it. A missing folder is fine. On stores without folders the empty objects
    /// `folder/` that stand for folders in other engines go too.
    ///
    /// # Errors
    /// `Io` when the store fails: some of the files may be gone then.
    ///
    /// # Cancel safety
    /// A cancelled call has removed some of the files; call it again.
    pub async fn remove_folder(&self, location: &str) -> Result<()> {
        let path = self.path(location)?;
        if let Some(target) = self.local_path(&path) {
            return blocking(location, move || {
                match std::fs::remove_dir_all(&target) {
                    Err(e) if e.kind() != IoErrorKind::NotFound => return Err(e),
                    _ => {}
                }
                match target.parent().filter(|p| p.exists()) {
                    Some(parent) => sync(parent),
                    None => Ok(()),
                }
            })
            .await;
        }
        if let Some(folders) = &self.opened.folders {
            let removed = folders.remove(&path).await;
            return removed.map_err(|e| store_error(e, location));
        }
        let mut paths = Vec::new();
        for (relative, file) in self.list_recursive(location).await? {
            let path = self.path(&format!("{location}/{relative}"))?;
            if file.size == 0 {
                paths.push(path.clone().join(""));
            }
            paths.push(path);
        }
        paths.push(path.clone().join(""));
        let paths = futures::stream::iter(paths.into_iter().map(Ok)).boxed();
        let mut removed = self.opened.store.delete_stream(paths);
        while let Some(answer) = removed.next().await {
            match answer {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => return Err(store_error(e, location)),
            }
        }
        Ok(())
    }

    /// Gives a folder another name in one step.
    ///
    /// # Errors
    /// `InvalidInput` when the new name is taken, `Unsupported` on stores where this takes more than one step, `Io`
    /// when the store fails.
    pub async fn rename_folder(&self, from: &str, to: &str) -> Result<()> {
        self.rename(from, to).await
    }

    /// Whether [`Self::rename_file`] works on this store.
    pub fn renames_files(&self) -> bool {
        self.opened.folders.is_some() || self.local_path(&Path::default()).is_some()
    }

    /// Gives a file another name in one step, perhaps in another folder, which must be there.
    ///
    /// # Errors
    /// As [`Self::rename_folder`].
    pub async fn rename_file(&self, from: &str, to: &str) -> Result<()> {
        self.rename(from, to).await
    }

    async fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (source, target) = (self.path(from)?, self.path(to)?);
        if let Some(folders) = &self.opened.folders {
            return match folders.rename(&source, &target).await {
                Err(object_store::Error::AlreadyExists { .. }) => Err(taken(to)),
                renamed => renamed.map_err(|e| store_error(e, from)),
            };
        }
        let (Some(source), Some(target)) = (self.local_path(&source), self.local_path(&target))
        else {
            return Err(
                Error::unsupported("nothing on this store can be renamed in one step")
                    .with("path", from)
                    .with("store", self.prefix()),
            );
        };
        let renamed = blocking(from, move || {
            if target.exists() {
                return Ok(false);
            }
            std::fs::rename(&source, &target)?;
            for folder in [source.parent(), target.parent()].into_iter().flatten() {
                sync(folder)?;
            }
            Ok(true)
        });
        match renamed.await? {
            true => Ok(()),
            false => Err(taken(to)),
        }
    }
}

fn taken(location: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, "the name is taken already").with("path", location)
}

fn sync(folder: &FsPath) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn folders_come_and_go_on_both_kinds_of_store() {
        let temp = tempfile::tempdir().unwrap();
        let local = format!("{}/wh", temp.path().to_str().unwrap());
        let memory = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
        let stores = [
            (FileIo::for_location("/").unwrap(), local.as_str()),
            (memory, "memory:/wh"),
        ];
        for (io, root) in stores {
            let folder = format!("{root}/a.db");
            io.create_folder(&folder).await.unwrap();
            io.create_folder(&folder).await.unwrap();
            assert_eq!(io.list_folders(root).await.unwrap(), ["a.db"]);
            let file = format!("{folder}/t/x");
            io.publish(&file, Bytes::from_static(b"x")).await.unwrap();
            io.remove_folder(&folder).await.unwrap();
            io.remove_folder(&folder).await.unwrap();
            assert!(io.list_folders(root).await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn a_folder_is_renamed_unless_the_name_is_taken() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().to_str().unwrap();
        let io = FileIo::for_location("/").unwrap();
        let (a, b) = (format!("{root}/a"), format!("{root}/b"));
        io.publish(&format!("{a}/x"), Bytes::from_static(b"1"))
            .await
            .unwrap();
        io.create_folder(&b).await.unwrap();
        let error = io.rename_folder(&a, &b).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        io.remove_folder(&b).await.unwrap();
        io.rename_folder(&a, &b).await.unwrap();
        assert!(!io.exists(&format!("{a}/x")).await.unwrap());
        assert!(io.exists(&format!("{b}/x")).await.unwrap());
    }
}
