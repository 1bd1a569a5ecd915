//! Cases of the ops that are no rows of the elementwise table.

use neuroxide_core::ops::table::Domain;

const NAN: f64 = f64::NAN;

/// An operand of a case.
#[derive(Clone)]
pub enum In {
    /// Sampled floats of a shape.
    Float(Vec<usize>, Domain),
    /// Floats as given.
    Exact(Vec<usize>, Vec<f64>),
    Int(Vec<usize>, Vec<i32>),
    Bool(Vec<usize>, Vec<bool>),
    Number(f64),
    Absent,
}

/// An op, its operands and attributes as at the boundary.
pub struct Case {
    pub name: &'static str,
    pub operands: Vec<In>,
    pub attrs: Vec<f64>,
    pub tolerance: f64,
}

impl Case {
    pub fn new(name: &'static str, operands: Vec<In>, attrs: &[f64]) -> Self {
        Self { name, operands, attrs: attrs.to_vec(), tolerance: 1e-7 }
    }

    pub fn within(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    pub fn differentiable(&self, operand: usize) -> bool {
        matches!(self.operands[operand], In::Float(..) | In::Exact(..))
    }
}

fn range(shape: &[usize], low: f64, high: f64) -> In {
    In::Float(shape.to_vec(), Domain { low, high, avoid: &[], tolerance: 0.0 })
}

fn x(shape: &[usize]) -> In {
    range(shape, -2.0, 2.0)
}

/// Away from 0.
fn kinked(shape: &[usize]) -> In {
    In::Float(shape.to_vec(), Domain { low: -2.0, high: 2.0, avoid: &[0.0], tolerance: 0.0 })
}

fn probability(shape: &[usize]) -> In {
    range(shape, 0.1, 0.9)
}

fn int(shape: &[usize], values: &[i32]) -> In {
    In::Int(shape.to_vec(), values.to_vec())
}

fn exact(shape: &[usize], values: &[f64]) -> In {
    In::Exact(shape.to_vec(), values.to_vec())
}

pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    selects(&mut cases);
    reductions(&mut cases);
    views(&mut cases);
    products(&mut cases);
    indexing(&mut cases);
    activations(&mut cases);
    losses(&mut cases);
    keras(&mut cases);
    cases
}

fn selects(cases: &mut Vec<Case>) {
    let mut add = |name, operands: Vec<In>, attrs: &[f64]| cases.push(Case::new(name, operands, attrs));
    let mask = In::Bool(vec![2, 3], vec![true, false, true, true, false, false]);
    add("where", vec![mask.clone(), x(&[2, 3]), x(&[3])], &[]);
    add("where", vec![mask, x(&[2, 3]), In::Number(0.5)], &[]);
    add("clamp", vec![x(&[3, 4]), In::Number(-0.7), In::Number(0.9)], &[]);
    add("clamp", vec![x(&[3, 4]), range(&[4], -1.0, -0.2), range(&[3, 1], 0.2, 1.0)], &[]);
    add("clamp", vec![x(&[5]), In::Absent, In::Number(0.3)], &[]);
    add("cast", vec![x(&[4])], &[4.0]);
    add("clone", vec![x(&[2, 3])], &[]);
}

fn reductions(cases: &mut Vec<Case>) {
    let shape = [2, 3, 4];
    for (name, tail) in [
        ("sum", &[][..]),
        ("mean", &[]),
        ("prod", &[]),
        ("amax", &[]),
        ("amin", &[]),
        ("logSumExp", &[]),
        ("var", &[1.0]),
        ("std", &[0.0]),
    ] {
        let dims: [&[f64]; 4] =
            [&[NAN, 0.0], &[1.0, 1.0, 0.0], &[2.0, 0.0, -1.0, 1.0], &[2.0, 1.0, 2.0, 0.0]];
        for dims in dims {
            let attrs = [dims, tail].concat();
            cases.push(Case::new(name, vec![x(&shape)], &attrs).within(1e-6));
        }
    }
    // Products with one and with two zeros.
    cases.push(Case::new("prod", vec![exact(&[2, 3], &[0.0, 2.0, 3.0, 0.0, 0.0, 5.0])], &[1.0, 1.0, 0.0]));
    for p in [0.0, 0.5, 1.0, 2.0, 3.0, -1.5, f64::INFINITY, f64::NEG_INFINITY] {
        for dims in [&[NAN, 0.0][..], &[1.0, 1.0, 1.0]] {
            cases.push(Case::new("norm", vec![kinked(&[3, 4])], &[&[p], dims].concat()).within(1e-6));
        }
    }
    // The gradient at 0 is 0, as it is for the difference of a symmetric function.
    cases.push(Case::new("norm", vec![exact(&[3], &[0.0; 3])], &[2.0, NAN, 0.0]));
}

