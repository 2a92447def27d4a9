//! Files that are whole or not there, and run folders that are never overwritten.

use std::fs;
use std::path::Path;

use apical_runs::Error;
use apical_runs::files::{write_atomic, write_keeping};
use apical_runs::folder::RunFolder;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn writing_replaces_and_leaves_nothing_else_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.csv");
    write_atomic(&path, b"a long first version").unwrap();
    write_atomic(&path, b"second").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"second");
    assert_eq!(names(folder.path()), ["log.csv"]);
}

#[test]
fn what_is_kept_has_the_old_bytes_and_a_failure_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, before) = (folder.path().join("now"), folder.path().join("before"));
    write_keeping(&path, &before, b"first").unwrap();
    assert_eq!(names(folder.path()), ["now"]);
    for (new, old) in [("second", "first"), ("third", "second")] {
        write_keeping(&path, &before, new.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), new);
        assert_eq!(fs::read_to_string(&before).unwrap(), old);
    }
    fs::remove_file(&before).unwrap();
    fs::create_dir(&before).unwrap();
    fs::write(before.join("inside"), "kept").unwrap();
    assert!(write_keeping(&path, &before, b"fourth").is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "third");
    assert_eq!(names(folder.path()), ["before", "now"]);
}

#[test]
fn a_failed_write_removes_the_temporary_file_and_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    // A folder with something in it cannot be replaced by a file, so the last step fails.
    let path = folder.path().join("taken");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("inside"), "kept").unwrap();
    let message = write_atomic(&path, b"new").unwrap_err().to_string();
    assert!(
        message.contains("taken: cannot write this file"),
        "{message}"
    );
    assert!(message.contains("move it away"), "{message}");
    assert_eq!(names(folder.path()), ["taken"]);
    assert_eq!(names(&path), ["inside"]);
}

#[test]
fn a_missing_folder_is_an_error_with_a_mend() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/log.csv");
    let message = write_atomic(&path, b"x").unwrap_err().to_string();
    assert!(message.contains("no/such/log.csv"), "{message}");
    assert!(message.contains("Check the spelling"), "{message}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_path_without_a_file_name_is_an_error() {
    for path in ["", "/", ".."] {
        assert!(
            matches!(write_atomic(path, b"x"), Err(Error::Io { .. })),
            "{path:?}"
        );
    }
}

#[test]
fn run_folders_are_made_with_their_parents() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs/copy/1");
    drop(RunFolder::claim(&path, "").unwrap());
    assert!(path.is_dir() && names(&path).is_empty());
    RunFolder::claim(&path, "").expect("an empty folder may be used again");
}

#[test]
fn a_run_folder_in_use_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("log.csv"), "old").unwrap();
    let error = RunFolder::claim(folder.path(), "").unwrap_err();
    assert!(matches!(error, Error::RunDirTaken { .. }));
    let message = error.to_string();
    assert!(
        message.contains("already exists and is not empty"),
        "{message}"
    );
    assert!(message.contains("Choose another --out, or go on with it by --resume"));
    assert_eq!(names(folder.path()), ["log.csv"]);
    let file = folder.path().join("log.csv");
    assert!(
        RunFolder::claim(&file, "")
            .unwrap_err()
            .to_string()
            .contains("is a file")
    );
    assert!(RunFolder::claim(file.join("below"), "").is_err());
}
