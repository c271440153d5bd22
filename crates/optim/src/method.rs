//! The methods and their settings; which rule a tensor gets.

use headwater_base::Error;

use crate::adafactor::{Adafactor, AdafactorRule};
use crate::adamw::AdamW;
use crate::constrained::{Constraint, NonNegative, Stiefel};
use crate::elementwise::Elementwise;
use crate::kron::{self, KronPsgd};
use crate::lion::Lion;
use crate::muon::{Muon, MuonRule, Rated};
use crate::number::{Complex32, Complex64, Number};
use crate::rule::Rule;
use crate::sgd::Sgd;
use crate::slot::{Slot, Typed, unsuitable};
use crate::stepper::Tensor;
use crate::survey::Surveyed;
use crate::{adamw, lion, sgd};

/// A method with its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Gradient descent, momentum, Langevin dynamics.
    Sgd(Sgd),
    /// AdamW, preconditioned Langevin dynamics.
    AdamW(AdamW),
    /// Lion.
    Lion(Lion),
    /// Muon.
    Muon(Muon),
    /// Adafactor.
    Adafactor(Adafactor),
    /// Kron-PSGD.
    KronPsgd(Box<kron::Settings>),
}

impl Method {
    /// Refuses settings outside their ranges.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Self::Sgd(settings) => settings.check(),
            Self::AdamW(settings) => settings.check(),
            Self::Lion(settings) => settings.check(),
            Self::Muon(settings) => settings.check(),
            Self::Adafactor(settings) => settings.check(),
            Self::KronPsgd(settings) => settings.check(),
        }
    }

    /// The rule of one tensor.
    pub(crate) fn slot(&self, tensor: &Tensor) -> Result<Box<dyn Slot>, Error> {
        Ok(match (tensor.double, tensor.complex) {
            (false, false) => Typed::boxed(self.rule::<f32>(tensor)?),
            (true, false) => Typed::boxed(self.rule::<f64>(tensor)?),
            (false, true) => Typed::boxed(self.rule::<Complex32>(tensor)?),
            (true, true) => Typed::boxed(self.rule::<Complex64>(tensor)?),
        })
    }

    fn rule<T: Number>(&self, tensor: &Tensor) -> Result<Box<dyn Rule<T>>, Error>
    where
        T::Real: Surveyed + adamw::Kernel + sgd::Kernel + lion::Kernel,
    {
        let size = tensor.len();
        let rule: Box<dyn Rule<T>> = match self {
            Self::Sgd(settings) => Box::new(Elementwise::new(*settings, size)),
            Self::AdamW(settings) => Box::new(Elementwise::new(*settings, size)),
            Self::Lion(settings) => Box::new(Elementwise::new(*settings, size)),
            Self::Muon(settings) => match Muon::sides(&tensor.shape) {
                Some((rows, cols)) => Box::new(MuonRule::new(*settings, rows, cols)),
                None => Box::new(Rated {
                    factor: settings.rest_rate,
                    rule: Box::new(Elementwise::new(settings.rest, size)),
                }),
            },
            Self::Adafactor(settings) => Box::new(AdafactorRule::new(*settings, &tensor.shape)),
            Self::KronPsgd(settings) => {
                Box::new(KronPsgd::new(&tensor.shape, settings).map_err(|error| match error.code {
                    "option-out-of-range" => unsuitable(&tensor.name, &error.message),
                    _ => error,
                })?)
            }
        };
        match (tensor.constraint, &tensor.shape[..]) {
            (None, _) => Ok(rule),
            (Some(Constraint::Stiefel), &[n, p]) if p <= n => Ok(Box::new(Stiefel::new(rule, n, p))),
            (Some(Constraint::Stiefel), _) => {
                let message = "orthonormal columns need a matrix with at least as many rows as columns";
                Err(unsuitable(&tensor.name, message))
            }
            (Some(Constraint::NonNegative), _) if !T::COMPLEX => Ok(Box::new(NonNegative { rule })),
            (Some(Constraint::NonNegative), _) => {
                Err(unsuitable(&tensor.name, "complex numbers cannot be at or above 0"))
            }
        }
    }
}
