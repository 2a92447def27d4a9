//! Keep what a run leaves behind: folders, tables, checkpoints and figures.

pub mod checkpoint_file;
mod error;
pub mod figure;
pub mod files;
pub mod table;

pub use error::{Error, Result};
