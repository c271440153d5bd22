//! Steps over all tensors: survey, the guard's word, propose all, commit all.

use std::collections::VecDeque;

use headwater_base::Error;

use crate::constrained::Constraint;
use crate::guard::{Action, Aside, Cause, Guard, GuardSettings};
use crate::memory::{Reader, Writer};
use crate::method::Method;
use crate::number::{Parts, PartsMut};
use crate::rule::{Change, Fault, Proposal, State, Step, Survey, What};
use crate::settings::positive;
use crate::slot::{Owned, ProbeParts, Slot, copy, unsuitable};

/// A parameter's name, shape and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Unique.
    pub name: String,
    /// Sizes of its axes; none for a scalar.
    pub shape: Vec<usize>,
    /// f64, else f32.
    pub double: bool,
    /// (re, im) interleaved.
    pub complex: bool,
    /// Where it must stay.
    pub constraint: Option<Constraint>,
}

impl Tensor {
    /// Elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers: two for a complex element.
    pub fn parts(&self) -> usize {
        self.len() * (1 + usize::from(self.complex))
    }
}

/// What holds for all steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepperSettings {
    /// Key of all random numbers.
    pub seed: u64,
    /// Largest norm of the gradient over all tensors; a longer one is shortened.
    pub clip_norm: Option<f64>,
    /// Largest norm of the update over all tensors, of rules that report one (Newton's criterion).
    pub update_cap: Option<f64>,
    /// With a guard.
    pub guard: Option<GuardSettings>,
}

/// Rates of one tensor: schedule and group have been applied.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Learning rate.
    pub lr: f64,
    /// Decoupled decay.
    pub decay: f64,
}

/// What the caller knows of a step beside the arrays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// Loss at the parameters, if it is known.
    pub loss: Option<f64>,
    /// Temperature of the noise.
    pub temperature: f64,
    /// A gradient of at most this norm ends the minimisation: no step is done then. Negative for none.
    pub tolerance: f64,
    /// A linear solve behind the loss or the gradient did not converge.
    pub solver_failed: bool,
    /// The scaled gradient overflowed.
    pub overflow: bool,
    /// The scale is below its least: an overflow counts as a gradient that is not finite.
    pub scale_exhausted: bool,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            loss: None,
            temperature: 0.0,
            tolerance: -1.0,
            solver_failed: false,
            overflow: false,
            scale_exhausted: false,
        }
    }
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// What was done.
    pub action: Action,
    /// Why, if it was not committed.
    pub cause: Option<Cause>,
    /// Tensor and place of the number that was not finite.
    pub fault: Option<(usize, Fault)>,
    /// Norm of the gradient over all tensors, before it was clipped.
    pub gradient_norm: f64,
    /// Root mean square over all elements of what was changed, without noise.
    pub update_rms: f64,
    /// Root mean square of the noise over that of the rest; 0 without noise.
    pub noise_ratio: f64,
    /// A preconditioner was updated.
    pub preconditioner_updated: bool,
    /// A preconditioner was about to become singular and went back to its initial scale.
    pub preconditioner_reset: bool,
    /// Smallest |diagonal| and largest |element| of the preconditioners' factors.
    pub factor_range: Option<(f64, f64)>,
    /// Robust z of the loss.
    pub score: Option<f64>,
    /// Parameters and state are those of a snapshot now.
    pub restored: bool,
}

/// A state to go back to.
struct Snapshot {
    count: u64,
    parameters: Vec<Owned>,
    memory: Vec<u8>,
    aside: Aside,
}

/// An optimiser: rules for all tensors, and the guard.
pub struct Stepper {
    tensors: Vec<Tensor>,
    slots: Vec<Box<dyn Slot>>,
    settings: StepperSettings,
    guard: Option<Guard>,
    snapshots: VecDeque<Snapshot>,
    /// No snapshot was taken since the last rollback.
    fallen: bool,
    count: u64,
    /// Rollbacks so far: part of the key of random numbers, so that the same noise is not drawn again.
    epoch: u64,
}

impl Stepper {
    /// For these tensors; `method` must suit each of them.
    pub fn new(method: &Method, tensors: Vec<Tensor>, settings: StepperSettings) -> Result<Self, Error> {
        method.check()?;
        if let Some(norm) = settings.clip_norm {
            positive("clipNorm", norm)?;
        }
        if let Some(norm) = settings.update_cap {
            positive("updateCap", norm)?;
        }
        if let Some(guard) = &settings.guard {
            guard.check()?;
        }
        let slots = tensors
            .iter()
            .map(|tensor| {
                if tensor.is_empty() {
                    return Err(unsuitable(&tensor.name, "it has no elements"));
                }
                method.slot(tensor)
            })
            .collect::<Result<_, Error>>()?;
        let guard = settings.guard.map(Guard::new);
        Ok(Self { tensors, slots, settings, guard, snapshots: VecDeque::new(), fallen: false, count: 0, epoch: 0 })
    }

