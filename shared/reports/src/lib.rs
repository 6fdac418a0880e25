//! Reports of a run and where they lie. Rendering is a pure function of the
//! settlement: no clock, no machine name, no order of a hash map.

pub mod about;
pub mod accounts;
pub mod bucket;
pub mod details;
pub mod erp;
pub mod error;
mod html;
pub mod manifest;
pub mod pack;
pub mod rows;
pub mod settlement;
pub mod sheet;
mod words;
pub mod workbook;
