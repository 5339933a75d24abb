//! A new object: one put while it is small, a multipart upload beyond.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, Result};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Bytes of a part; smaller files are one put.
const PART_BYTES: usize = 8 << 20;
/// Parts of one file under way at a time.
const PARTS_IN_FLIGHT: usize = 2;

/// An object being written. Whatever ends it but [`Upload::close`] takes the parts away again: stores keep, and charge
/// for, the parts of uploads that nobody finished.
#[derive(Debug)]
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    buffer: BytesMut,
    parts: Option<Parts>,
}

#[derive(Debug)]
struct Parts {
    upload: Box<dyn MultipartUpload>,
    running: JoinSet<Result<()>>,
}

impl Upload {
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path) -> Self {
        Self {
            store,
            path,
            buffer: BytesMut::new(),
            parts: None,
        }
    }

    /// Appends bytes.
    pub(super) async fn put(&mut self, bytes: Bytes) -> Result<()> {
        self.buffer.extend_from_slice(&bytes);
        while self.buffer.len() >= PART_BYTES {
            let part = self.buffer.split_to(PART_BYTES).freeze();
            self.send(part).await?;
        }
        Ok(())
    }

    /// Publishes the object.
    pub(super) async fn close(mut self) -> Result<()> {
        let rest = self.buffer.split().freeze();
        if self.parts.is_none() {
            return self.store.put(&self.path, rest.into()).await.map(|_| ());
        }
        let completed = self.complete(rest).await;
        match completed {
            // nothing is left to abort
            Ok(()) => self.parts = None,
            Err(_) => self.abort().await,
        }
        completed
    }

    async fn complete(&mut self, rest: Bytes) -> Result<()> {
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        let Some(parts) = &mut self.parts else {
            return Ok(());
        };
        parts.wait(0).await?;
        parts.upload.complete().await.map(|_| ())
    }

    async fn send(&mut self, part: Bytes) -> Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => none.insert(Parts {
                upload: self.store.put_multipart(&self.path).await?,
                running: JoinSet::new(),
            }),
        };
        parts.wait(PARTS_IN_FLIGHT - 1).await?;
        parts.running.spawn(parts.upload.put_part(part.into()));
        Ok(())
    }

    /// Gives the object up.
    pub(super) async fn abort(&mut self) {
        if let Some(parts) = self.parts.take() {
            parts.abort(&self.path).await;
        }
    }
}

impl Parts {
    /// Waits until at most `most` parts are under way.
    async fn wait(&mut self, most: usize) -> Result<()> {
        while self.running.len() > most {
            match self.running.join_next().await {
                Some(Ok(sent)) => sent?,
                Some(Err(error)) => return Err(error.into()),
                None => break,
            }
        }
        Ok(())
    }

    async fn abort(mut self, path: &Path) {
        // a part that arrives after the abort would stay
        self.running.shutdown().await;
        if let Err(error) = self.upload.abort().await {
            tracing::warn!(%path, %error, "could not abort an upload");
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else {
            return;
        };
        let path = self.path.clone();
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move { parts.abort(&path).await });
            }
            Err(_) => tracing::warn!(%path, "an upload was left unfinished"),
        }
    }
}
