//! From an expression to loops over tiles: types checked, registers given out.

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;
use neuroxide_core::plan::{Expr, Instr};

use super::Port;
use super::rows::{self, Row1, Row2, Row3, Splat};
use crate::executable::Site;

/// Where a value lies while a tile is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loc {
    Register(u16),
    /// The memory of a contiguous in.
    In(u16),
    /// The memory of a contiguous out, or the register where the out is staged.
    Out {
        out: u16,
        register: u16,
    },
}

/// One loop over a tile.
pub(super) enum Code {
    Splat { row: Splat, scalar: u32, to: Loc },
    Repeat { input: u16, to: Loc },
    Gather { input: u16, to: Loc },
    Iota { inner: usize, size: usize, to: Loc },
    One { row: Row1, a: Loc, to: Loc },
    Two { row: Row2, a: Loc, b: Loc, to: Loc },
    Three { row: Row3, a: Loc, b: Loc, c: Loc, to: Loc },
}

pub(super) struct Program {
    /// Run once a share: values that are the same in every tile.
    pub prologue: Vec<Code>,
    pub codes: Vec<Code>,
    pub outs: Vec<Loc>,
    pub registers: usize,
    /// Bytes of the widest value.
    pub widest: usize,
    /// Loops that compute, at least one.
    pub cost: usize,
}

/// A value of the expression.
#[derive(Clone, Copy)]
struct Value {
    dtype: DType,
    loc: Loc,
    /// The instruction (or, past the last, the out) that reads it last.
    last_use: usize,
    /// Made in the prologue: it stays for all tiles.
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
    /// Compiles an expression over ports that are walked in the axis order `order`.
    pub fn compile(
        site: &Site<'_>,
        expr: &Expr,
        ins: &[Port],
        outs: &[Port],
        order: &[usize],
        scalars: usize,
    ) -> Result<Self> {
        let step = site.step;
        let last_uses = last_uses(site, expr)?;
        site.check(expr.outs.len() == outs.len(), "the expression has another number of outs")?;
        let mut program = Self {
            prologue: Vec::new(),
            codes: Vec::new(),
            outs: Vec::new(),
            registers: 0,
            widest: 1,
            cost: 0,
        };
        let mut registers = Registers::default();
        let mut values: Vec<Value> = Vec::with_capacity(expr.instrs.len());
        // Values made once must not share registers with values of a tile, so they come first.
        for (at, instr) in expr.instrs.iter().enumerate() {
            let (dtype, loc, lasting) = match *instr {
                Instr::Scalar { index, dtype } => {
                    site.check((index as usize) < scalars, "a scalar is out of range")?;
                    let to = Loc::Register(registers.take());
                    program.prologue.push(Code::Splat { row: rows::splat(dtype), scalar: index, to });
                    (dtype, to, true)
                }
                Instr::Load { input, dtype } => {
                    let port = ins.get(input as usize).ok_or_else(|| site.fault("a load is out of range"))?;
                    site.check(
                        step.ins[input as usize].dtype == dtype,
                        "a load has another type than its in",
                    )?;
                    match &port.nest {
                        None => (dtype, Loc::In(input), true),
                        Some(nest) if nest.is_single() => {
                            let to = Loc::Register(registers.take());
                            program.prologue.push(Code::Repeat { input, to });
                            (dtype, to, true)
                        }
                        Some(_) => (dtype, Loc::In(input), false),
                    }
                }
                _ => (DType::Bool, Loc::Register(0), false),
            };
            values.push(Value { dtype, loc, last_use: last_uses[at], lasting });
        }
        for (at, instr) in expr.instrs.iter().enumerate() {
            if !values[at].lasting {
                program.lower(site, expr, at, instr, &mut values, &mut registers, outs, order)?;
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
            site.check(value.dtype == step.outs[j].dtype, "an out has another type than its value")?;
            program.outs.push(value.loc);
        }
        program.registers = registers.count as usize;
        program.cost = program.cost.max(1);
        Ok(program)
    }

    /// Whether no tile register is read or written while no out is staged.
    pub fn is_flat(&self) -> bool {
        let flat = |loc: &Loc| !matches!(loc, Loc::Register(_));
        self.prologue.is_empty()
            && self.outs.iter().all(flat)
            && self.codes.iter().all(|code| match code {
                Code::Splat { .. } | Code::Repeat { .. } | Code::Gather { .. } => false,
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
        outs: &[Port],
        order: &[usize],
    ) -> Result<()> {
        // A result goes straight to the first contiguous out that it is stored to.
        let register = registers.take();
        let out =
            expr.outs.iter().enumerate().find(|&(j, &value)| value as usize == at && outs[j].nest.is_none());
        let to = out.map_or(Loc::Register(register), |(j, _)| Loc::Out { out: j as u16, register });
        let typed = |value: u16, dtype: DType| -> Result<Loc> {
            let found = values[value as usize];
            site.check(found.dtype == dtype, "an instruction has another type than its operand")?;
            Ok(found.loc)
        };
        let missing = || site.fault("the table has no function for this element type");
        let (code, result) = match *instr {
            Instr::Load { input, dtype } => {
                // Only a strided in comes here; it is gathered where it is loaded.
                let to = Loc::Register(register);
                self.codes.push(Code::Gather { input, to });
                values[at] = Value { dtype, loc: to, ..values[at] };
                return Ok(());
            }
            Instr::Scalar { .. } => return Err(site.fault("scalars are made in the prologue")),
            Instr::Iota { axis } => {
                let shape = &site.step.outs[0].view.shape;
                site.check((axis as usize) < shape.len(), "an axis is out of range")?;
                let inner =
                    order.iter().rev().take_while(|&&a| a != axis as usize).map(|&a| shape[a]).product();
                (Code::Iota { inner, size: shape[axis as usize], to }, DType::I32)
            }
            Instr::Unary { op, dtype, a } => {
                let (row, result) = rows::unary(op, dtype, site.isa).ok_or_else(missing)?;
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
