//! What surrounds a random step function: parameters, buffers, views, optimizers, arguments.

use neuroxide_core::composite::optimizer::OptimizerKind;
use neuroxide_core::dtype::DType;
use neuroxide_core::engine::{Engine, Handle, OptimizerId, OptimizerSpec};
use neuroxide_core::rng;

use crate::support::*;

/// Choices that are a function of a seed, a stream and how many were made before.
pub struct Dice {
    key: u64,
    at: u64,
}

impl Dice {
    pub fn new(seed: u64, stream: u64) -> Self {
        Self {
            key: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03),
            at: 0,
        }
    }

    pub fn next(&mut self) -> u32 {
        self.at += 1;
        rng::philox(self.key, self.at)[0]
    }

    pub fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.next()) * n as u64) >> 32) as usize
    }

    pub fn percent(&mut self, p: usize) -> bool {
        self.below(100) < p
    }

    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// Sizes around tiles, primes, one and none.
const SIZES: [usize; 17] = [1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33, 64, 65];
/// Sizes whose products keep several threads busy.
const LARGE_SIZES: [usize; 5] = [33, 64, 65, 100, 129];

pub fn numel(shape: &[usize]) -> usize {
    shape.iter().product()
}

pub fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F64)
}

/// How a case runs.
// The flags are independent choices, not states of one machine.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    pub late: bool,
    pub eager_threads: usize,
    pub traced_threads: usize,
    pub keep_grads: bool,
    pub verify: bool,
    pub anomaly: bool,
    /// Indices may be out of range and divisors zero.
    pub hostile: bool,
    /// Arguments may share memory with what the function sees from outside.
    pub alias: bool,
    pub steps: usize,
    /// No tensor that a step works on has more elements.
    pub largest: usize,
}

impl Mode {
    pub fn of(seed: u64) -> Self {
        let mut d = Dice::new(seed, 1);
        let late = d.percent(25);
        let hostile = !late && d.percent(12);
        let anomaly = !late && !hostile && d.percent(6);
        Self {
            late,
            eager_threads: d.pick(&[1, 1, 3]),
            traced_threads: d.pick(&[1, 3, 3]),
            keep_grads: d.percent(65),
            verify: !hostile && !anomaly && d.percent(20),
            anomaly,
            hostile,
            alias: !hostile && d.percent(10),
            steps: 2 + d.below(26),
            largest: if d.percent(3) { 150_000 } else { 6000 },
        }
    }
}

/// The surroundings of a step function in one engine.
pub struct World {
    pub dims: [usize; 4],
    /// Elements of the tensors from outside.
    pub most: usize,
    pub params: Vec<Handle>,
    pub buffers: Vec<Handle>,
    /// Detached views of parameters and buffers, made before.
    pub views: Vec<Handle>,
    pub optimizers: Vec<(OptimizerId, Vec<usize>, OptimizerKind)>,
    pub args: Vec<Handle>,
    /// Arguments that are outputs of the call before.
    borrowed: Option<usize>,
    /// Gradients that somebody holds while the function goes on.
    pub held: Vec<Handle>,
}

pub fn shape(d: &mut Dice, dims: &[usize; 4], most: usize) -> Vec<usize> {
    loop {
        let rank = d.pick(&[0, 1, 1, 2, 2, 2, 3, 3, 4]);
        let out: Vec<usize> = (0..rank).map(|_| if d.percent(15) { 1 } else { d.pick(dims) }).collect();
        if numel(&out) <= most {
            return out;
        }
    }
}

/// Row-major bytes of small values.
pub fn content(d: &mut Dice, dtype: DType, shape: &[usize]) -> Vec<u8> {
    let n = numel(shape);
    let seed = u64::from(d.next());
    let noise = noise(n, seed);
    match dtype {
        DType::F32 => noise.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DType::F64 => noise.iter().flat_map(|&v| (f64::from(v) * 1.000_000_1).to_le_bytes()).collect(),
        DType::I32 => noise.iter().flat_map(|v| ((v * 20.0) as i32).to_le_bytes()).collect(),
        DType::U8 => noise.iter().map(|v| (v.abs() * 9.0) as u8).collect(),
        DType::Bool => noise.iter().map(|&v| u8::from(v > 0.0)).collect(),
    }
}

