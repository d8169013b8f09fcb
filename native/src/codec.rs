//! Facts as bytes: read strictly, written canonically, named (docs/spec/delta.md).
//!
//! Twins: `src/rhizomedb/facts/kernels.py`. A fact that is wrong, or that links to a block of another codec or hash,
//! ends the batch before it: the caller handles that one in Python, which decides and explains, and goes on behind it.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};
use pyo3::PyTypeInfo;
use sha2::{Digest, Sha256};

/// As in `facts/value.py`.
const VALUE_BYTES_MAX: usize = 256 * 1024;
/// As in `facts/fact.py`.
const CAUSES_MAX: usize = 1024;
const DIGEST_BYTES: usize = 32;
/// How a link to a block of ours begins; 32 bytes follow.
const LINK: [u8; 9] = [0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20];
const LINK_BYTES: usize = LINK.len() + DIGEST_BYTES;
/// What the CID of a block of ours begins with: the end of `LINK`.
const PREFIX: [u8; 4] = [0x01, 0x71, 0x12, 0x20];
const NEGATIVE_ZERO: u64 = 1 << 63;
/// Below this, letting another thread run costs more than it gives.
const HASHED_ALONE_BYTES_MAX: usize = 64 * 1024;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;

/// Where the parts of a fact stand: its start, attribute, value, causes and end.
type Span = [u32; 5];

/// How many facts were read, where the next one begins, their spans and their digests.
type Scanned<'py> = (usize, usize, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// The bytes of the facts that were written, their spans in these, their digests, and how many they are.
type Encoded<'py> = (
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    usize,
);

// -- reading --------------------------------------------------------------------------------------------------------

/// Reads the facts that begin at an offset, at most `count`, up to the first that is unusual or wrong.
#[pyfunction]
fn scan_facts<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyBytes>,
    at: usize,
    count: usize,
) -> Scanned<'py> {
    let bytes = data.as_bytes();
    let mut reader = Reader { data: bytes, at };
    let mut spans: Vec<Span> = Vec::new();
    let mut end = at;
    // Spans are numbers of 32 bits: the facts of a longer buffer cannot be told apart.
    if u32::try_from(bytes.len()).is_ok() {
        while spans.len() < count {
            let Some(span) = reader.fact() else { break };
            spans.push(span);
            end = reader.at;
        }
    }
    let digests = digest_all(py, bytes, &spans);
    (
        spans.len(),
        end,
        pack_spans(py, &spans),
        PyBytes::new(py, digests.as_flattened()),
    )
}

struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn fact(&mut self) -> Option<Span> {
        let start = self.at;
        if self.head()? != (LIST, 4) {
            return None;
        }
        let (major, size) = self.head()?;
        if major != BYTES {
            return None;
        }
        self.string(size)?;
        let attribute = self.at;
        self.attribute()?;
        let value = self.at;
        self.value()?;
        let causes = self.at;
        self.causes()?;
        Some([start, attribute, value, causes, self.at].map(|offset| offset as u32))
    }

    fn attribute(&mut self) -> Option<()> {
        match *self.data.get(self.at)? {
            0xfb => self.float(),
            _ => self.int_or_string(),
        }
    }

    fn value(&mut self) -> Option<()> {
        match *self.data.get(self.at)? {
            0xfb => self.float(),
            0xf4 | 0xf5 => self.take(1).map(|_| ()),
            0xd8 => self.link().map(|_| ()),
            _ => self.int_or_string(),
        }
    }

    fn causes(&mut self) -> Option<()> {
        let (major, count) = self.head()?;
        if major != LIST || count > CAUSES_MAX as u64 {
            return None;
        }
        let mut last: Option<&[u8]> = None;
        for _ in 0..count {
            let digest = self.link()?;
            if last.is_some_and(|last| last >= digest) {
                return None;
            }
            last = Some(digest);
        }
        Some(())
    }

    fn int_or_string(&mut self) -> Option<()> {
        match self.head()? {
            (UNSIGNED | NEGATIVE, number) => (number <= i64::MAX as u64).then_some(()),
            (BYTES, size) => self.string(size).map(|_| ()),
            (TEXT, size) => std::str::from_utf8(self.string(size)?).ok().map(|_| ()),
            _ => None,
        }
    }

    fn float(&mut self) -> Option<()> {
        let bits = u64::from_be_bytes(self.take(9)?[1..].try_into().ok()?);
        (f64::from_bits(bits).is_finite() && bits != NEGATIVE_ZERO).then_some(())
    }

    /// The digest of a link to a block of ours.
    fn link(&mut self) -> Option<&'a [u8]> {
        self.take(LINK_BYTES)?.strip_prefix(&LINK)
    }

    fn string(&mut self, size: u64) -> Option<&'a [u8]> {
        if size > VALUE_BYTES_MAX as u64 {
            return None;
        }
        self.take(size as usize)
    }

    /// The major type and the number of a head, if it is as short as it can be and of a type that has a length.
    #[inline]
    fn head(&mut self) -> Option<(u8, u64)> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 31);
        if major > LIST {
            return None;
        }
        let (number, least) = match info {
            0..24 => return Some((major, u64::from(info))),
            24 => (u64::from(self.take(1)?[0]), 24),
            25 => (
                u64::from(u16::from_be_bytes(self.take(2)?.try_into().ok()?)),
                1 << 8,
            ),
            26 => (
                u64::from(u32::from_be_bytes(self.take(4)?.try_into().ok()?)),
                1 << 16,
            ),
            27 => (u64::from_be_bytes(self.take(8)?.try_into().ok()?), 1 << 32),
            _ => return None,
        };
        (number >= least).then_some((major, number))
    }

    #[inline]
    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let taken = self.data.get(self.at..)?.get(..size)?;
        self.at += size;
        Some(taken)
    }
}

