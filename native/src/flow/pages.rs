//! Large pages: an array of many megabytes that is looked up all over is found faster in pages of two megabytes than in
//! pages of four kilobytes, of which the processor remembers the addresses of too few.

/// Smaller arrays stay as they are: nearly all that they need is remembered.
#[cfg(target_os = "linux")]
const LARGE: usize = 4 << 20;

#[cfg(target_os = "linux")]
const PAGE: usize = 2 << 20;

#[cfg(target_os = "linux")]
extern "C" {
    fn madvise(
        address: *mut std::ffi::c_void,
        length: usize,
        advice: std::ffi::c_int,
    ) -> std::ffi::c_int;
}

#[cfg(target_os = "linux")]
const MADV_HUGEPAGE: std::ffi::c_int = 14;

/// Ask the system to give an array large pages from now on. Best right after it got its room; it may be declined.
pub fn prefer_large<T>(items: &[T], capacity: usize) {
    #[cfg(target_os = "linux")]
    {
        let bytes = capacity * size_of::<T>();
        let first = (items.as_ptr() as usize).next_multiple_of(PAGE);
        let last = (items.as_ptr() as usize + bytes) / PAGE * PAGE;
        if bytes >= LARGE && last > first {
            // Sound: the pages are all inside the array's own room, and the advice changes nothing that is in them.
            unsafe { madvise(first as *mut std::ffi::c_void, last - first, MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (items, capacity);
}

/// The same for an array that may have grown: if its room is another than it was.
pub fn prefer_large_if_grown<T>(items: &Vec<T>, before: usize) {
    if items.capacity() != before {
        prefer_large(items, items.capacity());
    }
}
