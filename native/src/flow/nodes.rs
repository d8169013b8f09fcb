//! Nodes: the ids at either end of some edges, numbered from 0 in ascending order.

use super::batch::{broken, Batch};
use pyo3::prelude::*;

pub struct Nodes {
    /// The id of each node, ascending.
    pub ids: Vec<u32>,
    /// The node at which each edge begins, and the one at which it ends.
    pub sources: Vec<u32>,
    pub targets: Vec<u32>,
}

/// The edges that a batch of two columns holds.
pub fn ends(edges: &Batch) -> PyResult<(&[u32], &[u32])> {
    match edges.columns.as_slice() {
        [sources, targets] => Ok((sources, targets)),
        _ => Err(broken("edges have two ends")),
    }
}

impl Nodes {
    pub fn of(sources: &[u32], targets: &[u32]) -> Self {
        let ends = || sources.iter().chain(targets);
        let least = ends().min().copied().unwrap_or(0);
        let span = ends().max().map_or(0, |&most| (most - least) as usize + 1);
        // The bits of the span take no more room than the edges themselves; ids further apart are sorted.
        if span / 64 <= sources.len() + 64 {
            Self::counted(sources, targets, least, span)
        } else {
            Self::sorted(sources, targets)
        }
    }

    fn counted(sources: &[u32], targets: &[u32], least: u32, span: usize) -> Self {
        let mut words = vec![0u64; span.div_ceil(64)];
        for id in sources.iter().chain(targets) {
            let place = id - least;
            words[place as usize / 64] |= 1 << (place % 64);
        }
        let mut ids = Vec::new();
        let mut before = Vec::with_capacity(words.len());
        for (number, &word) in words.iter().enumerate() {
            before.push(ids.len() as u32);
            let mut left = word;
            while left != 0 {
                ids.push(least + 64 * number as u32 + left.trailing_zeros());
                left &= left - 1;
            }
        }
        let node = |id: &u32| {
            let place = id - least;
            let below = words[place as usize / 64] & ((1 << (place % 64)) - 1);
            before[place as usize / 64] + below.count_ones()
        };
        Self {
            sources: sources.iter().map(node).collect(),
            targets: targets.iter().map(node).collect(),
            ids,
        }
    }

    fn sorted(sources: &[u32], targets: &[u32]) -> Self {
        let ends = sources.iter().chain(targets).enumerate();
        let mut placed: Vec<u64> = ends
            .map(|(place, &id)| u64::from(id) << 32 | place as u64)
            .collect();
        placed.sort_unstable();
        let mut ids: Vec<u32> = Vec::new();
        let mut nodes = vec![0; placed.len()];
        for end in placed {
            let id = (end >> 32) as u32;
            if ids.last() != Some(&id) {
                ids.push(id);
            }
            nodes[end as u32 as usize] = ids.len() as u32 - 1;
        }
        let targets = nodes.split_off(sources.len());
        Self {
            ids,
            sources: nodes,
            targets,
        }
    }
}
