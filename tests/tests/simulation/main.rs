//! The ports' contract, and the programme under every fault that a seed thinks of.

mod contract;
mod faults;
