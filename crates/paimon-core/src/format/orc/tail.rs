//! The end of the file: postscript and footer.
//!
//! ```text
//! stripes | metadata (statistics) | footer | postscript | u8 postscript length
//! ```

use bytes::Bytes;
use orc_rust::proto::{CompressionKind, Footer, PostScript, StripeInformation};
use prost::Message;

use super::block::{Codec, MAX_BLOCK_BYTES};
use super::decoder_error;
use crate::error::{Error, Result};
use crate::io::InputFile;

/// Bytes fetched first; holds the whole tail of most files.
const FIRST_READ_BYTES: u64 = 32 * 1024;
/// A footer larger than this is refused, stored or inflated.
const FOOTER_BYTES_MAX: u64 = 64 * 1024 * 1024;
const DEFAULT_BLOCK_BYTES: u64 = 256 * 1024;

/// What the file says about itself, checked against the file's size.
pub(super) struct Tail {
    /// The footer without statistics and user metadata.
    pub footer: Footer,
    /// How blocks are compressed.
    pub codec: Codec,
    /// The file's stripes, in order.
    pub stripes: Vec<StripeRange>,
    /// Rows of the file: the sum over the stripes.
    pub rows: u64,
}

/// One stripe: its bytes and its rows.
#[derive(Debug, Clone)]
pub(super) struct StripeRange {
    /// First byte.
    pub offset: u64,
    /// Bytes of indexes and data; the footer follows them.
    pub data_length: u64,
    /// Bytes of the stripe footer.
    pub footer_length: u64,
    /// Position of the first row in the file.
    pub first_row: u64,
    /// Rows.
    pub rows: u64,
}

impl Tail {
    /// Reads and checks the tail.
    pub(super) async fn read(file: &InputFile) -> Result<Self> {
        let size = file.size();
        if size == 0 {
            return Err(Error::damaged("ORC file is empty"));
        }
        let first = size.min(FIRST_READ_BYTES);
        let tail = file.read_range(size - first..size).await?;
        let (postscript, postscript_length) = parse_postscript(&tail)?;
        let codec = codec(&postscript)?;
        let footer_length = postscript.footer_length.unwrap_or(0);
        let before = size - postscript_length;
        if footer_length == 0 || footer_length > before.min(FOOTER_BYTES_MAX) {
            return Err(Error::damaged(format!(
                "ORC footer must have 1 to {} bytes, found {footer_length}",
                before.min(FOOTER_BYTES_MAX)
            )));
        }
        let stored = match usize::try_from(footer_length + postscript_length) {
            Ok(end) if end <= tail.len() => {
                let start = tail.len() - end;
                tail.slice(start..tail.len() - to_usize(postscript_length)?)
            }
            _ => file.read_range(before - footer_length..before).await?,
        };
        let plain = codec.inflate(&stored, FOOTER_BYTES_MAX)?;
        let mut footer = Footer::decode(plain.as_slice())
            .map_err(|e| decoder_error("ORC footer cannot be parsed", e))?;
        if footer.encryption.is_some() {
            return Err(Error::unsupported("ORC column encryption is not supported"));
        }
        footer.statistics.clear();
        footer.metadata.clear();
        let stripes = stripe_ranges(&footer.stripes, before - footer_length)?;
        let rows = stripes.last().map_or(0, |s| s.first_row + s.rows);
        if footer.number_of_rows() != rows {
            return Err(Error::damaged(format!(
                "ORC footer promises {} rows, its stripes hold {rows}",
                footer.number_of_rows()
            )));
        }
        Ok(Self {
            footer,
            codec,
            stripes,
            rows,
        })
    }
}

/// The postscript and the bytes it takes, its length byte included.
fn parse_postscript(tail: &Bytes) -> Result<(PostScript, u64)> {
    let Some((&length, rest)) = tail.split_last() else {
        return Err(Error::damaged("ORC file is empty"));
    };
    let start = rest
        .len()
        .checked_sub(usize::from(length))
        .ok_or_else(|| Error::damaged("ORC file is shorter than its postscript"))?;
    let postscript = PostScript::decode(&rest[start..])
        .map_err(|e| decoder_error("ORC postscript cannot be parsed", e))?;
    if postscript.magic() != "ORC" {
        return Err(Error::damaged(format!(
            "ORC postscript must end with the magic \"ORC\", found {:?}",
            postscript.magic()
        )));
    }
    Ok((postscript, u64::from(length) + 1))
}

fn codec(postscript: &PostScript) -> Result<Codec> {
    let kind = postscript.compression.unwrap_or(0);
    let kind = CompressionKind::try_from(kind)
        .map_err(|_| Error::unsupported(format!("ORC compression kind {kind} is not known")))?;
    let block = postscript
        .compression_block_size
        .unwrap_or(DEFAULT_BLOCK_BYTES);
    if kind != CompressionKind::None && (block == 0 || block > MAX_BLOCK_BYTES) {
        return Err(Error::damaged(format!(
            "ORC compression blocks have 1 to {MAX_BLOCK_BYTES} bytes, found {block}"
        )));
    }
    Codec::new(kind, to_usize(block.min(MAX_BLOCK_BYTES))?)
}

fn stripe_ranges(stripes: &[StripeInformation], end: u64) -> Result<Vec<StripeRange>> {
    let mut first_row = 0u64;
    let mut ranges = Vec::with_capacity(stripes.len());
    for (i, stripe) in stripes.iter().enumerate() {
        let data_length = stripe.index_length().checked_add(stripe.data_length());
        let stripe_end = data_length
            .and_then(|n| n.checked_add(stripe.footer_length()))
            .and_then(|n| n.checked_add(stripe.offset()));
        let next_row = first_row
            .checked_add(stripe.number_of_rows())
            .filter(|&n| i64::try_from(n).is_ok());
        let (Some(data_length), Some(true), Some(next_row)) = (
            data_length,
            stripe_end.map(|n| n <= end && stripe.footer_length() > 0),
            next_row,
        ) else {
            return Err(Error::damaged(format!(
                "ORC stripe {i} must lie before byte {end}, found offset {}, lengths {} + {} + {}, {} rows",
                stripe.offset(),
                stripe.index_length(),
                stripe.data_length(),
                stripe.footer_length(),
                stripe.number_of_rows()
            )));
        };
        ranges.push(StripeRange {
            offset: stripe.offset(),
            data_length,
            footer_length: stripe.footer_length(),
            first_row,
            rows: stripe.number_of_rows(),
        });
        first_row = next_row;
    }
    Ok(ranges)
}

pub(super) fn to_usize(value: u64) -> Result<usize> {
    usize::try_from(value)
        .map_err(|_| Error::damaged(format!("length {value} does not fit the address space")))
}
