//! The exact quadratic model of Q at a point, with the long factor minimised out under its bounds.
//!
//! For a change δ of the short factor H (n × p), and x = w + dw of each long member:
//!   φ(δ) = 2 g_H·δ + δᵀBδ + Σ_i min_{x >= 0} [ dwᵀA_i dw + 2 dwᵀ(g_i + C_i δ) ],
//! so the inner minimiser is the non-negative least-squares solution for (A_i, b_i − C_i δ), and
//!   ½∇φ = g_H + Bδ + Σ_i C_iᵀ dw_i.
//! φ is piecewise quadratic; its Hessian on a piece is [`crate::schur`].

use crate::block::{Factor, Normal, PIECE, Shared};
use crate::kernels;
use crate::loss::{self, Assessment};
use crate::problem::Problem;
use crate::schur::Members;
use headwater_base::parallel::{self, Crew};
use headwater_linalg::{LANES, gram, nnls, packed, packed_len};
use std::borrow::Cow;

/// The model at one point, worthless once the crew was stopped: who asks for it looks. `long` must be the exact minimiser for `short`.
pub struct Model<'a> {
    pub problem: &'a Problem,
    pub crew: Crew<'a>,
    pub p: usize,
    pub n: usize,
    pub short: &'a Factor,
    pub bounded_long: bool,
    /// Normal equations of the long side.
    pub normal: Cow<'a, Normal>,
    /// Curvatures of the cells (Ω for squares), laid out like the long side's weights.
    pub omega: Cow<'a, [f64]>,
    /// Passive sets of the long side at the point.
    pub passive: &'a [f64],
    /// Long factor in lanes.
    pub w: Vec<f64>,
    /// Ω∘(WH − V) (the force of each cell) in lanes.
    pub u: Vec<f64>,
    /// A w − b from residuals, in lanes.
    pub g_long: Vec<f64>,
    /// Half-gradient of the short factor, n × p.
    pub g_short: Vec<f64>,
    /// B_j, packed, n × packed.
    pub b_short: Vec<f64>,
    /// Diagonal of B (of its majorant, where the loss is robust), n × p: the scale of each unknown.
    pub d: Vec<f64>,
    /// Q by residuals.
    pub q: f64,
    pub coupling: Option<Coupling<'a>>,
}

/// An equation that couples the long members: Σ_i s_i w_ik = constant. It enters with a multiplier λ, as the linear term
/// 2λ s_i w_ik of every member, and one element of the short factor's factor k is held.
#[derive(Clone, Copy)]
pub struct Coupling<'a> {
    pub factor: usize,
    /// s_i.
    pub weights: &'a [f64],
    /// Place of the held element in the short factor.
    pub held: usize,
    /// λ at the point.
    pub multiplier: f64,
    /// By how much the sum exceeds the constant at the point.
    pub gap: f64,
    /// What gap²/z may be left (in units of Q), see [`crate::pinned`].
    pub close: f64,
}

/// φ, ½∇φ and the passive sets of the long side at a δ.
#[derive(Clone)]
pub struct Evaluation {
    /// λ, where the members are coupled.
    pub multiplier: f64,
    pub value: f64,
    pub gradient: Vec<f64>,
    pub passive: Vec<f64>,
}

impl<'a> Model<'a> {
    /// At a point whose normal equations are not at hand.
    pub fn at(problem: &'a Problem, long: &'a Factor, short: &'a Factor, crew: Crew<'a>) -> Self {
        Self::with(problem, long, short, None, crew)
    }

    /// `normal` as the solution of the long side left it. Cost: about one sweep.
    pub fn new(problem: &'a Problem, long: &'a Factor, short: &'a Factor, normal: &'a Normal, crew: Crew<'a>) -> Self {
        Self::with(problem, long, short, Some(normal), crew)
    }

