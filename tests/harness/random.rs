//! Numbers for random cases: one seed is one run, on any machine.

/// The numbers of SplitMix64.
pub struct Random(pub u64);

impl Random {
    /// From the seed in `ANNALS_SEED`, or this one; says which.
    pub fn seeded(proof: &str, usual: u64) -> Random {
        let seed = std::env::var("ANNALS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(usual);
        println!("{proof}: seed {seed} (ANNALS_SEED changes it)");
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A number below two to the power of `bits`, small ones more often.
    pub fn up_to(&mut self, bits: usize) -> usize {
        let below = 1 << self.below(bits);
        self.below(below)
    }

    /// One of a list, to be changed.
    pub fn of_mut<'t, T>(&mut self, list: &'t mut [T]) -> &'t mut T {
        let at = self.below(list.len());
        &mut list[at]
    }

    /// One of a list.
    pub fn of<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        &list[self.below(list.len())]
    }
}
