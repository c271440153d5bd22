//! Weighted normal equations of [`LANES`] systems that share their design matrix.
//!
//! For lane e, with weights ω_t, observations v_t and design rows x_t (p numbers, the same for all lanes):
//! A = Σ_t ω_t x_t x_tᵀ,  b = Σ_t ω_t v_t x_t.
//!
//! What bounds it: multiply-adds. p is cut into tiles of 3 to 6 so that a tile's sums stay in registers
//! (6: 21 + 6 of 32); per t a tile loads ω and v once and takes x_t by broadcast, two loads per two
//! multiply-adds at worst. t runs in chunks of 128, so that ω, v and x are read from memory once and from the
//! first-level cache for every further tile.

use crate::simd;
use crate::{LANES, packed};

/// Design rows taken through all tiles together: 8 kB each of ω and v, and as much of x at p = 8.
const CHUNK: usize = 128;

simd! {
/// A (packed, `packed_len(p) * LANES`) and b (`p * LANES`) of one group of lanes.
///
/// `omega`, `value`: `inner * LANES` numbers; `design`: `inner * p`, row-major. Cost: 2·inner·(p²/2 + 3p/2)·LANES flop.
pub fn normal_equations(p: usize, omega: &[f64], value: &[f64], design: &[f64], a: &mut [f64], b: &mut [f64]) {
    a[..packed(p, 0) * LANES].fill(0.0);
    b[..p * LANES].fill(0.0);
    let cells = omega.chunks(CHUNK * LANES).zip(value.chunks(CHUNK * LANES));
    for ((omega, value), design) in cells.zip(design.chunks(CHUNK * p)) {
        add_chunk(p, omega, value, design, a, b);
    }
}
}

/// Adds the part of one chunk of t, tile by tile.
#[inline(always)]
fn add_chunk(p: usize, omega: &[f64], value: &[f64], design: &[f64], a: &mut [f64], b: &mut [f64]) {
    if p <= 6 {
        diagonal_tile(p, p, 0, omega, value, design, a, b);
        return;
    }
    // Tiles of 4 first, then of 3: 7 = 4 + 3, 9 = 3 + 3 + 3, 10 = 4 + 3 + 3.
    let tiles = p.div_ceil(4);
    let fours = p - 3 * tiles;
    let bounds = |tile: usize| {
        if tile < fours { (4 * tile, 4) } else { (4 * fours + 3 * (tile - fours), 3) }
    };
    for row in 0..tiles {
        let (k0, k) = bounds(row);
        diagonal_tile(p, k, k0, omega, value, design, a, b);
        for column in 0..row {
            let (l0, l) = bounds(column);
            match (k, l) {
                (4, 4) => off_diagonal::<4, 4>(p, k0, l0, omega, design, a),
                (3, 4) => off_diagonal::<3, 4>(p, k0, l0, omega, design, a),
                _ => off_diagonal::<3, 3>(p, k0, l0, omega, design, a),
            }
        }
    }
}

#[inline(always)]
fn add(to: &mut [f64], part: &[f64; LANES]) {
    let to: &mut [f64; LANES] = to.try_into().expect("one number a lane");
    for e in 0..LANES {
        to[e] += part[e];
    }
}

#[inline(always)]
fn diagonal_tile(
    p: usize,
    size: usize,
    k0: usize,
    omega: &[f64],
    value: &[f64],
    design: &[f64],
    a: &mut [f64],
    b: &mut [f64],
) {
    match size {
        1 => diagonal::<1>(p, k0, omega, value, design, a, b),
        2 => diagonal::<2>(p, k0, omega, value, design, a, b),
        3 => diagonal::<3>(p, k0, omega, value, design, a, b),
        4 => diagonal::<4>(p, k0, omega, value, design, a, b),
        5 => diagonal::<5>(p, k0, omega, value, design, a, b),
        _ => diagonal::<6>(p, k0, omega, value, design, a, b),
    }
}

