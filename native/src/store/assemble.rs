//! Making segments: the twin of `rhizomedb/store/build.py`, which tells the order in which numbers are given.

use crate::store::damage::{damaged, Found};
use crate::store::header::{Bounds, Header, PAGE, ROW};
use crate::store::index::Lookup;
use crate::store::sections::{S, SECTIONS};
use crate::store::segment::Segment;
use foldhash::fast::RandomState;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use sha2::{Digest, Sha256};
use std::collections::hash_map::Entry;
use std::collections::HashMap;

/// What a segment is made of, each by number. `*_runs` hold what is sorted already, run after run.
#[derive(Default)]
struct Columns {
    bounds: Bounds,
    heap: Vec<u8>,
    ends: Vec<u32>,
    hashes: Vec<u64>,
    order_runs: Vec<u32>,
    delta_ids: Vec<u8>,
    author: Vec<u32>,
    system: Vec<u32>,
    edge: Vec<u32>,
    group: Vec<u32>,
    ms: Vec<u64>,
    counter: Vec<u32>,
    scope: Vec<u32>,
    epoch: Vec<u32>,
    group_size: Vec<u32>,
    fact_last: Vec<u32>,
    digests: Vec<u8>,
    entity: Vec<u32>,
    attribute: Vec<u32>,
    value: Vec<u32>,
    row_runs: Vec<u32>,
    value_runs: Vec<u32>,
    cause_from: Vec<u32>,
    cause_to: Vec<u32>,
    repeat_delta: Vec<u32>,
    repeat_fact: Vec<u32>,
}

struct Said<'a> {
    id: &'a [u8],
    keys: [&'a [u8]; 4],
    group_size: u32,
    ms: u64,
    counter: u32,
    scope: u32,
    epoch: u32,
    data: &'a [u8],
    spans: &'a [u8],
    digests: &'a [u8],
}

/// The segment of deltas that follow what an index covers.
#[pyfunction]
pub fn build_segment<'py>(
    py: Python<'py>,
    index: PyRef<'py, Lookup>,
    delta_after: u32,
    fact_after: u32,
    cell_after: u32,
    said: Vec<Bound<'py, PyTuple>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut parts = Vec::with_capacity(said.len());
    for delta in &said {
        parts.push(read_said(delta)?);
    }
    let index: &Lookup = &index;
    let made =
        py.detach(|| gather(index, delta_after, fact_after, cell_after, &parts).and_then(assemble));
    write(py, made)
}

/// The segment that covers what adjacent segments cover, oldest first.
#[pyfunction]
pub fn merge_segments<'py>(
    py: Python<'py>,
    segments: Vec<Py<Segment>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let parts: Vec<&Segment> = segments.iter().map(Py::get).collect();
    let made = py.detach(|| concatenate(&parts).and_then(assemble));
    write(py, made)
}

fn bytes_of<'a>(delta: &'a Bound<'_, PyTuple>, place: usize) -> PyResult<&'a [u8]> {
    let item = delta.get_borrowed_item(place)?;
    let bytes = item.cast::<PyBytes>()?;
    let bytes = bytes.as_bytes();
    // The tuple keeps the bytes alive for as long as it is borrowed, and neither changes.
    Ok(unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) })
}

fn read_said<'a>(delta: &'a Bound<'_, PyTuple>) -> PyResult<Said<'a>> {
    Ok(Said {
        id: bytes_of(delta, 0)?,
        keys: [
            bytes_of(delta, 1)?,
            bytes_of(delta, 2)?,
            bytes_of(delta, 3)?,
            bytes_of(delta, 4)?,
        ],
        group_size: delta.get_item(5)?.extract()?,
        ms: delta.get_item(6)?.extract()?,
        counter: delta.get_item(7)?.extract()?,
        scope: delta.get_item(8)?.extract()?,
        epoch: delta.get_item(9)?.extract()?,
        data: bytes_of(delta, 10)?,
        spans: bytes_of(delta, 11)?,
        digests: bytes_of(delta, 12)?,
    })
}

// -- numbering ---------------------------------------------------------------------------------------------------

/// The keys that came up, each with its place in the order in which they came first; place 0 is none.
struct Keys {
    places: HashMap<Box<[u8]>, u32, RandomState>,
    heap: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn new() -> Self {
        Keys {
            places: HashMap::default(),
            heap: Vec::new(),
            ends: vec![0],
        }
    }

    fn place(&mut self, key: &[u8]) -> u32 {
        if key.is_empty() {
            return 0;
        }
        if let Some(&place) = self.places.get(key) {
            return place;
        }
        let place = self.ends.len() as u32;
        self.places.insert(key.into(), place);
        self.heap.extend_from_slice(key);
        self.ends.push(self.heap.len());
        place
    }

