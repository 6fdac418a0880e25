//! Reports of a run and where they lie. Rendering is a pure function of the
//! settlement: no clock, no machine name, no order of a hash map.

pub mod about;
pub mod accounts;
pub mod bucket;
pub mod camt;
pub mod changes;
pub mod details;
pub mod document;
pub mod erp;
pub mod error;
pub mod figures;
mod html;
pub mod manifest;
mod own_part;
pub mod pack;
pub mod payment_run;
pub mod report;
pub mod reports;
pub mod rows;
pub mod sentences;
pub mod sheet;
pub mod signature;
pub mod words;
pub mod workbook;
