//! BINARY values in text files: base64 with padding, as Java's basic encoder and decoder have it.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Pads what it writes; what it reads may lack the padding, and may have bits behind the last byte.
const JAVA: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Bytes as text.
pub(super) fn encode(bytes: &[u8]) -> String {
    JAVA.encode(bytes)
}

/// The bytes of a text; `None` for one that is no base64. Padding may be left out, but not in part.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    if text.ends_with('=') && !text.len().is_multiple_of(4) {
        return None;
    }
    JAVA.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (b"\xff\xfe\x00", "//4A"),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
        assert_eq!(decode("Zg").as_deref(), Some(&b"f"[..]));
        for text in ["Z", "Zg=", "Zg===", "Z g=", "Zm9v="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
