//! Real and complex numbers: which half of a pair of variants a generic function is about.

use headwater_solve::{Complex64, Outcome, Scalar};

use super::operator::{Held, Operand};
use super::preconditioner::{Factor, Inverse};
use super::values::{self, Solved};

/// A number type of the engine.
pub trait Number: Scalar {
    /// A vector from JavaScript, interleaved where it is complex.
    fn from_reals(reals: &[f64]) -> Vec<Self>;
    /// The numbers of a vector, interleaved where it is complex.
    fn into_reals(x: Vec<Self>) -> Vec<f64>;
    /// The operator, if it is of this type.
    fn operator(operand: &Operand) -> Option<&Held<Self>>;
    /// The preconditioner, if it is of this type.
    fn factor(inverse: &Inverse) -> Option<&Factor<Self>>;
    /// An operator of this type.
    fn operand(held: Held<Self>) -> Operand;
    /// A preconditioner of this type.
    fn inverse(factor: Factor<Self>) -> Inverse;
    /// The outcome with its vectors as JavaScript has them.
    fn solved(outcome: Outcome<Self>) -> Solved {
        values::plain(outcome)
    }
}

impl Number for f64 {
    fn from_reals(reals: &[f64]) -> Vec<Self> {
        reals.to_vec()
    }
    fn into_reals(x: Vec<Self>) -> Vec<f64> {
        x
    }
    fn operator(operand: &Operand) -> Option<&Held<Self>> {
        if let Operand::Real(held) = operand { Some(held) } else { None }
    }
    fn factor(inverse: &Inverse) -> Option<&Factor<Self>> {
        if let Inverse::Real(factor) = inverse { Some(factor) } else { None }
    }
    fn operand(held: Held<Self>) -> Operand {
        Operand::Real(held)
    }
    fn inverse(factor: Factor<Self>) -> Inverse {
        Inverse::Real(factor)
    }
}

impl Number for Complex64 {
    fn from_reals(reals: &[f64]) -> Vec<Self> {
        reals.chunks_exact(2).map(|pair| Self::new(pair[0], pair[1])).collect()
    }
    fn into_reals(x: Vec<Self>) -> Vec<f64> {
        Self::reals(&x).to_vec()
    }
    fn operator(operand: &Operand) -> Option<&Held<Self>> {
        if let Operand::Complex(held) = operand { Some(held) } else { None }
    }
    fn factor(inverse: &Inverse) -> Option<&Factor<Self>> {
        if let Inverse::Complex(factor) = inverse { Some(factor) } else { None }
    }
    fn operand(held: Held<Self>) -> Operand {
        Operand::Complex(held)
    }
    fn inverse(factor: Factor<Self>) -> Inverse {
        Inverse::Complex(factor)
    }
}
