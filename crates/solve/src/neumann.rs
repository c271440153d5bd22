//! The truncated Neumann series x_k = Σ_{j<=k} (I − A)ʲ b.
//!
//! It converges only if the spectral radius of I − A is below 1, with an error of its (k+1)-th power; it is here for
//! comparison and for those who mean exactly this polynomial. Cost: k products; memory 3 vectors.
//! Reason `rtol`/`atol` if the true residual is at the tolerance, else `maxIterations` or `diverged`.
//! Source: C. Neumann (1877).

use headwater_base::{Control, Error};

use crate::operator::Operator;
use crate::outcome::{Location, Outcome, Reason};
use crate::scalar::Scalar;
use crate::vector;

/// The series with `terms` products beyond b itself.
///
/// Errors: `option-not-valid` for sizes that do not fit or tolerances that are negative.
pub fn neumann<T: Scalar>(
    operator: &dyn Operator<T>,
    b: &[T],
    terms: usize,
    rtol: f64,
    control: Control<'_>,
) -> Result<Outcome<T>, Error> {
    let n = operator.rows();
    if operator.cols() != n || b.len() != n || !(rtol >= 0.0 && rtol.is_finite()) {
        return Err(Error::new("option-not-valid", "neumann needs a square operator, b of its size and rtol >= 0"));
    }
    let mut out = Outcome::at_zero(n, b, rtol, 0.0);
    if out.reason != Reason::MaxIterations {
        return Ok(out);
    }
    let norm = vector::norm(T::reals(b));
    // The last term (I − A)ʲ b is also the residual of the sum before it.
    let (mut x, mut term, mut image) = (b.to_vec(), b.to_vec(), vec![T::default(); n]);
    for k in 0..=terms {
        operator.apply(&term, &mut image);
        out.matvecs += 1;
        vector::axpy(-1.0, T::reals(&image), T::reals_mut(&mut term));
        let length = vector::norm(T::reals(&term));
        if !length.is_finite() {
            (out.reason, out.location) =
                (Reason::NonFinite, Some(if k == 0 { Location::Operator } else { Location::Recurrence }));
            break;
        }
        if k == terms {
            break;
        }
        vector::axpy(1.0, T::reals(&term), T::reals_mut(&mut x));
        out.iterations = k + 1;
        if length > 1e5 * norm {
            out.reason = Reason::Diverged;
            break;
        }
        if control.cancelled() {
            out.reason = Reason::Aborted;
            break;
        }
    }
    out.residual.recurrence = vector::norm(T::reals(&term));
    if !vector::finite(T::reals(&x)) {
        return Ok(out);
    }
    operator.apply(&x, &mut image);
    vector::axpby(1.0, T::reals(b), -1.0, T::reals_mut(&mut image));
    out.x = x;
    out.judge(vector::norm(T::reals(&image)), norm);
    Ok(out)
}
