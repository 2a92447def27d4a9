//! Hold the folder of a run, so that two processes never work in it at the same time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::files::quoted;
use crate::{Error, Result, experiment, files};

/// Name of the file that is locked while a process works in a folder; it says which process.
const LOCK: &str = ".lock";
/// Folders inside that may be empty without anything being lost.
const INNER: [&str; 2] = ["checkpoints", "seeds"];
/// Looks at a lock that others make and remove meanwhile.
const TRIES: u64 = 1_000;

/// Makes two claims of one process differ.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder in which this process alone works until the value is dropped.
///
/// The operating system holds the lock, so that it ends with the process however that ends.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// What stands in the lock file.
    owner: String,
    /// Why the file system holds no locks, if it does not.
    without: Option<String>,
    /// Whether the folder was made here.
    made: bool,
    // Closed last, which ends the lock.
    _file: File,
}

impl RunFolder {
    /// Claims a folder for something new: one that is not there yet, or is empty. `command` is told to others who try.
    ///
    /// # Errors
    /// [`Error::RunDirTaken`] if something is there, [`Error::RunDirHeld`] if another process works there, and
    /// [`Error::Io`] if the folder cannot be made or looked into.
    pub fn claim(path: impl AsRef<Path>, command: &str) -> Result<Self> {
        let path = path.as_ref();
        let made = make(path)?;
        let left = path.join(LOCK).exists();
        if !left {
            // Before anything is put there, and be it a lock.
            refuse_full(path, false)?;
        }
        let mut folder = Self::take(path, command, true, &File::try_lock)?;
        folder.made = made;
        folder.sweep();
        refuse_full(path, left)?;
        Ok(folder)
    }

