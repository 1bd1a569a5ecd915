//! The update rules of the optimizers, in the order of PyTorch's single-tensor implementations, so that
//! they agree step by step. The graph holds what the hyperparameters switch on or off; their values and
//! everything that depends on the step reach it as scalars computed here in f64.

use smallvec::{SmallVec, smallvec};

use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::ops::calculus::{Calc, Calculus};

/// The optimizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OptimizerKind {
    Sgd,
    RmsProp,
    Adam,
    AdamW,
    Adagrad,
}

/// A hyperparameter: its name in TypeScript, PyTorch's default, and the smallest legal value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyper {
    pub name: &'static str,
    pub default: f64,
    pub at_least: f64,
    /// Exclusive upper limit.
    pub below: f64,
}

const fn hyper(name: &'static str, default: f64) -> Hyper {
    Hyper { name, default, at_least: 0.0, below: f64::INFINITY }
}

const fn beta(name: &'static str, default: f64) -> Hyper {
    Hyper { name, default, at_least: 0.0, below: 1.0 }
}

const fn flag(name: &'static str) -> Hyper {
    Hyper { name, default: 0.0, at_least: 0.0, below: 2.0 }
}

const SGD: &[Hyper] = &[
    hyper("lr", 1e-3),
    hyper("momentum", 0.0),
    Hyper { name: "dampening", default: 0.0, at_least: f64::NEG_INFINITY, below: f64::INFINITY },
    hyper("weightDecay", 0.0),
    flag("nesterov"),
    flag("maximize"),
];
const RMSPROP: &[Hyper] = &[
    hyper("lr", 1e-2),
    hyper("alpha", 0.99),
    hyper("eps", 1e-8),
    hyper("weightDecay", 0.0),
    hyper("momentum", 0.0),
    flag("centered"),
    flag("maximize"),
    flag("epsMode"),
];
const ADAM: &[Hyper] = &[
    hyper("lr", 1e-3),
    beta("beta1", 0.9),
    beta("beta2", 0.999),
    hyper("eps", 1e-8),
    hyper("weightDecay", 0.0),
    flag("amsgrad"),
    flag("maximize"),
    flag("epsMode"),
];
const ADAMW: &[Hyper] = &[
    hyper("lr", 1e-3),
    beta("beta1", 0.9),
    beta("beta2", 0.999),
    hyper("eps", 1e-8),
    hyper("weightDecay", 1e-2),
    flag("amsgrad"),
    flag("maximize"),
    flag("epsMode"),
];
const ADAGRAD: &[Hyper] = &[
    hyper("lr", 1e-2),
    hyper("lrDecay", 0.0),
    hyper("weightDecay", 0.0),
    hyper("initialAccumulatorValue", 0.0),
    hyper("eps", 1e-10),
    flag("maximize"),
    flag("epsMode"),
];

const WEIGHT_DECAY: u32 = 1;
const MAXIMIZE: u32 = 2;
const MOMENTUM: u32 = 4;
const NESTEROV: u32 = 8;
const AMSGRAD: u32 = 16;
const CENTERED: u32 = 32;
/// Epsilon stands where Keras has it: in Adam beside the root that no bias was taken from, elsewhere inside the root.
const KERAS_EPS: u32 = 64;

/// New values of a parameter and of its states, in the order of [`states`].
pub struct Updated {
    pub param: NodeId,
    pub states: SmallVec<[NodeId; 4]>,
}

/// Numbers that change from step to step.
pub type Scalars = SmallVec<[f64; 8]>;

