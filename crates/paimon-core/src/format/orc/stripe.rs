//! One stripe: fetched, checked and laid out as a file in memory for the decoder.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use bytes::{Buf, Bytes};
use orc_rust::ArrowReaderBuilder;
use orc_rust::arrow_reader::ArrowReader;
use orc_rust::proto::stream::Kind as StreamKind;
use orc_rust::proto::{Footer, PostScript, Stream, StripeFooter, StripeInformation, Type};
use orc_rust::reader::ChunkReader;
use prost::Message;

use super::block::{Codec, MAX_BLOCK_BYTES};
use super::column::Column;
use super::tail::{StripeRange, to_usize};
use super::{decoder_error, lengths};
use crate::error::{Error, Result};
use crate::io::InputFile;

/// A stripe up to this size is fetched in one request, its footer included.
const WHOLE_STRIPE_BYTES: u64 = 1024 * 1024;
const STRIPE_FOOTER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Zones whose wall clock is UTC; the decoder converts value by value when a zone is set.
const UTC_ZONES: [&str; 7] = ["UTC", "GMT", "Etc/UTC", "Etc/GMT", "Z", "UCT", "Zulu"];

/// What is the same for all stripes of a read.
pub(super) struct StripeReader {
    /// The file.
    pub file: InputFile,
    /// How the file is compressed.
    pub codec: Codec,
    /// The file's types without unwanted columns.
    pub types: Vec<Type>,
    /// Wanted columns that the file has, in the order of the pruned root, with their names.
    pub columns: Vec<(String, Arc<Column>)>,
}

/// Streams of one stripe, kept for the decoder.
#[derive(Default)]
pub(super) struct StripeData {
    footer: StripeFooter,
    streams: Vec<Bytes>,
    rows: u64,
}

impl StripeReader {
    /// Fetches the wanted streams.
    pub(super) async fn load(&self, stripe: &StripeRange) -> Result<StripeData> {
        let total = stripe.data_length + stripe.footer_length;
        let footer_start = stripe.offset + stripe.data_length;
        let whole = if total <= WHOLE_STRIPE_BYTES {
            Some(
                self.file
                    .read_range(stripe.offset..stripe.offset + total)
                    .await?,
            )
        } else {
            None
        };
        let footer = match &whole {
            Some(whole) => whole.slice(to_usize(stripe.data_length)?..),
            None => {
                self.file
                    .read_range(footer_start..footer_start + stripe.footer_length)
                    .await?
            }
        };
        let footer = self.parse_footer(&footer)?;
        let (wanted, ranges) = self.wanted_streams(&footer, stripe)?;
        let streams = match whole {
            Some(whole) => {
                let mut streams = Vec::with_capacity(ranges.len());
                for range in &ranges {
                    let start = to_usize(range.start - stripe.offset)?;
                    let end = to_usize(range.end - stripe.offset)?;
                    streams.push(whole.slice(start..end));
                }
                streams
            }
            None => self.file.read_ranges(&ranges).await?,
        };
        Ok(StripeData {
            footer: StripeFooter {
                streams: wanted,
                columns: footer.columns,
                writer_timezone: footer
                    .writer_timezone
                    .filter(|zone| !UTC_ZONES.contains(&zone.as_str())),
                encryption: Vec::new(),
            },
            streams,
            rows: stripe.rows,
        })
    }

    fn parse_footer(&self, stored: &[u8]) -> Result<StripeFooter> {
        let plain = self.codec.inflate(stored, STRIPE_FOOTER_BYTES_MAX)?;
        let footer = StripeFooter::decode(plain.as_slice())
            .map_err(|e| decoder_error("ORC stripe footer cannot be parsed", e))?;
        let mut last = 0;
        for (_, column) in &self.columns {
            column.visit(&mut |c| last = last.max(c.id));
        }
        if footer.columns.len() <= to_usize(u64::from(last))? {
            return Err(Error::damaged(format!(
                "ORC stripe footer must have an encoding for column {last}, found {} encodings",
                footer.columns.len()
            )));
        }
        Ok(footer)
    }

    /// The streams the decoder needs and where they lie in the file; it takes a missing stream for an empty one.
    #[allow(clippy::type_complexity)]
    fn wanted_streams(
        &self,
        footer: &StripeFooter,
        stripe: &StripeRange,
    ) -> Result<(Vec<Stream>, Vec<std::ops::Range<u64>>)> {
        let mut ids = HashSet::new();
        for (_, column) in &self.columns {
            column.visit(&mut |c| {
                ids.insert(c.id);
            });
        }
        let end = stripe.offset + stripe.data_length;
        let mut start = stripe.offset;
        let mut wanted = Vec::new();
        let mut ranges = Vec::new();
        for stream in &footer.streams {
            let stop = start.checked_add(stream.length()).filter(|&n| n <= end);
            let Some(stop) = stop else {
                return Err(Error::damaged(format!(
                    "ORC stream of column {} must end before byte {end}, found {start} + {}",
                    stream.column(),
                    stream.length()
                )));
            };
            let data = matches!(
                StreamKind::try_from(stream.kind.unwrap_or(0)),
                Ok(StreamKind::Present
                    | StreamKind::Data
                    | StreamKind::Length
                    | StreamKind::DictionaryData
                    | StreamKind::Secondary)
            );
            if data && start < stop && ids.contains(&stream.column()) {
                wanted.push(stream.clone());
                ranges.push(start..stop);
            }
            start = stop;
        }
        Ok((wanted, ranges))
    }

