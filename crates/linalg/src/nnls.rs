//! Non-negative least squares for [`LANES`] small systems at once, by block principal pivoting.
//!
//! Problem, per lane: minimise xᵀAx − 2bᵀx over x >= 0, A positive semidefinite (p × p).
//! Method: guess the passive set F (x > 0), solve A_FF x_F = b_F, set x = 0 elsewhere, form y = Ax − b;
//! exchange every index with x_F <= 0 or y < 0; after three exchanges that do not lower the number of
//! infeasible indices, exchange only the one with the largest index (Murty's rule, which cannot cycle).
//! The elements outside F are masked (unit diagonal, zero elsewhere), so that all lanes run one Cholesky
//! factorisation whatever their sets are. A pivot below 1e-13 of its diagonal element marks a dependent
//! column: its x is 0 (a basic solution).
//! Cost: per round p³/3 + 4p² flop a lane; one or two rounds from a good guess.
//! What bounds it: L1 loads, two per multiply-add.
//!
//! Source: J. Kim, H. Park (2011), "Fast nonnegative matrix factorization: an active-set-like method and
//! comparisons", SIAM J. Sci. Comput. 33:3261. Deviation: lanes that have not ended after 10p + 30 rounds
//! (rounding in degenerate systems) are finished one by one with the active-set method of
//! C. L. Lawson, R. J. Hanson (1974), "Solving least squares problems", chapter 23.

use crate::simd;
use crate::{LANES, packed, packed_len};

/// A pivot below this share of its diagonal element counts as zero.
const DEPENDENT: f64 = 1e-13;
/// A multiplier counts as negative below minus this share of the terms it was summed from.
const ROUNDING: f64 = 4e-14;

/// Working memory of [`solve`], reusable for any number of calls with the same p.
pub struct Scratch {
    factor: Vec<f64>,
    solution: Vec<f64>,
    wrong: Vec<f64>,
}

impl Scratch {
    /// Memory for systems of size p.
    pub fn new(p: usize) -> Self {
        Self { factor: vec![0.0; packed_len(p) * LANES], solution: vec![0.0; p * LANES], wrong: vec![0.0; p * LANES] }
    }
}

simd! {
/// Solves [`LANES`] systems. `a`: packed, `b` and `x`: p × lanes. `passive` (p × lanes, 1 = in F, 0 = at zero)
/// holds the first guess on entry and the final sets on return. With `bounded == false` there are no bounds and
/// every element is passive.
pub fn solve(p: usize, a: &[f64], b: &[f64], bounded: bool, passive: &mut [f64], x: &mut [f64], scratch: &mut Scratch) {
    // A constant p lets the compiler keep sums and factors in registers.
    match p {
        4 => exchange(4, a, b, bounded, passive, x, scratch),
        5 => exchange(5, a, b, bounded, passive, x, scratch),
        6 => exchange(6, a, b, bounded, passive, x, scratch),
        7 => exchange(7, a, b, bounded, passive, x, scratch),
        8 => exchange(8, a, b, bounded, passive, x, scratch),
        _ => exchange(p, a, b, bounded, passive, x, scratch),
    }
}
}

/// [`solve`], compiled for every p that is usual.
#[inline(always)]
fn exchange(p: usize, a: &[f64], b: &[f64], bounded: bool, passive: &mut [f64], x: &mut [f64], scratch: &mut Scratch) {
    if !bounded {
        passive[..p * LANES].fill(1.0);
        factorise(p, a, passive, &mut scratch.factor);
        substitute(p, b, passive, &scratch.factor, x);
        return;
    }
    let mut fewest = [p + 1; LANES];
    let mut patience = [3_u32; LANES];
    let mut open = [true; LANES];
    for _ in 0..10 * p + 30 {
        factorise(p, a, passive, &mut scratch.factor);
        substitute(p, b, passive, &scratch.factor, &mut scratch.solution);
        let count = infeasible(p, a, b, passive, &scratch.solution, &mut scratch.wrong);
        if open == [true; LANES] && count == [0.0; LANES] {
            x[..p * LANES].copy_from_slice(&scratch.solution);
            return;
        }
        let mut any = false;
        for e in 0..LANES {
            if !open[e] {
                continue;
            }
            let wrong = count[e] as usize;
            if wrong == 0 {
                open[e] = false;
                for k in 0..p {
                    x[k * LANES + e] = scratch.solution[k * LANES + e];
                }
                continue;
            }
            any = true;
            let all = if wrong < fewest[e] {
                fewest[e] = wrong;
                patience[e] = 3;
                true
            } else if patience[e] > 0 {
                patience[e] -= 1;
                true
            } else {
                false
            };
            for k in (0..p).rev() {
                let at = k * LANES + e;
                if scratch.wrong[at] != 0.0 {
                    passive[at] = 1.0 - passive[at];
                    if !all {
                        break;
                    }
                }
            }
        }
        if !any {
            return;
        }
    }
    for e in 0..LANES {
        if open[e] {
            active_set(p, e, a, b, passive, x);
        }
    }
}

