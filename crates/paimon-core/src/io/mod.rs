//! The only place that names `object_store`: locations, reads, listings and checked names.
//!
//! A location is a full path as text: `/abs/path`, `file:/abs/path`, `memory:/path` or `scheme://authority/path`.
//! [`FileIo`] belongs to one store and refuses locations of another one.

mod cache;
mod folder;
mod identity;
mod input;
mod location;
pub(crate) mod lru;
mod output;
mod paths;
mod publish;
mod renewed;
mod stores;
mod upload;

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

pub use cache::{
    Block, BlockKey, BlockStorage, CacheObserver, CacheUsage, CachedStore, DiskSettings,
    DiskStorage,
};
pub use identity::StoreIdentity;
pub use input::InputFile;
pub use location::split_location;
pub use output::OutputFile;
pub use paths::FolderPaths;
pub use publish::Publication;
pub use renewed::{ExpiringOptions, OptionsSource, Renewal};
pub use stores::{CommitPrimitive, Folders, OpenedStore, StoreFactory, Stores};

use cache::FileCache;
use stores::{Proof, StoreSource};

use crate::error::{Error, ErrorKind, Result};

/// Access to one store.
#[derive(Clone)]
pub struct FileIo {
    opened: OpenedStore,
    proof: Proof,
    /// Opens other stores with the same options.
    source: Arc<StoreSource>,
    /// `file://`, `memory://`, `s3://bucket`: everything before the path.
    prefix: Arc<str>,
    durability: Durability,
    /// Small metadata files in memory.
    files: Option<FileCache>,
    /// The store in `opened`, when it is one with a cache.
    cached: Option<CachedStore>,
    /// Whether stores opened through this one go round the caches too.
    bare: bool,
}

/// Whether files on a local disk survive a power cut once a call returned. Other stores decide for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Files and their folders are synced.
    #[default]
    Synced,
    /// Files reach the disk when the system likes: an acknowledged commit may be lost with the power. For tests and
    /// tables that can be made again.
    Cached,
}

/// One entry of a folder listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStatus {
    /// Base name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Modification time, epoch milliseconds.
    pub modified_ms: i64,
}

impl std::fmt::Debug for FileIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileIo")
            .field("prefix", &self.prefix)
            .field("opened", &self.opened)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

impl FileIo {
    /// The store that `location` lives on, without options: a local path or `memory:`. See [`Stores::file_io`] for the
    /// others.
    ///
    /// # Errors
    /// `Unsupported` for another scheme, `InvalidInput` for a malformed location.
    pub fn for_location(location: &str) -> Result<Self> {
        StoreSource::plain().file_io(location)
    }

    /// Uses a given store for all locations that start with `prefix` (such as `memory://`).
    pub fn with_store(store: Arc<dyn ObjectStore>, prefix: impl Into<Arc<str>>) -> Self {
        Self::with_opened(OpenedStore::of_process(store), prefix)
    }

    /// As [`Self::with_store`], for a store with other promises.
    pub fn with_opened(opened: OpenedStore, prefix: impl Into<Arc<str>>) -> Self {
        let (source, prefix): (_, Arc<str>) = (StoreSource::plain(), prefix.into());
        Self {
            opened,
            proof: Proof::default(),
            files: source.caches().files(&prefix),
            cached: None,
            bare: false,
            source,
            prefix,
            durability: Durability::Synced,
        }
    }

    /// The same store without caches: what is there is what the store says. For checks, and for whoever decides what to
    /// delete.
    #[must_use]
    pub fn uncached(&self) -> Self {
        let mut io = self.clone();
        io.files = None;
        io.bare = true;
        if let Some(cached) = io.cached.take() {
            io.opened.store = cached.inner().clone();
        }
        io
    }

    /// The store with the cache of blocks, where there is one.
    pub fn cached_store(&self) -> Option<&CachedStore> {
        self.cached.as_ref()
    }

