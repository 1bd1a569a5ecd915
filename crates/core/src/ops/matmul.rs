//! Matrix products.

use smallvec::smallvec;

use crate::error::{Error, Result};
use crate::graph::{Builder, Grads, NodeId, Type, Vjp};
use crate::op::Op;
use crate::shape::{Dims, broadcast, numel, show};

/// The type of a matmul node: `[*b, m, k] × [*b, k, n]`.
pub(super) fn infer(a: &Type, b: &Type) -> Result<Type> {
    let rank = a.shape.len();
    let fits = rank >= 2
        && b.shape.len() == rank
        && a.shape[..rank - 2] == b.shape[..rank - 2]
        && a.shape[rank - 1] == b.shape[rank - 2]
        && a.dtype == b.dtype
        && a.dtype.is_float();
    if !fits {
        return Err(Error::Internal(format!(
            "matmul: {} {} × {} {}; operands are aligned before",
            a.dtype,
            show(&a.shape),
            b.dtype,
            show(&b.shape)
        )));
    }
    let mut shape = a.shape.clone();
    shape[rank - 1] = b.shape[rank - 1];
    Ok(Type::new(a.dtype, &shape))
}

/// dA = dY·Bᵀ, dB = Aᵀ·dY.
pub(super) fn vjp(cx: &mut Vjp<'_, '_>) -> Result<Grads> {
    let dy = cx.dy;
    let mut grads: Grads = smallvec![None, None];
    if cx.needs(0) {
        let b = cx.input(1)?;
        let turned = cx.b.transpose(b, -2, -1)?;
        grads[0] = Some(cx.b.push(Op::MatMul, &[dy, turned])?);
    }
    if cx.needs(1) {
        let a = cx.input(0)?;
        let turned = cx.b.transpose(a, -2, -1)?;
        grads[1] = Some(cx.b.push(Op::MatMul, &[turned, dy])?);
    }
    Ok(grads)
}

