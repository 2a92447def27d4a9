//! What `extends` inherits, refuses and leaves alone.

use super::super::{BUILT_IN, load, parse, resolved};
use super::*;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn loaded(folder: &tempfile::TempDir, name: &str, changes: &[&str]) -> Result<Table> {
    let path = folder.path().join(name);
    let changes: Vec<String> = changes.iter().map(|change| change.to_string()).collect();
    let experiment = load(path.to_str().unwrap(), &changes)?;
    Ok(resolved(&experiment)?.parse().unwrap())
}

fn text(toml: &str) -> Table {
    resolved(&parse(toml, &[]).unwrap())
        .unwrap()
        .parse()
        .unwrap()
}

/// The message without the folder of the test.
fn refused(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let said = loaded(&folder, files[0].0, &[]).unwrap_err().to_string();
    said.replace(&format!("{}/", folder.path().display()), "")
}

const BASE: &str = r#"
    title = "Base"
    steps = 100
    update = { every = 5 }
    task = { kind = "add", lags = [1, 2], labels = "soft" }
    loss = { kind = "softmax_cross_entropy" }
    feedback = { kind = "random", init = { kind = "normal" } }
    rule = { kind = "dendritic", rate = 0.5, jacobian = { kind = "learned", rate = 0.25 } }
    monitor = [{ quantity = "loss", every = 7 }, { quantity = "J_loss", every = 7 }]
    optimizer = { rate = 1e-3, rates = { b_rec = 0.0 } }
"#;

#[test]
fn a_file_states_what_differs() {
    let folder = folder(&[
        ("base.toml", BASE),
        (
            "own.toml",
            "extends = \"base.toml\"\ntask.lags = [3, 4]\nrule.jacobian.rate = 0.125\noptimizer.rates.W_in = 0.5",
        ),
    ]);
    let mut expected: Table = text(BASE);
    expected["task"]["lags"] = vec![3, 4].into();
    expected["rule"]["jacobian"]["rate"] = 0.125.into();
    let rates = expected["optimizer"]["rates"].as_table_mut().unwrap();
    rates.insert("W_in".into(), 0.5.into());
    assert_eq!(loaded(&folder, "own.toml", &[]).unwrap(), expected);
    // A change of the command line comes last.
    expected["steps"] = 30.into();
    assert_eq!(
        loaded(&folder, "own.toml", &["steps=30"]).unwrap(),
        expected
    );
}

#[test]
fn another_kind_replaces_and_lists_are_whole() {
    let own = "extends = \"base.toml\"\nrule = { kind = \"rflo\" }\nfeedback.kind = \"symmetric\"\nmonitor = [{ quantity = \"loss\" }]";
    let folder = folder(&[("base.toml", BASE), ("own.toml", own)]);
    let own = loaded(&folder, "own.toml", &[]).unwrap();
    let alone = BASE
        .replace(", init = { kind = \"normal\" } }", " }")
        .replace("\"random\"", "\"symmetric\"");
    let alone: String = alone
        .lines()
        .filter(|line| !line.contains("rule =") && !line.contains("monitor ="))
        .map(|line| format!("{line}\n"))
        .collect();
    let expected = text(&format!(
        "{alone}rule = {{ kind = \"rflo\" }}\nmonitor = [{{ quantity = \"loss\" }}]"
    ));
    assert_eq!(own, expected);
}

#[test]
fn of_an_update_one_key_stands() {
    let mut table: Table = "update = { every = 5 }".parse().unwrap();
    let own: Table = "update = { trials = 2 }".parse().unwrap();
    merge(&mut table, own.clone(), &mut Vec::new());
    assert_eq!(table, own);
}

#[test]
fn a_setting_of_a_part_that_is_left_out_keeps_the_default_of_the_others() {
    let base = "steps = 10\ntask = { kind = \"add\" }\nloss = { kind = \"softmax_cross_entropy\" }";
    let folder = folder(&[
        ("base.toml", base),
        (
            "own.toml",
            "extends = \"base.toml\"\nrule.rate = 0.5\nnetwork.neuron.alpha = 0.5",
        ),
    ]);
    let changes = ["rule.rate=0.5", "network.neuron.alpha=0.5"];
    assert_eq!(
        loaded(&folder, "own.toml", &[]).unwrap(),
        loaded(&folder, "base.toml", &changes).unwrap()
    );
}

