//! Options of Kron-PSGD, with their ranges.

use headwater_base::Error;

use super::schedule::Schedule;

/// What the preconditioner is fitted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// P = (E ggᴴ)^{-1/2} of the gradients, with a random probe that is independent of them.
    Whitening,
    /// P = |H|⁻¹ of the Hessian, by pairs (v, Hv) with random v.
    Newton,
}

/// What is whitened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The gradient.
    Gradient,
    /// Its running mean, whose size is about √((1 − β)/(1 + β)) of a noisy gradient's; rates shrink by as much.
    Momentum,
}

/// How a factor Q moves; ℰ = T₁ − T₂ is the gradient of the criterion in the coordinate of the Lie group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Geometry {
    /// Q upper triangular, Q ← Q − (μ/L) triu(ℰ) Q. Equivariant under triangular changes of basis; needs triangular solves.
    Eq,
    /// Q ← Q − (μ/L) ℰ Q with ℰ in the coordinates of Q. Balanced at every update; slow where Q is ill-conditioned.
    Qep,
    /// Q ← Q − (μ/L) Q ℰ.
    Qeq,
    /// Q ← (I − (μ/2L)ℰ) Q (I − (μ/2L)ℰ), positive definite also under rounding.
    Quad,
    /// Q ← Q − (μ/L) ℰ Q, then one step of an orthogonal Procrustes rotation towards Q = Qᴴ. Products of matrices only.
    Q0p5Eq1p5,
    /// [`Geometry::Quad`] on P itself with steps μ/L, so that one product applies it.
    Quad4p,
    /// [`Geometry::Q0p5Eq1p5`] on P itself, rotated until P = Pᴴ to a thousandth.
    Pro4p,
}

impl Geometry {
    /// Whether the factors are those of P and not of Q.
    pub(crate) fn fits_p(self) -> bool {
        matches!(self, Geometry::Quad4p | Geometry::Pro4p)
    }

    /// Whether a factor's diagonal stays positive by construction.
    pub(crate) fn keeps_diagonal(self) -> bool {
        matches!(self, Geometry::Eq | Geometry::Quad | Geometry::Quad4p)
    }
}

/// How the spectral norm ℓ of S = T₁ + T₂ is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// Exact for sides up to 32; else a lower bound by six Lanczos steps, at least the largest S_ii.
    Bounded,
    /// Exact for every side.
    Exact,
    /// The one of kron-torch 0.3, for comparison with it.
    #[doc(hidden)]
    OneColumn,
}

/// When the factors are brought to equal size, which leaves P unchanged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balance {
    /// At every update whose number is a multiple of this; 0 for never.
    pub every: u64,
    /// As soon as the largest elements of two factors differ by this ratio.
    pub ratio: f64,
}

/// Options of [`KronPsgd`](super::KronPsgd).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// What the preconditioner is fitted to.
    pub criterion: Criterion,
    /// How its factors move. Default Q0.5EQ1.5: the fewest updates to a fit among those that hold no solves.
    pub geometry: Geometry,
    /// μ in (0, 1], the relative size of an update; of an array with r axes at most 1/r, the limit of stability (see
    /// `update.rs`). Default 0.1 for whitening, whose statistics are noisy (it averages
    /// about 1/μ of them); 0.5 for the Newton criterion, whose pairs are exact.
    pub precond_lr: f64,
    /// βL in [0, 1): memory of the smoothness L ← max(βL·L + (1 − βL)ℓ, ℓ). Default 0.9.
    pub norm_memory: f64,
    /// The norm ℓ.
    pub norm: Norm,
    /// Longest side with a dense factor. Default 2048: an update costs about 9n³ flop, a second of one core there.
    pub max_size: usize,
    /// A side n has a dense factor only if n² <= `max_skew`·N, N being the number of elements; may be infinite.
    /// Default 4: both sides of a matrix up to 4:1, and factors of no more than four times its memory each.
    pub max_skew: f64,
    /// d >= 0. Whitening: h = g + (d + ε|g|)∘v with the type's unit roundoff ε, so that P <= 1/d; Newton: h + d·v, which
    /// fits |H + dI|⁻¹. 0: none, and what is zero again and again lets P grow without limit. Default 1e-9: gradients well
    /// below that are not whitened; give less where all of them are that small.
    pub damping: f64,
    /// P = `scale`²·I at the beginning. Default: automatic, from the first gradient or pair that is not zero.
    pub scale: Option<f64>,
    /// When factors are updated. Default annealed for whitening, every step for the Newton criterion.
    pub schedule: Schedule,
    /// When factors are balanced. Default every 100th update and beyond a ratio of 1000.
    pub balance: Balance,
    /// β in [0, 1) of the gradient's running mean m ← β_t m + (1 − β_t)g, β_t = min(t/(t + 1), β), which is what P is
    /// applied to. Default 0.9; 0 for the Newton criterion.
    pub momentum: f64,
    /// What is whitened. Default the gradient.
    pub source: Source,
    /// Largest root mean square of an update; may be infinite. A whitened gradient has 1. Default 1.1, so that steps taken
    /// while P still lags behind are no longer than others; none for the Newton criterion, whose steps have a length.
    pub clip_rms: f64,
    /// Largest modulus of an element of the update; may be infinite. Default 10, which noise does not reach; none for the
    /// Newton criterion.
    pub clip_element: f64,
}

