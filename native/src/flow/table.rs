//! Tables: the tuples of one relation, through one step of change at a time. The twin of `rhizomedb/flow/table.py`.

use super::batch::{broken, Batch};
use super::hash::{mix, prefetch, seed};
use super::pairs::Pairs;
use super::postings::{Asked, Postings};
use super::rows::{fold, hash_of, hashes, Rows, AHEAD};
use super::threads::{in_pieces, piece_of};
use pyo3::prelude::*;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

const ALIVE: u8 = 0;
const DYING: u8 = 1; // gone in this step: part of the old state, no more of the new
const DEAD: u8 = 2;

/// The stamp of a row that is no more: no bound lets it through.
const GONE: u32 = u32::MAX;

/// A table is packed when more than half of its rows, and more than this many, are dead.
const DEAD_MIN: usize = 1024;

/// (column of the table, column of the batch or -1, constant)
type KeyPart = (usize, isize, u32);

#[derive(Default)]
struct Pending {
    rows: Rows,
    columns: Vec<Vec<u32>>,
    sums: Vec<i64>,
}

#[pyclass(module = "rhizomedb_native")]
pub struct Table {
    columns: Vec<Vec<u32>>,
    extent: usize,
    mark: usize,
    rows: Rows,           // where each row stands
    pairs: Option<Pairs>, // instead, while rows are narrow and only added: which rows there are
    loose: bool,          // neither says of all rows that they are there
    states: Vec<u8>,      // empty while all are alive
    dying: Vec<u32>,
    dying_stamps: HashMap<u32, u32>, // what the stamps of the dying were
    dead: usize,
    stamps: Option<Vec<u32>>,
    counts: Option<Vec<i64>>,
    pending: Pending,
    undo: Vec<(u32, i64)>,
    postings: Vec<Postings>,
}

impl Table {
    fn is_in(&self, place: usize, new: bool) -> bool {
        let state = self.states.get(place).copied().unwrap_or(ALIVE);
        if new {
            state == ALIVE
        } else {
            place < self.mark && state != DEAD
        }
    }

    /// Whether every row belongs to the version, so that none needs to be asked.
    fn is_whole(&self, new: bool) -> bool {
        self.states.is_empty() && (new || self.mark == self.extent)
    }

    fn find_row(&self, columns: &[Vec<u32>], row: usize, hash: u64) -> Option<usize> {
        self.rows.find(hash, |place| {
            self.columns
                .iter()
                .zip(columns)
                .all(|(held, asked)| held[place] == asked[row])
        })
    }

    /// From here on it matters where a row stands.
    fn place_rows(&mut self) {
        if self.pairs.take().is_some() || self.loose {
            self.loose = false;
            self.rows = Rows::with_room(self.extent);
            for (place, &hash) in hashes(&self.columns, 0, self.extent).iter().enumerate() {
                self.rows.insert(hash, place);
            }
        }
    }

    fn append(&mut self, columns: &[Vec<u32>], row: usize) -> usize {
        for (held, column) in self.columns.iter_mut().zip(columns) {
            held.push(column[row]);
        }
        if !self.states.is_empty() {
            self.states.push(ALIVE);
        }
        self.extent += 1;
        self.extent - 1
    }

    fn mark_as(&mut self, place: usize, state: u8) {
        if self.states.is_empty() {
            self.states = vec![ALIVE; self.extent];
        }
        self.states[place] = state;
    }

    /// A row is no more: it was in the old version, or the step itself had added it.
    fn end(&mut self, place: usize) {
        let stamp = self
            .stamps
            .as_mut()
            .map(|stamps| std::mem::replace(&mut stamps[place], GONE));
        if place >= self.mark {
            self.mark_as(place, DEAD);
            self.dead += 1;
            return;
        }
        self.mark_as(place, DYING);
        self.dying.push(place as u32);
        if let Some(stamp) = stamp {
            self.dying_stamps.insert(place as u32, stamp);
        }
    }

    fn gather(&self, places: &[u32]) -> Batch {
        let columns = self
            .columns
            .iter()
            .map(|column| places.iter().map(|&place| column[place as usize]).collect())
            .collect();
        Batch::new(columns, places.len())
    }

    fn posted(&mut self, columns: Vec<usize>) -> usize {
        let number = match self
            .postings
            .iter()
            .position(|held| held.columns == columns)
        {
            Some(number) => number,
            None => {
                self.postings.push(Postings::new(columns));
                self.postings.len() - 1
            }
        };
        let states = &self.states;
        self.postings[number].catch_up(&self.columns, self.extent, |place| {
            states.get(place).copied() == Some(DEAD)
        });
        number
    }

