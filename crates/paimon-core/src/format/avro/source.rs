//! The blocks of an Avro file, fetched in ranges of a few megabytes.

use bytes::{Bytes, BytesMut};

use crate::codec::avro::{BlockFrame, Header, MAX_HEADER_BYTES};
use crate::error::{Error, Result};
use crate::io::InputFile;

/// Bytes fetched at once.
const CHUNK_BYTES: u64 = 8 << 20;

/// A walk over the blocks of a file.
pub(super) struct BlockSource {
    file: InputFile,
    /// Position of `buffer` in the file.
    at: u64,
    /// Fetched bytes that are not consumed yet.
    buffer: Bytes,
}

impl BlockSource {
    /// Reads the header.
    ///
    /// # Errors
    /// `Damaged` when it is no Avro file.
    pub async fn open(file: InputFile) -> Result<(Header, Self)> {
        if file.size() == 0 {
            return Err(Error::damaged("Avro file is empty, a header is expected"));
        }
        let mut source = Self {
            file,
            at: 0,
            buffer: Bytes::new(),
        };
        source
            .fill(MAX_HEADER_BYTES, length(MAX_HEADER_BYTES))
            .await?;
        let header = Header::parse(&source.buffer)?;
        source.consume(header.length);
        Ok((header, source))
    }

    /// Frame of the next block, `None` at the end of the file.
    pub async fn next_frame(&mut self) -> Result<Option<BlockFrame>> {
        let remaining = self.file.size().saturating_sub(self.at);
        if remaining == 0 {
            return Ok(None);
        }
        self.fill(BlockFrame::MAX_HEAD, CHUNK_BYTES).await?;
        let head = self
            .buffer
            .slice(..self.buffer.len().min(BlockFrame::MAX_HEAD));
        BlockFrame::parse(&head, remaining).map(Some)
    }

    /// The bytes of the block of a frame, which are consumed.
    pub async fn take_block(&mut self, frame: &BlockFrame) -> Result<Bytes> {
        self.fill(frame.length(), CHUNK_BYTES).await?;
        let block = self.buffer.slice(..frame.length().min(self.buffer.len()));
        self.consume(block.len());
        Ok(block)
    }

    fn consume(&mut self, n: usize) {
        self.buffer = self.buffer.slice(n..);
        self.at = self.at.saturating_add(length(n));
    }

    /// Has at least `n` bytes in the buffer, or all that remain; fetches at least `chunk` bytes if any.
    async fn fill(&mut self, n: usize, chunk: u64) -> Result<()> {
        let start = self.at.saturating_add(length(self.buffer.len()));
        if self.buffer.len() >= n || start >= self.file.size() {
            return Ok(());
        }
        let end = self
            .at
            .saturating_add(length(n))
            .max(start.saturating_add(chunk))
            .min(self.file.size());
        let fetched = self.file.read_range(start..end).await?;
        if self.buffer.is_empty() {
            self.buffer = fetched;
        } else {
            let mut joined = BytesMut::with_capacity(self.buffer.len() + fetched.len());
            joined.extend_from_slice(&self.buffer);
            joined.extend_from_slice(&fetched);
            self.buffer = joined.freeze();
        }
        Ok(())
    }
}

fn length(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