    fn with(
        problem: &'a Problem,
        long: &'a Factor,
        short: &'a Factor,
        normal: Option<&'a Normal>,
        crew: Crew<'a>,
    ) -> Self {
        let (p, n) = (short.p, short.count);
        let side = &problem.long;
        let blocks = side.blocks();
        let lane = p * LANES;
        let mut w = vec![0.0; blocks * lane];
        let mut u = vec![0.0; blocks * n * LANES];
        let mut g_long = vec![0.0; blocks * lane];
        let pieces = blocks.div_ceil(PIECE);
        let zeros = vec![0.0; n * p];
        // Squares need no curvatures of their own, and no normal equations where these are given.
        let robust = !side.squares();
        let mut omega = vec![0.0; if robust { u.len() } else { 0 }];
        let given = normal.filter(|_| !robust);
        let mut own = given.is_none().then(|| Normal::new(blocks, p));
        let (sw, su, sg) = (Shared::new(&mut w), Shared::new(&mut u), Shared::new(&mut g_long));
        let so = Shared::new(&mut omega);
        let sn = own.as_mut().map(|own| (Shared::new(&mut own.a), Shared::new(&mut own.b)));
        let parts = crew.map(pieces, |piece| {
            let mut gradient = vec![0.0; n * lane];
            let mut sums = Vec::with_capacity(PIECE);
            let nothing = vec![0.0; lane];
            let mut cells = robust.then(|| Assessment::new(side));
            for block in piece * PIECE..((piece + 1) * PIECE).min(blocks) {
                // SAFETY: each block is visited once.
                let (w, u, g) = unsafe {
                    (sw.slice(block * lane, lane), su.slice(block * n * LANES, n * LANES), sg.slice(block * lane, lane))
                };
                long.lanes(block, w);
                let q = if let Some(cells) = &mut cells {
                    let q = cells.at(side, block, p, w, &short.rows);
                    u.copy_from_slice(&cells.u);
                    // SAFETY: as above.
                    unsafe { so.slice(block * n * LANES, n * LANES) }.copy_from_slice(&cells.curvature);
                    q
                } else {
                    kernels::residual(p, side.omega_block(block), side.value_block(block), w, &short.rows, u)
                };
                let omega = cells.as_ref().map_or(side.omega_block(block), |cells| &cells.curvature);
                sums.push(parallel::pairwise_sum(&q));
                // With w = 0 the coupling is −Σ_j u_j h_j, the negative half-gradient.
                kernels::couple(p, omega, u, &nothing, &short.rows, &short.rows, g);
                g.iter_mut().for_each(|g| *g = -*g);
                if let Some((a, b)) = &sn {
                    let pairs = packed_len(p) * LANES;
                    // SAFETY: as above.
                    let (a, b) = unsafe { (a.slice(block * pairs, pairs), b.slice(block * lane, lane)) };
                    gram::normal_equations(p, omega, side.value_block(block), &short.rows, a, b);
                    if robust {
                        loss::right_hand_side(p, a, w, g, b);
                    }
                }
                // With δ = h = 0 it is Σ_i u_j w.
                kernels::gradient(p, omega, u, &nothing, w, &zeros, &zeros, &mut gradient);
            }
            (parallel::pairwise_sum(&sums), fold_lanes(&gradient))
        });
        let parts = parts.unwrap_or_default();
        let q = parallel::pairwise_sum(&parts.iter().map(|part| part.0).collect::<Vec<_>>());
        let g_short = add_parts(n * p, parts.iter().map(|part| part.1.as_slice()));
        let mut model = Self {
            problem,
            crew,
            p,
            n,
            short,
            bounded_long: long.bounded,
            normal: own.map_or_else(|| Cow::Borrowed(given.expect("given, or made")), Cow::Owned),
            omega: if robust { Cow::Owned(omega) } else { Cow::Borrowed(&side.omega) },
            passive: &long.passive,
            w,
            u,
            g_long,
            g_short,
            b_short: vec![0.0; n * packed_len(p)],
            d: vec![0.0; n * p],
            q,
            coupling: None,
        };
        model.fill_b(&long.rows);
        model
    }

    /// A model of which only the sums over its long members are left: half-gradient and B_j of the short factor. Its
    /// Hessian can be formed ([`crate::reduced::Reduced::of`]), but it cannot be evaluated elsewhere.
    pub fn summed(
        frame: &'a Problem,
        short: &'a Factor,
        gradient: Vec<f64>,
        matrices: Vec<f64>,
        crew: Crew<'a>,
    ) -> Self {
        let (p, n) = (short.p, short.count);
        let pairs = packed_len(p);
        let d = (0..n * p).map(|a| matrices[a / p * pairs + packed(a % p, a % p)]).collect();
        Self {
            problem: frame,
            crew,
            p,
            n,
            short,
            bounded_long: true,
            normal: Cow::Owned(Normal::new(0, p)),
            omega: Cow::Owned(Vec::new()),
            passive: &[],
            w: Vec::new(),
            u: Vec::new(),
            g_long: Vec::new(),
            g_short: gradient,
            b_short: matrices,
            d,
            q: f64::NAN,
            coupling: None,
        }
    }

