//! Streams of integers: run lengths of the second kind. Source: `RunLengthIntegerWriterV2`.
//!
//! ```text
//! short repeat: 00 width:3 count:3 | value                             3 to 10 equal values
//! direct:       01 width:5 count:9 | values, bit-packed                1 to 512 values
//! delta:        11 00000 count:9   | varint first | varint difference  up to 512 values at equal distances
//! ```
//! Patched and varying deltas are not used: the block compression gets most of what they save.

/// Values that are looked at together; the longest direct and delta runs.
const WINDOW: usize = 512;
const SHORT_MIN: usize = 3;
const SHORT_MAX: usize = 10;
/// Shorter runs inside of others cost more than they save.
const RUN_WORTH: usize = 8;

/// Integers of a stream.
#[derive(Debug)]
pub(super) struct Integers {
    signed: bool,
    pending: Vec<i64>,
    out: Vec<u8>,
}

impl Integers {
    /// An empty stream; the values of an unsigned one are not negative.
    pub(super) fn new(signed: bool) -> Self {
        Self {
            signed,
            pending: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Appends a value.
    pub(super) fn push(&mut self, value: i64) {
        self.pending.push(value);
        if self.pending.len() == WINDOW {
            self.encode();
        }
    }

    /// Bytes of memory held, about.
    pub(super) fn bytes(&self) -> usize {
        self.out.len() + self.pending.len() * size_of::<i64>()
    }

    /// The stream; nothing is left.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.encode();
        std::mem::take(&mut self.out)
    }

    fn encode(&mut self) {
        let values = std::mem::take(&mut self.pending);
        let (mut literals, mut at) = (0, 0);
        while at < values.len() {
            let run = run_length(&values[at..]);
            let whole = at == 0 && run == values.len() && run >= SHORT_MIN;
            if run < RUN_WORTH && !whole {
                // the last value of a run may begin the next
                at += run.saturating_sub(1).max(1);
                continue;
            }
            self.direct(&values[literals..at]);
            self.run(&values[at..at + run]);
            at += run;
            literals = at;
        }
        self.direct(&values[literals..]);
        // the buffer is used again
        self.pending = values;
        self.pending.clear();
    }

    /// Values at equal distances.
    fn run(&mut self, values: &[i64]) {
        let [first, second, ..] = values else {
            return self.direct(values);
        };
        let delta = second.wrapping_sub(*first);
        if delta == 0 && values.len() <= SHORT_MAX {
            let value = self.unsigned(*first);
            let width = bit_width(value).div_ceil(8).max(1);
            let header = ((width - 1) << 3) | (values.len() - SHORT_MIN);
            self.out.push(u8::try_from(header).unwrap_or_default());
            self.out
                .extend_from_slice(&value.to_be_bytes()[8 - width..]);
            return;
        }
        self.header(3, 0, values.len());
        let first = self.unsigned(*first);
        put_varint(&mut self.out, u128::from(first));
        put_varint(&mut self.out, u128::from(zigzag(delta)));
    }

    fn direct(&mut self, values: &[i64]) {
        let Some(most) = values.iter().map(|v| self.unsigned(*v)).max() else {
            return;
        };
        let (width, code) = stored_width(bit_width(most));
        self.header(1, code, values.len());
        let (mut bits, mut held) = (0u128, 0usize);
        for value in values {
            bits = (bits << width) | u128::from(self.unsigned(*value));
            held += width;
            while held >= 8 {
                held -= 8;
                self.out.push(low_byte(bits >> held));
            }
        }
        if held > 0 {
            self.out.push(low_byte(bits << (8 - held)));
        }
    }

    fn header(&mut self, kind: usize, width_code: usize, count: usize) {
        let header = (kind << 14) | (width_code << 9) | (count - 1);
        let header = u16::try_from(header).unwrap_or_default();
        self.out.extend_from_slice(&header.to_be_bytes());
    }

    fn unsigned(&self, value: i64) -> u64 {
        match self.signed {
            true => zigzag(value),
            false => value.cast_unsigned(),
        }
    }
}

/// Values at equal distances at the start.
fn run_length(values: &[i64]) -> usize {
    let [first, second, ..] = values else {
        return values.len();
    };
    let Some(delta) = second.checked_sub(*first) else {
        return 1;
    };
    let equal = values
        .windows(2)
        .take_while(|w| w[1].checked_sub(w[0]) == Some(delta))
        .count();
    equal + 1
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u128) {
    while value > 0x7f {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

fn low_byte(value: u128) -> u8 {
    value.to_le_bytes()[0]
}

fn bit_width(value: u64) -> usize {
    usize::try_from(64 - value.leading_zeros()).unwrap_or(64)
}

/// The smallest width that the format has for so many bits, and its code.
fn stored_width(bits: usize) -> (usize, usize) {
    const WIDE: [usize; 8] = [26, 28, 30, 32, 40, 48, 56, 64];
    if bits <= 24 {
        let width = bits.max(1);
        return (width, width - 1);
    }
    let at = WIDE.iter().position(|w| *w >= bits).unwrap_or(7);
    (WIDE[at], 24 + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(signed: bool, values: &[i64]) -> Vec<u8> {
        let mut integers = Integers::new(signed);
        values.iter().for_each(|v| integers.push(*v));
        integers.take()
    }

    /// The examples of the format's specification.
    #[test]
    fn runs_are_those_of_the_format() {
        assert_eq!(encoded(false, &[10_000; 5]), [0x0a, 0x27, 0x10]);
        assert_eq!(
            encoded(false, &[23_713, 43_806, 57_005, 48_879]),
            [0x5e, 0x03, 0x5c, 0xa1, 0xab, 0x1e, 0xde, 0xad, 0xbe, 0xef]
        );
        assert_eq!(encoded(true, &[1; 11]), [0xc0, 0x0a, 0x02, 0x00]);
        let ids: Vec<i64> = (100..612).collect();
        assert_eq!(encoded(true, &ids), [0xc1, 0xff, 0xc8, 0x01, 0x02]);
        assert!(encoded(true, &[]).is_empty());
    }

    #[test]
    fn the_widest_values_are_stored_whole() {
        let found = encoded(true, &[i64::MIN, i64::MAX]);
        let mut expected = vec![0x7e, 0x01];
        expected.extend_from_slice(&u64::MAX.to_be_bytes());
        expected.extend_from_slice(&(u64::MAX - 1).to_be_bytes());
        assert_eq!(found, expected);
    }
}