    /// The rows anew, from what is alive.
    fn rehash(&mut self) {
        self.rows = Rows::with_room(self.extent);
        for place in 0..self.extent {
            if self.is_in(place, true) {
                self.rows.insert(hash_of(&self.columns, place), place);
            }
        }
        self.postings.clear();
    }

    fn pack(&mut self) {
        let places: Vec<u32> = (0..self.extent as u32)
            .filter(|&place| self.is_in(place as usize, true))
            .collect();
        for column in &mut self.columns {
            *column = places.iter().map(|&place| column[place as usize]).collect();
        }
        if let Some(stamps) = &mut self.stamps {
            *stamps = places.iter().map(|&place| stamps[place as usize]).collect();
        }
        if let Some(counts) = &mut self.counts {
            *counts = places.iter().map(|&place| counts[place as usize]).collect();
        }
        self.extent = places.len();
        self.mark = self.extent;
        self.states = Vec::new();
        self.dead = 0;
        self.rehash();
    }

    /// Apply what was counted; the places of new rows follow from the extent, those that go are returned as dying.
    fn apply(&mut self) -> PyResult<()> {
        let pending = std::mem::take(&mut self.pending);
        let mut counts = self.counts.take().unwrap_or_default();
        let size = pending.sums.len();
        let hashes = hashes(&pending.columns, 0, size);
        for row in 0..size {
            if let Some(&ahead) = hashes.get(row + AHEAD) {
                self.rows.prefetch(ahead);
            }
            let sum = pending.sums[row];
            if sum == 0 {
                continue;
            }
            let found = self.find_row(&pending.columns, row, hashes[row]);
            let before = found.map_or(0, |place| counts[place]);
            let after = before + sum;
            if after < 0 {
                self.counts = Some(counts); // a table that is not counted could not be rolled back
                return Err(broken(
                    "nothing is taken back more often than it was derived",
                ));
            }
            match found {
                Some(place) if before > 0 => {
                    self.undo.push((place as u32, before));
                    counts[place] = after;
                    if after == 0 {
                        self.end(place);
                    }
                }
                _ => {
                    let place = self.append(&pending.columns, row);
                    counts.push(after);
                    match found {
                        Some(old) => self.rows.replace(hashes[row], old, place),
                        None => self.rows.insert(hashes[row], place),
                    }
                }
            }
        }
        self.counts = Some(counts);
        Ok(())
    }

