//! Lines of text files.
//!
//! Java: `StandardLineReader`, `CustomLineReader`. Line feeds, carriage returns and both together end a line unless the
//! table has a delimiter of its own; an empty last line is none.

/// Three bytes that may stand before the first line.
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// Cuts bytes that come in pieces into lines.
#[derive(Debug)]
pub(crate) struct LineSplitter {
    /// None for line feeds and carriage returns.
    delimiter: Option<Vec<u8>>,
    /// Bytes of the line that has begun.
    rest: Vec<u8>,
    is_start: bool,
    /// A carriage return ended the last piece: a line feed may belong to it.
    skips_feed: bool,
}

impl LineSplitter {
    pub(crate) fn new(delimiter: &str) -> Self {
        let is_standard = ["\n", "\r", "\r\n"].contains(&delimiter);
        Self {
            delimiter: (!is_standard).then(|| delimiter.as_bytes().to_vec()),
            rest: Vec::new(),
            is_start: true,
            skips_feed: false,
        }
    }

    /// The lines that end in these bytes.
    pub(crate) fn push(&mut self, bytes: &[u8], lines: &mut Vec<String>) {
        self.rest.extend_from_slice(bytes);
        if self.delimiter.is_some() {
            return self.cut_at_delimiter(lines);
        }
        if self.is_start {
            if self.rest.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&self.rest) {
                return;
            }
            if self.rest.starts_with(BYTE_ORDER_MARK) {
                self.rest.drain(..BYTE_ORDER_MARK.len());
            }
            self.is_start = false;
        }
        self.cut_at_ends(lines);
    }

    fn cut_at_ends(&mut self, lines: &mut Vec<String>) {
        let mut start = usize::from(self.skips_feed && self.rest.first() == Some(&b'\n'));
        if !self.rest.is_empty() {
            self.skips_feed = false;
        }
        while let Some(rest) = self.rest.get(start..)
            && let Some(length) = rest.iter().position(|b| matches!(b, b'\n' | b'\r'))
        {
            lines.push(text(rest.get(..length).unwrap_or_default()));
            start += length + 1;
            if rest.get(length) == Some(&b'\r') {
                match rest.get(length + 1) {
                    Some(b'\n') => start += 1,
                    Some(_) => {}
                    None => self.skips_feed = true,
                }
            }
        }
        self.rest.drain(..start.min(self.rest.len()));
    }

    fn cut_at_delimiter(&mut self, lines: &mut Vec<String>) {
        let delimiter = self.delimiter.as_deref().unwrap_or_default();
        let mut start = 0;
        while let Some(rest) = self.rest.get(start..)
            && let Some(length) = rest
                .windows(delimiter.len().max(1))
                .position(|w| w == delimiter)
        {
            lines.push(text(rest.get(..length).unwrap_or_default()));
            start += length + delimiter.len();
        }
        self.rest.drain(..start);
    }

    /// The last line, when bytes are left.
    pub(crate) fn finish(self) -> Option<String> {
        (!self.rest.is_empty()).then(|| text(&self.rest))
    }
}

/// Bytes that are no UTF-8 show as replacement characters, as in Java.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(delimiter: &str, pieces: &[&[u8]]) -> Vec<String> {
        let mut splitter = LineSplitter::new(delimiter);
        let mut lines = Vec::new();
        for piece in pieces {
            splitter.push(piece, &mut lines);
        }
        lines.extend(splitter.finish());
        lines
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_come() {
        let all = b"\xef\xbb\xbfone\r\ntwo\rthree\n\n\xc3\xa9 five\r\n";
        let expected = ["one", "two", "three", "", "é five"];
        assert_eq!(split("\n", &[all]), expected);
        let single: Vec<&[u8]> = all.chunks(1).collect();
        assert_eq!(split("\r\n", &single), expected);
        for size in 2..all.len() {
            let pieces: Vec<&[u8]> = all.chunks(size).collect();
            assert_eq!(split("\r", &pieces), expected, "{size}");
        }
        assert!(split("\n", &[b""]).is_empty());
        assert_eq!(split("\n", &[b"a\nlast"]), ["a", "last"]);
    }

    #[test]
    fn a_delimiter_of_its_own_leaves_line_feeds_in_place() {
        let all = b"a\nb||c|d||";
        for size in 1..all.len() {
            let pieces: Vec<&[u8]> = all.chunks(size).collect();
            assert_eq!(split("||", &pieces), ["a\nb", "c|d"], "{size}");
        }
    }
}
