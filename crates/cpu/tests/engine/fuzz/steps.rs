//! The steps that compute.

use neuroxide_core::dtype::DType;
use neuroxide_core::engine::Operand;
use neuroxide_core::error::Result;

use super::body::{Body, Item, list, sizes, tensor_of};
use super::world::{is_float, numel};

const SMOOTH: [&str; 12] =
    ["tanh", "tanh", "sigmoid", "relu", "relu", "neg", "abs", "sin", "cos", "square", "erf", "floor"];
const ARITHMETIC: [&str; 8] = ["add", "add", "add", "sub", "mul", "mul", "maximum", "minimum"];
const COMPARISONS: [&str; 6] = ["lt", "le", "gt", "ge", "eq", "ne"];

fn broadcasts(a: &[usize], b: &[usize], largest: usize) -> bool {
    let fits = a.iter().rev().zip(b.iter().rev()).all(|(&x, &y)| x == y || x == 1 || y == 1);
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| if i < s.len() { s[s.len() - 1 - i] } else { 1 };
    fits && (0..rank).map(|i| if at(a, i) == 1 { at(b, i) } else { at(a, i) }).product::<usize>() <= largest
}

impl Body<'_> {
    pub fn take_step(&mut self) -> Result<()> {
        match self.dice.below(100) {
            0..8 => self.unary(),
            8..20 => self.binary(),
            20..25 => self.with_number(),
            25..28 => self.select(),
            28..31 => self.cast(),
            31..42 => self.reshape_or_view(),
            42..48 => self.reduce(),
            48..55 => self.product(),
            55..58 => self.softmax(),
            58..63 => self.index(),
            63..67 => self.join(),
            67..71 => self.random(),
            71..74 => self.composite(),
            other => self.state_step(other),
        }
    }

    fn unary(&mut self) -> Result<()> {
        let name = self.dice.pick(&SMOOTH);
        if self.dice.percent(10) {
            let Some(x) = self.integers() else { return Ok(()) };
            let name = self.dice.pick(&["neg", "abs", "sign"]);
            return self.tame(name, &[tensor_of(&x)], &[]).map(|_| ());
        }
        let Some(x) = self.float() else { return Ok(()) };
        self.op(name, &[tensor_of(&x)], &[]).map(|_| ())
    }

    fn binary(&mut self) -> Result<()> {
        let largest = self.mode.largest;
        let name =
            if self.dice.percent(80) { self.dice.pick(&ARITHMETIC) } else { self.dice.pick(&COMPARISONS) };
        let Some(a) = self.choose(|_| true) else { return Ok(()) };
        let Some(b) = self.choose(|i| broadcasts(&i.ty.shape, &a.ty.shape, largest)) else { return Ok(()) };
        let Some(y) = self.tame(name, &[tensor_of(&a), tensor_of(&b)], &[])? else { return Ok(()) };
        // Products of products would leave the range of floats.
        if is_float(y.ty.dtype) && self.dice.percent(30) {
            let name = self.dice.pick(&["tanh", "relu", "sigmoid"]);
            self.op(name, &[tensor_of(&y)], &[])?;
        }
        Ok(())
    }

    fn with_number(&mut self) -> Result<()> {
        let Some(x) = self.choose(|_| true) else { return Ok(()) };
        let number = Operand::Number(self.dice.pick(&[0.5, -1.0, 2.0, 0.1, 0.0, 3.0]));
        if self.dice.percent(25) {
            return self
                .tame("clamp", &[tensor_of(&x), Operand::Number(-0.5), Operand::Number(0.7)], &[])
                .map(|_| ());
        }
        let name = self.dice.pick(&["add", "sub", "mul", "lt", "maximum", "pow"]);
        let operands = if self.dice.percent(70) { [tensor_of(&x), number] } else { [number, tensor_of(&x)] };
        if name == "pow" && !is_float(x.ty.dtype) {
            return Ok(());
        }
        self.tame(name, &operands, &[]).map(|_| ())
    }

    fn select(&mut self) -> Result<()> {
        let largest = self.mode.largest;
        let Some(a) = self.float() else { return Ok(()) };
        let Some(c) = self.choose(|i| broadcasts(&i.ty.shape, &a.ty.shape, largest)) else { return Ok(()) };
        let condition = if c.ty.dtype == DType::Bool {
            Some(c)
        } else {
            self.op("gt", &[tensor_of(&c), Operand::Number(0.1)], &[])?
        };
        let Some(c) = condition else { return Ok(()) };
        let other = match self.choose(|i| broadcasts(&i.ty.shape, &a.ty.shape, largest)) {
            Some(b) if self.dice.percent(60) => tensor_of(&b),
            _ => Operand::Number(0.25),
        };
        self.tame("where", &[tensor_of(&c), tensor_of(&a), other], &[]).map(|_| ())
    }

    fn cast(&mut self) -> Result<()> {
        let Some(x) = self.choose(|_| true) else { return Ok(()) };
        let to = self.dice.pick(&[DType::F32, DType::F32, DType::F64, DType::I32, DType::U8, DType::Bool]);
        let name = if self.dice.percent(30) { "clone" } else { "cast" };
        let attrs = if name == "clone" { vec![] } else { vec![f64::from(to as u8)] };
        self.tame(name, &[tensor_of(&x)], &attrs).map(|_| ())
    }

    fn reshape_or_view(&mut self) -> Result<()> {
        let Some(x) = self.choose(|_| true) else { return Ok(()) };
        self.any_view(&x).map(|_| ())
    }

    pub fn any_view(&mut self, x: &Item) -> Result<Option<Item>> {
        let largest = self.mode.largest;
        let rank = x.ty.shape.len();
        let (a, b) = (self.dim(x) as f64, self.dim(x) as f64);
        match self.dice.below(11) {
            0 | 1 => self.view("transpose", x, &[a, b]),
            2 | 3 => {
                let step = self.dice.pick(&[-1.0, 1.0, 2.0, -2.0, 3.0, -3.0]);
                let bound = |d: &mut super::world::Dice| {
                    d.pick(&[f64::NAN, f64::NAN, 0.0, 1.0, -1.0, -2.0, 3.0, 5.0])
                };
                let (start, end) = (bound(&mut self.dice), bound(&mut self.dice));
                self.view("slice", x, &[a, start, end, step])
            }
            4 => self.view("flip", x, &list(&[a as i64])),
            5 => {
                let mut to: Vec<usize> = x.ty.shape.to_vec();
                for size in &mut to {
                    if *size == 1 {
                        *size = self.dice.pick(&[1, 2, 3]);
                    }
                }
                if rank < 4 && self.dice.percent(40) {
                    to.insert(0, self.dice.pick(&[1, 2, 4]));
                }
                if numel(&to) > largest {
                    return Ok(None);
                }
                self.view("expand", x, &sizes(&to))
            }
            6 if rank >= 2 => {
                let offset = self.dice.pick(&[0.0, 0.0, 1.0, -1.0]);
                self.view("diagonal", x, &[offset, a, b])
            }
            7 if rank >= 1 => {
                let at = self.dice.pick(&[0.0, -1.0]);
                self.view("select", x, &[a, at])
            }
            8 => self.view("unsqueeze", x, &[a]),
            9 => self.view("squeeze", x, &[f64::NAN]),
            _ => self.reshape(x),
        }
    }

    /// A reshape may copy, so its result is never written.
    fn reshape(&mut self, x: &Item) -> Result<Option<Item>> {
        let n = numel(&x.ty.shape);
        let by = self.dice.pick(&[1, 2, 3, 4, 5, 8]);
        let to: Vec<i64> = match self.dice.below(3) {
            0 => vec![-1],
            1 if n > 0 && n.is_multiple_of(by) => vec![by as i64, -1],
            _ => x.ty.shape.iter().rev().map(|&s| s as i64).collect(),
        };
        if n == 0 {
            return Ok(None);
        }
        self.op("reshape", &[tensor_of(x)], &list(&to))
    }

    fn reduce(&mut self) -> Result<()> {
        let name = self.dice.pick(&[
            "sum",
            "sum",
            "sum",
            "mean",
            "amax",
            "amin",
            "var",
            "logSumExp",
            "norm",
            "prod",
            "any",
            "argmax",
            "argmin",
        ]);
        let floats = !matches!(name, "sum" | "amax" | "amin" | "any" | "argmax");
        let chosen = self.choose(|i| numel(&i.ty.shape) > 0 && (!floats || is_float(i.ty.dtype)));
        let Some(x) = chosen else { return Ok(()) };
        let keep = f64::from(u8::from(self.dice.percent(50)));
        let attrs = match name {
            "argmax" | "argmin" => {
                vec![if self.dice.percent(30) { f64::NAN } else { self.dim(&x) as f64 }, keep]
            }
            "norm" => [vec![self.dice.pick(&[1.0, 2.0])], self.dims(&x), vec![keep]].concat(),
            "var" => [self.dims(&x), vec![keep, self.dice.pick(&[0.0, 1.0])]].concat(),
            _ => [self.dims(&x), vec![keep]].concat(),
        };
        self.tame(name, &[tensor_of(&x)], &attrs).map(|_| ())
    }

    fn product(&mut self) -> Result<()> {
        let largest = self.mode.largest;
        let Some(a) = self.float_of_rank(1) else { return Ok(()) };
        let k = *a.ty.shape.last().expect("rank 1 or more");
        let n = self.dice.pick(&self.world.dims);
        let dtype = a.ty.dtype;
        let rows = numel(&a.ty.shape) / k.max(1);
        let fits = |i: &Item| {
            let (s, r) = (&i.ty.shape, i.ty.shape.len());
            i.ty.dtype == dtype
                && r >= 1
                && s[r - if r == 1 { 1 } else { 2 }] == k
                && rows * numel(s) <= 40 * largest
        };
        let found = if self.dice.percent(70) { self.choose(fits) } else { None };
        let b = match found {
            Some(b) => Some(b),
            None if rows * k * n <= 40 * largest => self.fresh(dtype, &[k, n])?,
            None => None,
        };
        let Some(b) = b else { return Ok(()) };
        if b.ty.shape.len() > 2
            && !broadcasts(&a.ty.shape[..a.ty.shape.len() - 1], &b.ty.shape[..b.ty.shape.len() - 1], largest)
        {
            return Ok(());
        }
        if self.dice.percent(30) && b.ty.shape.len() == 2 {
            let Some(w) = self.view("transpose", &b, &[0.0, 1.0])? else { return Ok(()) };
            let bias = self.choose(|i| i.ty.dtype == dtype && i.ty.shape.as_slice() == [w.ty.shape[0]]);
            let bias = bias.map_or(Operand::Absent, |b| tensor_of(&b));
            return self.op("linear", &[tensor_of(&a), tensor_of(&w), bias], &[]).map(|_| ());
        }
        let Some(y) = self.op("matmul", &[tensor_of(&a), tensor_of(&b)], &[])? else { return Ok(()) };
        self.after_product(&y)
    }

    /// What epilogues look for: a bias, then relu, sometimes with a write or another reader in between.
    fn after_product(&mut self, y: &Item) -> Result<()> {
        let largest = self.mode.largest;
        if y.ty.shape.is_empty() || self.dice.percent(30) || numel(&y.ty.shape) > largest {
            return Ok(());
        }
        if self.dice.percent(25) && y.ty.shape.len() >= 2 {
            return self.turned_product(y);
        }
        let n = *y.ty.shape.last().expect("rank 1 or more");
        let rows = |i: &Item| {
            i.ty.dtype == y.ty.dtype
                && i.ty.shape.last() == Some(&n)
                && broadcasts(&i.ty.shape, &y.ty.shape, largest)
        };
        let bias = match self.choose(|i| rows(i) && numel(&i.ty.shape) == n) {
            Some(bias) => Some(bias),
            None => self.fresh(y.ty.dtype, &[n])?,
        };
        let Some(bias) = bias else { return Ok(()) };
        if self.dice.percent(25) {
            self.write()?;
        }
        let operands = if self.dice.percent(80) { [y, &bias] } else { [&bias, y] };
        let Some(sum) = self.op("add", &operands.map(tensor_of), &[])? else { return Ok(()) };
        if self.dice.percent(70) {
            self.op("relu", &[tensor_of(&sum)], &[])?;
        }
        Ok(())
    }

    /// The transpose of a product under a chain of ops, as the gradient of a weight is.
    fn turned_product(&mut self, y: &Item) -> Result<()> {
        let rank = y.ty.shape.len() as f64;
        let Some(turned) = self.view("transpose", y, &[rank - 2.0, rank - 1.0])? else { return Ok(()) };
        let other = match self.choose(|i| i.ty.shape == turned.ty.shape && is_float(i.ty.dtype)) {
            Some(other) => other,
            None => match self.fresh(y.ty.dtype, &turned.ty.shape.clone())? {
                Some(other) => other,
                None => return Ok(()),
            },
        };
        let Some(difference) = self.op("sub", &[tensor_of(&turned), tensor_of(&other)], &[])? else {
            return Ok(());
        };
        let Some(half) = self.op("mul", &[tensor_of(&difference), Operand::Number(0.5)], &[])? else {
            return Ok(());
        };
        self.op("tanh", &[tensor_of(&half)], &[])?;
        if self.dice.percent(40) { self.write() } else { Ok(()) }
    }

    fn softmax(&mut self) -> Result<()> {
        let Some(x) = self.float_of_rank(1) else { return Ok(()) };
        let name = self.dice.pick(&["softmax", "logSoftmax"]);
        let dim = self.dim(&x) as f64;
        self.op(name, &[tensor_of(&x)], &[dim]).map(|_| ())
    }

    /// Indices below `size`, of a given shape; computed ones where integers of that shape are there.
    fn indices(&mut self, size: usize, shape: &[usize]) -> Result<Option<Item>> {
        if self.mode.hostile && self.dice.percent(40) {
            return Ok(
                self.choose(|i| i.argument && i.ty.dtype == DType::I32 && i.ty.shape.as_slice() == shape)
            );
        }
        match self.choose(|i| i.ty.dtype == DType::I32 && i.ty.shape.as_slice() == shape) {
            Some(x) if self.dice.percent(60) => {
                self.op("remainder", &[tensor_of(&x), Operand::Number(size as f64)], &[])
            }
            _ => {
                let attrs = [vec![0.0, size as f64, f64::from(DType::I32 as u8)], sizes(shape)].concat();
                self.op("randint", &[], &attrs)
            }
        }
    }

    fn index(&mut self) -> Result<()> {
        let Some(x) =
            self.choose(|i| !i.ty.shape.is_empty() && numel(&i.ty.shape) > 0 && i.ty.dtype != DType::I32)
        else {
            return Ok(());
        };
        if self.mode.hostile && self.dice.percent(25) {
            // What is wrong with an argument is found before anything is written.
            let chosen = self.choose(|i| i.argument && i.ty.dtype == DType::I32);
            let Some(a) = chosen else { return Ok(()) };
            return self.tame("floorDiv", &[tensor_of(&a), tensor_of(&a)], &[]).map(|_| ());
        }
        let axis = self.dim(&x);
        let (size, dim) = (x.ty.shape[axis], axis as f64);
        let mut shape = x.ty.shape.to_vec();
        shape[axis] = self.dice.pick(&[1, 2, size]);
        match self.dice.below(4) {
            0 => {
                let Some(index) = self.indices(size, &[shape[axis]])? else { return Ok(()) };
                if self.dice.percent(30) {
                    return self.images(&x, &index, dim);
                }
                self.op("indexSelect", &[tensor_of(&x), tensor_of(&index)], &[dim])?;
            }
            1 => {
                let Some(index) = self.indices(size, &shape)? else { return Ok(()) };
                self.op("gather", &[tensor_of(&x), tensor_of(&index)], &[dim])?;
            }
            by => {
                let whole = by == 3;
                let at: &[usize] = if whole { &shape[axis..=axis] } else { &shape };
                let Some(index) = self.indices(size, at)? else { return Ok(()) };
                let source =
                    self.choose(|i| i.ty.dtype == x.ty.dtype && i.ty.shape.as_slice() == shape.as_slice());
                let Some(source) = source else { return Ok(()) };
                let operands = [tensor_of(&x), tensor_of(&index), tensor_of(&source)];
                if whole {
                    self.op("indexAdd", &operands, &[dim, 0.5])?;
                } else {
                    self.op("scatterAdd", &operands, &[dim])?;
                }
            }
        }
        Ok(())
    }

    /// Bytes that are gathered, scaled and flattened, as images are.
    fn images(&mut self, x: &Item, index: &Item, dim: f64) -> Result<()> {
        let Some(bytes) = self.op("cast", &[tensor_of(x)], &[f64::from(DType::U8 as u8)])? else {
            return Ok(());
        };
        let Some(some) = self.op("indexSelect", &[tensor_of(&bytes), tensor_of(index)], &[dim])? else {
            return Ok(());
        };
        let Some(floats) = self.op("cast", &[tensor_of(&some)], &[f64::from(DType::F32 as u8)])? else {
            return Ok(());
        };
        let flat = if self.dice.percent(50) { self.reshape(&floats)? } else { None };
        let floats = flat.unwrap_or(floats);
        self.op("mul", &[tensor_of(&floats), Operand::Number(1.0 / 255.0)], &[]).map(|_| ())
    }

    fn join(&mut self) -> Result<()> {
        let largest = self.mode.largest;
        let Some(a) = self.choose(|i| !i.ty.shape.is_empty() && numel(&i.ty.shape) <= largest / 2) else {
            return Ok(());
        };
        let dim = self.dim(&a) as f64;
        let b = self.choose(|i| i.ty.shape == a.ty.shape).unwrap_or_else(|| a.clone());
        match self.dice.below(4) {
            0 => self.tame("stack", &[tensor_of(&a), tensor_of(&b)], &[dim]),
            1 => {
                let pads: Vec<i64> = (0..2).map(|_| self.dice.pick(&[0, 1, 2, -1])).collect();
                self.tame("pad", &[tensor_of(&a)], &[list(&pads), vec![0.5]].concat())
            }
            _ => self.tame("concat", &[tensor_of(&a), tensor_of(&b)], &[dim]),
        }
        .map(|_| ())
    }

    fn random(&mut self) -> Result<()> {
        match self.dice.below(5) {
            0 => {
                let Some(x) = self.float() else { return Ok(()) };
                self.op("dropout", &[tensor_of(&x)], &[0.25, 1.0])?;
            }
            1 => {
                let Some(x) = self.float() else { return Ok(()) };
                let Some(p) = self.op("sigmoid", &[tensor_of(&x)], &[])? else { return Ok(()) };
                self.op("bernoulli", &[tensor_of(&p)], &[])?;
            }
            2 => {
                let n = self.dice.pick(&self.world.dims);
                self.op("permutation", &[], &[n as f64])?;
            }
            3 => {
                let n = self.dice.pick(&self.world.dims);
                let dtype = self.dice.pick(&[DType::I32, DType::F32]);
                self.tame("arange", &[], &[1.0, 2.0, n as f64, f64::from(dtype as u8)])?;
            }
            _ => {
                let shape = super::world::shape(&mut self.dice, &self.world.dims, 2000);
                self.fresh(DType::F32, &shape)?;
            }
        }
        Ok(())
    }

    fn composite(&mut self) -> Result<()> {
        let Some(x) = self.float_of_rank(2) else { return Ok(()) };
        match self.dice.below(4) {
            0 => {
                let form = self.dice.pick(&["gelu", "geluTanh"]);
                self.op(form, &[tensor_of(&x)], &[])?
            }
            1 => self.op("normalize", &[tensor_of(&x)], &[2.0, 1.0, 1e-12])?,
            2 => {
                let Some(y) = self.like(&x) else { return Ok(()) };
                self.op("mse", &[tensor_of(&x), tensor_of(&y)], &[1.0])?
            }
            _ => {
                let classes = x.ty.shape[1];
                if x.ty.shape.len() != 2 || classes == 0 {
                    return Ok(());
                }
                let rows = x.ty.shape[0];
                let attrs = [0.0, classes as f64, f64::from(DType::I32 as u8), 1.0, rows as f64];
                let Some(labels) = self.op("randint", &[], &attrs)? else { return Ok(()) };
                // Without an ignored class there is a mean in any case.
                let attrs = self.dice.pick(&[
                    [1.0, f64::NAN, 0.1],
                    [1.0, f64::NAN, 0.0],
                    [2.0, f64::NAN, 0.0],
                    [0.0, f64::NAN, 0.0],
                    [2.0, 0.0, 0.0],
                    [0.0, 1.0, 0.0],
                ]);
                self.op("crossEntropy", &[tensor_of(&x), tensor_of(&labels)], &attrs)?
            }
        };
        Ok(())
    }
}
