//! Numbers that look random and are the same on every run.

/// A sequence that its start decides.
pub struct Numbers(u64);

impl Numbers {
    /// The sequence from this state on.
    pub fn from_state(state: u64) -> Self {
        Self(state)
    }

    /// The sequence of a seed: neighbouring seeds have nothing in common.
    pub fn of_seed(seed: u64) -> Self {
        // the finalizer of SplitMix64
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(z ^ (z >> 31))
    }

    /// Less than `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// The same for places in lists.
    pub fn index(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }

    /// One of these; there is at least one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.index(of.len())]
    }

    /// True once in `bound` times.
    pub fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    /// Some of these in their order, at most `most`.
    pub fn some<T: Clone>(&mut self, of: &[T], most: usize) -> Vec<T> {
        let mut left = of.to_vec();
        let count = self.index(most + 1);
        while left.len() > count {
            let gone = self.index(left.len());
            left.remove(gone);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_sequence() {
        let of = |seed| {
            let mut numbers = Numbers::of_seed(seed);
            (0..8).map(|_| numbers.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
        let mut numbers = Numbers::of_seed(1);
        assert!((0..50).all(|_| numbers.some(&[1, 2, 3], 2).len() <= 2));
    }
}
