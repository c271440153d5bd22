//! Planes of circles from fourth cumulants.
//!
//! Rows are sums of `active` of C circles in independent planes, with uniform independent phases, and noise.
//!
//! 1. Principal components: the 2C directions whose variance stands out of the noise, whitened to z (dimension q = 2C). The
//!    planes are orthogonal there.
//! 2. The fourth-cumulant operator on symmetric q × q matrices, Q(M) = E[(zᵀMz) zzᵀ] − tr(M) I − 2M. It maps to itself the
//!    span of matrices that are block-diagonal in the planes; within it, all but the identity lie above everything else:
//!    the 3C − 1 largest eigenvalues. (Their number is used, not a gap: with half of the circles active the blocks' own
//!    eigenvalues are 0.)
//! 3. A random combination of these has two eigenvectors in every plane. They are paired by how much of sym(uvᵀ) lies in the
//!    span.
//! 4. From each of some such combinations (the best of many, after a few turns): the rotation O of z that brings active planes' points onto rings, by turns of
//!    projection and Procrustes. The one with the least residual counts.
//!
//! Cost: N q⁴/8 for the operator, (q²/2)³ for its eigenvectors. Source of cumulant operators: J.-F. Cardoso (1990),
//! "Eigen-structure of the fourth-order cumulant tensor with application to the blind source separation problem", ICASSP;
//! of subspaces instead of directions: F. J. Theis (2007), "Towards a general independent subspace analysis", NIPS 19.

use headwater_base::parallel;
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::dense::{add_outer, add_scaled, inner};
use headwater_linalg::eigen;

/// Share of the noise's variance that a component must exceed.
const ABOVE_NOISE: f64 = 3.0;
/// Random combinations that are tried, turns of projection and Procrustes that each is given, and how many go on.
const TRIALS: usize = 32;
const FIRST_TURNS: usize = 4;
/// Rows that these turns look at, at least (every so many-th).
const FIRST_ROWS: usize = 400;
const KEPT: usize = 2;
/// Turns of these at most.
const TURNS: usize = 40;

/// Planes through the mean of the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Planes {
    /// p numbers.
    pub mean: Vec<f64>,
    /// For each plane its two axes, 2 × p: a circle's points are mean + cos·axis₁ + sin·axis₂.
    pub axes: Vec<Vec<f64>>,
    /// Share of the whitened rows' squares that rings in these planes leave over.
    pub residual: f64,
}

/// Up to `most` planes of which `active` are used in every row. `rows` is N × p, row-major. No planes where nothing stands out of the noise (at least a quarter of the components must be noise), or numbers are not finite.
pub fn planes(rows: &[f64], p: usize, most: usize, active: usize, seed: u64, threads: usize) -> Planes {
    let count = rows.len() / p;
    let mean: Vec<f64> = (0..p).map(|o| parallel::pairwise_sum(&column(rows, p, o)) / count.max(1) as f64).collect();
    let none = |mean| Planes { mean, axes: Vec::new(), residual: 1.0 };
    let centred: Vec<f64> = rows.iter().enumerate().map(|(at, x)| x - mean[at % p]).collect();
    let covariance = second_moments(&centred, p, count, threads);
    let Some((values, vectors)) = eigen::symmetric(p, &covariance) else { return none(mean) };
    let noise = noise_of(&values);
    let standing = values.iter().filter(|value| **value > ABOVE_NOISE * noise && **value > 0.0).count();
    let circles = (standing / 2).min(most);
    if circles == 0 {
        return none(mean);
    }
    of_components(&centred, mean, p, &values, &vectors, circles, active, seed, threads)
}

/// The axes of the two planes of a torus whose rows fill four dimensions: (t: sin, cos; u: sin, cos), q numbers each. None
/// where q is not 4 or the rows do not fill it.
pub(super) fn pair(rows: &[f64], q: usize) -> Vec<Vec<f64>> {
    let count = rows.len() / q.max(1);
    if q != 4 || count < 8 {
        return Vec::new();
    }
    let Some((values, vectors)) = eigen::symmetric(q, &second_moments(rows, q, count, 1)) else { return Vec::new() };
    if values[0] <= 1e-9 * values[3] {
        return Vec::new();
    }
    let planes = of_components(rows, vec![0.0; q], q, &values, &vectors, 2, 2, 0, 1);
    planes.axes.iter().flat_map(|axes| [axes[q..].to_vec(), axes[..q].to_vec()]).collect()
}

