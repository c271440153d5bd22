//! U = (I + iaH)⁻¹(I − iaH) as a dense matrix, unitary to rounding.
//!
//! With B = aH, P = (I + B²)⁻¹ and W = BP: U = 2P − I − 2iW. Everything is real where H is; a complex Hermitian H = R + iS is
//! the real symmetric [[R, −S], [S, R]] of twice the size, whose first n columns hold the answer.
//!
//! * `Factor`: I + B², which is symmetric and positive definite, by Cholesky (blocked), P = L⁻ᵀL⁻¹ by dense products: about
//!   5n³ flop. The residual of a step grows like ε(1 + Λ²), Λ = |a|·‖H‖, where a factor of I + iaH has ε(1 + Λ): this route
//!   is taken up to Gershgorin's bound of Λ <= 16, where that is below 1e-13.
//! * `Eigen`: H = VᵀDV, U = Vᵀ e^{−2i arctan(aD)} V: about 13n³ flop, of which the greater part is bound by memory. Its residual grows like
//!   ε(1 + Λ), and nothing overflows, whatever a is.
//!
//! Both end with one step of U ← U(3I − UᴴU)/2, 14n³ flop in products, which takes from U what is not unitary: a defect of
//! the stored matrix would act in every step the same way and the norm would drift (N steps: N times the defect), while what
//! rounding adds in a product is random.
//!
//! Set-up for 22 elements a row, `Factor` and `Eigen`, on a busy core of 2.5 GHz: see docs/benchmarks.md.
//!
//! Source of the iteration: Å. Björck, C. Bowie (1971), "An iterative algorithm for computing the best estimate of an
//! orthogonal matrix".

use headwater_base::{Control, Error};
use headwater_linalg::gemm::{View, multiply, multiply_unless};
use headwater_linalg::{cholesky, tridiagonal};

use super::Hamiltonian;
use crate::operator::Operator;
use crate::scalar::{Complex64, power_of_two_inverse};
use crate::vector;

/// Largest Λ for which I + B² is factored.
const STEEP: f64 = 16.0;
/// Rows of a block.
const BLOCK: usize = 48;

/// How U is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// By factoring I + a²H² where that is as exact, else by `Eigen`.
    Factor,
    /// By the eigendecomposition of H.
    Eigen,
}

/// U by rows.
pub(super) struct Transform {
    /// Real and imaginary part.
    pub u: [Vec<f64>; 2],
    /// Whether H is real, and so U = Uᵀ to the bit.
    pub symmetric: bool,
}

/// `None` if it was cancelled. Error: `operator-not-finite` if the eigendecomposition overflows.
pub(super) fn transform(
    h: &Hamiltonian,
    a: f64,
    route: Route,
    control: Control<'_>,
) -> Result<Option<Transform>, Error> {
    let stop = || control.cancelled();
    let (size, mut b, symmetric) = elements(h);
    // A power of two brings H into range exactly; what is taken off is put on a.
    let top = vector::largest(&b);
    let unit = if top == 0.0 { 1.0 } else { power_of_two_inverse(top, false) };
    vector::scale(unit, &mut b);
    let bound = (0..size).map(|i| b[i * size..(i + 1) * size].iter().map(|v| v.abs()).sum::<f64>()).fold(0.0, f64::max);
    let a = a / unit;
    let parts = if route == Route::Factor && a.abs() * bound <= STEEP {
        vector::scale(a, &mut b);
        by_factor(size, &b, &stop)
    } else {
        let Some((values, vectors)) = tridiagonal::symmetric_unless(size, &b, &stop) else {
            if stop() {
                return Ok(None);
            }
            return Err(Error::new("operator-not-finite", "H could not be diagonalised: its numbers are out of range"));
        };
        by_eigen(size, a, &values, &vectors, &stop)
    };
    let Some([c, s]) = parts else { return Ok(None) };
    // U = C − iS, where C and S of a complex H have the pattern of the matrix of twice the size.
    let n = h.rows();
    let mut u = if symmetric {
        [c, s.iter().map(|v| -v).collect()]
    } else {
        let at = |part: &[f64], i: usize, j: usize| part[i * size + j];
        let pick = |f: &dyn Fn(usize, usize) -> f64| (0..n * n).map(|k| f(k / n, k % n)).collect::<Vec<f64>>();
        [pick(&|i, j| at(&c, i, j) + at(&s, n + i, j)), pick(&|i, j| at(&c, n + i, j) - at(&s, i, j))]
    };
    if symmetric {
        u.iter_mut().for_each(|part| symmetrise(n, part));
    }
    if !polish(n, &mut u, &stop) {
        return Ok(None);
    }
    if symmetric {
        u.iter_mut().for_each(|part| symmetrise(n, part));
    }
    Ok(Some(Transform { u, symmetric }))
}

