//! A large file, written part after part.

use std::fmt;

use futures::FutureExt;
use hdfs_native::WriteOptions;
use hdfs_native::file::FileWriter;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::calls::{Calls, Failure, generic};
use super::staging::{Content, Existing, Stage, finish};

/// What the writing task is told.
enum Step {
    Part(PutPayload, oneshot::Sender<Result<()>>),
    Close,
}

/// A file being written. Parts are written in the order in which they were handed over.
pub(super) struct HdfsUpload {
    target: String,
    state: Option<State>,
}

struct State {
    stage: Stage,
    steps: mpsc::UnboundedSender<Step>,
    /// Bytes written.
    writer: JoinHandle<Result<u64>>,
}

impl HdfsUpload {
    pub(super) async fn start(
        calls: &Calls,
        target: String,
        creation: &WriteOptions,
    ) -> Result<Self> {
        let mut retries = calls.retries();
        let (stage, writer) = loop {
            match Stage::create(calls, &target, creation).await {
                Ok(started) => break started,
                Err(failure) => {
                    if !retries.pause(&failure).await {
                        return Err(failure.at("create", &target));
                    }
                }
            }
        };
        let (steps, received) = mpsc::unbounded_channel();
        let writer = tokio::spawn(write(calls.clone(), target.clone(), writer, received));
        let state = State {
            stage,
            steps,
            writer,
        };
        Ok(Self {
            target,
            state: Some(state),
        })
    }

    fn ended(&self) -> object_store::Error {
        generic(format!("write {}: the upload has ended", self.target))
    }
}

/// Writes parts until the file is closed; without that it is given up.
async fn write(
    calls: Calls,
    target: String,
    mut writer: Box<FileWriter>,
    mut steps: mpsc::UnboundedReceiver<Step>,
) -> Result<u64> {
    let mut length = 0;
    while let Some(step) = steps.recv().await {
        let (part, answer) = match step {
            Step::Part(part, answer) => (part, answer),
            Step::Close => {
                let closed = finish(&calls, &mut writer, length > 0).await;
                return closed
                    .map(|()| length)
                    .map_err(|failure| failure.at("close", &target));
            }
        };
        let bytes = u64::try_from(part.content_length()).unwrap_or(u64::MAX);
        let written = write_part(&calls, &mut writer, part).await;
        let written = written.map_err(|failure| failure.at("write", &target));
        let failed = written.is_err();
        // nobody waits for a part of an upload that was cancelled
        let _ = answer.send(written);
        if failed {
            break;
        }
        length += bytes;
    }
    Err(generic(format!("write {target}: the file was given up")))
}

async fn write_part(
    calls: &Calls,
    writer: &mut FileWriter,
    part: PutPayload,
) -> std::result::Result<(), Failure> {
    for bytes in part {
        calls.once(writer.write_bytes(bytes)).await?;
    }
    Ok(())
}

impl fmt::Debug for HdfsUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HdfsUpload")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl MultipartUpload for HdfsUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (answer, answered) = oneshot::channel();
        let lost = generic(format!("write {}: an earlier part failed", self.target));
        let sent = match &self.state {
            Some(state) => state.steps.send(Step::Part(data, answer)).is_ok(),
            None => false,
        };
        async move {
            match sent {
                true => answered.await.unwrap_or(Err(lost)),
                false => Err(lost),
            }
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let Some(mut state) = self.state.take() else {
            return Err(self.ended());
        };
        // a writer that has ended says why
        let _ = state.steps.send(Step::Close);
        let written = (&mut state.writer).await?;
        let length = match written {
            Ok(length) => length,
            Err(error) => {
                self.state = Some(state);
                return Err(error);
            }
        };
        let published =
            state
                .stage
                .publish(&self.target, Existing::Replaced, Content::Length(length));
        published
            .await?
            .map_err(|failure| failure.at("create", &self.target))?;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn abort(&mut self) -> Result<()> {
        let Some(mut state) = self.state.take() else {
            return Ok(());
        };
        state.writer.abort();
        // until it has let go of the file
        let _ = (&mut state.writer).await;
        state.stage.remove().await.map(|_| ())
    }
}
