//! Counter-based random numbers: Philox4x32-10.
//!
//! A stream is keyed by (seed, purpose, index) and has no other state than its position, so any start,
//! replica or row can be drawn in any order, on any machine, with the same bits.
//!
//! Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw (2011),
//! "Parallel random numbers: as easy as 1, 2, 3", SC '11.

pub(crate) const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
pub(crate) const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Ten rounds of the Philox bijection: 128 bits of counter to 128 random bits, under a 64-bit key.
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let low = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let high = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (high >> 32) as u32 ^ counter[1] ^ key[0],
            high as u32,
            (low >> 32) as u32 ^ counter[3] ^ key[1],
            low as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// What a stream is used for; streams of different purpose are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Random starting points; the index is the start.
    Start = 1,
    /// Perturbation chains; the index is the trial.
    Perturbation = 2,
    /// Directions of test vectors and probes.
    Probe = 3,
    /// Synthetic data for tests and benchmarks.
    Synthetic = 4,
    /// Blocks of a bootstrap; the index is the resample.
    Resample = 5,
    /// Probes that a preconditioner is fitted with; the index is the tensor.
    Preconditioner = 6,
    /// Noise of a sampler; the index is the tensor.
    Noise = 7,
    /// Rows kept of a stream.
    Sample = 8,
    /// Moves of a Markov chain; the index is the chain.
    Chain = 9,
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    purpose: u32,
    index: u32,
    position: u64,
    block: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream of (seed, purpose, index), at its beginning.
    pub fn new(seed: u64, purpose: Purpose, index: u32) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            purpose: purpose as u32,
            index,
            position: 0,
            block: [0; 4],
            used: 4,
        }
    }

    fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            let counter = [self.position as u32, (self.position >> 32) as u32, self.index, self.purpose];
            self.block = philox4x32(counter, self.key);
            self.position += 1;
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// Uniform in the open interval (0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        ((self.next_u64() >> 11) as f64 + 0.5) * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform integer below `limit` (> 0), without bias that could be noticed (2^-64 · limit).
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next_u64()) * limit as u128) >> 64) as usize
    }

    /// Standard normal (Box and Muller's transform, one of the pair).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors published with the reference implementation (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn streams_of_other_keys_differ_and_equal_keys_agree() {
        let draw = |seed, purpose, index| Stream::new(seed, purpose, index).next_u64();
        let base = draw(7, Purpose::Start, 3);
        assert_eq!(base, draw(7, Purpose::Start, 3));
        assert_ne!(base, draw(8, Purpose::Start, 3));
        assert_ne!(base, draw(7, Purpose::Perturbation, 3));
        assert_ne!(base, draw(7, Purpose::Start, 4));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Stream::new(1, Purpose::Probe, 0);
        let n = 100_000;
        let uniform: f64 = (0..n).map(|_| stream.uniform()).sum::<f64>() / n as f64;
        let square: f64 = (0..n).map(|_| stream.normal().powi(2)).sum::<f64>() / n as f64;
        assert!((uniform - 0.5).abs() < 0.005, "{uniform}");
        assert!((square - 1.0).abs() < 0.02, "{square}");
        assert!((0..1000).all(|_| stream.below(7) < 7));
    }
}