impl OptimizerKind {
    /// Every optimizer; the position is its code at the boundary.
    pub const ALL: [Self; 5] = [Self::Sgd, Self::RmsProp, Self::Adam, Self::AdamW, Self::Adagrad];

    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.get(code as usize).copied()
    }

    /// The name of the class in TypeScript.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sgd => "SGD",
            Self::RmsProp => "RMSprop",
            Self::Adam => "Adam",
            Self::AdamW => "AdamW",
            Self::Adagrad => "Adagrad",
        }
    }

    /// Hyperparameters in the order of the arrays that carry their values; flags are 0 or 1.
    pub const fn hypers(self) -> &'static [Hyper] {
        match self {
            Self::Sgd => SGD,
            Self::RmsProp => RMSPROP,
            Self::Adam => ADAM,
            Self::AdamW => ADAMW,
            Self::Adagrad => ADAGRAD,
        }
    }

    /// PyTorch's defaults.
    pub fn defaults(self) -> SmallVec<[f64; 8]> {
        self.hypers().iter().map(|h| h.default).collect()
    }

    fn get(self, hypers: &[f64], name: &str) -> f64 {
        let index = self.hypers().iter().position(|h| h.name == name);
        index.and_then(|i| hypers.get(i)).copied().unwrap_or(0.0)
    }

    /// Checks the count and the ranges of hyperparameters.
    pub fn validate(self, hypers: &[f64]) -> Result<()> {
        let fail = |why: String| Err(Error::Value(format!("optim.{}: {why}", self.name())));
        if hypers.len() != self.hypers().len() {
            return fail(format!("{} hyperparameters; expected {}", hypers.len(), self.hypers().len()));
        }
        for (hyper, &value) in self.hypers().iter().zip(hypers) {
            if !(value >= hyper.at_least && value < hyper.below) {
                let limit = if hyper.below.is_finite() {
                    format!(" and below {}", hyper.below)
                } else {
                    String::new()
                };
                return fail(format!(
                    "{} is {value}; expected at least {}{limit}",
                    hyper.name, hyper.at_least
                ));
            }
        }
        let nesterov = self.get(hypers, "nesterov") != 0.0;
        if nesterov && (self.get(hypers, "momentum") <= 0.0 || self.get(hypers, "dampening") != 0.0) {
            return fail("nesterov; expected a momentum above 0 and no dampening with it".into());
        }
        Ok(())
    }
}

/// Which optional terms exist; part of what a program is valid for.
pub fn structure(kind: OptimizerKind, hypers: &[f64]) -> u32 {
    let has = |name, bit| if kind.get(hypers, name) == 0.0 { 0 } else { bit };
    has("weightDecay", WEIGHT_DECAY)
        | has("maximize", MAXIMIZE)
        | has("momentum", MOMENTUM)
        | has("nesterov", NESTEROV)
        | has("amsgrad", AMSGRAD)
        | has("centered", CENTERED)
        | has("epsMode", KERAS_EPS)
}

/// Names of the states of each parameter, PyTorch's.
pub const fn states(kind: OptimizerKind, structure: u32) -> &'static [&'static str] {
    match kind {
        OptimizerKind::Sgd if structure & MOMENTUM != 0 => &["momentum_buffer"],
        OptimizerKind::Sgd => &[],
        OptimizerKind::RmsProp => match (structure & CENTERED != 0, structure & MOMENTUM != 0) {
            (false, false) => &["square_avg"],
            (false, true) => &["square_avg", "momentum_buffer"],
            (true, false) => &["square_avg", "grad_avg"],
            (true, true) => &["square_avg", "grad_avg", "momentum_buffer"],
        },
        OptimizerKind::Adam | OptimizerKind::AdamW if structure & AMSGRAD != 0 => {
            &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
        }
        OptimizerKind::Adam | OptimizerKind::AdamW => &["exp_avg", "exp_avg_sq"],
        OptimizerKind::Adagrad => &["sum"],
    }
}

/// The value that each state starts from.
pub fn initial_states(kind: OptimizerKind, structure: u32, hypers: &[f64]) -> SmallVec<[f64; 4]> {
    let value = kind.get(hypers, "initialAccumulatorValue");
    SmallVec::from_elem(value, states(kind, structure).len())
}

