//! Nodes: the ids at either end of some edges, numbered from 0 in ascending order.

use super::batch::{broken, Batch};
use super::pulse::Pulse;
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

/// The bits of an id that one pass of a sort looks at.
const DIGIT: u32 = 11;

impl Nodes {
    pub fn of(sources: &[u32], targets: &[u32], pulse: &mut Pulse) -> PyResult<Self> {
        let (mut least, mut most) = (u32::MAX, 0);
        for ends in [sources, targets] {
            pulse.pieces(ends.len(), |piece| {
                for &id in &ends[piece] {
                    least = least.min(id);
                    most = most.max(id);
                }
            })?;
        }
        let span = if sources.is_empty() {
            0
        } else {
            (most - least) as usize + 1
        };
        // The bits of the span take no more room than the edges themselves; ids further apart are sorted.
        if span / 64 <= sources.len() + 64 {
            Self::counted(sources, targets, least, span, pulse)
        } else {
            Self::sorted(sources, targets, pulse)
        }
    }

    fn counted(
        sources: &[u32],
        targets: &[u32],
        least: u32,
        span: usize,
        pulse: &mut Pulse,
    ) -> PyResult<Self> {
        let mut words = vec![0u64; span.div_ceil(64)];
        for ends in [sources, targets] {
            pulse.pieces(ends.len(), |piece| {
                for id in &ends[piece] {
                    let place = id - least;
                    words[place as usize / 64] |= 1 << (place % 64);
                }
            })?;
        }
        let mut ids = Vec::new();
        let mut before = Vec::with_capacity(words.len());
        pulse.pieces(words.len(), |piece| {
            for number in piece {
                before.push(ids.len() as u32);
                let mut left = words[number];
                while left != 0 {
                    ids.push(least + 64 * number as u32 + left.trailing_zeros());
                    left &= left - 1;
                }
            }
        })?;
        let mut nodes = [Vec::new(), Vec::new()];
        for (made, ends) in nodes.iter_mut().zip([sources, targets]) {
            made.reserve_exact(ends.len());
            pulse.pieces(ends.len(), |piece| {
                made.extend(ends[piece].iter().map(|id| {
                    let place = id - least;
                    let below = words[place as usize / 64] & ((1 << (place % 64)) - 1);
                    before[place as usize / 64] + below.count_ones()
                }));
            })?;
        }
        let [sources, targets] = nodes;
        Ok(Self {
            ids,
            sources,
            targets,
        })
    }

    /// By a radix sort, digit by digit, which can be stopped within each.
    fn sorted(sources: &[u32], targets: &[u32], pulse: &mut Pulse) -> PyResult<Self> {
        let ends = sources.iter().chain(targets).enumerate();
        let mut placed: Vec<u64> = ends
            .map(|(place, &id)| u64::from(id) << 32 | place as u64)
            .collect();
        let size = placed.len();
        let mut other = vec![0u64; size];
        for shift in (32..64).step_by(DIGIT as usize) {
            let digit_of = |end: u64| (end >> shift) as usize & ((1 << DIGIT) - 1);
            let mut next = vec![0usize; 1 << DIGIT];
            pulse.pieces(size, |piece| {
                for &end in &placed[piece] {
                    next[digit_of(end)] += 1;
                }
            })?;
            let mut start = 0;
            for count in &mut next {
                start += std::mem::replace(count, start);
            }
            pulse.pieces(size, |piece| {
                for &end in &placed[piece] {
                    let place = &mut next[digit_of(end)];
                    other[*place] = end;
                    *place += 1;
                }
            })?;
            std::mem::swap(&mut placed, &mut other);
        }
        let mut ids: Vec<u32> = Vec::new();
        let mut nodes = vec![0; size];
        pulse.pieces(size, |piece| {
            for &end in &placed[piece] {
                let id = (end >> 32) as u32;
                if ids.last() != Some(&id) {
                    ids.push(id);
                }
                nodes[end as u32 as usize] = ids.len() as u32 - 1;
            }
        })?;
        let targets = nodes.split_off(sources.len());
        Ok(Self {
            ids,
            sources: nodes,
            targets,
        })
    }
}
