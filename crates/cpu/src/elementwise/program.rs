//! From an expression to loops over tiles: types checked, registers given out.

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;
use neuroxide_core::ops::table::UnaryOp;
use neuroxide_core::plan::{Expr, Instr};

use super::formula::Shape;
use super::rows::{self, Row1, Row2, Row3, Splat};
use crate::executable::Site;

/// Where a value lies while a tile is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loc {
    Register(u16),
    /// The memory of a dense in, or the register that it is gathered into.
    In {
        input: u16,
        register: u16,
    },
    /// The memory of a dense out, or the register where the out is staged.
    Out {
        out: u16,
        register: u16,
    },
}

/// One loop over a tile.
pub(super) enum Code {
    Iota { inner: usize, size: usize, to: Loc },
    One { row: Row1, a: Loc, to: Loc },
    Two { row: Row2, a: Loc, b: Loc, to: Loc },
    Three { row: Row3, a: Loc, b: Loc, c: Loc, to: Loc },
}

pub(super) struct Program {
    /// Registers that hold a scalar in every tile.
    pub splats: Vec<(Splat, u32, u16)>,
    /// The register of each in that is read.
    pub loads: Vec<Option<u16>>,
    pub codes: Vec<Code>,
    pub outs: Vec<Loc>,
    pub registers: usize,
    /// Bytes of the widest value.
    pub widest: usize,
    /// Loops that compute, at least one; a function of many instructions counts as several.
    pub cost: usize,
}

/// A value of the expression.
#[derive(Clone, Copy)]
struct Value {
    dtype: DType,
    loc: Loc,
    /// The instruction (or, past the last, the out) that reads it last.
    last_use: usize,
    /// A scalar or an in: its register stays for all tiles.
    lasting: bool,
}

/// Registers free and in use.
#[derive(Default)]
struct Registers {
    free: Vec<u16>,
    count: u16,
}

impl Registers {
    fn take(&mut self) -> u16 {
        self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        })
    }
}

impl Program {
    /// Compiles an expression over operands of the given types.
    pub fn compile(site: &Site<'_>, expr: &Expr, shape: &Shape<'_>) -> Result<Self> {
        let last_uses = last_uses(site, expr)?;
        site.check(expr.outs.len() == shape.outs.len(), "the expression has another number of outs")?;
        let mut program = Self {
            splats: Vec::new(),
            loads: vec![None; shape.ins.len()],
            codes: Vec::new(),
            outs: Vec::new(),
            registers: 0,
            widest: 1,
            cost: 0,
        };
        let mut registers = Registers::default();
        let mut values: Vec<Value> = Vec::with_capacity(expr.instrs.len());
        // What lasts must not share registers with values of a tile, so it comes first.
        for (at, instr) in expr.instrs.iter().enumerate() {
            let (dtype, loc, lasting) = match *instr {
                Instr::Scalar { index, dtype } => {
                    site.check((index as usize) < shape.scalars, "a scalar is out of range")?;
                    let register = registers.take();
                    program.splats.push((rows::splat(dtype), index, register));
                    (dtype, Loc::Register(register), true)
                }
                Instr::Load { input, dtype } => {
                    let of =
                        shape.ins.get(input as usize).ok_or_else(|| site.fault("a load is out of range"))?;
                    site.check(*of == dtype, "a load has another type than its in")?;
                    let load = &mut program.loads[input as usize];
                    let register = *load.get_or_insert_with(|| registers.take());
                    (dtype, Loc::In { input, register }, true)
                }
                _ => (DType::Bool, Loc::Register(0), false),
            };
            values.push(Value { dtype, loc, last_use: last_uses[at], lasting });
        }
        for (at, instr) in expr.instrs.iter().enumerate() {
            if !values[at].lasting {
                program.lower(site, expr, at, instr, &mut values, &mut registers, shape)?;
            }
            program.widest = program.widest.max(values[at].dtype.size());
            for &value in operands(instr).iter().flatten().chain([&(at as u16)]) {
                let Value { last_use, lasting, loc, .. } = values[value as usize];
                if let Loc::Register(register) | Loc::Out { register, .. } = loc
                    && last_use <= at
                    && !lasting
                    && !registers.free.contains(&register)
                {
                    registers.free.push(register);
                }
            }
        }
        for (j, &value) in expr.outs.iter().enumerate() {
            let value = values[value as usize];
            site.check(value.dtype == shape.outs[j], "an out has another type than its value")?;
            program.outs.push(value.loc);
        }
        program.registers = registers.count as usize;
        program.cost = program.cost.max(1);
        Ok(program)
    }

