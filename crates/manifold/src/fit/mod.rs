//! A dictionary fitted to rows, from nothing to its proof.
//!
//! 1. The mean is taken off ([`FitSettings::centre`]).
//! 2. Decoders to begin with: planes from fourth cumulants where all atoms are circles ([`crate::seed::planes`]), and, unless
//!    these leave nothing that stands out, subspaces one after the other ([`crate::seed::greedy`]) from some draws. Each is
//!    taken through turns of coding and least squares ([`alternate`]); the shortest to write down goes on ([`length`]).
//!    Where it is stuck, two atoms at a time begin again ([`moves`]).
//! 3. Atoms that are not worth their length are taken out, one at a time.
//! 4. All unknowns together to their minimum ([`minimise`]), with hyperparameters by evidence if asked ([`choose`]); then all
//!    rows are coded anew, and as long as one finds a support with less energy, it takes it and the minimum is sought again.
//!
//! The end is `converged` only if the last minimum is proved (decrement and curvature) *and* no row has a better code.

mod alternate;
mod amortised;
mod begin;
mod controls;
mod decoders;
mod facts;
mod length;
mod model;
mod moves;
mod prune;
mod race;
mod score;

use headwater_base::parallel::Crew;
use headwater_base::{Error, Progress, Status};

use crate::basis::Topology;
use crate::coding::{CodingSettings, code, refreshed};
use crate::criterion::Criterion;
use crate::incoherence::DecoderIncoherence;
use crate::inner::{Evidence, InnerSettings, minimise};
use crate::objective::Objective;
use crate::outer::{OuterSettings, choose};
use crate::problem::{AmplitudePrior, Gate, Problem};
use crate::state::State;
use crate::strengths::{Parameter, Strengths};
pub use amortised::{Amortised, Gap, amortise, gap};
pub use controls::{Compared, Kind as ControlKind, controls};
pub use facts::{AtomFacts, Claim};
pub use length::Use;
pub use model::{Encoded, Model, Rows};
pub use race::race;
pub use score::Score;

/// What is fitted, and how.
#[derive(Clone, Debug)]
pub struct FitSettings {
    /// One shape an atom.
    pub atoms: Vec<Topology>,
    /// Gate.
    pub gate: Gate,
    /// Most atoms of a row.
    pub active: usize,
    /// Decoders are not negative.
    pub non_negative: bool,
    /// The mean of the rows is taken off first.
    pub centre: bool,
    /// Atoms that are not worth their length are taken out.
    pub prune: bool,
    /// Of draws and random combinations.
    pub seed: u64,
    /// Decoders to begin with instead of seeds, all functions × columns.
    pub start: Option<Vec<f64>>,
    /// Draws of the greedy seeds; 4.
    pub restarts: usize,
    /// Width of the beam that codes a row; 8.
    pub beam: usize,
    /// Strengths of the priors.
    pub smoothing: Smoothing,
    /// λ of the entropy (softmax gates).
    pub entropy: f64,
    /// w of the decoders' incoherence.
    pub incoherence: f64,
    /// μ of the repulsion of decoders that are nearly equal.
    pub repulsion: f64,
    /// Minimum and coding in turns; 12.
    pub max_rounds: usize,
    /// Of the minimisations.
    pub inner: InnerSettings,
    /// Of the choice of hyperparameters.
    pub outer: OuterSettings,
}

impl FitSettings {
    /// The defaults for some atoms, `active` of them in a row.
    pub fn new(atoms: Vec<Topology>, active: usize) -> Self {
        Self {
            atoms,
            gate: Gate::Amplitude(AmplitudePrior::Normal),
            active,
            non_negative: false,
            centre: true,
            prune: true,
            seed: 0,
            start: None,
            restarts: 4,
            beam: 8,
            smoothing: Smoothing::Size,
            entropy: 0.0,
            incoherence: 0.0,
            repulsion: 0.0,
            max_rounds: 12,
            inner: InnerSettings::default(),
            outer: OuterSettings::default(),
        }
    }
}

/// Where the strengths of the priors come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smoothing {
    /// From what is fitted: λ₂ = Mp/‖B‖², λ₁ the same; the noise from the residuals. Amplitudes of a normal prior: the inverse of
    /// their variance less that of their error, which is not taken for smaller than their error; of the others Mp/Σs².
    Size,
    /// Noise, roughness and ridge by the least criterion V, from there.
    Evidence,
    /// No prior, noise 1: weighted least squares. Only for points.
    None,
}

/// Where the decoders of a fit came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// Fourth cumulants.
    Cumulants,
    /// Subspaces one after the other, of this draw.
    Greedy(u32),
    /// Given ([`FitSettings::start`]).
    Given,
}

