//! The fully connected layer's function.

use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::shape::{Dims, show};

impl Builder<'_> {
    /// x · wᵀ + b: x [*, in], weight [out, in], bias [out]; leading axes of x are one long batch, so that
    /// the weight's gradient is a single product.
    pub fn linear(&mut self, x: NodeId, weight: NodeId, bias: Option<NodeId>) -> Result<NodeId> {
        for (name, node) in [("input", x), ("weight", weight)] {
            let dtype = self.dtype(node);
            if !dtype.is_float() {
                return Err(Error::DType(format!(
                    "linear: {name} of {dtype}; expected f32 or f64. Hint: put nn.Rescale(1 / 255) in front for images, \
                     or cast('f32')"
                )));
            }
        }
        let (given, w) = (self.shape(x), self.shape(weight));
        let (Some(&features), [out, inputs]) = (given.last(), w.as_slice()) else {
            return Err(Error::Shape(format!(
                "linear: input {}, weight {}; expected input [*, in] and weight [out, in]",
                show(&given),
                show(&w)
            )));
        };
        if features != *inputs {
            let hint = if given.iter().product::<usize>() % inputs.max(&1) == 0 && given.len() > 2 {
                ". Hint: nn.Flatten in front joins the axes of each example"
            } else {
                ""
            };
            return Err(Error::Shape(format!(
                "linear: input {}, weight {}; inner dims {features} ≠ {inputs}{hint}",
                show(&given),
                show(&w)
            )));
        }
        let rows: usize = given[..given.len() - 1].iter().product();
        let flat = self.reshape_to(x, &[rows, features])?;
        let turned = self.transpose(weight, 0, 1)?;
        let mut product = self.matmul(flat, turned)?;
        if let Some(bias) = bias {
            let b = self.shape(bias);
            if b.as_slice() != [*out] {
                return Err(Error::Shape(format!(
                    "linear: bias {}, weight {}; expected a bias of [{out}]",
                    show(&b),
                    show(&w)
                )));
            }
            product = self.add(product, bias)?;
        }
        let mut shape: Dims = given;
        if let Some(last) = shape.last_mut() {
            *last = *out;
        }
        self.reshape_to(product, &shape)
    }
}
