//! Bad input, and what a result's reader should know.

use std::fmt;

/// Input that an engine refuses, found before any work is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// Stable kebab-case code, for example `uncertainty-not-positive`.
    pub code: &'static str,
    /// What was expected, what came, what to do.
    pub message: String,
    /// 0-based row of the offending cell.
    pub row: Option<usize>,
    /// 0-based column of the offending cell.
    pub col: Option<usize>,
    /// The largest (or smallest) value that would be accepted, where that is a number.
    pub limit: Option<f64>,
    /// What to do about it, where that is not in the message.
    pub hint: Option<String>,
}

impl Error {
    /// An error without a position.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), row: None, col: None, limit: None, hint: None }
    }

    /// The same error, naming the cell it is about (0-based).
    #[must_use]
    pub fn at(mut self, row: usize, col: usize) -> Self {
        self.row = Some(row);
        self.col = Some(col);
        self
    }

    /// The same error, naming the limit that was exceeded.
    #[must_use]
    pub fn with_limit(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same error, saying what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

/// Something about a result that its reader must know: what the data cannot tell, what is not unique.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Stable kebab-case code: `row-without-data`, `column-without-data`, `row-not-identified`,
    /// `not-unique`, `dead-factor`, …
    pub code: &'static str,
    /// 0-based row, column or factor, as the code says; `None` where the whole result is meant.
    pub index: Option<usize>,
    /// The same in words.
    pub message: String,
}
