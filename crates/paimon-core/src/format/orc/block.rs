//! Compressed blocks: framing checks and bounded inflation.
//!
//! A stream of a compressed file is a sequence of blocks. Three little-endian bytes hold `length << 1 | original`,
//! then come `length` bytes; no block inflates to more than the postscript's block size.

use std::io::Read;

use orc_rust::proto::CompressionKind;

use crate::error::{Error, Result};

/// The header of a block has 23 bits for its length.
pub(super) const MAX_BLOCK_BYTES: u64 = (1 << 23) - 1;

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_BLOCK_BYTES_MAX: u64 = 128 * 1024;

/// How the file compresses, and the most bytes a block inflates to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Codec {
    /// Algorithm.
    pub kind: CompressionKind,
    /// Bytes a block may inflate to.
    pub block_bytes: usize,
}

/// One block of a stream.
#[derive(Clone, Copy)]
struct Block<'a> {
    original: bool,
    bytes: &'a [u8],
}

impl Codec {
    /// # Errors
    /// `Unsupported` for LZO, which no bounded decoder is at hand for.
    pub(super) fn new(kind: CompressionKind, block_bytes: usize) -> Result<Self> {
        if kind == CompressionKind::Lzo {
            return Err(Error::unsupported("ORC compression LZO is not supported"));
        }
        Ok(Self { kind, block_bytes })
    }

    /// The whole content of a stream, at most `limit` bytes.
    pub(super) fn inflate(&self, stream: &[u8], limit: u64) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.inflate_with(stream, |plain| {
            if (out.len() + plain.len()) as u64 > limit {
                return Err(Error::damaged(format!(
                    "ORC metadata inflates to more than {limit} bytes"
                )));
            }
            out.extend_from_slice(plain);
            Ok(())
        })?;
        Ok(out)
    }

    /// Hands the content to `sink`, one block at a time.
    pub(super) fn inflate_with(
        &self,
        stream: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        if self.kind == CompressionKind::None {
            return sink(stream);
        }
        let mut scratch = Vec::new();
        for block in blocks(stream) {
            let block = block?;
            if block.original {
                sink(block.bytes)?;
            } else {
                self.inflate_block(block.bytes, &mut scratch)?;
                sink(&scratch)?;
            }
        }
        Ok(())
    }

    /// Checks that the blocks fill the stream and none can inflate beyond the block size.
    pub(super) fn check(&self, stream: &[u8]) -> Result<()> {
        if self.kind == CompressionKind::None {
            return Ok(());
        }
        let mut scratch = Vec::new();
        for block in blocks(stream) {
            let block = block?;
            if !block.original && !self.bounded_by_header(block.bytes) {
                self.inflate_block(block.bytes, &mut scratch)?;
            }
        }
        Ok(())
    }

    /// Most bytes that a stream inflates to, from its block headers.
    pub(super) fn inflated_bound(&self, stream: &[u8]) -> u64 {
        if self.kind == CompressionKind::None {
            return stream.len() as u64;
        }
        let bound = |block: Block| match block.original {
            true => block.bytes.len() as u64,
            false => self.block_bytes as u64,
        };
        blocks(stream).flatten().map(bound).sum()
    }

    /// Whether the headers alone show that the block cannot inflate beyond the block size.
    fn bounded_by_header(&self, block: &[u8]) -> bool {
        let limit = self.block_bytes as u64;
        match self.kind {
            CompressionKind::Zstd => zstd_bound(block).is_some_and(|n| n <= limit),
            CompressionKind::Snappy => {
                snap::raw::decompress_len(block).is_ok_and(|n| n as u64 <= limit)
            }
            // the decoder gives LZ4 a buffer of the block size
            CompressionKind::Lz4 => true,
            _ => false,
        }
    }

    fn inflate_block(&self, block: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        let limit = self.block_bytes;
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
            Error::damaged(format!("ORC {} block is damaged", self.kind.as_str_name()))
                .with_source(e)
        };
        match self.kind {
            CompressionKind::Zlib => {
                let decoder = flate2::read::DeflateDecoder::new(block);
                read_bounded(decoder, limit, out).map_err(|e| failed(e.into()))?;
            }
            CompressionKind::Zstd => {
                let decoder = zstd::Decoder::with_buffer(block).map_err(|e| failed(e.into()))?;
                read_bounded(decoder, limit, out).map_err(|e| failed(e.into()))?;
            }
            CompressionKind::Snappy => {
                let length = snap::raw::decompress_len(block).map_err(|e| failed(e.into()))?;
                out.resize(length.min(limit + 1), 0);
                if length <= limit {
                    snap::raw::Decoder::new()
                        .decompress(block, out)
                        .map_err(|e| failed(e.into()))?;
                }
            }
            CompressionKind::Lz4 => {
                out.resize(limit, 0);
                let length =
                    lz4_flex::block::decompress_into(block, out).map_err(|e| failed(e.into()))?;
                out.truncate(length);
            }
            CompressionKind::None | CompressionKind::Lzo => out.extend_from_slice(block),
        }
        if out.len() > limit {
            return Err(Error::damaged(format!(
                "ORC block inflates to more than the file's block size of {limit} bytes"
            )));
        }
        Ok(())
    }
}

