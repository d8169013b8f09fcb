//! What is wrong with a segment.

use pyo3::prelude::*;

/// What goes wrong inside is a sentence; at the border it becomes `rhizomedb.store.segment.damaged`.
pub type Found<T> = Result<T, String>;

pub fn damaged(py: Python<'_>, what: String) -> PyErr {
    match py
        .import("rhizomedb.store.segment")
        .and_then(|module| module.getattr("damaged")?.call1((what,)))
    {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}
