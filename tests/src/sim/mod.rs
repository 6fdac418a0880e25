//! The programme in one thread, with every fault that a seed can think of.

pub mod memory;
