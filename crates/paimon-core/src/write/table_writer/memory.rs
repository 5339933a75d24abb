//! Sharing memory among buckets: who is written out when it runs short.

use std::sync::Arc;

use tokio::task::JoinError;

use super::bucket::{Bucket, Writer};
use super::{FlushResult, Released, TableWriter};
use crate::error::{Error, Result};

impl TableWriter {
    /// Takes memory for rows of a bucket, writing other rows out until it is there.
    pub(super) async fn reserve(&mut self, at: usize, bytes: usize) -> Result<()> {
        while !self.bucket_at(at)?.reservation.try_grow(bytes) {
            if !self.release().await? {
                // nothing is left to write out: the rows alone are larger than the budget
                self.bucket_at(at)?.reservation.grow(bytes);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Gives memory back; false when there is none to give.
    async fn release(&mut self) -> Result<bool> {
        let Some(at) = self.largest() else {
            return self.wait_for_flush().await;
        };
        if self.setup.key_value.is_none() {
            return self.flush_append(at).await;
        }
        if self.flushes.len() < self.context.parallelism {
            self.start_release(at)?;
        }
        self.wait_for_flush().await
    }

    /// Starts to move rows out once half of the memory is used, so that writing goes on beside it.
    pub(super) fn flush_early(&mut self) -> Result<()> {
        if self.setup.key_value.is_none() {
            return Ok(());
        }
        while let Some(done) = self.flushes.try_join_next() {
            self.take_released(done)?;
        }
        if !self.flushes.is_empty() {
            return Ok(());
        }
        let used: usize = self.buckets.values().map(|b| b.reservation.bytes()).sum();
        let half = self.setup.options.buffer_size / 2;
        if u64::try_from(used).unwrap_or(u64::MAX) < half {
            return Ok(());
        }
        match self.largest() {
            Some(at) => self.start_release(at),
            None => Ok(()),
        }
    }

    /// The bucket with the most memory that can be written out.
    fn largest(&self) -> Option<usize> {
        let held = |bucket: &Bucket| match &bucket.writer {
            Writer::KeyValue(buffer) if buffer.is_empty() => 0,
            _ => bucket.reservation.bytes(),
        };
        self.buckets
            .values()
            .enumerate()
            .map(|(at, bucket)| (held(bucket), at))
            .filter(|(bytes, _)| *bytes > 0)
            .max()
            .map(|(_, at)| at)
    }

    /// Starts to move a bucket's buffer out of memory: to local disk where that is allowed and has room, else to files
    /// of the table.
    fn start_release(&mut self, at: usize) -> Result<()> {
        let Some(space) = self.spill.clone().filter(|space| space.has_room()) else {
            return self.start_flush(at);
        };
        let runs_max = self.setup.options.spill_runs_max;
        let Some(buffered) = self.bucket_at(at)?.take_spill(runs_max) else {
            return self.start_flush(at);
        };
        let first_sequence = buffered.first_sequence;
        let metrics = Arc::clone(&self.context.metrics);
        self.flushes.spawn(async move {
            let run = metrics.spills.measure(buffered.spill(space)).await;
            if let Ok(run) = &run {
                metrics.add_spilled(run.file_bytes());
            }
            (at, run.map(|run| Released::Run(first_sequence, run)))
        });
        Ok(())
    }

    /// Starts the flush of a bucket's rows, if none of them is still being spilled.
    pub(super) fn start_flush(&mut self, at: usize) -> Result<()> {
        let context = self.context.clone();
        if let Some(flush) = self.bucket_at(at)?.take_flush(&context) {
            self.flushes.spawn(async move {
                let files = context.metrics.flushes.measure(flush.run()).await;
                (at, files.map(Released::Files))
            });
        }
        Ok(())
    }

    /// Waits until one flush or spill has ended; false when none is under way.
    pub(super) async fn wait_for_flush(&mut self) -> Result<bool> {
        match self.flushes.join_next().await {
            None => Ok(false),
            Some(done) => self.take_released(done).map(|()| true),
        }
    }

    /// Keeps what a flush or spill has made.
    fn take_released(&mut self, done: Result<FlushResult, JoinError>) -> Result<()> {
        let (at, released) =
            done.map_err(|e| Error::internal("a flush task stopped").with_source(e))?;
        let bucket = self.bucket_at(at)?;
        match released? {
            Released::Files(flushed) => bucket.take_flushed(flushed),
            Released::Run(first_sequence, run) => bucket.take_spilled(first_sequence, run),
        }
        Ok(())
    }

    /// Starts encoding the pending rows of an append bucket and accounts for what earlier ones left behind.
    pub(super) async fn encode(&mut self, at: usize) -> Result<()> {
        let bucket = self.bucket_at(at)?;
        let Writer::Append { writer, .. } = &mut bucket.writer else {
            return Ok(());
        };
        writer.encode().await?;
        let held = writer.memory_size();
        bucket.reservation.shrink_to(held);
        let more = held.saturating_sub(bucket.reservation.bytes());
        if more > 0 && !bucket.reservation.try_grow(more) {
            self.flush_append(at).await?;
        }
        Ok(())
    }

    /// Writes out all an append bucket holds; false when that gave nothing back.
    async fn flush_append(&mut self, at: usize) -> Result<bool> {
        let bucket = self.bucket_at(at)?;
        let Writer::Append { writer, .. } = &mut bucket.writer else {
            return Ok(false);
        };
        writer.flush_memory().await?;
        let before = bucket.reservation.bytes();
        let held = writer.memory_size();
        bucket.reservation.shrink_to(held);
        let more = held.saturating_sub(bucket.reservation.bytes());
        if more > 0 {
            bucket.reservation.grow(more);
        }
        Ok(bucket.reservation.bytes() < before)
    }
}