fn views(cases: &mut Vec<Case>) {
    let mut add = |name, operands: Vec<In>, attrs: &[f64]| cases.push(Case::new(name, operands, attrs));
    add("reshape", vec![x(&[2, 6])], &[2.0, 3.0, -1.0]);
    add("permute", vec![x(&[2, 3, 4])], &[3.0, 2.0, 0.0, 1.0]);
    add("transpose", vec![x(&[2, 3, 4])], &[0.0, -1.0]);
    add("expand", vec![x(&[3, 1])], &[3.0, 2.0, -1.0, 4.0]);
    add("squeeze", vec![x(&[1, 3, 1])], &[NAN]);
    add("unsqueeze", vec![x(&[3])], &[-1.0]);
    add("slice", vec![x(&[7, 2])], &[0.0, 1.0, 6.0, 1.0]);
    add("slice", vec![x(&[7, 2])], &[0.0, 1.0, NAN, 3.0]);
    add("slice", vec![x(&[7, 2])], &[0.0, NAN, NAN, 5.0]);
    add("slice", vec![x(&[2, 7])], &[1.0, NAN, 1.0, -2.0]);
    add("narrow", vec![x(&[2, 5])], &[1.0, 1.0, 3.0]);
    add("select", vec![x(&[3, 4])], &[-1.0, -2.0]);
    add("flip", vec![x(&[2, 3])], &[2.0, 0.0, 1.0]);
    add("flatten", vec![x(&[2, 3, 2])], &[1.0, 2.0]);
    add("diagonal", vec![x(&[3, 4])], &[1.0, 0.0, 1.0]);
    add("diagonal", vec![x(&[2, 4, 3])], &[-1.0, 1.0, 2.0]);
    add("diagonal", vec![x(&[3, 2, 4])], &[0.0, 2.0, 0.0]);
    add("pad", vec![x(&[2, 3])], &[4.0, 1.0, 2.0, 0.0, 1.0, 0.5]);
    add("pad", vec![x(&[3, 5])], &[4.0, -1.0, -2.0, 1.0, 1.0, 1.0]);
    add("concat", vec![x(&[2, 3]), x(&[2, 1]), x(&[2, 0])], &[1.0]);
    add("stack", vec![x(&[2, 3]), x(&[2, 3])], &[-1.0]);
    add("tril", vec![x(&[2, 3, 3])], &[0.0]);
    add("triu", vec![x(&[3, 4])], &[1.0]);
}

fn products(cases: &mut Vec<Case>) {
    let mut add = |name, operands: Vec<In>, attrs: &[f64]| cases.push(Case::new(name, operands, attrs));
    for (a, b) in [
        (&[3][..], &[3][..]),
        (&[3], &[3, 2]),
        (&[2, 3], &[3]),
        (&[2, 3], &[3, 4]),
        (&[2, 3, 4], &[4, 2]),
        (&[3, 4], &[2, 4, 2]),
        (&[2, 1, 2, 3], &[3, 3, 2]),
    ] {
        add("matmul", vec![x(a), x(b)], &[]);
    }
    add("mm", vec![x(&[2, 3]), x(&[3, 2])], &[]);
    add("bmm", vec![x(&[2, 2, 3]), x(&[2, 3, 2])], &[]);
    add("mv", vec![x(&[2, 3]), x(&[3])], &[]);
    add("dot", vec![x(&[4]), x(&[4])], &[]);
    add("addmm", vec![x(&[2]), x(&[3, 4]), x(&[4, 2])], &[0.2, 0.6]);
    add("baddbmm", vec![x(&[1, 3, 2]), x(&[2, 3, 4]), x(&[2, 4, 2])], &[1.0, -0.5]);
    add("linear", vec![x(&[2, 3]), x(&[4, 3]), x(&[4])], &[]);
    add("linear", vec![x(&[2, 2, 3]), x(&[4, 3]), In::Absent], &[]);
    add("linear", vec![x(&[3]), x(&[2, 3]), x(&[2])], &[]);
}