/// H as a real symmetric matrix by rows: its size, its elements, and whether it is H itself.
fn elements(h: &Hamiltonian) -> (usize, Vec<f64>, bool) {
    let n = h.rows();
    if let Hamiltonian::Real(h) = h {
        let mut out = vec![0.0; n * n];
        for (i, row) in out.chunks_mut(n).enumerate() {
            let (columns, values) = h.row(i);
            for (&j, &value) in columns.iter().zip(values) {
                row[j as usize] = value;
            }
        }
        return (n, out, true);
    }
    let mut identity = vec![Complex64::default(); n * n];
    for i in 0..n {
        identity[i * n + i] = Complex64::new(1.0, 0.0);
    }
    let mut image = identity.clone();
    h.apply_many(n, &identity, &mut image);
    if image.iter().all(|v| v.im == 0.0) {
        return (n, image.iter().map(|v| v.re).collect(), true);
    }
    let size = 2 * n;
    let mut out = vec![0.0; size * size];
    for i in 0..n {
        for j in 0..n {
            let v = image[i * n + j];
            (out[i * size + j], out[(n + i) * size + n + j]) = (v.re, v.re);
            (out[i * size + n + j], out[(n + i) * size + j]) = (-v.im, v.im);
        }
    }
    (size, out, false)
}

fn symmetrise(n: usize, a: &mut [f64]) {
    for i in 0..n {
        for j in 0..i {
            let mean = 0.5 * (a[i * n + j] + a[j * n + i]);
            (a[i * n + j], a[j * n + i]) = (mean, mean);
        }
    }
}

/// C = 2P − I and S = 2BP.
fn by_factor(n: usize, b: &[f64], stop: &dyn Fn() -> bool) -> Option<[Vec<f64>; 2]> {
    let whole = |m| View::new(m, n, n, n);
    let mut l = vec![0.0; n * n];
    if !multiply_unless(1.0, whole(b), whole(b), 0.0, &mut l, n, stop) {
        return None;
    }
    for i in 0..n {
        l[i * n + i] += 1.0;
    }
    if !cholesky::factor_unless(n, &mut l, stop) {
        // Not a matter of the numbers: the smallest eigenvalue is 1, the largest at most 1 + 16².
        return None;
    }
    // Y = L⁻¹, by blocks of rows: Y_i = L_ii⁻¹(I_i − L_i Y above).
    let mut y = vec![0.0; n * n];
    for begin in (0..n).step_by(BLOCK) {
        if stop() {
            return None;
        }
        let end = (begin + BLOCK).min(n);
        let (above, rest) = y.split_at_mut(begin * n);
        let rows = &mut rest[..(end - begin) * n];
        if begin > 0 {
            let left = View::new(&l[begin * n..], end - begin, begin, n);
            multiply(-1.0, left, View::new(above, begin, begin, n), 0.0, rows, n);
        }
        for r in 0..end - begin {
            let (done, now) = rows.split_at_mut(r * n);
            let now = &mut now[..end];
            now[begin + r] += 1.0;
            let row = &l[(begin + r) * n + begin..];
            for (t, other) in done.chunks(n).enumerate() {
                vector::axpy(-row[t], &other[..begin + t + 1], &mut now[..begin + t + 1]);
            }
            vector::scale(1.0 / row[r], now);
        }
    }
    // P = YᵀY: row k of Y ends at column k.
    let mut p = vec![0.0; n * n];
    for begin in (0..n).step_by(BLOCK) {
        if stop() {
            return None;
        }
        let end = (begin + BLOCK).min(n);
        let rows = View::new(&y[begin * n..], end - begin, end, n);
        multiply(1.0, rows.transposed(), rows, 1.0, &mut p, n);
    }
    let mut s = y;
    if !multiply_unless(2.0, whole(b), whole(&p), 0.0, &mut s, n, stop) {
        return None;
    }
    vector::scale(2.0, &mut p);
    for i in 0..n {
        p[i * n + i] -= 1.0;
    }
    Some([p, s])
}

