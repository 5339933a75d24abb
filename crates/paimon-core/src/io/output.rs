//! Streaming output: a file appears under its name only when it is complete.
//!
//! On the local file system bytes go to `.NAME.<uuid>.tmp` beside the file, which is synced, renamed and its folder
//! synced. Other stores publish a single put or a multipart upload as a whole.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path as FsPath, PathBuf};

use bytes::Bytes;
use object_store::ObjectStoreExt;
use uuid::Uuid;

use super::upload::Upload;
use super::{Durability, FileIo, store_error};
use crate::error::{Error, ErrorKind, Result};

/// A file being written. Dropped without [`OutputFile::close`] it never appears.
#[derive(Debug)]
pub struct OutputFile {
    location: String,
    target: Target,
    size: u64,
}

#[derive(Debug)]
enum Target {
    Local(LocalFile),
    Store(Box<Upload>),
    /// A failed write: nothing may be appended any more.
    Broken,
}

impl FileIo {
    /// Starts a new file at `location`. The name must be unused: data files carry a fresh UUID.
    ///
    /// # Errors
    /// `InvalidInput` for a location on another store, `Io` when the store fails.
    pub async fn create(&self, location: &str) -> Result<OutputFile> {
        let path = self.path(location)?;
        let target = match self.local_path(&path) {
            Some(path) => {
                let durability = self.durability;
                let create = move || LocalFile::create(path, durability);
                Target::Local(blocking(location, create).await?)
            }
            None => Target::Store(Box::new(Upload::new(self.opened.store.clone(), path))),
        };
        Ok(OutputFile {
            location: location.to_string(),
            target,
            size: 0,
        })
    }

    /// Removes a file that no commit names, such as the output of an aborted write. A missing file is fine.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn discard(&self, location: &str) -> Result<()> {
        match self.opened.store.delete(&self.path(location)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(store_error(e, location)),
        }
    }

    /// Removes everything below a folder. On the local file system the folder and the empty ones below it go too; links
    /// are removed, not followed.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn discard_folder(&self, folder: &str) -> Result<()> {
        let Some(path) = self.local_path(&self.path(folder)?) else {
            return self.remove_folder(folder).await;
        };
        for (relative, _) in self.list_recursive(folder).await? {
            self.discard(&format!("{folder}/{relative}")).await?;
        }
        blocking(folder, move || {
            remove_empty_folders(&path);
            Ok(())
        })
        .await
    }

    /// Path on the local file system, when this is the plain local store.
    pub(super) fn local_path(&self, path: &object_store::path::Path) -> Option<PathBuf> {
        let plain = &*self.prefix == "file://"
            && self.opened.store.to_string().starts_with("LocalFileSystem");
        plain.then(|| FsPath::new("/").join(path.as_ref()))
    }
}

impl OutputFile {
    /// Where the file will be.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// `Io` when the store fails; the file is lost then.
    ///
    /// # Cancel safety
    /// A cancelled write loses the file.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.write_all(vec![bytes]).await
    }

    /// Appends bytes that come in pieces.
    ///
    /// # Errors
    /// As [`Self::write`].
    ///
    /// # Cancel safety
    /// As [`Self::write`].
    pub async fn write_all(&mut self, pieces: Vec<Bytes>) -> Result<()> {
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        if bytes == 0 {
            return Ok(());
        }
        self.target = match std::mem::replace(&mut self.target, Target::Broken) {
            Target::Local(mut file) => {
                let write = move || {
                    for piece in pieces {
                        file.file.write_all(&piece)?;
                    }
                    Ok(file)
                };
                Target::Local(blocking(&self.location, write).await?)
            }
            Target::Store(mut upload) => {
                for piece in pieces {
                    let put = upload.put(piece).await;
                    put.map_err(|e| store_error(e, &self.location))?;
                }
                Target::Store(upload)
            }
            Target::Broken => return Err(broken(&self.location)),
        };
        self.size += u64::try_from(bytes).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Publishes the file and returns its size.
    ///
    /// # Errors
    /// `Io` when the store fails: the file is not there then, or (an answer was lost) complete.
    pub async fn close(self) -> Result<u64> {
        match self.target {
            Target::Local(file) => blocking(&self.location, move || file.publish()).await?,
            Target::Store(upload) => upload
                .close()
                .await
                .map_err(|e| store_error(e, &self.location))?,
            Target::Broken => return Err(broken(&self.location)),
        }
        Ok(self.size)
    }

    /// Gives the file up; nothing stays behind as far as the store allows it.
    pub async fn abort(self) {
        if let Target::Store(mut upload) = self.target {
            upload.abort().await;
        }
    }
}