/// Planes in the space of the 2·circles largest components.
fn of_components(
    centred: &[f64],
    mean: Vec<f64>,
    p: usize,
    values: &[f64],
    vectors: &[f64],
    circles: usize,
    active: usize,
    seed: u64,
    threads: usize,
) -> Planes {
    let none = |mean| Planes { mean, axes: Vec::new(), residual: 1.0 };
    let count = centred.len() / p;
    let q = 2 * circles;
    // z = Wx with W = Λ^-½Eᵀ of the largest q.
    let mut whiten = vec![0.0; q * p];
    let mut colour = vec![0.0; q * p];
    for r in 0..q {
        let at = p - 1 - r;
        let root = values[at].sqrt();
        for o in 0..p {
            whiten[r * p + o] = vectors[at * p + o] / root;
            colour[r * p + o] = vectors[at * p + o] * root;
        }
    }
    let z: Vec<f64> =
        centred.chunks_exact(p).flat_map(|x| whiten.chunks_exact(p).map(|w| inner(w, x)).collect::<Vec<_>>()).collect();
    let active = active.min(circles);
    let Some(span) = blocks(&z, q, circles, threads) else { return none(mean) };
    let step = (count / FIRST_ROWS).max(1);
    let some: Vec<f64> = z.chunks_exact(q).step_by(step).flatten().copied().collect();
    let mut tried: Vec<(Vec<f64>, f64)> = parallel::map(threads, TRIALS, |trial| {
        let mut random = Stream::new(seed, Purpose::Start, trial as u32);
        let first = pairing(&span, q, &mut random)?;
        Some(rotate(&some, q, active, first, FIRST_TURNS))
    })
    .into_iter()
    .flatten()
    .collect();
    tried.sort_by(|a, b| a.1.total_cmp(&b.1));
    tried.truncate(KEPT);
    let ended = parallel::map(threads, tried.len(), |at| rotate(&z, q, active, tried[at].0.clone(), TURNS));
    let best = ended.into_iter().reduce(|best, next| if next.1 < best.1 { next } else { best });
    let Some((rotation, residual)) = best else { return none(mean) };
    // Rings have radius √(C/active)·√2 in z: an axis of x is that times the coloured direction.
    let radius = (2.0 * circles as f64 / active as f64).sqrt();
    let axes = (0..circles)
        .map(|k| {
            let mut axes = vec![0.0; 2 * p];
            for e in 0..2 {
                for r in 0..q {
                    let weight = radius * rotation[(2 * k + e) * q + r];
                    (0..p).for_each(|o| axes[e * p + o] += weight * colour[r * p + o]);
                }
            }
            axes
        })
        .collect();
    Planes { mean, axes, residual }
}

fn column(rows: &[f64], p: usize, o: usize) -> Vec<f64> {
    rows.iter().skip(o).step_by(p).copied().collect()
}

/// E[xxᵀ], p × p.
fn second_moments(x: &[f64], p: usize, count: usize, threads: usize) -> Vec<f64> {
    let chunk = 256 * p;
    let parts = parallel::map(threads, x.len().div_ceil(chunk), |at| {
        let mut sum = vec![0.0; p * p];
        for x in x[at * chunk..x.len().min((at + 1) * chunk)].chunks_exact(p) {
            add_outer(&mut sum, x, x);
        }
        sum
    });
    let mut sum = vec![0.0; p * p];
    for part in parts {
        sum.iter_mut().zip(&part).for_each(|(s, t)| *s += t);
    }
    sum.iter_mut().for_each(|s| *s /= count.max(1) as f64);
    sum
}

/// The noise's variance: the median of the lower half of the eigenvalues (ascending).
fn noise_of(values: &[f64]) -> f64 {
    values[values.len() / 4].max(0.0)
}

/// The symmetric matrices of the 3C − 1 largest eigenvalues of the fourth-cumulant operator, each q × q of norm 1.
fn blocks(z: &[f64], q: usize, circles: usize, threads: usize) -> Option<Vec<Vec<f64>>> {
    // Coordinates of a symmetric matrix: (i, j), i >= j, off-diagonal ones times √2, so that norms are kept.
    let places: Vec<(usize, usize)> = (0..q).flat_map(|i| (0..=i).map(move |j| (i, j))).collect();
    let size = places.len();
    let root = std::f64::consts::SQRT_2;
    let count = (z.len() / q) as f64;
    // Products of z's elements as rows, whose second moments are E[(zᵀMz) zzᵀ].
    let mut products = Vec::with_capacity(z.len() / q * size);
    for z in z.chunks_exact(q) {
        products.extend(places.iter().map(|&(i, j)| if i == j { z[i] * z[j] } else { root * z[i] * z[j] }));
    }
    let mut operator = second_moments(&products, size, count as usize, threads);
    let diagonal: Vec<usize> = (0..size).filter(|&at| places[at].0 == places[at].1).collect();
    for &a in &diagonal {
        for &b in &diagonal {
            operator[a * size + b] -= 1.0;
        }
    }
    (0..size).for_each(|at| operator[at * size + at] -= 2.0);
    let (_, vectors) = eigen::symmetric(size, &operator)?;
    let wanted = (3 * circles - 1).max(1);
    let matrix = |at: usize| {
        let mut m = vec![0.0; q * q];
        for (&(i, j), v) in places.iter().zip(&vectors[at * size..]) {
            let v = if i == j { *v } else { v / root };
            (m[i * q + j], m[j * q + i]) = (v, v);
        }
        m
    };
    Some((size - wanted..size).map(matrix).collect())
}

