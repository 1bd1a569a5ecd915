//! Shape rules, backward rules and builder functions, one file a family.

pub mod math;
pub mod table;
