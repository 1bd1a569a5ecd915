//! A random step function: what a step of a seed does depends on the shapes it meets and on nothing else.

use neuroxide_core::dtype::DType;
use neuroxide_core::engine::{Engine, Handle, Operand};
use neuroxide_core::error::Result;
use neuroxide_core::graph::Type;

use super::world::{Dice, Mode, World, is_float, numel};
use crate::support::*;

/// A tensor that later steps may use.
#[derive(Clone)]
pub struct Item {
    pub handle: Handle,
    /// Unique, and the same when other steps are left out.
    pub id: u64,
    pub ty: Type,
    pub requires_grad: bool,
    /// A view of memory from outside, without a history: it may be written.
    pub writable: bool,
    /// An argument of the function.
    pub argument: bool,
}

impl Item {
    /// The name in the printed lines: step, position in the step, type and shape.
    pub fn show(&self) -> String {
        format!("%{}.{}{}{:?}", self.id / 256, self.id % 256, self.ty.dtype, self.ty.shape.as_slice())
    }
}

/// What a run of the function leaves for its caller.
#[derive(Default)]
pub struct Notes {
    /// Every handle made.
    pub made: Vec<Handle>,
    /// Whether the first output is meant as the next call's first argument.
    pub feeds: bool,
    /// One line per op: what it was given and what came of it.
    pub lines: Vec<String>,
}

/// One run of the function.
pub struct Body<'a> {
    pub e: &'a mut Engine,
    pub world: &'a World,
    pub mode: Mode,
    pub dice: Dice,
    pub step: usize,
    pub pool: Vec<Item>,
    pub notes: &'a mut Notes,
    made: u64,
}

pub fn tensor_of(item: &Item) -> Operand {
    Operand::Tensor(item.handle)
}

/// A list attribute.
pub fn list(values: &[i64]) -> Vec<f64> {
    std::iter::once(values.len() as f64).chain(values.iter().map(|&v| v as f64)).collect()
}

pub fn sizes(values: &[usize]) -> Vec<f64> {
    std::iter::once(values.len() as f64).chain(values.iter().map(|&v| v as f64)).collect()
}

impl<'a> Body<'a> {
    /// Runs the given steps of a seed and returns its outputs.
    pub fn run(
        e: &'a mut Engine,
        world: &'a World,
        (seed, mode, steps): (u64, Mode, &[usize]),
        args: &[Handle],
        notes: &'a mut Notes,
    ) -> Result<Vec<Handle>> {
        let dice = Dice::new(seed, 3);
        let mut body = Body { e, world, mode, dice, step: 0, pool: vec![], notes, made: 0 };
        let outside = [(&world.params, true), (&world.buffers, true), (&world.views, true)];
        let outside =
            outside.into_iter().flat_map(|(group, writable)| group.iter().map(move |&h| (h, writable)));
        for (handle, writable) in outside.chain(args.iter().map(|&h| (h, false))) {
            body.admit(handle, writable)?;
        }
        if !mode.keep_grads {
            body.e.zero_grad(&world.params)?;
        }
        let result = steps.iter().try_for_each(|&step| {
            body.dice = Dice::new(seed, 1000 + step as u64);
            (body.step, body.made) = (step + 1, 0);
            let site = body.e.names().intern(&format!("step {step}"));
            body.e.set_context(0, site);
            body.take_step()
        });
        body.e.set_grad_enabled(true);
        body.e.set_context(0, 0);
        result?;
        body.dice = Dice::new(seed, 4);
        body.step += 1;
        body.outputs()
    }

    fn outputs(&mut self) -> Result<Vec<Handle>> {
        let mut out = Vec::new();
        let first = self.pool.iter().find(|i| i.argument).cloned();
        if let Some(argument) = first
            && self.dice.percent(40)
            && let Some(next) = self.choose(|i| i.ty == argument.ty)
            && let Some(next) = self.op("clone", &[tensor_of(&next)], &[])?
        {
            self.notes.feeds = true;
            out.push(next.handle);
        }
        for _ in 0..=self.dice.below(6) {
            if let Some(item) = self.choose(|_| true) {
                out.push(item.handle);
                if self.dice.percent(12) {
                    out.push(item.handle);
                }
            }
        }
        if self.dice.percent(20) {
            out.push(self.dice.pick(&self.world.params));
        }
        Ok(out)
    }

    // Choosing operands.

    /// A tensor that fits; recent ones are preferred. Leaving out steps whose results were not
    /// chosen leaves the choice as it was.
    pub fn choose(&mut self, fits: impl Fn(&Item) -> bool) -> Option<Item> {
        let salt = u64::from(self.dice.next());
        let step = self.step as u64;
        let score = |item: &Item| {
            let age = (step.saturating_sub(item.id / 256)) as f64;
            let luck = f64::from(neuroxide_core::rng::philox(salt, item.id)[0]) / f64::from(u32::MAX);
            luck / (3.0 + age.min(12.0))
        };
        self.pool.iter().filter(|item| fits(item)).max_by(|a, b| score(a).total_cmp(&score(b))).cloned()
    }