    /// Claims the first of `runs/NAME`, `runs/NAME-2`, `runs/NAME-3`, … that is free; of a path, the name of its file counts.
    ///
    /// # Errors
    /// As [`RunFolder::claim`], where the folder `runs` is at fault.
    pub fn numbered(name: &str, command: &str) -> Result<Self> {
        let built_in = experiment::BuiltIn::find(name).is_some();
        let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
        let base = match stem {
            Some(stem) if !built_in => stem.to_string(),
            _ => name.replace('/', "-"),
        };
        let runs = Path::new("runs");
        let fail = |path: &Path, reason: &io::Error| Error::io(path, "create this folder", reason);
        fs::create_dir_all(runs).map_err(|reason| fail(runs, &reason))?;
        let mut number = 1;
        loop {
            let path = match number {
                1 => runs.join(&base),
                _ => runs.join(format!("{base}-{number}")),
            };
            number += 1;
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(reason) if reason.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(reason) => return Err(fail(&path, &reason)),
            }
            match Self::claim(&path, command) {
                // Somebody asked for the same folder by its name.
                Err(Error::RunDirHeld { .. } | Error::RunDirTaken { .. }) => {}
                claimed => {
                    return claimed.map(|mut folder| {
                        folder.made = true;
                        folder
                    });
                }
            }
        }
    }

    /// Holds a folder that is there already, to go on with what is in it.
    ///
    /// # Errors
    /// [`Error::RunDirHeld`] if another process works there, [`Error::Io`] if the lock cannot be written.
    pub fn hold(path: impl AsRef<Path>, command: &str) -> Result<Self> {
        let folder = Self::take(path.as_ref(), command, false, &File::try_lock)?;
        folder.sweep();
        Ok(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a user must see to, where the file system has no locks.
    pub fn warning(&self) -> Option<String> {
        self.without.as_ref().map(|reason| {
            format!(
                "{}: this file system holds no locks ({reason}): see to it that no other process works in this folder",
                self.path.display()
            )
        })
    }

    /// Gives the folder up, and removes it if it was made here and is empty.
    pub fn discard(self) {
        let (path, made) = (self.path.clone(), self.made);
        drop(self);
        if made {
            // It stays if somebody put something there.
            let _ = fs::remove_dir(path);
        }
    }

    /// The command that starts again what was killed in this folder before it had settings, if that is known.
    pub(crate) fn again(path: &Path) -> Option<String> {
        let text = fs::read_to_string(path.join(LOCK)).ok()?;
        let command = text
            .lines()
            .find_map(|line| line.strip_prefix("command: "))?;
        Some(match refuse_full(path, true) {
            Ok(()) => command.into(),
            Err(_) => format!("rm -r {} && {command}", quoted(&path.to_string_lossy())),
        })
    }

    fn take(
        path: &Path,
        command: &str,
        new: bool,
        lock: &dyn Fn(&File) -> Result<(), TryLockError>,
    ) -> Result<Self> {
        let file = path.join(LOCK);
        let fail = |reason: &io::Error| Error::io(&file, "write this file", reason);
        let owner = owner(command);
        for _ in 0..TRIES {
            let mut options = OpenOptions::new();
            options.read(true).write(true);
            let (mut opened, created) = match options.clone().create_new(true).open(&file) {
                Ok(opened) => (opened, true),
                Err(reason) if reason.kind() == io::ErrorKind::AlreadyExists => {
                    match options.open(&file) {
                        Ok(opened) => (opened, false),
                        // Its owner ended in between.
                        Err(reason) if reason.kind() == io::ErrorKind::NotFound => continue,
                        Err(reason) => return Err(fail(&reason)),
                    }
                }
                // Another start that was refused took the folder away that it had made.
                Err(reason) if new && reason.kind() == io::ErrorKind::NotFound => {
                    make(path)?;
                    continue;
                }
                Err(reason) => return Err(fail(&reason)),
            };
            let without = match lock(&opened) {
                Ok(()) => None,
                Err(TryLockError::WouldBlock) => return Err(held(path, None)),
                // Without locks, who makes the file has claimed a new folder; whether a claim still holds nobody can tell.
                Err(TryLockError::Error(reason)) if new && !created => {
                    return Err(held(path, Some(&reason)));
                }
                Err(TryLockError::Error(reason)) => Some(reason.to_string()),
            };
            opened
                .set_len(0)
                .and_then(|()| opened.write_all(owner.as_bytes()))
                .map_err(|reason| fail(&reason))?;
            // The owner before may have removed the file between its opening and its lock.
            if without.is_some() || fs::read_to_string(&file).is_ok_and(|text| text == owner) {
                return Ok(Self {
                    path: path.into(),
                    owner,
                    without,
                    made: false,
                    _file: opened,
                });
            }
        }
        Err(held(path, None))
    }

    fn sweep(&self) {
        // Without a lock a temporary file may be of a writer that lives.
        if self.without.is_none() {
            files::sweep(&self.path);
            INNER
                .iter()
                .for_each(|inner| files::sweep(&self.path.join(inner)));
        }
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        let file = self.path.join(LOCK);
        // Another's, if somebody removed this one by hand.
        if fs::read_to_string(&file).is_ok_and(|text| text == self.owner) {
            let _ = fs::remove_file(file);
        }
    }
}

/// Makes a folder with its parents, unless it is there; says whether it was made.
fn make(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => Err(taken(path, "is a file")),
        Ok(_) => Ok(false),
        Err(_) => {
            fs::create_dir_all(path).map_err(|e| Error::io(path, "create this folder", &e))?;
            Ok(true)
        }
    }
}

fn taken(path: &Path, holds: &'static str) -> Error {
    Error::RunDirTaken {
        path: path.into(),
        holds,
    }
}

/// Refuses a folder in which there is more than a lock and temporary files; `left` says that a process was killed there.
fn refuse_full(path: &Path, left: bool) -> Result<()> {
    let look = |folder: &Path| {
        fs::read_dir(folder).map_err(|e| Error::io(folder, "look into this folder", &e))
    };
    let mut settings = false;
    let mut full = false;
    for entry in look(path)?.flatten() {
        let name = entry.file_name();
        settings |= name == "config.toml";
        let inner = INNER.iter().any(|inner| name == *inner);
        let ours = name == LOCK || files::is_temporary(&name.to_string_lossy());
        let empty = || look(&entry.path()).is_ok_and(|mut e| e.next().is_none());
        full |= !(ours || inner && empty());
    }
    match (full, left && !settings) {
        (false, _) => Ok(()),
        (true, true) => Err(taken(
            path,
            "holds what a start left that was killed before it had written its settings (remove the folder to start again)",
        )),
        (true, false) => Err(taken(path, "is not empty")),
    }
}

