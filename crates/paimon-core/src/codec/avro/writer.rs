//! Writes Avro files.

use twox_hash::XxHash64;

use super::Codec;
use super::container::{MAGIC, SYNC_LEN};
use crate::error::Result;

/// A block is closed when it has this many bytes, as in Java.
const BLOCK_BYTES: usize = 64_000;

/// Appends a zig-zag varint.
pub fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    loop {
        let low = (rest & 0x7f).to_le_bytes()[0];
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends a `bytes` or `string` value.
pub fn put_bytes(out: &mut Vec<u8>, value: &[u8]) {
    put_long(out, i64::try_from(value.len()).unwrap_or(i64::MAX));
    out.extend_from_slice(value);
}

/// Collects records into the blocks of one file.
///
/// The sync marker is a hash of the content, so equal input gives equal files.
pub struct ContainerWriter {
    schema: String,
    codec: Codec,
    open: Vec<u8>,
    open_rows: i64,
    blocks: Vec<(i64, Vec<u8>)>,
}

impl ContainerWriter {
    /// An empty file of records of `schema` (JSON).
    pub fn new(schema: impl Into<String>, codec: Codec) -> Self {
        Self {
            schema: schema.into(),
            codec,
            open: Vec::new(),
            open_rows: 0,
            blocks: Vec::new(),
        }
    }

    /// Appends one record that `encode` writes.
    ///
    /// # Errors
    /// `Internal` when the compressor fails.
    pub fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        encode(&mut self.open);
        self.open_rows += 1;
        if self.open.len() >= BLOCK_BYTES {
            self.close_block()?;
        }
        Ok(())
    }

    fn close_block(&mut self) -> Result<()> {
        if self.open_rows > 0 {
            self.blocks
                .push((self.open_rows, self.codec.deflate(&self.open)?));
            self.open.clear();
            self.open_rows = 0;
        }
        Ok(())
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// `Internal` when the compressor fails.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.close_block()?;
        let blocks = self.blocks.iter().map(|(_, block)| block.as_slice());
        let sync = sync_marker(&self.schema, blocks);
        let mut out = Vec::new();
        put_header(&mut out, &self.schema, self.codec, &sync);
        for (rows, block) in &self.blocks {
            put_long(&mut out, *rows);
            put_bytes(&mut out, block);
            out.extend_from_slice(&sync);
        }
        Ok(out)
    }
}

/// Writes one file block by block, so that finished blocks need not be kept.
///
/// The sync marker is a hash of the schema and the first block, so equal input gives equal files.
pub struct BlockWriter {
    schema: String,
    codec: Codec,
    open: Vec<u8>,
    open_rows: i64,
    sync: Option<[u8; SYNC_LEN]>,
    output: Vec<u8>,
    written: u64,
}

impl BlockWriter {
    /// An empty file of records of `schema` (JSON).
    pub fn new(schema: impl Into<String>, codec: Codec) -> Self {
        Self {
            schema: schema.into(),
            codec,
            open: Vec::new(),
            open_rows: 0,
            sync: None,
            output: Vec::new(),
            written: 0,
        }
    }

    /// Appends one record that `encode` writes.
    ///
    /// # Errors
    /// Those of `encode`, after which the file is lost; `Internal` when the compressor fails.
    pub fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        encode(&mut self.open)?;
        self.open_rows += 1;
        if self.open.len() >= BLOCK_BYTES {
            self.close_block()?;
        }
        Ok(())
    }

    /// Ends the open block.
    ///
    /// # Errors
    /// `Internal` when the compressor fails.
    pub fn close_block(&mut self) -> Result<()> {
        if self.open_rows == 0 {
            return Ok(());
        }
        let block = self.codec.deflate(&self.open)?;
        let sync = self.start(&block);
        put_long(&mut self.output, self.open_rows);
        put_bytes(&mut self.output, &block);
        self.output.extend_from_slice(&sync);
        self.open.clear();
        self.open_rows = 0;
        Ok(())
    }

    /// Ends the file: the header is there even without records.
    ///
    /// # Errors
    /// `Internal` when the compressor fails.
    pub fn finish(&mut self) -> Result<()> {
        self.close_block()?;
        self.start(&[]);
        Ok(())
    }

    /// Takes the bytes that are final.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.written += u64::try_from(self.output.len()).unwrap_or(u64::MAX);
        std::mem::take(&mut self.output)
    }

    /// Bytes of the file so far, the open block without compression.
    pub fn estimated_size(&self) -> u64 {
        let held = self.output.len() + self.open.len();
        self.written + u64::try_from(held).unwrap_or(u64::MAX)
    }

    /// Bytes of memory held.
    pub fn memory_size(&self) -> usize {
        self.output.capacity() + self.open.capacity()
    }

    /// Writes the header before the first block; gives the sync marker.
    fn start(&mut self, first: &[u8]) -> [u8; SYNC_LEN] {
        if let Some(sync) = self.sync {
            return sync;
        }
        let sync = sync_marker(&self.schema, [first].into_iter());
        put_header(&mut self.output, &self.schema, self.codec, &sync);
        self.sync = Some(sync);
        sync
    }
}

fn put_header(out: &mut Vec<u8>, schema: &str, codec: Codec, sync: &[u8; SYNC_LEN]) {
    out.extend_from_slice(&MAGIC);
    put_long(out, 2);
    put_bytes(out, b"avro.schema");
    put_bytes(out, schema.as_bytes());
    put_bytes(out, b"avro.codec");
    put_bytes(out, codec.name().as_bytes());
    put_long(out, 0);
    out.extend_from_slice(sync);
}

fn sync_marker<'a>(schema: &str, blocks: impl Iterator<Item = &'a [u8]> + Clone) -> [u8; SYNC_LEN] {
    let mut sync = [0; SYNC_LEN];
    for (seed, half) in (0u64..).zip(sync.chunks_exact_mut(8)) {
        let start = XxHash64::oneshot(seed, schema.as_bytes());
        let hash = blocks.clone().fold(start, |hash, block| {
            XxHash64::oneshot(hash.wrapping_add(seed), block)
        });
        half.copy_from_slice(&hash.to_le_bytes());
    }
    sync
}
