//! The sections of segments: one table, in the order in which they stand in a segment.
//! What is in them is told in `rhizomedb/store/segment.py`.

use Many::*;

/// How many items a section has, so that no look-up leads outside.
#[derive(Clone, Copy)]
pub enum Many {
    Any,
    Cells,
    Deltas,
    DeltasAtMost,
    Facts,
    As(S),
}

macro_rules! sections {
    ($($section:ident, $name:literal, $bytes:literal, $many:expr;)*) => {
        /// A section: its number is its place in the order.
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub enum S {
            $($section,)*
        }

        /// The sections by their numbers.
        pub const ORDER: [S; SECTIONS] = [$(S::$section),*];
        pub const NAMES: [&str; SECTIONS] = [$($name),*];
        /// The bytes of one item.
        pub const SIZES: [usize; SECTIONS] = [$($bytes),*];
        pub const COUNTS: [Many; SECTIONS] = [$($many),*];
        pub const SECTIONS: usize = [$($name),*].len();
    };
}

// A section, its name, the bytes of one item and how many items it has.
sections! {
    CellEnd, "cell.end", 4, Cells;
    CellHeap, "cell.heap", 1, Any;
    CellByHash, "cell.by_hash", 8, Cells;
    CellInOrder, "cell.in_order", 4, Cells;
    DeltaId, "delta.id", 32, Deltas;
    DeltaAuthor, "delta.author", 4, Deltas;
    DeltaSystem, "delta.system", 4, Deltas;
    DeltaEdge, "delta.edge", 4, Deltas;
    DeltaGroup, "delta.group", 4, Deltas;
    DeltaMs, "delta.ms", 8, Deltas;
    DeltaCounter, "delta.counter", 4, Deltas;
    DeltaScope, "delta.scope", 4, Deltas;
    DeltaEpoch, "delta.epoch", 4, Deltas;
    DeltaGroupSize, "delta.group_size", 4, Deltas;
    DeltaFactLast, "delta.fact_last", 4, Deltas;
    DeltaById, "delta.by_id", 8, Deltas;
    DeltaGrouped, "delta.grouped", 4, DeltasAtMost;
    AuthorCell, "author.cell", 4, Any;
    FactDigest, "fact.digest", 32, Facts;
    AttributeCell, "attribute.cell", 4, Any;
    AttributeEnd, "attribute.end", 4, As(S::AttributeCell);
    FactEntity, "fact.entity", 4, Facts;
    FactValue, "fact.value", 4, Facts;
    FactRow, "fact.row", 4, Facts;
    FactPlace, "fact.place", 4, Facts;
    FactByValue, "fact.by_value", 4, Facts;
    FactByEntity, "fact.by_entity", 4, Facts;
    EntityCell, "entity.cell", 4, Any;
    EntityEnd, "entity.end", 4, As(S::EntityCell);
    FactById, "fact.by_id", 8, Facts;
    CauseFrom, "cause.from", 4, Any;
    CauseTo, "cause.to", 4, As(S::CauseFrom);
    CauseByTo, "cause.by_to", 4, As(S::CauseFrom);
    RepeatDelta, "repeat.delta", 4, Any;
    RepeatFact, "repeat.fact", 4, As(S::RepeatDelta);
    RepeatByFact, "repeat.by_fact", 4, As(S::RepeatDelta);
}