/// Directions of z in pairs, one pair a plane, from a random combination of the span: q × q, orthonormal rows.
fn pairing(span: &[Vec<f64>], q: usize, random: &mut Stream) -> Option<Vec<f64>> {
    let mut mixed = vec![0.0; q * q];
    for m in span {
        let weight = 2.0 * random.uniform() - 1.0;
        mixed.iter_mut().zip(m).for_each(|(s, m)| *s += weight * m);
    }
    let (_, vectors) = eigen::symmetric(q, &mixed)?;
    let vector = |i: usize| &vectors[i * q..(i + 1) * q];
    // ‖projection of sym(uvᵀ) on the span‖².
    let mut scores = Vec::new();
    for i in 0..q {
        for j in 0..i {
            let score: f64 = span
                .iter()
                .map(|m| {
                    let image: f64 = m.chunks_exact(q).zip(vector(i)).map(|(row, u)| u * inner(row, vector(j))).sum();
                    image * image
                })
                .sum();
            scores.push((score, i, j));
        }
    }
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut taken = vec![false; q];
    let mut out = Vec::with_capacity(q * q);
    for (_, i, j) in scores {
        if !taken[i] && !taken[j] {
            (taken[i], taken[j]) = (true, true);
            out.extend_from_slice(vector(i));
            out.extend_from_slice(vector(j));
        }
    }
    Some(out)
}

/// Turns of: the `active` planes with the largest length are on their ring, the others at 0; the rotation that brings z closest
/// to these points. Returns it (rows are directions, two a plane) and the share of squares left over.
fn rotate(z: &[f64], q: usize, active: usize, mut rotation: Vec<f64>, turns: usize) -> (Vec<f64>, f64) {
    let circles = q / 2;
    let radius = (2.0 * circles as f64 / active as f64).sqrt();
    let mut last = f64::INFINITY;
    let total = inner(z, z);
    // Sizes are squared.
    let (mut y, mut sizes, mut points) = (vec![0.0; q], vec![0.0; circles], vec![0.0; q]);
    for _ in 0..turns {
        let mut cross = vec![0.0; q * q];
        let mut residual = 0.0;
        for z in z.chunks_exact(q) {
            for (y, row) in y.iter_mut().zip(rotation.chunks_exact(q)) {
                *y = inner(row, z);
            }
            for (size, y) in sizes.iter_mut().zip(y.chunks_exact(2)) {
                *size = y[0] * y[0] + y[1] * y[1];
            }
            points.fill(0.0);
            for _ in 0..active {
                let (k, size) = sizes.iter().copied().enumerate().fold((0, -1.0), |a, b| if b.1 > a.1 { b } else { a });
                if size > 0.0 {
                    let scale = radius / size.sqrt();
                    (points[2 * k], points[2 * k + 1]) = (scale * y[2 * k], scale * y[2 * k + 1]);
                    add_scaled(points[2 * k], z, &mut cross[2 * k * q..(2 * k + 1) * q]);
                    add_scaled(points[2 * k + 1], z, &mut cross[(2 * k + 1) * q..(2 * k + 2) * q]);
                }
                sizes[k] = -1.0;
            }
            residual += y.iter().zip(&points).map(|(y, t)| (y - t) * (y - t)).sum::<f64>();
        }
        let share = residual / total;
        if share > last * (1.0 - 1e-6) {
            return (rotation, last.min(share));
        }
        last = share;
        let Some(next) = polar(&cross, q) else { break };
        rotation = next;
    }
    (rotation, last)
}

/// The orthogonal matrix closest to `a`: A(AᵀA)^-½; `None` where A is singular.
fn polar(a: &[f64], q: usize) -> Option<Vec<f64>> {
    let mut gram = vec![0.0; q * q];
    for row in a.chunks_exact(q) {
        for (to, x) in gram.chunks_exact_mut(q).zip(row) {
            to.iter_mut().zip(row).for_each(|(s, y)| *s += x * y);
        }
    }
    let (values, vectors) = eigen::symmetric(q, &gram)?;
    if values[0] <= 1e-12 * values[q - 1] {
        return None;
    }
    let mut root = vec![0.0; q * q];
    for (value, vector) in values.iter().zip(vectors.chunks_exact(q)) {
        for (to, x) in root.chunks_exact_mut(q).zip(vector) {
            to.iter_mut().zip(vector).for_each(|(s, y)| *s += x * y / value.sqrt());
        }
    }
    let mut out = vec![0.0; q * q];
    for (to, row) in out.chunks_exact_mut(q).zip(a.chunks_exact(q)) {
        for (x, root) in row.iter().zip(root.chunks_exact(q)) {
            to.iter_mut().zip(root).for_each(|(s, r)| *s += x * r);
        }
    }
    Some(out)
}
