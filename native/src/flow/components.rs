//! Connected components by union-find. The twin of `rhizomedb/flow/components.py`.

use super::batch::{broken, ids_of, Batch};
use super::nodes::{ends, Nodes};
use super::pulse::Pulse;
use pyo3::prelude::*;

fn root(parents: &mut [u32], mut node: u32) -> u32 {
    loop {
        let parent = parents[node as usize];
        if parent == node {
            return node;
        }
        let above = parents[parent as usize];
        parents[node as usize] = above;
        node = above;
    }
}

/// For each node the least one of its component: no parent stands after its child.
fn least_nodes(nodes: &Nodes, pulse: &mut Pulse) -> PyResult<Vec<u32>> {
    let mut parents: Vec<u32> = (0..nodes.ids.len() as u32).collect();
    pulse.pieces(nodes.sources.len(), |piece| {
        let sources = nodes.sources[piece.clone()].iter();
        for (&source, &target) in sources.zip(&nodes.targets[piece]) {
            let (left, right) = (root(&mut parents, source), root(&mut parents, target));
            parents[left.max(right) as usize] = left.min(right);
        }
    })?;
    pulse.pieces(parents.len(), |piece| {
        for node in piece {
            parents[node] = parents[parents[node] as usize];
        }
    })?;
    Ok(parents)
}

/// The ranks that stand beside the ids of the nodes, both lists ascending.
fn ranks_of(nodes: &Nodes, (ids, ranks): &(Vec<u32>, Vec<u32>)) -> Option<Vec<u32>> {
    let mut ranked = ids.iter().zip(ranks);
    nodes
        .ids
        .iter()
        .map(|id| ranked.find(|(held, _)| *held == id).map(|(_, &rank)| rank))
        .collect()
}

/// Every node with the one of its component that has the least rank, or the least id.
#[pyfunction]
#[pyo3(signature = (edges, ranks=None, check=None))]
pub fn components(
    py: Python<'_>,
    edges: &Bound<'_, Batch>,
    ranks: Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)>,
    check: Option<Py<PyAny>>,
) -> PyResult<Batch> {
    let ranks = ranks
        .map(|(ids, ranks)| Ok::<_, PyErr>((ids_of(&ids)?, ids_of(&ranks)?)))
        .transpose()?;
    let (sources, targets) = ends(edges.get())?;
    py.detach(|| {
        let pulse = &mut Pulse::of(check);
        let nodes = Nodes::of(sources, targets, pulse)?;
        let mut least = least_nodes(&nodes, pulse)?;
        if let Some(ranks) = &ranks {
            let ranks = ranks_of(&nodes, ranks).ok_or_else(|| broken("every node has a rank"))?;
            let mut first: Vec<u32> = (0..least.len() as u32).collect();
            for (node, &root) in least.iter().enumerate() {
                let best = &mut first[root as usize];
                if ranks[node] < ranks[*best as usize] {
                    *best = node as u32;
                }
            }
            for root in &mut least {
                *root = first[*root as usize];
            }
        }
        let chosen = least.iter().map(|&node| nodes.ids[node as usize]).collect();
        let size = nodes.ids.len();
        Ok(Batch::new(vec![nodes.ids, chosen], size))
    })
}
