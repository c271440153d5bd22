//! Estimates that come with the coefficients of a conjugate gradient method.
//!
//! The coefficients are those of the Lanczos tridiagonal T: T_jj = 1/α_j + β_{j−1}/α_{j−1}, T_{j,j+1} = √β_j/α_j, whose
//! eigenvalues (Ritz values) lie inside the spectrum of M⁻¹A. The energy norm of the error is, up to what is left d
//! iterations later, ‖x* − x_k‖²_A ≈ Σ_{j=k}^{k+d−1} α_j γ_j.
//!
//! Sources: C. Lanczos (1952); M. R. Hestenes, E. Stiefel (1952), "Methods of conjugate gradients for solving linear
//! systems"; Z. Strakoš, P. Tichý (2002), "On error estimation in the conjugate gradient method".

use crate::outcome::Condition;

/// Coefficients kept at most; the extreme Ritz values have settled by then.
const KEPT: usize = 1024;

/// The growing tridiagonal and the last terms of the energy sum.
#[derive(Debug)]
pub(crate) struct Coefficients {
    diagonal: Vec<f64>,
    /// off[j] = T_{j,j+1}.
    off: Vec<f64>,
    room: usize,
    closed: bool,
    terms: Vec<f64>,
    next: usize,
    filled: bool,
    total: f64,
    since: f64,
}

impl Coefficients {
    pub fn new(iterations: usize, delay: usize) -> Self {
        let room = iterations.min(KEPT);
        Self {
            diagonal: Vec::with_capacity(room),
            off: Vec::with_capacity(room),
            room,
            closed: false,
            terms: vec![0.0; delay.max(1)],
            next: 0,
            filled: false,
            total: 0.0,
            since: 0.0,
        }
    }

    /// Row of T, its diagonal element and the one right of it. Rows after [`Coefficients::close`] are dropped.
    pub fn push(&mut self, diagonal: f64, off: f64) {
        if !self.closed && self.diagonal.len() < self.room && diagonal.is_finite() && off.is_finite() {
            self.diagonal.push(diagonal);
            self.off.push(off);
        } else {
            self.closed = true;
        }
    }

    /// Sets the element right of the last diagonal one.
    pub fn couple(&mut self, off: f64) {
        if !self.closed
            && let Some(last) = self.off.last_mut()
        {
            *last = off;
        }
    }

    /// A restart begins another tridiagonal; the first one is kept.
    pub fn close(&mut self) {
        self.closed = !self.diagonal.is_empty();
    }

    /// A term α_j γ_j. True if the terms since the last true answer are more than rounding of the whole sum: the energy
    /// still falls.
    pub fn energy(&mut self, term: f64) -> bool {
        self.terms[self.next] = term;
        self.next = (self.next + 1) % self.terms.len();
        self.filled |= self.next == 0;
        self.total += term;
        self.since += term;
        let falls = self.since > f64::EPSILON * self.total;
        if falls {
            self.since = 0.0;
        }
        falls
    }

    pub fn energy_error(&self) -> Option<f64> {
        self.filled.then(|| self.terms.iter().sum::<f64>().max(0.0).sqrt())
    }

    /// Extreme eigenvalues of the leading `rows` of T, times `factor`.
    pub fn condition(&self, factor: f64) -> Option<Condition> {
        let (min, max) = extremes(&self.diagonal, &self.off)?;
        // Ritz values of a definite operator are positive; what rounding leaves is not reported as a condition.
        (min > 0.0 && (max * factor).is_finite()).then(|| Condition {
            min: min * factor,
            max: max * factor,
            kappa: max / min,
        })
    }

    pub fn tridiagonal(&self) -> (&[f64], &[f64]) {
        (&self.diagonal, &self.off)
    }
}

/// Smallest and largest eigenvalue of a symmetric tridiagonal matrix (the last of `off` is not used), by bisection on
/// Sturm counts to a relative 1e-12 of the larger end. Cost: about 100 passes over the matrix.
pub(crate) fn extremes(diagonal: &[f64], off: &[f64]) -> Option<(f64, f64)> {
    let n = diagonal.len();
    if n == 0 {
        return None;
    }
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for i in 0..n {
        let radius = if i > 0 { off[i - 1].abs() } else { 0.0 } + if i + 1 < n { off[i].abs() } else { 0.0 };
        low = low.min(diagonal[i] - radius);
        high = high.max(diagonal[i] + radius);
    }
    // Eigenvalues below x.
    let below = |x: f64| {
        let (mut count, mut pivot) = (0, 1.0_f64);
        for i in 0..n {
            let coupling = if i > 0 { off[i - 1] * off[i - 1] / pivot } else { 0.0 };
            pivot = diagonal[i] - x - coupling;
            if pivot == 0.0 {
                pivot = f64::MIN_POSITIVE;
            }
            count += usize::from(pivot < 0.0);
        }
        count
    };
    let bisect = |target: usize| {
        let (mut a, mut b) = (low, high);
        for _ in 0..200 {
            let middle = 0.5 * (a + b);
            if middle <= a || middle >= b {
                break;
            }
            if below(middle) >= target { b = middle } else { a = middle }
        }
        0.5 * (a + b)
    };
    Some((bisect(1), bisect(n)))
}
