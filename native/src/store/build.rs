//! Gathering what deltas say: the twin of `rhizomedb/store/build.py`, which tells the order in which numbers are given.

use crate::store::assemble::{assemble, pair, write, Columns};
use crate::store::damage::Found;
use crate::store::header::{Bounds, ROW};
use crate::store::keys::{hash_of, key_at, own_digest};
use crate::store::lookup::Index;
use crate::store::said::{for_causes, read_said, Said};
use foldhash::fast::RandomState;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use std::collections::hash_map::Entry;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// The segment of deltas that follow what an index covers.
#[pyfunction]
pub fn build_segment<'py>(
    py: Python<'py>,
    index: PyRef<'py, Index>,
    delta_after: u32,
    fact_after: u32,
    cell_after: u32,
    said: Vec<Bound<'py, PyTuple>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut parts = Vec::with_capacity(said.len());
    for delta in &said {
        parts.push(read_said(delta)?);
    }
    let index: &Index = &index;
    let made =
        py.detach(|| gather(index, delta_after, fact_after, cell_after, &parts).and_then(assemble));
    write(py, made?)
}

/// The keys that came up, each with its place in the order in which they came first; place 0 is none.
///
/// A table of our own, for a map of the library would keep each key once more, in a piece of memory of its own.
struct Keys {
    state: RandomState,
    /// Places by the hashes of their keys, 0 where none is: twice as many slots as there are keys, or more.
    slots: Vec<u32>,
    hashes: Vec<u64>,
    heap: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn new() -> Self {
        Keys {
            state: RandomState::default(),
            slots: vec![0; 1024],
            hashes: vec![0],
            heap: Vec::new(),
            ends: vec![0],
        }
    }

    fn place(&mut self, key: &[u8]) -> u32 {
        if key.is_empty() {
            return 0;
        }
        let hash = self.state.hash_one(key);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != 0 {
            let place = self.slots[slot] as usize;
            if self.hashes[place] == hash
                && &self.heap[self.ends[place - 1]..self.ends[place]] == key
            {
                return place as u32;
            }
            slot = (slot + 1) & mask;
        }
        let place = self.ends.len() as u32;
        self.slots[slot] = place;
        self.hashes.push(hash);
        self.heap.extend_from_slice(key);
        self.ends.push(self.heap.len());
        if 2 * self.ends.len() > self.slots.len() {
            self.widen();
        }
        place
    }

    fn widen(&mut self) {
        let mask = 2 * self.slots.len() - 1;
        self.slots.clear();
        self.slots.resize(mask + 1, 0);
        for (place, &hash) in self.hashes.iter().enumerate().skip(1) {
            let mut slot = hash as usize & mask;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = place as u32;
        }
    }

    /// The cell of each place: those of an index, and new ones numbered in their order; what is new goes to columns.
    fn number(self, index: &Index, after: u32, c: &mut Columns) -> Found<(Vec<u32>, u32)> {
        let keys: Vec<&[u8]> = self
            .ends
            .windows(2)
            .map(|ends| &self.heap[ends[0]..ends[1]])
            .collect();
        let hashes: Vec<u32> = keys.iter().map(|key| hash_of(key)).collect();
        let mut cells = index.cells_of(&keys, &hashes)?;
        let mut last = after;
        for ((cell, key), hash) in cells.iter_mut().zip(keys).zip(hashes) {
            if *cell == 0 {
                last += 1;
                *cell = last;
                c.heap.extend_from_slice(key);
                c.ends.push(
                    u32::try_from(c.heap.len())
                        .map_err(|_| "too much in one segment".to_string())?,
                );
                c.hashes.push(pair(hash, last));
            }
        }
        cells.insert(0, 0);
        Ok((cells, last))
    }
}