    /// The cell of each place: those of an index, and new ones numbered in their order; what is new goes to columns.
    fn number(self, index: &Lookup, after: u32, c: &mut Columns) -> Found<(Vec<u32>, u32)> {
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

pub fn hash_of(key: &[u8]) -> u32 {
    u32::from_be_bytes(Sha256::digest(key)[..4].try_into().unwrap())
}

fn gather(
    index: &Lookup,
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
fn known_rows<'a>(index: &Lookup, said: &[Said<'a>]) -> Found<Rows<'a>> {
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

/// The digest of a link to a block of ours.
fn own_digest(raw: &[u8]) -> Option<&[u8; 32]> {
    raw.strip_prefix(&[1, 0x71, 0x12, 0x20])?.try_into().ok()
}

impl Said<'_> {
    fn span(&self, place: usize, number: usize) -> usize {
        let at = 20 * place + 4 * number;
        u32::from_le_bytes(self.spans[at..at + 4].try_into().unwrap()) as usize
    }
}

/// The bytes of each cause of a fact, in their order.
fn for_causes<'a>(
    delta: &Said<'a>,
    place: usize,
    mut each: impl FnMut(&'a [u8]) -> Found<()>,
) -> Found<()> {
    let (_, causes, mut at) = head(delta.data, delta.span(place, 3))?;
    for _ in 0..causes {
        let (_, size, start) = head(delta.data, at + 2)?;
        at = start
            .checked_add(size as usize)
            .filter(|&end| end <= delta.data.len())
            .ok_or(OUTSIDE)?;
        each(delta.data.get(start + 1..at).ok_or(OUTSIDE)?)?;
    }
    Ok(())
}

const OUTSIDE: &str = "a fact ends outside its delta";

/// The major type and number of the head of an encoded value, and where it ends.
fn head(data: &[u8], at: usize) -> Found<(u8, u64, usize)> {
    let first = *data.get(at).ok_or(OUTSIDE)?;
    let (major, info) = (first >> 5, first & 31);
    if info < 24 {
        return Ok((major, info as u64, at + 1));
    }
    let size = 1usize << (info as usize - 24).min(3);
    let bytes = data.get(at + 1..at + 1 + size).ok_or(OUTSIDE)?;
    Ok((
        major,
        bytes
            .iter()
            .fold(0, |number, &byte| number << 8 | byte as u64),
        at + 1 + size,
    ))
}

/// The key of the encoded value at an offset.
fn key_at(data: &[u8], at: usize, key: &mut Vec<u8>) -> Found<()> {
    let (major, number, end) = head(data, at)?;
    key.clear();
    let sign = 1u64 << 63;
    let mut put = |kind: u8, from: usize, size: u64| -> Found<()> {
        let bytes = usize::try_from(size)
            .ok()
            .and_then(|size| data.get(from..from.checked_add(size)?));
        key.push(kind);
        key.extend_from_slice(bytes.ok_or(OUTSIDE)?);
        Ok(())
    };
    match (major, data[at]) {
        (3, _) => put(3, end, number)?,
        (2, _) => put(4, end, number)?,
        (6, _) => {
            let (_, size, start) = head(data, end)?;
            put(5, start + 1, size.saturating_sub(1))?
        }
        (0, _) => {
            key.push(1);
            key.extend_from_slice(&number.wrapping_add(sign).to_be_bytes())
        }
        (1, _) => {
            key.push(1);
            key.extend_from_slice(&(!number).wrapping_add(sign).to_be_bytes())
        }
        (_, 0xFB) => {
            key.push(2);
            key.extend_from_slice(
                &(number ^ if number & sign != 0 { u64::MAX } else { sign }).to_be_bytes(),
            )
        }
        (_, first) => key.extend_from_slice(&[0, (first == 0xF5) as u8]),
    }
    Ok(())
}

// -- from segments -----------------------------------------------------------------------------------------------