    /// What the cache of small metadata files has answered, for all stores that share it.
    pub fn metadata_cache_usage(&self) -> Option<CacheUsage> {
        self.files.as_ref().map(FileCache::usage)
    }

    /// Access to the store of another location, with the options of this one.
    ///
    /// # Errors
    /// As [`Stores::file_io`].
    pub fn at(&self, location: &str) -> Result<Self> {
        let (prefix, _) = split_location(location)?;
        if prefix == *self.prefix {
            return Ok(self.clone());
        }
        let other = self.source.file_io(location)?;
        Ok(if self.bare { other.uncached() } else { other })
    }

    /// The same store with another durability of files on a local disk; the default is `Synced`.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The store, for readers that need it whole.
    pub fn object_store(&self) -> &Arc<dyn ObjectStore> {
        &self.opened.store
    }

    /// What tells this store from others, for caches.
    pub fn identity(&self) -> StoreIdentity {
        StoreIdentity::of(&self.prefix, &self.opened.store)
    }

    /// `file://`, `memory://`, `s3://bucket`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the store is neither on local disk nor in memory: a request costs more than the bytes it brings.
    pub fn is_remote(&self) -> bool {
        cache::is_remote(&self.prefix)
    }

    /// Path of a location within the store.
    ///
    /// # Errors
    /// `InvalidInput` when the location is on another store or climbs with `..`.
    pub fn path(&self, location: &str) -> Result<Path> {
        let (prefix, path) = split_location(location)?;
        if prefix != *self.prefix {
            return Err(Error::invalid("location is on another store")
                .with("path", location)
                .with("store", &self.prefix));
        }
        Path::parse(path.trim_matches('/')).map_err(|e| {
            Error::invalid("not a valid path: a plain path without `.` or `..` parts is expected")
                .with("path", location)
                .with_source(e)
        })
    }

    /// The file at `location`, whose size is known.
    pub fn input(&self, location: &str, size: u64) -> Result<InputFile> {
        Ok(InputFile::new(self.clone(), self.path(location)?, size))
    }

    /// Opens a file, asking the store for its size.
    pub async fn open(&self, location: &str) -> Result<InputFile> {
        let path = self.path(location)?;
        let meta = self
            .opened
            .store
            .head(&path)
            .await
            .map_err(|e| store_error(e, location))?;
        Ok(InputFile::new(self.clone(), path, meta.size))
    }

    /// Whole content, at most `limit` bytes.
    ///
    /// # Errors
    /// `Damaged` when the file is missing, `ResourceExhausted` when it is larger than `limit`.
    pub async fn read(&self, location: &str, limit: u64) -> Result<Bytes> {
        let path = self.path(location)?;
        let result = self
            .opened
            .store
            .get(&path)
            .await
            .map_err(|e| store_error(e, location))?;
        if result.meta.size > limit {
            return Err(Error::new(
                ErrorKind::ResourceExhausted,
                format!(
                    "file has {} bytes, at most {limit} are accepted",
                    result.meta.size
                ),
            )
            .with("path", location));
        }
        result.bytes().await.map_err(|e| store_error(e, location))
    }

    /// Whole content of a file that never changes under its name, from memory when it was read before.
    ///
    /// # Errors
    /// As [`Self::read`]. A file that was deleted since it was read may be found.
    pub async fn read_unchanging(&self, location: &str, limit: u64) -> Result<Bytes> {
        let Some(cache) = &self.files else {
            return self.read(location, limit).await;
        };
        let path = self.path(location)?;
        let kept = cache.get(self.identity(), path.as_ref());
        if let Some(file) = kept.filter(|file| file.len() as u64 <= limit) {
            return Ok(file);
        }
        let file = self.read(location, limit).await?;
        cache.put(self.identity(), path.as_ref(), &file);
        Ok(file)
    }

