//! What reads input: how an input of each is made, and what is done with it.

mod checkpoint;
mod files;
mod settings;
mod text;

use std::path::Path;

use crate::draw::Draw;

/// Something that reads input.
pub trait Target {
    /// Makes an input.
    fn input(&self, draw: &mut Draw) -> Vec<u8>;

    /// Reads an input and uses what is accepted; `false` where it was refused.
    fn run(&self, input: &[u8]) -> bool;
}

/// All targets: experiments, changes of them, loop circuits, settings as Python hands them in, data files, checkpoints.
pub const TARGETS: &[&str] = &[
    "toml",
    "set",
    "circuit",
    "settings",
    "csv",
    "npy",
    "npz",
    "idx",
    "idx_gz",
    "checkpoint",
];

/// The target of a name; files go into `folder`.
pub fn target(name: &str, folder: &Path) -> Option<Box<dyn Target>> {
    Some(match name {
        "toml" => Box::new(text::Experiments::all()),
        "set" => Box::new(text::Changes::new()),
        "circuit" => Box::new(text::Experiments::circuits()),
        "settings" => Box::new(settings::Settings::new()),
        "csv" => Box::new(files::Sequences::new(files::Format::Csv, folder)),
        "npy" => Box::new(files::Sequences::new(files::Format::Npy, folder)),
        "npz" => Box::new(files::Sequences::new(files::Format::Npz, folder)),
        "idx" => Box::new(files::Digits::new(false, folder)),
        "idx_gz" => Box::new(files::Digits::new(true, folder)),
        "checkpoint" => Box::new(checkpoint::Checkpoints::new()),
        _ => return None,
    })
}
