//! Numbers that are the same in every run.

/// Marsaglia's xorshift, enough to choose inputs of tests; the seed must not be 0.
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`, or 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).expect("below a usize")
    }
}