/// A fit.
#[derive(Clone, Debug)]
pub struct Fit {
    /// What codes further rows.
    pub model: Model,
    /// For each of its atoms, which of those asked for it is.
    pub kept: Vec<usize>,
    /// Rows and codes.
    pub codes: Encoded,
    /// L at the end.
    pub value: f64,
    /// `converged`; `boundary` where a hyperparameter ended on a face of its box; `saddle`, `stalled`, `budget`, `aborted`.
    pub status: Status,
    /// Of the last minimum.
    pub evidence: Evidence,
    /// Minima and codings.
    pub rounds: usize,
    /// Rows that took another support after the last minimum.
    pub moved: usize,
    /// Rows for which a fresh coding ends higher than the code they have, or elsewhere with the same energy.
    pub missed: usize,
    /// Rows where a place may not be the best one beside the row's other atoms ([`Coded::open`](crate::coding::Coded)).
    pub open: usize,
    /// Where its decoders began.
    pub seed: Seed,
    /// Hyperparameters on a face of their box.
    pub boundary: Vec<Parameter>,
    /// V at the end, where hyperparameters were chosen.
    pub criterion: Option<Criterion>,
    /// What is known about each atom.
    pub atoms: Vec<AtomFacts>,
    /// Degrees of freedom that the noise variance counts: locals and decoders.
    pub degrees: f64,
}

/// Turns of coding and least squares from a seed.
const TURNS: usize = 40;
/// Of those that compete.
const FIRST_TURNS: usize = 5;
/// Width of the beam meanwhile.
const NARROW: usize = 3;
/// Of a row's energy: a code has to be so much better to be taken.
const MARGIN: f64 = 1e-9;
/// Times the noise's variance: something stands out of the residuals.
const STANDS_OUT: f64 = 3.0;

/// Fits a dictionary to rows of `columns` numbers.
///
/// Errors: those of [`Problem::new`], [`Problem::check_atoms`], [`Objective::new`]; `option-out-of-range` for the settings;
/// `scale-overflow` for data whose squares do not fit. `None` if the crew was stopped before there was anything.
pub fn fit(rows: &Rows, columns: usize, settings: &FitSettings, crew: Crew) -> Result<Option<Fit>, Error> {
    let offset = if settings.centre { mean(rows, columns) } else { Vec::new() };
    let problem = rows.problem(columns, &offset, &settings.atoms, settings.gate, settings.non_negative)?;
    problem.check_atoms()?;
    check(&problem, settings)?;
    // Rows without any variance have no unit of their own.
    let variance = problem.square() / problem.observed as f64;
    let noise = if variance > 0.0 { 1e-3 * variance } else { 1.0 };
    let run = Run { rows, columns, offset, settings, noise, crew };
    run.run(problem)
}

fn check(problem: &Problem, settings: &FitSettings) -> Result<(), Error> {
    let atoms = problem.atoms.len();
    let refuse =
        |message: String, limit: usize| Err(Error::new("option-out-of-range", message).with_limit(limit as f64));
    if settings.active == 0 || settings.active > atoms {
        return refuse(format!("active is {}; allowed are 1 to {atoms}, the number of atoms", settings.active), atoms);
    }
    let length = problem.channels * problem.columns;
    if let Some(start) =
        settings.start.as_ref().filter(|start| start.len() != length || !start.iter().all(|x| x.is_finite()))
    {
        let message = format!("the decoders to begin with are {length} finite numbers; {} are given", start.len());
        return Err(Error::new("start-shape-mismatch", message));
    }
    if problem.channels > LARGEST {
        let message = format!(
            "{atoms} atoms have {} functions together; fits with exact second derivatives go up to {LARGEST}",
            problem.channels
        );
        return refuse(message, LARGEST);
    }
    // Squares of squares are formed: of decoders in curvatures, of rows in seeds.
    let largest = (0..problem.rows).flat_map(|n| problem.row(n)).fold(0.0_f64, |most, z| most.max(z.abs()));
    if largest > 0.0 && !(SIZES[0]..=SIZES[1]).contains(&largest) {
        let message = format!(
            "the largest value (less the mean) is {largest:e}; between {:e} and {:e} squares hold it: change the unit",
            SIZES[0], SIZES[1]
        );
        return Err(Error::new("scale-overflow", message));
    }
    if settings.smoothing == Smoothing::None {
        let message = if problem.coordinates > 0 {
            "curves and surfaces need priors: smoothing 'none' is for points only"
        } else if settings.incoherence > 0.0 || settings.repulsion > 0.0 {
            "incoherence and repulsion would be escaped by shrinking decoders: they need priors, not smoothing 'none'"
        } else {
            return Ok(());
        };
        return Err(Error::new("prior-not-proper", message));
    }
    Ok(())
}

/// Sizes of data that are fitted.
const SIZES: [f64; 2] = [1e-60, 1e60];
/// Functions of all atoms together: normal equations of 128 MB.
const LARGEST: usize = 4000;