/// Number of scalars that [`scalars`] gives.
pub const fn scalar_count(kind: OptimizerKind) -> usize {
    match kind {
        OptimizerKind::Sgd => 4,
        OptimizerKind::RmsProp => 6,
        OptimizerKind::Adam | OptimizerKind::AdamW => 7,
        OptimizerKind::Adagrad => 3,
    }
}

/// What the update of step `step` (from 1) reads beside tensors. It runs in every step, so the hyperparameters are
/// taken by their places in the tables above.
pub fn scalars(kind: OptimizerKind, hypers: &[f64], step: u64) -> Scalars {
    let at = |index: usize| hypers.get(index).copied().unwrap_or(0.0);
    let (lr, t) = (at(0), step as f64);
    match kind {
        OptimizerKind::Sgd => {
            let [momentum, dampening, decay] = [at(1), at(2), at(3)];
            // The first step takes the gradient as momentum: the buffer is 0 and nothing is dampened.
            let damping = if step <= 1 { 1.0 } else { 1.0 - dampening };
            smallvec![lr, decay, momentum, damping]
        }
        OptimizerKind::RmsProp => {
            let [alpha, eps, decay, momentum] = [at(1), at(2), at(3), at(4)];
            smallvec![lr, decay, alpha, 1.0 - alpha, eps, momentum]
        }
        OptimizerKind::Adam | OptimizerKind::AdamW => {
            let [beta1, beta2, eps, decay] = [at(1), at(2), at(3), at(4)];
            let (correction1, correction2) = (1.0 - power(beta1, t), 1.0 - power(beta2, t));
            // Adam adds decay · param to the gradient, AdamW scales the parameter.
            let decay = if kind == OptimizerKind::AdamW { 1.0 - lr * decay } else { decay };
            // A factor: a division by the root for every element would cost as much as half of the sweep.
            let unroot2 = 1.0 / correction2.sqrt();
            // Keras leaves the root as it is and corrects the size of the step.
            let correction = if at(7) == 0.0 { correction1 } else { correction1 * unroot2 };
            smallvec![lr / correction, decay, 1.0 - beta1, beta2, 1.0 - beta2, unroot2, eps]
        }
        OptimizerKind::Adagrad => {
            let [lr_decay, decay, eps] = [at(1), at(2), at(4)];
            smallvec![lr / (1.0 + (t - 1.0) * lr_decay), decay, eps]
        }
    }
}

/// `beta`ᵗ to be taken away from 1; 0 where it is too small to change that: a power costs as much as half of all
/// else around a small step, and one that underflows more.
fn power(beta: f64, t: f64) -> f64 {
    // βᵗ ≤ exp(-t · (1 - β)), and exp(-40) is below half the distance from 1 to the next smaller number.
    if t * (1.0 - beta) > 40.0 { 0.0 } else { libm::pow(beta, t) }
}

/// The new values of a parameter and its states; nothing is written here.
pub fn update(
    b: &mut Builder<'_>,
    kind: OptimizerKind,
    structure: u32,
    param: NodeId,
    grad: NodeId,
    states: &[NodeId],
    scalars: &[NodeId],
) -> Result<Updated> {
    if states.len() != self::states(kind, structure).len() || scalars.len() != scalar_count(kind) {
        return Err(Error::Internal(format!(
            "optim.{}: {} states and {} scalars",
            kind.name(),
            states.len(),
            scalars.len()
        )));
    }
    let c = Calc::new(b);
    let mut grad = if structure & MAXIMIZE != 0 { c.neg(grad)? } else { grad };
    if structure & WEIGHT_DECAY != 0 && kind != OptimizerKind::AdamW {
        grad = c.add(grad, c.mul(param, scalars[1]))?;
    }
    match kind {
        OptimizerKind::Sgd => sgd(&c, structure, param, grad, states, scalars),
        OptimizerKind::RmsProp => rms_prop(&c, structure, param, grad, states, scalars),
        OptimizerKind::Adam => adam(&c, structure, param, grad, states, scalars),
        OptimizerKind::AdamW => {
            let shrunk = if structure & WEIGHT_DECAY != 0 { c.mul(param, scalars[1])? } else { param };
            adam(&c, structure, shrunk, grad, states, scalars)
        }
        OptimizerKind::Adagrad => adagrad(&c, structure, param, grad, states, scalars),
    }
}

