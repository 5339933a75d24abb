//! Shortened bounds that still are bounds. Source: `TruncateSimpleColStatsCollector`.

use crate::spec::Datum;

/// A value not above `min`, of at most `n` characters or bytes.
pub(super) fn truncate_min(min: Datum, n: usize) -> Datum {
    match min {
        Datum::String(text) => Datum::String(text.chars().take(n).collect()),
        Datum::Bytes(mut bytes) => {
            bytes.truncate(n);
            Datum::Bytes(bytes)
        }
        other => other,
    }
}

/// A value not below `max`, of at most `n` characters or bytes; `None` when there is none.
pub(super) fn truncate_max(max: Datum, n: usize) -> Option<Datum> {
    match max {
        Datum::String(text) => {
            if text.chars().nth(n).is_none() {
                return Some(Datum::String(text));
            }
            let mut prefix: Vec<char> = text.chars().take(n).collect();
            while let Some(last) = prefix.pop() {
                if let Some(next) = next_char(last) {
                    prefix.push(next);
                    return Some(Datum::String(prefix.into_iter().collect()));
                }
            }
            None
        }
        Datum::Bytes(mut bytes) => {
            if bytes.len() <= n {
                return Some(Datum::Bytes(bytes));
            }
            bytes.truncate(n);
            while let Some(last) = bytes.pop() {
                if let Some(next) = last.checked_add(1) {
                    bytes.push(next);
                    return Some(Datum::Bytes(bytes));
                }
            }
            None
        }
        other => Some(other),
    }
}

fn next_char(c: char) -> Option<char> {
    match c {
        // the code points between are no characters
        '\u{d7ff}' => Some('\u{e000}'),
        other => char::from_u32(u32::from(other) + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> Datum {
        Datum::String(s.into())
    }

    #[test]
    fn bounds_are_javas() {
        assert_eq!(
            truncate_min(text("value-2-0123456789abcdefgh"), 16),
            text("value-2-01234567")
        );
        assert_eq!(
            truncate_max(text("value-2-0123456789abcdefgh"), 16),
            Some(text("value-2-01234568"))
        );
        assert_eq!(truncate_max(text("short"), 16), Some(text("short")));
        assert_eq!(truncate_min(text("äöüß"), 2), text("äö"));
        assert_eq!(truncate_max(text("äöüß"), 2), Some(text("ä÷")));
    }

    #[test]
    fn a_last_character_that_cannot_grow_is_dropped() {
        let top = '\u{10ffff}';
        assert_eq!(truncate_max(text(&format!("a{top}b")), 2), Some(text("b")));
        assert_eq!(truncate_max(text(&format!("{top}{top}b")), 2), None);
        assert_eq!(truncate_max(text("\u{d7ff}x"), 1), Some(text("\u{e000}")));
        let bytes = |b: &[u8]| Datum::Bytes(b.to_vec());
        assert_eq!(truncate_max(bytes(&[1, 255, 3]), 2), Some(bytes(&[2])));
        assert_eq!(truncate_max(bytes(&[255, 255, 3]), 2), None);
        assert_eq!(
            truncate_max(bytes(&[255, 255]), 2),
            Some(bytes(&[255, 255]))
        );
        assert_eq!(truncate_min(bytes(&[9, 8, 7]), 2), bytes(&[9, 8]));
    }
}
