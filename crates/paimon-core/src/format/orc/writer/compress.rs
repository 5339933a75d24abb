//! Compression of streams, block by block; the framing is that of `block` in the reader.

use std::io::Write;

use indexmap::IndexMap;
use orc_rust::proto::CompressionKind;

use super::to_u64;
use crate::error::{Error, Result};
use crate::format::encoder::EncoderOptions;

/// Plain bytes of a block, at most: `orc.compress.size` of Java.
pub(super) const BLOCK_BYTES: usize = 256 * 1024;
/// Options that are understood, or that change nothing about a file that is right without them.
const KNOWN: &[&str] = &[
    "orc.stripe.size",
    "orc.timestamp-ltz.legacy.type",
    "orc.column.encoding.direct",
    "orc.dictionary.key.threshold",
    "orc.row.index.stride",
    "orc.create.index",
];

/// How blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// Not at all; streams have no blocks then.
    None,
    /// Raw deflate.
    Zlib,
    /// Raw Snappy.
    Snappy,
    /// Raw LZ4.
    Lz4,
    /// Zstandard of a level.
    Zstd(i32),
}

/// The compression that the options ask for.
///
/// # Errors
/// `Unsupported` naming an option or codec that cannot be honoured.
pub(super) fn of(options: &EncoderOptions) -> Result<Compression> {
    refuse_unknown(&options.table)?;
    let name = &options.compression;
    Ok(match name.to_ascii_lowercase().as_str() {
        "none" => Compression::None,
        "zlib" => Compression::Zlib,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd(options.zstd_level),
        _ => {
            return Err(Error::unsupported(format!(
                "ORC files cannot be compressed with {name:?}: zstd, snappy, lz4, zlib and none are supported"
            ))
            .with("option", "file.compression"));
        }
    })
}

fn refuse_unknown(table: &IndexMap<String, String>) -> Result<()> {
    let unknown = |k: &&String| k.starts_with("orc.") && !KNOWN.contains(&k.as_str());
    match table.keys().find(unknown) {
        Some(key) => Err(Error::unsupported(format!(
            "option `{key}` is not supported when writing"
        ))
        .with("option", key)),
        None => Ok(()),
    }
}

impl Compression {
    /// Its number in a postscript.
    pub(super) fn kind(self) -> CompressionKind {
        match self {
            Compression::None => CompressionKind::None,
            Compression::Zlib => CompressionKind::Zlib,
            Compression::Snappy => CompressionKind::Snappy,
            Compression::Lz4 => CompressionKind::Lz4,
            Compression::Zstd(_) => CompressionKind::Zstd,
        }
    }

    /// Appends a stream and returns its stored bytes.
    ///
    /// # Errors
    /// `Internal` when the compressor fails.
    pub(super) fn append(self, plain: &[u8], out: &mut Vec<u8>) -> Result<u64> {
        let start = out.len();
        if self == Compression::None {
            out.extend_from_slice(plain);
        } else {
            for block in plain.chunks(BLOCK_BYTES) {
                let packed = self.block(block)?;
                match packed.len() < block.len() {
                    true => put_block(&packed, false, out)?,
                    false => put_block(block, true, out)?,
                }
            }
        }
        Ok(to_u64(out.len() - start))
    }

    fn block(self, plain: &[u8]) -> Result<Vec<u8>> {
        match self {
            Compression::None => Ok(plain.to_vec()),
            Compression::Zlib => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
                encoder.write_all(plain).map_err(failed)?;
                encoder.finish().map_err(failed)
            }
            Compression::Snappy => snap::raw::Encoder::new()
                .compress_vec(plain)
                .map_err(failed),
            Compression::Lz4 => Ok(lz4_flex::block::compress(plain)),
            Compression::Zstd(level) => zstd::bulk::compress(plain, level).map_err(failed),
        }
    }
}

/// Three little-endian bytes `length << 1 | original`, then the bytes.
fn put_block(bytes: &[u8], original: bool, out: &mut Vec<u8>) -> Result<()> {
    let header = u32::try_from(bytes.len() << 1)
        .map_err(|_| Error::internal("an ORC block has at most 256 KiB"))?
        | u32::from(original);
    out.extend_from_slice(&header.to_le_bytes()[..3]);
    out.extend_from_slice(bytes);
    Ok(())
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("compression failed").with_source(error)
}
