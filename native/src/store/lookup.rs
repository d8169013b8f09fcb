//! Looking things up in segments: the twin of `rhizomedb/store/lookup.py`.

use crate::store::ahead;
use crate::store::damage::Found;
use crate::store::header::{Bounds, ROW};
use crate::store::keys::{hash_of, prefix_of};
use crate::store::ranges::{attribute_at, fact_at, Range, Row};
use crate::store::search::{near, partition_point};
use crate::store::sections::{NAMES, ORDER, S};
use crate::store::segment::Segment;
use crate::store::walk::Summary;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

/// A pointer in numbers: its attribute, its value, and the contexts under which its edge shows up there.
type Pointer = (u32, u32, Vec<u32>);

/// Adjacent segments as one. Numbers of what is not there are 0; lists of them are empty.
#[pyclass(frozen, module = "rhizomedb_native")]
pub struct Index {
    segments: Vec<Py<Segment>>,
}

impl Index {
    /// Its segments, oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().map(Py::get)
    }

    /// The number of the oldest segment that may have a cell: it is in none older than itself.
    pub fn since(&self, cell: u32) -> usize {
        self.segments
            .partition_point(|segment| segment.get().bounds.cell_last < cell)
    }

    pub fn segment(&self, number: usize) -> Found<&Segment> {
        let found = self.segments.get(number).map(Py::get);
        Ok(found.ok_or("there is no such segment")?)
    }

    /// The segment in which a number is.
    fn of(&self, number: u32, last: fn(&Bounds) -> u32, what: &str) -> Found<&Segment> {
        let place = self
            .segments
            .partition_point(|segment| last(&segment.get().bounds) < number);
        match self.segments.get(place) {
            Some(segment) if number > 0 => Ok(segment.get()),
            _ => Err(format!("there is no {what} {}", number & !ROW).into()),
        }
    }

    fn of_fact(&self, row: u32) -> Found<(&Segment, usize)> {
        let segment = self.of(row, |bounds| bounds.fact_last, "fact")?;
        Ok((segment, segment.bounds.fact(row)))
    }

    fn of_delta(&self, seq: u32) -> Found<(&Segment, usize)> {
        let segment = self.of(seq, |bounds| bounds.delta_last, "delta")?;
        Ok((segment, segment.bounds.delta(seq)))
    }

    pub fn key_of(&self, cell: u32) -> Found<&[u8]> {
        self.of(cell, |bounds| bounds.cell_last, "cell")?.key(cell)
    }

    /// The number that stands beside a prefix and is the right one, looked for in the newest segment first.
    fn find(
        &self,
        section: S,
        prefix: u32,
        is_it: impl Fn(&Segment, u32) -> Found<bool>,
    ) -> Found<u32> {
        let mut found = 0;
        ahead::matching(self.all().rev(), section, prefix, |segment, number| {
            if is_it(segment, number)? {
                found = number;
            }
            Ok(found != 0)
        })?;
        Ok(found)
    }

    /// The pointers of a delta's edge, in the order in which its facts say them.
    fn pointers(&self, segment: &Segment, seq: u32, edge: u32) -> Found<Vec<Pointer>> {
        let (before, last) = self.facts_of_delta(seq)?;
        let mut pointers: Vec<(u32, Pointer)> = Vec::new();
        let mut contexts: Vec<(u32, u32)> = Vec::new();
        for row in before + 1..=last {
            let place = segment.u32(S::FactPlace, segment.bounds.fact(row))? as usize;
            let value = segment.u32(S::FactValue, place)?;
            if value == edge {
                let causes = segment.beside(S::CauseFrom, row, S::CauseTo)?;
                if let [cause] = causes[..] {
                    if cause >= ROW {
                        contexts.push((cause - ROW, attribute_at(segment, place)?));
                    }
                }
                if !causes.is_empty() {
                    continue;
                }
            }
            if segment.u32(S::FactEntity, place)? == edge {
                let attribute = attribute_at(segment, place)?;
                pointers.push((row, (attribute, value, Vec::new())));
            }
        }
        for (cause, context) in contexts {
            if let Ok(at) = pointers.binary_search_by_key(&cause, |(row, _)| *row) {
                pointers[at].1 .2.push(context);
            }
        }
        Ok(pointers.into_iter().map(|(_, pointer)| pointer).collect())
    }

    fn is_visible(
        &self,
        row: u32,
        last: u32,
        since: i64,
        until: i64,
        authors: Option<&[u32]>,
    ) -> Found<bool> {
        for seq in self.sayers(row)? {
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

#[pymethods]
impl Index {
    #[new]
    fn new(segments: Vec<Py<Segment>>) -> Found<Self> {
        for pair in segments.windows(2) {
            let (a, b) = (&pair[0].get().bounds, &pair[1].get().bounds);
            if (a.delta_last, a.fact_last, a.cell_last)
                != (b.delta_after, b.fact_after, b.cell_after)
            {
                return Err("its segments do not follow one another".into());
            }
        }
        Ok(Index { segments })
    }

    // -- cells -------------------------------------------------------------------------------------------------------

    fn find_cell(&self, key: &[u8]) -> Found<u32> {
        self.find(S::CellByHash, hash_of(key), |segment, cell| {
            Ok(segment.key(cell)? == key)
        })
    }

    fn keys<'py>(&self, py: Python<'py>, cells: Vec<u32>) -> PyResult<Bound<'py, PyList>> {
        let keys: Found<Vec<&[u8]>> = cells.into_iter().map(|cell| self.key_of(cell)).collect();
        many(py, keys?)
    }

    // -- deltas ------------------------------------------------------------------------------------------------------

    fn find_delta(&self, digest: &[u8]) -> Found<u32> {
        let Ok(digest) = digest.try_into() else {
            return Ok(0);
        };
        self.find(S::DeltaById, prefix_of(digest), |segment, seq| {
            Ok(segment.digest(S::DeltaId, segment.bounds.delta(seq))? == digest)
        })
    }

    fn deltas<'py>(&self, py: Python<'py>, seqs: Vec<u32>) -> PyResult<Bound<'py, PyList>> {
        let mut found: Vec<Bound<'py, PyTuple>> = Vec::with_capacity(seqs.len());
        for seq in seqs {
            let (segment, number) = self.of_delta(seq)?;
            let delta = (
                PyBytes::new(py, segment.digest(S::DeltaId, number)?),
                segment.u32(S::DeltaAuthor, number)?,
                segment.u32(S::DeltaSystem, number)?,
                segment.u64(S::DeltaMs, number)?,
                segment.u32(S::DeltaCounter, number)?,
                segment.u32(S::DeltaEdge, number)?,
                segment.u32(S::DeltaScope, number)?,
                segment.u32(S::DeltaEpoch, number)?,
            );
            found.push(delta.into_pyobject(py)?);
        }
        PyList::new(py, found)
    }

    fn facts_of_delta(&self, seq: u32) -> Found<(u32, u32)> {
        let (segment, number) = self.of_delta(seq)?;
        let before = if number == 0 {
            segment.bounds.fact_after
        } else {
            segment.u32(S::DeltaFactLast, number - 1)?
        };
        Ok((before, segment.u32(S::DeltaFactLast, number)?))
    }

    fn members(&self, author: u32, group: u32, size: u32) -> Found<usize> {
        let wanted = (group, author, size);
        let mut members = 0;
        for segment in self.all() {
            let key = |at: usize| -> Found<_> {
                let number = segment.bounds.delta(segment.u32(S::DeltaGrouped, at)?);
                Ok((
                    segment.u32(S::DeltaGroup, number)?,
                    segment.u32(S::DeltaAuthor, number)?,
                    segment.u32(S::DeltaGroupSize, number)?,
                ))
            };
            let count = segment.count(S::DeltaGrouped);
            let mut at = partition_point(0, count, |at| Ok(key(at)? < wanted))?;
            while at < count && key(at)? == wanted {
                members += 1;
                at += 1;
            }
        }
        Ok(members)
    }

    fn has_author(&self, author: u32) -> Found<bool> {
        for segment in self.all() {
            let count = segment.count(S::AuthorCell);
            let at = segment.bisect(S::AuthorCell, author, 0, count)?;
            if at < count && segment.u32(S::AuthorCell, at)? == author {
                return Ok(true);
            }
        }
        Ok(false)
    }

    // -- facts -------------------------------------------------------------------------------------------------------

    fn find_fact(&self, digest: &[u8]) -> Found<u32> {
        let Ok(digest) = digest.try_into() else {
            return Ok(0);
        };
        self.find(S::FactById, prefix_of(digest), |segment, row| {
            Ok(segment.digest(S::FactDigest, segment.bounds.fact(row))? == digest)
        })
    }

    fn digests<'py>(&self, py: Python<'py>, rows: Vec<u32>) -> PyResult<Bound<'py, PyList>> {
        let digest = |row| {
            let (segment, number) = self.of_fact(row)?;
            segment.digest(S::FactDigest, number)
        };
        let found: Found<Vec<&[u8]>> = rows.into_iter().map(digest).collect();
        many(py, found?)
    }

    fn facts<'py>(&self, py: Python<'py>, rows: Vec<u32>) -> PyResult<Bound<'py, PyList>> {
        let fact = |row| {
            let (segment, number) = self.of_fact(row)?;
            fact_at(segment, segment.u32(S::FactPlace, number)? as usize)
        };
        let found: Found<Vec<Row>> = rows.into_iter().map(fact).collect();
        listed(py, found?)
    }

    fn ranges(&self, entity: u32, attribute: u32, value: u32) -> Found<Vec<Range>> {
        self.ranges_of(entity, attribute, value)
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
        let mut whole = self.ranges_of(entity, attribute, value)?;
        let mut count = 0;
        let fits = whole.iter().take_while(|range| {
            count += range.3 - range.2;
            count <= most
        });
        let rest = whole.split_off(fits.count());
        Ok((listed(py, self.rows_in(&whole, entity)?)?, rest))
    }

    fn read<'py>(&self, py: Python<'py>, part: Range) -> PyResult<Bound<'py, PyList>> {
        listed(py, self.rows_in(&[part], 0)?)
    }

    // -- causes and sayings ------------------------------------------------------------------------------------------

    fn causes(&self, row: u32) -> Found<Vec<u32>> {
        let (segment, _) = self.of_fact(row)?;
        segment.beside(S::CauseFrom, row, S::CauseTo)
    }

    /// Up to `most` rows of facts that have causes, from one on.
    fn caused(&self, row: u32, most: usize) -> Found<Vec<u32>> {
        let mut found = Vec::new();
        for segment in self.all() {
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
    }

    fn effects(&self, to: u32) -> Found<Vec<u32>> {
        let mut found = Vec::new();
        for segment in self.all() {
            segment.all_of(S::CauseByTo, S::CauseTo, to, |place| {
                found.push(segment.u32(S::CauseFrom, place)?);
                Ok(())
            })?;
        }
        Ok(found)
    }

    fn sayers(&self, row: u32) -> Found<Vec<u32>> {
        let (segment, _) = self.of_fact(row)?;
        let first = near(
            about_where(segment, row),
            0,
            segment.count(S::DeltaFactLast),
            |place| Ok(segment.u32(S::DeltaFactLast, place)? < row),
        )?;
        let mut found = vec![first as u32 + segment.bounds.delta_after + 1];
        for segment in self.all() {
            segment.all_of(S::RepeatByFact, S::RepeatFact, row, |place| {
                found.push(segment.u32(S::RepeatDelta, place)?);
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Which deltas up to one say each of some facts: pairs of a row and a delta, row by row.
    fn says(&self, rows: Vec<u32>, last: u32) -> Found<Vec<(u32, u32)>> {
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let sayers = self.sayers(row)?;
            found.extend(
                sayers
                    .into_iter()
                    .filter(|&seq| seq <= last)
                    .map(|seq| (row, seq)),
            );
        }
        Ok(found)
    }

    /// The hyperedges that facts with some cells belong to: the attribute of each fact, and each delta up to one that says
    /// it and whose edge is the entity of the fact, or with `by_value` its value. A delta that can be read no more has no
    /// author, and is passed over.
    fn edges(
        &self,
        entity: u32,
        attribute: u32,
        value: u32,
        by_value: bool,
        last: u32,
    ) -> Found<Vec<(u32, u32)>> {
        let ranges = self.ranges_of(entity, attribute, value)?;
        let mut rows = self.rows_in(&ranges, entity)?;
        rows.retain(|row| value == 0 || row.4 == value);
        for &(row, ..) in &rows {
            let (segment, _) = self.of_fact(row)?;
            segment.fetch(S::DeltaFactLast, about_where(segment, row));
        }
        let mut said = Vec::with_capacity(rows.len());
        for (row, _, of, under, to) in rows {
            for seq in self.sayers(row)? {
                let (segment, number) = self.of_delta(seq)?;
                segment.fetch(S::DeltaEdge, number);
                segment.fetch(S::DeltaAuthor, number);
                said.push((segment, number, if by_value { to } else { of }, under, seq));
            }
        }
        let mut found = Vec::with_capacity(said.len());
        for (segment, number, edge, under, seq) in said {
            if seq <= last
                && segment.u32(S::DeltaEdge, number)? == edge
                && segment.u32(S::DeltaAuthor, number)? != 0
            {
                found.push((under, seq));
            }
        }
        Ok(found)
    }

    /// Deltas as hyperedges: of each its time and digest, author, system and edge, and its pointers in numbers. None of
    /// these where the delta says facts again that were here before: their order is not here. And all cells, each once.
    fn hyperedges<'py>(
        &self,
        py: Python<'py>,
        seqs: Vec<u32>,
    ) -> PyResult<(Bound<'py, PyList>, Vec<u32>)> {
        let mut found: Vec<Bound<'py, PyTuple>> = Vec::with_capacity(seqs.len());
        let mut cells = Vec::with_capacity(seqs.len() * 8);
        let mut packed: Vec<u8> = Vec::new();
        for seq in seqs {
            let (segment, number) = self.of_delta(seq)?;
            let edge = segment.u32(S::DeltaEdge, number)?;
            let author = segment.u32(S::DeltaAuthor, number)?;
            let system = segment.u32(S::DeltaSystem, number)?;
            cells.extend([author, system, edge]);
            let is_whole = self.repeated_by(seq)?.is_empty();
            packed.clear();
            if is_whole {
                for (attribute, value, contexts) in self.pointers(segment, seq, edge)? {
                    let count = contexts.len() as u32;
                    for number in [attribute, value, count].iter().chain(&contexts) {
                        packed.extend(number.to_ne_bytes());
                    }
                    cells.extend([attribute, value]);
                    cells.extend(contexts);
                }
            }
            let rank = (
                segment.u64(S::DeltaMs, number)?,
                segment.u32(S::DeltaCounter, number)?,
                PyBytes::new(py, segment.digest(S::DeltaId, number)?),
            );
            let pointers = is_whole.then(|| PyBytes::new(py, &packed));
            found.push((rank, author, system, edge, pointers).into_pyobject(py)?);
        }
        cells.sort_unstable();
        cells.dedup();
        Ok((PyList::new(py, found)?, cells))
    }

    fn repeated_by(&self, seq: u32) -> Found<Vec<u32>> {
        let (segment, _) = self.of_delta(seq)?;
        segment.beside(S::RepeatDelta, seq, S::RepeatFact)
    }

    #[pyo3(signature = (rows, last, since, until, authors))]
    fn visible(
        &self,
        rows: Vec<u32>,
        last: u32,
        since: i64,
        until: i64,
        authors: Option<Vec<u32>>,
    ) -> Found<Vec<bool>> {
        rows.into_iter()
            .map(|row| self.is_visible(row, last, since, until, authors.as_deref()))
            .collect()
    }

    // -- all of them -------------------------------------------------------------------------------------------------

    /// Up to `most` cells of one segment in the order of their keys, from the first key that is not less than one.
    fn ordered<'py>(
        &self,
        py: Python<'py>,
        number: usize,
        key: &[u8],
        most: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let segment = self.segment(number)?;
        let count = segment.count(S::CellInOrder);
        let first = partition_point(0, count, |at| {
            Ok(segment.key(segment.u32(S::CellInOrder, at)?)? < key)
        })?;
        let mut found = Vec::new();
        for at in first..count.min(first.saturating_add(most)) {
            let cell = segment.u32(S::CellInOrder, at)?;
            found.push((PyBytes::new(py, segment.key(cell)?), cell));
        }
        PyList::new(py, found)
    }

    /// The pairs of entity and attribute that more than one fact up to a row has, sorted.
    fn repeated(&self, py: Python<'_>, last: u32) -> Found<Vec<(u32, u32)>> {
        py.detach(|| self.registers(last))
    }

    /// Of the facts up to a row: how many entities, and of each attribute its facts, entities and kinds of value.
    fn summary(&self, py: Python<'_>, last: u32) -> Found<(usize, Vec<Summary>)> {
        py.detach(|| self.summed(last))
    }

    // -- sections ----------------------------------------------------------------------------------------------------

    /// Check the pages that hold some items of a section; where they begin and end in the segment, to be used in place.
    #[pyo3(signature = (number, name, first=0, last=None))]
    fn check(
        &self,
        number: usize,
        name: &str,
        first: usize,
        last: Option<usize>,
    ) -> Found<(usize, usize)> {
        let segment = self.segment(number)?;
        let place = NAMES.iter().position(|&each| each == name);
        let section = ORDER[place.ok_or("there is no such section")?];
        let items = segment.items(section, first, last.unwrap_or(segment.count(section)))?;
        let at = items.as_ptr() as usize - segment.start();
        Ok((at, at + items.len()))
    }
}

fn many<'py>(py: Python<'py>, keys: Vec<&[u8]>) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, keys.into_iter().map(|key| PyBytes::new(py, key)))
}

fn listed<'py>(py: Python<'py>, rows: Vec<Row>) -> PyResult<Bound<'py, PyList>> {
    let mut found = Vec::with_capacity(rows.len());
    for (row, digest, entity, attribute, value) in rows {
        found.push((row, PyBytes::new(py, digest), entity, attribute, value).into_pyobject(py)?);
    }
    PyList::new(py, found)
}

/// Which delta of a segment says a fact of it, if each said equally many: about the right one.
fn about_where(segment: &Segment, row: u32) -> usize {
    let deltas = segment.count(S::DeltaFactLast) as u64;
    let facts = segment.bounds.facts().max(1) as u64;
    (segment.bounds.fact(row) as u64 * deltas / facts) as usize
}
