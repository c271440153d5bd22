//! The path of one element in displacement: c from the base outwards, everything else refitted.
//!
//! All levels of one direction are met along one path: the next c by Newton on √ΔQ, whose slope the envelope theorem
//! gives (dΔQ/dc = 2 g_kj), close to a level all unknowns and c at once; what remains at an end is known from the exact
//! Hessian there ([`crate::pinned`]). A path can run on a higher branch: at the first and the last level refits at the
//! same c, from the base and at last from perturbed bases, look for a lower one; where they find one, the path goes on
//! from there, the levels between are met again, and every further one is asked.

use crate::assignment;
use crate::block::Factor;
use crate::displacement::{Displaced, DisplacementSettings, End, EndKind};
use crate::held_hessian::{Formed, Hessian};
use crate::pinned::{Ended, Pin, Point};
use crate::problem::Problem;
use headwater_base::parallel::Crew;
use headwater_base::rng::{Purpose, Stream};

/// What all elements share; everything in the engine's units.
pub struct Study<'a> {
    pub problem: &'a Problem,
    pub settings: &'a DisplacementSettings,
    /// Of one thread: elements are what threads share.
    pub crew: Crew<'a>,
    /// s_i of the gauge.
    pub weights: &'a [f64],
    /// The base and its Hessian.
    pub long: &'a Factor,
    pub short: &'a Factor,
    pub formed: &'a Formed,
    pub base_q: f64,
}

/// What the paths of one element led to.
pub struct Found {
    pub displaced: Displaced,
    /// Per level and factor.
    pub swaps: Vec<Vec<u32>>,
    /// The lowest point that lies below the base.
    pub lower: Option<Point>,
}

impl Found {
    /// Keeps a point whose Q itself lies below `below`: the base is no minimum.
    fn notice(&mut self, point: &Point, below: f64) {
        if point.q < below && self.lower.as_ref().is_none_or(|lower| point.q < lower.q) {
            self.lower = Some(point.clone());
        }
    }
}

/// Share of a level by which ΔQ at an end may miss it; the ends then lie within 1e-5 of the interval's width.
const MISS: f64 = 2e-5;
/// Share of a level that may remain to be gained at a refit's end.
const REST: f64 = 1e-6;
/// Share of a level by which another branch must be lower to count: what an end may be off.
const LOWER: f64 = MISS;
/// Times that a lower branch below the last one is looked for.
const ROUNDS: usize = 3;
/// Perturbed bases from which a lower branch is looked for.
const PERTURBED: usize = 3;
/// Sweeps from each of them: they begin some hundred levels above.
const SWEEPS: usize = 5;
/// Share of a level by which a refit must end below the base to say that the base is no minimum.
const DECREASE: f64 = 1e-3;

/// A path's state: where it stands and the Hessian that it uses.
struct Path<'a> {
    pin: Pin<'a>,
    sign: f64,
    start: f64,
    at: Point,
    hessian: Hessian,
}