    fn asked<'a>(&self, batch: &'a Batch, keys: &[KeyPart]) -> PyResult<Vec<Asked<'a>>> {
        keys.iter()
            .map(|&(column, from, id)| {
                if column >= self.columns.len() {
                    return Err(broken("a table has no such column"));
                }
                Ok(match usize::try_from(from) {
                    Ok(from) => Asked::Each(batch.column_at(from)?),
                    Err(_) => Asked::Same(id),
                })
            })
            .collect()
    }

    fn bounds<'a>(&self, batch: &'a Batch, before: isize) -> PyResult<Option<&'a Vec<u32>>> {
        usize::try_from(before)
            .ok()
            .map(|column| batch.column_at(column))
            .transpose()
    }

    /// Visit for each asked row the places that agree with it and belong to the version.
    fn visit(
        &mut self,
        asked: &[Asked<'_>],
        keys: &[KeyPart],
        new: bool,
        bounds: Option<&Vec<u32>>,
        (first, last): (usize, usize),
        mut visitor: impl FnMut(usize, &mut dyn Iterator<Item = u32>) -> bool,
    ) -> usize {
        let whole = self.is_whole(new) && bounds.is_none();
        if keys.is_empty() {
            for row in first..last {
                // One by one: who only asks whether there is any need not pay for all.
                let mut places =
                    (0..self.extent as u32).filter(|&place| self.is_asked(place, row, new, bounds));
                if !visitor(row, &mut places) {
                    return row + 1;
                }
            }
            return last;
        }
        if new && keys.len() == self.columns.len() && is_ordered(keys) {
            self.place_rows();
            return self.visit_rows(asked, bounds, (first, last), visitor);
        }
        let number = self.posted(keys.iter().map(|&(column, ..)| column).collect());
        let this = &*self;
        this.postings[number].visit(&this.columns, asked, first, last, |row, places| {
            if whole {
                visitor(row, &mut places.iter().copied())
            } else {
                visitor(
                    row,
                    &mut places
                        .iter()
                        .copied()
                        .filter(|&place| this.is_asked(place, row, new, bounds)),
                )
            }
        })
    }

    /// The same where whole rows are asked for as they are now.
    fn visit_rows(
        &self,
        asked: &[Asked<'_>],
        bounds: Option<&Vec<u32>>,
        (first, last): (usize, usize),
        mut visitor: impl FnMut(usize, &mut dyn Iterator<Item = u32>) -> bool,
    ) -> usize {
        let hash_at = |row: usize| {
            fold(
                asked
                    .iter()
                    .fold(seed(), |hash, ids| mix(hash, ids.id(row))),
            )
        };
        let mut hashes = [0u64; AHEAD];
        let mut row = first;
        while row < last {
            let block = AHEAD.min(last - row);
            for (offset, hash) in hashes[..block].iter_mut().enumerate() {
                *hash = hash_at(row + offset);
                self.rows.prefetch(*hash);
            }
            for &hash in &hashes[..block] {
                if let Some(place) = self.rows.guess(hash) {
                    for column in &self.columns {
                        prefetch(column, place);
                    }
                    if let Some(stamps) = &self.stamps {
                        prefetch(stamps, place);
                    }
                }
            }
            for (offset, &hash) in hashes[..block].iter().enumerate() {
                let found = self.rows.find(hash, |place| {
                    self.columns
                        .iter()
                        .zip(asked)
                        .all(|(column, ids)| column[place] == ids.id(row + offset))
                });
                let mut places = found
                    .map(|place| place as u32)
                    .into_iter()
                    .filter(|&place| self.is_asked(place, row + offset, true, bounds));
                if !visitor(row + offset, &mut places) {
                    return row + offset + 1;
                }
            }
            row += block;
        }
        last
    }

    /// The set of pairs, where it alone can tell whether a whole row is there.
    fn whole_pairs(
        &self,
        keys: &[KeyPart],
        new: bool,
        bounds: Option<&Vec<u32>>,
    ) -> Option<&Pairs> {
        let suits = new && bounds.is_none() && !self.loose && keys.len() == 2 && is_ordered(keys);
        self.pairs
            .as_ref()
            .filter(|_| suits && self.columns.len() == 2)
    }

    fn is_asked(&self, place: u32, row: usize, new: bool, bounds: Option<&Vec<u32>>) -> bool {
        match (bounds, &self.stamps) {
            (Some(bounds), Some(stamps)) if new => stamps[place as usize] < bounds[row],
            (Some(bounds), Some(stamps)) => {
                self.is_in(place as usize, new)
                    && stamp_of(place, stamps, &self.dying_stamps) < bounds[row]
            }
            _ => self.is_in(place as usize, new),
        }
    }
}

/// The stamp of a row of either version: of what is dying in this step, the one that it had.
fn stamp_of(place: u32, stamps: &[u32], dying: &HashMap<u32, u32>) -> u32 {
    match stamps[place as usize] {
        GONE => dying.get(&place).copied().unwrap_or(GONE),
        stamp => stamp,
    }
}

/// Whether keys are over all columns, in their order.
fn is_ordered(keys: &[KeyPart]) -> bool {
    keys.iter()
        .enumerate()
        .all(|(number, &(column, ..))| column == number)
}

/// An id that is made counts as many as this that are only looked at, towards the end of a piece of an intersection.
const LOOKS: usize = 4;

/// How many ids of a row are asked for ahead of it.
const FIRST: usize = 4;

/// The places that agree with keys in one table of an intersection, and how a whole row of it is asked for.
struct Side<'a> {
    table: &'a Table,
    postings: usize,
    asked: Asked<'a>,
    bounds: Option<&'a Vec<u32>>,
    column: usize,
}