struct Run<'r> {
    rows: &'r Rows,
    columns: usize,
    offset: Vec<f64>,
    settings: &'r FitSettings,
    /// A thousandth of the data's variance.
    noise: f64,
    crew: Crew<'r>,
}

impl Run<'_> {
    /// How rows are coded while decoders move.
    fn turns(&self) -> CodingSettings {
        CodingSettings { active: self.settings.active, beam: NARROW.min(self.settings.beam), thorough: false }
    }

    /// Of a fit's own codes: as its model codes further rows.
    fn last_coding(&self) -> CodingSettings {
        CodingSettings { active: self.settings.active, beam: self.settings.beam, thorough: true }
    }

    /// With shares of all atoms none can be left out of a row.
    fn prunes(&self) -> bool {
        self.settings.prune && !matches!(self.settings.gate, Gate::Softmax { .. })
    }

    fn report(&self, done: usize, best: Option<f64>) {
        let total = (self.settings.restarts + self.settings.max_rounds + 1) as u64;
        self.crew.control.report(Progress { done: done as u64, total, best, basins: None });
    }

    fn quiet(&self) -> Crew<'_> {
        Crew::new(self.crew.threads, self.crew.control.silent())
    }

    fn run(&self, problem: Problem) -> Result<Option<Fit>, Error> {
        let Some((state, seed)) = self.begin(&problem) else { return Ok(None) };
        let kept: Vec<usize> = (0..problem.atoms.len()).collect();
        let Some((problem, state, strengths, kept)) = self.prune(problem, state, kept) else { return Ok(None) };
        self.polish(problem, state, strengths, kept, seed).map(Some)
    }

    /// Priors that hardly matter, for turns from a seed.
    fn weak(&self, problem: &Problem) -> Strengths {
        if self.settings.smoothing == Smoothing::None {
            return Strengths::none(problem);
        }
        Strengths { entropy: self.settings.entropy, ..Strengths::unit(problem, self.noise) }
    }

    /// Strengths for what a state looks like (see [`Smoothing`]).
    fn strengths(&self, problem: &Problem, state: &State) -> Strengths {
        if self.settings.smoothing == Smoothing::None {
            return Strengths::none(problem);
        }
        let p = self.columns;
        let weak = Objective::new(problem, Strengths { noise: 1.0, ..self.weak(problem) }, None).expect("proper");
        let (uses, data) = length::uses(&weak, state);
        let mut out = Strengths { entropy: self.settings.entropy, ..Strengths::unit(problem, 1.0) };
        out.noise = (data / (problem.observed as f64 - degrees(problem, &uses)).max(0.1 * problem.observed as f64))
            .max(1e-12 * self.noise);
        for (k, atom) in problem.atoms.iter().enumerate() {
            let decoder = &state.decoders()[atom.decoder(p)];
            let (count, square) = ((atom.functions * p) as f64, headwater_linalg::dense::inner(decoder, decoder));
            if square > 0.0 {
                out.ridge[k] = count / square;
                out.roughness[k] = out.ridge[k];
            }
            let used = uses[k];
            if out.amplitude[k] > 0.0 && used.square > 0.0 && used.energy > 0.0 {
                let error = out.noise * used.square / used.energy;
                let (rows, mean) = (used.rows as f64, used.mass / used.rows as f64);
                out.amplitude[k] = match problem.gate {
                    Gate::Amplitude(AmplitudePrior::Normal) => {
                        ((used.square / rows - mean * mean - error).max(error)).recip() * mean * mean
                    }
                    _ => count / used.square,
                };
            }
        }
        out
    }

    /// Minimum and coding in turns, to the end.
    ///
    /// Error: `border-too-large` where evidence cannot be computed.
    fn polish(
        &self,
        problem: Problem,
        start: State,
        strengths: Strengths,
        kept: Vec<usize>,
        seed: Seed,
    ) -> Result<Fit, Error> {
        let (mut state, mut strengths) = (start, strengths);
        let crew = self.quiet();
        let (mut status, mut evidence, mut value) = (Status::Converged, Evidence::default(), f64::NAN);
        let (mut moved, mut missed, mut open, mut rounds) = (0, 0, problem.rows, 0);
        let (mut boundary, mut criterion) = (Vec::new(), None);
        while rounds < self.settings.max_rounds && !kept.is_empty() {
            rounds += 1;
            let coupling = self.coupling(&problem, &state);
            if self.settings.smoothing == Smoothing::Evidence {
                let parameters = self.parameters(&problem, &strengths);
                let outer = &self.settings.outer;
                let found = choose(&problem, &strengths, coupling.clone(), &state, &parameters, outer, crew)?;
                (strengths, state, boundary) = (found.strengths, found.state, found.boundary);
                (status, evidence, criterion, value) = (found.status, found.inner, found.criterion, f64::NAN);
            } else {
                let objective = Objective::new(&problem, strengths.clone(), coupling.clone())?;
                let found = minimise(&objective, &state, &self.settings.inner, crew);
                (state, value, evidence, status) = (found.state, found.value, found.evidence, found.status);
            }
            if status == Status::Aborted {
                break;
            }
            let objective = Objective::new(&problem, strengths.clone(), coupling)?;
            if value.is_nan() {
                value = objective.value(&state, crew).unwrap_or(f64::NAN);
            }
            self.report(self.settings.restarts + rounds, Some(value));
            let fresh = code(&objective, state.decoders(), self.last_coding(), crew);
            let joined = fresh.and_then(|fresh| {
                open = fresh.open;
                refreshed(&objective, &state, &fresh.state, MARGIN, crew)
            });
            let Some(joined) = joined else {
                status = Status::Aborted;
                break;
            };
            (state, moved, missed) = (joined.state, joined.taken, joined.missed);
            if moved == 0 {
                break;
            }
        }
        if moved > 0 {
            value = f64::NAN;
        }
        // A boundary is one of the last minimum: it says nothing as long as rows move.
        if matches!(status, Status::Converged | Status::Boundary) && moved > 0 {
            status = Status::Budget;
        }
        if status == Status::Converged && !boundary.is_empty() {
            status = Status::Boundary;
        }
        if !value.is_finite() {
            // Stopped before it was known, moved since, or nothing is kept.
            let objective = Objective::new(&problem, strengths.clone(), self.coupling(&problem, &state))?;
            let crew = Crew::new(self.crew.threads, headwater_base::Control::none());
            value = objective.value(&state, crew).expect("nobody stops it");
        }
        let model = Model {
            columns: self.columns,
            offset: if self.offset.is_empty() { vec![0.0; self.columns] } else { self.offset.clone() },
            atoms: kept.iter().map(|&k| self.settings.atoms[k]).collect(),
            gate: self.settings.gate,
            non_negative: self.settings.non_negative,
            active: self.settings.active.min(kept.len().max(1)),
            beam: self.settings.beam,
            strengths: strengths.clone(),
            decoders: state.decoders().to_vec(),
        };
        let objective = Objective::new(&problem, strengths, None)?;
        let (uses, _) = length::uses(&objective, &state);
        let atoms = facts::facts(&objective, &state, &uses, self.turns(), self.prunes(), crew);
        Ok(Fit {
            model,
            kept,
            value,
            status,
            evidence,
            rounds,
            moved,
            missed,
            open,
            seed,
            boundary,
            criterion,
            atoms,
            degrees: degrees(&problem, &uses),
            codes: Encoded { problem, state },
        })
    }

    fn coupling(&self, problem: &Problem, state: &State) -> Option<DecoderIncoherence> {
        let (w, mu) = (self.settings.incoherence, self.settings.repulsion);
        (w > 0.0 || mu > 0.0).then(|| Objective::coupling(problem, state, w, mu).expect("strengths are not negative"))
    }

    /// What evidence chooses. The relevance of a line's one coordinate is a choice of unit.
    fn parameters(&self, problem: &Problem, strengths: &Strengths) -> Vec<Parameter> {
        let alone: Vec<usize> =
            problem.atoms.iter().filter(|atom| atom.dimension == 1).map(|atom| atom.coordinate).collect();
        let mut out = strengths.learnable(problem);
        out.retain(|parameter| !matches!(parameter, Parameter::Ard(j) if alone.contains(j)));
        out
    }
}

/// Numbers that were fitted.
fn degrees(problem: &Problem, uses: &[Use]) -> f64 {
    let of = |(k, atom): (usize, &Use)| {
        if atom.rows == 0 {
            return 0.0;
        }
        (atom.rows * length::scalars(problem, k) + problem.atoms[k].functions * problem.columns) as f64
    };
    uses.iter().enumerate().map(of).sum()
}

/// The mean of every column over its observed cells, by their weights.
fn mean(rows: &Rows, columns: usize) -> Vec<f64> {
    let mut sums = vec![[0.0; 2]; columns];
    for (at, z) in rows.values.iter().enumerate() {
        let row = rows.row_weights.as_ref().and_then(|weights| weights.get(at / columns)).map_or(1.0, |w| *w);
        let weight = row * rows.cell_weights.as_ref().and_then(|weights| weights.get(at)).map_or(1.0, |w| *w);
        if z.is_finite() && weight > 0.0 {
            let sum = &mut sums[at % columns];
            *sum = [sum[0] + weight * z, sum[1] + weight];
        }
    }
    sums.iter().map(|[sum, weight]| if *weight > 0.0 { sum / weight } else { 0.0 }).collect()
}