impl Builder<'_> {
    fn mismatch(&self, op: &str, a: NodeId, b: NodeId, why: &str) -> Error {
        Error::Shape(format!("{op}: {} × {}; {why}", show(&self.shape(a)), show(&self.shape(b))))
    }

    /// Both operands in one floating-point type.
    fn product_operands(&mut self, op: &str, a: NodeId, b: NodeId) -> Result<(NodeId, NodeId)> {
        let dtype = self.common_dtype(&[a, b]);
        let (x, y) = (self.dtype(a), self.dtype(b));
        if !x.is_float() || !y.is_float() {
            return Err(Error::DType(format!(
                "{op}: {x} × {y}; expected floats. Hint: cast('f32') first, or nn.Rescale(1 / 255) for images"
            )));
        }
        Ok((self.cast(a, dtype)?, self.cast(b, dtype)?))
    }

    /// Matrix product over the last two dims; leading dims broadcast, a 1-d operand is a row on the left
    /// and a column on the right.
    pub fn matmul(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        if self.rank(a) == 0 || self.rank(b) == 0 {
            return Err(self.mismatch(
                "matmul",
                a,
                b,
                "expected at least one dim each. Hint: mul scales by a number",
            ));
        }
        let (a, b) = self.product_operands("matmul", a, b)?;
        let (row, column) = (self.rank(a) == 1, self.rank(b) == 1);
        let left = if row { self.unsqueeze(a, 0)? } else { a };
        let right = if column { self.unsqueeze(b, 1)? } else { b };
        let (x, y) = (self.shape(left), self.shape(right));
        let (k, inner) = (x[x.len() - 1], y[y.len() - 2]);
        if k != inner {
            let hint = if y[y.len() - 1] == k { ". Hint: transpose the second operand" } else { "" };
            return Err(self.mismatch("matmul", a, b, &format!("inner dims {k} ≠ {inner}{hint}")));
        }
        let out = self.product(left, right)?;
        let mut shape = self.shape(out);
        let rank = shape.len();
        if column {
            shape.remove(rank - 1);
        }
        if row {
            shape.remove(rank - 2);
        }
        self.reshape_to(out, &shape)
    }

    /// Matrices of rank ≥ 2 whose inner dims agree.
    fn product(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        let (x, y) = (self.shape(a), self.shape(b));
        let (m, k, n) = (x[x.len() - 2], x[x.len() - 1], y[y.len() - 1]);
        if y.len() == 2 && x.len() > 2 {
            // One matrix for the whole batch: its rows are one long operand, and its gradient one product.
            let rows: usize = x[..x.len() - 1].iter().product();
            let flat = self.reshape_to(a, &[rows, k])?;
            let out = self.push(Op::MatMul, &[flat, b])?;
            let mut shape: Dims = x[..x.len() - 1].into();
            shape.push(n);
            return self.reshape_to(out, &shape);
        }
        let batch = broadcast("matmul", &x[..x.len() - 2], &y[..y.len() - 2])?;
        let whole = |rows: usize, cols: usize| {
            let mut shape = batch.clone();
            shape.extend_from_slice(&[rows, cols]);
            shape
        };
        let left = self.stretch(a, &whole(m, k))?;
        let right = self.stretch(b, &whole(k, n))?;
        if batch.len() < 2 {
            return self.push(Op::MatMul, &[left, right]);
        }
        let count = numel(&batch);
        let left = self.reshape_to(left, &[count, m, k])?;
        let right = self.reshape_to(right, &[count, k, n])?;
        let out = self.push(Op::MatMul, &[left, right])?;
        self.reshape_to(out, &whole(m, n))
    }

    fn expect_ranks(&self, op: &str, a: NodeId, b: NodeId, ranks: [usize; 2]) -> Result<()> {
        if [self.rank(a), self.rank(b)] == ranks {
            return Ok(());
        }
        Err(self.mismatch(
            op,
            a,
            b,
            &format!("expected {} and {} dims. Hint: matmul takes any ranks", ranks[0], ranks[1]),
        ))
    }

    /// Product of two matrices.
    pub fn mm(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.expect_ranks("mm", a, b, [2, 2])?;
        self.matmul(a, b)
    }

    /// Products of two batches of matrices; the batches have equal size.
    pub fn bmm(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.expect_ranks("bmm", a, b, [3, 3])?;
        if self.ty(a).shape[0] != self.ty(b).shape[0] {
            return Err(self.mismatch(
                "bmm",
                a,
                b,
                "expected batches of equal size. Hint: matmul broadcasts them",
            ));
        }
        self.matmul(a, b)
    }

    /// Product of a matrix and a vector.
    pub fn mv(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.expect_ranks("mv", a, b, [2, 1])?;
        self.matmul(a, b)
    }

    /// Sum of the products of two vectors.
    pub fn dot(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.expect_ranks("dot", a, b, [1, 1])?;
        self.matmul(a, b)
    }

    /// beta · input + alpha · (a × b) for two matrices; with beta = 0 the input is not read.
    pub fn addmm(&mut self, input: NodeId, a: NodeId, b: NodeId, beta: f64, alpha: f64) -> Result<NodeId> {
        let product = self.mm(a, b)?;
        self.blend("addmm", input, product, beta, alpha)
    }

    /// The same for two batches of matrices.
    pub fn baddbmm(&mut self, input: NodeId, a: NodeId, b: NodeId, beta: f64, alpha: f64) -> Result<NodeId> {
        let product = self.bmm(a, b)?;
        self.blend("baddbmm", input, product, beta, alpha)
    }

    fn blend(&mut self, op: &str, input: NodeId, product: NodeId, beta: f64, alpha: f64) -> Result<NodeId> {
        let shape = self.shape(product);
        if broadcast(op, &self.shape(input), &shape)? != shape {
            return Err(self.mismatch(
                op,
                input,
                product,
                "expected an input that broadcasts to the product",
            ));
        }
        let scaled = if alpha == 1.0 { product } else { self.mul(product, alpha)? };
        if beta == 0.0 {
            return Ok(scaled);
        }
        let base = if beta == 1.0 { input } else { self.mul(input, beta)? };
        self.add(base, scaled)
    }
}
