//! A line search for the strong Wolfe conditions, step by step.
//!
//! φ(α) is the loss along a direction of descent. Wanted is φ(α) ≤ φ(0) + c₁αφ′(0) and |φ′(α)| ≤ c₂|φ′(0)|. The interval
//! that holds such a step and the interpolations are those of J. J. Moré, D. J. Thuente (1994), "Line search algorithms
//! with guaranteed sufficient decrease". Where φ changes by no more than its rounding, the slope decides alone
//! (W. W. Hager, H. Zhang 2005, "A new conjugate gradient method with guaranteed descent and an efficient line search").

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The last trial will do.
    Accept,
    /// Look at this step.
    Try(f64),
    /// There is no such step to be found.
    Fail,
}

/// Value and slope at a step.
#[derive(Clone, Copy, Debug)]
struct Sample {
    step: f64,
    value: f64,
    slope: f64,
}

/// Steps grow at most by this factor of the last increase while nothing bounds them.
const GROWTH: f64 = 4.0;
/// An interval that has not shrunk to this share in two trials is halved.
const SHRINK: f64 = 0.66;

/// A running search.
#[derive(Clone, Debug)]
pub struct LineSearch {
    c1: f64,
    c2: f64,
    /// Differences of the loss up to this are rounding.
    rounding: f64,
    start: Sample,
    /// Lowest so far, and the other end of the interval.
    low: Sample,
    far: Sample,
    bracketed: bool,
    /// Until a step of sufficient decrease and rising slope, φ less its tangent's share c₁ is minimised.
    modified: bool,
    width: f64,
    width_before: f64,
    least: f64,
    most: f64,
    /// Share of a refused step that is tried next: 1/4, 1/16, 1/256, … so that a few trials are enough from anywhere.
    retreat: f64,
    /// No step beyond: values there are not finite.
    limit: f64,
    step: f64,
}

impl LineSearch {
    /// From φ(0) and φ′(0) < 0; the first trial is at `first`.
    pub fn new(value: f64, slope: f64, first: f64, [c1, c2]: [f64; 2], rounding: f64) -> Self {
        let start = Sample { step: 0.0, value, slope };
        Self {
            c1,
            c2,
            rounding,
            start,
            low: start,
            far: start,
            bracketed: false,
            modified: true,
            width: f64::INFINITY,
            width_before: f64::INFINITY,
            least: 0.0,
            most: (1.0 + GROWTH) * first,
            retreat: 0.5,
            limit: f64::INFINITY,
            step: first,
        }
    }

    /// The step of the lowest loss so far; 0 if none is lower.
    pub fn best(&self) -> f64 {
        self.low.step
    }

    /// Tells what the last trial has found, both numbers finite.
    pub fn tell(&mut self, value: f64, slope: f64) -> Verdict {
        let here = Sample { step: self.step, value, slope };
        self.retreat = 0.5;
        let line = self.c1 * self.start.slope;
        let enough = self.start.value + here.step * line;
        let flat = slope.abs() <= self.c2 * -self.start.slope;
        if flat && (value <= enough || (value - self.start.value).abs() <= self.rounding) {
            return Verdict::Accept;
        }
        // Still falling where nothing finite is further out.
        if here.step >= self.limit && value <= enough && slope <= line {
            return Verdict::Accept;
        }
        if self.modified && value <= enough && slope >= 0.0 {
            self.modified = false;
        }
        let next = if self.modified && value <= self.low.value && value > enough {
            let tilt = |s: Sample, sign: f64| Sample {
                value: s.value + sign * s.step * line,
                slope: s.slope + sign * line,
                ..s
            };
            let (mut low, mut far) = (tilt(self.low, -1.0), tilt(self.far, -1.0));
            let next = self.narrow(&mut low, &mut far, tilt(here, -1.0));
            (self.low, self.far) = (tilt(low, 1.0), tilt(far, 1.0));
            next
        } else {
            let (mut low, mut far) = (self.low, self.far);
            let next = self.narrow(&mut low, &mut far, here);
            (self.low, self.far) = (low, far);
            next
        };
        self.bound(here.step, next)
    }

    /// Tells that the last trial has a loss, gradient or point that is not finite.
    pub fn refuse(&mut self) -> Verdict {
        let base = self.low.step;
        if self.step > base {
            self.limit = self.limit.min(base + 0.9 * (self.step - base));
        }
        self.retreat *= self.retreat;
        let next = base + self.retreat * (self.step - base);
        if next == base || next == self.step {
            return Verdict::Fail;
        }
        self.step = next;
        self.most = self.most.min(self.limit);
        Verdict::Try(next)
    }