/// Rows and columns k0 .. k0 + K of A, and the same elements of b.
#[inline(always)]
fn diagonal<const K: usize>(
    p: usize,
    k0: usize,
    omega: &[f64],
    value: &[f64],
    design: &[f64],
    a: &mut [f64],
    b: &mut [f64],
) {
    let mut gram = [[[0.0; LANES]; K]; K];
    let mut rhs = [[0.0; LANES]; K];
    let (omega, value) = (omega.as_chunks::<LANES>().0, value.as_chunks::<LANES>().0);
    for t in 0..omega.len() {
        let (w, v) = (&omega[t], &value[t]);
        let x: &[f64; K] = design[t * p + k0..][..K].try_into().expect("K columns of the design");
        for k in 0..K {
            let mut wx = [0.0; LANES];
            for e in 0..LANES {
                wx[e] = w[e] * x[k];
            }
            // Over all K, with a condition: an inclusive range is not unrolled, and the sums would live in memory.
            for l in 0..K {
                if l <= k {
                    for e in 0..LANES {
                        gram[k][l][e] = wx[e].mul_add(x[l], gram[k][l][e]);
                    }
                }
            }
            for e in 0..LANES {
                rhs[k][e] = wx[e].mul_add(v[e], rhs[k][e]);
            }
        }
    }
    for k in 0..K {
        for l in 0..=k {
            let at = packed(k0 + k, k0 + l) * LANES;
            add(&mut a[at..at + LANES], &gram[k][l]);
        }
        add(&mut b[(k0 + k) * LANES..(k0 + k + 1) * LANES], &rhs[k]);
    }
}

/// Rows k0 .. k0 + K, columns l0 .. l0 + L of A, below the diagonal tiles.
#[inline(always)]
fn off_diagonal<const K: usize, const L: usize>(
    p: usize,
    k0: usize,
    l0: usize,
    omega: &[f64],
    design: &[f64],
    a: &mut [f64],
) {
    let mut gram = [[[0.0; LANES]; L]; K];
    for (t, w) in omega.as_chunks::<LANES>().0.iter().enumerate() {
        let xk: &[f64; K] = design[t * p + k0..][..K].try_into().expect("K columns of the design");
        let xl: &[f64; L] = design[t * p + l0..][..L].try_into().expect("L columns of the design");
        for k in 0..K {
            let mut wx = [0.0; LANES];
            for e in 0..LANES {
                wx[e] = w[e] * xk[k];
            }
            for l in 0..L {
                for e in 0..LANES {
                    gram[k][l][e] = wx[e].mul_add(xl[l], gram[k][l][e]);
                }
            }
        }
    }
    for k in 0..K {
        for l in 0..L {
            let at = packed(k0 + k, l0 + l) * LANES;
            add(&mut a[at..at + LANES], &gram[k][l]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed_len;
    use headwater_base::rng::{Purpose, Stream};

    #[test]
    fn equals_the_sums_of_the_definition_for_every_tiling() {
        let mut random = Stream::new(1, Purpose::Probe, 0);
        for p in 1..=17 {
            let inner = 11;
            let mut draw = |n: usize| (0..n).map(|_| random.normal()).collect::<Vec<f64>>();
            let (omega, value, design) = (draw(inner * LANES), draw(inner * LANES), draw(inner * p));
            let mut a = vec![f64::NAN; packed_len(p) * LANES];
            let mut b = vec![f64::NAN; p * LANES];
            normal_equations(p, &omega, &value, &design, &mut a, &mut b);
            for e in 0..LANES {
                for k in 0..p {
                    let rhs: f64 =
                        (0..inner).map(|t| omega[t * LANES + e] * value[t * LANES + e] * design[t * p + k]).sum();
                    assert!((b[k * LANES + e] - rhs).abs() < 1e-12, "p {p}, b {k}");
                    for l in 0..=k {
                        let gram: f64 =
                            (0..inner).map(|t| omega[t * LANES + e] * design[t * p + k] * design[t * p + l]).sum();
                        assert!((a[packed(k, l) * LANES + e] - gram).abs() < 1e-12, "p {p}, A {k} {l}");
                    }
                }
            }
        }
    }
}
