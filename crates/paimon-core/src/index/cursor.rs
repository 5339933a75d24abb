//! Checked reads from the bytes of an index.

use roaring::RoaringBitmap;

use crate::error::{Error, Result};

/// A position in a slice of bytes; numbers are big-endian.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// All bytes that remain.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(n);
        let Some(taken) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(Error::damaged(format!(
                "file index is cut: {n} bytes are needed at offset {}, {} remain",
                self.at,
                self.bytes.len().saturating_sub(self.at)
            )));
        };
        self.at += n;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A flag byte.
    pub(super) fn bool(&mut self) -> Result<bool> {
        Ok(self.u8()? != 0)
    }

    /// An `i32` that counts something.
    pub(super) fn count(&mut self, what: &str) -> Result<usize> {
        let value = self.i32()?;
        usize::try_from(value).map_err(|_| {
            Error::damaged(format!(
                "file index has {value} as {what}, expected at least 0"
            ))
        })
    }

    /// A byte that must be at most `newest`.
    pub(super) fn version(&mut self, newest: u8) -> Result<u8> {
        match self.u8()? {
            version if version > newest => Err(Error::unsupported(format!(
                "file index has version {version}, the newest supported is {newest}"
            ))),
            version => Ok(version),
        }
    }

    /// Java's `writeUTF`. Only the part common with UTF-8 and CESU-8 is needed: other names match no column.
    pub(super) fn utf(&mut self) -> Result<String> {
        let length = u16::from_be_bytes(self.array()?);
        Ok(modified_utf8(self.take(usize::from(length))?))
    }

    /// A serialised roaring bitmap whose positions are below `rows`.
    pub(super) fn bitmap(&mut self, rows: u32) -> Result<RoaringBitmap> {
        let mut rest = self.rest();
        let before = rest.len();
        let bitmap = RoaringBitmap::deserialize_from(&mut rest)
            .map_err(|e| Error::damaged("file index holds a broken bitmap").with_source(e))?;
        self.at += before - rest.len();
        match bitmap.max() {
            Some(last) if last >= rows => Err(Error::damaged(format!(
                "file index names row {last} of a file with {rows} rows"
            ))),
            _ => Ok(bitmap),
        }
    }
}

/// Checks the row count an index was built for.
pub(super) fn check_rows(found: i32, rows: u32) -> Result<()> {
    if u32::try_from(found) == Ok(rows) {
        return Ok(());
    }
    Err(Error::damaged(format!(
        "file index covers {found} rows, the file has {rows}"
    )))
}

/// `length` bytes from `offset` of an area.
pub(super) fn part(area: &[u8], offset: usize, length: usize) -> Result<&[u8]> {
    offset
        .checked_add(length)
        .and_then(|end| area.get(offset..end))
        .ok_or_else(|| {
            Error::damaged(format!(
                "file index points at {length} bytes from offset {offset} of an area of {}",
                area.len()
            ))
        })
}

/// Text of modified UTF-8: NUL in two bytes, supplementary characters as two surrogates of three bytes each.
fn modified_utf8(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_string();
    }
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().map(|b| u16::from(*b));
    while let Some(first) = rest.next() {
        let mut next = || rest.next().unwrap_or_default() & 0x3f;
        units.push(match first {
            0xe0.. => (first & 0x0f) << 12 | next() << 6 | next(),
            0xc0.. => (first & 0x1f) << 6 | next(),
            _ => first,
        });
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_utf_decodes() {
        assert_eq!(modified_utf8("é日".as_bytes()), "é日");
        assert_eq!(modified_utf8(&[b'a', 0xc0, 0x80, b'b']), "a\0b");
        let surrogates = [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80];
        assert_eq!(modified_utf8(&surrogates), "😀");
        modified_utf8(&[0xff, 0xe0]);
    }
}
