//! Many right-hand sides at once.
//!
//! k coroutines in lockstep: each has its own scalars, stopping test and reason, and drops out when it ends; what they
//! ask for at a time is answered by one product with a matrix of as many columns, which reads A once for all.
//! Memory: k times that of the method, and two rows × k blocks.

use headwater_base::{Control, Error};

use crate::operator::{Operator, Preconditioner};
use crate::oracle::{Parts, RequestKind, Supply};
use crate::outcome::Outcome;
use crate::scalar::Scalar;
use crate::session::Session;
use crate::settings::{Method, Settings};

/// Solves AX = B, B row-major rows × k; one outcome per column. The result of a column is that of [`crate::solve`] but
/// for the order of summation inside the products.
///
/// Errors: `option-not-valid` for misuse; `x0`, if given, is used for every column.
pub fn solve_many<T: Scalar>(
    method: Method,
    operator: &dyn Operator<T>,
    preconditioner: Option<&dyn Preconditioner<T>>,
    k: usize,
    b: &[T],
    settings: &Settings<T>,
    control: Control<'_>,
) -> Result<Vec<Outcome<T>>, Error> {
    let (rows, cols) = (operator.rows(), operator.cols());
    if b.len() != rows * k {
        return Err(Error::new("option-not-valid", format!("B has {} elements, not {rows} × {k}", b.len())));
    }
    if matches!(method, Method::Lsqr | Method::Cgnr) && !operator.has_adjoint() {
        return Err(Error::new("option-not-valid", "this method needs the adjoint of the operator"));
    }
    let mut sessions = Vec::with_capacity(k);
    for c in 0..k {
        let column: Vec<T> = (0..rows).map(|i| b[i * k + c]).collect();
        let parts = Parts {
            rows,
            cols,
            operator: Supply::Caller,
            preconditioner: preconditioner.map(Supply::Borrowed),
            hermitian: operator.hermitian(),
        };
        let settings = Settings { observe: false, ..settings.clone() };
        sessions.push(Session::new(method, parts, &column, settings, control)?);
    }
    let (mut input, mut output) = (Vec::new(), Vec::new());
    let mut waiting: Vec<usize> = (0..k).collect();
    loop {
        waiting.retain(|&c| sessions[c].resume());
        if waiting.is_empty() {
            break;
        }
        for (kind, from, to) in [(RequestKind::Apply, cols, rows), (RequestKind::ApplyAdjoint, rows, cols)] {
            let group: Vec<usize> = waiting.iter().copied().filter(|&c| sessions[c].kind() == Some(kind)).collect();
            let m = group.len();
            if m == 0 {
                continue;
            }
            input.resize(from * m, T::default());
            output.resize(to * m, T::default());
            for (at, &c) in group.iter().enumerate() {
                for (i, &v) in sessions[c].exchange().0.iter().enumerate() {
                    input[i * m + at] = v;
                }
            }
            if kind == RequestKind::Apply {
                operator.apply_many(m, &input, &mut output);
            } else {
                operator.apply_adjoint_many(m, &input, &mut output);
            }
            for (at, &c) in group.iter().enumerate() {
                for (i, v) in sessions[c].exchange().1.iter_mut().enumerate() {
                    *v = output[i * m + at];
                }
            }
        }
    }
    Ok(sessions.into_iter().filter_map(Session::into_outcome).collect())
}
