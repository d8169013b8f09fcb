//! Looking things up in segments: the twin of `rhizomedb/store/lookup.py`.

use crate::ahead::{self, Candidates, Kind};
use crate::assemble::hash_of;
use crate::segment::{damaged, Bounds, Found, Segment, NAMES, ORDER, ROW, S};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use std::collections::BTreeMap;

const KINDS: usize = 6;
/// A segment of this many times as many items is searched, a smaller one walked through.
const WALK_RATIO: usize = 64;
const BY_PLACE: usize = 0;
const BY_VALUE: usize = 1;
const BY_ENTITY: usize = 2;

type Range = (usize, usize, usize, usize);
type Summary = (u32, u64, usize, Vec<u64>);
type Row<'a> = (u32, &'a [u8], u32, u32, u32);

/// Adjacent segments as one. Numbers of what is not there are 0; lists of them are empty.
#[pyclass(name = "Index", frozen, module = "rhizomedb_native")]
pub struct Lookup {
    segments: Vec<Py<Segment>>,
}

impl Lookup {
    pub fn cell_of(&self, key: &[u8], hash: u32) -> Found<u32> {
        let mut found = 0;
        let newest_first = self.segments.iter().rev().map(Py::get);
        ahead::matching(newest_first, S::CellByHash, hash, |segment, cell| {
            if segment.key(cell)? == key {
                found = cell;
            }
            Ok(found != 0)
        })?;
        Ok(found)
    }

    pub fn fact_of(&self, digest: &[u8]) -> Found<u32> {
        self.find(digest, S::FactById, S::FactDigest, |bounds| {
            bounds.fact_after
        })
    }

    fn delta_of(&self, digest: &[u8]) -> Found<u32> {
        self.find(digest, S::DeltaById, S::DeltaId, |bounds| {
            bounds.delta_after
        })
    }

    /// The cells of many keys, 0 for those that are not there.
    pub fn cells_of(&self, keys: &[&[u8]], hashes: &[u32]) -> Found<Vec<u32>> {
        self.find_all(hashes, S::CellByHash, &ahead::Keys(keys))
    }

    /// The rows of many facts, 0 for those that are not there.
    pub fn facts_of(&self, digests: &[&[u8; 32]]) -> Found<Vec<u32>> {
        let prefixes: Vec<u32> = digests.iter().map(|digest| prefix_of(digest)).collect();
        self.find_all(&prefixes, S::FactById, &ahead::Digests(digests))
    }

    /// Look many prefixes up at once: sorted, so that each segment is walked through in one direction.
    fn find_all(&self, prefixes: &[u32], section: S, kind: &impl Kind) -> Found<Vec<u32>> {
        let mut found = vec![0; prefixes.len()];
        let mut wanted: Vec<u64> = prefixes
            .iter()
            .enumerate()
            .map(|(place, &prefix)| (prefix as u64) << 32 | place as u64)
            .collect();
        wanted.sort_unstable();
        for segment in self.segments.iter().rev().map(Py::get) {
            let mut candidates = Candidates::of(segment);
            if wanted.len() * WALK_RATIO < segment.count(section) {
                for &each in &wanted {
                    segment.fetch(section, segment.first_guess(section, (each >> 32) as u32));
                }
                for &each in &wanted {
                    let place = each as u32 as usize;
                    segment.matching(section, (each >> 32) as u32, |number| {
                        candidates.add(number, place, &mut found, kind)?;
                        Ok(false)
                    })?;
                }
            } else {
                let pairs = segment.all(section)?.as_chunks::<8>().0;
                let mut from = 0;
                for &each in &wanted {
                    let (prefix, place) = (each >> 32, each as u32 as usize);
                    let mut step = 1;
                    while from + step < pairs.len()
                        && u64::from_le_bytes(pairs[from + step]) >> 32 < prefix
                    {
                        from += step;
                        step *= 2;
                    }
                    let end = (from + step).min(pairs.len());
                    from += pairs[from..end]
                        .partition_point(|&pair| u64::from_le_bytes(pair) >> 32 < prefix);
                    for &pair in &pairs[from..] {
                        let pair = u64::from_le_bytes(pair);
                        if pair >> 32 != prefix {
                            break;
                        }
                        candidates.add(pair as u32, place, &mut found, kind)?;
                    }
                }
            }
            candidates.compare(&mut found, kind)?;
            wanted.retain(|&each| found[each as u32 as usize] == 0);
        }
        Ok(found)
    }