/// C = Vᵀ cos(2 arctan aD) V and S with the sine.
fn by_eigen(n: usize, a: f64, values: &[f64], vectors: &[f64], stop: &dyn Fn() -> bool) -> Option<[Vec<f64>; 2]> {
    let rows = View::new(vectors, n, n, n);
    let part = |f: &dyn Fn(f64) -> f64| {
        let mut scaled = vectors.to_vec();
        for (row, &value) in scaled.chunks_mut(n.max(1)).zip(values) {
            // A zero mode stays where it is, even if a is infinite in the units of H.
            vector::scale(f(if value == 0.0 { 0.0 } else { a * value }), row);
        }
        let mut out = vec![0.0; n * n];
        multiply_unless(1.0, rows.transposed(), View::new(&scaled, n, n, n), 0.0, &mut out, n, stop).then_some(out)
    };
    // cos and sin of 2 arctan t, with 1/t where t is large.
    let cos = |t: f64| if t.abs() <= 1.0 { (1.0 - t * t) / (1.0 + t * t) } else { 2.0 / (1.0 + t * t) - 1.0 };
    let sin = |t: f64| if t.abs() <= 1.0 { 2.0 * t / (1.0 + t * t) } else { 2.0 / (1.0 / t + t) };
    Some([part(&cos)?, part(&sin)?])
}

/// U ← U − U(UᴴU − I)/2.
fn polish(n: usize, u: &mut [Vec<f64>; 2], stop: &dyn Fn() -> bool) -> bool {
    let whole = |m| View::new(m, n, n, n);
    let [re, im] = &*u;
    // D = UᴴU − I: Re D = reᵀre + imᵀim − I, Im D = G − Gᵀ with G = reᵀim.
    let (mut d, mut g) = (vec![0.0; n * n], vec![0.0; n * n]);
    let made = multiply_unless(1.0, whole(re).transposed(), whole(re), 0.0, &mut d, n, stop)
        && multiply_unless(1.0, whole(im).transposed(), whole(im), 1.0, &mut d, n, stop)
        && multiply_unless(1.0, whole(re).transposed(), whole(im), 0.0, &mut g, n, stop);
    if !made {
        return false;
    }
    for i in 0..n {
        d[i * n + i] -= 1.0;
        for j in 0..i {
            let difference = g[i * n + j] - g[j * n + i];
            (g[i * n + j], g[j * n + i]) = (difference, -difference);
        }
        g[i * n + i] = 0.0;
    }
    let (mut first, mut second) = (re.clone(), im.clone());
    let done = multiply_unless(-0.5, whole(re), whole(&d), 1.0, &mut first, n, stop)
        && multiply_unless(0.5, whole(im), whole(&g), 1.0, &mut first, n, stop)
        && multiply_unless(-0.5, whole(re), whole(&g), 1.0, &mut second, n, stop)
        && multiply_unless(-0.5, whole(im), whole(&d), 1.0, &mut second, n, stop);
    *u = [first, second];
    done
}