    /// The tensors.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Steps committed.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Rollbacks carried out.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The guard's counters.
    pub fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }

    /// The step of tensor `at` as far as it is known without its arrays.
    fn step_of(&self, at: usize, rates: Rates, told: &Told, survey: Survey, gradient_scale: f64) -> Step {
        let multiplier = self.guard.as_ref().map_or(1.0, |guard| guard.multiplier);
        Step {
            count: self.count,
            lr: rates.lr * multiplier,
            decay: rates.decay,
            gradient_scale,
            temperature: told.temperature,
            seed: self.settings.seed.wrapping_add(self.epoch.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            tensor: at as u32,
            survey,
        }
    }

    /// Whether the next step needs the Hessian's products with a probe; writes it.
    pub fn probe(&mut self, mut v: Option<&mut [PartsMut<'_>]>) -> bool {
        let mut wanted = false;
        for at in 0..self.slots.len() {
            let step = self.step_of(at, Rates::default(), &Told::default(), Survey::default(), 1.0);
            let to = v.as_mut().map(|v| match &mut v[at] {
                PartsMut::F32(parts) => PartsMut::F32(parts),
                PartsMut::F64(parts) => PartsMut::F64(parts),
            });
            wanted |= self.slots[at].probe(&step, to);
        }
        wanted
    }

    /// One step: parameters change if and only if the report says `Commit` or `restored`. All slices are in the order of
    /// the tensors.
    pub fn step(
        &mut self,
        parameters: &mut [PartsMut<'_>],
        gradients: &[Parts<'_>],
        probes: Option<&[ProbeParts<'_>]>,
        rates: &[Rates],
        told: &Told,
    ) -> Result<Report, Error> {
        self.fit(parameters, gradients, probes, rates)?;
        let mut report = Report {
            action: Action::Halt,
            cause: None,
            fault: None,
            gradient_norm: f64::NAN,
            update_rms: 0.0,
            noise_ratio: 0.0,
            preconditioner_updated: false,
            preconditioner_reset: false,
            factor_range: None,
            score: None,
            restored: false,
        };
        if self.guard.as_ref().is_some_and(Guard::halted) {
            return Ok(report);
        }
        let mut surveys = Vec::with_capacity(self.slots.len());
        for (at, slot) in self.slots.iter().enumerate() {
            match slot.survey(parameters[at].shared(), gradients[at]) {
                Ok(survey) => surveys.push(survey),
                Err(fault) => {
                    // A parameter is worse than any gradient: the first of either, but parameters first.
                    let worse = report
                        .fault
                        .is_none_or(|(_, known)| fault.what == What::Parameter && known.what != What::Parameter);
                    if worse {
                        report.fault = Some((at, fault));
                    }
                }
            }
        }
        report.cause = self.objection(told, &mut report);
        if report.cause.is_none() {
            for (at, slot) in self.slots.iter().enumerate() {
                slot.admits(parameters[at].shared()).map_err(|error| Error {
                    message: format!("tensor '{}': {}", self.tensors[at].name, error.message),
                    ..error
                })?;
            }
        }
        let mut steps = Vec::new();
        let mut proposals = Vec::new();
        if report.cause.is_none() {
            let norms = surveys.iter().map(|survey| survey.gradient_norm);
            report.gradient_norm = norms.fold(0.0, f64::hypot).min(f64::MAX);
            if report.gradient_norm <= told.tolerance {
                report.action = Action::Rest;
                return Ok(report);
            }
            let clip = self.settings.clip_norm.map_or(1.0, |most| (most / report.gradient_norm).min(1.0));
            steps = (0..self.slots.len()).map(|at| self.step_of(at, rates[at], told, surveys[at], clip)).collect();
            for (at, slot) in self.slots.iter_mut().enumerate() {
                let probe = probes.map(|probes| probes[at]);
                match slot.propose(&steps[at], parameters[at].shared(), gradients[at], probe) {
                    Ok(proposal) => proposals.push(proposal),
                    Err(fault) => {
                        let probe = fault.what == What::Probe;
                        report.cause = Some(if probe { Cause::Probe } else { Cause::Candidate });
                        report.fault = Some((at, fault));
                        break;
                    }
                }
            }
        }
        report.action = match &mut self.guard {
            Some(guard) => guard.decide(report.cause, told.loss, !self.snapshots.is_empty()),
            None if report.cause.is_none() => Action::Commit { snapshot: false },
            None => Action::Skip,
        };
        match report.action {
            Action::Commit { snapshot } => {
                self.commit(parameters, gradients, &steps, &proposals, &mut report);
                if snapshot {
                    self.remember(parameters);
                }
            }
            Action::Skip | Action::Backoff | Action::Rest => {}
            Action::Rollback | Action::Halt => {
                report.restored = self.restore(parameters)?;
            }
        }
        Ok(report)
    }

    /// What speaks against a step before it is computed.
    fn objection(&self, told: &Told, report: &mut Report) -> Option<Cause> {
        if let Some((_, fault)) = report.fault
            && fault.what == What::Parameter
        {
            return Some(Cause::Parameter);
        }
        if told.overflow && !told.scale_exhausted {
            return Some(Cause::Overflow);
        }
        if told.loss.is_some_and(|loss| !loss.is_finite()) {
            return Some(Cause::Loss);
        }
        if report.fault.is_some() || told.overflow {
            return Some(Cause::Gradient);
        }
        if told.solver_failed {
            return Some(Cause::Solver);
        }
        let (guard, loss) = (self.guard.as_ref()?, told.loss?);
        report.score = guard.score(loss);
        guard.spikes(loss).then_some(Cause::Spike)
    }

    fn commit(
        &mut self,
        parameters: &mut [PartsMut<'_>],
        gradients: &[Parts<'_>],
        steps: &[Step],
        proposals: &[Proposal],
        report: &mut Report,
    ) {
        let squares: f64 = proposals.iter().map(|proposal| proposal.update_squares).sum();
        let scale = self
            .settings
            .update_cap
            .map_or(1.0, |most| if squares > most * most { most / squares.sqrt() } else { 1.0 });
        let mut total = Change::default();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let change = slot.commit(&steps[at], &mut parameters[at], gradients[at], scale);
            total.squares += change.squares;
            total.noise_squares += change.noise_squares;
        }
        let elements: usize = self.tensors.iter().map(Tensor::len).sum();
        let squares = total.squares.min(f64::MAX);
        report.update_rms = (squares / elements as f64).sqrt();
        if total.noise_squares > 0.0 {
            report.noise_ratio = (total.noise_squares.min(f64::MAX) / squares.max(1e-300)).sqrt().min(f64::MAX);
        }
        report.preconditioner_updated = proposals.iter().any(|proposal| proposal.preconditioner_updated);
        report.preconditioner_reset = proposals.iter().any(|proposal| proposal.preconditioner_reset);
        report.factor_range = proposals
            .iter()
            .filter_map(|proposal| proposal.factor_range)
            .reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)));
        self.count += 1;
    }

    /// Takes a snapshot; the oldest one goes if there are too many.
    fn remember(&mut self, parameters: &[PartsMut<'_>]) {
        let memory = self.memory();
        let Some(guard) = &self.guard else { return };
        let snapshot = Snapshot {
            count: self.count,
            parameters: parameters.iter().map(|parts| Owned::of(parts.shared())).collect(),
            memory,
            aside: guard.aside(),
        };
        if self.snapshots.len() >= guard.snapshots() {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back(snapshot);
        self.fallen = false;
    }

    /// Goes back to the last snapshot, or to the one before if that has failed already; false if there is none.
    fn restore(&mut self, parameters: &mut [PartsMut<'_>]) -> Result<bool, Error> {
        if self.fallen && self.snapshots.len() > 1 {
            self.snapshots.pop_back();
        }
        let Some(snapshot) = self.snapshots.pop_back() else { return Ok(false) };
        for (from, to) in snapshot.parameters.iter().zip(parameters) {
            copy(from.parts(), to);
        }
        let mut reader = Reader::new(&snapshot.memory);
        self.slots.iter_mut().for_each(|slot| slot.load(&mut reader));
        reader.finish()?;
        if let Some(guard) = &mut self.guard {
            guard.restored(&snapshot.aside);
        }
        self.count = snapshot.count;
        self.epoch += 1;
        self.fallen = true;
        self.snapshots.push_back(snapshot);
        Ok(true)
    }

    /// The rules' memory.
    fn memory(&mut self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.slots.iter_mut().for_each(|slot| slot.save(&mut writer));
        writer.bytes
    }

    /// Everything that later steps depend on, but the parameters.
    pub fn save(&mut self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.counters(&mut writer);
        self.slots.iter_mut().for_each(|slot| slot.save(&mut writer));
        if let Some(guard) = &mut self.guard {
            guard.state(&mut writer);
        }
        let mut held = self.snapshots.len() as u64;
        State::<f64>::whole(&mut writer, "snapshots", &mut held);
        for snapshot in &mut self.snapshots {
            State::<f64>::whole(&mut writer, "count", &mut snapshot.count);
            for parameter in &mut snapshot.parameters {
                parameter.state("parameter", &mut writer);
            }
            if let Some(settings) = &self.settings.guard {
                snapshot.aside.state(&mut writer, settings);
            }
            writer.bytes.extend(&snapshot.memory);
        }
        writer.bytes
    }

    /// Takes what [`Self::save`] gave, of an optimiser with the same method, tensors and guard. After an error the stepper
    /// is not to be used.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::new(bytes);
        self.counters(&mut reader);
        self.slots.iter_mut().for_each(|slot| slot.load(&mut reader));
        if let Some(guard) = &mut self.guard {
            guard.state(&mut reader);
        }
        let mut held = 0;
        State::<f64>::whole(&mut reader, "snapshots", &mut held);
        let most = self.guard.as_ref().map_or(0, Guard::snapshots);
        self.snapshots.clear();
        // A walk over the rules is how a snapshot's memory is read, so the present one is kept aside.
        let now = self.memory();
        for _ in 0..(held as usize).min(most) {
            let Some(settings) = &self.settings.guard else { break };
            let mut aside = Aside::default();
            let mut count = 0;
            State::<f64>::whole(&mut reader, "count", &mut count);
            let mut parameters: Vec<Owned> = self
                .tensors
                .iter()
                .map(|tensor| {
                    let parts = tensor.parts();
                    if tensor.double { Owned::F64(vec![0.0; parts]) } else { Owned::F32(vec![0.0; parts]) }
                })
                .collect();
            for parameter in &mut parameters {
                parameter.state("parameter", &mut reader);
            }
            aside.state(&mut reader, settings);
            self.slots.iter_mut().for_each(|slot| slot.load(&mut reader));
            let memory = self.memory();
            self.snapshots.push_back(Snapshot { count, parameters, memory, aside });
        }
        let mut again = Reader::new(&now);
        self.slots.iter_mut().for_each(|slot| slot.load(&mut again));
        again.finish()?;
        reader.finish()
    }

    fn counters(&mut self, state: &mut dyn State<f64>) {
        let mut fallen = u64::from(self.fallen);
        state.whole("count", &mut self.count);
        state.whole("epoch", &mut self.epoch);
        state.whole("fallen", &mut fallen);
        self.fallen = fallen != 0;
    }

    fn fit(
        &self,
        parameters: &[PartsMut<'_>],
        gradients: &[Parts<'_>],
        probes: Option<&[ProbeParts<'_>]>,
        rates: &[Rates],
    ) -> Result<(), Error> {
        let count = self.tensors.len();
        if parameters.len() != count
            || gradients.len() != count
            || rates.len() != count
            || probes.is_some_and(|p| p.len() != count)
        {
            return Err(Error::new("shape-mismatch", format!("there are {count} tensors; give every array for each")));
        }
        for (at, tensor) in self.tensors.iter().enumerate() {
            let fits = |what: &str, parts: Parts<'_>| {
                let (double, length) = match parts {
                    Parts::F32(parts) => (false, parts.len()),
                    Parts::F64(parts) => (true, parts.len()),
                };
                let name = &tensor.name;
                if double != tensor.double {
                    let words = ["32", "64"].map(|bits| format!("Float{bits}Array"));
                    let [got, wanted] = [double, tensor.double].map(|double| &words[usize::from(double)]);
                    return Err(Error::new(
                        "dtype-mismatch",
                        format!("the {what} of '{name}' is a {got}; the tensor is a {wanted}"),
                    ));
                }
                if length != tensor.parts() {
                    let wanted = tensor.parts();
                    return Err(Error::new(
                        "shape-mismatch",
                        format!("the {what} of '{name}' has {length} numbers instead of {wanted}"),
                    ));
                }
                Ok(())
            };
            fits("parameter", parameters[at].shared())?;
            fits("gradient", gradients[at])?;
            if let Some(probes) = probes {
                fits("probe", probes[at].v)?;
                fits("Hessian's product", probes[at].h)?;
            }
        }
        Ok(())
    }
}
