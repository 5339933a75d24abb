//! Memory that a reader may hold.

/// Compressed bytes that one file of a reader holds for each byte of a step: one step is decoded while the next one is
/// fetched, and decoded pages are larger than they were in the file.
const HELD_PER_STEP: u64 = 4;

/// Smallest step: less would fetch single pages.
const STEP_MIN: u64 = 64 << 10;

/// Bytes that one stream of rows may hold, shared out among the files it reads at once.
///
/// It sets how much of each file is fetched at a time. Pages are not cut, so that files with large ones take more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadMemory(u64);

impl ReadMemory {
    /// Steps of the readers' own choice.
    pub const UNLIMITED: Self = Self(u64::MAX);

    /// At most about this many bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Compressed bytes to fetch of a file at a time when `files` are read at once; `most` without a limit.
    pub fn step_bytes(self, files: usize, most: u64) -> u64 {
        let files = u64::try_from(files).unwrap_or(u64::MAX).max(1);
        let share = self.0 / files.saturating_mul(HELD_PER_STEP);
        share.clamp(STEP_MIN.min(most), most)
    }
}

impl Default for ReadMemory {
    fn default() -> Self {
        Self::UNLIMITED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_share_the_memory() {
        let memory = ReadMemory::new(64 << 20);
        assert_eq!(memory.step_bytes(1, 8 << 20), 8 << 20);
        assert_eq!(memory.step_bytes(4, 8 << 20), 4 << 20);
        assert_eq!(memory.step_bytes(1_000_000, 8 << 20), STEP_MIN);
        assert_eq!(ReadMemory::UNLIMITED.step_bytes(50, 2 << 20), 2 << 20);
        assert_eq!(ReadMemory::new(0).step_bytes(0, 1 << 10), 1 << 10);
    }
}
