//! Sorted neighbours: for each id in one column of a table of pairs, the ids beside it, in order and in one piece.
//!
//! What many rows have in common is found by walking along such lists, where a look-up of each id alone would wait for memory.

use super::hash::prefetch;

pub struct Adjacent {
    starts: Vec<u32>, // where the ids beside an id begin; and, one further, where they end
    ids: Vec<u32>,
}

impl Adjacent {
    /// Of rows that are all different, `known` and `beside` in each.
    pub fn new(known: &[u32], beside: &[u32]) -> Self {
        let span = known.iter().max().map_or(0, |&id| id as usize + 1);
        let mut starts = vec![0u32; span + 1];
        for &id in known {
            starts[id as usize + 1] += 1;
        }
        for at in 0..span {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut ids = vec![0; beside.len()];
        for (&id, &other) in known.iter().zip(beside) {
            let at = &mut next[id as usize];
            ids[*at as usize] = other;
            *at += 1;
        }
        for at in 0..span {
            ids[starts[at] as usize..starts[at + 1] as usize].sort_unstable();
        }
        Self { starts, ids }
    }

    /// The ids beside an id.
    #[inline(always)]
    pub fn of(&self, id: u32) -> &[u32] {
        match self.starts.get(id as usize..id as usize + 2) {
            Some(ends) => &self.ids[ends[0] as usize..ends[1] as usize],
            None => &[],
        }
    }

    /// Ask for where the ids beside an id begin.
    #[inline(always)]
    pub fn prefetch(&self, id: u32) {
        prefetch(&self.starts, id as usize);
    }

    /// Ask for the ids themselves, once it is at hand where they begin.
    #[inline(always)]
    pub fn prefetch_ids(&self, id: u32) {
        if let Some(&start) = self.starts.get(id as usize) {
            prefetch(&self.ids, start as usize);
        }
    }

    pub fn bytes(&self) -> usize {
        4 * (self.starts.len() + self.ids.len())
    }
}

/// What is left of a sorted list from the first id on that is not less than one.
#[inline(always)]
fn from(list: &[u32], id: u32) -> &[u32] {
    let mut step = 1;
    let mut low = 0;
    while low + step <= list.len() && list[low + step - 1] < id {
        low += step;
        step *= 2;
    }
    let high = (low + step).min(list.len());
    let window = &list[low..high];
    &list[low + window.partition_point(|&held| held < id)..]
}

/// The ids that all sorted lists have, in order, for as long as the visitor wants more. The shortest comes first.
pub fn meet(lists: &mut [&[u32]], mut visitor: impl FnMut(u32) -> bool) {
    let Some((least, others)) = lists.split_first_mut() else {
        return;
    };
    'ids: for &id in *least {
        for other in others.iter_mut() {
            *other = from(other, id);
            match other.first() {
                None => return,
                Some(&held) if held != id => continue 'ids,
                Some(_) => {}
            }
        }
        if !visitor(id) {
            return;
        }
    }
}
