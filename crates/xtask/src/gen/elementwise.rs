//! TypeScript of the elementwise ops: their methods, and their functions with documentation.

use neuroxide_core::dtype::DType;
use neuroxide_core::ops::table::{BinaryOp, Example, UnaryOp};

use super::line;

/// The element type of a result, which its type in TypeScript follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// That of the operands, promoted.
    Same,
    /// The same where it is a float, f32 otherwise.
    Float,
    Bool,
}

/// What a row says, the same for one operand and for two.
struct Entry {
    name: &'static str,
    doc: &'static str,
    torch: &'static str,
    example: Example,
    outcome: Outcome,
    /// Element types that it does not take.
    refused: Vec<DType>,
    refuses_zero: bool,
}

impl Entry {
    fn of_one(op: UnaryOp) -> Self {
        let computes_in = |dtype| op.computes_in(dtype);
        Self {
            name: op.name(),
            doc: op.doc(),
            torch: op.torch(),
            example: op.example(),
            outcome: outcome(op.returns_bool(), computes_in),
            refused: refused(computes_in),
            refuses_zero: false,
        }
    }

    fn of_two(op: BinaryOp) -> Self {
        let computes_in = |dtype| op.computes_in(dtype);
        Self {
            name: op.name(),
            doc: op.doc(),
            torch: op.torch(),
            example: op.example(),
            outcome: outcome(op.returns_bool(), computes_in),
            refused: refused(computes_in),
            refuses_zero: op.refuses_zero(),
        }
    }

    /// The errors that operands of the right kind can still raise, most general first.
    fn errors(&self, operands: &str) -> Vec<String> {
        let mut errors = Vec::new();
        if let Some(shown) = listed(&self.refused) {
            errors.push(format!("DTypeError where {operands} {shown}"));
        }
        if self.refuses_zero {
            errors.push("ValueError where an integer is divided by 0".to_string());
        }
        errors
    }

    /// The lines of an example that a reader can run.
    fn program(&self) -> [String; 2] {
        let operands: Vec<String> = self.example.operands.iter().map(|operand| literal(operand)).collect();
        let mut names = [self.name, "tensor"];
        names.sort_unstable();
        [
            format!("import {{ {} }} from 'neuroxide'", names.join(", ")),
            format!(
                "console.log({}({}).toArray()) // {}",
                self.name,
                operands.join(", "),
                self.example.prints
            ),
        ]
    }
}

fn outcome(returns_bool: bool, computes_in: impl Fn(DType) -> Option<DType>) -> Outcome {
    if returns_bool {
        Outcome::Bool
    } else if computes_in(DType::I32) == Some(DType::F32) {
        Outcome::Float
    } else {
        Outcome::Same
    }
}

fn refused(computes_in: impl Fn(DType) -> Option<DType>) -> Vec<DType> {
    DType::ALL.into_iter().filter(|dtype| computes_in(*dtype).is_none()).collect()
}

/// Names of element types as a sentence has them; nothing for none.
fn listed(dtypes: &[DType]) -> Option<String> {
    let names: Vec<&str> = dtypes.iter().map(|dtype| dtype.name()).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}

/// An operand of an example as TypeScript.
fn literal(operand: &str) -> String {
    if operand.starts_with('[') { format!("tensor({operand})") } else { operand.to_string() }
}

const METHODS: &str = "\
import { Code } from '../ops.generated.js'
import type { Tensor } from '../tensor.js'
import type { Broadcast, DType, FloatOf, Promoted, Quotient, Shape, TensorLike } from '../types.js'
import type { BroadcastsWith } from '../types/broadcast.js'
import type { sizes } from '../types/fit.js'
import { TensorBase } from './base.js'
import { binary, unary } from './operation.js'

/** The ops of the table as methods. */
export abstract class TableTensor<S extends Shape = Shape, D extends DType = DType> extends TensorBase<S, D> {
";

/// Ops of one operand whose methods and functions are written by hand, since they take an option.
const WITH_OPTIONS: &[UnaryOp] = &[UnaryOp::Gelu];

fn without_options() -> impl Iterator<Item = &'static UnaryOp> {
    UnaryOp::ALL.iter().filter(|op| !WITH_OPTIONS.contains(op))
}

/// The class of methods.
pub fn methods() -> String {
    let one = without_options().map(|op| method_of_one(&Entry::of_one(*op)));
    let two = BinaryOp::ALL.iter().map(|op| method_of_two(&Entry::of_two(*op)));
    let methods: Vec<String> = one.chain(two).collect();
    format!("{METHODS}{}}}\n", methods.join("\n"))
}

fn method_of_one(entry: &Entry) -> String {
    let Entry { name, doc, .. } = entry;
    let (dtype, note) = match entry.outcome {
        Outcome::Same => ("D", ""),
        Outcome::Float => ("FloatOf<D>", " Integers and bool become f32."),
        Outcome::Bool => ("'bool'", ""),
    };
    format!(
        "  /** {doc}{note} */
  {name}(): Tensor<S, {dtype}> {{
    return unary(Code.{name}, this)
  }}
"
    )
}

fn method_of_two(entry: &Entry) -> String {
    let Entry { name, doc, .. } = entry;
    let dtype = match entry.outcome {
        Outcome::Same => "Promoted<This['dtype'], Other>",
        Outcome::Float => "Quotient<This['dtype'], Other>",
        Outcome::Bool => "'bool'",
    };
    format!(
        "  /** {doc} This tensor is the first operand, and both broadcast. */
  {name}<This extends TensorBase, Other extends TensorLike>(
    this: This,
    other: Other & BroadcastsWith<'{name}', This[typeof sizes], Other>,
  ): Tensor<Broadcast<This[typeof sizes], Other>, {dtype}> {{
    return binary(Code.{name}, '{name}', this, other)
  }}
"
    )
}