/// The staged file; removed when dropped before it is published.
#[derive(Debug)]
pub(super) struct LocalFile {
    file: File,
    stage: PathBuf,
    target: PathBuf,
    /// Folders whose entries are new and must be synced, innermost first.
    folders: Vec<PathBuf>,
    durability: Durability,
    published: bool,
}

impl LocalFile {
    #[allow(
        clippy::disallowed_methods,
        reason = "the name of a stage is never seen again"
    )]
    pub(super) fn create(target: PathBuf, durability: Durability) -> std::io::Result<Self> {
        let missing = || std::io::Error::other("a data file needs a folder and a name");
        let folder = target.parent().ok_or_else(missing)?;
        let name = target.file_name().ok_or_else(missing)?.to_string_lossy();
        let folders = create_folders(folder)?;
        let stage = folder.join(format!(".{name}.{}.tmp", Uuid::new_v4()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&stage)?;
        Ok(Self {
            file,
            stage,
            target,
            folders,
            durability,
            published: false,
        })
    }

    /// Gives the file its name, replacing another one.
    pub(super) fn publish(mut self) -> std::io::Result<()> {
        self.sync_file()?;
        std::fs::rename(&self.stage, &self.target)?;
        self.published = true;
        self.sync_folders()
    }

    /// Gives the file its name; fails with `AlreadyExists` when the name is taken.
    pub(super) fn link(self) -> std::io::Result<()> {
        self.sync_file()?;
        std::fs::hard_link(&self.stage, &self.target)?;
        self.sync_folders()
    }

    fn sync_file(&self) -> std::io::Result<()> {
        match self.durability {
            Durability::Synced => self.file.sync_all(),
            Durability::Cached => Ok(()),
        }
    }

    fn sync_folders(&self) -> std::io::Result<()> {
        if self.durability == Durability::Cached {
            return Ok(());
        }
        self.folders
            .iter()
            .try_for_each(|folder| File::open(folder)?.sync_all())
    }
}

impl Write for LocalFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        if !self.published {
            // best effort: orphan cleaning removes what is left
            let _ = std::fs::remove_file(&self.stage);
        }
    }
}

/// Makes a folder with its parents; returns it and every folder that got a new entry.
pub(super) fn create_folders(folder: &FsPath) -> std::io::Result<Vec<PathBuf>> {
    let mut changed = vec![folder.to_path_buf()];
    let mut at = folder;
    while !at.exists() {
        let Some(parent) = at.parent() else { break };
        changed.push(parent.to_path_buf());
        at = parent;
    }
    std::fs::create_dir_all(folder)?;
    Ok(changed)
}

/// Leaves out files that are reached through a linked folder: they are somebody else's.
pub(super) fn without_links<T>(folder: &FsPath, mut files: Vec<(String, T)>) -> Vec<(String, T)> {
    let mut known: HashMap<PathBuf, bool> = HashMap::new();
    files.retain(|(relative, _)| {
        let parents = FsPath::new(relative).ancestors().skip(1);
        let mut parents = parents.filter(|p| !p.as_os_str().is_empty());
        !parents.any(|parent| {
            *known.entry(parent.to_path_buf()).or_insert_with(|| {
                let meta = folder.join(parent).symlink_metadata();
                meta.is_ok_and(|m| m.file_type().is_symlink())
            })
        })
    });
    files
}

/// Removes folders bottom-up; one that is not empty stays.
fn remove_empty_folders(folder: &FsPath) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_empty_folders(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(folder);
}

