//! Transitive closures, in pieces. The twin of `rhizomedb/flow/closure.py`.
//!
//! Components come after all that they lead to. So what one reaches is the union of what those that it leads to reach,
//! and these: words of bits. A component that is already among the bits has brought all its own with it.

use super::batch::{broken, ids_of, Batch};
use super::condensation::Condensation;
use super::nodes::{ends, Nodes};
use super::pulse::Pulse;
use pyo3::prelude::*;

/// How many bytes of bits are held for components to come. What is not held is walked to again.
const HELD_MAX: usize = 64 << 20;

/// What took fewer steps than this to find is not held either.
const STEPS_MIN: usize = 32;

/// Some components: the words of bits that are not 0.
struct Reached {
    numbers: Box<[u32]>,
    words: Box<[u64]>,
}

impl Reached {
    fn bytes(&self) -> usize {
        12 * self.numbers.len() + 48
    }
}

/// Components being gathered.
#[derive(Default)]
struct Gathered {
    words: Vec<u64>,
    /// The numbers of the words that are not 0, each once.
    numbers: Vec<u32>,
}

impl Gathered {
    #[inline(always)]
    fn add_word(&mut self, number: u32, bits: u64) {
        let word = &mut self.words[number as usize];
        if *word == 0 {
            self.numbers.push(number);
        }
        *word |= bits;
    }

    /// Whether the component was not there.
    #[inline(always)]
    fn add(&mut self, component: u32) -> bool {
        let bit = 1 << (component % 64);
        let fresh = self.words[component as usize / 64] & bit == 0;
        if fresh {
            self.add_word(component / 64, bit);
        }
        fresh
    }

    fn held(&self) -> Reached {
        let word = |&number: &u32| self.words[number as usize];
        Reached {
            numbers: self.numbers.clone().into_boxed_slice(),
            words: self.numbers.iter().map(word).collect(),
        }
    }

    /// Visit the runs of components that follow one another, and forget them.
    fn drain(&mut self, mut visitor: impl FnMut(usize, usize)) {
        let (mut first, mut last) = (0, 0);
        for number in self.numbers.drain(..) {
            let mut word = std::mem::take(&mut self.words[number as usize]);
            let mut place = 64 * number as usize;
            while word != 0 {
                let gap = word.trailing_zeros();
                word >>= gap;
                place += gap as usize;
                let run = word.trailing_ones();
                if place != last {
                    if first != last {
                        visitor(first, last);
                    }
                    first = place;
                }
                last = place + run as usize;
                place = last;
                word = word.checked_shr(run).unwrap_or(0);
            }
        }
        if first != last {
            visitor(first, last);
        }
    }
}

#[pyclass(module = "rhizomedb_native")]
pub struct Closure {
    graph: Condensation,
    /// Which of the members are asked for, where not all are.
    asked: Option<Vec<bool>>,
    /// Whether what is reached is found for all components, or only for those with members that are asked for.
    every: bool,
    held: Vec<Option<Box<Reached>>>,
    held_bytes: usize,
    /// How many components to come lead to each one.
    awaited: Vec<u32>,
    gathered: Gathered,
    stack: Vec<u32>,
    /// The next component; the members of the one before that are left, and what they reach, from one place on.
    component: usize,
    members: std::ops::Range<usize>,
    targets: Vec<u32>,
    offset: usize,
    pulse: Pulse,
}

impl Closure {
    /// Of all nodes, or of those among some sorted ids.
    fn of(
        sources: &[u32],
        targets: &[u32],
        seeds: Option<&[u32]>,
        mut pulse: Pulse,
    ) -> PyResult<Self> {
        let nodes = Nodes::of(sources, targets, &mut pulse)?;
        let roots: Option<Vec<u32>> = seeds.map(|seeds| {
            let places = seeds.iter().map(|id| nodes.ids.binary_search(id));
            places.flatten().map(|node| node as u32).collect()
        });
        let graph = Condensation::of(&nodes, roots.as_deref(), &mut pulse)?;
        let asked = seeds.map(|seeds| {
            let is_asked = |id| seeds.binary_search(id).is_ok();
            graph.ids.iter().map(is_asked).collect::<Vec<bool>>()
        });
        let mut awaited = vec![0; graph.size()];
        for component in 0..graph.size() {
            for &link in graph.links(component) {
                awaited[link as usize] += 1;
            }
        }
        // A word of bits does for 64 nodes what a walk does for one.
        let every = roots.is_none_or(|roots| 64 * roots.len() > graph.size());
        Ok(Self {
            pulse,
            asked,
            every,
            held: std::iter::repeat_with(|| None).take(graph.size()).collect(),
            held_bytes: 0,
            awaited,
            gathered: Gathered {
                words: vec![0; graph.size().div_ceil(64)],
                numbers: Vec::new(),
            },
            stack: Vec::new(),
            component: 0,
            members: 0..0,
            targets: Vec::new(),
            offset: 0,
            graph,
        })
    }

