//! Tables: the tuples of one relation, through one step of change at a time. The twin of `rhizomedb/flow/table.py`.

use super::adjacent::Adjacent;
use super::batch::{broken, Batch};
use super::look_up::{stamp_of, KeyPart};
use super::pages::prefer_large_if_grown;
use super::pairs::Pairs;
use super::postings::Postings;
use super::pulse::Pulse;
use super::rows::{hash_of, hashes, Rows, AHEAD};
use pyo3::prelude::*;
use std::collections::{HashMap, HashSet};

pub(super) const ALIVE: u8 = 0;
pub(super) const DYING: u8 = 1; // gone in this step: part of the old state, no more of the new
pub(super) const DEAD: u8 = 2;

/// The stamp of a row that is no more: no bound lets it through.
pub(super) const GONE: u32 = u32::MAX;

/// A table is packed when more than half of its rows, and more than this many, are dead.
const DEAD_MIN: usize = 1024;

#[derive(Default)]
pub(super) struct Pending {
    pub(super) rows: Rows,
    pub(super) columns: Vec<Vec<u32>>,
    pub(super) sums: Vec<i64>,
}

#[pyclass(module = "rhizomedb_native")]
pub struct Table {
    pub(super) columns: Vec<Vec<u32>>,
    pub(super) extent: usize,
    pub(super) mark: usize,
    pub(super) rows: Rows,           // where each row stands
    pub(super) pairs: Option<Pairs>, // instead, while rows are narrow and only added: which rows there are
    pub(super) loose: bool,          // neither says of all rows that they are there
    pub(super) states: Vec<u8>,      // empty while all are alive
    pub(super) dying: Vec<u32>,
    pub(super) dying_stamps: HashMap<u32, u32>, // what the stamps of the dying were
    pub(super) dead: usize,
    pub(super) stamps: Option<Vec<u32>>,
    pub(super) counts: Option<Vec<i64>>,
    pub(super) pending: Pending,
    pub(super) undo: Vec<(u32, i64)>,
    pub(super) postings: Vec<Postings>,
    pub(super) adjacent: [Option<(usize, Adjacent)>; 2], // by the column that is known, of so many rows
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
            adjacent: [None, None],
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
        let adjacent = self.adjacent.iter().flatten();
        let adjacent: usize = adjacent.map(|(_, held)| held.bytes()).sum();
        held + pairs
            + adjacent
            + self.rows.bytes()
            + self.postings.iter().map(Postings::bytes).sum::<usize>()
    }

    /// Add the rows that are not there; how many were new. The first of them has the stamp, the others the next ones.
    #[pyo3(signature = (batch, stamp=0))]
    fn add(&mut self, py: Python<'_>, batch: &Batch, stamp: u32) -> PyResult<usize> {
        if self.counts.is_some() || batch.columns.len() != self.columns.len() {
            return Err(broken(
                "rows are added to an uncounted table of their width",
            ));
        }
        if stamp as usize + batch.size >= GONE as usize {
            return Err(broken("stamps have 32 bits"));
        }
        let before = self.extent;
        let room: Vec<usize> = self.columns.iter().map(Vec::capacity).collect();
        if self.loose {
            py.detach(|| self.place_rows())?;
        }
        if let Some(pairs) = &mut self.pairs {
            let (columns, pulse) = (&mut self.columns, &mut Pulse::of_signals());
            let done = py.detach(|| pairs.add(columns, &batch.columns, batch.size, pulse));
            self.extent = self.columns[0].len();
            self.prefer_large_columns(&room);
            done?;
            return Ok(self.extent - before);
        }
        py.detach(|| {
            let pulse = &mut Pulse::of_signals();
            self.rows.make_room(batch.size, pulse)?;
            let hashes = hashes(&batch.columns, 0, batch.size);
            for &hash in hashes.iter().take(AHEAD) {
                self.rows.prefetch(hash);
            }
            for (row, &hash) in hashes.iter().enumerate() {
                if let Some(&ahead) = hashes.get(row + AHEAD) {
                    self.rows.prefetch(ahead);
                }
                if let Some(&ahead) = hashes.get(row + AHEAD / 2) {
                    self.prefetch_place(ahead); // its slot is at hand by now
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
                let room = stamps.capacity();
                stamps.extend((stamp..).take(self.extent - before));
                prefer_large_if_grown(stamps, room);
            }
            Ok::<_, PyErr>(())
        })?;
        self.prefer_large_columns(&room);
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
        self.place_rows()?;
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
        self.pairs = None;
        self.loose = false;
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
        py.detach(|| {
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
            )?;
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
            Ok((Batch::new(columns, rows.len()), next))
        })
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
                return Ok(batch.chosen(&chosen));
            }
            let all = (0, batch.size);
            self.visit(&asked, &keys, new, bounds, all, |row, mut found| {
                if Iterator::any(&mut found, |place| is_after(row, place)) == wanted {
                    chosen.push(row as u32);
                }
                true
            })?;
            Ok(batch.chosen(&chosen))
        });
        if stamps.is_some() {
            self.stamps = stamps;
            self.dying_stamps = dying;
        }
        found
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
    fn size(&mut self, keys: Vec<(usize, u32)>) -> PyResult<usize> {
        if keys.is_empty() {
            return Ok(self.__len__());
        }
        let ids: Vec<u32> = keys.iter().map(|&(_, id)| id).collect();
        let number = self.posted(keys.iter().map(|&(column, _)| column).collect())?;
        Ok(self.postings[number].places(&self.columns, &ids).len())
    }

    /// About how many different ids, or tuples of ids, some columns have.
    fn keys(&mut self, columns: Vec<usize>) -> PyResult<usize> {
        let number = self.posted(columns)?;
        Ok(self.postings[number].keys())
    }
}
