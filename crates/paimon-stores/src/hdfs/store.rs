//! The store over a client.

use std::fmt;

use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use hdfs_native::client::FileStatus;
use hdfs_native::{HdfsError, WriteOptions};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, RenameTargetMode, Result,
};

use super::calls::{Calls, Failure, absolute, generic, is_missing};
use super::reading;
use super::staging::{Content, Existing, write};
use super::upload::HdfsUpload;

/// Requests to remove files that are under way at a time.
const DELETES_IN_FLIGHT: usize = 10;

/// Files of a name service. A put writes a file of its own, synced, and renames it; a rename that must not replace fails when
/// the name is taken, which makes the put conditional.
#[derive(Debug)]
pub(super) struct HdfsStore {
    calls: Calls,
    creation: WriteOptionsOf,
}

/// [`WriteOptions`] with `Debug`.
#[derive(Clone)]
struct WriteOptionsOf(WriteOptions);

impl fmt::Debug for WriteOptionsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteOptions")
            .field("block_size", &self.0.block_size)
            .field("replication", &self.0.replication)
            .finish_non_exhaustive()
    }
}

impl HdfsStore {
    pub(super) fn new(calls: Calls, creation: WriteOptions) -> Self {
        Self {
            calls,
            creation: WriteOptionsOf(creation),
        }
    }

    async fn status(&self, path: &str) -> Result<FileStatus> {
        let status = || self.calls.client().get_file_info(path);
        self.calls.repeat("look up", path, status).await
    }

    async fn put(&self, target: &str, payload: &PutPayload, existing: Existing) -> Result<()> {
        let mut retries = self.calls.retries();
        loop {
            let staged = write(&self.calls, target, &self.creation.0, payload);
            let failure = match Box::pin(staged).await {
                Ok(stage) => {
                    let content = Content::Bytes(payload);
                    match stage.publish(target, existing, content).await? {
                        Ok(()) => return Ok(()),
                        Err(failure) => failure,
                    }
                }
                Err(failure) => failure,
            };
            if !retries.pause(&failure).await {
                return Err(failure.at("write", target));
            }
        }
    }

    /// Everything below a folder, or directly in it; empty when there is no such folder.
    async fn entries(calls: &Calls, folder: &str, recursive: bool) -> Result<Vec<FileStatus>> {
        let list = || async {
            let listing = calls.client().list_status_iter(folder, recursive);
            let mut entries = Vec::new();
            while let Some(entry) = listing.next().await {
                match entry {
                    // a folder that went away meanwhile
                    Err(error) if is_missing(&error) => {}
                    entry => entries.push(entry?),
                }
            }
            Ok(entries)
        };
        let mut entries = calls.repeat("list", folder, list).await?;
        // a file lists itself
        entries.retain(|entry| entry.path != folder);
        Ok(entries)
    }
}

fn folder(prefix: Option<&Path>) -> String {
    prefix.map_or_else(|| "/".to_string(), absolute)
}

fn meta(status: &FileStatus) -> Result<ObjectMeta> {
    let modified = i64::try_from(status.modification_time).ok();
    let modified = modified.and_then(DateTime::<Utc>::from_timestamp_millis);
    Ok(ObjectMeta {
        location: Path::parse(&status.path)?,
        last_modified: modified
            .ok_or_else(|| generic(format!("{}: impossible modification time", status.path)))?,
        size: u64::try_from(status.length).unwrap_or(u64::MAX),
        e_tag: Some(format!(
            "{:x}-{:x}",
            status.modification_time, status.length
        )),
        version: None,
    })
}

impl fmt::Display for HdfsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HDFS")
    }
}

#[async_trait::async_trait]
impl ObjectStore for HdfsStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let target = absolute(location);
        let existing = match opts.mode {
            PutMode::Create => Existing::Kept,
            PutMode::Overwrite => Existing::Replaced,
            PutMode::Update(_) => {
                return Err(Error::NotImplemented {
                    operation: "put of a known version".into(),
                    implementer: self.to_string(),
                });
            }
        };
        if existing == Existing::Kept {
            // cheaper than a file that cannot get its name
            match self.status(&target).await {
                Ok(_) => {
                    let taken = HdfsError::AlreadyExists(target.clone());
                    return Err(Failure::Hdfs(taken).at("create", &target));
                }
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.put(&target, &payload, existing).await?;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let target = absolute(location);
        let upload = HdfsUpload::start(&self.calls, target, &self.creation.0).await?;
        Ok(Box::new(upload))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let path = absolute(location);
        let status = self.status(&path).await?;
        if status.isdir {
            return Err(Error::NotFound {
                source: "a folder is there".into(),
                path,
            });
        }
        let meta = meta(&status)?;
        options.check_preconditions(&meta)?;
        let range = match options.range {
            Some(range) => range
                .as_range(meta.size)
                .map_err(|e| generic(format!("read {path}: {e}")))?,
            None => 0..meta.size,
        };
        let payload = if options.head {
            futures::stream::empty().boxed()
        } else {
            let bound = |at: u64| usize::try_from(at).map_err(|e| generic(e.to_string()));
            let bytes = bound(range.start)?..bound(range.end)?;
            reading::stream(self.calls.clone(), path, status.length, bytes)
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(payload),
            meta,
            range,
            attributes: Default::default(),
        })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let calls = self.calls.clone();
        let deleted = locations.map(move |location| {
            let calls = calls.clone();
            async move {
                let location = location?;
                let path = absolute(&location);
                let delete = || calls.client().delete(&path, false);
                calls.repeat("remove", &path, delete).await?;
                Ok(location)
            }
        });
        deleted.buffered(DELETES_IN_FLIGHT).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (calls, folder) = (self.calls.clone(), folder(prefix));
        let entries = async move {
            let entries = Self::entries(&calls, &folder, true).await?;
            let files = entries.into_iter().filter(|entry| !entry.isdir);
            Ok::<_, Error>(futures::stream::iter(files.map(|file| meta(&file))))
        };
        futures::stream::once(entries).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = ListResult {
            common_prefixes: Vec::new(),
            objects: Vec::new(),
        };
        for entry in Self::entries(&self.calls, &folder(prefix), false).await? {
            match entry.isdir {
                true => listed.common_prefixes.push(Path::parse(&entry.path)?),
                false => listed.objects.push(meta(&entry)?),
            }
        }
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let mode = match options.mode {
            CopyMode::Create => PutMode::Create,
            CopyMode::Overwrite => PutMode::Overwrite,
        };
        let payload = self.get(from).await?.bytes().await?.into();
        self.put_opts(to, payload, mode.into()).await.map(|_| ())
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let (from, to) = (absolute(from), absolute(to));
        let replace = matches!(options.target_mode, RenameTargetMode::Overwrite);
        let rename = self.calls.client().rename(&from, &to, replace);
        let renamed = self.calls.once(rename).await;
        renamed.map_err(|failure| failure.at("rename", &from))
    }
}