    fn find(&self, digest: &[u8], by_id: S, ids: S, after: fn(&Bounds) -> u32) -> Found<u32> {
        if digest.len() != 32 {
            return Ok(0);
        }
        let prefix = u32::from_be_bytes(digest[..4].try_into().unwrap());
        let mut found = 0;
        let newest_first = self.segments.iter().rev().map(Py::get);
        ahead::matching(newest_first, by_id, prefix, |segment, number| {
            let place = number.wrapping_sub(after(&segment.bounds) + 1) as usize;
            if segment.digest(ids, place)? == digest {
                found = number;
            }
            Ok(found != 0)
        })?;
        Ok(found)
    }

    /// The segment in which a number is.
    fn of(&self, number: u32, last: fn(&Bounds) -> u32, what: &str) -> Found<&Segment> {
        let place = self
            .segments
            .partition_point(|segment| last(&segment.get().bounds) < number);
        match self.segments.get(place) {
            Some(segment) if number > 0 => Ok(segment.get()),
            _ => Err(format!("there is no {what} {}", number & !ROW)),
        }
    }

    fn of_fact(&self, row: u32) -> Found<(&Segment, usize)> {
        let segment = self.of(row, |bounds| bounds.fact_last, "fact")?;
        Ok((
            segment,
            row.wrapping_sub(segment.bounds.fact_after + 1) as usize,
        ))
    }

    fn of_delta(&self, seq: u32) -> Found<(&Segment, usize)> {
        let segment = self.of(seq, |bounds| bounds.delta_last, "delta")?;
        Ok((
            segment,
            seq.wrapping_sub(segment.bounds.delta_after + 1) as usize,
        ))
    }

    fn key_of(&self, cell: u32) -> Found<&[u8]> {
        self.of(cell, |bounds| bounds.cell_last, "cell")?.key(cell)
    }

    fn ranges_of(&self, entity: u32, attribute: u32, value: u32) -> Found<Vec<Range>> {
        let mut found = Vec::new();
        let newest = entity.max(attribute).max(value);
        // A cell is in no segment older than itself.
        let older = self
            .segments
            .partition_point(|segment| segment.get().bounds.cell_last < newest);
        let segments: Vec<&Segment> = self.segments[older..].iter().map(Py::get).collect();
        let places = if entity != 0 {
            ahead::bisect_each(&segments, S::EntityCell, entity)?
        } else {
            Vec::new()
        };
        for (segment, &place) in segments.iter().zip(&places) {
            segment.fetch(S::EntityEnd, place);
        }
        for (nth, segment) in segments.into_iter().enumerate() {
            let number = older + nth;
            if entity != 0 {
                let (mut first, mut last) =
                    part_at(segment, S::EntityCell, S::EntityEnd, entity, places[nth])?;
                if attribute != 0 && first < last {
                    let (begin, end) = part(segment, S::AttributeCell, S::AttributeEnd, attribute)?;
                    let begin = segment.bisect(S::FactByEntity, begin as u32, first, last)?;
                    last = segment.bisect(S::FactByEntity, end as u32, begin, last)?;
                    first = begin;
                }
                found.push((number, BY_ENTITY, first, last));
            } else if value != 0 {
                let parts = if attribute != 0 {
                    vec![part(segment, S::AttributeCell, S::AttributeEnd, attribute)?]
                } else {
                    let ends = segment.u32s(S::AttributeEnd)?;
                    let starts = std::iter::once(0).chain(ends.iter().copied());
                    starts
                        .zip(&ends)
                        .map(|(start, &end)| (start as usize, end as usize))
                        .collect()
                };
                for (first, last) in parts {
                    let at = bisect_in(segment, S::FactByValue, S::FactValue, value, first, last)?;
                    let end =
                        bisect_in(segment, S::FactByValue, S::FactValue, value + 1, at, last)?;
                    found.push((number, BY_VALUE, at, end));
                }
            } else if attribute != 0 {
                let (first, last) = part(segment, S::AttributeCell, S::AttributeEnd, attribute)?;
                found.push((number, BY_PLACE, first, last));
            } else {
                found.push((number, BY_PLACE, 0, segment.bounds.facts()));
            }
        }
        found.retain(|range| range.2 < range.3);
        Ok(found)
    }

