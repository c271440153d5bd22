//! Is the operator what the method needs? Probed, not believed.
//!
//! From a random u₀, u_{j+1} = A u_j for j = 0, 1, 2: three applications give three pairs. For a Hermitian A,
//! ⟨u_i, A u_j⟩ depends on i + j only. A pair of *independent* random vectors sees a skew part S only by chance (in the
//! mean over pairs ⟨u, Sv⟩ is zero and its spread ‖S‖_F/n); with v = Au the defect is 2⟨u, SAu⟩, whose mean
//! −2‖S‖²_F + 2 tr(SH) = −2‖S‖²_F (H the Hermitian part) cannot vanish.
//! The threshold is 10³ε relative to the norms of the two factors: rounding reaches a few ε√n of it.

use headwater_base::rng::{Purpose, Stream};

use crate::oracle::End;
use crate::outcome::Reason;
use crate::scalar::{Scalar, power_of_two_inverse};
use crate::settings::Method;
use crate::system::System;
use crate::vector;

const THRESHOLD: f64 = 1e3 * f64::EPSILON;

/// Refuses with `notHermitian`. Nothing to do for methods that need no symmetry.
pub(crate) async fn symmetry<T: Scalar>(s: &mut System<'_, T>) -> Result<(), End<T>> {
    let hermitian = match s.method {
        Method::Cg | Method::Minres | Method::Cr | Method::ShiftedHermitian { .. } => true,
        Method::Cocg if !T::COMPLEX => true,
        Method::Cocg | Method::Cgw => false,
        Method::Cgnr | Method::Lsqr => return Ok(()),
    };
    if hermitian && let Some(known) = s.oracle.hermitian() {
        return if known { Ok(()) } else { Err(Reason::NotHermitian.into()) };
    }
    let n = s.b.len();
    let mut random = Stream::new(s.settings.seed, Purpose::Probe, 0);
    let mut u: Vec<Vec<T>> = vec![(0..n).map(|_| T::normal(&mut random)).collect()];
    // unit[j] u_{j+1} has size 1; it is multiplied back where two products are compared.
    let mut units = [1.0; 3];
    for j in 0..3 {
        let mut next = vec![T::default(); n];
        s.oracle.apply(&u[j], &mut next).await?;
        let top = vector::largest(T::reals(&next));
        if !top.is_finite() {
            return Err(crate::outcome::Location::Operator.into());
        }
        if top == 0.0 {
            // A²u = 0 with Au ≠ 0: ‖Au‖² = ⟨u, A²u⟩ would be 0 for a Hermitian A (and for any normal one, such as I + S).
            let nilpotent = j > 0 && (hermitian || s.method == Method::Cgw);
            return if nilpotent { Err(Reason::NotHermitian.into()) } else { Ok(()) };
        }
        units[j] = power_of_two_inverse(top, false);
        vector::scale(units[j], T::reals_mut(&mut next));
        u.push(next);
    }
    let norms: Vec<f64> = u.iter().map(|u| vector::norm(T::reals(u))).collect();
    // ⟨A u_i, u_j⟩ against ⟨u_i, A u_j⟩, where A u_i = u_{i+1} / units[i].
    for (i, j) in [(0, 1), (1, 2), (0, 2)] {
        let size = (norms[i + 1] * norms[j] / units[i]).max(norms[i] * norms[j + 1] / units[j]);
        let defect = match s.method {
            Method::Cocg => {
                let left = T::dot_transposed(&u[i + 1], &u[j]).scale(1.0 / units[i]);
                left - T::dot_transposed(&u[i], &u[j + 1]).scale(1.0 / units[j])
            }
            Method::Cgw => {
                let left = T::dot(&u[i + 1], &u[j]).scale(1.0 / units[i]);
                let sum = left + T::dot(&u[i], &u[j + 1]).scale(1.0 / units[j]);
                sum - T::dot(&u[i], &u[j]).scale(2.0 * s.oracle.scale())
            }
            _ => {
                let left = T::dot(&u[i + 1], &u[j]).scale(1.0 / units[i]);
                left - T::dot(&u[i], &u[j + 1]).scale(1.0 / units[j])
            }
        };
        if !(defect.modulus() <= THRESHOLD * size) {
            return Err(Reason::NotHermitian.into());
        }
    }
    Ok(())
}