    /// The same with the long members coupled; `long` must be their minimiser with the linear terms.
    pub fn coupled(mut self, coupling: Coupling<'a>) -> Self {
        self.d[coupling.held] = 0.0;
        self.coupling = Some(coupling);
        self
    }

    fn fill_b(&mut self, design: &[f64]) {
        let (p, n) = (self.p, self.n);
        let side = &self.problem.short;
        let pairs = packed_len(p);
        let short = self.short;
        let blocks = self.crew.map(side.blocks(), |block| {
            let (mut a, mut b) = (vec![0.0; pairs * LANES], vec![0.0; p * LANES]);
            if side.squares() {
                gram::normal_equations(p, side.omega_block(block), side.value_block(block), design, &mut a, &mut b);
                return (a, None);
            }
            let mut cells = Assessment::new(side);
            let mut h = vec![0.0; p * LANES];
            short.lanes(block, &mut h);
            cells.at(side, block, p, &h, design);
            gram::normal_equations(p, &cells.curvature, side.value_block(block), design, &mut a, &mut b);
            let mut scale = a.clone();
            gram::normal_equations(p, &cells.majorant, side.value_block(block), design, &mut scale, &mut b);
            (a, Some(scale))
        });
        let Some(blocks) = blocks else { return };
        for j in 0..n {
            let (a, scale) = &blocks[j / LANES];
            for at in 0..pairs {
                self.b_short[j * pairs + at] = a[at * LANES + j % LANES];
            }
            let scale = scale.as_ref().unwrap_or(a);
            for k in 0..p {
                self.d[j * p + k] = scale[packed(k, k) * LANES + j % LANES];
            }
        }
    }

