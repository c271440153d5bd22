//! Many standard normal numbers at once, from the counter-based generator of [`rng`](crate::rng).
//!
//! Number e of the sequence of (seed, purpose, index) depends on nothing else: any piece of it can be drawn, in any order
//! and any split, with the same bits on every processor. It is not the sequence of [`Stream::normal`](crate::rng::Stream).
//!
//! One block of Philox gives four f32 (a pair of uniform numbers of 32 bits, twice) or two f64 (a pair of 64 bits), by Box
//! and Muller's transform, both values used: √(−2 ln u)·(cos 2πw, sin 2πw). Logarithm and sine are polynomials here, in
//! fused multiply-adds alone, so that lanes fill with them: about 1e-7 (f32) and 1e-15 (f64) from the true values. What
//! bounds it: integer multiplications of Philox, 40 for a block.
//!
//! Source: G. E. P. Box, M. E. Muller (1958), "A note on the generation of random normal deviates".

use crate::rng::{MULTIPLIERS, Purpose, WEYL};
use crate::simd;

/// Blocks treated together.
const LANES: usize = 16;

/// A sequence of standard normal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Normals {
    key: [u32; 2],
    purpose: u32,
    index: u32,
}

impl Normals {
    /// The sequence of (seed, purpose, index).
    pub fn new(seed: u64, purpose: Purpose, index: u32) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], purpose: purpose as u32, index }
    }

    /// Numbers `from`, `from + 1`, … of the sequence.
    pub fn fill_f32(self, from: u64, out: &mut [f32]) {
        fill_f32(self, from, out);
    }

    /// Numbers `from`, `from + 1`, … of the sequence of f64, which is another one than that of f32.
    pub fn fill_f64(self, from: u64, out: &mut [f64]) {
        fill_f64(self, from, out);
    }

    /// Philox of some blocks, word by word.
    #[inline(always)]
    fn blocks(self, first: u64) -> [[u32; LANES]; 4] {
        let mut words = [[0; LANES], [0; LANES], [self.index; LANES], [self.purpose; LANES]];
        for lane in 0..LANES {
            let position = first.wrapping_add(lane as u64);
            words[0][lane] = position as u32;
            words[1][lane] = (position >> 32) as u32;
        }
        let mut key = self.key;
        for _ in 0..10 {
            for lane in 0..LANES {
                let low = u64::from(MULTIPLIERS[0]) * u64::from(words[0][lane]);
                let high = u64::from(MULTIPLIERS[1]) * u64::from(words[2][lane]);
                words[0][lane] = (high >> 32) as u32 ^ words[1][lane] ^ key[0];
                words[1][lane] = high as u32;
                words[2][lane] = (low >> 32) as u32 ^ words[3][lane] ^ key[1];
                words[3][lane] = low as u32;
            }
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        words
    }
}

/// (sin, cos) of an angle, from those of what is left beyond its nearest quarter turn.
macro_rules! turned {
    ($quarter:expr, $sin:expr, $cos:expr) => {{
        let (odd, sin_negative, cos_negative) = ($quarter & 1 == 1, $quarter & 2 == 2, ($quarter + 1) & 2 == 2);
        let (s, c) = if odd { ($cos, $sin) } else { ($sin, $cos) };
        (if sin_negative { -s } else { s }, if cos_negative { -c } else { c })
    }};
}

/// c₀ + c₁x + … by Horner's rule.
macro_rules! polynomial {
    ($type:ident, $x:expr; $last:expr $(, $next:expr)*) => {{
        let sum: $type = $last;
        $(let sum = sum.mul_add($x, $next);)*
        sum
    }};
}

/// √(−2 ln u) for u in (0, 1], from the exponent and s = (m − 1)/(m + 1) of the mantissa m in [1/√2, √2):
/// ln m = 2s(1 + s²/3 + s⁴/5 + …).
macro_rules! radius {
    ($u:expr, $type:ident, $bits:ident, $mantissa:expr, $($series:expr),*) => {{
        // Exponent counted from 1/√2, so that the mantissa lies around 1.
        const ROOT: $bits = std::$type::consts::FRAC_1_SQRT_2.to_bits();
        let shifted = $u.to_bits().wrapping_sub(ROOT);
        let exponent = (shifted as <$bits as Signed>::Signed) >> $mantissa;
        let m = $type::from_bits((shifted & ((1 << $mantissa) - 1)) + ROOT);
        let s = (m - 1.0) / (m + 1.0);
        let t = s * s;
        let log = (exponent as i32 as $type).mul_add(std::$type::consts::LN_2, 2.0 * s * polynomial!($type, t; $($series),*, 1.0));
        (-2.0 * log).max(0.0).sqrt()
    }};
}

trait Signed {
    type Signed;
}
impl Signed for u32 {
    type Signed = i32;
}
impl Signed for u64 {
    type Signed = i64;
}

