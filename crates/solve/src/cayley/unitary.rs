//! The Cayley transform U = (I + iaH)⁻¹(I − iaH) as a dense matrix, for small n.
//!
//! Set-up: LU of I + iaH, n solves, and one step of U ← U(3I − UᴴU)/2, which takes from U what is not unitary: a defect
//! of the stored matrix would act in every step the same way and the norm would drift (N steps: N times the defect),
//! while what rounding adds in a product is random. About 6n³ complex multiply-adds.
//!
//! A product reads the stored matrix once: for real H, U = Uᵀ and one half is stored (8n² bytes), as T with U = T + Tᵀ,
//! and each number read is used for both halves, 8 multiply-adds on 2 numbers; for complex H all of it (16n² bytes).
//! Up to n ≈ 350 (real) it stays in a cache of 1 MB, and arithmetic bounds it.
//!
//! Source of the iteration: Å. Björck, C. Bowie (1971), "An iterative algorithm for computing the best estimate of an
//! orthogonal matrix".

use headwater_base::{Control, Error};
use headwater_linalg::simd;

use super::Hamiltonian;
use crate::dense::Dense;
use crate::direct::Direct;
use crate::operator::Operator;
use crate::scalar::{Complex64, Scalar};

const ROWS: usize = 4;
const WIDTH: usize = 8;
/// Real parts and imaginary parts of 4 rows × 8 columns.
const TILE: usize = 2 * ROWS * WIDTH;

#[derive(Clone, Debug)]
pub(super) struct Unitary {
    n: usize,
    padded: usize,
    symmetric: bool,
    tiles: Vec<f64>,
    x: [Vec<f64>; 2],
    y: [Vec<f64>; 2],
}

impl Unitary {
    /// `None` if it was cancelled, for which it is asked every few milliseconds.
    ///
    /// Error: `operator-not-finite` if the factorisation overflows (|a|·‖H‖ near the largest number).
    pub fn new(h: &Hamiltonian, a: f64, control: Control<'_>) -> Result<Option<Self>, Error> {
        let n = h.rows();
        let Some(mut u) = transform(h, a, control)? else { return Ok(None) };
        let symmetric = h.is_real();
        if symmetric {
            for i in 0..n {
                for j in 0..i {
                    let mean = (u[i * n + j] + u[j * n + i]).scale(0.5);
                    (u[i * n + j], u[j * n + i]) = (mean, mean);
                }
            }
        }
        let padded = n.next_multiple_of(WIDTH);
        let mut tiles = Vec::new();
        for i in (0..padded).step_by(ROWS) {
            let first = if symmetric { i / WIDTH * WIDTH } else { 0 };
            for j in (first..padded).step_by(WIDTH) {
                for row in i..i + ROWS {
                    let element = |col: usize| {
                        let outside = row >= n || col >= n || (symmetric && col < row);
                        let half = if symmetric && col == row { 0.5 } else { 1.0 };
                        if outside { Complex64::default() } else { u[row * n + col].scale(half) }
                    };
                    tiles.extend((j..j + WIDTH).map(|col| element(col).re));
                    tiles.extend((j..j + WIDTH).map(|col| element(col).im));
                }
            }
        }
        let zeros = || [vec![0.0; padded], vec![0.0; padded]];
        Ok(Some(Self { n, padded, symmetric, tiles, x: zeros(), y: zeros() }))
    }

    /// y = Ux, or Uᴴx.
    pub fn apply(&mut self, adjoint: bool, x: &[Complex64], y: &mut [Complex64]) {
        // Uᴴx = conj(Uᵀ conj(x)).
        let sign = if adjoint { -1.0 } else { 1.0 };
        for i in 0..self.n {
            self.x[0][i] = x[i].re;
            self.x[1][i] = sign * x[i].im;
        }
        let ([xr, xi], [yr, yi]) = (&self.x, &mut self.y);
        if self.symmetric {
            yr.fill(0.0);
            yi.fill(0.0);
            product_symmetric(self.padded, &self.tiles, xr, xi, yr, yi);
        } else if adjoint {
            yr.fill(0.0);
            yi.fill(0.0);
            product_transposed(self.padded, &self.tiles, xr, xi, yr, yi);
        } else {
            product(self.padded, &self.tiles, xr, xi, yr, yi);
        }
        for i in 0..self.n {
            y[i] = Complex64::new(yr[i], sign * yi[i]);
        }
    }
}

