//! The bytes of a file in pieces, so that no buffer grows to the size of a row group.

use std::io::Write;

use bytes::Bytes;

/// Bytes of the first piece; each is twice as long as the one before.
const FIRST_BYTES: usize = 8 << 10;
/// Bytes of the longest pieces.
const MAX_BYTES: usize = 1 << 20;

/// A sink that keeps what is written.
#[derive(Default)]
pub(super) struct Pieces {
    full: Vec<Bytes>,
    open: Vec<u8>,
    /// Bytes of the last piece that was begun.
    piece_bytes: usize,
}

impl Pieces {
    /// Everything written since the last call.
    pub fn take(&mut self) -> Vec<Bytes> {
        self.seal();
        std::mem::take(&mut self.full)
    }

    /// Bytes of memory held.
    pub fn memory_size(&self) -> usize {
        self.full.iter().map(Bytes::len).sum::<usize>() + self.open.capacity()
    }

    fn seal(&mut self) {
        if !self.open.is_empty() {
            self.full.push(std::mem::take(&mut self.open).into());
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.open.len() == self.open.capacity() {
            self.seal();
            self.piece_bytes = (self.piece_bytes * 2).clamp(FIRST_BYTES, MAX_BYTES);
            self.open = Vec::with_capacity(self.piece_bytes);
        }
        let taken = bytes.len().min(self.open.capacity() - self.open.len());
        self.open.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn pieces_are_what_was_written() {
        let mut pieces = Pieces::default();
        let mut expected = Vec::new();
        let mut found = Vec::new();
        for n in 0..395u32 {
            let bytes = vec![n.to_le_bytes()[0]; usize::try_from(n * n).unwrap()];
            pieces.write_all(&bytes).unwrap();
            expected.extend_from_slice(&bytes);
            if n % 57 == 0 {
                let taken = pieces.take();
                assert!(taken.iter().all(|p| p.len() <= MAX_BYTES));
                found.extend(taken.concat());
                assert_eq!(pieces.memory_size(), 0);
            }
        }
        assert!(pieces.memory_size() > MAX_BYTES);
        found.extend(pieces.take().concat());
        assert!(pieces.take().is_empty());
        assert!(found == expected);
    }
}