    fn bound(&mut self, here: f64, next: f64) -> Verdict {
        let mut next = next;
        if self.bracketed {
            let width = (self.far.step - self.low.step).abs();
            if width >= SHRINK * self.width_before {
                next = self.low.step + 0.5 * (self.far.step - self.low.step);
            }
            self.width_before = self.width;
            self.width = width;
            self.least = self.low.step.min(self.far.step);
            self.most = self.low.step.max(self.far.step);
            let narrow = self.most - self.least <= 4.0 * f64::EPSILON * self.most;
            if narrow || next <= self.least || next >= self.most {
                return Verdict::Fail;
            }
        } else {
            self.least = next + 1.1 * (next - self.low.step);
            self.most = next + GROWTH * (next - self.low.step);
        }
        next = next.min(self.limit);
        if next == here || !next.is_finite() || next <= 0.0 {
            return Verdict::Fail;
        }
        self.step = next;
        Verdict::Try(next)
    }

    /// The next step within the interval, which is narrowed by what was found here.
    fn narrow(&mut self, low: &mut Sample, far: &mut Sample, here: Sample) -> f64 {
        let opposite = here.slope * (low.slope / low.slope.abs()) < 0.0;
        let gap = here.step - low.step;
        let next;
        if here.value > low.value {
            // Higher: the minimum of the cubic, or half way to that of the parabola.
            let cubic = low.step + gap * cubic(*low, here);
            let parabola = low.step + 0.5 * gap * low.slope / ((low.value - here.value) / gap + low.slope);
            let near = (cubic - low.step).abs() < (parabola - low.step).abs();
            next = if near { cubic } else { cubic + 0.5 * (parabola - cubic) };
            self.bracketed = true;
        } else if opposite {
            // Lower, and rising again: the cubic or the secant, whichever is further from here.
            let cubic = low.step + gap * cubic(*low, here);
            let secant = here.step + here.slope / (here.slope - low.slope) * -gap;
            next = if (cubic - here.step).abs() > (secant - here.step).abs() { cubic } else { secant };
            self.bracketed = true;
        } else if here.slope.abs() < low.slope.abs() {
            // Lower, falling less: the cubic if it has its minimum beyond, else the secant.
            let beyond = cubic_beyond(*low, here);
            let end = if gap > 0.0 { self.most } else { self.least };
            let cubic = beyond.map_or(end, |share| here.step + share * -gap);
            let secant = here.step + here.slope / (here.slope - low.slope) * -gap;
            let near = (cubic - here.step).abs() < (secant - here.step).abs();
            if self.bracketed {
                let chosen = if near { cubic } else { secant };
                let edge = here.step + SHRINK * (far.step - here.step);
                next = if gap > 0.0 { chosen.min(edge) } else { chosen.max(edge) };
            } else {
                let chosen = if near { secant } else { cubic };
                next = chosen.clamp(self.least.min(self.most), self.most);
            }
        } else if self.bracketed {
            next = far.step + (here.step - far.step) * cubic(*far, here);
        } else {
            next = if gap > 0.0 { self.most } else { self.least };
        }
        if here.value > low.value {
            *far = here;
        } else {
            if opposite {
                *far = *low;
            }
            *low = here;
        }
        next
    }
}

/// θ and γ of the cubic through two values and slopes, γ² cut off at 0.
fn coefficients(a: Sample, b: Sample) -> (f64, f64) {
    let theta = 3.0 * (a.value - b.value) / (b.step - a.step) + a.slope + b.slope;
    let size = theta.abs().max(a.slope.abs()).max(b.slope.abs());
    let square = (theta / size) * (theta / size) - (a.slope / size) * (b.slope / size);
    (theta, size * square.max(0.0).sqrt())
}

/// Where between a (0) and b (1) the cubic has its minimum.
fn cubic(a: Sample, b: Sample) -> f64 {
    let (theta, gamma) = coefficients(a, b);
    let gamma = if b.step < a.step { -gamma } else { gamma };
    let p = (gamma - a.slope) + theta;
    p / (((gamma - a.slope) + gamma) + b.slope)
}