fn read_bounded(reader: impl Read, limit: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
    reader.take(limit as u64 + 1).read_to_end(out)?;
    Ok(())
}

/// The blocks of a stream; ends after the first error.
fn blocks(mut stream: &[u8]) -> impl Iterator<Item = Result<Block<'_>>> {
    std::iter::from_fn(move || {
        if stream.is_empty() {
            return None;
        }
        let taken = stream.split_first_chunk::<3>().and_then(|(header, rest)| {
            let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
            let length = usize::try_from(header >> 1).ok()?;
            let (bytes, rest) = rest.split_at_checked(length)?;
            Some((header & 1 == 1, bytes, rest))
        });
        match taken {
            Some((original, bytes, rest)) => {
                stream = rest;
                Some(Ok(Block { original, bytes }))
            }
            None => {
                stream = &[];
                Some(Err(Error::damaged(
                    "ORC block reaches past the end of its stream",
                )))
            }
        }
    })
}

/// Most bytes that zstd data can inflate to, from the headers of its blocks; `None` when they make no sense.
fn zstd_bound(mut data: &[u8]) -> Option<u64> {
    let mut bound = 0u64;
    while !data.is_empty() {
        let (magic, rest) = data.split_first_chunk::<4>()?;
        if *magic != ZSTD_MAGIC {
            return None;
        }
        data = rest;
        bound += zstd_frame_bound(&mut data)?;
    }
    Some(bound)
}

/// Moves past one frame whose magic was taken.
fn zstd_frame_bound(data: &mut &[u8]) -> Option<u64> {
    let (&descriptor, rest) = data.split_first()?;
    *data = rest;
    let block_bytes_max = zstd_window(descriptor, data)?.min(ZSTD_BLOCK_BYTES_MAX);
    let mut bound = 0u64;
    loop {
        let (header, rest) = data.split_first_chunk::<3>()?;
        let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let size = header >> 3;
        let (stored, plain) = match (header >> 1) & 3 {
            0 => (size, u64::from(size)),
            1 => (1, u64::from(size)),
            2 => (size, block_bytes_max),
            _ => return None,
        };
        bound += plain;
        *data = rest.get(usize::try_from(stored).ok()?..)?;
        if header & 1 == 1 {
            break;
        }
    }
    let checksum = usize::from(descriptor & 0x04 != 0) * 4;
    *data = data.get(checksum..)?;
    Some(bound)
}

/// Bytes of the window, which no block inflates beyond; moves past the frame header.
fn zstd_window(descriptor: u8, data: &mut &[u8]) -> Option<u64> {
    let single_segment = descriptor & 0x20 != 0;
    let mut window = 0u64;
    if !single_segment {
        let (&byte, rest) = data.split_first()?;
        *data = rest;
        let base = 1u64 << (10 + (byte >> 3));
        window = base + base / 8 * u64::from(byte & 7);
    }
    let dictionary_bytes = [0usize, 1, 2, 4][usize::from(descriptor & 3)];
    *data = data.get(dictionary_bytes..)?;
    let size_bytes = match descriptor >> 6 {
        0 => usize::from(single_segment),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let (content, rest) = data.split_at_checked(size_bytes)?;
    *data = rest;
    if single_segment {
        let content = content
            .iter()
            .rev()
            .fold(0u64, |n, &b| n << 8 | u64::from(b));
        // two bytes hold the size less 256
        window = content + if size_bytes == 2 { 256 } else { 0 };
    }
    Some(window)
}
