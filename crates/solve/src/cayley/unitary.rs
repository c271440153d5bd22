//! The Cayley transform U = (I + iaH)⁻¹(I − iaH) as a dense matrix, for small n; `transform.rs` makes it.
//!
//! A product reads the stored matrix once: for real H, U = Uᵀ and one half is stored (8n² bytes), as T with U = T + Tᵀ,
//! and each number read is used for both halves, 8 multiply-adds on 2 numbers; for complex H all of it (16n² bytes).
//! Up to n ≈ 350 (real) it stays in a cache of 1 MB, and arithmetic bounds it. Many vectors at once are two dense products
//! with U by rows, which the first of them lays out beside the tiles (16n² bytes more).

use headwater_base::{Control, Error};
use headwater_linalg::gemm::{View, multiply};
use headwater_linalg::simd;

use super::Hamiltonian;
use super::transform::{Route, Transform, transform};
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
    /// U by rows, real and imaginary part, for many vectors.
    whole: Option<[Vec<f64>; 2]>,
}

impl Unitary {
    /// `None` if it was cancelled, for which it is asked every few milliseconds.
    ///
    /// Error: `operator-not-finite` if the eigendecomposition overflows.
    pub fn new(h: &Hamiltonian, a: f64, route: Route, control: Control<'_>) -> Result<Option<Self>, Error> {
        let n = h.rows();
        let Some(Transform { u: [re, im], symmetric }) = transform(h, a, route, control)? else { return Ok(None) };
        let padded = n.next_multiple_of(WIDTH);
        let mut tiles = Vec::with_capacity(if symmetric { padded * (padded + WIDTH) } else { 2 * padded * padded });
        for i in (0..padded).step_by(ROWS) {
            let first = if symmetric { i / WIDTH * WIDTH } else { 0 };
            for j in (first..padded).step_by(WIDTH) {
                for row in i..i + ROWS {
                    for part in [&re, &im] {
                        tiles.extend((j..j + WIDTH).map(|col| {
                            let outside = row >= n || col >= n || (symmetric && col < row);
                            let half = if symmetric && col == row { 0.5 } else { 1.0 };
                            if outside { 0.0 } else { half * part[row * n + col] }
                        }));
                    }
                }
            }
        }
        let zeros = || [vec![0.0; padded], vec![0.0; padded]];
        Ok(Some(Self { n, padded, symmetric, tiles, x: zeros(), y: zeros(), whole: None }))
    }

    /// Y = UX for k vectors, n × k by rows: U once over memory for all of them.
    pub fn apply_many(&mut self, k: usize, x: &[Complex64], y: &mut [Complex64]) {
        let n = self.n;
        let [re, im] = self.whole.get_or_insert_with(|| unfolded(n, self.padded, self.symmetric, &self.tiles));
        // Interleaved, X is a real matrix of 2k columns: Re U · X and Im U · X hold all four products.
        let x = View::new(Complex64::reals(x), n, 2 * k, 2 * k);
        let mut turned = vec![0.0; 2 * n * k];
        let y = Complex64::reals_mut(y);
        multiply(1.0, View::new(re, n, n, n), x, 0.0, y, 2 * k);
        multiply(1.0, View::new(im, n, n, n), x, 0.0, &mut turned, 2 * k);
        for (y, t) in y.as_chunks_mut::<2>().0.iter_mut().zip(turned.as_chunks::<2>().0) {
            y[0] -= t[1];
            y[1] += t[0];
        }
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

/// U by rows from its tiles.
fn unfolded(n: usize, padded: usize, symmetric: bool, tiles: &[f64]) -> [Vec<f64>; 2] {
    let mut whole = [vec![0.0; n * n], vec![0.0; n * n]];
    let mut tiles = tiles.as_chunks::<TILE>().0.iter();
    for i in (0..padded).step_by(ROWS) {
        let first = if symmetric { i / WIDTH * WIDTH } else { 0 };
        for (j, tile) in (first..padded).step_by(WIDTH).zip(&mut tiles) {
            for (row, (part, col)) in (0..ROWS).flat_map(|r| (0..2 * WIDTH).map(move |c| (r, (c / WIDTH, c % WIDTH)))) {
                let (r, c) = (i + row, j + col);
                if r < n && c < n {
                    let value = tile[(2 * row + part) * WIDTH + col];
                    whole[part][r * n + c] += value;
                    if symmetric {
                        whole[part][c * n + r] += value;
                    }
                }
            }
        }
    }
    whole
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
