//! Small experiments, all of whose settings are written out: what is mutated.

use apical::rule::RULES;
use apical::task::TASKS;
use apical_runs::experiment;

/// Settings a task needs, or that make it short.
fn needed(task: &str) -> &'static str {
    match task {
        "multi_task" => "tasks = [{ kind = \"add\" }, { kind = \"copy\" }]\nblocks = [20]",
        "embedded" => "task = { kind = \"add\" }",
        "periodic" => "period = 20",
        "interval_matching" => "shortest = 4\nlongest = 9\nfirst = 6\ntail = 6\nwidth = 2",
        "reach" => "movement = 8\nhold = 4",
        "delayed_xor" => "cue = 8\ndelay = 30",
        "pattern_generation" => "length = 50",
        "mimic" => "units = 6\ninputs = 3\noutputs = 2",
        _ => "",
    }
}

/// Other settings that change the structure of a learner.
const NETWORKS: [&str; 4] = [
    "neuron = { kind = \"rate\", alpha = 0.5 }",
    "neuron = { kind = \"voltage\", leak = 0.8, activation = \"relu\" }\ntypes = { kind = \"contiguous\", count = 2 }",
    "dale = { excitatory = 0.8 }\nsparsity = { density = 0.5, rewiring = { connected = 0.9 } }",
    "self_connections = false\nrecurrent = { kind = \"gaussian\" }",
];
const OPTIMIZERS: [&str; 3] = ["sgd", "momentum", "adam"];

/// TOML of a small experiment.
fn small(rule: &str, task: &str, turn: usize) -> String {
    // Rules that look back or pay at the end of trials need their windows.
    let update = ["\"step\"", "{ every = 5 }", "\"trial\""][turn % 3];
    format!(
        "steps = 200\nbatch = {}\nupdate = {update}\nprecision = \"f64\"\n\n[task]\nkind = \"{task}\"\n{}\n\n[network]\nunits = 5\n{}\n\n\
         [loss]\nkind = \"mean_squared_error\"\n\n[feedback]\nkind = \"random\"\n\n[rule]\nkind = \"{rule}\"\n\n\
         [optimizer]\nkind = \"{}\"\nrate = 1e-3\n\n[evaluate]\nevery = 50\nsteps = 40\n",
        1 + turn % 2,
        needed(task),
        NETWORKS[turn % NETWORKS.len()],
        OPTIMIZERS[turn % OPTIMIZERS.len()],
    )
}

/// Experiments that are accepted, with every setting written out: every rule, every task.
pub fn experiments() -> Vec<String> {
    let tasks = TASKS.iter().map(|info| info.name);
    let tasks: Vec<&str> = tasks
        .filter(|task| !["data", "sequential_mnist"].contains(task))
        .collect();
    let pairs = (0..3 * RULES.len().max(tasks.len())).map(|k| {
        let (rule, task) = (RULES[k % RULES.len()].name, tasks[k % tasks.len()]);
        small(rule, task, k)
    });
    let resolved = pairs.filter_map(|text| {
        let experiment = experiment::parse(&text, &[]).ok()?;
        experiment::resolved(&experiment).ok()
    });
    resolved.collect()
}

/// Experiments with a loop circuit.
pub fn circuits() -> Vec<String> {
    let circuit = "[circuit]\ntrials = 2\nrate = 0.1\nexploration = 0.1\nactivity = \"winner\"\nnormalise = true\nsequence = [0, 2, 1, 3]\n";
    let rules = ["rflo", "readout_only", "bptt"];
    let texts = rules.iter().zip(0..).map(|(rule, turn)| {
        let text = small(rule, "reach", 3 * turn + 1).replace("\nbatch = 2", "\nbatch = 1");
        text + circuit
    });
    texts.collect()
}

/// Experiments that extend built-in ones.
pub fn extending() -> Vec<String> {
    let of = |name: &str| {
        format!(
            "extends = \"{name}\"\nsteps = 200\nnetwork.units = 5\n\n[rule]\nkind = \"rflo\"\n\n[evaluate]\nevery = 50\nsteps = 40\n"
        )
    };
    let names = [
        "marschall2019/lags46",
        "marschall2019/lags59-rtrl",
        "tasks/copy",
    ];
    names.map(of).into()
}

/// Names and words that stand in any of the texts, or might.
pub fn words(texts: &[String]) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut words: Vec<String> = texts
        .iter()
        .flat_map(|text| text.split(|c| !is_part(c)))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(String::from)
        .collect();
    let registered = RULES
        .iter()
        .map(|info| info.name)
        .chain(TASKS.iter().map(|info| info.name));
    words.extend(registered.map(String::from));
    words.sort_unstable();
    words.dedup();
    words
}
