//! The ops as the boundary sees them: one table of codes, one function that applies them.
//!
//! The number of exports of the addon does not grow with ops, since every op is a code here. All
//! attributes are f64s in the documented order; `?` marks what may be absent (a NaN). A list is its count
//! followed by its values, an absent list is a NaN in place of the count.

mod losses;
mod products;
mod tensors;

use std::sync::LazyLock;

use crate::composite::Reduction;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::ops::table::{BinaryOp, UnaryOp};

/// What kind of row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKind {
    Unary,
    Binary,
    Other,
}

/// One op of the boundary.
#[derive(Clone, Copy)]
pub struct ApiOp {
    pub name: &'static str,
    pub kind: ApiKind,
    /// Operands in order: `x?` may be absent, `...xs` is any number of them.
    pub operands: &'static [&'static str],
    /// Attributes in order.
    pub attrs: &'static str,
    pub doc: &'static str,
    /// PyTorch's or Keras's name.
    pub torch: &'static str,
    /// Whether gradients flow through it.
    pub gradient: bool,
    run: fn(&mut Builder<'_>, &mut Args<'_>) -> Result<NodeId>,
}

/// Operands and attributes of one call, read in order.
struct Args<'a> {
    name: &'static str,
    operands: &'a [Option<NodeId>],
    attrs: &'a [f64],
    at: usize,
}

impl Args<'_> {
    fn malformed(&self, what: &str) -> Error {
        Error::Internal(format!("{}: {what} is missing or malformed", self.name))
    }

    fn node(&self, index: usize) -> Result<NodeId> {
        self.maybe(index).ok_or_else(|| self.malformed("an operand"))
    }

    fn maybe(&self, index: usize) -> Option<NodeId> {
        self.operands.get(index).copied().flatten()
    }

    fn nodes(&self) -> Result<Vec<NodeId>> {
        (0..self.operands.len()).map(|i| self.node(i)).collect()
    }

    fn number(&mut self) -> Result<f64> {
        let value = self.attrs.get(self.at).copied().ok_or_else(|| self.malformed("an attribute"))?;
        self.at += 1;
        Ok(value)
    }

    fn optional(&mut self) -> Result<Option<f64>> {
        let value = self.number()?;
        Ok(if value.is_nan() { None } else { Some(value) })
    }

    fn whole(&self, value: f64) -> Result<i64> {
        if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
            return Ok(value as i64);
        }
        Err(Error::Value(format!("{}: {value}; expected an integer", self.name)))
    }

    fn int(&mut self) -> Result<i64> {
        let value = self.number()?;
        self.whole(value)
    }

    fn optional_int(&mut self) -> Result<Option<i64>> {
        let value = self.optional()?;
        value.map(|v| self.whole(v)).transpose()
    }

    fn size(&mut self) -> Result<usize> {
        let value = self.int()?;
        usize::try_from(value)
            .map_err(|_| Error::Value(format!("{}: {value}; expected a size of at least 0", self.name)))
    }

    fn flag(&mut self) -> Result<bool> {
        Ok(self.number()? != 0.0)
    }

    fn list(&mut self) -> Result<Option<Vec<i64>>> {
        let Some(count) = self.optional()? else { return Ok(None) };
        (0..count as usize).map(|_| self.int()).collect::<Result<Vec<i64>>>().map(Some)
    }

    fn ints(&mut self) -> Result<Vec<i64>> {
        self.list()?.ok_or_else(|| self.malformed("a list"))
    }

    fn shape(&mut self) -> Result<Vec<usize>> {
        let count = self.size()?;
        (0..count).map(|_| self.size()).collect()
    }

    fn dtype(&mut self) -> Result<DType> {
        let code = self.number()?;
        DType::from_code(code as u32).ok_or_else(|| self.malformed("an element type"))
    }

    fn reduction(&mut self) -> Result<Reduction> {
        let code = self.number()?;
        Reduction::from_code(code as u32).ok_or_else(|| self.malformed("a reduction"))
    }
}

type Run = fn(&mut Builder<'_>, &mut Args<'_>) -> Result<NodeId>;

const fn row(
    name: &'static str,
    operands: &'static [&'static str],
    attrs: &'static str,
    doc: &'static str,
    torch: &'static str,
    gradient: bool,
    run: Run,
) -> ApiOp {
    ApiOp { name, kind: ApiKind::Other, operands, attrs, doc, torch, gradient, run }
}

const X: &[&str] = &["x"];
const PAIR: &[&str] = &["prediction", "target"];
const NONE: &[&str] = &[];

/// Everything beside the elementwise table.
static OTHER: [&[ApiOp]; 5] =
    [tensors::BASIC, tensors::VIEWS, products::ROWS, losses::ACTIVATIONS, losses::LOSSES];

/// Every op; the position is its code.
pub static API: LazyLock<Vec<ApiOp>> = LazyLock::new(|| {
    let never: Run = |_, a| Err(a.malformed("the op"));
    let unary = UnaryOp::ALL.iter().map(|op| ApiOp {
        kind: ApiKind::Unary,
        ..row(op.name(), X, "", op.doc(), op.torch(), op.rule().is_some(), never)
    });
    let binary = BinaryOp::ALL.iter().map(|op| ApiOp {
        kind: ApiKind::Binary,
        ..row(op.name(), &["x", "other"], "", op.doc(), op.torch(), op.rule().is_some(), never)
    });
    unary.chain(binary).chain(OTHER.into_iter().flatten().copied()).collect()
});

/// Applies the op of a code.
pub fn apply(b: &mut Builder<'_>, code: usize, operands: &[Option<NodeId>], attrs: &[f64]) -> Result<NodeId> {
    let (unary, binary) = (UnaryOp::ALL.len(), BinaryOp::ALL.len());
    let operand = |index: usize| {
        operands
            .get(index)
            .copied()
            .flatten()
            .ok_or_else(|| Error::Internal(format!("op {code}: operand {index}")))
    };
    if code < unary {
        return b.unary(UnaryOp::ALL[code], operand(0)?);
    }
    if code < unary + binary {
        return b.binary(BinaryOp::ALL[code - unary], operand(0)?, operand(1)?);
    }
    let op = API.get(code).ok_or_else(|| Error::Internal(format!("op {code} does not exist")))?;
    (op.run)(b, &mut Args { name: op.name, operands, attrs, at: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_positions_and_names_are_unique() {
        let all = &*API;
        assert_eq!(all[UnaryOp::Exp as usize].name, "exp");
        assert_eq!(all[UnaryOp::ALL.len() + BinaryOp::Mul as usize].name, "mul");
        let mut names: Vec<&str> = all.iter().map(|op| op.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|op| op.doc.ends_with('.') && !op.torch.is_empty()));
    }
}