#[test]
fn a_chain_goes_through_folders_and_ends_in_a_built_in_one() {
    let folder = folder(&[
        ("a/own.toml", "extends = \"../b/middle.toml\"\nsteps = 30"),
        (
            "b/middle.toml",
            "extends = \"low.toml\"\nseeds = 2\nsteps = 20",
        ),
        (
            "b/low.toml",
            "extends = \"marschall2019/lags46-frozen\"\nnetwork.units = 8\nseeds = 3",
        ),
    ]);
    let own = loaded(&folder, "a/own.toml", &[]).unwrap();
    let changes = ["steps=30", "seeds=2", "network.units=8"].map(String::from);
    let expected = load("marschall2019/lags46-frozen", &changes).unwrap();
    assert_eq!(own, resolved(&expected).unwrap().parse().unwrap());
}

#[test]
fn data_are_found_from_the_file_that_names_them() {
    let base = "steps = 3\ntask = { kind = \"data\", file = \"d.csv\", inputs = [\"x\"], targets = [\"y\"] }\nloss = { kind = \"mean_squared_error\" }";
    let folder = folder(&[
        (
            "a/own.toml",
            "extends = \"../b/base.toml\"\nrule.kind = \"rflo\"",
        ),
        (
            "a/other.toml",
            "extends = \"own.toml\"\ntask.file = \"d.csv\"",
        ),
        ("b/base.toml", base),
        ("a/d.csv", "x,y\n1,2\n3,4\n"),
        ("b/d.csv", "x,y\n5,6\n7,8\n"),
    ]);
    let file = |name| loaded(&folder, name, &[]).unwrap()["task"]["file"].clone();
    let path = |end: &str| Value::from(folder.path().join(end).to_str().unwrap());
    assert_eq!(file("a/own.toml"), path("a/../b/d.csv"));
    assert_eq!(file("a/other.toml"), path("a/d.csv"));
}

#[test]
fn what_leads_nowhere_is_refused_with_the_mend() {
    let own = |value: &str| refused(&[("own.toml", &format!("extends = {value}\nsteps = 1"))]);
    for (value, parts) in [
        (
            "3",
            &[
                "extends: got integer `3`, expected the name of an experiment",
                "extends = \"marschall2019/lags46\"",
            ][..],
        ),
        ("\"\"", &["extends: got string \"\"", "Name one experiment"]),
        (
            "[\"a\", \"b\"]",
            &["extends: got a list", "Name one experiment"],
        ),
        ("2020-01-01", &["extends: got the date 2020-01-01"]),
        (
            "\"murray2019/periodic-20\"",
            &[
                "extends: `murray2019/periodic-20` is neither a built-in experiment nor a file",
                "Did you mean `murray2019/periodic-200`?",
            ],
        ),
        (
            "\"periodic-200\"",
            &[
                "extends: `periodic-200` is neither",
                "Did you mean `murray2019/periodic-200`?",
            ],
        ),
        (
            "\"gone.toml\"",
            &["extends: cannot read gone.toml", "Check the spelling"],
        ),
        ("\"..\"", &["extends:", "is a folder, expected a TOML file"]),
        #[cfg(unix)]
        ("\"/dev/zero\"", &["extends: /dev/zero is no ordinary file"]),
        (
            "\"own.toml\"",
            &[
                "extends in own.toml: a circle: own.toml extends own.toml",
                "Take `extends` out",
            ],
        ),
    ] {
        let said = own(value);
        for part in parts {
            assert!(said.contains(part), "{value}: {said}");
        }
    }
}

