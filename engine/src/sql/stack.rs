//! Stack for what walks trees: expressions are as deep as their operators are many, and are planned, rewritten and computed by
//! functions that call themselves.

/// Bytes of stack. A level of a debug build takes about 8 KiB, and there may be as many as `statement/depth.rs` says. Only what is
/// used of them becomes memory.
const BYTES: usize = 128 << 20;

/// Does some work with a deep stack.
pub fn deep<R>(work: impl FnOnce() -> R) -> R {
    stacker::grow(BYTES, work)
}
