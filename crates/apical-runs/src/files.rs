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
    write(path.as_ref(), None, bytes)
}

/// As [`write_atomic`], and what was at `path` is kept under the name `before`.
///
/// There is no moment at which neither of the two names has a whole file.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_keeping(path: impl AsRef<Path>, before: &Path, bytes: &[u8]) -> Result<()> {
    write(path.as_ref(), Some(before), bytes)
}

fn write(path: &Path, before: Option<&Path>, bytes: &[u8]) -> Result<()> {
    let fail = |reason: io::Error| Error::io(path, "write this file", &reason);
    let (temporary, file) = create_temporary(path).map_err(fail)?;
    let keep = || match before.map(|before| fs::rename(path, before)) {
        Some(Err(reason)) if reason.kind() != io::ErrorKind::NotFound => Err(reason),
        _ => Ok(()),
    };
    let written = fill(file, bytes)
        .and_then(|()| keep())
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(reason) = written {
        // The first failure is the one worth telling; a second one changes nothing.
        let _ = fs::remove_file(&temporary);
        return Err(fail(reason));
    }
    sync_folder(path);
    Ok(())
}

/// Removes what killed writers left in `folder`; only for the one process that works there.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if is_temporary(&entry.file_name().to_string_lossy()) {
            // What cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a file is called as [`create_temporary`] calls them: `.NAME.PROCESS-NUMBER.tmp`.
pub(crate) fn is_temporary(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    name.strip_prefix('.')
        .and_then(|name| name.strip_suffix(".tmp"))
        .and_then(|name| name.rsplit_once('.'))
        .and_then(|(_, numbers)| numbers.split_once('-'))
        .is_some_and(|(process, number)| digits(process) && digits(number))
}

/// A word as a shell takes it, for commands that messages name.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
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