impl Side<'_> {
    fn places(&self, row: usize) -> &[u32] {
        let table = self.table;
        table.postings[self.postings].places(&table.columns, &[self.asked.id(row)])
    }

    /// How many places agree with a row, on average.
    fn expected(&self) -> usize {
        self.table.extent / self.table.postings[self.postings].keys().max(1)
    }

    fn pair(&self, row: usize, id: u32) -> (u32, u32) {
        let known = self.asked.id(row);
        if self.column == 1 {
            (known, id)
        } else {
            (id, known)
        }
    }

    fn prefetch(&self, row: usize, id: u32) {
        let (left, right) = self.pair(row, id);
        match &self.table.pairs {
            Some(pairs) => pairs.prefetch(left, right),
            None => self
                .table
                .rows
                .prefetch(fold(mix(mix(seed(), left), right))),
        }
    }

    /// Ask for where a pair seems to stand, once the slot that tells is at hand.
    fn prefetch_place(&self, row: usize, id: u32) {
        let table = self.table;
        if table.pairs.is_some() {
            return;
        }
        let (left, right) = self.pair(row, id);
        if let Some(place) = table.rows.guess(fold(mix(mix(seed(), left), right))) {
            for column in &table.columns {
                prefetch(column, place);
            }
            if let Some(stamps) = &table.stamps {
                prefetch(stamps, place);
            }
        }
    }

    /// Whether a place belongs to the new version, and its stamp is less than the row's bound.
    fn is_asked(&self, place: u32, row: usize) -> bool {
        self.table.is_asked(place, row, true, self.bounds)
    }

    fn has(&self, row: usize, id: u32) -> bool {
        let (left, right) = self.pair(row, id);
        let table = self.table;
        match &table.pairs {
            Some(pairs) => pairs.contains(left, right),
            None => table
                .rows
                .find(fold(mix(mix(seed(), left), right)), |place| {
                    table.columns[0][place] == left && table.columns[1][place] == right
                })
                .is_some_and(|place| self.is_asked(place as u32, row)),
        }
    }
}

