//! Numbers from a seed, for proofs that take their chances: the same seed, the same run.

/// Numbers from a seed (splitmix64).
pub struct Random(u64);

impl Random {
    /// From the seed in `ANNALS_SEED`, or this one; says which.
    pub fn seeded(proof: &str, usual: u64) -> Random {
        let seed = std::env::var("ANNALS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(usual);
        println!("{proof}: seed {seed} (ANNALS_SEED changes it)");
        Random(seed)
    }

    /// The next number, less than `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
