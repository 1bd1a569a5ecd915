//! Reverse mode as one walk over the graph, from the last node to the first.

use std::collections::BinaryHeap;

use crate::error::Result;
use crate::graph::{Builder, NodeId, Vjp};
use crate::hash::FastMap;
use crate::ops;

/// Gradients of `y` (seeded with `dy`) with respect to every leaf it depends on, and to `targets`,
/// which are given by their identity.
///
/// Returns pairs in the order in which the walk reached them: a function of the graph alone, so
/// eager and traced passes add the same numbers in the same order.
pub fn gradients(
    b: &mut Builder<'_>,
    y: NodeId,
    dy: NodeId,
    targets: &[NodeId],
) -> Result<Vec<(NodeId, NodeId)>> {
    let y = b.driver.identity(y);
    let mut gradient = FastMap::from_iter([(y, dy)]);
    let mut heap = BinaryHeap::from([(b.driver.sequence(y), y)]);
    let mut found: Vec<(NodeId, NodeId)> = Vec::new();
    while let Some((_, node)) = heap.pop() {
        let Some(dy) = gradient.remove(&node) else { continue };
        let leaf = b.driver.is_leaf(node);
        if leaf || targets.contains(&node) {
            found.push((node, dy));
        }
        if leaf {
            continue;
        }
        b.driver.enter_backward(node)?;
        let inputs = crate::graph::Inputs::from_slice(b.driver.inputs(node));
        let grads = ops::vjp(&mut Vjp { b, node, dy })?;
        for (&input, grad) in inputs.iter().zip(grads) {
            let Some(grad) = grad.filter(|_| b.driver.requires_grad(input)) else { continue };
            let input = b.driver.identity(input);
            if let Some(&earlier) = gradient.get(&input) {
                let sum = b.add(earlier, grad)?;
                gradient.insert(input, sum);
            } else {
                gradient.insert(input, grad);
                heap.push((b.driver.sequence(input), input));
            }
        }
        b.driver
            .leave_backward(&|n| gradient.values().any(|&g| g == n) || found.iter().any(|&(_, g)| g == n))?;
    }
    Ok(found)
}