    /// The facts of ranges; what they need of memory is asked for before any of it is waited for.
    fn rows_in(&self, ranges: &[Range]) -> Found<Vec<Row<'_>>> {
        for &(number, order, first, _) in ranges {
            if let (Some(segment), BY_ENTITY) = (self.segments.get(number), order) {
                segment.get().fetch(S::FactByEntity, first);
            }
        }
        let mut places = Vec::new();
        for &(number, order, first, last) in ranges {
            let segment = self
                .segments
                .get(number)
                .ok_or("there is no such segment")?
                .get();
            for each in first..last {
                let place = match order {
                    BY_PLACE => each,
                    BY_VALUE => segment.u32(S::FactByValue, each)? as usize,
                    _ => segment.u32(S::FactByEntity, each)? as usize,
                };
                if place >= segment.bounds.facts() {
                    return Err(format!("there is no fact at {place}"));
                }
                for section in [S::FactRow, S::FactEntity, S::FactValue] {
                    segment.fetch(section, place);
                }
                places.push((segment, place));
            }
        }
        for &(segment, place) in &places {
            let row = segment.u32(S::FactRow, place)?;
            let number = row.wrapping_sub(segment.bounds.fact_after + 1) as usize;
            segment.fetch(S::FactDigest, number);
        }
        places
            .into_iter()
            .map(|(segment, place)| fact_at(segment, place))
            .collect()
    }

    fn sayers_of(&self, row: u32) -> Found<Vec<u32>> {
        let (segment, _) = self.of_fact(row)?;
        let first = segment.bisect(S::DeltaFactLast, row, 0, segment.count(S::DeltaFactLast))?;
        let mut found = vec![first as u32 + segment.bounds.delta_after + 1];
        for segment in self.segments.iter().map(Py::get) {
            let count = segment.count(S::RepeatByFact);
            let mut at = bisect_in(segment, S::RepeatByFact, S::RepeatFact, row, 0, count)?;
            while at < count {
                let number = segment.u32(S::RepeatByFact, at)? as usize;
                if segment.u32(S::RepeatFact, number)? != row {
                    break;
                }
                found.push(segment.u32(S::RepeatDelta, number)?);
                at += 1;
            }
        }
        Ok(found)
    }

    fn summed(&self, last: u32) -> Found<(usize, Vec<Summary>)> {
        let mut found: BTreeMap<u32, (Vec<u32>, Vec<u64>)> = BTreeMap::new();
        for segment in self
            .segments
            .iter()
            .map(Py::get)
            .filter(|segment| segment.bounds.fact_after < last)
        {
            let (entity, row) = (segment.u32s(S::FactEntity)?, segment.u32s(S::FactRow)?);
            let value = segment.u32s(S::FactValue)?;
            let mut at = 0;
            for (attribute, end) in segment
                .u32s(S::AttributeCell)?
                .into_iter()
                .zip(segment.u32s(S::AttributeEnd)?)
            {
                let (entities, kinds) = found
                    .entry(attribute)
                    .or_insert_with(|| (Vec::new(), vec![0; KINDS]));
                for place in at..(end as usize).min(entity.len()) {
                    if row[place] <= last {
                        entities.push(entity[place]);
                        kinds
                            [*self.key_of(value[place])?.first().unwrap_or(&0) as usize % KINDS] +=
                            1;
                    }
                }
                entities.dedup();
                at = end as usize;
            }
        }
        let mut all = Vec::new();
        let mut summary = Vec::new();
        for (attribute, (mut entities, kinds)) in found {
            entities.sort_unstable();
            entities.dedup();
            let facts: u64 = kinds.iter().sum();
            if facts > 0 {
                summary.push((attribute, facts, entities.len(), kinds));
            }
            all.append(&mut entities);
        }
        all.sort_unstable();
        all.dedup();
        Ok((all.len(), summary))
    }

    fn is_visible(
        &self,
        row: u32,
        last: u32,
        since: i64,
        until: i64,
        authors: Option<&[u32]>,
    ) -> Found<bool> {
        for seq in self.sayers_of(row)? {
            if seq > last {
                continue;
            }
            let (segment, number) = self.of_delta(seq)?;
            let ms = i64::try_from(segment.u64(S::DeltaMs, number)?).unwrap_or(i64::MAX);
            if since < ms && ms <= until {
                let author = segment.u32(S::DeltaAuthor, number)?;
                if authors.is_none_or(|authors| authors.contains(&author)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

fn prefix_of(digest: &[u8; 32]) -> u32 {
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// Where the items of a cell begin and end, by the sorted cells of an attribute or entity.
fn part(segment: &Segment, cells: S, ends: S, cell: u32) -> Found<(usize, usize)> {
    let number = segment.bisect(cells, cell, 0, segment.count(cells))?;
    part_at(segment, cells, ends, cell, number)
}

/// The same, where the cell stands at a number if it is there.
fn part_at(
    segment: &Segment,
    cells: S,
    ends: S,
    cell: u32,
    number: usize,
) -> Found<(usize, usize)> {
    if number == segment.count(cells) || segment.u32(cells, number)? != cell {
        return Ok((0, 0));
    }
    let start = if number == 0 {
        0
    } else {
        segment.u32(ends, number - 1)? as usize
    };
    Ok((start, segment.u32(ends, number)? as usize))
}

/// Where a number would stand in a part of an order that is sorted by a column.
fn bisect_in(
    segment: &Segment,
    order: S,
    column: S,
    number: u32,
    mut first: usize,
    mut last: usize,
) -> Found<usize> {
    while first < last {
        let middle = (first + last) / 2;
        if segment.u32(column, segment.u32(order, middle)? as usize)? < number {
            first = middle + 1;
        } else {
            last = middle;
        }
    }
    Ok(first)
}

fn fact_at(segment: &Segment, place: usize) -> Found<Row<'_>> {
    let row = segment.u32(S::FactRow, place)?;
    let digest = segment.digest(
        S::FactDigest,
        row.wrapping_sub(segment.bounds.fact_after + 1) as usize,
    )?;
    let attribute = segment.bisect(
        S::AttributeEnd,
        place as u32 + 1,
        0,
        segment.count(S::AttributeEnd),
    )?;
    let attribute = segment.u32(S::AttributeCell, attribute)?;
    Ok((
        row,
        digest,
        segment.u32(S::FactEntity, place)?,
        attribute,
        segment.u32(S::FactValue, place)?,
    ))
}

fn listed<'py>(py: Python<'py>, rows: Vec<Row>) -> PyResult<Bound<'py, PyList>> {
    let mut found = Vec::with_capacity(rows.len());
    for (row, digest, entity, attribute, value) in rows {
        found.push((row, PyBytes::new(py, digest), entity, attribute, value).into_pyobject(py)?);
    }
    PyList::new(py, found)
}

fn many<'py>(py: Python<'py>, keys: Vec<&[u8]>) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, keys.into_iter().map(|key| PyBytes::new(py, key)))
}