// -- writing --------------------------------------------------------------------------------------------------------

/// Writes the facts of columns from a row on, up to the first that is unusual or wrong.
#[pyfunction]
fn encode_facts<'py>(
    py: Python<'py>,
    entities: &Bound<'py, PyList>,
    attributes: &Bound<'py, PyList>,
    values: &Bound<'py, PyList>,
    causes: Option<&Bound<'py, PyList>>,
    at: usize,
) -> PyResult<Encoded<'py>> {
    let mut writer = Writer {
        data: Vec::new(),
        cid: cid_type(py)?,
    };
    let mut spans: Vec<Span> = Vec::new();
    for row in at..entities.len() {
        let start = writer.data.len();
        let span = writer.fact(
            &entities.get_item(row)?,
            &attributes.get_item(row)?,
            &values.get_item(row)?,
            causes
                .map(|causes| causes.get_item(row))
                .transpose()?
                .as_ref(),
        );
        let Some(span) = span.filter(|_| u32::try_from(writer.data.len()).is_ok()) else {
            writer.data.truncate(start);
            break;
        };
        spans.push(span);
    }
    let digests = digest_all(py, &writer.data, &spans);
    Ok((
        PyBytes::new(py, &writer.data),
        pack_spans(py, &spans),
        PyBytes::new(py, digests.as_flattened()),
        spans.len(),
    ))
}

struct Writer<'py> {
    data: Vec<u8>,
    cid: &'py Bound<'py, PyType>,
}

