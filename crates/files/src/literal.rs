//! The one expression of Python that npy files begin with: a dictionary of three settings. It is parsed, never run.

use neuroxide_core::error::{Error, Result};

use crate::{MAX_RANK, malformed};

/// What the dictionary says.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    pub descr: String,
    pub fortran: bool,
    pub shape: Vec<usize>,
}

const EXPECTED: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}";

/// Reads the header of an npy file.
pub fn parse(text: &str) -> Result<Settings> {
    let mut rest = Rest(text);
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    rest.take('{')?;
    while !rest.skip('}') {
        let key = rest.string()?;
        rest.take(':')?;
        let again = match key {
            "descr" => descr.replace(rest.string()?.to_owned()).is_some(),
            "fortran_order" => fortran.replace(rest.flag()?).is_some(),
            "shape" => shape.replace(rest.sizes()?).is_some(),
            other => return Err(unexpected(&format!("the setting '{}'", shortened(other)))),
        };
        if again {
            return Err(unexpected(&format!("two settings '{key}'")));
        }
        if !rest.skip(',') {
            rest.take('}')?;
            break;
        }
    }
    if !rest.0.trim_matches(BLANKS).is_empty() {
        return Err(unexpected("text behind the settings"));
    }
    match (descr, fortran, shape) {
        (Some(descr), Some(fortran), Some(shape)) => Ok(Settings { descr, fortran, shape }),
        _ => Err(unexpected("settings of which one is missing")),
    }
}

const BLANKS: [char; 5] = [' ', '\t', '\n', '\r', '\x0c'];

/// What has not been read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip(&mut self, token: char) -> bool {
        self.0 = self.0.trim_start_matches(BLANKS);
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn take(&mut self, token: char) -> Result<()> {
        if self.skip(token) {
            Ok(())
        } else {
            Err(unexpected(&format!("no '{token}' at \"{}\"", shortened(self.0))))
        }
    }

    fn string(&mut self) -> Result<&'a str> {
        let quote = ['\'', '"'].into_iter().find(|&quote| self.skip(quote));
        let found = quote.and_then(|quote| self.0.split_once(quote));
        let (text, rest) = found.ok_or_else(|| {
            // A list is how numpy writes the fields of a structured type.
            let what = if self.0.starts_with('[') {
                "elements of several fields"
            } else {
                "something else than a text"
            };
            unexpected(&format!("{what} at \"{}\"", shortened(self.0)))
        })?;
        if text.contains(['\\', '\n']) {
            return Err(unexpected("a text with escapes"));
        }
        self.0 = rest;
        Ok(text)
    }

    fn flag(&mut self) -> Result<bool> {
        self.0 = self.0.trim_start_matches(BLANKS);
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err(unexpected(&format!("no True or False at \"{}\"", shortened(self.0))))
    }

    /// A tuple: `()`, `(3,)`, `(2, 3)`; Python 2 wrote `(3L,)`.
    fn sizes(&mut self) -> Result<Vec<usize>> {
        self.take('(')?;
        let (mut sizes, mut comma) = (Vec::new(), true);
        while !self.skip(')') {
            if !comma || sizes.len() == MAX_RANK {
                return Err(unexpected("a shape that is no tuple of at most 32 sizes"));
            }
            sizes.push(self.size()?);
            comma = self.skip(',');
            if !comma && sizes.len() == 1 {
                return Err(unexpected("a shape that is a number in brackets and no tuple"));
            }
        }
        Ok(sizes)
    }

    fn size(&mut self) -> Result<usize> {
        self.0 = self.0.trim_start_matches(BLANKS);
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        let size = digits.parse().map_err(|_| unexpected(&format!("the size \"{}\"", shortened(self.0))))?;
        self.0 = rest.strip_prefix('L').unwrap_or(rest);
        Ok(size)
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(30).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn unexpected(given: &str) -> Error {
    malformed(format!("an npy header with {given}"), &format!("one like {EXPECTED}"))
}
