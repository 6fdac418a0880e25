//! What every function shares: its settings, clients and clock ([`App`]), its
//! failures ([`Failure`]) and the bootstrap ([`bootstrap`]).

mod app;
pub mod bootstrap;
mod failure;

pub use app::{App, Clock};
pub use failure::{Class, Failure};
