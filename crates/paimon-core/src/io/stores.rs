//! The port to stores that this crate does not know: object stores and distributed file systems.
//!
//! Java: `org.apache.paimon.fs.FileIOLoader`, found there by the service loader.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::cache::{CachedStore, Caches, DiskStorage};
use super::renewed::{ExpiringOptions, OptionsSource, Renewal, RenewedStore};
use super::{Durability, FileIo, split_location};
use crate::error::{Error, Result};

static MEMORY: LazyLock<Arc<InMemory>> = LazyLock::new(|| Arc::new(InMemory::new()));

/// How a store creates a file under a name that only one of several writers may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitPrimitive {
    /// A put that fails when the name is taken; the provider promises it.
    ConditionalPut,
    /// The same, of a server that may not know the condition: it is tried out before the first use, and a server that
    /// ignores it is refused.
    UnprovenPut,
    /// A rename that fails when the new name is taken.
    Rename,
    /// None: nothing can be published.
    Missing,
}

/// Folders of a store that has them: made, removed and renamed by one request each.
#[async_trait]
pub trait Folders: fmt::Debug + Send + Sync {
    /// Makes a folder with its parents. One that is there already is fine.
    ///
    /// # Errors
    /// Those of the store.
    async fn create(&self, path: &Path) -> object_store::Result<()>;

    /// Removes a folder with everything below it. A missing one is fine.
    ///
    /// # Errors
    /// Those of the store.
    async fn remove(&self, path: &Path) -> object_store::Result<()>;

    /// Gives a folder another name.
    ///
    /// # Errors
    /// `AlreadyExists` when the name is taken, `NotFound` when there is no such folder, others of the store.
    async fn rename(&self, from: &Path, to: &Path) -> object_store::Result<()>;
}

/// A store with what it promises.
#[derive(Clone)]
pub struct OpenedStore {
    /// The client.
    pub store: Arc<dyn ObjectStore>,
    /// How it publishes.
    pub commit: CommitPrimitive,
    /// Whether other engines may replace a file that was just published here, because they commit in another way.
    pub replaced_by_others: bool,
    /// Folders, where the store has them; elsewhere they are what paths have in common.
    pub folders: Option<Arc<dyn Folders>>,
}

impl fmt::Debug for OpenedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // clients print their credentials
        f.debug_struct("OpenedStore")
            .field("commit", &self.commit)
            .field("replaced_by_others", &self.replaced_by_others)
            .field("folders", &self.folders.is_some())
            .finish_non_exhaustive()
    }
}

/// Opens the stores of some URL schemes.
pub trait StoreFactory: fmt::Debug + Send + Sync {
    /// Schemes, in lower case, such as `s3`.
    fn schemes(&self) -> &[&'static str];

    /// Opens the store behind `prefix` (`scheme://authority`) with the options of a catalog: its own keys count, all
    /// others are somebody else's.
    ///
    /// # Errors
    /// `InvalidInput` for options that are missing, malformed or contradict each other, `Unsupported` for options that
    /// would change what is stored and cannot be kept. No error holds a secret.
    fn open(&self, prefix: &str, options: &BTreeMap<String, String>) -> Result<OpenedStore>;
}

/// The stores a program knows. Local paths and `memory:` always work.
#[derive(Debug, Clone, Default)]
pub struct Stores {
    factories: Vec<Arc<dyn StoreFactory>>,
    /// Schemes and the features of this program that would open them.
    absent: Vec<(&'static str, &'static str)>,
    /// Opens caches on local disk.
    disk: Option<Arc<dyn DiskStorage>>,
}

impl Stores {
    /// Local paths and `memory:` only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows more schemes; one that was known already is opened by the new factory.
    #[must_use]
    pub fn with(mut self, factory: Arc<dyn StoreFactory>) -> Self {
        self.factories.insert(0, factory);
        self
    }

    /// Names the feature of the program that a scheme needs and this build was made without.
    #[must_use]
    pub fn without(mut self, scheme: &'static str, feature: &'static str) -> Self {
        self.absent.push((scheme, feature));
        self
    }

    /// Keeps caches on local disk in this way.
    #[must_use]
    pub fn with_disk_cache(mut self, disk: Arc<dyn DiskStorage>) -> Self {
        self.disk = Some(disk);
        self
    }

    /// Access to the store of a location, and, with the same options, to others that files of its tables name.
    ///
    /// # Errors
    /// `Unsupported` for an unknown scheme, `InvalidInput` for a malformed location or option.
    pub fn file_io(&self, location: &str, options: &BTreeMap<String, String>) -> Result<FileIo> {
        self.opened_with(location, options, None)
    }

    /// As [`Self::file_io`], with options that expire: `source` gives out new ones in time, and the stores are opened
    /// again with these.
    ///
    /// # Errors
    /// As [`Self::file_io`].
    pub fn renewed_file_io(
        &self,
        location: &str,
        first: ExpiringOptions,
        source: Arc<dyn OptionsSource>,
    ) -> Result<FileIo> {
        let options = first.options.clone();
        let renewal = Arc::new(Renewal::new(first, source));
        self.opened_with(location, &options, Some(renewal))
    }

    fn opened_with(
        &self,
        location: &str,
        options: &BTreeMap<String, String>,
        renewal: Option<Arc<Renewal>>,
    ) -> Result<FileIo> {
        let source = StoreSource {
            stores: self.clone(),
            caches: Caches::open(options, self.disk.as_deref())?,
            options: options.clone(),
            renewal,
            opened: Mutex::new(HashMap::new()),
        };
        Arc::new(source).file_io(location)
    }

