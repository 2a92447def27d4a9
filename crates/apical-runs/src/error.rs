//! Say which file or field was wrong, what was expected and how to mend it.

use std::path::{Path, PathBuf};

use apical::shown::{escaped, sentence, shown};

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with the files of a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the learning crate, passed on as it is.
    #[error(transparent)]
    Apical(apical::Error),
    /// A setting in a file or on the command line that is not understood.
    #[error("{}: {}. {}", shown(field), sentence(what), sentence(mend))]
    Config {
        /// Where, as the user writes it, for example `rule.rate`.
        field: String,
        /// What was found and what was expected.
        what: String,
        /// What to do about it, as a full sentence.
        mend: String,
    },
    /// A run that was asked to stop.
    #[error("stopped before the end. Nothing was written; start again when you are ready.")]
    Stopped,
    /// The operating system refused to read or write.
    #[error("{path}: cannot {action}: {reason}. {mend}", path = named(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, for example `write this file`.
        action: &'static str,
        /// What the operating system said.
        reason: String,
        /// What to do about it, as a full sentence.
        mend: String,
    },
    /// A run folder that already holds something.
    #[error(
        "{path}: already exists and {holds}, expected a new or an empty folder. Choose another \
         --out, or go on with it by --resume; nothing in it was changed.",
        path = named(path)
    )]
    RunDirTaken {
        /// The folder asked for.
        path: PathBuf,
        /// What is there, for example `is not empty`.
        holds: &'static str,
    },
    /// A run folder in which another process works.
    #[error(
        "{path}: in use by {}, expected a folder in which nobody works. {mend}; nothing in it was changed.",
        sentence(by),
        path = named(path)
    )]
    RunDirHeld {
        /// The folder asked for.
        path: PathBuf,
        /// Which process, where, since when and with which command.
        by: String,
        /// What to do about it, without the full stop.
        mend: String,
    },
    /// A file that was never a checkpoint.
    #[error(
        "{path}: not an Apical checkpoint ({}), expected a .safetensors file written by \
         Apical. {mend}",
        sentence(what),
        path = named(path)
    )]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// What gave it away.
        what: String,
        /// What to do about it, as a full sentence.
        mend: String,
    },
    /// A checkpoint whose end is missing.
    #[error(
        "{path}: truncated checkpoint, got {got} bytes, expected {expected}. {mend}",
        path = named(path)
    )]
    CheckpointTruncated {
        /// The file.
        path: PathBuf,
        /// Bytes found.
        got: u64,
        /// Bytes needed, for example `at least 8`.
        expected: String,
        /// What to do about it, as a full sentence.
        mend: String,
    },
    /// A checkpoint that is not what was written.
    #[error(
        "{path}: damaged checkpoint, {}. {mend}",
        sentence(what),
        path = named(path)
    )]
    CheckpointDamaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
        /// What to do about it, as a full sentence.
        mend: String,
    },
    /// A checkpoint written by another version of the format.
    #[error(
        "{path}: checkpoint format version {:?}, expected {expected:?}. Read it with the \
         version of Apical that wrote it, or run again with this one.",
        shown(got),
        path = named(path)
    )]
    CheckpointVersion {
        /// The file.
        path: PathBuf,
        /// Version found.
        got: String,
        /// Version this build reads.
        expected: &'static str,
    },
    /// A snapshot that the checkpoint format cannot hold.
    #[error(
        "{path}: cannot store this snapshot: {}. {mend}; nothing was written.",
        sentence(what),
        path = named(path)
    )]
    CheckpointUnstorable {
        /// The file that was to be written.
        path: PathBuf,
        /// Why not.
        what: String,
        /// What to do about it, without the full stop.
        mend: &'static str,
    },
    /// A table that does not hold together.
    #[error("table column `{}`: {}. {mend}", shown(column), sentence(what))]
    Table {
        /// The column.
        column: String,
        /// Value and expectation.
        what: String,
        /// What to do about it, as a full sentence.
        mend: &'static str,
    },
    /// A library could not turn good data into a file.
    #[error("{what}: encoding failed: {reason}. {mend}")]
    Encode {
        /// What was being made, for example `Parquet table`.
        what: &'static str,
        /// What the library said.
        reason: String,
        /// What to do about it, as a full sentence.
        mend: &'static str,
    },
}

/// A path in full, on one line.
fn named(path: &Path) -> String {
    escaped(&path.display().to_string()).into_owned()
}

impl From<apical::Error> for Error {
    fn from(error: apical::Error) -> Self {
        match error {
            apical::Error::Stopped => Self::Stopped,
            other => Self::Apical(other),
        }
    }
}

impl Error {
    /// The same error with another mend, if it is of a checkpoint that cannot be read; others as they are.
    pub(crate) fn of_checkpoint(mut self, better: &str) -> Self {
        match &mut self {
            Self::NotACheckpoint { mend, .. }
            | Self::CheckpointTruncated { mend, .. }
            | Self::CheckpointDamaged { mend, .. } => *mend = better.into(),
            _ => {}
        }
        self
    }

    /// An [`Error::Io`], with the mend that fits the reason.
    pub fn io(path: impl AsRef<Path>, action: &'static str, reason: &std::io::Error) -> Self {
        Self::Io {
            path: path.as_ref().to_path_buf(),
            action,
            reason: reason.to_string(),
            mend: mend(reason.kind()).to_owned(),
        }
    }
}

/// What to do about a checkpoint that cannot be read, where nothing is known of others.
pub(crate) const ANOTHER_COPY: &str =
    "Copy the file again, or go back to an earlier checkpoint of the same run.";

fn mend(kind: std::io::ErrorKind) -> &'static str {
    use std::io::ErrorKind as Kind;
    match kind {
        Kind::StorageFull | Kind::QuotaExceeded => {
            "No space left: free some space or choose another --out; what was there before is untouched."
        }
        Kind::FileTooLarge => {
            "Files may not grow that large here: raise the limit (ulimit -f) or choose another --out; what was there before is untouched."
        }
        Kind::PermissionDenied => {
            "Allow access for this user or choose another --out; what was there before is untouched."
        }
        Kind::ReadOnlyFilesystem => {
            "The disk is mounted read-only: choose another --out; what was there before is untouched."
        }
        Kind::NotFound => "Check the spelling of the path and that its folder exists.",
        Kind::NotADirectory | Kind::AlreadyExists => {
            "A part of the path is a file where a folder is needed: move it away or choose another path."
        }
        Kind::IsADirectory | Kind::DirectoryNotEmpty => {
            "A folder of this name is in the way: move it away or choose another path."
        }
        Kind::InvalidFilename | Kind::InvalidInput => {
            "The file system does not accept this name: choose a shorter or plainer one."
        }
        _ => "Check the disk and the path, then try again; what was there before is untouched.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error as IoError, ErrorKind};

    #[test]
    fn a_full_disk_is_named_with_its_mend() {
        let error = Error::io(
            "runs/a/log.csv",
            "write this file",
            &IoError::from(ErrorKind::StorageFull),
        );
        let text = error.to_string();
        assert!(text.starts_with("runs/a/log.csv: cannot write this file: no storage space"));
        assert!(text.contains("free some space or choose another --out"));
        assert!(text.ends_with("what was there before is untouched."));
    }

    #[test]
    fn errors_of_the_learning_crate_pass_through_unchanged() {
        let inner = apical::Error::invalid("task.lags", 0, "at least 1", "Give one lag.");
        assert_eq!(Error::from(inner.clone()).to_string(), inner.to_string());
    }
}
