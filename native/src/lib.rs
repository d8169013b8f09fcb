//! Kernels of RhizomeDB. Each does what a plain Python function of the same name does, on whole batches.
//! Nothing here decides anything: no plan, no rule, no policy. What is unusual is left to the Python twin, which
//! also explains it; so a kernel can be wrong only by being different, and the tests compare the two byte for byte.

use pyo3::prelude::*;

#[pymodule]
fn rhizomedb_native(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