/// From 32 random bits each.
#[inline(always)]
fn pair_f32(bits: u32, turn: u32) -> (f32, f32) {
    let u = ((bits >> 1) as i32 as f32 + 0.5) * (1.0 / 2_147_483_648.0);
    let radius = radius!(u, f32, u32, 23, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0);
    let quarter = turn.wrapping_add(1 << 29) >> 30;
    let x = turn.wrapping_sub(quarter << 30) as i32 as f32 * (std::f32::consts::TAU / 4_294_967_296.0);
    let t = x * x;
    let sin = x * polynomial!(f32, t; 1.0 / 362_880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0);
    let cos = polynomial!(f32, t; -1.0 / 3_628_800.0, 1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5, 1.0);
    let (sin, cos) = turned!(quarter, sin, cos);
    (radius * cos, radius * sin)
}

/// From 64 random bits each, of which 52 are used.
#[inline(always)]
fn pair_f64(bits: u64, turn: u64) -> (f64, f64) {
    let one_to_two = |x: u64| f64::from_bits(x >> 12 | 0x3FF0_0000_0000_0000);
    let u = one_to_two(bits) - (1.0 - 0.5 * f64::EPSILON);
    let radius = radius!(
        u,
        f64,
        u64,
        52,
        1.0 / 21.0,
        1.0 / 19.0,
        1.0 / 17.0,
        1.0 / 15.0,
        1.0 / 13.0,
        1.0 / 11.0,
        1.0 / 9.0,
        1.0 / 7.0,
        1.0 / 5.0,
        1.0 / 3.0
    );
    let quarter = ((turn >> 61) as u32 + 1) >> 1;
    let x = (one_to_two(turn) - 1.0 - 0.25 * f64::from(quarter as i32)) * std::f64::consts::TAU;
    let t = x * x;
    let sin = x * polynomial!(
        f64, t; -1.0 / 1_307_674_368_000.0, 1.0 / 6_227_020_800.0, -1.0 / 39_916_800.0, 1.0 / 362_880.0, -1.0 / 5040.0,
        1.0 / 120.0, -1.0 / 6.0, 1.0
    );
    let cos = polynomial!(
        f64, t; 1.0 / 20_922_789_888_000.0, -1.0 / 87_178_291_200.0, 1.0 / 479_001_600.0, -1.0 / 3_628_800.0,
        1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5, 1.0
    );
    let (sin, cos) = turned!(quarter, sin, cos);
    (radius * cos, radius * sin)
}

/// Fills by batches of some numbers, aligned in the sequence; what is asked for may begin and end inside of one.
macro_rules! by_batches {
    ($normals:ident, $from:ident, $out:ident, $size:expr, $batch:ident) => {{
        let size = $size as u64;
        let (mut number, mut skip) = ($from / size, ($from % size) as usize);
        let mut rest = $out;
        while !rest.is_empty() {
            let values = $batch($normals, number);
            let count = rest.len().min($size - skip);
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&values[skip..skip + count]);
            (rest, skip, number) = (later, 0, number + 1);
        }
    }};
}

#[inline(always)]
fn batch_f32(normals: Normals, number: u64) -> [f32; 4 * LANES] {
    let words = normals.blocks(number.wrapping_mul(LANES as u64));
    let mut parts = [[0.0; LANES]; 4];
    for lane in 0..LANES {
        (parts[0][lane], parts[1][lane]) = pair_f32(words[0][lane], words[1][lane]);
    }
    for lane in 0..LANES {
        (parts[2][lane], parts[3][lane]) = pair_f32(words[2][lane], words[3][lane]);
    }
    let mut values = [0.0; 4 * LANES];
    for lane in 0..LANES {
        for part in 0..4 {
            values[4 * lane + part] = parts[part][lane];
        }
    }
    values
}

#[inline(always)]
fn batch_f64(normals: Normals, number: u64) -> [f64; 2 * LANES] {
    let words = normals.blocks(number.wrapping_mul(LANES as u64));
    let mut parts = [[0.0; LANES]; 2];
    for lane in 0..LANES {
        let long = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let (bits, turn) = (long(words[0][lane], words[1][lane]), long(words[2][lane], words[3][lane]));
        (parts[0][lane], parts[1][lane]) = pair_f64(bits, turn);
    }
    let mut values = [0.0; 2 * LANES];
    for lane in 0..LANES {
        values[2 * lane] = parts[0][lane];
        values[2 * lane + 1] = parts[1][lane];
    }
    values
}

