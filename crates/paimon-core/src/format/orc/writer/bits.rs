//! Streams of bytes and of bits: runs of equal bytes and literals.
//!
//! ```text
//! run:      u8 length - 3      | byte             3 to 130 equal bytes
//! literals: u8 256 - length    | length bytes     1 to 128 bytes
//! ```
//! Bits are packed into bytes first, the highest bit first. Source: `RunLengthByteWriter`, `BitFieldWriter`.

const RUN_MIN: usize = 3;
const RUN_MAX: usize = 130;
const LITERALS_MAX: usize = 128;

/// Bits of a stream.
#[derive(Debug, Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    length: usize,
}

impl Bits {
    /// Appends a bit.
    pub(super) fn push(&mut self, bit: bool) {
        if self.length.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut().filter(|_| bit) {
            *last |= 0x80 >> (self.length % 8);
        }
        self.length += 1;
    }

    /// Bytes of memory held, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The stream; nothing is left.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.length = 0;
        encode_bytes(&std::mem::take(&mut self.bytes))
    }
}

/// The stream of these bytes.
pub(super) fn encode_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut literals, mut at) = (0, 0);
    while at < bytes.len() {
        let run = run_length(&bytes[at..]);
        if run < RUN_MIN {
            at += run;
            continue;
        }
        put_literals(&bytes[literals..at], &mut out);
        out.push(u8::try_from(run - RUN_MIN).unwrap_or(u8::MAX));
        out.push(bytes[at]);
        at += run;
        literals = at;
    }
    put_literals(&bytes[literals..], &mut out);
    out
}

/// Equal bytes at the start, at most as many as a run takes.
fn run_length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take(RUN_MAX)
        .take_while(|b| Some(*b) == bytes.first())
        .count()
}

fn put_literals(bytes: &[u8], out: &mut Vec<u8>) {
    for part in bytes.chunks(LITERALS_MAX) {
        out.push(u8::try_from(256 - part.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_literals_are_those_of_the_format() {
        assert_eq!(encode_bytes(&[0; 100]), [0x61, 0x00]);
        assert_eq!(encode_bytes(&[0x44, 0x45]), [0xfe, 0x44, 0x45]);
        assert_eq!(
            encode_bytes(&[1, 2, 2, 7, 7, 7, 7, 9]),
            [0xfd, 1, 2, 2, 1, 7, 0xff, 9]
        );
        assert_eq!(encode_bytes(&[5; 131]), [127, 5, 0xff, 5]);
        assert!(encode_bytes(&[]).is_empty());
    }

    #[test]
    fn bits_begin_at_the_highest() {
        let mut bits = Bits::default();
        bits.push(true);
        (0..7).for_each(|_| bits.push(false));
        bits.push(true);
        assert_eq!(bits.take(), [0xfe, 0x80, 0x80]);
        assert_eq!((bits.bytes(), bits.take().len()), (0, 0));
    }
}