fn indexing(cases: &mut Vec<Case>) {
    let mut add = |name, operands: Vec<In>, attrs: &[f64]| cases.push(Case::new(name, operands, attrs));
    add("gather", vec![x(&[3, 4]), int(&[2, 3], &[0, 3, 3, 1, 1, 0])], &[1.0]);
    add("gather", vec![x(&[3, 4]), int(&[2, 3], &[0, 2, 2, 1, 1, 0])], &[0.0]);
    add("indexSelect", vec![x(&[3, 2]), int(&[4], &[2, 0, 2, 1])], &[0.0]);
    add("scatterAdd", vec![x(&[3, 4]), int(&[2, 3], &[0, 3, 3, 1, 1, 0]), x(&[2, 3])], &[1.0]);
    add("scatterAdd", vec![x(&[3, 4]), int(&[1, 3], &[2, 2, 0]), x(&[2, 4])], &[0.0]);
    add("indexAdd", vec![x(&[3, 2]), int(&[4], &[2, 0, 2, 1]), x(&[4, 2])], &[0.0, -1.5]);
    add("takeAlongDim", vec![x(&[3, 4]), int(&[1, 2], &[3, 0])], &[1.0]);
    add("takeAlongDim", vec![x(&[2, 3]), int(&[4], &[5, 0, 5, 2])], &[NAN]);
}

fn activations(cases: &mut Vec<Case>) {
    let mut add = |name, operands: Vec<In>, attrs: &[f64]| cases.push(Case::new(name, operands, attrs));
    for name in ["softmax", "logSoftmax", "softmin"] {
        for dim in [0.0, 1.0, -1.0] {
            add(name, vec![x(&[2, 3, 4])], &[dim]);
        }
    }
    add("softplus", vec![kinked(&[3, 4])], &[3.0, 0.2]);
    add("softplus", vec![x(&[3, 4])], &[1.0, 20.0]);
    add("geluTanh", vec![x(&[3, 4])], &[]);
    add("silu", vec![x(&[3, 4])], &[]);
    add("elu", vec![kinked(&[3, 4])], &[0.7]);
    add("leakyRelu", vec![kinked(&[3, 4])], &[0.1]);
    add("logSigmoid", vec![exact(&[5], &[-3.0, -0.5, 0.0, 0.5, 3.0])], &[]);
    add("dropout", vec![x(&[4, 5])], &[0.4, 1.0]);
    add("dropout", vec![x(&[4])], &[0.4, 0.0]);
    add("dropout", vec![x(&[4])], &[1.0, 1.0]);
    add("normalize", vec![x(&[3, 4])], &[2.0, 1.0, 1e-12]);
    add("cosineSimilarity", vec![x(&[3, 4]), x(&[3, 4])], &[1.0, 1e-8]);
    add("pairwiseDistance", vec![x(&[3, 4]), x(&[3, 4])], &[2.0, 1e-6, 0.0]);
}

