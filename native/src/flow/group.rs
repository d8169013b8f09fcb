//! Groups: the rows of a batch that agree on some columns. The twin of `rhizomedb/flow/groups.py`.

use super::batch::{broken, Batch};
use super::hash::{mix, seed};
use super::pulse::Pulse;
use super::rows::{fold, Rows, AHEAD};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::sync::OnceLock;

/// Ids are found by themselves, without hashing, where the greatest is at most this many times the number of rows.
const SPAN: usize = 4;

#[pyclass(frozen, module = "rhizomedb_native")]
pub struct Groups {
    /// The group of each row.
    numbers: Vec<u32>,
    /// What the rows of each group agree on.
    keys: Vec<Vec<u32>>,
    sizes: Vec<u32>,
    /// The rows, group after group, and where each group begins; when somebody asks.
    order: OnceLock<Vec<u32>>,
}

impl Groups {
    fn of(columns: &[&[u32]], rows: usize, pulse: &mut Pulse) -> PyResult<Self> {
        let mut groups = Self {
            numbers: Vec::with_capacity(rows),
            keys: vec![Vec::new(); columns.len()],
            sizes: Vec::new(),
            order: OnceLock::new(),
        };
        match columns {
            [] if rows > 0 => {
                groups.numbers.resize(rows, 0);
                groups.sizes.push(rows as u32);
            }
            [] => {}
            [one] => match one.iter().max() {
                Some(&most) if most as usize <= SPAN * rows + 4096 => {
                    groups.number_directly(one, most as usize + 1, pulse)?;
                }
                _ => groups.number_hashed(columns, rows, pulse)?,
            },
            _ => groups.number_hashed(columns, rows, pulse)?,
        }
        Ok(groups)
    }

    #[inline(always)]
    fn begin(&mut self, columns: &[&[u32]], row: usize) -> u32 {
        for (key, column) in self.keys.iter_mut().zip(columns) {
            key.push(column[row]);
        }
        self.sizes.push(0);
        self.sizes.len() as u32 - 1
    }

    fn number_directly(&mut self, ids: &[u32], span: usize, pulse: &mut Pulse) -> PyResult<()> {
        let mut known = vec![0u32; span]; // the number of a group + 1
        pulse.pieces(ids.len(), |piece| {
            for row in piece {
                let id = ids[row] as usize;
                if known[id] == 0 {
                    known[id] = self.begin(&[ids], row) + 1;
                }
                let number = known[id] - 1;
                self.sizes[number as usize] += 1;
                self.numbers.push(number);
            }
        })
    }

    fn number_hashed(
        &mut self,
        columns: &[&[u32]],
        rows: usize,
        pulse: &mut Pulse,
    ) -> PyResult<()> {
        let hash_of = |row: usize| {
            fold(
                columns
                    .iter()
                    .fold(seed(), |hash, column| mix(hash, column[row])),
            )
        };
        let mut known = Rows::default();
        let mut ahead = [0u64; AHEAD];
        pulse.pieces(rows, |piece| {
            for row in piece.clone().take(AHEAD) {
                ahead[row % AHEAD] = hash_of(row);
            }
            for row in piece.clone() {
                let hash = ahead[row % AHEAD];
                if row + AHEAD < piece.end {
                    ahead[row % AHEAD] = hash_of(row + AHEAD);
                    known.prefetch(ahead[row % AHEAD]);
                }
                let found = known.find(hash, |number| {
                    self.keys
                        .iter()
                        .zip(columns)
                        .all(|(key, column)| key[number] == column[row])
                });
                let number = match found {
                    Some(number) => number as u32,
                    None => {
                        let number = self.begin(columns, row);
                        known.insert(hash, number as usize);
                        number
                    }
                };
                self.sizes[number as usize] += 1;
                self.numbers.push(number);
            }
        })
    }

