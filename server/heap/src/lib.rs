//! Gives memory that was freed back to the system.
//!
//! glibc's allocator gives back by itself only what is free at the end of an arena, so that one block that lives on keeps
//! everything below it resident. This crate holds the workspace's only unsafe block; every other crate forbids them.

/// Gives whole pages of freed memory back to the system, also those between blocks in use.
///
/// Returns true if there were any; `None` where the system's allocator is not glibc's, and nothing is done.
/// Takes milliseconds when much was freed, during which threads that allocate wait for their arena: call it seldom,
/// and where blocking is allowed.
pub fn trim() -> Option<bool> {
    platform::trim()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod platform {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "elsewhere there is nothing to say"
    )]
    #[expect(unsafe_code, reason = "glibc has no other way, and no crate wraps it")]
    pub(super) fn trim() -> Option<bool> {
        // SAFETY: malloc_trim(3) takes a number of bytes to leave at the end of the heap, of which each is allowed. It is
        // MT-Safe, holds the lock of an arena while it looks at it, and touches nothing but pages inside of free blocks,
        // which belong to nobody. Memory of another allocator, preloaded in place of glibc's, it does not know of.
        Some(unsafe { libc::malloc_trim(0) } == 1)
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod platform {
    pub(super) fn trim() -> Option<bool> {
        None
    }
}
