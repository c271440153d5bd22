//! e^{−iHt}ψ by a Chebyshev series: the most accurate propagation for one long time.
//!
//! With the spectrum of H inside [c − R, c + R] and G = (H − c)/R:
//! e^{−iHt} = e^{−ict} Σ_k (2 − δ_{k0})(−i)ᵏ J_k(Rt) T_k(G), T_{k+1}(G)ψ = 2G T_k(G)ψ − T_{k−1}(G)ψ.
//! As ‖T_k(G)‖ <= 1, what is left after K terms is at most 2Σ_{k>K}|J_k(Rt)|: K is the least number that brings it to the
//! tolerance, about R|t| + 10 + 12(R|t|)^{1/3} for 1e-15. Cost: K products; memory 4 vectors.
//!
//! The series is as good as the bounds. Gershgorin's interval is certain; a narrower one saves terms, and if it does not
//! hold, T_k grows beyond ‖ψ‖, which is watched: the reason is then `diverged`, never a wrong vector called right.
//!
//! Sources: H. Tal-Ezer, R. Kosloff (1984), "An accurate and efficient scheme for propagating the time dependent
//! Schrödinger equation"; J. C. P. Miller (1952) for the Bessel functions by downward recurrence.

use headwater_base::{Control, Error};

use super::Hamiltonian;
use crate::operator::Operator;
use crate::outcome::Reason;
use crate::scalar::{Complex64, Scalar};
use crate::vector;

/// Largest R|t|: the number of terms is about that.
const LONGEST: f64 = 1e7;

/// What [`chebyshev`] returns.
#[derive(Clone, Debug)]
pub struct ChebyshevOutcome {
    /// e^{−iHt}ψ; ψ itself where the reason is not `rtol`.
    pub psi: Vec<Complex64>,
    /// `rtol`; `diverged` for bounds that do not hold; `nonFinite`; `aborted`.
    pub reason: Reason,
    /// Terms of the series; products are one less.
    pub terms: usize,
    /// Bound of what the series leaves out, relative to ‖ψ‖.
    pub truncation: f64,
    /// Estimate of the rounding, relative to ‖ψ‖: ε times (10 + R|t| + the number of terms).
    pub rounding: f64,
    /// ‖ψ(t)‖/‖ψ‖ − 1: not zero by construction, so a check (not a bound) of the two above.
    pub norm_defect: f64,
    /// The interval used.
    pub bounds: (f64, f64),
}

/// e^{−iHt}ψ to a truncation error of `tolerance` relative to ‖ψ‖. `bounds` is an interval that contains the spectrum;
/// `None` takes Gershgorin's.
///
/// Errors: as [`super::Cayley::new`] for H; `option-not-valid` for lengths, a time or tolerance out of range (R|t| is at most
/// 10⁷), bounds that are missing for a matrix-free H, or empty.
pub fn chebyshev(
    h: &Hamiltonian,
    psi: &[Complex64],
    t: f64,
    tolerance: f64,
    bounds: Option<(f64, f64)>,
    control: Control<'_>,
) -> Result<ChebyshevOutcome, Error> {
    h.check()?;
    let refuse = |message: String| Err(Error::new("option-not-valid", message));
    let n = h.rows();
    if psi.len() != n {
        return refuse(format!("psi has {} elements, H {n} rows", psi.len()));
    }
    if !(tolerance > 0.0 && tolerance < 1.0) {
        return refuse(format!("tolerance is {tolerance}; allowed is above 0, below 1"));
    }
    let Some((low, high)) = bounds.or_else(|| h.bounds()) else {
        return refuse(
            "the elements of this H are not at hand: give bounds of its spectrum (bounds.lanczos estimates them)"
                .into(),
        );
    };
    if !(low.is_finite() && high.is_finite() && low <= high && t.is_finite()) {
        return refuse(format!("bounds [{low}, {high}] and t {t}: allowed are finite numbers, in order"));
    }
    let centre = 0.5 * (low + high);
    // A little more than half the width: bounds are rounded too, and those of a multiple of I have no width.
    let rounding = 4.0 * f64::EPSILON * low.abs().max(high.abs());
    let radius = 0.5 * (high - low) * (1.0 + 1e-12) + rounding + f64::MIN_POSITIVE;
    let z = radius * t;
    if z.is_nan() || z.abs() > LONGEST {
        return refuse(format!("R|t| is {:.3e}; allowed is up to {LONGEST:e}: take several times", z.abs()));
    }
    let bessel = bessel(z.abs());
    let (mut terms, mut truncation) = (bessel.len(), 0.0);
    // The first product is made however short the time is: it shows bounds that do not hold.
    while terms > 2 && truncation + 2.0 * bessel[terms - 1].abs() <= tolerance {
        truncation += 2.0 * bessel[terms - 1].abs();
        terms -= 1;
    }
    let norm = vector::norm(Complex64::reals(psi));
    let mut out = ChebyshevOutcome {
        psi: psi.to_vec(),
        reason: Reason::Rtol,
        terms,
        truncation,
        rounding: f64::EPSILON * (10.0 + z.abs() + terms as f64),
        norm_defect: 0.0,
        bounds: (low, high),
    };
    if !norm.is_finite() {
        out.reason = Reason::NonFinite;
        return Ok(out);
    }
    if norm == 0.0 {
        out.reason = Reason::ZeroRhs;
        return Ok(out);
    }
    // (−i)ᵏ, conjugated for a negative time: J_k(−z) = (−1)ᵏ J_k(z).
    let turn = Complex64::new(0.0, -z.signum());
    let mut phase = Complex64::new(1.0, 0.0);
    let mut sum: Vec<Complex64> = psi.iter().map(|v| v.scale(bessel[0])).collect();
    let (mut before, mut now, mut image) = (psi.to_vec(), psi.to_vec(), psi.to_vec());
    for k in 1..terms {
        h.apply(&now, &mut image);
        let factor = if k == 1 { 1.0 } else { 2.0 } / radius;
        for i in 0..n {
            let mut next = (image[i] - now[i].scale(centre)).scale(factor);
            if k > 1 {
                next -= before[i];
            }
            image[i] = next;
        }
        std::mem::swap(&mut before, &mut now);
        std::mem::swap(&mut now, &mut image);
        let size = vector::norm(Complex64::reals(&now));
        if !size.is_finite() {
            out.reason = Reason::NonFinite;
            return Ok(out);
        }
        if size > norm * (1.0 + 1e-6) {
            out.reason = Reason::Diverged;
            return Ok(out);
        }
        super::tell(control, k, terms - 1);
        if control.cancelled() {
            out.reason = Reason::Aborted;
            return Ok(out);
        }
        phase *= turn;
        Complex64::axpy(phase.scale(2.0 * bessel[k]), &now, &mut sum);
    }
    let whole = Complex64::from_polar(1.0, -centre * t);
    for v in &mut sum {
        *v *= whole;
    }
    out.norm_defect = vector::norm(Complex64::reals(&sum)) / norm - 1.0;
    out.psi = sum;
    Ok(out)
}

