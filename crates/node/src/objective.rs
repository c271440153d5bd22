//! What a fit minimises, as it comes from TypeScript: the loss, and which cells are censored.

use headwater_base::Error;
use headwater_pmf::{Loss, Problem};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

/// The objective. Absent: the plain sum of squares.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct NativeObjective {
    /// α of Huber's loss.
    pub huber: Option<f64>,
    /// Degrees of freedom of Student's loss.
    pub student: Option<f64>,
    /// rows × cols: 1 where a cell is known only to lie below its value.
    pub censored: Option<Uint8Array>,
}

/// The same, copied.
pub struct Objective {
    /// Of the misfits.
    pub loss: Loss,
    /// Empty: none.
    pub censored: Vec<bool>,
}

impl NativeObjective {
    /// Copies what it refers to.
    pub fn into_objective(self) -> Result<Objective, Error> {
        let loss = match (self.huber, self.student) {
            (None, None) => Loss::Squares,
            (Some(alpha), None) => Loss::Huber { alpha },
            (None, Some(freedom)) => Loss::Student { freedom },
            (Some(_), Some(_)) => {
                return Err(Error::new("options-conflict", "one loss at a time: alpha, or student"));
            }
        };
        let censored = self.censored.map_or_else(Vec::new, |flags| flags.iter().map(|flag| *flag != 0).collect());
        Ok(Objective { loss, censored })
    }
}

impl Objective {
    /// The problem with this objective.
    pub fn apply(&self, problem: Problem) -> Result<Problem, Error> {
        let problem = if self.censored.is_empty() { problem } else { problem.with_censored(&self.censored)? };
        if self.loss == Loss::Squares { Ok(problem) } else { problem.with_loss(self.loss) }
    }
}
