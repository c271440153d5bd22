//! One tensor with its rule, whatever its type of number.

use headwater_base::Error;

use crate::number::{Number, Parts, PartsMut};
use crate::rule::{Change, Fault, Probe, Proposal, Rule, Step, Survey, What, check};
use crate::survey::Surveyed;
use crate::{memory, rule};

/// v and h of a probe, as parts.
#[derive(Clone, Copy, Debug)]
pub struct ProbeParts<'a> {
    /// Direction.
    pub v: Parts<'a>,
    /// The Hessian's product with it.
    pub h: Parts<'a>,
}

/// A tensor's rule behind a common face. Arrays have the tensor's type and length: the stepper has checked that.
pub trait Slot: Send {
    /// See [`Rule::admits`].
    fn admits(&self, parameter: Parts<'_>) -> Result<(), Error>;
    /// One pass over parameter and gradient.
    fn survey(&self, parameter: Parts<'_>, gradient: Parts<'_>) -> Result<Survey, Fault>;
    /// See [`Rule::propose`].
    fn propose(
        &mut self,
        step: &Step,
        parameter: Parts<'_>,
        gradient: Parts<'_>,
        probe: Option<ProbeParts<'_>>,
    ) -> Result<Proposal, Fault>;
    /// See [`Rule::commit`].
    fn commit(&mut self, step: &Step, parameter: &mut PartsMut<'_>, gradient: Parts<'_>, scale: f64) -> Change;
    /// Whether the next step needs a probe; v is written if there is a place for it.
    fn probe(&mut self, step: &Step, v: Option<PartsMut<'_>>) -> bool;
    /// The rule's memory, appended.
    fn save(&mut self, to: &mut memory::Writer);
    /// The rule's memory, replaced.
    fn load(&mut self, from: &mut memory::Reader<'_>);
    /// Bytes of a number and numbers of an element.
    fn width(&self) -> (usize, usize);
}

/// A rule of numbers of type T.
pub struct Typed<T: Number> {
    rule: Box<dyn Rule<T>>,
    v: Vec<T>,
}

impl<T: Number> Typed<T>
where
    T::Real: Surveyed,
{
    /// Behind the common face.
    pub fn boxed(rule: Box<dyn Rule<T>>) -> Box<dyn Slot> {
        Box::new(Self { rule, v: Vec::new() })
    }
}

fn view<T: Number>(parts: Parts<'_>) -> &[T] {
    let parts = <T::Real as crate::number::Real>::of(parts).expect("the stepper has checked the type");
    T::of_reals(parts)
}

fn view_mut<'a, T: Number>(parts: &'a mut PartsMut<'_>) -> &'a mut [T] {
    let parts = <T::Real as crate::number::Real>::of_mut(parts).expect("the stepper has checked the type");
    T::of_reals_mut(parts)
}

impl<T: Number> Slot for Typed<T>
where
    T::Real: Surveyed,
{
    fn admits(&self, parameter: Parts<'_>) -> Result<(), Error> {
        self.rule.admits(view(parameter))
    }

    fn survey(&self, parameter: Parts<'_>, gradient: Parts<'_>) -> Result<Survey, Fault> {
        let (theta, g) = (T::reals(view::<T>(parameter)), T::reals(view::<T>(gradient)));
        let (of_theta, of_g) = (T::Real::extent(theta), T::Real::extent(g));
        if !of_theta.finite {
            check(What::Parameter, theta)?;
        }
        if !of_g.finite {
            check(What::Gradient, g)?;
        }
        Ok(Survey { gradient_peak: of_g.peak, gradient_norm: of_g.norm, parameter_peak: of_theta.peak })
    }

    fn propose(
        &mut self,
        step: &Step,
        parameter: Parts<'_>,
        gradient: Parts<'_>,
        probe: Option<ProbeParts<'_>>,
    ) -> Result<Proposal, Fault> {
        let probe = match probe {
            None => None,
            Some(ProbeParts { v, h }) => {
                let (v, h) = (view::<T>(v), view::<T>(h));
                check(What::Probe, T::reals(v))?;
                check(What::Probe, T::reals(h))?;
                Some(Probe { v, h })
            }
        };
        self.rule.propose(step, view(parameter), view(gradient), probe)
    }

    fn commit(&mut self, step: &Step, parameter: &mut PartsMut<'_>, gradient: Parts<'_>, scale: f64) -> Change {
        self.rule.commit(step, view_mut(parameter), view(gradient), scale)
    }

    fn probe(&mut self, step: &Step, v: Option<PartsMut<'_>>) -> bool {
        let wanted = self.rule.probe(step, &mut self.v);
        if let Some(mut to) = v {
            let to: &mut [T] = view_mut(&mut to);
            if wanted {
                to.copy_from_slice(&self.v);
            } else {
                to.fill(T::default());
            }
        }
        wanted
    }

    fn save(&mut self, to: &mut memory::Writer) {
        self.rule.state(to);
    }

    fn load(&mut self, from: &mut memory::Reader<'_>) {
        self.rule.state(from);
    }

    fn width(&self) -> (usize, usize) {
        (size_of::<T::Real>(), T::PARTS)
    }
}

/// A setting that does not suit a tensor.
pub fn unsuitable(name: &str, message: &str) -> Error {
    Error::new("tensor-not-suitable", format!("tensor '{name}': {message}"))
}

/// Copies `from` over `to`, which have the same type and length.
pub fn copy(from: Parts<'_>, to: &mut PartsMut<'_>) {
    match (from, to) {
        (Parts::F32(from), PartsMut::F32(to)) => to.copy_from_slice(from),
        (Parts::F64(from), PartsMut::F64(to)) => to.copy_from_slice(from),
        _ => unreachable!("the stepper has checked the type"),
    }
}

/// A copy of parts.
#[derive(Clone, Debug)]
pub enum Owned {
    /// In single precision.
    F32(Vec<f32>),
    /// In double precision.
    F64(Vec<f64>),
}

impl Owned {
    /// Of `parts`.
    pub fn of(parts: Parts<'_>) -> Self {
        match parts {
            Parts::F32(parts) => Self::F32(parts.to_vec()),
            Parts::F64(parts) => Self::F64(parts.to_vec()),
        }
    }

    /// To be read.
    pub fn parts(&self) -> Parts<'_> {
        match self {
            Self::F32(parts) => Parts::F32(parts),
            Self::F64(parts) => Parts::F64(parts),
        }
    }

    /// Shows it to a walk over an optimiser's memory.
    pub fn state(&mut self, name: &'static str, walk: &mut dyn Walk) {
        match self {
            Self::F32(parts) => rule::State::<f32>::array(walk, name, parts),
            Self::F64(parts) => rule::State::<f64>::array(walk, name, parts),
        }
    }
}

/// A walk over memory of both precisions.
pub trait Walk: rule::State<f32> + rule::State<f64> {}
impl Walk for memory::Writer {}
impl Walk for memory::Reader<'_> {}