/// U by rows, unitary to rounding.
fn transform(h: &Hamiltonian, a: f64, control: Control<'_>) -> Result<Option<Vec<Complex64>>, Error> {
    let n = h.rows();
    let mut identity = vec![Complex64::default(); n * n];
    for i in 0..n {
        identity[i * n + i] = Complex64::new(1.0, 0.0);
    }
    let mut system = vec![Complex64::default(); n * n];
    h.apply_many(n, &identity, &mut system);
    for (s, e) in system.iter_mut().zip(&identity) {
        *s = e + Complex64::new(-a * s.im, a * s.re);
    }
    let Some(factored) = Direct::watched(Dense::new(n, n, system)?, control)? else { return Ok(None) };
    // Row j of Uᵀ is column j of U.
    let mut columns = vec![Complex64::default(); n * n];
    for (j, column) in columns.chunks_mut(n).enumerate() {
        if control.cancelled() {
            return Ok(None);
        }
        column[j] = Complex64::new(2.0, 0.0);
        if !factored.solve_in_place(false, column) {
            return Err(Error::new("operator-not-finite", format!("I + iaH could not be factored at a = {a}")));
        }
        column[j] -= 1.0;
    }
    // U − UD/2, D = UᴴU − I. Elements by rows of Uᵀ and of U.
    let u = transposed(n, &columns);
    let mut defect = vec![Complex64::default(); n * n];
    for i in 0..n {
        if control.cancelled() {
            return Ok(None);
        }
        for j in 0..=i {
            let (p, q) = (&columns[i * n..(i + 1) * n], &columns[j * n..(j + 1) * n]);
            let d = Complex64::dot(p, q) - f64::from(u8::from(i == j));
            // Dᵀ by rows, for the product of rows below.
            defect[j * n + i] = d;
            defect[i * n + j] = d.conj();
        }
    }
    let mut out = u.clone();
    for i in 0..n {
        if control.cancelled() {
            return Ok(None);
        }
        for j in 0..n {
            let part = Complex64::dot_transposed(&u[i * n..(i + 1) * n], &defect[j * n..(j + 1) * n]);
            out[i * n + j] -= part.scale(0.5);
        }
    }
    Ok(Some(out))
}

fn transposed(n: usize, a: &[Complex64]) -> Vec<Complex64> {
    (0..n * n).map(|k| a[k % n * n + k / n]).collect()
}

