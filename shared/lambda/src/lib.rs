//! What every function shares: its settings, clients and clock ([`App`]), its
//! failures ([`Failure`]) and the bootstrap ([`bootstrap`]).

mod app;
pub mod bootstrap;
mod caller;
mod failure;
pub mod finished;
pub mod http;
pub mod keys;
pub mod payments;
pub mod problem;
mod publishing;
pub mod routes;
pub mod seen;
mod step;
mod trace;
pub mod wire;

pub use app::{App, Clock, MetricSink, Program, Published};
pub use caller::{Caller, Identity, person_of};
pub use failure::{Class, Failure};
pub use publishing::Proposal;
pub use step::{ShardTask, dealt};
