//! Rows that several threads work through. What they make stands in the order of the rows, so nobody can tell how many
//! threads there were.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many pieces each thread has to take, so that none waits long for another.
const PIECES: usize = 8;

/// How many rows a piece has, where each row is worth about `weight` of what there must be `enough` of.
pub fn piece_of(threads: usize, rows: usize, weight: usize, enough: usize) -> usize {
    let even = rows / (PIECES * threads);
    even.min(enough / (PIECES * threads) / weight.max(1)).max(1)
}

/// Work through some rows, a piece at a time: each thread takes the first piece that is left. `work` tells of a piece what it
/// made and how much that is; when the pieces that were begun made `enough` together, none is begun any more. What the
/// pieces made, from the first on.
pub fn in_pieces<T: Send>(
    threads: usize,
    rows: Range<usize>,
    piece: usize,
    enough: usize,
    work: impl Fn(Range<usize>) -> (T, usize) + Sync,
) -> Vec<T> {
    if threads <= 1 {
        return vec![work(rows).0];
    }
    let (taken, made) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let pieces = rows.len().div_ceil(piece);
    // The caller is one of the threads.
    let take = || {
        let mut found = Vec::new();
        while made.load(Ordering::Relaxed) < enough {
            let number = taken.fetch_add(1, Ordering::Relaxed);
            if number >= pieces {
                break;
            }
            let first = rows.start + number * piece;
            let (result, amount) = work(first..rows.end.min(first + piece));
            made.fetch_add(amount, Ordering::Relaxed);
            found.push((number, result));
        }
        found
    };
    let mut found = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(pieces))
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, take).ok())
            .collect();
        let mut found = take();
        for other in others {
            match other.join() {
                Ok(more) => found.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    });
    found.sort_unstable_by_key(|&(number, _)| number);
    found.into_iter().map(|(_, result)| result).collect()
}
