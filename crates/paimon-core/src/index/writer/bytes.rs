//! Java's `DataOutput`.

use crate::error::{Error, Result};

/// Appends a length or offset as a big-endian `i32`.
pub(super) fn put_int(out: &mut Vec<u8>, value: usize) -> Result<()> {
    let value = i32::try_from(value)
        .map_err(|_| Error::internal(format!("file index of {value} bytes is too large")))?;
    out.extend_from_slice(&value.to_be_bytes());
    Ok(())
}

/// Appends `writeUTF`: a 16-bit length, then UTF-8 with two-byte NUL and surrogates encoded one by one.
pub(super) fn put_utf(out: &mut Vec<u8>, text: &str) -> Result<()> {
    let mut bytes = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let [high, low] = unit.to_be_bytes();
        let six = (low & 0x3f) | 0x80;
        match unit {
            1..=0x7f => bytes.push(low),
            0 | 0x80..=0x7ff => {
                bytes.push(0xc0 | (high << 2) | (low >> 6));
                bytes.push(six);
            }
            _ => {
                bytes.push(0xe0 | (high >> 4));
                bytes.push(0x80 | ((high & 0x0f) << 2) | (low >> 6));
                bytes.push(six);
            }
        }
    }
    let length = u16::try_from(bytes.len())
        .map_err(|_| Error::invalid("column name is too long for a file index"))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_is_javas_modified_utf8() {
        let mut out = Vec::new();
        put_utf(&mut out, "a\0é日😀").unwrap();
        assert_eq!(
            out,
            [
                0, 14, b'a', 0xc0, 0x80, 0xc3, 0xa9, 0xe6, 0x97, 0xa5, 0xed, 0xa0, 0xbd, 0xed,
                0xb8, 0x80
            ]
        );
        assert!(put_utf(&mut out, &"x".repeat(70_000)).is_err());
    }
}