#[test]
fn circles_and_faults_of_the_others_are_refused_with_their_place() {
    let said = refused(&[("own.toml", "extend = \"marschall2019/lags46\"")]);
    assert!(
        said.contains("unknown key `extend`. Did you mean `extends`?"),
        "{said}"
    );
    let said = refused(&[
        ("own.toml", "extends = \"a.toml\""),
        ("a.toml", "extends = \"b.toml\""),
        ("b.toml", "extends = \"./a.toml\""),
    ]);
    assert!(
        said.contains("extends in b.toml: a circle: a.toml extends b.toml extends ./a.toml"),
        "{said}"
    );
    let said = refused(&[
        ("own.toml", "extends = \"a.toml\""),
        ("a.toml", "steps = = 3"),
    ]);
    assert!(said.contains("a.toml: not valid TOML at line 1"), "{said}");
    let said = refused(&[
        ("own.toml", "extends = \"a.toml\""),
        ("a.toml", "extends = true"),
    ]);
    assert!(
        said.contains("extends in a.toml: got boolean `true`"),
        "{said}"
    );
    let change = load("marschall2019/lags46", &["extends=tasks/copy".into()]);
    let said = change.unwrap_err().to_string();
    assert!(
        said.contains("extends: got it as a change, expected it in a file"),
        "{said}"
    );
}

#[test]
fn a_chain_has_an_end() {
    let chain = |length: usize| -> Vec<(String, String)> {
        let file = |k: usize| match k {
            k if k == length => BASE.to_string(),
            k => format!("extends = \"{}.toml\"", k + 1),
        };
        (0..=length)
            .map(|k| (format!("{k}.toml"), file(k)))
            .collect()
    };
    let files = |chain: &[(String, String)]| {
        let files: Vec<(&str, &str)> = chain
            .iter()
            .map(|(name, text)| (&**name, &**text))
            .collect();
        folder(&files)
    };
    let longest = files(&chain(DEPTH));
    assert_eq!(loaded(&longest, "0.toml", &[]).unwrap(), text(BASE));
    let said = loaded(&files(&chain(DEPTH + 1)), "0.toml", &[]).unwrap_err();
    let said = said.to_string();
    assert!(said.contains("extends: more than 16 experiments"), "{said}");
}

/// Every setting that stands in `table`, as the path to it.
fn paths(table: &Table, above: &[String]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (key, value) in table {
        let path = [above, std::slice::from_ref(key)].concat();
        match value {
            Value::Table(inner) => all.extend(paths(inner, &path)),
            _ => all.push(path),
        }
    }
    all
}

fn without(table: &Table, path: &[String]) -> Table {
    let mut less = table.clone();
    let (last, tables) = path.split_last().unwrap();
    let inner = tables
        .iter()
        .fold(&mut less, |table, key| table[key].as_table_mut().unwrap());
    inner.remove(last);
    less
}

#[test]
fn no_experiment_repeats_what_it_inherits() {
    let mut extending = 0;
    for built_in in BUILT_IN {
        let own: Table = built_in.toml.parse().unwrap();
        assert!(own.contains_key("title"), "{}: no title", built_in.name);
        if !own.contains_key(KEY) {
            continue;
        }
        extending += 1;
        let whole = |own: &Table| {
            let text = toml::to_string(own).unwrap();
            super::whole(&text, built_in.name, None).unwrap().table
        };
        for path in paths(&own, &[]).iter().filter(|path| path[..] != [KEY]) {
            let less = whole(&without(&own, path));
            assert_ne!(
                less,
                whole(&own),
                "{}: {path:?} is inherited",
                built_in.name
            );
        }
    }
    assert!(extending > 40, "{extending}");
}

#[test]
fn every_file_of_the_folder_is_built_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
    let mut files = Vec::new();
    for paper in std::fs::read_dir(root).unwrap() {
        let paper = paper.unwrap();
        for file in std::fs::read_dir(paper.path()).unwrap() {
            let name = format!(
                "{}/{}",
                paper.file_name().display(),
                file.unwrap().file_name().display()
            );
            files.push(name.strip_suffix(".toml").unwrap().to_string());
        }
    }
    // Its digits are looked for from its place: it is run as a file.
    files.retain(|name| name != "tasks/sequential_mnist");
    let mut names: Vec<&str> = BUILT_IN.iter().map(|built_in| built_in.name).collect();
    files.sort_unstable();
    names.sort_unstable();
    assert_eq!(files, names);
}
