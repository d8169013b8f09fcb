//! The segment of columns: every order that it holds, its header and its page sums.

use crate::store::damage::{Fault, Found};
use crate::store::header::{Bounds, Header, CELL, PAGE, ROW};
use crate::store::keys::prefix_of;
use crate::store::sections::{S, SECTIONS};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// What a segment is made of, each by number. `*_runs` hold what is sorted already, run after run.
#[derive(Default)]
pub struct Columns {
    pub bounds: Bounds,
    pub heap: Vec<u8>,
    pub ends: Vec<u32>,
    pub hashes: Vec<u64>,
    pub order_runs: Vec<u32>,
    pub delta_ids: Vec<u8>,
    pub author: Vec<u32>,
    pub system: Vec<u32>,
    pub edge: Vec<u32>,
    pub group: Vec<u32>,
    pub ms: Vec<u64>,
    pub counter: Vec<u32>,
    pub scope: Vec<u32>,
    pub epoch: Vec<u32>,
    pub group_size: Vec<u32>,
    pub fact_last: Vec<u32>,
    pub digests: Vec<u8>,
    pub entity: Vec<u32>,
    pub attribute: Vec<u32>,
    pub value: Vec<u32>,
    pub row_runs: Vec<u32>,
    pub value_runs: Vec<u32>,
    pub cause_from: Vec<u32>,
    pub cause_to: Vec<u32>,
    pub repeat_delta: Vec<u32>,
    pub repeat_fact: Vec<u32>,
}

/// The bytes of each section.
pub type Made = (Bounds, Vec<Vec<u8>>);

pub fn assemble(mut c: Columns) -> Found<Made> {
    let bounds = c.bounds;
    if bounds.delta_last >= ROW || bounds.fact_last >= ROW || bounds.cell_last >= CELL {
        return Err(Fault::Full);
    }
    let mut sections: Vec<Vec<u8>> = vec![Vec::new(); SECTIONS];
    let mut put = |section: S, bytes: Vec<u8>| sections[section as usize] = bytes;

    put(S::CellInOrder, le(&in_order(&c)));
    c.hashes.sort();
    put(S::CellByHash, le64s(&c.hashes));
    put(S::CellEnd, le(&c.ends));
    put(S::CellHeap, std::mem::take(&mut c.heap));

    put(
        S::DeltaById,
        le64s(&by_id(&c.delta_ids, bounds.delta_after)),
    );
    put(S::DeltaGrouped, le(&grouped(&c)));
    let mut authors = c.author.clone();
    authors.sort();
    authors.dedup();
    put(S::AuthorCell, le(&authors));
    put(S::DeltaId, std::mem::take(&mut c.delta_ids));
    put(S::DeltaMs, le64s(&c.ms));
    for (section, column) in [
        (S::DeltaAuthor, &c.author),
        (S::DeltaSystem, &c.system),
        (S::DeltaEdge, &c.edge),
        (S::DeltaGroup, &c.group),
        (S::DeltaCounter, &c.counter),
        (S::DeltaScope, &c.scope),
        (S::DeltaEpoch, &c.epoch),
        (S::DeltaGroupSize, &c.group_size),
        (S::DeltaFactLast, &c.fact_last),
        (S::CauseFrom, &c.cause_from),
        (S::CauseTo, &c.cause_to),
        (S::RepeatDelta, &c.repeat_delta),
        (S::RepeatFact, &c.repeat_fact),
    ] {
        put(section, le(column));
    }
    put(S::FactById, le64s(&by_id(&c.digests, bounds.fact_after)));
    put(S::FactDigest, std::mem::take(&mut c.digests));

    let facts = bounds.facts();
    let mut order: Vec<(u64, u32)> = c
        .row_runs
        .iter()
        .map(|&row| (pair(c.attribute[row as usize], c.entity[row as usize]), row))
        .collect();
    order.sort();
    let mut places = vec![0u32; facts];
    for (place, &(_, row)) in order.iter().enumerate() {
        places[row as usize] = place as u32;
    }
    let by_place = |column: &[u32]| -> Vec<u32> {
        order.iter().map(|&(_, row)| column[row as usize]).collect()
    };
    let (entity, value) = (by_place(&c.entity), by_place(&c.value));
    let (attributes, ends) = parts(by_place(&c.attribute).into_iter());
    put(S::AttributeCell, le(&attributes));
    put(S::AttributeEnd, le(&ends));
    put(
        S::FactRow,
        le(&order
            .iter()
            .map(|&(_, row)| row + bounds.fact_after + 1)
            .collect::<Vec<_>>()),
    );
    drop(order);

    let mut by_value: Vec<(u64, u32)> = c
        .value_runs
        .iter()
        .map(|&row| {
            (
                pair(c.attribute[row as usize], c.value[row as usize]),
                places[row as usize],
            )
        })
        .collect();
    by_value.sort();
    put(
        S::FactByValue,
        le(&by_value.iter().map(|&(_, place)| place).collect::<Vec<_>>()),
    );
    drop(by_value);
    put(S::FactPlace, le(&places));

    let mut by_entity: Vec<u64> = entity
        .iter()
        .enumerate()
        .map(|(place, &cell)| pair(cell, place as u32))
        .collect();
    by_entity.sort();
    let (entities, ends) = parts(by_entity.iter().map(|&pair| (pair >> 32) as u32));
    put(S::EntityCell, le(&entities));
    put(S::EntityEnd, le(&ends));
    put(
        S::FactByEntity,
        le(&by_entity
            .iter()
            .map(|&pair| pair as u32)
            .collect::<Vec<_>>()),
    );
    put(S::FactEntity, le(&entity));
    put(S::FactValue, le(&value));
    put(S::CauseByTo, le(&sorted_places(&c.cause_to)));
    put(S::RepeatByFact, le(&sorted_places(&c.repeat_fact)));
    Ok((bounds, sections))
}