/// One number of each system.
type Lane = [f64; LANES];

/// The lanes of a slice. Whole lanes, not single numbers, are what the loops below index: only so do they become vectors.
#[inline(always)]
fn lanes(values: &[f64]) -> &[Lane] {
    values.as_chunks().0
}

#[inline(always)]
fn lanes_mut(values: &mut [f64]) -> &mut [Lane] {
    values.as_chunks_mut().0
}

/// sum − x∘y. (A loop, not a closure: a closure would be compiled for the baseline.)
#[inline(always)]
fn less_product(mut sum: Lane, x: &Lane, y: &Lane) -> Lane {
    for e in 0..LANES {
        sum[e] = (-x[e]).mul_add(y[e], sum[e]);
    }
    sum
}

#[inline(always)]
fn times(x: &Lane, y: &Lane) -> Lane {
    let mut out = *x;
    for e in 0..LANES {
        out[e] *= y[e];
    }
    out
}

/// Masked factors LDLᵀ of all lanes: A_FF, the unit matrix outside F. (No square roots: they would stand in every
/// element's way to the next.)
#[inline(always)]
fn factorise(p: usize, a: &[f64], passive: &[f64], factor: &mut [f64]) {
    // factor holds L below the diagonal and 1 / D_k on it (0 for a dependent column).
    let (a, passive, factor) =
        (&lanes(a)[..packed_len(p)], &lanes(passive)[..p], &mut lanes_mut(factor)[..packed_len(p)]);
    for k in 0..p {
        let (done, row_k) = factor.split_at_mut(packed(k, 0));
        let row_k = &mut row_k[..k + 1];
        let a = &a[packed(k, 0)..][..k + 1];
        // First LD of the row.
        for l in 0..k {
            let row_l = &done[packed(l, 0)..][..l + 1];
            let mut sum = times(&a[l], &times(&passive[k], &passive[l]));
            for i in 0..l {
                sum = less_product(sum, &row_k[i], &row_l[i]);
            }
            row_k[l] = sum;
        }
        let mut whole = times(&a[k], &passive[k]);
        for e in 0..LANES {
            whole[e] += 1.0 - passive[k][e];
        }
        let mut pivot = whole;
        for l in 0..k {
            let element = times(&row_k[l], &done[packed(l, l)]);
            pivot = less_product(pivot, &row_k[l], &element);
            row_k[l] = element;
        }
        for e in 0..LANES {
            row_k[k][e] = if pivot[e] > DEPENDENT * whole[e] { 1.0 / pivot[e] } else { 0.0 };
        }
    }
}

/// Solution of all lanes from their factors: A_FF x_F = b_F, x = 0 outside F.
#[inline(always)]
fn substitute(p: usize, b: &[f64], passive: &[f64], factor: &[f64], x: &mut [f64]) {
    let (b, passive) = (&lanes(b)[..p], &lanes(passive)[..p]);
    let (factor, x) = (&lanes(factor)[..packed_len(p)], &mut lanes_mut(x)[..p]);
    for k in 0..p {
        let row = &factor[packed(k, 0)..][..k + 1];
        let mut sum = times(&b[k], &passive[k]);
        for i in 0..k {
            sum = less_product(sum, &row[i], &x[i]);
        }
        x[k] = sum;
    }
    for k in (0..p).rev() {
        let mut sum = times(&x[k], &factor[packed(k, k)]);
        for i in k + 1..p {
            sum = less_product(sum, &factor[packed(i, k)], &x[i]);
        }
        x[k] = sum;
    }
}