/// The first ids that a row has in its least side, for each of the other sides.
fn for_others(
    sides: &[Side<'_>],
    least: usize,
    found: &[u32],
    mut ask: impl FnMut(&Side<'_>, u32),
) {
    let side = &sides[least];
    let column = &side.table.columns[side.column];
    for &place in found.iter().take(FIRST) {
        for (at, other) in sides.iter().enumerate() {
            if at != least {
                ask(other, column[place as usize]);
            }
        }
    }
}

/// What some rows, one after the other, have in common: the row and the id of each, and what every row cost.
#[derive(Default)]
struct Common {
    rows: Vec<u32>,
    ids: Vec<u32>,
    costs: Vec<usize>,
}

impl Common {
    /// What follows it, too.
    fn extend(&mut self, mut more: Common) {
        self.rows.append(&mut more.rows);
        self.ids.append(&mut more.ids);
        self.costs.append(&mut more.costs);
    }

    /// Only the rows, which start at `first`, up to the one with which they cost `most`.
    fn cut(&mut self, first: usize, most: usize) {
        let mut cost = 0;
        let last = self.costs.iter().position(|more| {
            cost += more;
            cost >= most
        });
        if let Some(last) = last {
            self.costs.truncate(last + 1);
            let end = self
                .rows
                .partition_point(|&row| row as usize <= first + last);
            self.rows.truncate(end);
            self.ids.truncate(end);
        }
    }
}

/// What all sides pair with some rows, taken for each from the side that has the fewest. It ends after the row with which
/// they cost `most`, and says what they cost.
fn common(sides: &[Side<'_>], rows: Range<usize>, once: bool, most: usize) -> (Common, usize) {
    let mut common = Common::default();
    let mut cost = 0;
    let mut row = rows.start;
    let mut block = Vec::with_capacity(AHEAD);
    while row < rows.end && cost < most {
        // Many rows end at one of their first ids, so memory is asked for several rows before the first is looked at.
        block.clear();
        for row in row..rows.end.min(row + AHEAD) {
            let places = sides.iter().map(|side| side.places(row)).enumerate();
            let (least, found) = places
                .min_by_key(|(_, found)| found.len())
                .expect("something is intersected");
            for_others(sides, least, found, |other, id| other.prefetch(row, id));
            block.push((least, found));
        }
        for (offset, &(least, found)) in block.iter().enumerate() {
            for_others(sides, least, found, |other, id| {
                other.prefetch_place(row + offset, id);
            });
        }
        for &(least, found) in &block {
            if cost >= most {
                break;
            }
            let side = &sides[least];
            let column = &side.table.columns[side.column];
            let others = sides.iter().enumerate().filter(|&(at, _)| at != least);
            let before = common.ids.len();
            for (at, &place) in found.iter().enumerate() {
                if let Some(&ahead) = found.get(at + AHEAD) {
                    for (_, other) in others.clone() {
                        other.prefetch(row, column[ahead as usize]);
                    }
                }
                if !side.is_asked(place, row) {
                    continue;
                }
                let id = column[place as usize];
                if others.clone().all(|(_, other)| other.has(row, id)) {
                    common.rows.push(row as u32);
                    common.ids.push(id);
                    if once {
                        break;
                    }
                }
            }
            let more = found.len() + LOOKS * (common.ids.len() - before);
            common.costs.push(more);
            cost += more;
            row += 1;
        }
    }
    (common, cost)
}

/// Join with several tables of pairs at once: for each row of the batch the ids that every table pairs with what the row
/// has for it, taken from the table that has the fewest. `bounds` are for each table a column of the batch that stamps must
/// be less than, or -1; with `once`, a row that has any such id is kept as it is, without it. The twin of the function of that
/// name in `table.py`.
#[pyfunction]
#[pyo3(signature = (batch, tables, keys, keep, bounds, once=false, start=0, limit=1 << 18, threads=1))]
#[allow(clippy::too_many_arguments)] // as its twin has
pub fn intersect(
    py: Python<'_>,
    batch: &Bound<'_, Batch>,
    tables: Vec<Bound<'_, Table>>,
    keys: Vec<KeyPart>,
    keep: Vec<usize>,
    bounds: Vec<isize>,
    once: bool,
    start: usize,
    limit: usize,
    threads: usize,
) -> PyResult<(Batch, usize)> {
    let batch = batch.get();
    let mut postings = Vec::with_capacity(tables.len());
    for (table, &(column, ..)) in tables.iter().zip(&keys) {
        let mut borrowed = table.try_borrow_mut()?;
        let table = &mut *borrowed;
        if column > 1 || table.columns.len() != 2 {
            return Err(broken("tables of pairs are intersected"));
        }
        postings.push(py.detach(|| {
            if table.loose {
                table.place_rows();
            }
            table.posted(vec![column])
        }));
    }
    let tables = tables
        .iter()
        .map(|table| table.try_borrow())
        .collect::<Result<Vec<_>, _>>()?;
    let mut sides = Vec::with_capacity(tables.len());
    let asking = tables.iter().zip(&keys).zip(&bounds).zip(postings);
    for (((table, &(column, from, id)), &bound), postings) in asking {
        let asked = match usize::try_from(from) {
            Ok(from) => Asked::Each(batch.column_at(from)?),
            Err(_) => Asked::Same(id),
        };
        sides.push(Side {
            table,
            postings,
            asked,
            bounds: usize::try_from(bound)
                .ok()
                .map(|column| batch.column_at(column))
                .transpose()?,
            column: 1 - column,
        });
    }
    if sides.is_empty() {
        return Err(broken("something is intersected"));
    }
    let kept = keep
        .iter()
        .map(|&column| batch.column_at(column))
        .collect::<PyResult<Vec<_>>>()?;
    Ok(py.detach(|| {
        let most = LOOKS.saturating_mul(limit);
        let rows = start.min(batch.size)..batch.size;
        let cost = sides.iter().map(Side::expected).min().unwrap_or(0);
        let piece = piece_of(threads, rows.len(), cost, most);
        let work = |rows| common(&sides, rows, once, most);
        let mut pieces = in_pieces(threads, rows, piece, most, work).into_iter();
        let mut found = pieces.next().unwrap_or_default();
        pieces.for_each(|more| found.extend(more));
        found.cut(start, most);
        let rows = found.rows;
        let mut columns: Vec<Vec<u32>> = kept
            .iter()
            .map(|column| rows.iter().map(|&row| column[row as usize]).collect())
            .collect();
        if !once {
            columns.push(found.ids);
        }
        (Batch::new(columns, rows.len()), start + found.costs.len())
    }))
}

#[pymethods]
impl Table {
    #[new]
    #[pyo3(signature = (width, *, counted=false, stamped=false))]
    fn new(width: usize, counted: bool, stamped: bool) -> Self {
        Self {
            columns: vec![Vec::new(); width],
            extent: 0,
            mark: 0,
            rows: Rows::default(),
            pairs: (!counted && !stamped && (1..=2).contains(&width)).then(Pairs::new),
            loose: false,
            states: Vec::new(),
            dying: Vec::new(),
            dying_stamps: HashMap::new(),
            dead: 0,
            stamps: stamped.then(Vec::new),
            counts: counted.then(Vec::new),
            pending: Pending::default(),
            undo: Vec::new(),
            postings: Vec::new(),
        }
    }

    #[getter]
    fn width(&self) -> usize {
        self.columns.len()
    }

    /// How many rows there are, those dying in this step not among them.
    fn __len__(&self) -> usize {
        self.extent - self.dead - self.dying.len()
    }

    /// How many places were ever filled: new rows stand after it.
    #[getter]
    fn extent(&self) -> usize {
        self.extent
    }

    /// Where the rows of this step begin.
    #[getter]
    fn mark(&self) -> usize {
        self.mark
    }

    #[getter]
    fn bytes(&self) -> usize {
        let held = 4 * self.columns.len() * self.extent
            + self.states.len()
            + 4 * self.stamps.as_ref().map_or(0, Vec::len)
            + 8 * self.counts.as_ref().map_or(0, Vec::len);
        let pairs = self.pairs.as_ref().map_or(0, Pairs::bytes);
        held + pairs + self.rows.bytes() + self.postings.iter().map(Postings::bytes).sum::<usize>()
    }

    /// Add the rows that are not there; how many were new.
    #[pyo3(signature = (batch, stamp=0))]
    fn add(&mut self, py: Python<'_>, batch: &Batch, stamp: u32) -> PyResult<usize> {
        if self.counts.is_some() || batch.columns.len() != self.columns.len() {
            return Err(broken(
                "rows are added to an uncounted table of their width",
            ));
        }
        let before = self.extent;
        if self.loose {
            py.detach(|| self.place_rows());
        }
        if let Some(pairs) = &mut self.pairs {
            py.detach(|| pairs.add(&mut self.columns, &batch.columns, batch.size));
            self.extent = self.columns[0].len();
            return Ok(self.extent - before);
        }
        py.detach(|| {
            let hashes = hashes(&batch.columns, 0, batch.size);
            for &hash in hashes.iter().take(AHEAD) {
                self.rows.prefetch(hash);
            }
            for (row, &hash) in hashes.iter().enumerate() {
                if let Some(&ahead) = hashes.get(row + AHEAD) {
                    self.rows.prefetch(ahead);
                }
                let found = self.find_row(&batch.columns, row, hash);
                if found.is_some_and(|place| self.is_in(place, true)) {
                    continue;
                }
                let place = self.append(&batch.columns, row);
                match found {
                    Some(old) => self.rows.replace(hash, old, place),
                    None => self.rows.insert(hash, place),
                }
            }
            if let Some(stamps) = &mut self.stamps {
                stamps.resize(self.extent, stamp);
            }
        });
        Ok(self.extent - before)
    }

    /// Add rows that are known to be different from each other and from all that are there.
    fn put(&mut self, batch: &Batch) -> PyResult<()> {
        let plain = self.counts.is_none() && self.stamps.is_none() && self.states.is_empty();
        if !plain || batch.columns.len() != self.columns.len() {
            return Err(broken("rows are put into a plain table of their width"));
        }
        for (held, column) in self.columns.iter_mut().zip(&batch.columns) {
            held.extend_from_slice(column);
        }
        self.extent += batch.size;
        self.loose = true;
        Ok(())
    }

    /// Take rows away that are there; how many were.
    fn remove(&mut self, batch: &Batch) -> PyResult<usize> {
        if self.counts.is_some() || batch.columns.len() != self.columns.len() {
            return Err(broken(
                "rows are removed from an uncounted table of their width",
            ));
        }
        self.place_rows();
        let mut removed = 0;
        for (row, &hash) in hashes(&batch.columns, 0, batch.size).iter().enumerate() {
            let Some(place) = self.find_row(&batch.columns, row, hash) else {
                continue;
            };
            if !self.is_in(place, true) {
                continue;
            }
            removed += 1;
            self.end(place);
        }
        Ok(removed)
    }

    /// Count each row once more (or once less); `settle` tells what that changes.
    fn count(&mut self, py: Python<'_>, batch: &Batch, sign: i64) -> PyResult<()> {
        if self.counts.is_none() || batch.columns.len() != self.columns.len() {
            return Err(broken("rows are counted in a counted table of their width"));
        }
        py.detach(|| {
            let pending = &mut self.pending;
            if pending.columns.is_empty() {
                pending.columns = vec![Vec::new(); batch.columns.len()];
            }
            let hashes = hashes(&batch.columns, 0, batch.size);
            for (row, &hash) in hashes.iter().enumerate() {
                if let Some(&ahead) = hashes.get(row + AHEAD) {
                    pending.rows.prefetch(ahead);
                }
                let found = pending.rows.find(hash, |place| {
                    pending
                        .columns
                        .iter()
                        .zip(&batch.columns)
                        .all(|(held, column)| held[place] == column[row])
                });
                match found {
                    Some(place) => pending.sums[place] += sign,
                    None => {
                        pending.rows.insert(hash, pending.sums.len());
                        pending.sums.push(sign);
                        for (held, column) in pending.columns.iter_mut().zip(&batch.columns) {
                            held.push(column[row]);
                        }
                    }
                }
            }
        });
        Ok(())
    }

    /// What this step changed: the rows that came and those that went, no row in both.
    fn settle(&mut self, py: Python<'_>) -> PyResult<(Batch, Batch)> {
        if self.counts.is_some() {
            py.detach(|| self.apply())?;
        }
        if self.states.is_empty() {
            return Ok((self.read(true, self.mark, None), self.gather(&[]))); // rows only came
        }
        let mut kept = HashSet::new();
        let mut gone = Vec::new();
        for &place in &self.dying {
            let hash = hash_of(&self.columns, place as usize);
            match self.find_row(&self.columns, place as usize, hash) {
                Some(now) if now >= self.mark && self.is_in(now, true) => {
                    kept.insert(now as u32);
                }
                _ => gone.push(place),
            }
        }
        let came: Vec<u32> = (self.mark as u32..self.extent as u32)
            .filter(|place| self.is_in(*place as usize, true) && !kept.contains(place))
            .collect();
        Ok((self.gather(&came), self.gather(&gone)))
    }

    /// Make the step's state the one that the next step starts from.
    fn commit(&mut self) {
        for place in std::mem::take(&mut self.dying) {
            self.states[place as usize] = DEAD;
            self.dead += 1;
        }
        self.dying_stamps.clear();
        self.undo.clear();
        self.mark = self.extent;
        if self.dead > DEAD_MIN && 2 * self.dead > self.extent {
            self.pack();
        }
    }

    /// Forget the step.
    fn rollback(&mut self) {
        self.pending = Pending::default();
        let changed = self.mark < self.extent || !self.dying.is_empty();
        if let Some(counts) = &mut self.counts {
            for (place, before) in std::mem::take(&mut self.undo).into_iter().rev() {
                counts[place as usize] = before;
            }
            counts.truncate(self.mark);
        }
        if !changed {
            return;
        }
        self.place_rows();
        for column in &mut self.columns {
            column.truncate(self.mark);
        }
        if let Some(stamps) = &mut self.stamps {
            stamps.truncate(self.mark);
        }
        for place in std::mem::take(&mut self.dying) {
            self.states[place as usize] = ALIVE;
        }
        for (place, stamp) in std::mem::take(&mut self.dying_stamps) {
            if let Some(stamps) = &mut self.stamps {
                stamps[place as usize] = stamp;
            }
        }
        self.states.truncate(self.mark);
        self.extent = self.mark;
        self.dead = self.states.iter().filter(|&&state| state == DEAD).count();
        self.rehash();
    }

    /// The rows of a version (the new, or that before this step) from one place to before another.
    #[pyo3(signature = (new=true, first=0, last=None))]
    fn read(&self, new: bool, first: usize, last: Option<usize>) -> Batch {
        let last = last.unwrap_or(self.extent).min(self.extent);
        let first = first.min(last);
        if self.is_whole(new) {
            let columns = self
                .columns
                .iter()
                .map(|column| column[first..last].to_vec())
                .collect();
            return Batch::new(columns, last - first);
        }
        let places: Vec<u32> = (first as u32..last as u32)
            .filter(|&place| self.is_in(place as usize, new))
            .collect();
        self.gather(&places)
    }

    /// Join: for each row of the batch and each row of a version that agrees with it on the keys, the kept columns of the
    /// one and the taken columns of the other; from row `start` on, until `limit` rows are made. And the row to go on from.
    #[pyo3(signature = (batch, keys, keep, take, new=true, before=-1, start=0, limit=1 << 18))]
    #[allow(clippy::too_many_arguments)] // as its twin has
    fn probe(
        &mut self,
        py: Python<'_>,
        batch: &Batch,
        keys: Vec<KeyPart>,
        keep: Vec<usize>,
        take: Vec<usize>,
        new: bool,
        before: isize,
        start: usize,
        limit: usize,
    ) -> PyResult<(Batch, usize)> {
        let asked = self.asked(batch, &keys)?;
        let bounds = self.bounds(batch, before)?;
        let kept = keep
            .iter()
            .map(|&column| batch.column_at(column))
            .collect::<PyResult<Vec<_>>>()?;
        let most = self.columns.len() + usize::from(self.stamps.is_some());
        if take.iter().any(|&column| column >= most) {
            return Err(broken("a table has no such column"));
        }
        Ok(py.detach(|| {
            let mut rows: Vec<u32> = Vec::new();
            let mut places: Vec<u32> = Vec::new();
            let next = self.visit(
                &asked,
                &keys,
                new,
                bounds,
                (start, batch.size),
                |row, found| {
                    places.extend(found);
                    rows.resize(places.len(), row as u32);
                    places.len() < limit
                },
            );
            let from_batch = kept
                .iter()
                .map(|column| rows.iter().map(|&row| column[row as usize]).collect());
            let from_table = take.iter().map(|&number| match self.columns.get(number) {
                Some(column) => places.iter().map(|&place| column[place as usize]).collect(),
                None => {
                    let stamps = self.stamps.as_deref().expect("that was checked");
                    let dying = &self.dying_stamps;
                    let stamp = |&place: &u32| stamp_of(place, stamps, dying);
                    places.iter().map(stamp).collect()
                }
            });
            let columns = from_batch.chain(from_table).collect();
            (Batch::new(columns, rows.len()), next)
        }))
    }

    /// The rows of the batch with which some row of a version agrees on the keys, or none does.
    #[pyo3(signature = (batch, keys, wanted, new=true, before=-1, after=Vec::new()))]
    #[allow(clippy::too_many_arguments)] // as its twin has
    fn matching(
        &mut self,
        py: Python<'_>,
        batch: &Batch,
        keys: Vec<KeyPart>,
        wanted: bool,
        new: bool,
        before: isize,
        after: Vec<usize>,
    ) -> PyResult<Batch> {
        let after = after
            .iter()
            .map(|&column| batch.column_at(column))
            .collect::<PyResult<Vec<_>>>()?;
        let asked = self.asked(batch, &keys)?;
        let bounds = self.bounds(batch, before)?;
        // Lent to the visit, which has no bounds of its own then.
        if !after.is_empty() && before >= 0 {
            return Err(broken("stamps are bounded from one side"));
        }
        let stamps = self.stamps.take_if(|_| !after.is_empty());
        let mut dying = HashMap::new();
        if stamps.is_some() {
            std::mem::swap(&mut dying, &mut self.dying_stamps);
        }
        let is_after = |row: usize, place: u32| {
            stamps.as_ref().is_none_or(|stamps| {
                let stamp = stamp_of(place, stamps, &dying);
                after.iter().all(|column| column[row] < stamp)
            })
        };
        let found = py.detach(|| {
            let mut chosen: Vec<u32> = Vec::new();
            if let Some(pairs) = self.whole_pairs(&keys, new, bounds) {
                for row in 0..batch.size {
                    let ahead = row + AHEAD;
                    if ahead < batch.size {
                        pairs.prefetch(asked[0].id(ahead), asked[1].id(ahead));
                    }
                    if pairs.contains(asked[0].id(row), asked[1].id(row)) == wanted {
                        chosen.push(row as u32);
                    }
                }
                return batch.chosen(&chosen);
            }
            let all = (0, batch.size);
            self.visit(&asked, &keys, new, bounds, all, |row, mut found| {
                if Iterator::any(&mut found, |place| is_after(row, place)) == wanted {
                    chosen.push(row as u32);
                }
                true
            });
            batch.chosen(&chosen)
        });
        if stamps.is_some() {
            self.stamps = stamps;
            self.dying_stamps = dying;
        }
        Ok(found)
    }

    /// The batch with one more column: the stamp of each of its rows, which are rows of the table.
    fn with_stamps(&self, batch: &Batch) -> PyResult<Batch> {
        let Some(stamps) = &self.stamps else {
            return Err(broken("the table has stamps"));
        };
        let mut columns = batch.columns.clone();
        let found = hashes(&batch.columns, 0, batch.size)
            .iter()
            .enumerate()
            .map(|(row, &hash)| {
                self.find_row(&batch.columns, row, hash)
                    .map_or(0, |place| stamps[place])
            })
            .collect();
        columns.push(found);
        Ok(Batch::new(columns, batch.size))
    }

    /// About how many rows agree with constants: (column, id) each.
    fn size(&mut self, keys: Vec<(usize, u32)>) -> usize {
        if keys.is_empty() {
            return self.__len__();
        }
        let ids: Vec<u32> = keys.iter().map(|&(_, id)| id).collect();
        let number = self.posted(keys.iter().map(|&(column, _)| column).collect());
        self.postings[number].places(&self.columns, &ids).len()
    }

    /// About how many different ids, or tuples of ids, some columns have.
    fn keys(&mut self, columns: Vec<usize>) -> usize {
        let number = self.posted(columns);
        self.postings[number].keys()
    }
}
