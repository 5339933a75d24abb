//! The frame of an Avro file: header and blocks.

use bytes::Bytes;

use super::{AvroRecord, AvroType, Codec, Cursor, Inflater};
use crate::error::{Error, ErrorKind, Result};

/// Largest header accepted.
pub const MAX_HEADER_BYTES: usize = 1 << 20;
/// Largest compressed block accepted.
pub const MAX_BLOCK_BYTES: usize = 64 << 20;
/// Largest inflated block accepted.
pub(super) const MAX_INFLATED_BYTES: usize = 256 << 20;

pub(super) const MAGIC: [u8; 4] = *b"Obj\x01";
pub(super) const SYNC_LEN: usize = 16;

/// Header of a file.
#[derive(Debug, Clone)]
pub struct Header {
    /// Writer schema.
    pub schema: AvroType,
    /// Compression of the blocks.
    pub codec: Codec,
    /// Marker after every block.
    pub sync: [u8; SYNC_LEN],
    /// Bytes of the header; the first block starts here.
    pub length: usize,
}

/// Where the parts of a block are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockFrame {
    /// Records.
    pub rows: usize,
    /// Bytes before the compressed records.
    pub head: usize,
    /// Compressed bytes.
    pub body: usize,
}

/// An inflated block.
#[derive(Debug, Clone)]
pub struct Block {
    /// Records, at most one per byte.
    pub rows: usize,
    /// Their bytes.
    pub data: Bytes,
}

impl Header {
    /// Parses the start of a file.
    ///
    /// # Errors
    /// `Damaged` when it is no Avro file or cut, `Unsupported` for its codec or schema.
    pub fn parse(bytes: &Bytes) -> Result<Self> {
        let bytes = bytes.slice(..bytes.len().min(MAX_HEADER_BYTES));
        let mut cursor = Cursor::new(&bytes);
        let magic = cursor.take(MAGIC.len()).unwrap_or(&bytes);
        if magic != MAGIC {
            return Err(Error::damaged(format!(
                "Avro file must start with {MAGIC:02x?}, found {magic:02x?}"
            )));
        }
        let (schema, codec) = metadata(&mut cursor)?;
        let mut sync = [0; SYNC_LEN];
        sync.copy_from_slice(cursor.take(SYNC_LEN)?);
        let Some(schema) = schema else {
            return Err(Error::damaged("Avro header lacks `avro.schema`"));
        };
        Ok(Self {
            schema: AvroType::parse(&schema)?,
            codec,
            sync,
            length: cursor.position(),
        })
    }

    /// Record type of the file and whether every record is wrapped in `["null", record]`, as releases before 0.9 do.
    ///
    /// # Errors
    /// `Damaged` when the schema is not a record.
    pub fn record(&self) -> Result<(&AvroRecord, bool)> {
        match self.schema.optional()? {
            (AvroType::Record(record), wrapped) => Ok((record, wrapped)),
            (other, _) => Err(Error::damaged(format!(
                "Avro file must hold records, found {}",
                other.kind_name()
            ))),
        }
    }

    /// Checks the marker after a block.
    ///
    /// # Errors
    /// `Damaged` when it differs.
    pub fn check_sync(&self, found: &[u8]) -> Result<()> {
        if found == self.sync {
            return Ok(());
        }
        Err(Error::damaged(format!(
            "sync marker after an Avro block must be {:02x?}, found {found:02x?}",
            self.sync
        )))
    }

    /// For the blocks of this file.
    pub fn inflater(&self) -> Inflater {
        Inflater::new(self.codec, MAX_INFLATED_BYTES)
    }
}

/// Reads the metadata map: schema and codec.
fn metadata(cursor: &mut Cursor<'_>) -> Result<(Option<Bytes>, Codec)> {
    let mut schema = None;
    let mut codec = Codec::Null;
    loop {
        let count = cursor.items()?;
        if count == 0 {
            return Ok((schema, codec));
        }
        for _ in 0..count {
            let key = cursor.raw()?;
            let value = cursor.bytes()?;
            match key {
                b"avro.schema" => schema = Some(value),
                b"avro.codec" => codec = Codec::from_name(&String::from_utf8_lossy(&value), 1)?,
                _ => {}
            }
        }
    }
}

impl BlockFrame {
    /// Longest head of a block.
    pub const MAX_HEAD: usize = 20;

    /// Parses the head of a block; `remaining` is the number of bytes from here to the end of the file.
    ///
    /// # Errors
    /// `Damaged` when the block does not fit the file, `ResourceExhausted` when it is too large.
    pub fn parse(head: &Bytes, remaining: u64) -> Result<Self> {
        let mut cursor = Cursor::new(head);
        let rows = cursor.long()?;
        let body = cursor.long()?;
        let rows = usize::try_from(rows)
            .map_err(|_| Error::damaged(format!("Avro block has {rows} records")))?;
        let frame = Self {
            rows,
            head: cursor.position(),
            body: usize::try_from(body).unwrap_or(usize::MAX),
        };
        let fits = u64::try_from(frame.length()).is_ok_and(|n| n <= remaining);
        if !fits {
            return Err(Error::damaged(format!(
                "Avro block of {body} bytes is cut: {remaining} bytes remain in the file"
            )));
        }
        if frame.body > MAX_BLOCK_BYTES {
            return Err(Error::new(
                ErrorKind::ResourceExhausted,
                format!("Avro block has {body} bytes, at most {MAX_BLOCK_BYTES} are accepted"),
            ));
        }
        Ok(frame)
    }

    /// Bytes of the whole block with head and marker.
    pub fn length(&self) -> usize {
        self.body.saturating_add(self.head + SYNC_LEN)
    }

    /// Checks the marker and inflates; `block` are the [`BlockFrame::length`] bytes of the block.
    ///
    /// # Errors
    /// `Damaged` or `ResourceExhausted`, see [`Inflater::inflate`].
    pub fn open(&self, block: &Bytes, header: &Header, inflater: &mut Inflater) -> Result<Block> {
        let end = self.head.saturating_add(self.body);
        let (Some(marker), true) = (block.get(end..), self.head <= end) else {
            return Err(Error::internal("block is shorter than its frame"));
        };
        header.check_sync(marker)?;
        let data = inflater.inflate(block.slice(self.head..end))?;
        if self.rows > data.len() {
            return Err(Error::damaged(format!(
                "Avro block of {} bytes cannot hold {} records",
                data.len(),
                self.rows
            )));
        }
        Ok(Block {
            rows: self.rows,
            data,
        })
    }
}

/// The blocks of a file in memory, inflated one by one.
pub struct Blocks<'a> {
    header: &'a Header,
    inflater: Inflater,
    rest: Bytes,
}

impl<'a> Blocks<'a> {
    /// All blocks of `file`.
    pub fn new(header: &'a Header, file: &Bytes) -> Self {
        Self {
            inflater: header.inflater(),
            rest: file.slice(header.length.min(file.len())..),
            header,
        }
    }

    fn next_block(&mut self) -> Result<Block> {
        let rest = std::mem::take(&mut self.rest);
        let head = rest.slice(..rest.len().min(BlockFrame::MAX_HEAD));
        let remaining = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        let frame = BlockFrame::parse(&head, remaining)?;
        let block = frame.open(
            &rest.slice(..frame.length()),
            self.header,
            &mut self.inflater,
        )?;
        self.rest = rest.slice(frame.length()..);
        Ok(block)
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<Block>;

    /// The next block; after an error the iterator is at its end.
    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| self.next_block())
    }
}
