//! Pulses: long work looks up at intervals, so that whoever asked for it can stop it.

use pyo3::prelude::*;

/// How many steps lie between two looks. The slowest steps wait for memory: a tenth of a microsecond.
const EVERY: usize = 1 << 17;

pub struct Pulse {
    check: Option<Py<PyAny>>,
    left: usize,
}

impl Pulse {
    /// A pulse that calls a function of Python, which raises what ends the work.
    pub fn of(check: Option<Py<PyAny>>) -> Self {
        Self { check, left: EVERY }
    }

    /// Count some steps.
    #[inline(always)]
    pub fn count(&mut self, steps: usize) -> PyResult<()> {
        if steps < self.left {
            self.left -= steps;
            return Ok(());
        }
        self.look()
    }

    #[cold]
    fn look(&mut self) -> PyResult<()> {
        self.left = EVERY;
        match &self.check {
            Some(check) => Python::attach(|py| check.call0(py).map(|_| ())),
            None => Ok(()),
        }
    }

    /// Visit all numbers below a size, in pieces that are counted.
    pub fn pieces(
        &mut self,
        size: usize,
        mut visitor: impl FnMut(std::ops::Range<usize>),
    ) -> PyResult<()> {
        for first in (0..size).step_by(EVERY) {
            let last = size.min(first + EVERY);
            visitor(first..last);
            self.count(last - first)?;
        }
        Ok(())
    }
}