impl Study<'_> {
    /// The intervals of the `number`th element.
    pub fn element(&self, number: usize, factor: usize, species: usize) -> Found {
        let p = self.long.p;
        let pin = Pin { problem: self.problem, crew: self.crew, factor, species, weights: self.weights };
        let hessian = self.formed.held(factor, pin.element(p));
        let level = self.problem.scale_q(self.settings.levels[0]);
        let base = pin.evaluate(self.short.clone(), self.long, 0.0, hessian.compliance(), REST * level);
        let start = self.short.rows[species * p + factor];
        let mut found = Found {
            displaced: Displaced {
                factor,
                species,
                base: start * self.problem.species_scale(species),
                ends: Vec::new(),
            },
            swaps: vec![vec![0; p]; self.settings.levels.len()],
            lower: None,
        };
        let mut sides = [-1.0, 1.0].map(|sign| {
            let path = Path { pin, sign, start, at: base.clone(), hessian: hessian.clone() };
            self.climb(path, number, &mut found)
        });
        let upper = std::mem::take(&mut sides[1]);
        found.displaced.ends = std::mem::take(&mut sides[0]).into_iter().zip(upper).map(|(l, u)| [l, u]).collect();
        found
    }

    /// The ends of one direction, level by level.
    fn climb(&self, mut path: Path, number: usize, found: &mut Found) -> Vec<End> {
        let levels: Vec<f64> = self.settings.levels.iter().map(|level| self.problem.scale_q(*level)).collect();
        let scale = self.problem.species_scale(path.pin.species);
        let mut ends: Vec<End> = Vec::new();
        let mut branch = false;
        for (at, &level) in levels.iter().enumerate() {
            let (mut kind, mut delta) = self.reach(&mut path, level, found);
            let here = |kind| matches!(kind, EndKind::Reached | EndKind::Zero);
            let asked = at == 0 || at + 1 == levels.len() || branch;
            if here(kind) && self.settings.check && asked && path.held() != path.start {
                // A lower branch moves the end outwards; there may be one below that again.
                for round in 0..ROUNDS {
                    let Some(lower) = self.lower(&path, level, at, number * ROUNDS + round, found) else { break };
                    branch = true;
                    path.at = lower;
                    path.hessian = path.pin.renewed(&path.at);
                    if kind == EndKind::Zero {
                        delta = path.at.value - self.base_q;
                    } else {
                        (kind, delta) = self.reach(&mut path, level, found);
                        if !here(kind) {
                            break;
                        }
                    }
                }
            }
            let here = here(kind);
            let swapped = here && self.count_swaps(&path.at, at, found);
            let end = End {
                kind,
                value: if here { path.held() * scale } else { f64::NAN },
                delta_q: if kind == EndKind::Failed { f64::NAN } else { self.problem.unscale_q(delta) },
                lower_branch: branch,
                swapped,
            };
            ends.push(end);
            if kind == EndKind::Reached && branch && at + 1 == levels.len() {
                self.go_back(&mut path, &levels, &mut ends, found);
            }
            if kind != EndKind::Reached {
                // A bound or a failure holds for all higher levels.
                ends.resize(levels.len(), End { swapped: false, ..end });
                break;
            }
        }
        ends
    }

    /// Meets the levels below the last one again on the branch where the path stands, and takes the ends that lie
    /// further out than those found before.
    fn go_back(&self, path: &mut Path, levels: &[f64], ends: &mut [End], found: &mut Found) {
        let scale = self.problem.species_scale(path.pin.species);
        for at in (0..levels.len() - 1).rev() {
            let (kind, delta) = self.reach(path, levels[at], found);
            if kind != EndKind::Reached || (path.held() * scale - ends[at].value) * path.sign <= 0.0 {
                return;
            }
            let swapped = self.count_swaps(&path.at, at, found);
            let (value, delta_q) = (path.held() * scale, self.problem.unscale_q(delta));
            ends[at] = End { kind, value, delta_q, lower_branch: true, swapped };
        }
    }

    /// Moves the path's point to where ΔQ is `level`; returns what was met and ΔQ there.
    fn reach(&self, path: &mut Path, level: f64, found: &mut Found) -> (EndKind, f64) {
        if path.start <= 0.0 && path.sign < 0.0 && self.short.bounded {
            return (EndKind::Zero, 0.0);
        }
        let begin = path.at.clone();
        for exact in [false, true] {
            if exact {
                // What the first search left may be no minimum.
                path.at = begin.clone();
                path.hessian = path.pin.renewed(&path.at);
            }
            if path.held() != path.start
                && let Some(delta) = self.close_in(path, level)
            {
                return (EndKind::Reached, delta);
            }
            if let Some(end) = self.search(path, level, exact, found) {
                return end;
            }
        }
        (EndKind::Failed, f64::NAN)
    }

    /// From near the level: all unknowns at once, with a Hessian of the point at the end; ΔQ there.
    fn close_in(&self, path: &mut Path, level: f64) -> Option<f64> {
        let rest = REST * level;
        for _ in 0..4 {
            let aim = self.base_q + level;
            if !path.pin.approach(&mut path.at, &mut path.hessian, aim, path.sign, rest, 0.5 * MISS * level)
                || path.pin.verify(&mut path.at, &mut path.hessian, rest) == Ended::Failed
            {
                return None;
            }
            let delta = path.at.value - self.base_q;
            if (delta - level).abs() <= MISS * level {
                return Some(delta);
            }
        }
        None
    }

    /// From further away: c by Newton on √ΔQ within a bracket, everything else settled for each. `None` if the values
    /// contradict each other; with `exact` every one is verified.
    fn search(&self, path: &mut Path, level: f64, exact: bool, found: &mut Found) -> Option<(EndKind, f64)> {
        let (element, rest, aim) = (path.element(), REST * level, self.base_q + level);
        let mut c = path.first_guess(level, self.base_q)?;
        let mut inside = (path.held(), path.at.value - self.base_q);
        let mut outside = None::<(f64, f64)>;
        if inside.1 > level {
            // A lower level after a move to another branch.
            inside = (path.start, 0.0);
        }
        let mut back = (path.at.clone(), path.hessian.clone());
        let mut fresh = false;
        for _ in 0..40 {
            if path.sign < 0.0 && self.short.bounded {
                c = c.max(0.0);
            }
            let mut next = path.pin.moved(&path.at, &mut path.hessian, c, 100.0 * rest)?;
            // Too far in one step.
            let far = next.value.is_nan() || next.value - self.base_q > 20.0 * level;
            let ended = if far {
                Ended::Failed
            } else if exact {
                path.pin.verify(&mut next, &mut path.hessian, rest)
            } else {
                path.pin.settle(&mut next, &mut path.hessian, rest, Some(aim))
            };
            if ended == Ended::Failed {
                // From the minimum itself and with its Hessian; then half as far.
                (path.at, path.hessian) = back.clone();
                if !fresh {
                    if path.pin.verify(&mut path.at, &mut path.hessian, rest) == Ended::Failed {
                        return None;
                    }
                    back = (path.at.clone(), path.hessian.clone());
                    fresh = true;
                    continue;
                }
                c = 0.5 * (c + path.held());
                if (c - path.held()).abs() <= 1e-9 * (path.held() + path.start) {
                    return None;
                }
                continue;
            }
            path.at = next;
            let delta = path.at.value - self.base_q;
            found.notice(&path.at, self.base_q - DECREASE * level);
            if delta < level && path.sign < 0.0 && self.short.bounded && c == 0.0 {
                if path.pin.verify(&mut path.at, &mut path.hessian, rest) == Ended::Failed {
                    return None;
                }
                return Some((EndKind::Zero, path.at.value - self.base_q));
            }
            if (delta - level).abs() <= 0.3 * level
                && let Some(delta) = self.close_in(path, level)
            {
                return Some((EndKind::Reached, delta));
            }
            let slope = 2.0 * path.at.gradient[element] * path.sign;
            let root = delta.max(0.0).sqrt();
            let mut next = if delta > 0.0 && slope > 0.0 {
                c + path.sign * (level.sqrt() - root) * 2.0 * root / slope
            } else {
                c + 2.0 * (c - path.start) + path.sign * f64::MIN_POSITIVE
            };
            if delta < level {
                inside = (c, delta);
                back = (path.at.clone(), path.hessian.clone());
                fresh = false;
            } else {
                outside = Some((c, delta));
                if delta > 1.5 * level {
                    (path.at, path.hessian) = back.clone();
                }
            }
            if let Some((far, above)) = outside {
                if (far - inside.0).abs() <= 1e-7 * (far.abs() + path.start.abs()) {
                    return None;
                }
                if (next - inside.0) * (next - far) >= 0.0 {
                    // Secant of √ΔQ, pulled off the ends.
                    let (low, high) = (inside.1.max(0.0).sqrt(), above.sqrt());
                    let share = ((level.sqrt() - low) / (high - low)).clamp(0.05, 0.95);
                    next = inside.0 + share * (far - inside.0);
                }
            } else {
                let most = 4.0 * (c - path.start).abs();
                next = path.start + path.sign * (next - path.start).abs().min(most);
                if most > FAR * (path.scale() + path.start) {
                    return Some((EndKind::Unbounded, delta));
                }
            }
            c = next;
        }
        None
    }

    /// A point with the same held element whose Q is lower, the factors in place; exchanges are counted.
    fn lower(&self, path: &Path, level: f64, at: usize, key: usize, found: &mut Found) -> Option<Point> {
        let held = path.element();
        let rest = REST * level;
        let beat = path.at.value - LOWER * level;
        // Perturbed bases at the last level only.
        let trials = if at + 1 == self.settings.levels.len() { 1 + PERTURBED } else { 1 };
        for trial in 0..trials {
            let mut short = self.short.clone();
            if trial > 0 {
                perturb(&mut short, self.settings.seed, (key * PERTURBED + trial) as u32);
            }
            short.rows[held] = path.held();
            short.guess_passive();
            let mut point = path.pin.evaluate(short, self.long, 0.0, path.hessian.compliance(), 0.1 * rest);
            if trial > 0 {
                point = path.pin.swept(point, &path.hessian, SWEEPS, 100.0 * rest);
            }
            let mut hessian = path.hessian.clone();
            if !path.pin.falls_below(&mut point, &mut hessian, rest, beat) {
                continue;
            }
            found.notice(&point, self.base_q - DECREASE * level);
            if self.in_place(&point).is_empty() {
                return Some(point);
            }
            self.count_swaps(&point, at, found);
        }
        None
    }

    /// Factors of `point` that the best assignment to the base takes for others.
    fn in_place(&self, point: &Point) -> Vec<usize> {
        let p = self.long.p;
        let (drawn, base, here) =
            (self.problem.draws(), self.physical(&self.long.rows), self.physical(&point.long.rows));
        let score = assignment::correlations(&base, &here, p, &drawn);
        let to = assignment::assign(p, &score);
        (0..p).filter(|&k| to[k] != k).collect()
    }

    /// Contributions in the caller's units.
    fn physical(&self, rows: &[f64]) -> Vec<f64> {
        let p = self.long.p;
        rows.iter().enumerate().map(|(at, w)| w * self.problem.sample_scale(at / p)).collect()
    }

    fn count_swaps(&self, point: &Point, at: usize, found: &mut Found) -> bool {
        let moved = self.in_place(point);
        moved.iter().for_each(|&k| found.swaps[at][k] += 1);
        !moved.is_empty()
    }
}