/// −y = b − Ax; marks the indices that are on the wrong side and counts them per lane.
#[inline(always)]
fn infeasible(p: usize, a: &[f64], b: &[f64], passive: &[f64], x: &[f64], wrong: &mut [f64]) -> Lane {
    let (a, b) = (&lanes(a)[..packed_len(p)], &lanes(b)[..p]);
    let (passive, x, wrong) = (&lanes(passive)[..p], &lanes(x)[..p], &mut lanes_mut(wrong)[..p]);
    let mut count = [0.0; LANES];
    for k in 0..p {
        let element = |l: usize| &a[if l <= k { packed(k, l) } else { packed(l, k) }];
        let mut below = [0.0; LANES];
        for l in 0..p {
            below = less_product(below, element(l), &x[l]);
        }
        let mut out = [0.0; LANES];
        let mut pulled = 0.0;
        for e in 0..LANES {
            // A passive element at exactly 0 (a dependent column) moves out of F unless its multiplier pulls it in.
            out[e] = passive[k][e] * if x[k][e] <= 0.0 { 1.0 } else { 0.0 };
            below[e] += b[k][e];
            pulled += (1.0 - passive[k][e]) * if below[e] > 0.0 { 1.0 } else { 0.0 };
        }
        if pulled > 0.0 {
            // Whether that is more than rounding.
            let mut size = [0.0; LANES];
            for e in 0..LANES {
                size[e] = b[k][e].abs();
            }
            for l in 0..p {
                let term = times(element(l), &x[l]);
                for e in 0..LANES {
                    size[e] += term[e].abs();
                }
            }
            for e in 0..LANES {
                out[e] += (1.0 - passive[k][e]) * if below[e] > ROUNDING * size[e] { 1.0 } else { 0.0 };
            }
        }
        wrong[k] = out;
        for e in 0..LANES {
            count[e] += out[e];
        }
    }
    count
}

/// Lawson and Hanson's active-set method on one lane. Every step lowers the objective, so it ends.
fn active_set(p: usize, e: usize, a: &[f64], b: &[f64], passive: &mut [f64], x: &mut [f64]) {
    let element = |k: usize, l: usize| a[if l <= k { packed(k, l) } else { packed(l, k) } * LANES + e];
    let mut now = vec![0.0; p];
    let mut free = vec![false; p];
    let mut barred = vec![false; p];
    for _ in 0..10 * p + 30 {
        let mut steepest = None;
        let mut most = 0.0;
        for k in (0..p).filter(|&k| !free[k] && !barred[k] && element(k, k) > 0.0) {
            let (mut sum, mut size) = (b[k * LANES + e], b[k * LANES + e].abs());
            for l in 0..p {
                sum -= element(k, l) * now[l];
                size += (element(k, l) * now[l]).abs();
            }
            let gain = sum * sum / element(k, k);
            if sum > ROUNDING * size && gain > most {
                (most, steepest) = (gain, Some(k));
            }
        }
        let Some(entering) = steepest else { break };
        free[entering] = true;
        let mut first = true;
        loop {
            let target = solve_passive(p, &free, element, |k| b[k * LANES + e]);
            if first && target[entering] <= 0.0 {
                // Rounding: the direction that the multiplier promised does not exist.
                free[entering] = false;
                barred[entering] = true;
                break;
            }
            first = false;
            let blocked = (0..p).filter(|&k| free[k] && target[k] <= 0.0);
            let step = blocked.map(|k| now[k] / (now[k] - target[k])).fold(1.0_f64, f64::min);
            for k in 0..p {
                if free[k] {
                    now[k] += step * (target[k] - now[k]);
                    if target[k] <= 0.0 && now[k] <= 1e-15 * target[k].abs() {
                        now[k] = 0.0;
                        free[k] = false;
                    }
                }
            }
            if step >= 1.0 {
                barred.fill(false);
                break;
            }
        }
    }
    for k in 0..p {
        x[k * LANES + e] = now[k];
        passive[k * LANES + e] = if now[k] > 0.0 { 1.0 } else { 0.0 };
    }
}

fn solve_passive(
    p: usize,
    free: &[bool],
    element: impl Fn(usize, usize) -> f64,
    rhs: impl Fn(usize) -> f64,
) -> Vec<f64> {
    let mut factor = vec![0.0; packed_len(p)];
    let mut x = vec![0.0; p];
    for k in (0..p).filter(|&k| free[k]) {
        for l in (0..=k).filter(|&l| free[l]) {
            let sum = element(k, l) - (0..l).map(|i| factor[packed(k, i)] * factor[packed(l, i)]).sum::<f64>();
            factor[packed(k, l)] = if l < k {
                sum * factor[packed(l, l)]
            } else if sum > DEPENDENT * element(k, k) {
                1.0 / sum.sqrt()
            } else {
                0.0
            };
        }
        x[k] = (rhs(k) - (0..k).map(|i| factor[packed(k, i)] * x[i]).sum::<f64>()) * factor[packed(k, k)];
    }
    for k in (0..p).rev() {
        x[k] = (x[k] - (k + 1..p).map(|i| factor[packed(i, k)] * x[i]).sum::<f64>()) * factor[packed(k, k)];
    }
    x
}