    /// Whether no tile register is read or written where all operands are dense.
    pub fn is_flat(&self) -> bool {
        let flat = |loc: &Loc| !matches!(loc, Loc::Register(_));
        self.splats.is_empty()
            && self.outs.iter().all(flat)
            && self.codes.iter().all(|code| match code {
                Code::Iota { to, .. } => flat(to),
                Code::One { a, to, .. } => flat(a) && flat(to),
                Code::Two { a, b, to, .. } => flat(a) && flat(b) && flat(to),
                Code::Three { a, b, c, to, .. } => flat(a) && flat(b) && flat(c) && flat(to),
            })
    }

    fn lower(
        &mut self,
        site: &Site<'_>,
        expr: &Expr,
        at: usize,
        instr: &Instr,
        values: &mut [Value],
        registers: &mut Registers,
        shape: &Shape<'_>,
    ) -> Result<()> {
        // A result goes straight to the first out that it is stored to.
        let register = registers.take();
        let out = expr.outs.iter().position(|&value| value as usize == at);
        let to = out.map_or(Loc::Register(register), |j| Loc::Out { out: j as u16, register });
        let typed = |value: u16, dtype: DType| -> Result<Loc> {
            let found = values[value as usize];
            site.check(found.dtype == dtype, "an instruction has another type than its operand")?;
            Ok(found.loc)
        };
        let missing = || site.fault("the table has no function for this element type");
        let (code, result) = match *instr {
            Instr::Load { .. } | Instr::Scalar { .. } => {
                return Err(site.fault("scalars and loads last"));
            }
            Instr::Iota { axis } => {
                site.check((axis as usize) < shape.dims.len(), "an axis is out of range")?;
                let later = shape.order.iter().rev().take_while(|&&a| a != axis as usize);
                let inner = later.map(|&a| shape.dims[a]).product();
                (Code::Iota { inner, size: shape.dims[axis as usize], to }, DType::I32)
            }
            Instr::Unary { op, dtype, a } => {
                let (row, result) = rows::unary(op, dtype, site.isa).ok_or_else(missing)?;
                self.cost += if is_cheap(op) { 0 } else { 9 };
                (Code::One { row, a: typed(a, dtype)?, to }, result)
            }
            Instr::Binary { op, dtype, a, b } => {
                let (row, result) = rows::binary(op, dtype, site.isa).ok_or_else(missing)?;
                (Code::Two { row, a: typed(a, dtype)?, b: typed(b, dtype)?, to }, result)
            }
            Instr::Where { dtype, cond, a, b } => {
                let (a, b, c) = (typed(cond, DType::Bool)?, typed(a, dtype)?, typed(b, dtype)?);
                (Code::Three { row: rows::select(dtype, site.isa), a, b, c, to }, dtype)
            }
            Instr::Cast { from, to: result, a } => {
                (Code::One { row: rows::cast(from, result, site.isa), a: typed(a, from)?, to }, result)
            }
        };
        self.codes.push(code);
        self.cost += 1;
        values[at] = Value { dtype: result, loc: to, ..values[at] };
        Ok(())
    }
}

/// Whether a function is one instruction or two.
fn is_cheap(op: UnaryOp) -> bool {
    use UnaryOp::{Atan, Cos, Erf, Exp, Expm1, Log, Log1p, Log2, Sigmoid, Sin, Tan, Tanh};
    !matches!(op, Exp | Expm1 | Log | Log1p | Log2 | Sin | Cos | Tan | Atan | Tanh | Sigmoid | Erf)
}

fn operands(instr: &Instr) -> [Option<u16>; 3] {
    match *instr {
        Instr::Load { .. } | Instr::Scalar { .. } | Instr::Iota { .. } => [None; 3],
        Instr::Unary { a, .. } | Instr::Cast { a, .. } => [Some(a), None, None],
        Instr::Binary { a, b, .. } => [Some(a), Some(b), None],
        Instr::Where { cond, a, b, .. } => [Some(cond), Some(a), Some(b)],
    }
}

/// For each value the instruction that reads it last; values stored live to the end.
fn last_uses(site: &Site<'_>, expr: &Expr) -> Result<Vec<usize>> {
    let count = expr.instrs.len();
    let mut last: Vec<usize> = (0..count).collect();
    for (at, instr) in expr.instrs.iter().enumerate() {
        for value in operands(instr).into_iter().flatten() {
            site.check((value as usize) < at, "an instruction reads a value that is not there yet")?;
            last[value as usize] = at;
        }
    }
    for &value in &expr.outs {
        site.check((value as usize) < count, "an out names no value")?;
        last[value as usize] = count;
    }
    Ok(last)
}
