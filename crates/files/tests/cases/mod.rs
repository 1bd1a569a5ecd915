//! Files that are sound, odd, broken, or made to do harm, each with a word that says what it is.

pub mod numpy;
pub mod safetensors;