simd! {
/// The inverse of A_FF, zero outside F × F, of all lanes: packed like `a`. Dependent columns count as outside F.
/// Cost: p³/3 flop a lane for the factors and as much for the inverse.
pub fn masked_inverse(p: usize, a: &[f64], passive: &[f64], inverse: &mut [f64], scratch: &mut Scratch) {
    match p {
        4 => invert(4, a, passive, inverse, scratch),
        5 => invert(5, a, passive, inverse, scratch),
        6 => invert(6, a, passive, inverse, scratch),
        7 => invert(7, a, passive, inverse, scratch),
        8 => invert(8, a, passive, inverse, scratch),
        _ => invert(p, a, passive, inverse, scratch),
    }
}
}

simd! {
/// Element (k, k) of [`masked_inverse`], of all lanes: a third of its cost.
pub fn masked_inverse_element(p: usize, k: usize, a: &[f64], passive: &[f64], scratch: &mut Scratch) -> [f64; LANES] {
    match p {
        4 => inverse_element(4, k, a, passive, scratch),
        5 => inverse_element(5, k, a, passive, scratch),
        6 => inverse_element(6, k, a, passive, scratch),
        7 => inverse_element(7, k, a, passive, scratch),
        8 => inverse_element(8, k, a, passive, scratch),
        _ => inverse_element(p, k, a, passive, scratch),
    }
}
}

/// A⁻¹ = L⁻ᵀD⁻¹L⁻¹.
#[inline(always)]
fn invert(p: usize, a: &[f64], passive: &[f64], inverse: &mut [f64], scratch: &mut Scratch) {
    factorise(p, a, passive, &mut scratch.factor);
    for k in 0..p {
        inverse_column(p, k, &mut scratch.factor);
    }
    let (root, passive) = (&lanes(&scratch.factor)[..packed_len(p)], &lanes(passive)[..p]);
    let inverse = &mut lanes_mut(inverse)[..packed_len(p)];
    for k in 0..p {
        let own = times(&root[packed(k, k)], &passive[k]);
        for l in 0..=k {
            let mut sum = if l == k { own } else { times(&own, &root[packed(k, l)]) };
            for i in k + 1..p {
                let x = times(&root[packed(i, k)], &root[packed(i, i)]);
                let y = &root[packed(i, l)];
                for e in 0..LANES {
                    sum[e] = x[e].mul_add(y[e], sum[e]);
                }
            }
            inverse[packed(k, l)] = sum;
        }
    }
}

/// Σ_i (L⁻¹)_ik²/D_i.
#[inline(always)]
fn inverse_element(p: usize, k: usize, a: &[f64], passive: &[f64], scratch: &mut Scratch) -> [f64; LANES] {
    factorise(p, a, passive, &mut scratch.factor);
    inverse_column(p, k, &mut scratch.factor);
    let root = &lanes(&scratch.factor)[..packed_len(p)];
    let mut sum = times(&root[packed(k, k)], &lanes(passive)[k]);
    for i in k + 1..p {
        let x = times(&root[packed(i, k)], &root[packed(i, i)]);
        for e in 0..LANES {
            sum[e] = x[e].mul_add(root[packed(i, k)][e], sum[e]);
        }
    }
    sum
}

