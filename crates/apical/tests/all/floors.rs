//! Imports run downwards only: no module of a crate, and none of the Python package, uses one that uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which modules each module of a crate or package imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Every file below `folder` with this ending, with the top-level module it belongs to.
fn files(folder: &Path, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                let inside = path.strip_prefix(folder).unwrap();
                let top = inside.iter().next().unwrap().to_str().unwrap();
                let name = top.trim_end_matches(&format!(".{ending}")).to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// The code of a Rust file that is compiled into the crate: neither its tests nor what comments say.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let lines = text[..end].lines();
    let bare = lines.map(|line| line.split("//").next().unwrap_or_default());
    bare.collect::<Vec<_>>().join("\n")
}

fn word(text: &str) -> String {
    let end = |c: char| !c.is_alphanumeric() && c != '_';
    text.trim_start().split(end).next().unwrap().to_string()
}

/// What a Rust file takes from its crate: `crate::name` and each name of `crate::{..}`.
fn of_rust(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let mut names = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        if !after.starts_with('{') {
            names.insert(word(after));
            continue;
        }
        let (mut depth, mut begin) = (0, 1);
        for (at, c) in after.char_indices() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if c == ',' && depth == 1 || depth == 0 {
                names.insert(word(&after[begin..at]));
                begin = at + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

/// What a Python file takes from its package, also inside functions.
fn of_python(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines().map(str::trim_start) {
        if let Some(after) = line.strip_prefix("from . import ") {
            names.extend(after.split(',').map(word));
        } else if let Some(after) = line.strip_prefix("from .") {
            names.insert(word(after));
        }
    }
    names
}

fn imports(folder: &Path, ending: &str, of: fn(&str) -> BTreeSet<String>) -> Imports {
    let mut all = Imports::new();
    for (module, text) in files(folder, ending) {
        // They bring a crate or a package together.
        if !["lib", "main", "__init__", "__main__"].contains(&&*module) {
            all.entry(module).or_default().extend(of(&text));
        }
    }
    let known: BTreeSet<String> = all.keys().cloned().collect();
    for (module, names) in &mut all {
        names.retain(|name| known.contains(name) && name != module);
    }
    all
}

/// Modules that import each other, directly or not: what is left when all that import nothing left are taken away.
fn circle(mut imports: Imports) -> Imports {
    loop {
        let left: BTreeSet<String> = imports.keys().cloned().collect();
        imports.retain(|_, names| names.iter().any(|name| left.contains(name)));
        if imports.len() == left.len() {
            break imports;
        }
    }
}

#[test]
fn imports_run_downwards_only() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in [
        "apical-kernel",
        "apical",
        "apical-runs",
        "apical-cli",
        "apical-python",
        "apical-fuzz",
    ] {
        let all = imports(&crates.join(name).join("src"), "rs", of_rust);
        assert!(
            all.values().any(|names| !names.is_empty()) || all.len() < 2,
            "{name}"
        );
        let circle = circle(all);
        assert!(circle.is_empty(), "{name}: {circle:#?}");
    }
    let package = crates.join("apical-python/python/apical");
    let circle = circle(imports(&package, "py", of_python));
    assert!(circle.is_empty(), "apical (Python): {circle:#?}");
}

#[test]
fn a_circle_is_seen() {
    let names = |list: &[&str]| list.iter().map(|name| name.to_string()).collect();
    let all = Imports::from([
        ("low".into(), names(&[])),
        ("a".into(), names(&["b", "low"])),
        ("b".into(), names(&["c"])),
        ("c".into(), names(&["a"])),
        ("above".into(), names(&["a"])),
    ]);
    // What stands on a circle cannot be taken away either.
    assert_eq!(circle(all.clone()).len(), 4);
    let mut open = all;
    open.insert("c".into(), names(&["low"]));
    assert!(circle(open).is_empty());
    let text = "use crate::{Error, b::{c, d}, e};\nuse crate::f::g;\n#[cfg(test)]\nmod tests { use crate::h; }";
    assert_eq!(of_rust(text), names(&["Error", "b", "e", "f"]));
    let text = "from . import a, b\n    from ._c import d\nfrom e import f";
    assert_eq!(of_python(text), names(&["a", "b", "_c"]));
}