    pub fn float(&mut self) -> Option<Item> {
        self.choose(|i| is_float(i.ty.dtype))
    }

    pub fn float_of_rank(&mut self, rank: usize) -> Option<Item> {
        self.choose(|i| is_float(i.ty.dtype) && i.ty.shape.len() >= rank)
    }

    pub fn integers(&mut self) -> Option<Item> {
        self.choose(|i| i.ty.dtype == DType::I32)
    }

    pub fn like(&mut self, item: &Item) -> Option<Item> {
        self.choose(|i| i.ty.shape == item.ty.shape && i.ty.dtype == item.ty.dtype)
    }

    pub fn dim(&mut self, item: &Item) -> usize {
        self.dice.below(item.ty.shape.len().max(1))
    }

    /// A run of axes, or nothing for all of them.
    pub fn dims(&mut self, item: &Item) -> Vec<f64> {
        let rank = item.ty.shape.len();
        if rank == 0 || self.dice.percent(30) {
            return vec![f64::NAN];
        }
        let chosen: Vec<i64> = (0..rank as i64).filter(|_| self.dice.percent(45)).collect();
        if chosen.is_empty() { list(&[rank as i64 - 1]) } else { list(&chosen) }
    }

    // Making tensors.

    pub fn line(&mut self, text: &str) {
        let step = self.step - 1;
        self.notes.lines.push(format!("{step}: {text}"));
    }

    /// Whether an error ends the function; the others are caught, as a function could.
    pub fn caught<T>(&mut self, what: &str, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.line(&format!("{what} -> {}", error.code()));
                let ends = ["ERR_INDEX", "ERR_VALUE", "ERR_ANOMALY", "ERR_INTERNAL", "ERR_DEVICE"];
                if ends.contains(&error.code()) { Err(error) } else { Ok(None) }
            }
        }
    }

    pub fn admit(&mut self, handle: Handle, writable: bool) -> Result<Item> {
        let info = self.e.info(handle)?;
        let id = self.step as u64 * 256 + self.made;
        self.made += 1;
        let item = Item {
            handle,
            id,
            ty: info.ty,
            requires_grad: info.requires_grad,
            writable,
            argument: self.step == 0 && !writable,
        };
        if numel(&item.ty.shape) <= self.mode.largest {
            self.pool.push(item.clone());
        }
        Ok(item)
    }

    fn name_of(&self, operand: &Operand) -> String {
        match operand {
            Operand::Absent => "-".into(),
            Operand::Number(value) => value.to_string(),
            Operand::Tensor(handle) => self.pool.iter().find(|i| i.handle == *handle).map_or_else(
                || "?".into(),
                |i| format!("%{}.{}{}{:?}", i.id / 256, i.id % 256, i.ty.dtype, i.ty.shape.as_slice()),
            ),
        }
    }

    /// Applies an op; `None` where it refused its operands.
    pub fn op(&mut self, name: &str, operands: &[Operand], attrs: &[f64]) -> Result<Option<Item>> {
        let given: Vec<String> = operands.iter().map(|o| self.name_of(o)).collect();
        let text = format!("{name}({}) {attrs:?}", given.join(", "));
        let made = self.e.apply(code(name), operands, attrs);
        let Some(handle) = self.caught(&text, made)? else { return Ok(None) };
        self.notes.made.push(handle);
        let item = self.admit(handle, false)?;
        self.line(&format!(
            "{text} = %{}.{}{}{:?}",
            item.id / 256,
            item.id % 256,
            item.ty.dtype,
            item.ty.shape.as_slice()
        ));
        Ok(Some(item))
    }

    /// Like [`Body::op`], with integers kept small: sums of them never overflow.
    pub fn tame(&mut self, name: &str, operands: &[Operand], attrs: &[f64]) -> Result<Option<Item>> {
        let Some(item) = self.op(name, operands, attrs)? else { return Ok(None) };
        if item.ty.dtype != DType::I32 {
            return Ok(Some(item));
        }
        self.pool.retain(|i| i.handle != item.handle);
        self.op("remainder", &[tensor_of(&item), Operand::Number(101.0)], &[])
    }

    /// A view; it may be written where its base may.
    pub fn view(&mut self, name: &str, item: &Item, attrs: &[f64]) -> Result<Option<Item>> {
        let Some(mut view) = self.op(name, &[tensor_of(item)], attrs)? else { return Ok(None) };
        view.writable = item.writable && !view.requires_grad;
        if let Some(last) = self.pool.iter_mut().rev().find(|i| i.id == view.id) {
            last.writable = view.writable;
        }
        Ok(Some(view))
    }

    pub fn fresh(&mut self, dtype: DType, shape: &[usize]) -> Result<Option<Item>> {
        let attrs = [vec![f64::from(dtype as u8)], sizes(shape)].concat();
        match self.dice.below(3) {
            0 => self.op("rand", &[], &attrs),
            1 => self.op("full", &[], &[vec![0.3], attrs].concat()),
            _ => self.op("randn", &[], &attrs),
        }
    }
}
