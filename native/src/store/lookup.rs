//! Looking things up in segments: the twin of `rhizomedb/store/lookup.py`.

use crate::store::damage::{damaged, Found};
use crate::store::header::{Bounds, ROW};
use crate::store::keys::hash_of;
use crate::store::ranges::{fact_at, Range, Row};
use crate::store::search::bisect_in;
use crate::store::sections::{NAMES, ORDER, S};
use crate::store::segment::Segment;
use crate::store::walk::Summary;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

/// Adjacent segments as one. Numbers of what is not there are 0; lists of them are empty.
#[pyclass(name = "Index", frozen, module = "rhizomedb_native")]
pub struct Lookup {
    pub segments: Vec<Py<Segment>>,
}

impl Lookup {
    pub fn cell_of(&self, key: &[u8], hash: u32) -> Found<u32> {
        let mut found = 0;
        for segment in self.segments.iter().rev().map(Py::get) {
            segment.matching(S::CellByHash, hash, |cell| {
                if segment.key(cell)? == key {
                    found = cell;
                }
                Ok(found != 0)
            })?;
            if found != 0 {
                break;
            }
        }
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

    fn find(&self, digest: &[u8], by_id: S, ids: S, after: fn(&Bounds) -> u32) -> Found<u32> {
        if digest.len() != 32 {
            return Ok(0);
        }
        let prefix = u32::from_be_bytes(digest[..4].try_into().unwrap());
        let mut found = 0;
        for segment in self.segments.iter().rev().map(Py::get) {
            segment.matching(by_id, prefix, |number| {
                let place = number.wrapping_sub(after(&segment.bounds) + 1) as usize;
                if segment.digest(ids, place)? == digest {
                    found = number;
                }
                Ok(found != 0)
            })?;
            if found != 0 {
                break;
            }
        }
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

    pub fn key_of(&self, cell: u32) -> Found<&[u8]> {
        self.of(cell, |bounds| bounds.cell_last, "cell")?.key(cell)
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

    fn read<'py>(&self, py: Python<'py>, part: Range) -> PyResult<Bound<'py, PyList>> {
        listed(py, self.rows_in(part).map_err(|what| damaged(py, what))?)
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
        py.detach(|| self.registers(last))
            .map_err(|what| damaged(py, what))
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