    pub(super) fn open(
        &self,
        prefix: &str,
        options: &BTreeMap<String, String>,
    ) -> Result<OpenedStore> {
        let scheme = prefix.split(':').next().unwrap_or_default();
        match scheme {
            "file" => return Ok(OpenedStore::of_process(Arc::new(LocalFileSystem::new()))),
            "memory" => return Ok(OpenedStore::of_process(MEMORY.clone())),
            _ => {}
        }
        let factory = self
            .factories
            .iter()
            .find(|f| f.schemes().contains(&scheme));
        match factory {
            Some(factory) => factory
                .open(prefix, options)
                .map_err(|e| e.with_default("store", prefix)),
            None => Err(self.unknown(scheme).with("store", prefix)),
        }
    }

    fn unknown(&self, scheme: &str) -> Error {
        if let Some((_, feature)) = self.absent.iter().find(|(absent, _)| *absent == scheme) {
            return Error::unsupported(format!(
                "this program was built without support for {scheme}: build it with the feature `{feature}`"
            ));
        }
        Error::unsupported(format!(
            "store is not supported by this program: expected one of {}, found {scheme:?}",
            self.schemes().join(", ")
        ))
    }

    fn schemes(&self) -> Vec<&'static str> {
        let known = self.factories.iter().flat_map(|f| f.schemes());
        let mut schemes: Vec<_> = ["file", "memory"]
            .into_iter()
            .chain(known.copied())
            .collect();
        schemes.sort_unstable();
        schemes.dedup();
        schemes
    }
}

impl OpenedStore {
    /// A store that this program alone writes to, or whose files are published without it.
    pub(super) fn of_process(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            commit: CommitPrimitive::ConditionalPut,
            replaced_by_others: false,
            folders: None,
        }
    }
}

/// Opens stores with the options of one catalog, each once.
pub(super) struct StoreSource {
    stores: Stores,
    options: BTreeMap<String, String>,
    /// Of options that expire.
    renewal: Option<Arc<Renewal>>,
    caches: Caches,
    opened: Mutex<HashMap<String, Known>>,
}

/// A store that was opened before.
#[derive(Clone)]
struct Known {
    store: OpenedStore,
    proof: Proof,
    cached: Option<CachedStore>,
}

/// Set once a store has shown that it keeps the condition of a put.
pub(super) type Proof = Arc<OnceCell<()>>;

impl StoreSource {
    /// A source without options that knows local paths and `memory:`.
    pub(super) fn plain() -> Arc<Self> {
        Arc::new(Self {
            stores: Stores::new(),
            caches: Caches::plain(),
            options: BTreeMap::new(),
            renewal: None,
            opened: Mutex::new(HashMap::new()),
        })
    }

    pub(super) fn caches(&self) -> &Caches {
        &self.caches
    }

    fn open(&self, prefix: &str) -> Result<Known> {
        let mut store = match &self.renewal {
            // local paths and memory need no credentials
            Some(renewal) if !prefix.starts_with("file:") && !prefix.starts_with("memory:") => {
                RenewedStore::open(&self.stores, prefix, &self.options, renewal)?
            }
            _ => self.stores.open(prefix, &self.options)?,
        };
        let cached = self.caches.wrap(&store.store, prefix);
        if let Some(cached) = &cached {
            store.store = Arc::new(cached.clone());
        }
        Ok(Known {
            store,
            proof: Proof::default(),
            cached,
        })
    }

    pub(super) fn file_io(self: &Arc<Self>, location: &str) -> Result<FileIo> {
        let (prefix, _) = split_location(location)?;
        let mut opened = self.opened.lock();
        let known = match opened.get(&prefix) {
            Some(known) => known.clone(),
            None => {
                let known = self.open(&prefix)?;
                opened.insert(prefix.clone(), known.clone());
                known
            }
        };
        Ok(FileIo {
            opened: known.store,
            proof: known.proof,
            files: self.caches.files(&prefix),
            cached: known.cached,
            bare: false,
            source: self.clone(),
            prefix: prefix.into(),
            durability: Durability::Synced,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::ErrorKind;

    #[derive(Debug)]
    struct Fake;

    impl StoreFactory for Fake {
        fn schemes(&self) -> &[&'static str] {
            &["fake"]
        }

        fn open(&self, _: &str, options: &BTreeMap<String, String>) -> Result<OpenedStore> {
            if !options.contains_key("fake.key") {
                return Err(Error::invalid("fake.key is missing"));
            }
            Ok(OpenedStore::of_process(Arc::new(InMemory::new())))
        }
    }

    #[test]
    fn a_scheme_is_opened_by_its_factory_with_the_options_of_the_catalog() {
        let stores = Stores::new().with(Arc::new(Fake));
        let options = BTreeMap::from([("fake.key".to_string(), "v".to_string())]);
        let io = stores.file_io("fake://a/wh", &options).unwrap();
        assert_eq!(io.prefix(), "fake://a");
        let other = io.at("fake://b/x").unwrap();
        assert_ne!(other.identity(), io.identity());
        assert_eq!(other.at("fake://a/y").unwrap().identity(), io.identity());
        let error = stores.file_io("fake://a/wh", &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("fake://a"), "{error}");
    }

    #[test]
    fn an_unknown_scheme_is_refused_with_the_known_ones() {
        let stores = Stores::new().with(Arc::new(Fake));
        let error = stores.file_io("s3://b/wh", &BTreeMap::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("fake, file, memory"), "{error}");
    }

    #[test]
    fn a_scheme_that_was_left_out_is_refused_with_its_feature() {
        let stores = Stores::new().without("far", "far-away");
        let error = stores.file_io("far://b/wh", &BTreeMap::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("`far-away`"), "{error}");
    }
}
