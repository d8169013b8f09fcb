//! Hashes of tuples of ids, seeded once a process so that nobody can choose ids that collide.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());

const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

#[inline(always)]
pub fn seed() -> u64 {
    *SEED
}

#[inline(always)]
pub fn mix(hash: u64, id: u32) -> u64 {
    let mixed = (hash ^ u64::from(id)).wrapping_mul(ODD);
    mixed ^ (mixed >> 32)
}

/// The part of a hash that is kept in a slot beside what it leads to.
#[inline(always)]
pub fn tag(hash: u64) -> u64 {
    hash & 0xFFFF_FFFF_0000_0000
}

/// Ask for the cache line of an element before it is needed.
#[inline(always)]
pub fn prefetch<T>(items: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if at < items.len() {
        // Sound: the address is inside the slice, and a prefetch reads nothing.
        unsafe {
            use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
            _mm_prefetch::<_MM_HINT_T0>(items.as_ptr().add(at).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (items, at);
}