    /// Gather what a component reaches; in how many steps.
    fn gather(&mut self, component: usize) -> usize {
        let links = self.graph.links(component);
        let mut steps = links.len();
        for &link in links {
            if !self.gathered.add(link) {
                continue;
            }
            self.stack.push(link);
            while let Some(at) = self.stack.pop() {
                if let Some(reached) = &self.held[at as usize] {
                    steps += reached.numbers.len();
                    for (&number, &word) in reached.numbers.iter().zip(&reached.words) {
                        self.gathered.add_word(number, word);
                    }
                    continue;
                }
                let links = self.graph.links(at as usize);
                steps += links.len();
                for &link in links {
                    if self.gathered.add(link) {
                        self.stack.push(link);
                    }
                }
            }
        }
        if self.graph.cyclic[component] {
            self.gathered.add(component as u32);
        }
        steps
    }

    /// Go on to the next component; in how many steps.
    fn advance(&mut self) -> usize {
        let component = self.component;
        self.component += 1;
        self.members = self.graph.members(component, component + 1);
        self.offset = 0;
        self.targets.clear();
        let is_asked = match &self.asked {
            Some(asked) => asked[self.members.clone()].contains(&true),
            None => true,
        };
        let is_end = self.graph.links(component).is_empty() && !self.graph.cyclic[component];
        if !is_asked || is_end {
            self.members = 0..0;
            if !self.every || is_end {
                return 1;
            }
        }
        let steps = self.gather(component);
        if steps >= STEPS_MIN && self.awaited[component] > 0 {
            let reached = self.gathered.held();
            if self.held_bytes + reached.bytes() <= HELD_MAX {
                self.held_bytes += reached.bytes();
                self.held[component] = Some(Box::new(reached));
            }
        }
        let (graph, targets) = (&self.graph, &mut self.targets);
        self.gathered.drain(|first, last| {
            match &graph.ids[graph.members(first, last)] {
                &[one] => targets.push(one), // often, and a copy of a slice costs more
                more => targets.extend_from_slice(more),
            }
        });
        if self.every {
            for &link in self.graph.links(component) {
                self.awaited[link as usize] -= 1;
                if self.awaited[link as usize] == 0 {
                    if let Some(reached) = self.held[link as usize].take() {
                        self.held_bytes -= reached.bytes();
                    }
                }
            }
        }
        steps + self.targets.len() + 1
    }

    fn piece(&mut self, limit: usize) -> PyResult<Option<Batch>> {
        let (mut sources, mut targets) = (Vec::new(), Vec::new());
        while targets.len() < limit {
            if self.targets.is_empty() || self.members.is_empty() {
                if self.component == self.graph.size() {
                    break;
                }
                let steps = self.advance();
                self.pulse.count(steps)?;
                continue;
            }
            let member = self.members.start;
            if self.asked.as_ref().is_none_or(|asked| asked[member]) {
                let room = limit - targets.len();
                let rest = &self.targets[self.offset..];
                let taken = &rest[..rest.len().min(room)];
                targets.extend_from_slice(taken);
                sources.resize(targets.len(), self.graph.ids[member]);
                if taken.len() < rest.len() {
                    self.offset += taken.len();
                    break;
                }
            }
            self.offset = 0;
            self.members.start += 1;
        }
        let size = targets.len();
        Ok((size > 0).then(|| Batch::new(vec![sources, targets], size)))
    }
}

#[pymethods]
impl Closure {
    #[new]
    #[pyo3(signature = (edges, seeds=None, check=None))]
    fn new(
        py: Python<'_>,
        edges: &Bound<'_, Batch>,
        seeds: Option<&Bound<'_, PyAny>>,
        check: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let mut seeds = seeds.map(ids_of).transpose()?;
        let (sources, targets) = ends(edges.get())?;
        py.detach(|| {
            if let Some(seeds) = &mut seeds {
                seeds.sort_unstable();
                seeds.dedup();
            }
            Self::of(sources, targets, seeds.as_deref(), Pulse::of(check))
        })
    }

    /// At most so many rows more, or nothing when there are no more.
    fn next(&mut self, py: Python<'_>, limit: usize) -> PyResult<Option<Batch>> {
        if limit == 0 {
            return Err(broken("a piece has room for a row"));
        }
        py.detach(|| self.piece(limit))
    }
}

/// The rows of the closure whose first id is among some ids.
#[pyfunction]
pub fn reach(
    py: Python<'_>,
    edges: &Bound<'_, Batch>,
    seeds: &Bound<'_, PyAny>,
) -> PyResult<Batch> {
    let mut closure = Closure::new(py, edges, Some(seeds), None)?;
    let rows = closure.next(py, usize::MAX)?;
    Ok(rows.unwrap_or_else(|| Batch::new(vec![Vec::new(), Vec::new()], 0)))
}
