//! The readers and what must hold of them, which are the tests' own.
#![allow(dead_code, reason = "the tests use more of these files")]

#[path = "../../src/calls.rs"]
mod calls;
#[path = "../../src/readers/mod.rs"]
pub mod readers;
#[path = "../../src/sim"]
mod sim {
    pub mod memory;
}
