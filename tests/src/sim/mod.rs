//! The programme in one thread: the real handlers of lines, importers, closers and
//! reporters over simulated months, on ports that fail in every way that a seed
//! thinks of, with an auditor that recomputes what must be true.

pub mod audit;
mod callers;
mod closers;
pub mod executor;
pub mod memory;
pub mod network;
mod terms;
mod world;

pub use world::{Clocks, Report, Scenario, run};