simd! {
fn fill_f32(normals: Normals, from: u64, out: &mut [f32]) {
    by_batches!(normals, from, out, 4 * LANES, batch_f32);
}

fn fill_f64(normals: Normals, from: u64, out: &mut [f64]) {
    by_batches!(normals, from, out, 2 * LANES, batch_f64);
}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::philox4x32;

    #[test]
    fn any_split_gives_the_same_bits() {
        let normals = Normals::new(9, Purpose::Noise, 4);
        let (mut whole, mut whole64) = (vec![0.0; 1000], vec![0.0; 1000]);
        normals.fill_f32(5_000_000_000, &mut whole);
        normals.fill_f64(5_000_000_000, &mut whole64);
        for (begin, end) in [(0, 1), (1, 130), (130, 131), (131, 999), (999, 1000)] {
            let (mut piece, mut piece64) = (vec![0.0; end - begin], vec![0.0; end - begin]);
            normals.fill_f32(5_000_000_000 + begin as u64, &mut piece);
            normals.fill_f64(5_000_000_000 + begin as u64, &mut piece64);
            assert_eq!(piece, whole[begin..end]);
            assert_eq!(piece64, whole64[begin..end]);
        }
        let mut other = vec![0.0; 1000];
        for different in
            [Normals::new(8, Purpose::Noise, 4), Normals::new(9, Purpose::Probe, 4), Normals::new(9, Purpose::Noise, 5)]
        {
            different.fill_f32(5_000_000_000, &mut other);
            assert!(other.iter().zip(&whole).all(|(a, b)| a != b));
        }
    }

    #[test]
    fn numbers_are_those_of_the_transform() {
        let normals = Normals::new(0x1234_5678_9ABC, Purpose::Noise, 77);
        let (mut short, mut long) = (vec![0.0; 4000], vec![0.0; 4000]);
        normals.fill_f32(0, &mut short);
        normals.fill_f64(0, &mut long);
        let block = |b: u32| philox4x32([b, 0, 77, Purpose::Noise as u32], [0x5678_9ABC, 0x1234]);
        let wave = |u: f64, w: f64| {
            let (sin, cos) = (w * std::f64::consts::TAU).sin_cos();
            [(-2.0 * u.ln()).sqrt() * cos, (-2.0 * u.ln()).sqrt() * sin]
        };
        for e in 0..4000 {
            let words = block(e as u32 / 4);
            let pair = e / 2 % 2 * 2;
            // Rounded as in the formula: near 1 that is felt.
            let u = f64::from(((words[pair] >> 1) as f32 + 0.5) / 2_147_483_648.0);
            let right = wave(u, f64::from(words[pair + 1]) / 4_294_967_296.0)[e % 2];
            assert!((f64::from(short[e]) - right).abs() < 4e-7, "{e}: {} for {right}", short[e]);
            let words = block(e as u32 / 2).map(u64::from);
            let fraction = |low: u64, high: u64| ((low | high << 32) >> 12) as f64 / 4_503_599_627_370_496.0;
            let u = fraction(words[0], words[1]) + 0.5 * f64::EPSILON;
            let right = wave(u, fraction(words[2], words[3]))[e % 2];
            assert!((long[e] - right).abs() < 4e-15, "{e}: {} for {right}", long[e]);
        }
    }

    #[test]
    fn extreme_bits_give_finite_numbers() {
        for bits in [0, 1, u32::MAX, u32::MAX - 1, 1 << 31] {
            for turn in [0, 1 << 29, (1 << 29) - 1, 3 << 29, 5 << 29, 7 << 29, u32::MAX] {
                let (x, y) = pair_f32(bits, turn);
                assert!(x.is_finite() && y.is_finite() && x.hypot(y) < 6.8);
                let wide = |x: u32| u64::from(x) << 32 | u64::from(x);
                let (x, y) = pair_f64(wide(bits), wide(turn));
                assert!(x.is_finite() && y.is_finite() && x.hypot(y) < 8.7);
            }
        }
    }

    #[test]
    fn moments_and_tails_are_those_of_the_distribution() {
        let normals = Normals::new(3, Purpose::Noise, 0);
        let n = 400_000;
        let (mut short, mut x) = (vec![0.0_f32; n], vec![0.0_f64; n]);
        normals.fill_f32(0, &mut short);
        normals.fill_f64(0, &mut x);
        for x in [short.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>(), x] {
            let mean = |f: &dyn Fn(usize) -> f64| (0..n - 2).map(f).sum::<f64>() / (n - 2) as f64;
            assert!(mean(&|i| x[i]).abs() < 0.008);
            assert!((mean(&|i| x[i].powi(2)) - 1.0).abs() < 0.01);
            assert!((mean(&|i| x[i].powi(4)) - 3.0).abs() < 0.08);
            assert!(mean(&|i| x[i] * x[i + 1]).abs() < 0.008);
            assert!(mean(&|i| x[i] * x[i + 2]).abs() < 0.008);
            let beyond = mean(&|i| f64::from(u8::from(x[i].abs() > 3.0)));
            assert!((beyond - 0.0027).abs() < 0.0004, "{beyond}");
        }
    }
}