fn gather(
    index: &Index,
    delta_after: u32,
    fact_after: u32,
    cell_after: u32,
    said: &[Said],
) -> Found<Columns> {
    for delta in said {
        if delta.spans.len() != 20 * (delta.digests.len() / 32) || delta.id.len() != 32 {
            return Err("a delta's spans are not those of its facts".into());
        }
    }
    let mut rows = known_rows(index, said)?;
    let mut keys = Keys::new();
    let mut c = Columns::default();
    let mut key = Vec::new();
    let mut unknown = Vec::new(); // where in `cause_to` a place of a key stands
    let (mut last_row, mut seq) = (fact_after, delta_after);
    for delta in said {
        seq += 1;
        for (column, key) in [&mut c.author, &mut c.system, &mut c.edge, &mut c.group]
            .into_iter()
            .zip(delta.keys)
        {
            column.push(keys.place(key));
        }
        let (mut fresh, mut known) = (Vec::with_capacity(delta.digests.len() / 32), Vec::new());
        for (place, digest) in delta.digests.as_chunks::<32>().0.iter().enumerate() {
            match rows.entry(digest) {
                Entry::Occupied(row) => known.push(*row.get()),
                Entry::Vacant(row) => {
                    last_row += 1;
                    row.insert(last_row);
                    c.digests.extend_from_slice(digest);
                    fresh.push((place, last_row));
                }
            }
        }
        for (place, row) in fresh {
            for (column, at) in [&mut c.entity, &mut c.attribute, &mut c.value]
                .into_iter()
                .zip([
                    delta.span(place, 0) + 1,
                    delta.span(place, 1),
                    delta.span(place, 2),
                ])
            {
                key_at(delta.data, at, &mut key)?;
                column.push(keys.place(&key));
            }
            for_causes(delta, place, |raw| {
                let target = own_digest(raw).and_then(|digest| rows.get(digest));
                c.cause_from.push(row);
                c.cause_to.push(match target {
                    Some(&target) => target | ROW,
                    None => {
                        key.clear();
                        key.push(5);
                        key.extend_from_slice(raw);
                        unknown.push(c.cause_to.len());
                        keys.place(&key)
                    }
                });
                Ok(())
            })?;
        }
        known.sort_unstable();
        for row in known {
            c.repeat_delta.push(seq);
            c.repeat_fact.push(row);
        }
        c.delta_ids.extend_from_slice(delta.id);
        c.ms.push(delta.ms);
        c.counter.push(delta.counter);
        c.scope.push(delta.scope);
        c.epoch.push(delta.epoch);
        c.group_size.push(delta.group_size);
        c.fact_last.push(last_row);
    }
    drop(rows);
    let (cells, last_cell) = keys.number(index, cell_after, &mut c)?;
    for column in [
        &mut c.author,
        &mut c.system,
        &mut c.edge,
        &mut c.group,
        &mut c.entity,
        &mut c.attribute,
        &mut c.value,
    ] {
        column
            .iter_mut()
            .for_each(|place| *place = cells[*place as usize]);
    }
    for at in unknown {
        c.cause_to[at] = cells[c.cause_to[at] as usize];
    }
    let bounds = Bounds {
        delta_after,
        delta_last: seq,
        fact_after,
        fact_last: last_row,
        cell_after,
        cell_last: last_cell,
    };
    c.order_runs = (cell_after + 1..=last_cell).collect();
    c.row_runs = (0..bounds.facts() as u32).collect();
    c.value_runs = c.row_runs.clone();
    c.bounds = bounds;
    Ok(c)
}

type Rows<'a> = HashMap<&'a [u8; 32], u32, RandomState>;

/// The rows of those facts that an index has, of all that are said or named as a cause.
fn known_rows<'a>(index: &Index, said: &[Said<'a>]) -> Found<Rows<'a>> {
    let mut asked: Vec<&'a [u8; 32]> = Vec::new();
    for delta in said {
        asked.extend(delta.digests.as_chunks::<32>().0);
        for place in 0..delta.digests.len() / 32 {
            for_causes(delta, place, |raw| {
                asked.extend(own_digest(raw).filter(|digest| asked.last() != Some(digest)));
                Ok(())
            })?;
        }
    }
    let found = index.facts_of(&asked)?;
    let mut rows = Rows::with_capacity_and_hasher(asked.len(), RandomState::default());
    rows.extend(asked.into_iter().zip(found).filter(|&(_, row)| row != 0));
    Ok(rows)
}
