//! A factorisation whose first sweeps run on a device.

use crate::factorize::{INSIDE, check, factorize, search};
use crate::problem::Problem;
use crate::settings::{Method, Settings, Stop};
use crate::solution::Factorization;
use headwater_base::{Control, Error};
use headwater_linalg::device::{Place, gave_up};

/// [`factorize`] with the first sweeps of all starts on a device, many starts at once; dead factors, second order, judgement
/// and certificate are the CPU's, in f64. The minima are the same, to rounding; numbers of iterations need not be.
///
/// Where the device gave up and `fall_back` is set, the result is that of [`factorize`] with the warning `device-gave-up`.
///
/// # Errors
/// As [`factorize`]; `options-conflict` where the device cannot minimise the problem's objective by the method asked for;
/// `device-out-of-memory`, which names the size, and `device-failed`.
pub fn factorize_on(
    problem: &Problem,
    settings: &Settings,
    place: Place,
    control: Control,
) -> Result<Factorization, Error> {
    check(problem, settings)?;
    let name = place.device.name();
    if let Some(why) = unsuitable(problem, settings) {
        if place.fall_back {
            return factorize(problem, settings, control);
        }
        return Err(Error::new("options-conflict", format!("{name} cannot do this fit: {why}; the device 'cpu' can")));
    }
    let failure = match search(problem, settings, Some(place.device), control).go() {
        Ok(result) => return Ok(result),
        Err(failure) => failure.into_error(name),
    };
    if !place.fall_back {
        return Err(failure);
    }
    let mut result = factorize(problem, settings, control)?;
    result.solution.warnings.push(gave_up(&failure));
    result.solution.warnings.sort();
    Ok(result)
}

/// Whether a fit is one that a device may pay for: the sizes from which one start keeps all threads of a CPU busy
/// (4 million cells × factors). A guess until it is measured; `docs/gpu.md` has the table.
pub fn is_large(problem: &Problem, settings: &Settings) -> bool {
    problem.cells * settings.factors >= INSIDE && unsuitable(problem, settings).is_none()
}

/// Why devices do not take a fit.
fn unsuitable(problem: &Problem, settings: &Settings) -> Option<&'static str> {
    if !problem.long.squares() {
        Some("its sweeps minimise a plain sum of squares, no robust loss and no censored cells")
    } else if matches!(settings.method, Method::Mu | Method::Hals) {
        Some("its sweeps are those of the method anls")
    } else if !matches!(settings.stop, Stop::Certificate) {
        Some("its starts end by the certificate, not by the rule of older programs")
    } else {
        None
    }
}