fn losses(cases: &mut Vec<Case>) {
    let mut add = |name, operands: Vec<In>, attrs: &[f64]| cases.push(Case::new(name, operands, attrs));
    let pair = || vec![x(&[3, 4]), range(&[3, 4], -1.0, 1.0)];
    for reduction in [0.0, 1.0, 2.0] {
        add("mse", pair(), &[reduction]);
        add("l1", pair(), &[reduction]);
        add("smoothL1", pair(), &[reduction, 0.7]);
        add("huber", pair(), &[reduction, 0.7]);
        add("binaryCrossEntropy", vec![probability(&[3, 4]), probability(&[3, 4]), In::Absent], &[reduction]);
        let logits =
            vec![exact(&[2, 2], &[0.0, 30.0, -2.0, 0.5]), probability(&[2, 2]), In::Absent, In::Absent];
        add("binaryCrossEntropyWithLogits", logits, &[reduction]);
        let classes = int(&[4], &[2, 0, -100, 1]);
        add("crossEntropy", vec![x(&[4, 3]), classes.clone(), In::Absent], &[reduction, -100.0, 0.0]);
        add("crossEntropy", vec![x(&[4, 3]), classes.clone(), probability(&[3])], &[reduction, -100.0, 0.2]);
        add(
            "crossEntropy",
            vec![x(&[4, 3]), probability(&[4, 3]), probability(&[3])],
            &[reduction, NAN, 0.1],
        );
        add("nll", vec![x(&[4, 3]), classes, probability(&[3])], &[reduction, -100.0]);
        let places = int(&[2, 2], &[0, 1, 2, 2]);
        add("crossEntropy", vec![x(&[2, 3, 2]), places.clone(), In::Absent], &[reduction, NAN, 0.0]);
        add("nll", vec![x(&[2, 3, 2]), places, In::Absent], &[reduction, 2.0]);
        add("poisson", vec![range(&[6], 0.2, 2.0), range(&[6], 1.2, 4.0)], &[reduction, 0.0, 1.0, 1e-8]);
    }
    add("smoothL1", pair(), &[1.0, 0.0]);
    add("crossEntropy", vec![x(&[3]), int(&[], &[1]), In::Absent], &[1.0, -100.0, 0.0]);
    let weighted = vec![probability(&[3, 4]), probability(&[3, 4]), probability(&[4])];
    add("binaryCrossEntropy", weighted, &[1.0]);
    let weighted = vec![x(&[3, 4]), probability(&[3, 4]), probability(&[3, 1]), probability(&[4])];
    add("binaryCrossEntropyWithLogits", weighted, &[1.0]);
    for reduction in [0.0, 1.0, 2.0, 3.0] {
        add("klDiv", vec![x(&[3, 4]), probability(&[3, 4])], &[reduction, 0.0]);
        add("klDiv", pair(), &[reduction, 1.0]);
    }
    add("poisson", vec![x(&[6]), range(&[6], 0.2, 0.9)], &[1.0, 1.0, 0.0, 1e-8]);
    add("cosineEmbedding", vec![x(&[3, 4]), x(&[3, 4]), int(&[3], &[1, -1, 1])], &[1.0, -0.9]);
    add("hingeEmbedding", vec![x(&[4]), int(&[4], &[1, -1, 1, -1])], &[1.0, 1.0]);
    add("marginRanking", vec![x(&[4]), x(&[4]), int(&[4], &[1, -1, 1, -1])], &[2.0, 0.5]);
    add("softMargin", vec![x(&[4]), int(&[4], &[1, -1, 1, -1])], &[1.0]);
    add("tripletMargin", vec![x(&[3, 4]), x(&[3, 4]), x(&[3, 4])], &[1.0, 3.0, 2.0, 1e-6, 1.0]);
}

fn keras(cases: &mut Vec<Case>) {
    let mut add = |name, operands: Vec<In>, attrs: &[f64]| cases.push(Case::new(name, operands, attrs));
    let pair = || vec![x(&[3, 4]), range(&[3, 4], -1.0, 1.0)];
    for reduction in [0.0, 1.0] {
        for name in ["meanSquaredError", "meanAbsoluteError", "logCosh", "klDivergence"] {
            let operands = if name == "klDivergence" { vec![probability(&[3, 4]); 2] } else { pair() };
            add(name, operands, &[reduction]);
        }
        add("meanHuber", pair(), &[reduction, 0.7]);
        add("hinge", vec![x(&[3, 2]), int(&[3, 2], &[0, 1, 1, 0, 1, 0])], &[reduction]);
        add("squaredHinge", vec![x(&[3, 2]), int(&[3, 2], &[-1, 1, 1, -1, 1, -1])], &[reduction]);
        add("meanPoisson", vec![probability(&[3, 2]), probability(&[3, 2])], &[reduction]);
        add("categoricalCrossentropy", vec![probability(&[3, 4]); 2], &[reduction, 0.0, 0.1]);
        add("categoricalCrossentropy", vec![x(&[3, 4]), probability(&[3, 4])], &[reduction, 1.0, 0.0]);
        add(
            "sparseCategoricalCrossentropy",
            vec![probability(&[3, 4]), int(&[3, 1], &[1, 3, 0])],
            &[reduction, 0.0],
        );
        add("sparseCategoricalCrossentropy", vec![x(&[3, 4]), int(&[3], &[1, 3, 0])], &[reduction, 1.0]);
        add("binaryCrossentropy", vec![probability(&[3, 1]), probability(&[3])], &[reduction, 0.0, 0.1]);
        add("binaryCrossentropy", vec![x(&[3, 2]), probability(&[3, 2])], &[reduction, 1.0, 0.0]);
        add("cosine", pair(), &[reduction, -1.0]);
    }
}
