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
        let sync = self.sync_marker();
        let mut out = MAGIC.to_vec();
        put_long(&mut out, 2);
        put_bytes(&mut out, b"avro.schema");
        put_bytes(&mut out, self.schema.as_bytes());
        put_bytes(&mut out, b"avro.codec");
        put_bytes(&mut out, self.codec.name().as_bytes());
        put_long(&mut out, 0);
        out.extend_from_slice(&sync);
        for (rows, block) in &self.blocks {
            put_long(&mut out, *rows);
            put_bytes(&mut out, block);
            out.extend_from_slice(&sync);
        }
        Ok(out)
    }

    fn sync_marker(&self) -> [u8; SYNC_LEN] {
        let mut sync = [0; SYNC_LEN];
        for (seed, half) in (0u64..).zip(sync.chunks_exact_mut(8)) {
            let start = XxHash64::oneshot(seed, self.schema.as_bytes());
            let hash = self.blocks.iter().fold(start, |hash, (_, block)| {
                XxHash64::oneshot(hash.wrapping_add(seed), block)
            });
            half.copy_from_slice(&hash.to_le_bytes());
        }
        sync
    }
}
