//! The little JSON that reports are made of.

use std::fmt::Write;

/// A string literal.
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes everything");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A number; what JSON has no word for becomes null.
pub fn number(number: f64) -> String {
    if number.is_finite() { number.to_string() } else { "null".to_owned() }
}

/// An array of literals.
pub fn array(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

/// An object of names and literals.
pub fn object<const N: usize>(fields: [(&str, String); N]) -> String {
    let fields: Vec<String> =
        fields.into_iter().map(|(name, literal)| format!("{}:{literal}", string(name))).collect();
    format!("{{{}}}", fields.join(","))
}