/// Which process this is, for people; a number makes each claim differ.
fn owner(command: &str) -> String {
    let started = humantime::format_rfc3339_seconds(SystemTime::now());
    format!(
        "process: {}\nhost: {}\nsince: {started}\ncommand: {}\nclaim: {}\n",
        std::process::id(),
        gethostname::gethostname().to_string_lossy(),
        command.replace('\n', " "),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Says who holds a folder; `without` is why the file system cannot tell whether it still does.
fn held(path: &Path, without: Option<&io::Error>) -> Error {
    let read = || fs::read_to_string(path.join(LOCK)).unwrap_or_default();
    let mut text = read();
    // The owner writes a moment after it has the lock.
    for _ in 0..20 {
        if text.ends_with('\n') {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
        text = read();
    }
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or("?").to_string()
    };
    let by = if text.is_empty() {
        "another process".into()
    } else {
        format!(
            "process {} on {} since {}, `{}`",
            field("process: "),
            field("host: "),
            field("since: "),
            field("command: ")
        )
    };
    let (by, mend) = match without {
        None => (by, "Wait until it ends, or choose another --out".into()),
        Some(reason) => (
            format!(
                "{by}, and this file system holds no locks ({reason}) that would tell whether it still runs"
            ),
            format!(
                "Choose another --out, or remove {} if that process has ended",
                path.join(LOCK).display()
            ),
        ),
    };
    Error::RunDirHeld {
        path: path.into(),
        by,
        mend,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_claims_wins_and_the_others_hear_of_it() {
        for round in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("r");
            let claims: Vec<Result<RunFolder>> = std::thread::scope(|scope| {
                let start = || scope.spawn(|| RunFolder::claim(&path, "apical run one"));
                let threads: Vec<_> = (0..8).map(|_| start()).collect();
                threads.into_iter().map(|t| t.join().unwrap()).collect()
            });
            let won = claims.iter().filter(|claim| claim.is_ok()).count();
            assert_eq!(won, 1, "round {round}");
            for error in claims.iter().filter_map(|claim| claim.as_ref().err()) {
                let text = error.to_string();
                assert!(text.contains("r: in use by process"), "{text}");
                assert!(text.contains("`apical run one`"), "{text}");
            }
            drop(claims);
            assert!(!path.join(LOCK).exists());
        }
    }

    #[test]
    fn a_lock_that_outlived_its_process_is_taken_over_and_leftovers_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join(LOCK), "process: 1\n").unwrap();
        fs::create_dir(path.join("checkpoints")).unwrap();
        for name in [
            ".config.toml.12-0.tmp",
            "checkpoints/.seed-0000.safetensors.7-3.tmp",
        ] {
            fs::write(path.join(name), "half").unwrap();
        }
        let held = RunFolder::claim(path, "one").unwrap();
        assert!(
            fs::read_to_string(path.join(LOCK))
                .unwrap()
                .contains("command: one")
        );
        assert!(RunFolder::hold(path, "two").is_err());
        assert!(
            fs::read_dir(path.join("checkpoints"))
                .unwrap()
                .next()
                .is_none()
        );
        drop(held);
        let left: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["checkpoints"]);
        // Files of a user stay, and a folder that holds some is not free.
        fs::write(path.join(".mine.tmp"), "").unwrap();
        let error = RunFolder::claim(path, "one").unwrap_err();
        assert!(matches!(error, Error::RunDirTaken { .. }), "{error}");
        drop(RunFolder::hold(path, "two").unwrap());
        assert!(path.join(".mine.tmp").exists() && !path.join(LOCK).exists());
    }

    /// Some network file systems refuse locks.
    #[test]
    fn without_locks_a_new_folder_has_one_owner_all_the_same() {
        let none = |_: &File| {
            Err(TryLockError::Error(io::Error::from(
                io::ErrorKind::Unsupported,
            )))
        };
        let folder = tempfile::tempdir().unwrap();
        let take = |new: bool| RunFolder::take(folder.path(), "apical run one", new, &none);
        let first = take(true).unwrap();
        assert!(first.warning().unwrap().contains("holds no locks"));
        let text = take(true).unwrap_err().to_string();
        assert!(
            text.contains("apical run one") && text.contains("holds no locks"),
            "{text}"
        );
        assert!(text.contains("remove ") && text.contains(LOCK), "{text}");
        // Going on is allowed, with the same warning.
        assert!(take(false).unwrap().warning().is_some());
    }

    #[test]
    fn a_discarded_folder_goes_if_it_was_made_here() {
        let folder = tempfile::tempdir().unwrap();
        RunFolder::claim(folder.path().join("a/b"), "")
            .unwrap()
            .discard();
        assert!(!folder.path().join("a/b").exists());
        RunFolder::claim(folder.path(), "").unwrap_err();
        fs::remove_dir(folder.path().join("a")).unwrap();
        RunFolder::claim(folder.path(), "").unwrap().discard();
        assert!(folder.path().exists());
    }
}
