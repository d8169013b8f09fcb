//! Pulses: long work looks up at intervals, so that whoever asked for it can stop it.

use pyo3::prelude::*;

/// How many steps lie between two looks. The slowest steps wait for memory: a tenth of a microsecond.
pub const EVERY: usize = 1 << 17;

pub struct Pulse {
    check: Check,
    left: usize,
}

enum Check {
    Nobody,
    Function(Py<PyAny>),
    Signals,
}

impl Pulse {
    /// A pulse that calls a function of Python, which raises what ends the work.
    pub fn of(check: Option<Py<PyAny>>) -> Self {
        Self {
            check: check.map_or(Check::Nobody, Check::Function),
            left: EVERY,
        }
    }

    /// A pulse that lets signals be handled, whose handlers raise what ends the work; in the main thread, as ever.
    pub fn of_signals() -> Self {
        Self {
            check: Check::Signals,
            left: EVERY,
        }
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
            Check::Function(check) => Python::attach(|py| check.call0(py).map(|_| ())),
            Check::Signals => Python::attach(|py| py.check_signals()),
            Check::Nobody => Ok(()),
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