    /// Checks the streams and starts the decoder. Works on the processor only.
    pub(super) fn decode(
        &self,
        data: StripeData,
        batch_size: usize,
    ) -> Result<ArrowReader<StripeImage>> {
        for stream in &data.streams {
            self.codec.check(stream)?;
        }
        lengths::check(self, &data.footer, &data.streams)?;
        let image = self.image(data)?;
        let schema: SchemaRef = Arc::new(Schema::new(
            self.columns
                .iter()
                .map(|(name, column)| Field::new(name, column.decoded.clone(), true))
                .collect::<Vec<_>>(),
        ));
        let reader = ArrowReaderBuilder::try_new(image)
            .map_err(|e| decoder_error("ORC stripe cannot be opened", e))?;
        Ok(reader
            .with_schema(schema)
            .with_batch_size(batch_size)
            .build())
    }

    /// Streams, stripe footer, footer and postscript as a file of one stripe.
    fn image(&self, data: StripeData) -> Result<StripeImage> {
        let mut image = StripeImage::default();
        for stream in data.streams {
            image.push(stream);
        }
        let data_length = image.length;
        image.push(self.frame(&data.footer.encode_to_vec()));
        let footer_length = image.length - data_length;
        let footer = Footer {
            stripes: vec![StripeInformation {
                offset: Some(0),
                index_length: Some(0),
                data_length: Some(data_length),
                footer_length: Some(footer_length),
                number_of_rows: Some(data.rows),
                ..StripeInformation::default()
            }],
            types: self.types.clone(),
            number_of_rows: Some(data.rows),
            ..Footer::default()
        };
        let start = image.length;
        image.push(self.frame(&footer.encode_to_vec()));
        let postscript = PostScript {
            footer_length: Some(image.length - start),
            compression: Some(i32::from(self.codec.kind)),
            compression_block_size: Some(self.codec.block_bytes as u64),
            metadata_length: Some(0),
            magic: Some("ORC".into()),
            ..PostScript::default()
        };
        let mut bytes = postscript.encode_to_vec();
        let length = u8::try_from(bytes.len())
            .map_err(|_| Error::internal("ORC postscript has more than 255 bytes"))?;
        bytes.push(length);
        image.push(bytes.into());
        Ok(image)
    }

    /// Metadata as the decoder expects it: in blocks that say they are not compressed.
    fn frame(&self, plain: &[u8]) -> Bytes {
        if self.codec.kind == orc_rust::proto::CompressionKind::None {
            return Bytes::copy_from_slice(plain);
        }
        let mut out = Vec::with_capacity(plain.len() + 3);
        for chunk in plain.chunks(usize::try_from(MAX_BLOCK_BYTES).unwrap_or(usize::MAX)) {
            let header = u32::try_from(chunk.len()).unwrap_or(u32::MAX) << 1 | 1;
            out.extend_from_slice(&header.to_le_bytes()[..3]);
            out.extend_from_slice(chunk);
        }
        out.into()
    }
}

/// A file in memory made of pieces that are not copied.
#[derive(Default)]
pub(super) struct StripeImage {
    pieces: Vec<(u64, Bytes)>,
    length: u64,
}

impl StripeImage {
    fn push(&mut self, bytes: Bytes) {
        let start = self.length;
        self.length += bytes.len() as u64;
        self.pieces.push((start, bytes));
    }
}

impl ChunkReader for StripeImage {
    type T = bytes::buf::Reader<Bytes>;

    fn len(&self) -> u64 {
        self.length
    }

    fn get_read(&self, start: u64) -> std::io::Result<Self::T> {
        Ok(self
            .get_bytes(start, self.length.saturating_sub(start))?
            .reader())
    }

    fn get_bytes(&self, start: u64, length: u64) -> std::io::Result<Bytes> {
        let end = start
            .checked_add(length)
            .filter(|&end| end <= self.length)
            .ok_or(std::io::ErrorKind::UnexpectedEof)?;
        if length == 0 {
            return Ok(Bytes::new());
        }
        let first = self
            .pieces
            .partition_point(|(at, b)| at + b.len() as u64 <= start);
        let mut out = Vec::new();
        for (at, bytes) in &self.pieces[first..] {
            let from = start.saturating_sub(*at);
            let to = (bytes.len() as u64).min(end.saturating_sub(*at));
            let (Ok(from), Ok(to)) = (usize::try_from(from), usize::try_from(to)) else {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            };
            if from == 0 && to as u64 == length && out.is_empty() {
                return Ok(bytes.slice(..to));
            }
            if from < to {
                out.extend_from_slice(&bytes[from..to]);
            }
            if at + bytes.len() as u64 >= end {
                break;
            }
        }
        Ok(out.into())
    }
}