/// J_0(z), J_1(z), … for z >= 0 until they are below 1e-30.
fn bessel(z: f64) -> Vec<f64> {
    if z == 0.0 {
        return vec![1.0];
    }
    if z < 1e-8 {
        // The series; the recurrence would overflow. Two terms at least, J_4 is below 1e-34.
        let series = [1.0 - 0.25 * z * z, 0.5 * z, 0.125 * z * z, z * z * z / 48.0];
        let count = series.iter().rposition(|v| *v >= 1e-30).map_or(2, |last| (last + 1).max(2));
        return series[..count].to_vec();
    }
    // Miller: downwards from where J_k is negligible, normalised by J_0 + 2ΣJ_{2k} = 1.
    let start = (z + 40.0 + 25.0 * z.cbrt()).ceil() as usize;
    let mut j = vec![0.0; start + 2];
    j[start] = 1e-280;
    for k in (1..=start).rev() {
        j[k - 1] = 2.0 * k as f64 / z * j[k] - j[k + 1];
        if j[k - 1].abs() > 1e280 {
            for v in &mut j[k - 1..] {
                *v *= 1e-280;
            }
        }
    }
    let total = j[0] + 2.0 * j[2..].iter().step_by(2).sum::<f64>();
    j.iter_mut().for_each(|v| *v /= total);
    while j.len() > 1 && j[j.len() - 1].abs() < 1e-30 {
        j.pop();
    }
    j
}

#[cfg(test)]
mod tests {
    use super::bessel;

    #[test]
    fn bessel_functions_have_their_known_values_and_squares_that_sum_to_one() {
        // Abramowitz and Stegun, tables 9.1 and 9.4.
        let one = bessel(1.0);
        for (k, value) in [(0, 0.765_197_686_557_966_6), (1, 0.440_050_585_744_933_5), (5, 2.497_577_302_112_34e-4)] {
            assert!((one[k] / value - 1.0).abs() < 1e-13, "{k}");
        }
        assert!((bessel(10.0)[10] / 0.207_486_106_633_358_9 - 1.0).abs() < 1e-12);
        for z in [1e-308, 1e-27, 1e-12, 9.9e-9, 1e-8, 0.3, 7.0, 123.0, 5000.0] {
            let j = bessel(z);
            let sum = j[0] * j[0] + 2.0 * j[1..].iter().map(|v| v * v).sum::<f64>();
            assert!((sum - 1.0).abs() < 1e-12, "{z}: {sum}");
            assert!(z > 1e-8 || (j[1] / (0.5 * z) - 1.0).abs() < 1e-12, "{z}: {}", j[1]);
        }
    }
}
