//! Run experiments and keep what they give: folders, tables, checkpoints and figures.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod chance;
pub mod checkpoint_file;
mod checkpoints;
pub mod circuit;
pub mod citations;
pub mod compare;
pub mod data;
mod data_paths;
mod divergence;
mod error;
pub mod experiment;
pub mod figure;
pub mod files;
pub mod folder;
pub mod memory;
pub mod record;
mod records_file;
pub mod rule_page;
pub mod run;
mod run_settings;
pub mod runner;
mod same_run;
pub mod seed_run;
mod settings;
pub mod start_from;
pub mod statistics;
pub mod table;

pub use error::{Error, Result};
