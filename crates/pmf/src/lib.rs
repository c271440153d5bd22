//! Weighted non-negative matrix factorisation of data with known uncertainties (positive matrix
//! factorisation, PMF): minimise Q = Σ Ω∘(V − WH)², Ω = 1/U², over W, H ≥ 0, and prove that it is a minimum.

mod analysis;
mod anls;
mod assignment;
mod basins;
mod block;
mod canonical;
mod curvature;
mod dead;
mod displacement;
mod escape;
mod factorize;
mod first_order;
mod judge;
mod kernels;
mod lanczos;
mod laplace;
mod loss;
mod mass;
mod model;
mod newton;
mod normality;
mod piece;
mod pinned;
mod pins;
mod problem;
mod projected;
mod reduced;
mod run;
mod schur;
mod settings;
mod simple;
mod solution;
mod start;
mod weights;

pub use analysis::{Analysis, AnalysisInput, Fit, LARGE_RESIDUAL, LargeResidual, Regression, analyze};
pub use displacement::{Displaced, Displacement, DisplacementSettings, End, EndKind, displace};
pub use factorize::{certify, factorize};
pub use laplace::{ErrorSettings, Estimated, StandardErrors, standard_errors};
pub use loss::Loss;
pub use mass::MassRegression;
pub use normality::Normality;
pub use problem::Problem;
pub use settings::{Initial, Initialization, Method, Settings, Starts, Stop};
pub use solution::{Basin, Certificate, CurvatureBound, Factorization, Origin, Solution, StartReport, Verdict};
pub use weights::{CellWeights, Downweighted, cell_weights};