/// What is below the diagonal in column k of L⁻¹, in the place of that of L, which no later column needs.
#[inline(always)]
fn inverse_column(p: usize, k: usize, factor: &mut [f64]) {
    let factor = &mut lanes_mut(factor)[..packed_len(p)];
    for i in k + 1..p {
        let mut sum = [0.0; LANES];
        for e in 0..LANES {
            sum[e] = -factor[packed(i, k)][e];
        }
        for j in k + 1..i {
            sum = less_product(sum, &factor[packed(i, j)], &factor[packed(j, k)]);
        }
        factor[packed(i, k)] = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    /// Lanes of systems A = XᵀX of the given rank, b = Xᵀz.
    fn systems(p: usize, rank: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut random = Stream::new(seed, Purpose::Probe, p as u32);
        let mut a = vec![0.0; packed_len(p) * LANES];
        let mut b = vec![0.0; p * LANES];
        for e in 0..LANES {
            let x: Vec<f64> = (0..rank * p).map(|_| random.normal() + 0.5).collect();
            let z: Vec<f64> = (0..rank).map(|_| random.normal()).collect();
            for k in 0..p {
                for l in 0..=k {
                    a[packed(k, l) * LANES + e] = (0..rank).map(|t| x[t * p + k] * x[t * p + l]).sum();
                }
                b[k * LANES + e] = (0..rank).map(|t| x[t * p + k] * z[t]).sum();
            }
        }
        (a, b)
    }

    fn check(p: usize, a: &[f64], b: &[f64], x: &[f64], seed: u64) {
        for e in 0..LANES {
            for k in 0..p {
                let xk = x[k * LANES + e];
                let (mut y, mut size) = (-b[k * LANES + e], b[k * LANES + e].abs());
                for l in 0..p {
                    let at = if l <= k { packed(k, l) } else { packed(l, k) } * LANES + e;
                    y += a[at] * x[l * LANES + e];
                    size += (a[at] * x[l * LANES + e]).abs();
                }
                let small = 1e-9 * (1.0 + size);
                assert!(xk >= 0.0 && y > -small, "seed {seed} p {p} lane {e}: x {xk}, y {y}");
                assert!(xk == 0.0 || y < small, "seed {seed} p {p} lane {e}: x {xk}, y {y}");
            }
        }
    }

    #[test]
    fn solutions_meet_the_optimality_conditions_from_any_first_guess() {
        for seed in 0..200 {
            let p = 1 + (seed as usize) % 12;
            let (a, b) = systems(p, p + 4, seed);
            let mut random = Stream::new(seed, Purpose::Probe, 99);
            let mut passive: Vec<f64> = (0..p * LANES).map(|_| f64::from(u8::from(random.uniform() < 0.5))).collect();
            let mut x = vec![f64::NAN; p * LANES];
            solve(p, &a, &b, true, &mut passive, &mut x, &mut Scratch::new(p));
            check(p, &a, &b, &x, seed);
            for (x, f) in x.iter().zip(&passive) {
                assert_eq!(*x > 0.0, *f == 1.0, "seed {seed}");
            }
        }
    }

    #[test]
    fn fewer_observations_than_unknowns_still_give_a_minimiser() {
        for seed in 0..100 {
            let p = 2 + (seed as usize) % 8;
            let (a, b) = systems(p, p / 2, seed);
            let mut passive = vec![1.0; p * LANES];
            let mut x = vec![f64::NAN; p * LANES];
            solve(p, &a, &b, true, &mut passive, &mut x, &mut Scratch::new(p));
            check(p, &a, &b, &x, seed);
        }
    }

    #[test]
    fn the_active_set_fallback_finds_the_same_point() {
        for seed in 0..100 {
            let p = 1 + (seed as usize) % 9;
            let (a, b) = systems(p, p + 3, seed);
            let mut passive = vec![0.0; p * LANES];
            let (mut x, mut y) = (vec![0.0; p * LANES], vec![0.0; p * LANES]);
            solve(p, &a, &b, true, &mut passive, &mut x, &mut Scratch::new(p));
            for e in 0..LANES {
                active_set(p, e, &a, &b, &mut passive, &mut y);
            }
            for (x, y) in x.iter().zip(&y) {
                assert!((x - y).abs() < 1e-8 * (1.0 + x.abs()), "seed {seed}: {x} {y}");
            }
        }
    }

    #[test]
    fn the_masked_inverse_inverts_the_passive_block_only() {
        for p in 1..10 {
            let (a, _) = systems(p, p + 4, 3);
            let passive: Vec<f64> = (0..p * LANES).map(|at| f64::from(u8::from((at * 7) % 3 != 0))).collect();
            let mut scratch = Scratch::new(p);
            let mut inverse = vec![f64::NAN; packed_len(p) * LANES];
            masked_inverse(p, &a, &passive, &mut inverse, &mut scratch);
            for k in 0..p {
                let alone = masked_inverse_element(p, k, &a, &passive, &mut scratch);
                assert_eq!(alone, inverse[packed(k, k) * LANES..][..LANES], "p {p}");
            }
            let at = |m: &[f64], k: usize, l: usize, e: usize| {
                m[if l <= k { packed(k, l) } else { packed(l, k) } * LANES + e]
            };
            for e in 0..LANES {
                for k in 0..p {
                    for l in 0..p {
                        let inside = passive[k * LANES + e] * passive[l * LANES + e];
                        if inside == 0.0 {
                            assert_eq!(at(&inverse, k, l, e), 0.0);
                            continue;
                        }
                        let product: f64 = (0..p).map(|i| at(&a, k, i, e) * at(&inverse, i, l, e)).sum();
                        assert!((product - f64::from(u8::from(k == l))).abs() < 1e-8, "p {p}: {product}");
                    }
                }
            }
        }
    }
}