impl Settings {
    /// Defaults for whitening.
    pub fn whitening() -> Self {
        Self {
            criterion: Criterion::Whitening,
            geometry: Geometry::Q0p5Eq1p5,
            precond_lr: 0.1,
            norm_memory: 0.9,
            norm: Norm::Bounded,
            max_size: 2048,
            max_skew: 4.0,
            damping: 1e-9,
            scale: None,
            schedule: Schedule::annealed(),
            balance: Balance { every: 100, ratio: 1e3 },
            momentum: 0.9,
            source: Source::Gradient,
            clip_rms: 1.1,
            clip_element: 10.0,
        }
    }

    /// Defaults for the Newton criterion.
    pub fn newton() -> Self {
        Self {
            criterion: Criterion::Newton,
            precond_lr: 0.5,
            schedule: Schedule::Constant(1.0),
            momentum: 0.0,
            clip_rms: f64::INFINITY,
            clip_element: f64::INFINITY,
            ..Self::whitening()
        }
    }

    /// Refuses what is out of range.
    ///
    /// # Errors
    ///
    /// `option-out-of-range`, with the limit that was exceeded.
    pub fn check(&self) -> Result<(), Error> {
        let within = |name: &str, value: f64, limit: f64, inside: bool, range: &str| {
            let message = format!("{name} must be {range}, not {value}");
            if inside { Ok(()) } else { Err(Error::new("option-out-of-range", message).with_limit(limit)) }
        };
        let (mu, memory, momentum) = (self.precond_lr, self.norm_memory, self.momentum);
        let limit = if mu > 1.0 { 1.0 } else { 0.0 };
        within("precondLr", mu, limit, mu > 0.0 && mu <= 1.0, "above 0 and at most 1")?;
        let unit = |value: f64| if value < 0.0 { 0.0 } else { 1.0 };
        let in_unit = |value: f64| (0.0..1.0).contains(&value);
        within("normMemory", memory, unit(memory), in_unit(memory), "at least 0 and below 1")?;
        within("momentum", momentum, unit(momentum), in_unit(momentum), "at least 0 and below 1")?;
        within("maxSkew", self.max_skew, 0.0, self.max_skew >= 0.0, "at least 0")?;
        let damping = self.damping;
        within("damping", damping, 0.0, damping >= 0.0 && damping.is_finite(), "a finite number, at least 0")?;
        if let Some(scale) = self.scale {
            within("scale", scale, 0.0, scale > 0.0 && scale.is_finite(), "a finite number above 0")?;
        }
        within("clipRms", self.clip_rms, 0.0, self.clip_rms > 0.0, "above 0")?;
        within("clipElement", self.clip_element, 0.0, self.clip_element > 0.0, "above 0")?;
        within("balance.ratio", self.balance.ratio, 1.0, self.balance.ratio > 1.0, "above 1")?;
        self.schedule.check()
    }
}
