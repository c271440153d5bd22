//! The six outcomes of a numerical call.

use std::fmt;

/// What the returned point is. Bad input is an [`crate::Error`], never a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// A local minimum, proven by the certificate that comes with it.
    Converged,
    /// First-order stationary, but a direction of descent through negative curvature is known.
    Saddle,
    /// An optimum at the edge of the allowed region of a hyperparameter.
    Boundary,
    /// No further decrease could be made, and the certificate is not met.
    Stalled,
    /// A limit on iterations or work ended the run before the certificate was met.
    Budget,
    /// The caller asked to stop; the point is the best one so far.
    Aborted,
}

impl Status {
    /// The word used in JSON and in the TypeScript API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Saddle => "saddle",
            Self::Boundary => "boundary",
            Self::Stalled => "stalled",
            Self::Budget => "budget",
            Self::Aborted => "aborted",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
