//! The Hermitian operator H of a propagation.

use std::sync::Arc;

use headwater_base::rng::{Purpose, Stream};
use headwater_base::{Control, Error};

use crate::csr::Csr;
use crate::graph::Graph;
use crate::operator::Operator;
use crate::outcome::Reason;
use crate::scalar::{Complex64, Scalar};
use crate::session::solve;
use crate::settings::{Method, Settings};
use crate::vector;

/// H: a sparse matrix, real symmetric or complex Hermitian, or any operator that is Hermitian.
#[derive(Clone)]
pub enum Hamiltonian {
    /// Real symmetric: applied to both parts of a vector in one reading.
    Real(Csr<f64>),
    /// Complex Hermitian.
    Complex(Csr<Complex64>),
    /// Anything else.
    Operator(Arc<dyn Operator<Complex64>>),
}

impl std::fmt::Debug for Hamiltonian {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self {
            Self::Real(_) => "Real",
            Self::Complex(_) => "Complex",
            Self::Operator(_) => "Operator",
        };
        write!(f, "{kind}({0} × {0})", self.rows())
    }
}

impl From<Csr<f64>> for Hamiltonian {
    fn from(h: Csr<f64>) -> Self {
        Self::Real(h)
    }
}

impl From<Csr<Complex64>> for Hamiltonian {
    fn from(h: Csr<Complex64>) -> Self {
        Self::Complex(h)
    }
}

impl From<&Graph> for Hamiltonian {
    fn from(graph: &Graph) -> Self {
        match graph.laplacian() {
            Ok(h) => Self::Real(h),
            Err(_) => Self::Complex(graph.magnetic_laplacian()),
        }
    }
}

impl Hamiltonian {
    /// Whether H is known to be real.
    pub fn is_real(&self) -> bool {
        matches!(self, Self::Real(_))
    }

    /// Refuses what is not square, not finite or not Hermitian; entries are looked at, an operator is probed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let n = self.rows();
        if self.cols() != n || n == 0 {
            return Err(Error::new(
                "matrix-not-valid",
                format!("H is {n} × {}; it must be square, not empty", self.cols()),
            ));
        }
        let finite = match self {
            Self::Real(h) => vector::finite(h.values()),
            Self::Complex(h) => vector::finite(Complex64::reals(h.values())),
            Self::Operator(h) => {
                // What is known to be Hermitian is not probed below; a NaN or an infinity shows in this product.
                let mut image = vec![Complex64::default(); n];
                h.apply(&vec![Complex64::new(1.0, 0.0); n], &mut image);
                vector::finite(Complex64::reals(&image))
            }
        };
        if !finite {
            return Err(Error::new("operator-not-finite", "H holds a number that is not finite"));
        }
        let hermitian = match self.hermitian() {
            Some(known) => known,
            None => {
                let mut random = Stream::new(0, Purpose::Probe, 2);
                let b: Vec<Complex64> = (0..n).map(|_| Complex64::normal(&mut random)).collect();
                let settings = Settings { max_iterations: Some(1), ..Settings::default() };
                let method = Method::ShiftedHermitian { sigma: 1.0, a: 1.0 };
                let reason = solve(method, self, None, &b, &settings, Control::none())?.reason;
                if reason == Reason::NonFinite {
                    return Err(Error::new("operator-not-finite", "H returned a number that is not finite"));
                }
                reason != Reason::NotHermitian
            }
        };
        if hermitian {
            Ok(())
        } else {
            Err(Error::new("not-hermitian", "H is not Hermitian, so that exp(-iHt) would not be unitary"))
        }
    }

    /// An interval that contains the spectrum for certain (Gershgorin's), where the entries are known.
    pub fn bounds(&self) -> Option<(f64, f64)> {
        match self {
            Self::Real(h) => Some(crate::lanczos::gershgorin(h)),
            Self::Complex(h) => Some(crate::lanczos::gershgorin(h)),
            Self::Operator(_) => None,
        }
    }

    /// ⟨x, Hx⟩, with `work` as scratch.
    pub(crate) fn energy(&self, x: &[Complex64], work: &mut [Complex64]) -> f64 {
        self.apply(x, work);
        Complex64::dot(x, work).re
    }
}

impl Operator<Complex64> for Hamiltonian {
    fn rows(&self) -> usize {
        match self {
            Self::Real(h) => h.rows(),
            Self::Complex(h) => h.rows(),
            Self::Operator(h) => h.rows(),
        }
    }
    fn cols(&self) -> usize {
        match self {
            Self::Real(h) => h.cols(),
            Self::Complex(h) => h.cols(),
            Self::Operator(h) => h.cols(),
        }
    }
    fn apply(&self, x: &[Complex64], y: &mut [Complex64]) {
        match self {
            Self::Real(h) => h.lifted().apply(x, y),
            Self::Complex(h) => h.apply(x, y),
            Self::Operator(h) => h.apply(x, y),
        }
    }
    fn apply_adjoint(&self, x: &[Complex64], y: &mut [Complex64]) {
        self.apply(x, y);
    }
    fn has_adjoint(&self) -> bool {
        true
    }
    fn apply_many(&self, k: usize, x: &[Complex64], y: &mut [Complex64]) {
        match self {
            Self::Real(h) => h.lifted().apply_many(k, x, y),
            Self::Complex(h) => h.apply_many(k, x, y),
            Self::Operator(h) => h.apply_many(k, x, y),
        }
    }
    fn apply_rows(&self, k: usize, begin: usize, x: &[Complex64], y: &mut [Complex64]) -> bool {
        match self {
            Self::Real(h) => h.lifted().apply_rows(k, begin, x, y),
            Self::Complex(h) => h.apply_rows(k, begin, x, y),
            Self::Operator(h) => h.apply_rows(k, begin, x, y),
        }
    }
    fn hermitian(&self) -> Option<bool> {
        match self {
            Self::Real(h) => Some(h.is_hermitian()),
            Self::Complex(h) => Some(h.is_hermitian()),
            Self::Operator(h) => h.hermitian(),
        }
    }
}