    /// The Gauss–Newton model at the same point: no residuals in the coupling.
    pub fn gauss_newton(&self) -> Model<'a> {
        Model {
            problem: self.problem,
            crew: self.crew,
            p: self.p,
            n: self.n,
            short: self.short,
            bounded_long: self.bounded_long,
            normal: self.normal.clone(),
            omega: self.omega.clone(),
            passive: self.passive,
            w: self.w.clone(),
            u: vec![0.0; self.u.len()],
            g_long: self.g_long.clone(),
            g_short: self.g_short.clone(),
            b_short: self.b_short.clone(),
            d: self.d.clone(),
            q: self.q,
            coupling: self.coupling,
        }
    }

    /// What the Schur complement needs of the long side.
    pub fn members(&self) -> Members<'_> {
        Members { omega: &self.omega, w: &self.w, u: &self.u, h: &self.short.rows, control: self.crew.control }
    }

    /// φ and ½∇φ at δ = 0 where the long factor is the exact minimiser: no change, the point's own gradient.
    pub fn here(&self) -> Evaluation {
        let multiplier = self.coupling.map_or(0.0, |coupling| coupling.multiplier);
        Evaluation { value: 0.0, gradient: self.g_short.clone(), passive: self.passive.to_vec(), multiplier }
    }

    /// φ and ½∇φ at `delta`, with `guess` as first passive sets. Cost: 14·cells·p flop and the solutions.
    pub fn evaluate(&self, delta: &[f64], guess: &[f64]) -> Evaluation {
        let Some(coupling) = self.coupling else { return self.evaluate_at(delta, guess, 0.0).0 };
        // The gap falls with λ: secant steps within a bracket.
        let (mut above, mut below) = (None::<(f64, f64)>, None::<(f64, f64)>);
        let mut lambda = coupling.multiplier;
        let mut guess = guess.to_vec();
        let mut slope = f64::NAN;
        let mut last = (f64::NAN, f64::NAN);
        for round in 0..40 {
            let (mut found, moved) = self.evaluate_at(delta, &guess, lambda);
            let gap = coupling.gap + moved;
            if round > 0 && lambda != last.0 {
                slope = (last.1 - gap) / (lambda - last.0);
            }
            if slope.is_nan() {
                // z of the members' own responses.
                slope = self.compliance(&found.passive, coupling);
            }
            if gap * gap <= coupling.close * slope.max(0.0) || round == 39 || self.crew.stopped() {
                found.value += 2.0 * lambda * gap;
                found.multiplier = lambda;
                return found;
            }
            last = (lambda, gap);
            if gap > 0.0 {
                above = Some((lambda, gap))
            } else {
                below = Some((lambda, gap))
            }
            guess = found.passive;
            lambda = next_multiplier(lambda + gap / slope, above, below);
        }
        unreachable!("the last round returns")
    }

    /// z = Σ s_i² (P_i)_kk at given passive sets.
    fn compliance(&self, passive: &[f64], coupling: Coupling) -> f64 {
        compliance(self.p, &self.normal, passive, coupling.factor, coupling.weights)
    }

    /// [`Self::evaluate`] at a given λ, without the multiplier's term of the value, and Σ s_i dw_ik.
    fn evaluate_at(&self, delta: &[f64], guess: &[f64], multiplier: f64) -> (Evaluation, f64) {
        let (p, n) = (self.p, self.n);
        let side = &self.problem.long;
        let blocks = side.blocks();
        let (lane, pairs) = (p * LANES, packed_len(p) * LANES);
        let mut passive = guess.to_vec();
        let shared = Shared::new(&mut passive);
        let parts = self.crew.map(blocks.div_ceil(PIECE), |piece| {
            let mut gradient = vec![0.0; n * lane];
            let mut rhs = vec![0.0; lane];
            let mut x = vec![0.0; lane];
            let mut change = vec![0.0; lane];
            let mut scratch = nnls::Scratch::new(p);
            let (mut sums, mut moved) = (Vec::with_capacity(PIECE), Vec::new());
            for block in piece * PIECE..((piece + 1) * PIECE).min(blocks) {
                // SAFETY: each block is visited once.
                let passive = unsafe { shared.slice(block * lane, lane) };
                let omega = &self.omega[block * n * LANES..][..n * LANES];
                let w = &self.w[block * lane..][..lane];
                let u = &self.u[block * n * LANES..][..n * LANES];
                let g = &self.g_long[block * lane..][..lane];
                let a = &self.normal.a[block * pairs..][..pairs];
                rhs.fill(0.0);
                kernels::couple(p, omega, u, w, &self.short.rows, delta, &mut rhs);
                // rhs = −Cδ. The linear term of dw is g − rhs; NNLS wants b − Cδ.
                for (change, (g, r)) in change.iter_mut().zip(g.iter().zip(&rhs)) {
                    *change = g - r;
                }
                for (r, b) in rhs.iter_mut().zip(&self.normal.b[block * lane..][..lane]) {
                    *r += b;
                }
                if let Some(Coupling { factor, weights, .. }) = self.coupling {
                    for (e, s) in weights[block * LANES..].iter().take(LANES).enumerate() {
                        rhs[factor * LANES + e] -= multiplier * s;
                    }
                }
                nnls::solve(p, a, &rhs, self.bounded_long, passive, &mut x, &mut scratch);
                // dw = x − w; its linear term stays in `rhs`.
                for at in 0..lane {
                    rhs[at] = change[at];
                    change[at] = x[at] - w[at];
                }
                if let Some(Coupling { factor, weights, .. }) = self.coupling {
                    for (e, s) in weights[block * LANES..].iter().take(LANES).enumerate() {
                        moved.push(s * change[factor * LANES + e]);
                    }
                }
                sums.push(quadratic(p, a, &change, &rhs));
                kernels::gradient(p, omega, u, w, &change, &self.short.rows, delta, &mut gradient);
            }
            (parallel::pairwise_sum(&sums), fold_lanes(&gradient), parallel::pairwise_sum(&moved))
        });
        let Some(parts) = parts else {
            return (Evaluation { value: f64::INFINITY, gradient: vec![0.0; n * p], passive, multiplier }, 0.0);
        };
        let moved = parts.iter().map(|part| part.2).sum();
        let mut gradient = add_parts(n * p, parts.iter().map(|part| part.1.as_slice()));
        let mut value = parallel::pairwise_sum(&parts.iter().map(|part| part.0).collect::<Vec<_>>());
        // gradient holds Bδ + Σ Cᵀdw so far; δᵀBδ is taken from B itself.
        let mut own = Vec::with_capacity(n);
        for j in 0..n {
            let (delta, b) = (&delta[j * p..][..p], &self.b_short[j * packed_len(p)..][..packed_len(p)]);
            let mut sum = 0.0;
            for k in 0..p {
                sum += 2.0 * self.g_short[j * p + k] * delta[k];
                for l in 0..p {
                    let at = if l <= k { packed(k, l) } else { packed(l, k) };
                    sum += b[at] * delta[k] * delta[l];
                }
            }
            own.push(sum);
        }
        value += parallel::pairwise_sum(&own);
        for (gradient, g) in gradient.iter_mut().zip(&self.g_short) {
            *gradient += g;
        }
        (Evaluation { value, gradient, passive, multiplier }, moved)
    }
}