/// Where the cubic has its minimum as seen from b, in units of the way back to a: negative for beyond b.
fn cubic_beyond(a: Sample, b: Sample) -> Option<f64> {
    let (theta, gamma) = coefficients(a, b);
    let gamma = if b.step > a.step { -gamma } else { gamma };
    let p = (gamma - b.slope) + theta;
    let share = p / ((gamma + (a.slope - b.slope)) + gamma);
    (share < 0.0 && gamma != 0.0).then_some(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps that are looked at until the end, and the last one.
    fn search(f: impl Fn(f64) -> (f64, f64), first: f64, c: [f64; 2]) -> (Verdict, Vec<f64>) {
        let (value, slope) = f(0.0);
        let mut search = LineSearch::new(value, slope, first, c, 0.0);
        let (mut step, mut seen) = (first, Vec::new());
        loop {
            seen.push(step);
            let (value, slope) = f(step);
            let verdict =
                if value.is_finite() && slope.is_finite() { search.tell(value, slope) } else { search.refuse() };
            match verdict {
                Verdict::Try(next) if seen.len() < 60 => step = next,
                verdict => return (verdict, seen),
            }
        }
    }

    /// Five functions of Moré and Thuente's tables, from their starting steps.
    #[test]
    fn the_published_functions_from_steps_far_too_small_and_too_large() {
        type Slope = Box<dyn Fn(f64) -> (f64, f64)>;
        let first: Slope = Box::new(|a| (-a / (a * a + 2.0), (a * a - 2.0) / (a * a + 2.0).powi(2)));
        let second: Slope = Box::new(|a| {
            ((a + 0.004).powi(5) - 2.0 * (a + 0.004).powi(4), 5.0 * (a + 0.004).powi(4) - 8.0 * (a + 0.004).powi(3))
        });
        let yanai = |b1: f64, b2: f64| -> Slope {
            let g = |b: f64| (1.0 + b * b).sqrt() - b;
            Box::new(move |a| {
                let (p, q) = (((1.0 - a).powi(2) + b2 * b2).sqrt(), (a * a + b1 * b1).sqrt());
                (g(b1) * p + g(b2) * q, -g(b1) * (1.0 - a) / p + g(b2) * a / q)
            })
        };
        // Number of evaluations that the paper gives for c₁, c₂ and the first steps 1e-3, 1e-1, 1e1, 1e3.
        let cases: Vec<(Slope, [f64; 2], [usize; 4])> = vec![
            (first, [1e-3, 1e-1], [6, 3, 1, 4]),
            (second, [0.1, 0.1], [12, 8, 8, 11]),
            (yanai(0.001, 0.001), [1e-3, 1e-3], [4, 1, 3, 4]),
            (yanai(0.01, 0.001), [1e-3, 1e-3], [6, 3, 7, 8]),
            (yanai(0.001, 0.01), [1e-3, 1e-3], [13, 11, 8, 11]),
        ];
        for (at, (f, c, published)) in cases.iter().enumerate() {
            for (k, first) in [1e-3, 1e-1, 1e1, 1e3].into_iter().enumerate() {
                let (verdict, seen) = search(f, first, *c);
                let (step, (value0, slope0)) = (*seen.last().expect("a step"), f(0.0));
                let (value, slope) = f(step);
                assert_eq!(verdict, Verdict::Accept, "function {at} from {first}");
                assert!(value <= value0 + c[0] * step * slope0 && slope.abs() <= c[1] * slope0.abs());
                assert_eq!(seen.len(), published[k], "function {at} from {first}: {seen:?}");
            }
        }
    }

    #[test]
    fn a_parabola_takes_two_looks_however_exact_the_search() {
        let (verdict, seen) = search(|a| ((a - 3.0).powi(2), 2.0 * (a - 3.0)), 1.0, [1e-10, 1e-9]);
        assert_eq!((verdict, seen.len()), (Verdict::Accept, 2));
    }

    #[test]
    fn within_the_rounding_of_the_loss_the_slope_decides() {
        let verdict = |rounding: f64, slope: f64| {
            LineSearch::new(1.0, -1e-9, 1.0, [1e-4, 0.9], rounding).tell(1.0 + 4e-15, slope)
        };
        assert_eq!(verdict(1e-14, -1e-10), Verdict::Accept);
        assert!(matches!(verdict(1e-14, 1e-8), Verdict::Try(_)));
        assert!(matches!(verdict(1e-15, -1e-10), Verdict::Try(_)));
    }

    #[test]
    fn steps_that_are_not_finite_are_gone_back_from() {
        // A wall at 1, the minimum at 0.9 before it.
        let wall = |a: f64| if a < 1.0 { ((a - 0.9).powi(2), 2.0 * (a - 0.9)) } else { (f64::NAN, f64::NAN) };
        for first in [0.1, 1.0, 50.0, 1e6] {
            let (verdict, seen) = search(wall, first, [1e-4, 0.1]);
            assert_eq!(verdict, Verdict::Accept, "from {first}");
            assert!((seen.last().expect("a step") - 0.9).abs() <= 0.09);
        }
        // Nothing but a wall.
        let nothing = |a: f64| if a == 0.0 { (0.0, -1.0) } else { (f64::INFINITY, 0.0) };
        assert_eq!(search(nothing, 1.0, [1e-4, 0.9]).0, Verdict::Fail);
        // It falls up to the wall.
        let cliff = |a: f64| if a < 1.0 { (-a, -1.0) } else { (f64::NAN, 0.0) };
        assert_eq!(search(cliff, 4.0, [1e-4, 0.9]).0, Verdict::Accept);
    }
}
