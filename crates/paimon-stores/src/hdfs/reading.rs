//! Bytes of a file, resumed where a connection broke.

use std::ops::Range;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use hdfs_native::HdfsError;
use object_store::Result;

use super::calls::{Calls, Failure, Retries};

struct Reading {
    calls: Calls,
    path: String,
    /// Length of the file as it was looked up.
    length: usize,
    /// What is still to come.
    range: Range<usize>,
    open: Option<BoxStream<'static, hdfs_native::Result<Bytes>>>,
    retries: Retries,
}

/// A range of a file that has `length` bytes.
pub(super) fn stream(
    calls: Calls,
    path: String,
    length: usize,
    range: Range<usize>,
) -> BoxStream<'static, Result<Bytes>> {
    let retries = calls.retries();
    let reading = Reading {
        calls,
        path,
        length,
        range,
        open: None,
        retries,
    };
    futures::stream::try_unfold(reading, |mut reading| async move {
        let next = reading.next().await?;
        Ok(next.map(|bytes| (bytes, reading)))
    })
    .boxed()
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.range.is_empty() {
            match self.step().await {
                Ok(bytes) if bytes.len() > self.range.len() => {
                    let wrong = HdfsError::DataTransferError("more bytes than asked for".into());
                    return Err(Failure::Hdfs(wrong).at("read", &self.path));
                }
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => {
                    self.range.start += bytes.len();
                    self.retries = self.calls.retries();
                    return Ok(Some(bytes));
                }
                Err(failure) => {
                    self.open = None;
                    if !self.retries.pause(&failure).await {
                        return Err(failure.at("read", &self.path));
                    }
                }
            }
        }
        Ok(None)
    }

    async fn step(&mut self) -> std::result::Result<Bytes, Failure> {
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let reader = self.calls.once(self.calls.client().read(&self.path));
                let reader = reader.await?;
                if reader.file_length() != self.length {
                    let changed = format!(
                        "{} bytes are expected, found {}: the file was replaced",
                        self.length,
                        reader.file_length()
                    );
                    return Err(Failure::Hdfs(HdfsError::InternalError(changed)));
                }
                let bytes = reader.read_range_stream(self.range.start, self.range.len());
                none.insert(bytes.boxed())
            }
        };
        let next = async {
            let ended = || {
                Err(HdfsError::DataTransferError(
                    "the answer is too short".into(),
                ))
            };
            open.next().await.unwrap_or_else(ended)
        };
        self.calls.once(next).await
    }
}
