//! `infra/openapi.yaml` says what the API does, all of it and nothing else.
//!
//! Every answer in these tests is compared with the document as it arrives
//! ([`Document::check`]); the tests below are about what is left: that nothing
//! is documented that never happens, and that requests are read as documented.

mod answers;
mod bodies;
mod calls;
mod document;
mod examples;
mod limits;
mod operations;
mod seen;

pub use document::Document;
pub use seen::Answers;