#[pymethods]
impl Lookup {
    #[new]
    fn new(py: Python<'_>, segments: Vec<Py<Segment>>) -> PyResult<Self> {
        for pair in segments.windows(2) {
            let (a, b) = (&pair[0].get().bounds, &pair[1].get().bounds);
            if (a.delta_last, a.fact_last, a.cell_last)
                != (b.delta_after, b.fact_after, b.cell_after)
            {
                return Err(damaged(py, "its segments do not follow one another".into()));
            }
        }
        Ok(Lookup { segments })
    }

    fn find_cell(&self, py: Python<'_>, key: &[u8]) -> PyResult<u32> {
        self.cell_of(key, hash_of(key))
            .map_err(|what| damaged(py, what))
    }

    fn keys<'py>(&self, py: Python<'py>, cells: Vec<u32>) -> PyResult<Bound<'py, PyList>> {
        let keys: Found<Vec<&[u8]>> = cells.into_iter().map(|cell| self.key_of(cell)).collect();
        many(py, keys.map_err(|what| damaged(py, what))?)
    }

    fn find_delta(&self, py: Python<'_>, digest: &[u8]) -> PyResult<u32> {
        self.delta_of(digest).map_err(|what| damaged(py, what))
    }

    fn deltas<'py>(&self, py: Python<'py>, seqs: Vec<u32>) -> PyResult<Bound<'py, PyList>> {
        let mut found: Vec<Bound<'py, PyTuple>> = Vec::with_capacity(seqs.len());
        for seq in seqs {
            let read = || -> Found<_> {
                let (segment, number) = self.of_delta(seq)?;
                Ok((
                    PyBytes::new(py, segment.digest(S::DeltaId, number)?),
                    segment.u32(S::DeltaAuthor, number)?,
                    segment.u32(S::DeltaSystem, number)?,
                    segment.u64(S::DeltaMs, number)?,
                    segment.u32(S::DeltaCounter, number)?,
                    segment.u32(S::DeltaEdge, number)?,
                    segment.u32(S::DeltaScope, number)?,
                    segment.u32(S::DeltaEpoch, number)?,
                ))
            };
            found.push(
                read()
                    .map_err(|what| damaged(py, what))?
                    .into_pyobject(py)?,
            );
        }
        PyList::new(py, found)
    }

    fn facts_of_delta(&self, py: Python<'_>, seq: u32) -> PyResult<(u32, u32)> {
        let read = || -> Found<_> {
            let (segment, number) = self.of_delta(seq)?;
            let before = if number == 0 {
                segment.bounds.fact_after
            } else {
                segment.u32(S::DeltaFactLast, number - 1)?
            };
            Ok((before, segment.u32(S::DeltaFactLast, number)?))
        };
        read().map_err(|what| damaged(py, what))
    }

    fn members(&self, py: Python<'_>, author: u32, group: u32, size: u32) -> PyResult<usize> {
        let read = || -> Found<_> {
            let mut count = 0;
            for segment in self.segments.iter().map(Py::get) {
                let wanted = (group, author, size);
                let key = |at: usize| -> Found<_> {
                    let seq = segment.u32(S::DeltaGrouped, at)?;
                    let number = seq.wrapping_sub(segment.bounds.delta_after + 1) as usize;
                    Ok((
                        segment.u32(S::DeltaGroup, number)?,
                        segment.u32(S::DeltaAuthor, number)?,
                        segment.u32(S::DeltaGroupSize, number)?,
                    ))
                };
                let (mut first, mut last) = (0, segment.count(S::DeltaGrouped));
                while first < last {
                    let middle = (first + last) / 2;
                    if key(middle)? < wanted {
                        first = middle + 1;
                    } else {
                        last = middle;
                    }
                }
                while first < segment.count(S::DeltaGrouped) && key(first)? == wanted {
                    count += 1;
                    first += 1;
                }
            }
            Ok(count)
        };
        read().map_err(|what| damaged(py, what))
    }

    fn has_author(&self, py: Python<'_>, author: u32) -> PyResult<bool> {
        let read = || -> Found<bool> {
            for segment in self.segments.iter().map(Py::get) {
                let at = segment.bisect(S::AuthorCell, author, 0, segment.count(S::AuthorCell))?;
                if at < segment.count(S::AuthorCell) && segment.u32(S::AuthorCell, at)? == author {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        read().map_err(|what| damaged(py, what))
    }

    fn find_fact(&self, py: Python<'_>, digest: &[u8]) -> PyResult<u32> {
        self.fact_of(digest).map_err(|what| damaged(py, what))
    }

    fn digests<'py>(&self, py: Python<'py>, rows: Vec<u32>) -> PyResult<Bound<'py, PyList>> {
        let found: Found<Vec<&[u8]>> = rows
            .into_iter()
            .map(|row| {
                self.of_fact(row)
                    .and_then(|(segment, number)| segment.digest(S::FactDigest, number))
            })
            .collect();
        many(py, found.map_err(|what| damaged(py, what))?)
    }

    fn facts<'py>(&self, py: Python<'py>, rows: Vec<u32>) -> PyResult<Bound<'py, PyList>> {
        let found: Found<Vec<Row>> = rows
            .into_iter()
            .map(|row| {
                let (segment, number) = self.of_fact(row)?;
                fact_at(segment, segment.u32(S::FactPlace, number)? as usize)
            })
            .collect();
        listed(py, found.map_err(|what| damaged(py, what))?)
    }

    fn ranges(
        &self,
        py: Python<'_>,
        entity: u32,
        attribute: u32,
        value: u32,
    ) -> PyResult<Vec<Range>> {
        self.ranges_of(entity, attribute, value)
            .map_err(|what| damaged(py, what))
    }

    /// The facts that have some cells, as many whole ranges as make no more than `most`, and the ranges of the rest.
    fn find_facts<'py>(
        &self,
        py: Python<'py>,
        entity: u32,
        attribute: u32,
        value: u32,
        most: usize,
    ) -> PyResult<(Bound<'py, PyList>, Vec<Range>)> {
        let read = || -> Found<_> {
            let mut whole = self.ranges_of(entity, attribute, value)?;
            let mut count = 0;
            let fits = whole.iter().take_while(|range| {
                count += range.3 - range.2;
                count <= most
            });
            let rest = whole.split_off(fits.count());
            Ok((self.rows_in(&whole)?, rest))
        };
        let (rows, rest) = read().map_err(|what| damaged(py, what))?;
        Ok((listed(py, rows)?, rest))
    }

    fn read<'py>(&self, py: Python<'py>, part: Range) -> PyResult<Bound<'py, PyList>> {
        listed(py, self.rows_in(&[part]).map_err(|what| damaged(py, what))?)
    }

    fn causes(&self, py: Python<'_>, row: u32) -> PyResult<Vec<u32>> {
        let read = || -> Found<_> {
            let (segment, _) = self.of_fact(row)?;
            let count = segment.count(S::CauseFrom);
            let mut at = segment.bisect(S::CauseFrom, row, 0, count)?;
            let mut found = Vec::new();
            while at < count && segment.u32(S::CauseFrom, at)? == row {
                found.push(segment.u32(S::CauseTo, at)?);
                at += 1;
            }
            Ok(found)
        };
        read().map_err(|what| damaged(py, what))
    }

    /// Up to `most` rows of facts that have causes, from one on.
    fn caused(&self, py: Python<'_>, row: u32, most: usize) -> PyResult<Vec<u32>> {
        let read = || -> Found<_> {
            let mut found = Vec::new();
            for segment in self.segments.iter().map(Py::get) {
                let count = segment.count(S::CauseFrom);
                let mut at = segment.bisect(S::CauseFrom, row, 0, count)?;
                while at < count && found.len() < most {
                    let each = segment.u32(S::CauseFrom, at)?;
                    if found.last() != Some(&each) {
                        found.push(each);
                    }
                    at += 1;
                }
            }
            Ok(found)
        };
        read().map_err(|what| damaged(py, what))
    }

    fn effects(&self, py: Python<'_>, to: u32) -> PyResult<Vec<u32>> {
        let read = || -> Found<_> {
            let mut found = Vec::new();
            for segment in self.segments.iter().map(Py::get) {
                let count = segment.count(S::CauseByTo);
                let mut at = bisect_in(segment, S::CauseByTo, S::CauseTo, to, 0, count)?;
                while at < count {
                    let number = segment.u32(S::CauseByTo, at)? as usize;
                    if segment.u32(S::CauseTo, number)? != to {
                        break;
                    }
                    found.push(segment.u32(S::CauseFrom, number)?);
                    at += 1;
                }
            }
            Ok(found)
        };
        read().map_err(|what| damaged(py, what))
    }

    fn sayers(&self, py: Python<'_>, row: u32) -> PyResult<Vec<u32>> {
        self.sayers_of(row).map_err(|what| damaged(py, what))
    }

    fn repeated_by(&self, py: Python<'_>, seq: u32) -> PyResult<Vec<u32>> {
        let read = || -> Found<_> {
            let (segment, _) = self.of_delta(seq)?;
            let count = segment.count(S::RepeatDelta);
            let mut at = segment.bisect(S::RepeatDelta, seq, 0, count)?;
            let mut found = Vec::new();
            while at < count && segment.u32(S::RepeatDelta, at)? == seq {
                found.push(segment.u32(S::RepeatFact, at)?);
                at += 1;
            }
            Ok(found)
        };
        read().map_err(|what| damaged(py, what))
    }

    #[pyo3(signature = (rows, last, since, until, authors))]
    fn visible(
        &self,
        py: Python<'_>,
        rows: Vec<u32>,
        last: u32,
        since: i64,
        until: i64,
        authors: Option<Vec<u32>>,
    ) -> PyResult<Vec<bool>> {
        let found: Found<Vec<bool>> = rows
            .into_iter()
            .map(|row| self.is_visible(row, last, since, until, authors.as_deref()))
            .collect();
        found.map_err(|what| damaged(py, what))
    }

    /// Up to `most` cells of one segment in the order of their keys, from the first key that is not less than one.
    fn ordered<'py>(
        &self,
        py: Python<'py>,
        number: usize,
        key: &[u8],
        most: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let read = || -> Found<_> {
            let segment = self
                .segments
                .get(number)
                .ok_or("there is no such segment")?
                .get();
            let count = segment.count(S::CellInOrder);
            let (mut first, mut last) = (0, count);
            while first < last {
                let middle = (first + last) / 2;
                if segment.key(segment.u32(S::CellInOrder, middle)?)? < key {
                    first = middle + 1;
                } else {
                    last = middle;
                }
            }
            let mut found = Vec::new();
            for at in first..count.min(first.saturating_add(most)) {
                let cell = segment.u32(S::CellInOrder, at)?;
                found.push((segment.key(cell)?, cell));
            }
            Ok(found)
        };
        let found = read().map_err(|what| damaged(py, what))?;
        PyList::new(
            py,
            found
                .into_iter()
                .map(|(key, cell)| (PyBytes::new(py, key), cell)),
        )
    }

    /// The pairs of entity and attribute that more than one fact up to a row has, sorted.
    fn repeated(&self, py: Python<'_>, last: u32) -> PyResult<Vec<(u32, u32)>> {
        let read = || -> Found<_> {
            let mut pairs = Vec::new();
            for segment in self
                .segments
                .iter()
                .map(Py::get)
                .filter(|segment| segment.bounds.fact_after < last)
            {
                let (cells, ends) = (
                    segment.u32s(S::AttributeCell)?,
                    segment.u32s(S::AttributeEnd)?,
                );
                let (entity, row) = (segment.u32s(S::FactEntity)?, segment.u32s(S::FactRow)?);
                let mut at = 0;
                for (attribute, end) in cells.into_iter().zip(ends) {
                    for place in at..(end as usize).min(entity.len()) {
                        if row[place] <= last {
                            pairs.push((entity[place] as u64) << 32 | attribute as u64);
                        }
                    }
                    at = end as usize;
                }
            }
            pairs.sort_unstable();
            let mut found: Vec<(u32, u32)> = Vec::new();
            for two in pairs.windows(2).filter(|two| two[0] == two[1]) {
                let register = ((two[0] >> 32) as u32, two[0] as u32);
                if found.last() != Some(&register) {
                    found.push(register);
                }
            }
            Ok(found)
        };
        py.detach(read).map_err(|what| damaged(py, what))
    }

    /// Of the facts up to a row: how many entities, and of each attribute its facts, entities and kinds of value.
    fn summary(&self, py: Python<'_>, last: u32) -> PyResult<(usize, Vec<Summary>)> {
        py.detach(|| self.summed(last))
            .map_err(|what| damaged(py, what))
    }

    /// Check the pages that hold some items of a section; where they begin and end in the segment, to be used in place.
    #[pyo3(signature = (number, name, first=0, last=None))]
    fn check(
        &self,
        py: Python<'_>,
        number: usize,
        name: &str,
        first: usize,
        last: Option<usize>,
    ) -> PyResult<(usize, usize)> {
        let read = || -> Found<_> {
            let segment = self
                .segments
                .get(number)
                .ok_or("there is no such segment")?
                .get();
            let place = NAMES
                .iter()
                .position(|&each| each == name)
                .ok_or("there is no such section")?;
            let items = segment.items(
                ORDER[place],
                first,
                last.unwrap_or(segment.count(ORDER[place])),
            )?;
            let at = items.as_ptr() as usize - segment.start();
            Ok((at, at + items.len()))
        };
        read().map_err(|what| damaged(py, what))
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(crate::assemble::build_segment, module)?)?;
    module.add_function(wrap_pyfunction!(crate::assemble::merge_segments, module)?)?;
    module.add_class::<Segment>()?;
    module.add_class::<Lookup>()
}