fn hypers(d: &mut Dice, kind: OptimizerKind) -> Vec<f64> {
    let mut out = kind.defaults().to_vec();
    let names = kind.hypers();
    let mut set = |name: &str, value: f64| {
        if let Some(at) = names.iter().position(|h| h.name == name) {
            out[at] = value;
        }
    };
    set("lr", d.pick(&[0.1, 0.01, 0.03]));
    set("weightDecay", d.pick(&[0.0, 0.1]));
    set("maximize", d.pick(&[0.0, 0.0, 1.0]));
    set("amsgrad", d.pick(&[0.0, 1.0]));
    set("centered", d.pick(&[0.0, 1.0]));
    set("lrDecay", d.pick(&[0.0, 0.1]));
    set("epsMode", d.pick(&[0.0, 0.0, 1.0]));
    match d.below(4) {
        0 => set("momentum", 0.9),
        1 => {
            set("momentum", 0.5);
            set("dampening", 0.25);
        }
        2 => {
            set("momentum", 0.5);
            set("nesterov", 1.0);
        }
        _ => {}
    }
    out
}

impl World {
    pub fn new(e: &mut Engine, seed: u64, mode: Mode) -> Self {
        let mut d = Dice::new(seed, 2);
        e.seed(seed);
        let sizes = if mode.largest > 6000 { &LARGE_SIZES[..] } else { &SIZES[..] };
        let most = mode.largest * 5 / 12;
        let mut dims = [0; 4].map(|_| d.pick(sizes));
        if d.percent(5) {
            dims[3] = 0;
        }
        let mut world = Self {
            dims,
            most,
            params: vec![],
            buffers: vec![],
            views: vec![],
            optimizers: vec![],
            args: vec![],
            borrowed: None,
            held: vec![],
        };
        for _ in 0..=d.below(4) {
            let dtype = d.pick(&[DType::F32, DType::F32, DType::F32, DType::F64]);
            let shape = shape(&mut d, &dims, most);
            let bytes = content(&mut d, dtype, &shape);
            let source = e.create(dtype, &shape, &bytes).unwrap();
            let mut order: Vec<usize> = (0..shape.len()).collect();
            if d.percent(50) {
                order.reverse();
            }
            world.params.push(e.parameter(source, &order).unwrap());
            e.release(source);
        }
        for _ in 0..=d.below(4) {
            let dtype = d.pick(&[DType::F32, DType::F32, DType::F64, DType::I32, DType::U8, DType::Bool]);
            let made = world.tensor(e, &mut d, dtype);
            world.buffers.push(made);
        }
        if d.percent(30) {
            let shape = shape(&mut d, &dims, most);
            let attrs = [
                vec![0.3, f64::from(DType::F32 as u8), shape.len() as f64],
                shape.iter().map(|&s| s as f64).collect(),
            ];
            world.buffers.push(op(e, "full", &[], &attrs.concat()));
        }
        for _ in 0..=d.below(3) {
            let dtype = d.pick(&[DType::F32, DType::F32, DType::F32, DType::I32, DType::F64]);
            let made = world.tensor(e, &mut d, dtype);
            world.args.push(made);
        }
        world.outer_views(e, &mut d);
        if mode.alias {
            let of = [d.pick(&world.buffers), d.pick(&world.params)];
            world.args.extend(of.map(|of| op(e, "detach", &[of], &[])));
        }
        world.make_optimizers(e, &mut d);
        world
    }

    fn tensor(&self, e: &mut Engine, d: &mut Dice, dtype: DType) -> Handle {
        let shape = shape(d, &self.dims, self.most);
        let bytes = content(d, dtype, &shape);
        e.create(dtype, &shape, &bytes).unwrap()
    }

