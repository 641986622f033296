//! Numbers that look random and are the same in every run.

/// A sequence of numbers by splitmix64.
pub struct Random(u64);

impl Random {
    /// The sequence with this number.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True in `percent` of 100 calls.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// One of several values.
    pub fn value<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// One of several in `percent` of 100 calls.
    pub fn maybe<T: Clone>(&mut self, percent: usize, choices: &[T]) -> Option<T> {
        self.chance(percent).then(|| self.value(choices))
    }

    /// Some of several, in random order.
    pub fn some<T: Clone>(&mut self, most: usize, choices: &[T]) -> Vec<T> {
        let mut choices = choices.to_vec();
        let number = self.below(most.min(choices.len()) + 1);
        (0..number)
            .map(|_| choices.remove(self.below(choices.len())))
            .collect()
    }
}
