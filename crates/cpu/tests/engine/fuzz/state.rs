//! The steps that write: parameters and buffers, gradients, optimizers.

use neuroxide_core::engine::Operand;
use neuroxide_core::error::Result;

use super::body::{Body, Item, tensor_of};
use super::world::{content, is_float, numel};

impl Body<'_> {
    pub fn state_step(&mut self, kind: usize) -> Result<()> {
        match kind {
            71..80 => self.write(),
            80..87 => self.backward(),
            87 | 88 => self.zero_grad(),
            89 | 90 => self.read_grad(),
            91 | 92 => self.set_grad(),
            93..96 => self.optimize(),
            96 => self.gradients(),
            97 => {
                self.toggle();
                Ok(())
            }
            98 => self.literal(),
            _ => self.optimizer_state(),
        }
    }

    /// Writes into a parameter, a buffer or a view of one.
    pub fn write(&mut self) -> Result<()> {
        let chosen = self.choose(|i| i.writable);
        let Some(mut target) = chosen else { return Ok(()) };
        if self.dice.percent(35) {
            let Some(base) = self.view("detach", &target, &[])? else { return Ok(()) };
            let Some(view) = self.any_view(&base)? else { return Ok(()) };
            if !view.writable {
                return Ok(());
            }
            target = view;
        }
        let same = self.choose(|i| i.ty.shape == target.ty.shape);
        let value = match same {
            Some(value) if self.dice.percent(75) => Some(value),
            _ if self.dice.percent(50) => {
                self.choose(|i| numel(&i.ty.shape) == 1 && i.ty.shape.len() <= target.ty.shape.len())
            }
            _ => self.fresh(target.ty.dtype, &target.ty.shape.clone())?,
        };
        let Some(value) = value else { return Ok(()) };
        let text = format!("write {} <- {}", target.show(), value.show());
        let written = self.e.assign(target.handle, value.handle);
        if self.caught(&text, written)?.is_some() {
            self.line(&text);
        }
        Ok(())
    }

    fn loss(&mut self) -> Result<Option<Item>> {
        let Some(x) = self.choose(|i| i.requires_grad && is_float(i.ty.dtype)) else { return Ok(None) };
        if numel(&x.ty.shape) == 1 {
            return Ok(Some(x));
        }
        let x = if self.dice.percent(50) {
            let name = self.dice.pick(&["square", "sin", "tanh"]);
            self.op(name, &[tensor_of(&x)], &[])?
        } else {
            Some(x)
        };
        let Some(x) = x else { return Ok(None) };
        let name = self.dice.pick(&["sum", "mean"]);
        self.op(name, &[tensor_of(&x)], &[f64::NAN, 0.0])
    }

    fn backward(&mut self) -> Result<()> {
        let retain = self.dice.percent(30);
        let (y, gradient) = if self.dice.percent(20) {
            let Some(y) = self.choose(|i| i.requires_grad) else { return Ok(()) };
            let Some(dy) = self.choose(|i| i.ty.shape == y.ty.shape && is_float(i.ty.dtype)) else {
                return Ok(());
            };
            (y, Some(dy))
        } else {
            let Some(y) = self.loss()? else { return Ok(()) };
            (y, None)
        };
        let text = format!("backward {} {:?} retain {retain}", y.show(), gradient.as_ref().map(Item::show));
        let done = self.e.backward(y.handle, gradient.map(|g| g.handle), retain);
        if self.caught(&text, done)?.is_some() {
            self.line(&text);
        }
        Ok(())
    }

    fn zero_grad(&mut self) -> Result<()> {
        let chosen: Vec<_> = self.world.params.iter().copied().filter(|_| self.dice.percent(70)).collect();
        self.line(&format!("zeroGrad of {}", chosen.len()));
        self.e.zero_grad(&chosen)
    }

    fn grad(&mut self, at: usize) -> Result<Option<Item>> {
        let found = self.e.grad_of(self.world.params[at]);
        let text = format!("grad of parameter {at}");
        let Some(Some(handle)) = self.caught(&text, found)? else {
            self.line(&format!("{text}: none"));
            return Ok(None);
        };
        self.notes.made.push(handle);
        let item = self.admit(handle, false)?;
        self.line(&format!("{text} = {}", item.show()));
        Ok(Some(item))
    }

    fn read_grad(&mut self) -> Result<()> {
        let at = self.dice.below(self.world.params.len());
        self.grad(at).map(|_| ())
    }

    fn set_grad(&mut self) -> Result<()> {
        let at = self.dice.below(self.world.params.len());
        let param = self.world.params[at];
        let ty = self.e.info(param)?.ty;
        let new = match self.dice.below(4) {
            0 => None,
            1 => self.choose(|i| i.ty.shape == ty.shape && i.ty.dtype == ty.dtype),
            _ => {
                let Some(grad) = self.grad(at)? else { return Ok(()) };
                let Some(norm) = self.op("norm", &[tensor_of(&grad)], &[2.0, f64::NAN, 0.0])? else {
                    return Ok(());
                };
                let Some(low) = self.op("add", &[tensor_of(&norm), Operand::Number(1.0)], &[])? else {
                    return Ok(());
                };
                self.op("div", &[tensor_of(&grad), tensor_of(&low)], &[])?
            }
        };
        let text = format!("setGrad of parameter {at} to {:?}", new.as_ref().map(Item::show));
        let done = self.e.set_grad(param, new.map(|i| i.handle));
        if self.caught(&text, done)?.is_some() {
            self.line(&text);
        }
        Ok(())
    }

    fn optimize(&mut self) -> Result<()> {
        if self.world.optimizers.is_empty() {
            return Ok(());
        }
        let at = self.dice.below(self.world.optimizers.len());
        let (id, _, kind) = &self.world.optimizers[at];
        let done = self.e.optimizer_step(*id);
        let text = format!("step of optimizer {at} ({kind:?})");
        if self.caught(&text, done)?.is_some() {
            self.line(&text);
        }
        Ok(())
    }

    fn gradients(&mut self) -> Result<()> {
        let Some(y) = self.loss()? else { return Ok(()) };
        let Some(x) = self.choose(|i| i.requires_grad) else { return Ok(()) };
        let Some(p) = self.choose(|i| i.requires_grad) else { return Ok(()) };
        let retain = self.dice.percent(70);
        let text = format!("gradients of {} to {} and {}", y.show(), x.show(), p.show());
        let found = self.e.gradients(y.handle, None, &[x.handle, p.handle], retain);
        let Some(found) = self.caught(&text, found)? else { return Ok(()) };
        for handle in found {
            match handle {
                Some(handle) => {
                    self.notes.made.push(handle);
                    let item = self.admit(handle, false)?;
                    self.line(&format!("{text} = {}", item.show()));
                }
                None => self.line(&format!("{text}: none")),
            }
        }
        Ok(())
    }

    fn toggle(&mut self) {
        let on = self.dice.percent(60);
        self.e.set_grad_enabled(on);
        self.line(&format!("gradients on: {on}"));
    }

    /// A tensor made in the function; a verified function makes none.
    fn literal(&mut self) -> Result<()> {
        if self.mode.verify {
            return Ok(());
        }
        let shape = super::world::shape(&mut self.dice, &self.world.dims, 300);
        let dtype = neuroxide_core::dtype::DType::F32;
        let bytes = content(&mut self.dice, dtype, &shape);
        let handle = self.e.create(dtype, &shape, &bytes)?;
        self.notes.made.push(handle);
        let item = self.admit(handle, false)?;
        self.line(&format!("literal = {}", item.show()));
        Ok(())
    }

    fn optimizer_state(&mut self) -> Result<()> {
        let Some((id, members, kind)) = self.world.optimizers.first() else { return Ok(()) };
        let at = self.dice.below(members.len());
        let name = self.dice.pick(&["exp_avg", "momentum_buffer", "square_avg", "sum"]);
        if let Some(handle) = self.e.optimizer_state(*id, at, name)? {
            self.notes.made.push(handle);
            let item = self.admit(handle, false)?;
            self.line(&format!("{kind:?} {name} of {at} = {}", item.show()));
        }
        Ok(())
    }
}
