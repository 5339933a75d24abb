//! Files that appear whole: written under a name of their own, then renamed.

use bytes::Bytes;
use hdfs_native::file::FileWriter;
use hdfs_native::{HdfsError, WriteOptions};
use object_store::{Error, PutPayload, Result};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::calls::{Calls, Failure, generic};

/// A file under a name of its own; removed when dropped.
#[derive(Debug)]
pub(super) struct Stage {
    calls: Calls,
    path: String,
    /// Nothing is left to remove.
    gone: bool,
}

/// Whether a file that has the name already is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Kept,
    Replaced,
}

/// What the renamed file must hold.
pub(super) enum Content<'a> {
    Bytes(&'a PutPayload),
    Length(u64),
}

/// How a rename ended that got no good answer.
enum Outcome {
    Renamed,
    /// It has not happened and will not.
    Failed(Failure),
    Refused(Error),
}

impl Stage {
    /// Starts a file beside `target`.
    pub(super) async fn create(
        calls: &Calls,
        target: &str,
        creation: &WriteOptions,
    ) -> std::result::Result<(Self, Box<FileWriter>), Failure> {
        let stage = Self {
            calls: calls.clone(),
            path: beside(target),
            gone: false,
        };
        // boxed, as a writer is large
        let create = async {
            let create = calls.client().create(&stage.path, creation);
            create.await.map(Box::new)
        };
        let writer = calls.once(create).await.map_err(|failure| {
            // made by a first request whose answer was lost; another name will do
            match failure.is_taken() {
                true => Failure::Hdfs(HdfsError::OperationFailed(failure.to_string())),
                false => failure,
            }
        })?;
        Ok((stage, writer))
    }

    /// Removes the file. Whether it was there.
    pub(super) async fn remove(&mut self) -> Result<bool> {
        let delete = || self.calls.client().delete(&self.path, false);
        let removed = self
            .calls
            .repeat("remove staged file", &self.path, delete)
            .await?;
        self.gone = true;
        Ok(removed)
    }

    /// Gives the closed file its name. `Ok(Err(_))`: it did not get it and is gone; the whole may be tried again.
    pub(super) async fn publish(
        mut self,
        target: &str,
        existing: Existing,
        content: Content<'_>,
    ) -> Result<std::result::Result<(), Failure>> {
        let replace = existing == Existing::Replaced;
        let rename = self.calls.client().rename(&self.path, target, replace);
        let Err(failure) = self.calls.once(rename).await else {
            self.gone = true;
            return Ok(Ok(()));
        };
        match self.settle(target, existing, &content, failure).await {
            Outcome::Renamed => Ok(Ok(())),
            Outcome::Failed(failure) => Ok(Err(failure)),
            Outcome::Refused(error) => Err(error),
        }
    }

    /// The client sends a request again when a connection breaks, so that no failure tells whether the first one was
    /// heard. Without the staged file no rename can happen any more: then the target tells.
    async fn settle(
        &mut self,
        target: &str,
        existing: Existing,
        content: &Content<'_>,
        failure: Failure,
    ) -> Outcome {
        match self.remove().await {
            Ok(true) if failure.is_taken() && existing == Existing::Kept => {
                Outcome::Refused(failure.at("create", target))
            }
            Ok(true) => Outcome::Failed(failure),
            Ok(false) => match self.holds(target, content).await {
                Ok(Some(true)) => Outcome::Renamed,
                Ok(Some(false)) if existing == Existing::Kept => Outcome::Refused(
                    Failure::Hdfs(HdfsError::AlreadyExists(target.to_string()))
                        .at("create", target),
                ),
                Ok(_) => Outcome::Failed(failure),
                Err(_) => Outcome::Refused(unknown(target, &failure)),
            },
            Err(_) => Outcome::Refused(unknown(target, &failure)),
        }
    }

    /// Whether the target has the content; `None` when there is none.
    async fn holds(&self, target: &str, content: &Content<'_>) -> Result<Option<bool>> {
        let status = || self.calls.client().get_file_info(target);
        let found = match self.calls.repeat("look up", target, status).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = match content {
            Content::Bytes(payload) => u64::try_from(payload.content_length()),
            Content::Length(length) => Ok(*length),
        };
        if u64::try_from(found.length) != length {
            return Ok(Some(false));
        }
        let Content::Bytes(payload) = content else {
            return Ok(Some(true));
        };
        let read = || async {
            let reader = self.calls.client().read(target).await?;
            reader.read_range(0, found.length).await
        };
        let bytes = self.calls.repeat("read", target, read).await?;
        Ok(Some(bytes == Bytes::from((*payload).clone())))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        let (calls, path) = (self.calls.clone(), std::mem::take(&mut self.path));
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    let delete = calls.client().delete(&path, false);
                    if let Err(error) = calls.once(delete).await {
                        tracing::warn!(path, %error, "could not remove a staged file");
                    }
                });
            }
            Err(_) => tracing::warn!(path, "a staged file was left behind"),
        }
    }
}

/// Writes a whole file, on disk when this returns.
pub(super) async fn write(
    calls: &Calls,
    target: &str,
    creation: &WriteOptions,
    payload: &PutPayload,
) -> std::result::Result<Stage, Failure> {
    let (stage, mut writer) = Stage::create(calls, target, creation).await?;
    for bytes in payload {
        calls.once(writer.write_bytes(bytes.clone())).await?;
    }
    finish(calls, &mut writer, payload.content_length() > 0).await?;
    Ok(stage)
}

/// Syncs a file that is not empty, and closes it.
pub(super) async fn finish(
    calls: &Calls,
    writer: &mut FileWriter,
    holds_bytes: bool,
) -> std::result::Result<(), Failure> {
    if holds_bytes {
        match calls.once(writer.hsync()).await {
            // erasure-coded files cannot be synced
            Ok(()) | Err(Failure::Hdfs(HdfsError::UnsupportedFeature(_))) => {}
            Err(failure) => return Err(failure),
        }
    }
    calls.once(writer.close()).await
}

fn unknown(target: &str, failure: &Failure) -> Error {
    generic(format!(
        "create {target}: {failure}; it may have taken effect"
    ))
}

/// A name in the same folder that no reader looks at and nobody else uses.
#[allow(
    clippy::disallowed_methods,
    reason = "the name of a stage is never seen again"
)]
fn beside(target: &str) -> String {
    let (folder, name) = target.rsplit_once('/').unwrap_or(("", target));
    let id = Uuid::new_v4();
    // a stage of a stage keeps a short name
    match name.starts_with('.') && name.ends_with(".tmp") {
        true => format!("{folder}/.{id}.tmp"),
        false => format!("{folder}/.{name}.{id}.tmp"),
    }
}