    /// The rows by their groups, those of one group as they come.
    fn ordered(&self, pulse: &mut Pulse) -> PyResult<&[u32]> {
        if self.order.get().is_none() {
            let mut next = Vec::with_capacity(self.sizes.len());
            let mut start = 0;
            for &size in &self.sizes {
                next.push(start);
                start += size;
            }
            let mut order = vec![0u32; self.numbers.len()];
            pulse.pieces(self.numbers.len(), |piece| {
                for row in piece {
                    let place = &mut next[self.numbers[row] as usize];
                    order[*place as usize] = row as u32;
                    *place += 1;
                }
            })?;
            let _ = self.order.set(order); // another thread may have been first, with the same
        }
        Ok(self.order.get().map_or(&[], Vec::as_slice))
    }

    fn is_over_the_rows_of(&self, other: &Self) -> PyResult<()> {
        if self.numbers.len() == other.numbers.len() {
            Ok(())
        } else {
            Err(broken("both group the rows of one batch"))
        }
    }
}

/// How a sum is held while it is made.
trait Total: Copy + Default + std::ops::AddAssign + From<i64> {}
impl Total for i64 {}
impl Total for i128 {}

fn summed<T: Total>(
    groups: &Groups,
    of: &Groups,
    values: &[i64],
    pulse: &mut Pulse,
) -> PyResult<Vec<T>> {
    let mut totals = vec![T::default(); groups.sizes.len()];
    pulse.pieces(groups.numbers.len(), |piece| {
        let numbers = groups.numbers[piece.clone()].iter();
        for (&number, &value) in numbers.zip(&of.numbers[piece]) {
            totals[number as usize] += T::from(values[value as usize]);
        }
    })?;
    Ok(totals)
}

#[pymethods]
impl Groups {
    #[new]
    #[pyo3(signature = (batch, columns, check=None))]
    fn new(
        py: Python<'_>,
        batch: &Bound<'_, Batch>,
        columns: Vec<usize>,
        check: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let batch = batch.get();
        let columns = columns
            .iter()
            .map(|&column| batch.column_at(column).map(Vec::as_slice))
            .collect::<PyResult<Vec<_>>>()?;
        py.detach(|| Self::of(&columns, batch.size, &mut Pulse::of(check)))
    }

    /// How many there are.
    fn __len__(&self) -> usize {
        self.sizes.len()
    }

    /// What the rows of each group agree on.
    fn keys(&self) -> Batch {
        Batch::new(self.keys.clone(), self.sizes.len())
    }

    /// How many rows each group has.
    fn sizes(&self) -> Vec<u32> {
        self.sizes.clone()
    }

    /// For each group the sum over its rows of the values that stand beside the groups of another grouping.
    #[pyo3(signature = (of, values, check=None))]
    fn sums<'py>(
        &self,
        py: Python<'py>,
        of: &Bound<'py, Groups>,
        values: &Bound<'py, PyAny>,
        check: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let of = of.get();
        let values = match values.len()? {
            0 => Vec::new(), // an empty array may stand at any address
            _ => PyBuffer::<i64>::get(values)?.to_vec(py)?,
        };
        self.is_over_the_rows_of(of)?;
        if values.len() != of.sizes.len() {
            return Err(broken("every group of the other has a value"));
        }
        let mut pulse = Pulse::of(check);
        let most = values
            .iter()
            .map(|value| u128::from(value.unsigned_abs()))
            .max();
        let bound = most.unwrap_or(0) * self.numbers.len() as u128;
        if bound <= i64::MAX as u128 {
            PyList::new(
                py,
                py.detach(|| summed::<i64>(self, of, &values, &mut pulse))?,
            )
        } else {
            PyList::new(
                py,
                py.detach(|| summed::<i128>(self, of, &values, &mut pulse))?,
            )
        }
    }

    /// Of the rows in the order of their groups, from one to before another: the number that each has in another grouping.
    #[pyo3(signature = (of, first, last, check=None))]
    fn members(
        &self,
        py: Python<'_>,
        of: &Bound<'_, Groups>,
        first: usize,
        last: usize,
        check: Option<Py<PyAny>>,
    ) -> PyResult<Vec<u32>> {
        let of = of.get();
        self.is_over_the_rows_of(of)?;
        let last = last.min(self.numbers.len());
        let first = first.min(last);
        py.detach(|| {
            let order = self.ordered(&mut Pulse::of(check))?;
            Ok(order[first..last]
                .iter()
                .map(|&row| of.numbers[row as usize])
                .collect())
        })
    }
}