/// z = Σ s_i² (P_i)_kk at given passive sets of the long members: how fast Σ s_i w_ik falls with a multiplier.
pub fn compliance(p: usize, normal: &Normal, passive: &[f64], factor: usize, weights: &[f64]) -> f64 {
    let (pairs, lane) = (packed_len(p) * LANES, p * LANES);
    let mut scratch = nnls::Scratch::new(p);
    let mut z = 0.0;
    for (block, a) in normal.a.chunks_exact(pairs).enumerate() {
        let own = nnls::masked_inverse_element(p, factor, a, &passive[block * lane..][..lane], &mut scratch);
        for (inverse, s) in own.iter().zip(&weights[block * LANES..]) {
            z += s * s * inverse;
        }
    }
    z
}

/// The next multiplier to try: `wanted` if it lies within the bracket (points with a positive and a negative gap), else
/// the secant's or the middle; outside of an open bracket, further out.
pub fn next_multiplier(wanted: f64, above: Option<(f64, f64)>, below: Option<(f64, f64)>) -> f64 {
    match (above, below) {
        (Some((a, up)), Some((b, down))) => {
            let inside = |x: f64| x.is_finite() && (x - a) * (x - b) < 0.0;
            let secant = a + (b - a) * (up / (up - down)).clamp(0.1, 0.9);
            if inside(wanted) { wanted } else { secant }
        }
        (Some((a, _)), None) if !(wanted.is_finite() && wanted > a) => a + 1.0 + a.abs(),
        (None, Some((b, _))) if !(wanted.is_finite() && wanted < b) => b - 1.0 - b.abs(),
        _ => wanted,
    }
}

/// Q by residuals and its half-gradient in the short factor; `None` if the crew was stopped.
pub fn forces(problem: &Problem, long: &Factor, short: &Factor, crew: Crew) -> Option<(f64, Vec<f64>)> {
    let (p, n) = (short.p, short.count);
    let side = &problem.long;
    let (blocks, lane) = (side.blocks(), p * LANES);
    let parts = crew.map(blocks.div_ceil(PIECE), |piece| {
        let mut gradient = vec![0.0; n * p];
        let mut sums = Vec::with_capacity(PIECE);
        let mut w = vec![0.0; lane];
        let mut cells = Assessment::new(side);
        for block in piece * PIECE..((piece + 1) * PIECE).min(blocks) {
            long.lanes(block, &mut w);
            let q = if side.squares() {
                kernels::residual(p, side.omega_block(block), side.value_block(block), &w, &short.rows, &mut cells.u)
            } else {
                cells.at(side, block, p, &w, &short.rows)
            };
            sums.push(parallel::pairwise_sum(&q));
            kernels::outer(p, &cells.u, &w, &mut gradient);
        }
        (parallel::pairwise_sum(&sums), gradient)
    })?;
    let q = parallel::pairwise_sum(&parts.iter().map(|part| part.0).collect::<Vec<_>>());
    Some((q, add_parts(n * p, parts.iter().map(|part| part.1.as_slice()))))
}

/// Σ over lanes of dᵀAd + 2 dᵀg.
pub fn quadratic(p: usize, a: &[f64], d: &[f64], g: &[f64]) -> f64 {
    let mut sum = [0.0; LANES];
    for k in 0..p {
        for e in 0..LANES {
            let mut row = 2.0 * g[k * LANES + e] + a[packed(k, k) * LANES + e] * d[k * LANES + e];
            for l in 0..k {
                row += 2.0 * a[packed(k, l) * LANES + e] * d[l * LANES + e];
            }
            sum[e] += row * d[k * LANES + e];
        }
    }
    parallel::pairwise_sum(&sum)
}

/// Sums groups of lanes.
pub fn fold_lanes(values: &[f64]) -> Vec<f64> {
    values.chunks_exact(LANES).map(|s| ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))).collect()
}

/// Element-wise sum of the parts, in order.
pub fn add_parts<'a>(length: usize, parts: impl Iterator<Item = &'a [f64]>) -> Vec<f64> {
    let mut out = vec![0.0; length];
    for part in parts {
        for (o, v) in out.iter_mut().zip(part) {
            *o += v;
        }
    }
    out
}