/// Distance, in units of the interval that the curvature suggests, from which an end counts as unbounded.
const FAR: f64 = 1e6;

impl Path<'_> {
    fn element(&self) -> usize {
        self.pin.element(self.at.long.p)
    }

    fn held(&self) -> f64 {
        self.at.short.rows[self.element()]
    }

    /// Half-width that the curvature alone, without relaxation, suggests for ΔQ = 1 in the engine's units.
    fn scale(&self) -> f64 {
        self.hessian.own().max(f64::MIN_POSITIVE).sqrt().recip()
    }

    /// Where the level should lie, from the quadratic model at the base or the slope further out.
    fn first_guess(&mut self, level: f64, base_q: f64) -> Option<f64> {
        let (held, delta) = (self.held(), self.at.value - base_q);
        let slope = 2.0 * self.at.gradient[self.element()] * self.sign;
        if held != self.start {
            if delta > 0.0 && slope > 0.0 {
                let root = delta.sqrt();
                return Some(held + self.sign * (level.sqrt() - root) * 2.0 * root / slope);
            }
            return Some(held + (held - self.start));
        }
        let (slope, bend) = self.pin.predict(&self.at, &mut self.hessian)?;
        // 2bx + dx² = level.
        let (b, d) = ((slope * self.sign).max(0.0), bend.max(1e-6 * self.hessian.own()));
        Some(self.start + self.sign * level / (b + (b * b + d * level).sqrt()))
    }
}

/// Multiplies the profiles by exp(0.3 N) and lifts some zeros.
fn perturb(short: &mut Factor, seed: u64, key: u32) {
    let mut random = Stream::new(seed, Purpose::Probe, key);
    let p = short.p;
    for row in short.rows.chunks_exact_mut(p) {
        let mean = row.iter().sum::<f64>() / p as f64;
        for h in row {
            let (factor, lift) = ((0.3 * random.normal()).exp(), random.uniform());
            *h = if *h > 0.0 {
                *h * factor
            } else if lift < 0.2 {
                0.2 * mean * lift
            } else {
                0.0
            };
        }
    }
}