pub fn pair(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

fn le(numbers: &[u32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

fn le64s(numbers: &[u64]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// The distinct numbers of a sorted column, and where each ends.
fn parts(column: impl Iterator<Item = u32>) -> (Vec<u32>, Vec<u32>) {
    let (mut numbers, mut ends) = (Vec::new(), Vec::new());
    for (place, number) in column.enumerate() {
        if numbers.last() != Some(&number) {
            numbers.push(number);
            ends.push(0);
        }
        *ends.last_mut().unwrap() = place as u32 + 1;
    }
    (numbers, ends)
}

fn sorted_places(column: &[u32]) -> Vec<u32> {
    let mut places: Vec<u64> = column
        .iter()
        .enumerate()
        .map(|(place, &number)| pair(number, place as u32))
        .collect();
    places.sort();
    places.into_iter().map(|pair| pair as u32).collect()
}

/// Digests as numbers to look up: the first 32 bits of each, then its own number.
fn by_id(digests: &[u8], after: u32) -> Vec<u64> {
    let mut pairs: Vec<u64> = digests
        .as_chunks::<32>()
        .0
        .iter()
        .enumerate()
        .map(|(place, digest)| pair(prefix_of(digest), after + 1 + place as u32))
        .collect();
    pairs.sort();
    pairs
}

/// The cells of a stretch in the order of their keys.
fn in_order(c: &Columns) -> Vec<u32> {
    let after = c.bounds.cell_after;
    let key = |cell: u32| {
        let number = (cell - after - 1) as usize;
        let start = if number == 0 {
            0
        } else {
            c.ends[number - 1] as usize
        };
        &c.heap[start..c.ends[number] as usize]
    };
    let prefix = |cell: u32| {
        let (mut bytes, key) = ([0; 8], key(cell));
        let size = key.len().min(8);
        bytes[..size].copy_from_slice(&key[..size]);
        u64::from_be_bytes(bytes)
    };
    let mut cells: Vec<(u64, u32)> = c
        .order_runs
        .iter()
        .map(|&cell| (prefix(cell), cell))
        .collect();
    cells.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1))));
    cells.into_iter().map(|(_, cell)| cell).collect()
}

fn grouped(c: &Columns) -> Vec<u32> {
    let mut found: Vec<(u32, u32, u32, u32)> = (0..c.group.len())
        .filter(|&number| c.group[number] != 0)
        .map(|number| {
            (
                c.group[number],
                c.author[number],
                c.group_size[number],
                c.bounds.delta_after + 1 + number as u32,
            )
        })
        .collect();
    found.sort();
    found.into_iter().map(|(.., seq)| seq).collect()
}

pub fn write(py: Python<'_>, (bounds, sections): Made) -> PyResult<Bound<'_, PyBytes>> {
    let header = Header::of(bounds, sections.iter().map(Vec::len));
    PyBytes::new_with(py, header.bytes(), |out| {
        py.detach(|| fill(&header, sections, out)); // a large one takes long enough to stop everybody else
        Ok(())
    })
}

fn fill(header: &Header, sections: Vec<Vec<u8>>, out: &mut [u8]) {
    header.write(out);
    for (start, bytes) in header.offsets.into_iter().zip(sections) {
        out[start..start + bytes.len()].copy_from_slice(&bytes);
    }
    let (body, sums) = out.split_at_mut(header.sums_at);
    for (page, sum) in body.chunks(PAGE).zip(sums.chunks_exact_mut(4)) {
        sum.copy_from_slice(&crc32fast::hash(page).to_le_bytes());
    }
}
