//! Write files so that a crash or a full disk never leaves half of one behind.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Makes two writers of the same process choose different temporary names.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Replaces `path` by `bytes` in one step: readers see the old file or the new one.
///
/// The bytes go to a temporary name in the same folder, onto the disk, and only
/// then take the name `path`.
///
/// # Errors
/// [`Error::Io`] if the folder is missing, not writable or full. The temporary file
/// is removed and whatever was at `path` is still there.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let fail = |reason: io::Error| Error::io(path, "write this file", &reason);
    let (temporary, file) = create_temporary(path).map_err(fail)?;
    let written = fill(file, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Err(reason) = written {
        // The first failure is the one worth telling; a second one changes nothing.
        let _ = fs::remove_file(&temporary);
        return Err(fail(reason));
    }
    sync_folder(path);
    Ok(())
}

/// Creates the folder of a run, with its parents.
///
/// An existing empty folder is taken as it is.
///
/// # Errors
/// [`Error::RunDirTaken`] if there is something at `path`; [`Error::Io`] if the
/// folder cannot be made or looked into.
pub fn create_run_dir(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let taken = |holds| Error::RunDirTaken {
        path: path.to_path_buf(),
        holds,
    };
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => return Err(taken("is a file")),
        Ok(_) => {
            let mut entries =
                fs::read_dir(path).map_err(|e| Error::io(path, "look into this folder", &e))?;
            if entries.next().is_some() {
                return Err(taken("is not empty"));
            }
        }
        Err(_) => {
            fs::create_dir_all(path).map_err(|e| Error::io(path, "create this folder", &e))?;
        }
    }
    Ok(())
}

fn create_temporary(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{number}.tmp", std::process::id()));
        let temporary = path.with_file_name(hidden);
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)
        {
            Ok(file) => return Ok((temporary, file)),
            // Left over from a killed process that had our number: take the next name.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the new name itself survive a power cut. Not every file system can, and by
/// now the file is complete under its name, so a refusal is no failure.
fn sync_folder(path: &Path) {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