    fn outer_views(&mut self, e: &mut Engine, d: &mut Dice) {
        for _ in 0..d.below(3) {
            let all: Vec<Handle> = self.params.iter().chain(&self.buffers).copied().collect();
            let of = d.pick(&all);
            let base = op(e, "detach", &[of], &[]);
            let rank = e.info(base).unwrap().ty.shape.len();
            let view = if rank == 0 {
                op(e, "unsqueeze", &[base], &[0.0])
            } else {
                let dim = d.below(rank) as f64;
                match d.below(3) {
                    0 => op(e, "flip", &[base], &[1.0, dim]),
                    1 => op(e, "slice", &[base], &[dim, f64::NAN, f64::NAN, d.pick(&[-1.0, 2.0, -2.0])]),
                    _ => op(e, "transpose", &[base], &[dim, 0.0]),
                }
            };
            e.release(base);
            self.views.push(view);
        }
    }

    fn make_optimizers(&mut self, e: &mut Engine, d: &mut Dice) {
        for _ in 0..d.below(3) {
            let kind = d.pick(&OptimizerKind::ALL);
            let mut members: Vec<usize> = (0..self.params.len()).filter(|_| d.percent(70)).collect();
            if members.is_empty() {
                members.push(0);
            }
            let groups = vec![hypers(d, kind), hypers(d, kind)];
            let group_of = members.iter().map(|_| d.below(2)).collect();
            let params = members.iter().map(|&at| self.params[at]).collect();
            let id = e.optimizer_create(OptimizerSpec { kind, groups, params, group_of }).unwrap();
            self.optimizers.push((id, members, kind));
        }
    }

    /// What happens outside between two calls of the step.
    pub fn between(&mut self, e: &mut Engine, (seed, mode, call): (u64, Mode, usize), fed: Option<Handle>) {
        let mut d = Dice::new(seed, 100 + call as u64);
        if let Some(&(id, ..)) = self.optimizers.first()
            && d.percent(30)
        {
            e.optimizer_hyper(id, 0, 0, Some(d.pick(&[0.2, 0.05]))).unwrap();
        }
        if d.percent(20) {
            e.zero_grad(&self.params).unwrap();
        }
        if d.percent(20) {
            let of = d.pick(&self.params);
            let on = e.info(of).unwrap().requires_grad;
            e.set_requires_grad(of, !on).unwrap();
        }
        if d.percent(30) {
            let of = d.pick(&self.buffers);
            refill(e, &mut d, of);
        }
        if d.percent(40) && mode.keep_grads {
            let of = d.pick(&self.params);
            self.held.extend(e.grad_of(of).unwrap());
        }
        for at in 0..self.args.len() {
            if self.borrowed == Some(at) {
                let ty = e.info(self.args[at]).unwrap().ty;
                let bytes = content(&mut d, ty.dtype, &ty.shape);
                e.release(self.args[at]);
                self.args[at] = e.create(ty.dtype, &ty.shape, &bytes).unwrap();
            } else {
                refill(e, &mut d, self.args[at]);
            }
        }
        self.borrowed = None;
        if let Some(output) = fed {
            e.release(self.args[0]);
            // A detached handle of its own: the output is released by whoever has it.
            self.args[0] = op(e, "detach", &[output], &[]);
            self.borrowed = Some(0);
        }
    }

    pub fn release(self, e: &mut Engine) {
        for handle in [self.params, self.buffers, self.views, self.args, self.held].concat() {
            e.release(handle);
        }
        for (id, ..) in self.optimizers {
            e.optimizer_free(id);
        }
    }
}

/// New content for a tensor.
fn refill(e: &mut Engine, d: &mut Dice, of: Handle) {
    let ty = e.info(of).unwrap().ty;
    let bytes = content(d, ty.dtype, &ty.shape);
    let new = e.create(ty.dtype, &ty.shape, &bytes).unwrap();
    e.assign(of, new).unwrap();
    e.release(new);
}