impl Writer<'_> {
    fn fact(
        &mut self,
        entity: &Bound<'_, PyAny>,
        attribute: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        causes: Option<&Bound<'_, PyAny>>,
    ) -> Option<Span> {
        let start = self.data.len();
        self.data.push(0x84);
        self.string(BYTES, exactly::<PyBytes>(entity)?.as_bytes())?;
        let attribute_at = self.data.len();
        self.scalar(attribute)?;
        let value_at = self.data.len();
        self.value(value)?;
        let causes_at = self.data.len();
        match causes {
            None => self.data.push(0x80),
            Some(causes) => self.causes(causes)?,
        }
        Some([start, attribute_at, value_at, causes_at, self.data.len()].map(|at| at as u32))
    }

    fn value(&mut self, value: &Bound<'_, PyAny>) -> Option<()> {
        if let Some(truth) = exactly::<PyBool>(value) {
            self.data.push(0xf4 + u8::from(truth.is_true()));
        } else if value.get_type().is(self.cid) {
            self.link(&self.digest(value)?);
        } else {
            self.scalar(value)?;
        }
        Some(())
    }

    /// What an attribute can be.
    fn scalar(&mut self, value: &Bound<'_, PyAny>) -> Option<()> {
        if let Some(text) = exactly::<PyString>(value) {
            self.string(TEXT, text.to_str().ok()?.as_bytes())
        } else if exactly::<PyInt>(value).is_some() {
            let number: i64 = value.extract().ok()?;
            if number >= 0 {
                self.head(UNSIGNED, number as u64);
            } else {
                self.head(NEGATIVE, !number as u64);
            }
            Some(())
        } else if let Some(number) = exactly::<PyFloat>(value) {
            let number = number.value();
            self.data.push(0xfb);
            self.data.extend_from_slice(&(number + 0.0).to_be_bytes()); // −0.0 + 0.0 is 0.0
            number.is_finite().then_some(())
        } else {
            self.string(BYTES, exactly::<PyBytes>(value)?.as_bytes())
        }
    }

    fn causes(&mut self, causes: &Bound<'_, PyAny>) -> Option<()> {
        let mut digests: Vec<[u8; DIGEST_BYTES]> = Vec::new();
        if let Some(causes) = exactly::<PyTuple>(causes) {
            for cause in causes.iter() {
                digests.push(self.digest(&cause)?);
            }
        } else {
            for cause in exactly::<PyList>(causes)?.iter() {
                digests.push(self.digest(&cause)?);
            }
        }
        digests.sort_unstable();
        digests.dedup();
        if digests.len() > CAUSES_MAX {
            return None;
        }
        self.head(LIST, digests.len() as u64);
        for digest in &digests {
            self.link(digest);
        }
        Some(())
    }

    /// The digest in the CID of a block of ours.
    fn digest(&self, cid: &Bound<'_, PyAny>) -> Option<[u8; DIGEST_BYTES]> {
        if !cid.get_type().is(self.cid) {
            return None;
        }
        let raw = cid.getattr(intern!(cid.py(), "_raw")).ok()?;
        let raw = exactly::<PyBytes>(&raw)?.as_bytes();
        raw.strip_prefix(&PREFIX)?.try_into().ok()
    }

    fn link(&mut self, digest: &[u8; DIGEST_BYTES]) {
        self.data.extend_from_slice(&LINK);
        self.data.extend_from_slice(digest);
    }

    fn string(&mut self, major: u8, bytes: &[u8]) -> Option<()> {
        if bytes.len() > VALUE_BYTES_MAX {
            return None;
        }
        self.head(major, bytes.len() as u64);
        self.data.extend_from_slice(bytes);
        Some(())
    }

    #[inline]
    fn head(&mut self, major: u8, number: u64) {
        let first = major << 5;
        if number < 24 {
            self.data.push(first | number as u8);
        } else if let Ok(number) = u8::try_from(number) {
            self.data.extend_from_slice(&[first | 24, number]);
        } else if let Ok(number) = u16::try_from(number) {
            self.data.push(first | 25);
            self.data.extend_from_slice(&number.to_be_bytes());
        } else if let Ok(number) = u32::try_from(number) {
            self.data.push(first | 26);
            self.data.extend_from_slice(&number.to_be_bytes());
        } else {
            self.data.push(first | 27);
            self.data.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// The object as what it is, if it is exactly that: a subclass may behave otherwise, and is unusual.
#[inline]
fn exactly<'a, 'py, T: PyTypeInfo>(object: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, T>> {
    // Most of these questions are answered by no, for which `cast_exact` alone would make an error each time.
    if object.is_exact_instance_of::<T>() {
        object.cast_exact::<T>().ok()
    } else {
        None
    }
}

fn cid_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CID: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CID.import(py, "rhizomedb.facts.cid", "Cid")
}

// -- names ----------------------------------------------------------------------------------------------------------

/// Whether one digest is there twice.
#[pyfunction]
fn has_repeats(digests: &[u8]) -> bool {
    let (digests, _) = digests.as_chunks::<DIGEST_BYTES>();
    // By sorting, not by hashing: who chooses facts chooses digests, and could choose them to meet in one bucket.
    let mut starts: Vec<u64> = digests
        .iter()
        .map(|digest| u64::from_ne_bytes(*digest.first_chunk().expect("a digest has 32 bytes")))
        .collect();
    starts.sort_unstable();
    if starts.windows(2).all(|pair| pair[0] != pair[1]) {
        return false;
    }
    let mut whole = digests.to_vec();
    whole.sort_unstable();
    whole.windows(2).any(|pair| pair[0] == pair[1])
}

/// The spans of the same facts so many bytes further on, or, below 0, back.
#[pyfunction]
fn shift_spans<'py>(py: Python<'py>, spans: &[u8], by: i64) -> Bound<'py, PyBytes> {
    let (offsets, _) = spans.as_chunks::<4>();
    let shifted: Vec<[u8; 4]> = offsets
        .iter()
        .map(|offset| (i64::from(u32::from_le_bytes(*offset)) + by) as u32)
        .map(u32::to_le_bytes)
        .collect();
    PyBytes::new(py, shifted.as_flattened())
}

fn digest_all(py: Python<'_>, data: &[u8], spans: &[Span]) -> Vec<[u8; DIGEST_BYTES]> {
    let digest_each = || -> Vec<[u8; DIGEST_BYTES]> {
        spans
            .iter()
            .map(|span| Sha256::digest(&data[span[0] as usize..span[4] as usize]).into())
            .collect()
    };
    match (spans.first(), spans.last()) {
        (Some(first), Some(last)) if (last[4] - first[0]) as usize > HASHED_ALONE_BYTES_MAX => {
            py.detach(digest_each)
        }
        _ => digest_each(),
    }
}

fn pack_spans<'py>(py: Python<'py>, spans: &[Span]) -> Bound<'py, PyBytes> {
    let packed: Vec<[u8; 4]> = spans
        .as_flattened()
        .iter()
        .map(|offset| offset.to_le_bytes())
        .collect();
    PyBytes::new(py, packed.as_flattened())
}

/// Adds these kernels to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(scan_facts, module)?)?;
    module.add_function(wrap_pyfunction!(encode_facts, module)?)?;
    module.add_function(wrap_pyfunction!(has_repeats, module)?)?;
    module.add_function(wrap_pyfunction!(shift_spans, module)?)
}