simd! {
/// y += (T + Tᵀ)x; T's tiles begin at the diagonal.
fn product_symmetric(padded: usize, tiles: &[f64], xr: &[f64], xi: &[f64], yr: &mut [f64], yi: &mut [f64]) {
    let (xr, xi) = (xr.as_chunks::<WIDTH>().0, xi.as_chunks::<WIDTH>().0);
    let (yr, yi) = (yr.as_chunks_mut::<WIDTH>().0, yi.as_chunks_mut::<WIDTH>().0);
    let mut tiles = tiles.as_chunks::<TILE>().0;
    for i in (0..padded).step_by(ROWS) {
        let first = i / WIDTH;
        let (row, rest) = tiles.split_at(padded / WIDTH - first);
        tiles = rest;
        let at = i % WIDTH;
        let (mut br, mut bi) = ([0.0; ROWS], [0.0; ROWS]);
        br.copy_from_slice(&xr[first][at..at + ROWS]);
        bi.copy_from_slice(&xi[first][at..at + ROWS]);
        let (mut sr, mut si) = ([[0.0; WIDTH]; ROWS], [[0.0; WIDTH]; ROWS]);
        let vectors = xr[first..].iter().zip(&xi[first..]).zip(yr[first..].iter_mut().zip(&mut yi[first..]));
        for (tile, ((xr, xi), (yr, yi))) in row.iter().zip(vectors) {
            let (mut tr, mut ti) = (*yr, *yi);
            for r in 0..ROWS {
                let (c, s) = (&tile[r * 2 * WIDTH..][..WIDTH], &tile[(r * 2 + 1) * WIDTH..][..WIDTH]);
                for e in 0..WIDTH {
                    sr[r][e] = (-s[e]).mul_add(xi[e], c[e].mul_add(xr[e], sr[r][e]));
                    si[r][e] = s[e].mul_add(xr[e], c[e].mul_add(xi[e], si[r][e]));
                    tr[e] = (-s[e]).mul_add(bi[r], c[e].mul_add(br[r], tr[e]));
                    ti[e] = s[e].mul_add(br[r], c[e].mul_add(bi[r], ti[e]));
                }
            }
            *yr = tr;
            *yi = ti;
        }
        for r in 0..ROWS {
            yr[first][at + r] += sum(&sr[r]);
            yi[first][at + r] += sum(&si[r]);
        }
    }
}

/// y = Ux.
fn product(padded: usize, tiles: &[f64], xr: &[f64], xi: &[f64], yr: &mut [f64], yi: &mut [f64]) {
    let (xr, xi) = (xr.as_chunks::<WIDTH>().0, xi.as_chunks::<WIDTH>().0);
    let tiles = tiles.as_chunks::<TILE>().0;
    for (block, row) in tiles.chunks(padded / WIDTH).enumerate() {
        let (mut sr, mut si) = ([[0.0; WIDTH]; ROWS], [[0.0; WIDTH]; ROWS]);
        for (tile, (xr, xi)) in row.iter().zip(xr.iter().zip(xi)) {
            for r in 0..ROWS {
                let (c, s) = (&tile[r * 2 * WIDTH..][..WIDTH], &tile[(r * 2 + 1) * WIDTH..][..WIDTH]);
                for e in 0..WIDTH {
                    sr[r][e] = (-s[e]).mul_add(xi[e], c[e].mul_add(xr[e], sr[r][e]));
                    si[r][e] = s[e].mul_add(xr[e], c[e].mul_add(xi[e], si[r][e]));
                }
            }
        }
        for r in 0..ROWS {
            yr[block * ROWS + r] = sum(&sr[r]);
            yi[block * ROWS + r] = sum(&si[r]);
        }
    }
}

/// y += Uᵀx.
fn product_transposed(padded: usize, tiles: &[f64], xr: &[f64], xi: &[f64], yr: &mut [f64], yi: &mut [f64]) {
    let (yr, yi) = (yr.as_chunks_mut::<WIDTH>().0, yi.as_chunks_mut::<WIDTH>().0);
    let tiles = tiles.as_chunks::<TILE>().0;
    for (block, row) in tiles.chunks(padded / WIDTH).enumerate() {
        let (mut br, mut bi) = ([0.0; ROWS], [0.0; ROWS]);
        br.copy_from_slice(&xr[block * ROWS..][..ROWS]);
        bi.copy_from_slice(&xi[block * ROWS..][..ROWS]);
        for (tile, (yr, yi)) in row.iter().zip(yr.iter_mut().zip(yi.iter_mut())) {
            let (mut tr, mut ti) = (*yr, *yi);
            for r in 0..ROWS {
                let (c, s) = (&tile[r * 2 * WIDTH..][..WIDTH], &tile[(r * 2 + 1) * WIDTH..][..WIDTH]);
                for e in 0..WIDTH {
                    tr[e] = (-s[e]).mul_add(bi[r], c[e].mul_add(br[r], tr[e]));
                    ti[e] = s[e].mul_add(br[r], c[e].mul_add(bi[r], ti[e]));
                }
            }
            *yr = tr;
            *yi = ti;
        }
    }
}
}

#[inline(always)]
fn sum(s: &[f64; WIDTH]) -> f64 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}
