//! Block compression of Avro files.

use std::io::{Read, Write};

use bytes::Bytes;
use zstd::stream::raw::{InBuffer, Operation, OutBuffer};

use crate::error::{Error, ErrorKind, Result};

/// Compression level of deflate that Java uses.
const DEFLATE_LEVEL: u32 = 6;

/// How the blocks of a file are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// `null`: not at all
    Null,
    /// `deflate`: raw, without zlib header
    Deflate,
    /// `bzip2`
    Bzip2,
    /// `snappy`: a raw snappy block and the big-endian CRC-32 of its content
    Snappy,
    /// `zstandard`
    Zstandard {
        /// Level to write with.
        level: i32,
    },
}

impl Default for Codec {
    /// What Paimon writes manifests with.
    fn default() -> Self {
        Codec::Zstandard { level: 1 }
    }
}

impl Codec {
    /// From `avro.codec` in a header or an option such as `manifest.compression`; `level` is for zstandard.
    ///
    /// # Errors
    /// `Unsupported` for other names.
    pub fn from_name(name: &str, level: i32) -> Result<Self> {
        Ok(match name {
            "null" | "none" => Codec::Null,
            "deflate" => Codec::Deflate,
            "bzip2" => Codec::Bzip2,
            "snappy" => Codec::Snappy,
            "zstandard" | "zstd" => Codec::Zstandard { level },
            other => {
                return Err(Error::unsupported(
                    "Avro codec is not supported: null, deflate, bzip2, snappy and zstandard are",
                )
                .with("codec", other));
            }
        })
    }

    /// Name in `avro.codec`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Null => "null",
            Codec::Deflate => "deflate",
            Codec::Bzip2 => "bzip2",
            Codec::Snappy => "snappy",
            Codec::Zstandard { .. } => "zstandard",
        }
    }

    /// Compresses one block.
    ///
    /// # Errors
    /// `Internal` when the compressor fails.
    pub fn deflate(self, block: &[u8]) -> Result<Vec<u8>> {
        let failed = |e: std::io::Error| Error::internal("compression failed").with_source(e);
        match self {
            Codec::Null => Ok(block.to_vec()),
            Codec::Deflate => {
                let level = flate2::Compression::new(DEFLATE_LEVEL);
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
                encoder.write_all(block).map_err(failed)?;
                encoder.finish().map_err(failed)
            }
            Codec::Bzip2 => {
                let level = bzip2::Compression::best();
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
                encoder.write_all(block).map_err(failed)?;
                encoder.finish().map_err(failed)
            }
            Codec::Snappy => {
                let mut out = snap::raw::Encoder::new()
                    .compress_vec(block)
                    .map_err(|e| Error::internal("compression failed").with_source(e))?;
                out.extend_from_slice(&crc32fast::hash(block).to_be_bytes());
                Ok(out)
            }
            Codec::Zstandard { level } => zstd::bulk::compress(block, level).map_err(failed),
        }
    }
}

/// Inflates blocks one after another, stopping at a limit; keeps its working memory between blocks.
pub struct Inflater {
    codec: Codec,
    limit: usize,
    zstd: Option<zstd::stream::raw::Decoder<'static>>,
}

impl Inflater {
    /// For blocks of at most `limit` bytes.
    pub fn new(codec: Codec, limit: usize) -> Self {
        Self {
            codec,
            limit,
            zstd: None,
        }
    }

    /// The content of a block.
    ///
    /// # Errors
    /// `Damaged` for a broken or cut block, `ResourceExhausted` when it inflates past the limit.
    pub fn inflate(&mut self, block: Bytes) -> Result<Bytes> {
        let out = match self.codec {
            Codec::Null => {
                self.check(block.len())?;
                return Ok(block);
            }
            Codec::Deflate => self.stream(flate2::read::DeflateDecoder::new(&block[..]))?,
            Codec::Bzip2 => self.stream(bzip2::read::MultiBzDecoder::new(&block[..]))?,
            Codec::Snappy => self.snappy(&block)?,
            Codec::Zstandard { .. } => self.zstandard(&block)?,
        };
        Ok(tight(out))
    }

    fn check(&self, size: usize) -> Result<()> {
        if size <= self.limit {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::ResourceExhausted,
            format!("Avro block inflates to more than {} bytes", self.limit),
        ))
    }

    fn stream(&self, reader: impl Read) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let cap = u64::try_from(self.limit)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        reader
            .take(cap)
            .read_to_end(&mut out)
            .map_err(|e| self.broken(e))?;
        self.check(out.len())?;
        Ok(out)
    }

    fn snappy(&self, block: &[u8]) -> Result<Vec<u8>> {
        let Some((body, crc)) = block.split_last_chunk::<4>() else {
            return Err(self.broken("no room for a checksum"));
        };
        let size = snap::raw::decompress_len(body).map_err(|e| self.broken(e))?;
        self.check(size)?;
        // A snappy element of two bytes yields at most 64.
        if size > body.len().saturating_mul(64) {
            return Err(self.broken("declared size is impossible"));
        }
        let out = snap::raw::Decoder::new()
            .decompress_vec(body)
            .map_err(|e| self.broken(e))?;
        let expected = u32::from_be_bytes(*crc);
        let found = crc32fast::hash(&out);
        if expected != found {
            return Err(Error::damaged(format!(
                "CRC-32 of a snappy block must be {expected:08x}, found {found:08x}"
            )));
        }
        Ok(out)
    }

    fn zstandard(&mut self, block: &[u8]) -> Result<Vec<u8>> {
        let declared = zstd::zstd_safe::get_frame_content_size(block)
            .ok()
            .flatten();
        let declared = declared.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        if let Some(n) = declared {
            self.check(n)?;
        }
        // The declared size is only believed as far as the compressed size makes it likely.
        let likely = block.len().saturating_mul(8).max(1 << 16);
        let first = declared.unwrap_or(likely).clamp(1, likely).min(self.limit);
        let mut decoder = match self.zstd.take() {
            Some(mut decoder) => {
                decoder.reinit().map_err(|e| self.broken(e))?;
                decoder
            }
            None => zstd::stream::raw::Decoder::new().map_err(|e| self.broken(e))?,
        };
        let out = self.run(&mut decoder, block, first)?;
        self.zstd = Some(decoder);
        Ok(out)
    }

    /// Decodes all frames of `block`, growing the output step by step.
    fn run(&self, decoder: &mut impl Operation, block: &[u8], first: usize) -> Result<Vec<u8>> {
        let mut out = vec![0; first];
        let mut filled = 0;
        let mut input = InBuffer::around(block);
        loop {
            let mut output = OutBuffer::around(&mut out[filled..]);
            let hint = decoder
                .run(&mut input, &mut output)
                .map_err(|e| self.broken(e))?;
            let written = output.pos();
            filled += written;
            let drained = input.pos() == block.len();
            if hint == 0 && drained {
                break;
            }
            if filled == out.len() {
                self.check(filled.saturating_add(1))?;
                let grown = filled.saturating_mul(2).max(1 << 12).min(self.limit);
                out.resize(grown, 0);
            } else if drained && written == 0 {
                return Err(self.broken("compressed data ends too early"));
            }
        }
        out.truncate(filled);
        Ok(out)
    }

    fn broken(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::damaged("Avro block cannot be inflated")
            .with("codec", self.codec.name())
            .with_source(cause)
    }
}

/// Blocks are kept as long as a value in them is: give back what was allocated too much.
fn tight(mut out: Vec<u8>) -> Bytes {
    if out.capacity() - out.len() > out.len() / 4 {
        out.shrink_to_fit();
    }
    out.into()
}
