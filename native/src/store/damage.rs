//! What is wrong with a segment: inside it is a sentence, at the border `rhizomedb.store.segment.damaged`.

use pyo3::prelude::*;

pub type Found<T> = Result<T, Damaged>;

pub struct Damaged(String);

impl From<String> for Damaged {
    fn from(what: String) -> Self {
        Damaged(what)
    }
}

impl From<&str> for Damaged {
    fn from(what: &str) -> Self {
        Damaged(what.into())
    }
}

impl From<Damaged> for PyErr {
    fn from(Damaged(what): Damaged) -> Self {
        Python::attach(|py| {
            match py
                .import("rhizomedb.store.segment")
                .and_then(|module| module.getattr("damaged")?.call1((what,)))
            {
                Ok(error) => PyErr::from_value(error),
                Err(error) => error,
            }
        })
    }
}
