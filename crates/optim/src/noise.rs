//! Gaussian noise that is a function of (seed, tensor, step, position): nothing to save, nothing to roll back.

use headwater_base::rng::{Purpose, philox4x32};

use crate::number::Real;

/// No standard normal number drawn here is larger: √(−2 ln 2⁻³³) = 6.8.
pub const LARGEST: f64 = 7.0;

/// Fills `to` with independent N(0, 1), the numbers from `begin` on of this step's sequence; `begin` is a multiple of 4.
/// Each block of the counter gives four numbers by Box and Muller's transform of 32-bit uniforms. Cost: about 10 ns a number.
pub fn fill<R: Real>(seed: u64, tensor: u32, count: u64, begin: usize, to: &mut [R]) {
    debug_assert!(begin.is_multiple_of(4));
    let key = [seed as u32, (seed >> 32) as u32];
    for (block, four) in to.chunks_mut(4).enumerate() {
        let position = (begin / 4 + block) as u64;
        // 2³² blocks (1.7e10 numbers) a tensor and step, 2³² steps, 2²⁴ tensors.
        let high = (count >> 32) as u32 ^ (position >> 32) as u32;
        let counter = [position as u32, count as u32, tensor ^ high.rotate_left(24), Purpose::Noise as u32];
        let words = philox4x32(counter, key);
        let mut normals = [0.0; 4];
        for pair in 0..2 {
            let [u, v] = [words[2 * pair], words[2 * pair + 1]].map(|word| (f64::from(word) + 0.5) / 4_294_967_296.0);
            let radius = (-2.0 * u.ln()).sqrt();
            let (sine, cosine) = (2.0 * std::f64::consts::PI * v).sin_cos();
            normals[2 * pair] = radius * cosine;
            normals[2 * pair + 1] = radius * sine;
        }
        for (to, normal) in four.iter_mut().zip(normals) {
            *to = R::from_f64(normal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_normal_and_steps_and_tensors_independent() {
        let n = 200_000;
        let draw = |seed, tensor, count| {
            let mut to = vec![0.0_f64; n];
            fill(seed, tensor, count, 0, &mut to);
            to
        };
        let base = draw(1, 0, 0);
        let mean = |x: &[f64]| x.iter().sum::<f64>() / n as f64;
        let power = |x: &[f64], k: i32| x.iter().map(|x| x.powi(k)).sum::<f64>() / n as f64;
        assert!(mean(&base).abs() < 0.01);
        assert!((power(&base, 2) - 1.0).abs() < 0.02 && (power(&base, 4) - 3.0).abs() < 0.1);
        assert!(base.iter().all(|x| x.abs() < LARGEST));
        for other in [draw(2, 0, 0), draw(1, 1, 0), draw(1, 0, 1), draw(1, 0, 1 << 32)] {
            let cross: f64 = base.iter().zip(&other).map(|(a, b)| a * b).sum::<f64>() / n as f64;
            assert!(cross.abs() < 0.01, "{cross}");
        }
    }

    #[test]
    fn any_split_draws_the_same_numbers() {
        let mut whole = vec![0.0_f32; 1000];
        fill(3, 7, 9, 0, &mut whole);
        let mut parts = vec![0.0_f32; 1000];
        for (begin, piece) in [(0, 0..400), (400, 400..404), (404, 404..1000)] {
            fill(3, 7, 9, begin, &mut parts[piece]);
        }
        assert_eq!(whole, parts);
    }
}