type Formula<'c, 'a> = Calc<'c, 'a>;

/// a + (b - a) · weight, as PyTorch's `lerp_` with a weight below one half.
fn lerp(c: &Formula<'_, '_>, a: NodeId, b: NodeId, weight: NodeId) -> Result<NodeId> {
    c.add(a, c.mul(weight, c.sub(b, a)))
}

/// √x + eps, or √(x + eps) as Keras has it.
fn rooted(c: &Formula<'_, '_>, structure: u32, x: NodeId, eps: NodeId) -> Result<NodeId> {
    if structure & KERAS_EPS == 0 { c.add(c.sqrt(x), eps) } else { c.sqrt(c.add(x, eps)) }
}

fn sgd(
    c: &Formula<'_, '_>,
    structure: u32,
    param: NodeId,
    grad: NodeId,
    states: &[NodeId],
    scalars: &[NodeId],
) -> Result<Updated> {
    let [lr, _, momentum, damping] = scalars else { return Err(wrong_count()) };
    let (mut direction, mut new) = (grad, SmallVec::new());
    if structure & MOMENTUM != 0 {
        let buffer = c.add(c.mul(states[0], *momentum), c.mul(grad, *damping))?;
        direction = if structure & NESTEROV != 0 { c.add(grad, c.mul(buffer, *momentum))? } else { buffer };
        new.push(buffer);
    }
    Ok(Updated { param: c.sub(param, c.mul(direction, *lr))?, states: new })
}

fn rms_prop(
    c: &Formula<'_, '_>,
    structure: u32,
    param: NodeId,
    grad: NodeId,
    states: &[NodeId],
    scalars: &[NodeId],
) -> Result<Updated> {
    let [lr, _, alpha, rest, eps, momentum] = scalars else { return Err(wrong_count()) };
    let square = c.add(c.mul(states[0], *alpha), c.mul(c.mul(grad, *rest), grad))?;
    let mut new: SmallVec<[NodeId; 4]> = smallvec![square];
    let spread = if structure & CENTERED != 0 {
        let mean = lerp(c, states[1], grad, *rest)?;
        new.push(mean);
        c.sub(square, c.mul(mean, mean))?
    } else {
        square
    };
    let scale = rooted(c, structure, spread, *eps)?;
    if structure & MOMENTUM == 0 {
        let step = c.div(c.mul(grad, *lr), scale);
        return Ok(Updated { param: c.sub(param, step)?, states: new });
    }
    let buffer = c.add(c.mul(states[new.len()], *momentum), c.div(grad, scale))?;
    new.push(buffer);
    Ok(Updated { param: c.sub(param, c.mul(buffer, *lr))?, states: new })
}

fn adam(
    c: &Formula<'_, '_>,
    structure: u32,
    param: NodeId,
    grad: NodeId,
    states: &[NodeId],
    scalars: &[NodeId],
) -> Result<Updated> {
    let [step_size, _, rest1, beta2, rest2, unroot2, eps] = scalars else { return Err(wrong_count()) };
    let mean = lerp(c, states[0], grad, *rest1)?;
    let square = c.add(c.mul(states[1], *beta2), c.mul(c.mul(grad, *rest2), grad))?;
    let mut new: SmallVec<[NodeId; 4]> = smallvec![mean, square];
    let largest = if structure & AMSGRAD != 0 {
        let largest = c.maximum(states[2], square)?;
        new.push(largest);
        largest
    } else {
        square
    };
    let root = c.sqrt(largest)?;
    let root = if structure & KERAS_EPS == 0 { c.mul(root, *unroot2)? } else { root };
    let scale = c.add(root, *eps);
    let step = c.div(c.mul(mean, *step_size), scale);
    Ok(Updated { param: c.sub(param, step)?, states: new })
}