const FUNCTIONS: &str = "\
import { Code } from '../ops.generated.js'
import { asTensor } from '../tensor/create.js'
import { binary } from '../tensor/operation.js'
import type { Tensor } from '../tensor.js'
import type { Compared, Divided, Floating, Joined, Same, TensorLike, Truth } from '../types.js'
import type { BroadcastsWith } from '../types/broadcast.js'
import type { ShapeOf } from '../types/fit.js'

";

/// The functions, each with a comment whose example the tests run.
pub fn functions() -> String {
    let one = without_options().map(|op| function_of_one(&Entry::of_one(*op)));
    let two = BinaryOp::ALL.iter().map(|op| function_of_two(&Entry::of_two(*op)));
    let functions: Vec<String> = one.chain(two).collect();
    format!("{FUNCTIONS}{}", functions.join("\n"))
}

fn function_of_one(entry: &Entry) -> String {
    let name = entry.name;
    let (result, what) = match entry.outcome {
        Outcome::Same => ("Same", "a tensor of the same shape and element type"),
        Outcome::Float => ("Floating", "a float tensor of the same shape; integers and bool become f32"),
        Outcome::Bool => ("Truth", "a bool tensor of the same shape"),
    };
    let mut errors = entry.errors("`x` is");
    if errors.is_empty() {
        errors.push("ValueError where `x` cannot become a tensor".to_string());
    }
    let params = ["x - a tensor or what becomes one"];
    let comment = documented(entry, &params, what, &errors);
    format!(
        "{comment}export function {name}<const X extends TensorLike>(x: X): {result}<X> {{
  return asTensor(x, '{name}').{name}() as {result}<X>
}}
"
    )
}

fn function_of_two(entry: &Entry) -> String {
    let name = entry.name;
    let (result, what) = match entry.outcome {
        Outcome::Same => ("Joined", "a tensor of the broadcast shape and the promoted element type"),
        Outcome::Float => ("Divided", "a float tensor of the broadcast shape; integers and bool become f32"),
        Outcome::Bool => ("Compared", "a bool tensor of the broadcast shape"),
    };
    let mut errors = vec!["ShapeError where the shapes do not broadcast".to_string()];
    errors.extend(entry.errors("both operands are"));
    let params = [
        "a - the first operand, a tensor or what becomes one",
        "b - the second operand; numbers adapt to the element type of the other",
    ];
    let comment = documented(entry, &params, what, &errors);
    format!(
        "{comment}export function {name}<const A extends TensorLike, const B extends TensorLike>(
  a: A,
  b: B & BroadcastsWith<'{name}', ShapeOf<A>, B>,
): {result}<A, B> {{
  return binary(Code.{name}, '{name}', a, b) as Tensor as {result}<A, B>
}}
"
    )
}

/// The comment of a function.
fn documented(entry: &Entry, params: &[&str], returns: &str, errors: &[String]) -> String {
    let mut lines = vec![entry.doc.to_string(), String::new()];
    lines.extend(params.iter().map(|param| format!("@param {param}")));
    lines.push(format!("@returns {returns}"));
    lines.extend(errors.iter().map(|error| format!("@throws {error}")));
    lines.push(format!("@see `torch.{}` of PyTorch", entry.torch));
    lines.extend(["@example".to_string(), "```ts".to_string()]);
    lines.extend(entry.program());
    lines.push("```".to_string());
    let mut text = String::from("/**\n");
    for content in lines {
        line(&mut text, format!(" * {content}").trim_end());
    }
    text.push_str(" */\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_a_result_follows_from_the_functions_of_its_row() {
        assert_eq!(Entry::of_one(UnaryOp::Exp).outcome, Outcome::Float);
        assert_eq!(Entry::of_one(UnaryOp::Floor).outcome, Outcome::Same);
        assert_eq!(Entry::of_one(UnaryOp::Isnan).outcome, Outcome::Bool);
        assert_eq!(Entry::of_two(BinaryOp::Div).outcome, Outcome::Float);
        assert_eq!(Entry::of_two(BinaryOp::Pow).outcome, Outcome::Same);
        assert_eq!(Entry::of_two(BinaryOp::Lt).outcome, Outcome::Bool);
    }

    #[test]
    fn a_method_is_one_call() {
        assert_eq!(
            method_of_one(&Entry::of_one(UnaryOp::Sin)),
            "  /** Sine of each element, in radians. Integers and bool become f32. */
  sin(): Tensor<S, FloatOf<D>> {
    return unary(Code.sin, this)
  }
"
        );
        let div = method_of_two(&Entry::of_two(BinaryOp::Div));
        assert!(
            div.contains("): Tensor<Broadcast<This[typeof sizes], Other>, Quotient<This['dtype'], Other>> {"),
            "{div}"
        );
    }

    #[test]
    fn a_function_tells_which_errors_its_row_allows() {
        let neg = function_of_one(&Entry::of_one(UnaryOp::Neg));
        assert!(neg.contains(" * @throws DTypeError where `x` is bool\n"), "{neg}");
        let fmod = function_of_two(&Entry::of_two(BinaryOp::Fmod));
        assert!(fmod.contains(" * @throws ValueError where an integer is divided by 0\n"), "{fmod}");
        assert!(!function_of_two(&Entry::of_two(BinaryOp::Add)).contains("DTypeError"));
    }

    #[test]
    fn an_example_makes_tensors_of_lists_only() {
        assert_eq!(
            Entry::of_two(BinaryOp::Add).program()[1],
            "console.log(add(tensor([1, 2]), 10).toArray()) // [ 11, 12 ]"
        );
        assert!(Entry::of_two(BinaryOp::Xor).program()[1].contains("tensor([true, false]), tensor("));
    }
}
