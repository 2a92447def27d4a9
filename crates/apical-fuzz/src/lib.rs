//! Hand mutated input to everything of Apical that reads any: nothing may panic, abort or hang.
//!
//! An input is named by its target and a number, from which it follows alone: `csv:17` is the same bytes on every machine. Workers are processes of
//! their own under a limit of memory, so that an abort, an overflow of the stack or a hang is one input's, and the rest goes on.
//!
//! ```sh
//! cargo run --release -p apical-fuzz -- --inputs 1e5
//! cargo run --release -p apical-fuzz -- --target csv --inputs 1e6 --seed 5000
//! cargo run --release -p apical-fuzz -- --replay csv:17
//! ```

#![forbid(unsafe_code)]

pub mod corpus;
pub mod draw;
pub mod drive;
pub mod mutate;
pub mod supervisor;
pub mod targets;
pub mod worker;
