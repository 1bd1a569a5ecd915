//! The N-API boundary.
