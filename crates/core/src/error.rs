//! The one error type: a variant per cause, each with a stable code.

use std::fmt;

/// Why an operation could not be done. Every message reads
/// `op: what was given; what was expected. Hint.`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Sizes do not fit.
    Shape(String),
    /// An element type does not fit.
    DType(String),
    /// An index lies outside its axis.
    Index(String),
    /// A value of an argument is out of range.
    Value(String),
    /// Something that a trace cannot hold, or that only makes sense in one.
    Trace(String),
    /// A gradient that cannot be computed.
    Grad(String),
    /// A tensor that is gone: freed, of another environment, or overwritten by a later run.
    Disposed(String),
    /// State that a running training owns.
    Busy(String),
    /// A loss that was fed the wrong kind of prediction.
    LossInput(String),
    /// The first value that was not finite.
    Anomaly(String),
    /// The program does not fit the call and has to be traced again; never reaches a user.
    GuardMiss(String),
    /// The device failed or has no memory left.
    Device(String),
    /// A file that cannot be opened, read or written.
    File(String),
    /// A file whose content is not what it should be.
    Format(String),
    /// A defect of this library.
    Internal(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The stable code carried to JavaScript.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Shape(_) => "ERR_SHAPE",
            Self::DType(_) => "ERR_DTYPE",
            Self::Index(_) => "ERR_INDEX",
            Self::Value(_) => "ERR_VALUE",
            Self::Trace(_) => "ERR_TRACE",
            Self::Grad(_) => "ERR_GRAD",
            Self::Disposed(_) => "ERR_DISPOSED",
            Self::Busy(_) => "ERR_BUSY",
            Self::LossInput(_) => "ERR_LOSS_INPUT",
            Self::Anomaly(_) => "ERR_ANOMALY",
            Self::GuardMiss(_) => "ERR_GUARD_MISS",
            Self::Device(_) => "ERR_DEVICE",
            Self::File(_) => "ERR_FILE",
            Self::Format(_) => "ERR_FORMAT",
            Self::Internal(_) => "ERR_INTERNAL",
        }
    }

    pub fn message(&self) -> &str {
        self.parts().0
    }

    /// The same error with `where_` in front of its message.
    #[must_use]
    pub fn within(self, where_: &str) -> Self {
        if where_.is_empty() {
            return self;
        }
        let (message, rebuild) = self.parts();
        rebuild(format!("{where_}: {message}"))
    }

    /// The same error with the op that the user called in front, where the message names only one
    /// that it is made of.
    #[must_use]
    pub fn of(self, op: &str) -> Self {
        let named = self.message().strip_prefix(op).is_some_and(|rest| rest.starts_with(':'));
        if named { self } else { self.within(op) }
    }

    /// The same error with the source line it came from.
    #[must_use]
    pub fn at(self, site: &str) -> Self {
        let (message, rebuild) = self.parts();
        rebuild(format!("{message} (at {site})"))
    }

    fn parts(&self) -> (&str, fn(String) -> Self) {
        match self {
            Self::Shape(m) => (m, Self::Shape),
            Self::DType(m) => (m, Self::DType),
            Self::Index(m) => (m, Self::Index),
            Self::Value(m) => (m, Self::Value),
            Self::Trace(m) => (m, Self::Trace),
            Self::Grad(m) => (m, Self::Grad),
            Self::Disposed(m) => (m, Self::Disposed),
            Self::Busy(m) => (m, Self::Busy),
            Self::LossInput(m) => (m, Self::LossInput),
            Self::Anomaly(m) => (m, Self::Anomaly),
            Self::GuardMiss(m) => (m, Self::GuardMiss),
            Self::Device(m) => (m, Self::Device),
            Self::File(m) => (m, Self::File),
            Self::Format(m) => (m, Self::Format),
            Self::Internal(m) => (m, Self::Internal),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code(), self.message())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_op_that_was_called_stands_in_front_once() {
        let inner = Error::Shape("matmul: inner dims 2 ≠ 3".into());
        assert_eq!(inner.clone().of("matmul").message(), "matmul: inner dims 2 ≠ 3");
        assert_eq!(inner.of("mm").within("block.1").message(), "block.1: mm: matmul: inner dims 2 ≠ 3");
    }
}
