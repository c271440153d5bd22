//! Weighted non-negative matrix factorisation of data with known uncertainties (positive matrix
//! factorisation, PMF): minimise Q = Σ Ω∘(V − WH)², Ω = 1/U², over W, H ≥ 0, and prove that it is a minimum.

mod analysis;
mod settings;
mod solution;
mod standin;

pub use analysis::{Analysis, AnalysisInput, Fit, LARGE_RESIDUAL, LargeResidual, Normality, Regression, analyze};
pub use settings::{Initial, Initialization, Method, Settings, Starts, Stop};
pub use solution::{Basin, Certificate, Factorization, Origin, Solution, StartReport, Verdict};
pub use standin::{Problem, certify, factorize};