fn concatenate(segments: &[&Segment]) -> Found<Columns> {
    let mut c = Columns::default();
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
        return Err("there is no segment to merge".into());
    };
    c.bounds = Bounds {
        delta_after: first.bounds.delta_after,
        delta_last: last.bounds.delta_last,
        fact_after: first.bounds.fact_after,
        fact_last: last.bounds.fact_last,
        cell_after: first.bounds.cell_after,
        cell_last: last.bounds.cell_last,
    };
    for segment in segments {
        let base =
            u32::try_from(c.heap.len()).map_err(|_| "too much in one segment".to_string())?;
        for end in segment.u32s(S::CellEnd)? {
            c.ends
                .push(base.checked_add(end).ok_or("too much in one segment")?);
        }
        c.heap.extend_from_slice(segment.all(S::CellHeap)?);
        if c.ends
            .last()
            .is_some_and(|&end| end as usize != c.heap.len())
        {
            return Err("its cells do not end where they should".into());
        }
        c.hashes.extend(segment.u64s(S::CellByHash)?);
        c.order_runs.extend(segment.u32s(S::CellInOrder)?);
        c.delta_ids.extend_from_slice(segment.all(S::DeltaId)?);
        for (column, section) in [
            (&mut c.author, S::DeltaAuthor),
            (&mut c.system, S::DeltaSystem),
            (&mut c.edge, S::DeltaEdge),
            (&mut c.group, S::DeltaGroup),
            (&mut c.counter, S::DeltaCounter),
            (&mut c.scope, S::DeltaScope),
            (&mut c.epoch, S::DeltaEpoch),
            (&mut c.group_size, S::DeltaGroupSize),
            (&mut c.fact_last, S::DeltaFactLast),
            (&mut c.cause_from, S::CauseFrom),
            (&mut c.cause_to, S::CauseTo),
            (&mut c.repeat_delta, S::RepeatDelta),
            (&mut c.repeat_fact, S::RepeatFact),
        ] {
            column.extend(segment.u32s(section)?);
        }
        c.ms.extend(segment.u64s(S::DeltaMs)?);
        c.digests.extend_from_slice(segment.all(S::FactDigest)?);
        concatenate_facts(&mut c, segment)?;
    }
    let cells = c.bounds.cells() as u32;
    let starts = c.bounds.cell_after + 1;
    if c.order_runs
        .iter()
        .any(|&cell| cell.wrapping_sub(starts) >= cells)
        || !c.ends.is_sorted()
    {
        return Err("its cells are not numbered as they should be".into());
    }
    Ok(c)
}

fn concatenate_facts(c: &mut Columns, segment: &Segment) -> Found<()> {
    let wrong = || "its facts are not numbered as they should be".to_string();
    let (entity, value) = (segment.u32s(S::FactEntity)?, segment.u32s(S::FactValue)?);
    let (rows, places) = (segment.u32s(S::FactRow)?, segment.u32s(S::FactPlace)?);
    let mut attribute = Vec::with_capacity(entity.len());
    for (cell, end) in segment
        .u32s(S::AttributeCell)?
        .into_iter()
        .zip(segment.u32s(S::AttributeEnd)?)
    {
        if (end as usize) < attribute.len() || end as usize > entity.len() {
            return Err(wrong());
        }
        attribute.resize(end as usize, cell);
    }
    for place in places {
        let place = place as usize;
        c.entity.push(*entity.get(place).ok_or_else(wrong)?);
        c.attribute.push(*attribute.get(place).ok_or_else(wrong)?);
        c.value.push(*value.get(place).ok_or_else(wrong)?);
    }
    let local = |row: u32| {
        let number = row.wrapping_sub(c.bounds.fact_after + 1);
        if (number as usize) < c.bounds.facts() {
            Ok(number)
        } else {
            Err(wrong())
        }
    };
    for &row in &rows {
        c.row_runs.push(local(row)?);
    }
    for place in segment.u32s(S::FactByValue)? {
        c.value_runs
            .push(local(*rows.get(place as usize).ok_or_else(wrong)?)?);
    }
    Ok(())
}

// -- sorting -----------------------------------------------------------------------------------------------------

/// The bytes of each section.
type Made = (Bounds, Vec<Vec<u8>>);

fn assemble(mut c: Columns) -> Found<Made> {
    let bounds = c.bounds;
    if bounds.delta_last >= ROW || bounds.fact_last >= ROW || bounds.cell_last >= ROW {
        return Err(format!(
            "a database numbers up to {ROW} facts, deltas and values"
        ));
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

fn pair(high: u32, low: u32) -> u64 {
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
    let prefix = |digest: &[u8; 32]| u32::from_be_bytes(digest[..4].try_into().unwrap());
    let mut pairs: Vec<u64> = digests
        .as_chunks::<32>()
        .0
        .iter()
        .enumerate()
        .map(|(place, digest)| pair(prefix(digest), after + 1 + place as u32))
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

// -- writing -----------------------------------------------------------------------------------------------------

fn write(py: Python<'_>, made: Found<Made>) -> PyResult<Bound<'_, PyBytes>> {
    let (bounds, sections) = made.map_err(|what| damaged(py, what))?;
    let header = Header::of(bounds, sections.iter().map(Vec::len));
    PyBytes::new_with(py, header.bytes(), |out| {
        header.write(out);
        for (start, bytes) in header.offsets.into_iter().zip(sections) {
            out[start..start + bytes.len()].copy_from_slice(&bytes);
        }
        let (body, sums) = out.split_at_mut(header.sums_at);
        for (page, sum) in body.chunks(PAGE).zip(sums.chunks_exact_mut(4)) {
            sum.copy_from_slice(&crc32fast::hash(page).to_le_bytes());
        }
        Ok(())
    })
}