pub(super) async fn blocking<T: Send + 'static>(
    location: &str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::internal("a file task stopped").with_source(e))?
        .map_err(|e| io_error(e, location))
}

fn io_error(error: std::io::Error, location: &str) -> Error {
    Error::new(ErrorKind::Io, "writing a file failed")
        .with("path", location)
        .with_source(error)
}

fn broken(location: &str) -> Error {
    Error::internal("a file is used after a write to it failed").with("path", location)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    fn names(folder: &FsPath) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .map(|entries| {
                let name = |e: std::io::Result<std::fs::DirEntry>| {
                    e.unwrap().file_name().into_string().unwrap()
                };
                entries.map(name).collect()
            })
            .unwrap_or_default();
        names.sort();
        names
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn removing_a_folder_spares_what_links_lead_to() {
        let temp = tempfile::tempdir().unwrap();
        let (outside, table) = (temp.path().join("outside"), temp.path().join("t"));
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::create_dir_all(table.join("bucket-0")).unwrap();
        std::fs::write(outside.join("precious"), "x").unwrap();
        std::fs::write(table.join("bucket-0/data"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, table.join("bucket-1")).unwrap();
        let io = FileIo::for_location("/").unwrap();
        let folder = table.to_str().unwrap();
        let listed = io.list_recursive(folder).await.unwrap();
        let listed: Vec<&str> = listed.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(listed, ["bucket-0/data"]);
        io.discard_folder(folder).await.unwrap();
        assert_eq!(names(&outside), ["precious"]);
        assert_eq!(names(&table), ["bucket-1"]);
    }

    #[tokio::test]
    async fn a_local_file_appears_when_it_is_closed() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("dt=a%2Fb c/bucket-0");
        let io = FileIo::for_location("/").unwrap();
        let location = format!("{}/data-1.parquet", folder.to_str().unwrap());
        let mut file = io.create(&location).await.unwrap();
        file.write(Bytes::from_static(b"abc")).await.unwrap();
        let staged = names(&folder);
        assert!(
            staged.len() == 1
                && staged[0].starts_with(".data-1.parquet.")
                && staged[0].ends_with(".tmp")
        );
        file.write(Bytes::from_static(b"def")).await.unwrap();
        assert_eq!(file.close().await.unwrap(), 6);
        assert_eq!(names(&folder), ["data-1.parquet"]);
        assert_eq!(io.read(&location, 100).await.unwrap(), "abcdef");
        io.discard(&location).await.unwrap();
        io.discard(&location).await.unwrap();
        assert!(names(&folder).is_empty());
    }

    #[tokio::test]
    async fn an_abandoned_file_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let io = FileIo::for_location("/").unwrap();
        for abort in [true, false] {
            let location = format!("{}/bucket-1/data-2.avro", temp.path().to_str().unwrap());
            let mut file = io.create(&location).await.unwrap();
            file.write(Bytes::from_static(b"abc")).await.unwrap();
            if abort {
                file.abort().await;
            } else {
                drop(file);
            }
            assert!(names(&temp.path().join("bucket-1")).is_empty());
        }
    }

    #[tokio::test]
    async fn other_stores_take_small_and_large_files_whole() {
        let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
        for parts in [1usize, 20] {
            let location = format!("memory:/t/bucket-0/data-{parts}.parquet");
            let mut file = io.create(&location).await.unwrap();
            for i in 0..parts {
                let byte = u8::try_from(i).unwrap();
                file.write(vec![byte; 1 << 20].into()).await.unwrap();
                assert!(!io.exists(&location).await.unwrap());
            }
            let size = file.close().await.unwrap();
            assert_eq!(size, u64::try_from(parts << 20).unwrap());
            assert_eq!(io.open(&location).await.unwrap().size(), size);
        }
        let mut file = io
            .create("memory:/t/bucket-0/data-x.parquet")
            .await
            .unwrap();
        file.write(vec![1; 9 << 20].into()).await.unwrap();
        file.abort().await;
        assert_eq!(io.list_files("memory:/t/bucket-0").await.unwrap().len(), 2);
    }
}
