//! What is wrong with a segment: inside it is a sentence, at the border `rhizomedb.store.segment.damaged`. That there
//! are no numbers left is nobody's damage: `rhizomedb.store.segment.full`.

use pyo3::prelude::*;

pub type Found<T> = Result<T, Fault>;

pub enum Fault {
    Damaged(String),
    Full,
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Fault::Damaged(what)
    }
}

impl From<&str> for Fault {
    fn from(what: &str) -> Self {
        Fault::Damaged(what.into())
    }
}

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        Python::attach(|py| {
            let made = py
                .import("rhizomedb.store.segment")
                .and_then(|module| match fault {
                    Fault::Damaged(what) => module.getattr("damaged")?.call1((what,)),
                    Fault::Full => module.getattr("full")?.call0(),
                });
            match made {
                Ok(error) => PyErr::from_value(error),
                Err(error) => error,
            }
        })
    }
}