fn adagrad(
    c: &Formula<'_, '_>,
    structure: u32,
    param: NodeId,
    grad: NodeId,
    states: &[NodeId],
    scalars: &[NodeId],
) -> Result<Updated> {
    let [lr, _, eps] = scalars else { return Err(wrong_count()) };
    let sum = c.add(states[0], c.mul(grad, grad))?;
    let step = c.div(c.mul(grad, *lr), rooted(c, structure, sum, *eps));
    Ok(Updated { param: c.sub(param, step)?, states: smallvec![sum] })
}

fn wrong_count() -> Error {
    Error::Internal("optim: number of scalars".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyperparameters_are_checked() {
        for kind in OptimizerKind::ALL {
            let defaults = kind.defaults();
            kind.validate(&defaults).expect("defaults are legal");
            let mut bad = defaults.clone();
            bad[0] = -1.0;
            assert_eq!(kind.validate(&bad).unwrap_err().code(), "ERR_VALUE");
            bad[0] = f64::NAN;
            assert!(kind.validate(&bad).is_err());
        }
        let message =
            OptimizerKind::Adam.validate(&[1e-3, 1.0, 0.999, 1e-8, 0.0, 0.0, 0.0, 0.0]).unwrap_err();
        assert_eq!(message.message(), "optim.Adam: beta1 is 1; expected at least 0 and below 1");
        assert!(OptimizerKind::Sgd.validate(&[0.1, 0.0, 0.0, 0.0, 1.0, 0.0]).is_err());
    }

    #[test]
    fn powers_that_are_left_out_change_no_bit() {
        for beta in [0.0, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999] {
            for t in (1..2000).chain((2000..500_000).step_by(997)).map(f64::from) {
                assert_eq!(1.0 - power(beta, t), 1.0 - libm::pow(beta, t), "{beta} {t}");
            }
        }
        assert_eq!((power(0.9, 1e6), power(0.9, 2.0)), (0.0, libm::pow(0.9, 2.0)));
    }

    #[test]
    fn structure_names_what_exists() {
        let mut centered = [0.01, 0.99, 1e-8, 0.1, 0.1, 1.0, 1.0, 0.0];
        let structure = super::structure(OptimizerKind::RmsProp, &centered);
        assert_eq!(structure, WEIGHT_DECAY | MAXIMIZE | MOMENTUM | CENTERED);
        centered[7] = 1.0;
        assert_eq!(super::structure(OptimizerKind::RmsProp, &centered), structure | KERAS_EPS);
        assert_eq!(states(OptimizerKind::RmsProp, structure), ["square_avg", "grad_avg", "momentum_buffer"]);
        assert_eq!(states(OptimizerKind::Sgd, 0), [] as [&str; 0]);
    }

    #[test]
    fn scalars_depend_on_the_step() {
        for kind in OptimizerKind::ALL {
            assert_eq!(scalars(kind, &kind.defaults(), 1).len(), scalar_count(kind));
        }
        let first = scalars(OptimizerKind::Adam, &OptimizerKind::Adam.defaults(), 1);
        assert!((first[0] - 1e-2).abs() < 1e-12 && (first[5] - 1.0 / 0.001f64.sqrt()).abs() < 1e-9);
        let mut keras = OptimizerKind::Adam.defaults();
        keras[7] = 1.0;
        let step_size = scalars(OptimizerKind::Adam, &keras, 1)[0];
        assert!((step_size - 1e-3 * 0.001f64.sqrt() / 0.1).abs() < 1e-12);
        let dampened = [0.1, 0.9, 0.5, 0.0, 0.0, 0.0];
        assert_eq!(scalars(OptimizerKind::Sgd, &dampened, 1)[3], 1.0);
        assert_eq!(scalars(OptimizerKind::Sgd, &dampened, 2)[3], 0.5);
    }
}