    /// Whole content, or `None` when there is no such file.
    pub async fn read_optional(&self, location: &str, limit: u64) -> Result<Option<Bytes>> {
        match self.read(location, limit).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if is_not_found(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whether the file exists.
    pub async fn exists(&self, location: &str) -> Result<bool> {
        let path = self.path(location)?;
        match self.opened.store.head(&path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(e) => Err(store_error(e, location)),
        }
    }

    /// Files directly in a folder; empty when the folder does not exist. Order is not defined.
    pub async fn list_files(&self, folder: &str) -> Result<Vec<FileStatus>> {
        let path = self.path(folder)?;
        let list = self
            .opened
            .store
            .list_with_delimiter(Some(&path))
            .await
            .map_err(|e| store_error(e, folder))?;
        Ok(list
            .objects
            .into_iter()
            // an object `folder/`, with which other engines keep empty folders in sight
            .filter(|o| o.location != path)
            .filter_map(|o| {
                Some(FileStatus {
                    name: o.location.filename()?.to_string(),
                    size: o.size,
                    modified_ms: o.last_modified.timestamp_millis(),
                })
            })
            .collect())
    }

    /// Names of the folders directly in a folder.
    pub async fn list_folders(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.path(folder)?;
        let list = self
            .opened
            .store
            .list_with_delimiter(Some(&path))
            .await
            .map_err(|e| store_error(e, folder))?;
        Ok(list
            .common_prefixes
            .iter()
            .filter_map(|p| Some(p.filename()?.to_string()))
            .collect())
    }

    /// Every file below a folder, as (path relative to the folder, status). Links to folders are not followed.
    pub async fn list_recursive(&self, folder: &str) -> Result<Vec<(String, FileStatus)>> {
        let path = self.path(folder)?;
        let base = path.as_ref().to_string();
        let files = self
            .opened
            .store
            .list(Some(&path))
            .map_err(|e| store_error(e, folder))
            .try_filter(|o| futures::future::ready(o.location != path))
            .try_filter_map(|o| {
                let full = o.location.as_ref();
                let relative = full
                    .strip_prefix(&base)
                    .map(|r| r.trim_start_matches('/').to_string());
                let name = o.location.filename().map(str::to_string);
                futures::future::ready(Ok(relative.zip(name).map(|(relative, name)| {
                    (
                        relative,
                        FileStatus {
                            name,
                            size: o.size,
                            modified_ms: o.last_modified.timestamp_millis(),
                        },
                    )
                })))
            })
            .try_collect::<Vec<_>>()
            .await?;
        Ok(match self.local_path(&path) {
            Some(folder) => output::without_links(&folder, files),
            None => files,
        })
    }
}

/// Turns a store error into ours; a missing file is `Damaged` with a marker that [`is_not_found`] sees.
pub(crate) fn store_error(error: object_store::Error, location: &str) -> Error {
    match error {
        object_store::Error::NotFound { .. } => {
            Error::damaged("file not found").with("path", location)
        }
        other => Error::new(ErrorKind::Io, "store request failed")
            .with("path", location)
            .with_source(other),
    }
}

/// Whether the error says that a file is missing.
pub fn is_not_found(error: &Error) -> bool {
    error.kind() == ErrorKind::Damaged && error.message() == "file not found"
}

/// Checks that a name taken from metadata is one plain path component.
///
/// # Errors
/// `Damaged` when it is empty, `.`, `..`, or holds a slash, a backslash or a control character.
pub fn checked_name(name: &str) -> Result<&str> {
    let plain = !name.is_empty() && name != "." && name != ".." && !holds_unsafe(name);
    if plain {
        return Ok(name);
    }
    Err(Error::damaged(format!(
        "file name in metadata must be one plain path component, found {name:?}"
    )))
}

/// Whether a name holds a slash, a backslash or a control character.
fn holds_unsafe(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_ascii() {
        return bytes
            .iter()
            .any(|b| matches!(b, b'/' | b'\\') || b.is_ascii_control());
    }
    name.chars()
        .any(|c| c == '/' || c == '\\' || c.is_control())
}
