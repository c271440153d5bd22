//! When the preconditioner is updated.

use headwater_base::Error;

/// The probability p_t that step t = 0, 1, … updates the preconditioner, made deterministic: with S_t = p_0 + … + p_{t−1},
/// step t updates where ⌈S_{t+1}⌉ > ⌈S_t⌉. The first step always does; p_t = 0.03 does at steps 0, 33, 66, 100, ….
///
/// A function of t alone: there is nothing to be saved, and a discarded step changes nothing. The idea of a cumulated
/// probability is HeavyBall's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// p_t = p.
    Constant(f64),
    /// p_t = min(1, max(floor, e^{−rate (t − flat)})): every step at first, when P has everything to learn.
    Annealed {
        /// Steps at p = 1.
        flat: u64,
        /// Decay per step after them.
        rate: f64,
        /// Smallest p.
        floor: f64,
    },
}

impl Schedule {
    /// min(1, max(0.03, e^{−0.001 (t − 500)})), the schedule of kron-torch: after 4000 steps an update costs a thirtieth.
    pub fn annealed() -> Self {
        Schedule::Annealed { flat: 500, rate: 0.001, floor: 0.03 }
    }

    /// S_t.
    fn sum(&self, t: u64) -> f64 {
        match *self {
            Schedule::Constant(p) => p * t as f64,
            Schedule::Annealed { flat, rate, floor } => {
                // Steps 0 … flat have p = 1, then p_{flat+j} = e^{−rate j} for j <= last.
                let whole = t.min(flat + 1);
                let rest = t - whole;
                if rate == 0.0 {
                    return t as f64;
                }
                let last = if floor > 0.0 { (-floor.ln() / rate).floor() } else { f64::INFINITY };
                let decaying = (rest as f64).min(last);
                // Σ_{j=1}^{m} qʲ = q(1 − qᵐ)/(1 − q), q = e^{−rate}.
                let sum = (-rate).exp() * (-rate * decaying).exp_m1() / (-rate).exp_m1();
                whole as f64 + sum + floor * (rest as f64 - decaying)
            }
        }
    }

    /// Whether step `t` (0-based) updates.
    pub fn fires(&self, t: u64) -> bool {
        self.updates(t + 1) > self.updates(t)
    }

    /// Number of updates in the steps before `t`.
    pub fn updates(&self, t: u64) -> u64 {
        self.sum(t).ceil() as u64
    }

    /// # Errors
    ///
    /// `option-out-of-range`, with the limit that was exceeded.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |name: &str, range: &str, value: f64, limit: f64| {
            let message = format!("{name} must be {range}, not {value}");
            Err(Error::new("option-out-of-range", message).with_limit(limit))
        };
        match *self {
            Schedule::Constant(p) if !(p > 0.0 && p <= 1.0) => {
                refuse("updateProbability", "above 0 and at most 1", p, if p > 1.0 { 1.0 } else { 0.0 })
            }
            Schedule::Annealed { rate, .. } if !(rate >= 0.0 && rate.is_finite()) => {
                refuse("updateProbability.rate", "a finite number, at least 0", rate, 0.0)
            }
            Schedule::Annealed { floor, .. } if !(floor > 0.0 && floor <= 1.0) => {
                refuse("updateProbability.floor", "above 0 and at most 1", floor, if floor > 1.0 { 1.0 } else { 0.0 })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_come_as_often_as_the_probabilities_say() {
        let p = |t: u64| (-0.001 * (t as f64 - 500.0)).exp().clamp(0.03, 1.0);
        let schedule = Schedule::annealed();
        let (mut sum, mut count) = (0.0, 0);
        for t in 0..20_000 {
            assert!((schedule.sum(t) - sum).abs() < 1e-8 * (1.0 + sum), "{t}: {} for {sum}", schedule.sum(t));
            assert_eq!(schedule.updates(t), count);
            count += u64::from(schedule.fires(t));
            sum += p(t);
        }
        assert!((0..=500).all(|t| schedule.fires(t)));
        assert!((count as f64 - sum).abs() < 1.0);
        // Evenly: never two at once, never long without one.
        let fired: Vec<u64> = (0..20_000).filter(|&t| schedule.fires(t)).collect();
        assert!(fired.windows(2).all(|w| w[1] - w[0] <= 34));
        assert!(fired.windows(2).all(|w| w[0] < 10_000 || w[1] - w[0] >= 33));
    }

    #[test]
    fn a_constant_probability_starts_with_the_first_step() {
        let fired: Vec<u64> = (0..120).filter(|&t| Schedule::Constant(0.03).fires(t)).collect();
        assert_eq!(fired, [0, 33, 66, 100]);
        assert!((0..50).all(|t| Schedule::Constant(1.0).fires(t)));
        assert_eq!((0..1000).filter(|&t| Schedule::Constant(0.1).fires(t)).count(), 100);
    }

    #[test]
    fn probabilities_out_of_range_are_refused() {
        for (schedule, limit) in [
            (Schedule::Constant(0.0), 0.0),
            (Schedule::Constant(1.5), 1.0),
            (Schedule::Constant(f64::NAN), 0.0),
            (Schedule::Annealed { flat: 0, rate: -1.0, floor: 0.1 }, 0.0),
            (Schedule::Annealed { flat: 0, rate: 0.1, floor: 0.0 }, 0.0),
            (Schedule::Annealed { flat: 0, rate: 0.1, floor: 2.0 }, 1.0),
        ] {
            let error = schedule.check().expect_err("out of range");
            assert_eq!((error.code, error.limit), ("option-out-of-range", Some(limit)));
        }
        assert_eq!(Schedule::annealed().check(), Ok(()));
    }
}
