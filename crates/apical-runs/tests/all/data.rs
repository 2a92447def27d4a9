//! Files of one's own are read as they stand, and what is wrong in them is named with its row and column.

use std::io::Write;
use std::path::{Path, PathBuf};

use apical::Streams;
use apical::task::{DataSpec, Sample, TaskSpec};
use apical_runs::{data, experiment};
use npyz::WriterBuilder;
use tempfile::{TempDir, tempdir};

/// A task table as it stands in an experiment, its files in `folder`.
pub fn task(folder: &Path, toml: &str) -> Result<TaskSpec, String> {
    let mut task: TaskSpec = toml::from_str(toml).unwrap();
    data::load(&mut task, Some(folder)).map_err(|error| error.to_string())?;
    Ok(task)
}

/// The steps of one pass over all data but the held-out ones, in the order of the file.
pub fn steps(task: &TaskSpec) -> Vec<Sample<f64>> {
    let mut task = task.clone();
    if let TaskSpec::Data(spec) = &mut task {
        (spec.test, spec.shuffle) = (0.0, false);
    }
    let (inputs, outputs) = task.sizes();
    let mut stream = task.build(1, 10, &Streams::new(0), "train").unwrap();
    let mut sample = Sample::new(1, inputs, outputs);
    let mut all: Vec<Sample<f64>> = Vec::new();
    for _ in 0..1_000 {
        assert!(stream.next(&mut sample));
        if all.len() > 1 && sample.first && sample.x == all[0].x {
            break;
        }
        all.push(sample.clone());
    }
    all
}

pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

const CSV: &str = "\
time, x, y, label, session, weight
0, 0.5, -1, 0, a, 1
1, 1.5, -2, 2, a, 0.5
2, 2.5, -3, 1, b, 1
3, 3.5, -4, 0, b, 1
4, 4.5, -5, 2, b, 0
";

#[test]
fn columns_of_a_csv_file_are_found_by_name() {
    let folder = folder(&[("mine.csv", CSV.as_bytes())]);
    let text = r#"kind = "data"
        file = "mine.csv"
        inputs = ["y", "x"]
        targets = ["x"]"#;
    let spec = task(folder.path(), text).unwrap();
    assert_eq!((spec.sizes(), spec.has_trials()), ((2, 1), false));
    let all = steps(&spec);
    assert_eq!(all.len(), 5);
    for (t, sample) in all.iter().enumerate() {
        let x = t as f64 + 0.5;
        assert_eq!(
            (&sample.x[..], &sample.y[..]),
            (&[-1.0 - t as f64, x][..], &[x][..])
        );
        assert!(!sample.masked);
    }
    // The settings say where the file was.
    let TaskSpec::Data(DataSpec { file, .. }) = &spec else {
        panic!("{spec:?}");
    };
    assert_eq!(Path::new(file), folder.path().join("mine.csv"));
}

#[test]
fn labels_trials_and_masks_come_from_columns() {
    let folder = folder(&[("mine.csv", CSV.as_bytes())]);
    let text = r#"kind = "data"
        file = "mine.csv"
        inputs = ["x"]
        targets = ["label"]
        classes = 3
        trial = "session"
        mask = "weight""#;
    let spec = task(folder.path(), text).unwrap();
    assert_eq!((spec.sizes(), spec.has_trials()), ((1, 3), true));
    let all = steps(&spec);
    let edges: Vec<_> = all.iter().map(|s| (s.first, s.last)).collect();
    let inside = (false, false);
    let expected = [
        (true, false),
        (false, true),
        (true, false),
        inside,
        (false, true),
    ];
    assert_eq!(edges, expected);
    for ((sample, label), weight) in all
        .iter()
        .zip([0, 2, 1, 0, 2])
        .zip([1.0, 0.5, 1.0, 1.0, 0.0])
    {
        let hot: Vec<f64> = (0..3).map(|k| f64::from(u8::from(k == label))).collect();
        assert_eq!(sample.y, hot);
        assert_eq!((sample.masked, &sample.mask[..]), (true, &[weight; 3][..]));
    }
}

pub fn npy<T: npyz::AutoSerialize + Copy>(
    shape: &[u64],
    order: npyz::Order,
    values: &[T],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = npyz::WriteOptions::new().default_dtype().shape(shape);
    let mut writer = builder.order(order).writer(&mut bytes).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
    bytes
}

pub fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn arrays_of_numpy_give_the_same_columns() {
    use npyz::Order::{C, Fortran};
    let rows = [0.5, -1.0, 1.5, -2.0, 2.5, -3.0];
    let columns = [0.5, 1.5, 2.5, -1.0, -2.0, -3.0];
    let archive = npz(&[
        ("input", npy(&[3, 2], C, &rows)),
        ("steps", npy(&[3], C, &[0_i64, 1, 2])),
        ("flag", npy(&[3], C, &[true, false, true])),
        ("half", npy(&[3], C, &[0.5_f32, 0.5, 1.0])),
        ("other", npy(&[2, 2, 1], C, &[0.0_f32; 4])),
    ]);
    let folder = folder(&[
        ("c.npy", &npy(&[3, 2], C, &rows)),
        ("f.npy", &npy(&[3, 2], Fortran, &columns)),
        ("single.npy", &npy(&[3, 2], C, &rows.map(|v| v as f32))),
        ("all.npz", &archive),
    ]);
    let settings = [
        r#"file = "c.npy"
        inputs = ["0", "1"]
        targets = ["1"]"#,
        r#"file = "f.npy"
        columns = ["a", "b"]
        inputs = ["a", "b"]
        targets = ["b"]"#,
        r#"file = "single.npy"
        inputs = ["0", "1"]
        targets = ["1"]"#,
        r#"file = "all.npz"
        inputs = ["input"]
        targets = ["input.1"]"#,
    ];
    for text in settings {
        let spec = task(folder.path(), &format!("kind = \"data\"\n{text}")).unwrap();
        assert_eq!(spec.sizes(), (2, 1), "{text}");
        let all = steps(&spec);
        assert_eq!(all.len(), 3, "{text}");
        for (sample, row) in all.iter().zip(rows.chunks_exact(2)) {
            assert_eq!((&sample.x[..], sample.y[0]), (row, row[1]), "{text}");
        }
    }
    let text = r#"kind = "data"
        file = "all.npz"
        inputs = ["steps"]
        targets = ["flag"]
        classes = 2
        trial = "half""#;
    let all = steps(&task(folder.path(), text).unwrap());
    assert_eq!(
        all.iter().map(|s| s.y[1]).collect::<Vec<_>>(),
        [1.0, 0.0, 1.0]
    );
    let edges: Vec<_> = all.iter().map(|s| (s.first, s.last)).collect();
    assert_eq!(edges, [(true, false), (false, true), (true, true)]);
}

/// Settings of a task on `mine.csv` with these words in it, and what the refusal must say.
pub fn refused(bytes: &[u8], name: &str, settings: &str, parts: &[&str]) {
    let folder = folder(&[(name, bytes)]);
    let text = format!("kind = \"data\"\nfile = \"{name}\"\n{settings}");
    let error = task(folder.path(), &text).expect_err(&text);
    for part in parts {
        assert!(error.contains(part), "{text}\n{error}\nlacks {part}");
    }
}

pub const XY: &str = "inputs = [\"x\"]\ntargets = [\"y\"]";

#[test]
fn bad_tables_are_named_with_row_and_column() {
    for (csv, parts) in [
        (
            "x,y\n1,2\n3\n",
            &[
                "mine.csv: row 2 (line 3): got 1 cells, expected 2",
                "remove the row",
            ][..],
        ),
        (
            "x,y\n1,2\n3,4,5\n",
            &["row 2 (line 3): got 3 cells, expected 2"],
        ),
        (
            "x,y\n1,2\n\n3,nan\n",
            &["row 2 (line 4), column `y`: got NaN, expected a finite number"],
        ),
        ("x,y\n1,inf\n", &["row 1 (line 2), column `y`: got inf"]),
        (
            "x,y\n,2\n",
            &["row 1 (line 2), column `x`: got an empty cell"],
        ),
        (
            "x,y\n1,two\n",
            &[
                "row 1 (line 2), column `y`: got `two`",
                "expected a finite number",
            ],
        ),
        ("x,y\n", &["mine.csv: no rows"]),
        ("", &["mine.csv: no header"]),
        ("x,x,y\n1,2,3\n", &["2 columns are called `x`"]),
        (
            "xx,y\n1,2\n",
            &[
                "task.inputs: no column `x`",
                "expected one of xx, y",
                "Did you mean `xx`?",
            ],
        ),
    ] {
        refused(csv.as_bytes(), "mine.csv", XY, parts);
    }
    refused(
        b"x,y\n\xff,2\n",
        "mine.csv",
        XY,
        &["row 1 (line 2), column `x`", "expected a finite number"],
    );
    // What is not used may be anything.
    let folder = folder(&[("mine.csv", b"x,note,y\n1,late,2\n,,\n".as_slice())]);
    let error = task(
        folder.path(),
        &format!("kind = \"data\"\nfile = \"mine.csv\"\n{XY}"),
    );
    assert!(error.unwrap_err().contains("row 2 (line 3), column `x`"));
}

#[test]
fn bad_settings_of_data_are_named() {
    let label = "inputs = [\"x\"]\ntargets = [\"label\"]\nclasses = 2";
    refused(
        CSV.as_bytes(),
        "mine.csv",
        label,
        &[
            "row 2 (line 3), column `label`: got 2, expected a whole number from 0 to 1",
            "task.classes",
        ],
    );
    let half = "inputs = [\"x\"]\ntargets = [\"x\"]\nclasses = 3";
    refused(
        CSV.as_bytes(),
        "mine.csv",
        half,
        &["row 1 (line 2), column `x`: got 0.5"],
    );
    let two = "inputs = [\"x\"]\ntargets = [\"x\", \"y\"]\nclasses = 3";
    refused(
        CSV.as_bytes(),
        "mine.csv",
        two,
        &["task.classes: got 3 with 2 target columns"],
    );
    let trial = format!("{XY}\ntrial = \"sesion\"");
    refused(
        CSV.as_bytes(),
        "mine.csv",
        &trial,
        &["task.trial: no column `sesion`", "Did you mean `session`?"],
    );
    let mask = format!("{XY}\nmask = \"y\"");
    refused(
        CSV.as_bytes(),
        "mine.csv",
        &mask,
        &["row 1 (line 2), column `y`: got -1, expected a weight that is not negative"],
    );
    let none = "inputs = []\ntargets = [\"y\"]";
    refused(CSV.as_bytes(), "mine.csv", none, &["task.inputs: got none"]);
    let columns = format!("{XY}\ncolumns = [\"x\", \"y\"]");
    refused(
        CSV.as_bytes(),
        "mine.csv",
        &columns,
        &["task.columns: got names"],
    );
    refused(
        CSV.as_bytes(),
        "mine.xlsx",
        XY,
        &[
            "mine.xlsx: the name ends in none of .csv, .tsv",
            "and .parquet",
        ],
    );
    let folder = tempdir().unwrap();
    let text = format!("kind = \"data\"\nfile = \"gone.csv\"\n{XY}");
    let error = task(folder.path(), &text).unwrap_err();
    assert!(
        error.contains("task.file: `gone.csv` is not there"),
        "{error}"
    );
    // Inside of another task, the place is named.
    let text = format!("kind = \"embedded\"\n[task]\n{text}");
    let error = task(folder.path(), &text).unwrap_err();
    assert!(
        error.contains("task.task.file: `gone.csv` is not there"),
        "{error}"
    );
}

#[test]
fn bad_arrays_are_named() {
    use npyz::Order::C;
    let good = npy(&[3, 2], C, &[0.5, -1.0, 1.5, f64::NAN, 2.5, -3.0]);
    let both = "inputs = [\"0\"]\ntargets = [\"1\"]";
    refused(&good, "a.npy", both, &["a.npy: row 2, column `1`: got NaN"]);
    refused(
        &good[..good.len() - 8],
        "a.npy",
        both,
        &["the array is truncated: its shape is [3, 2]"],
    );
    refused(
        b"\x93NUMPYx",
        "a.npy",
        both,
        &["the array is not in the NPY format"],
    );
    refused(b"", "a.npy", both, &["the array is not in the NPY format"]);
    let deep = npy(&[1, 3, 2], C, &[0.0; 6]);
    refused(
        &deep,
        "a.npy",
        both,
        &["has the shape [1, 3, 2], expected (steps)"],
    );
    let missing = "inputs = [\"0\"]\ntargets = [\"2\"]";
    refused(
        &good,
        "a.npy",
        missing,
        &["task.targets: no column `2`", "expected one of 0, 1"],
    );
    let names = "columns = [\"a\"]\ninputs = [\"a\"]\ntargets = [\"a\"]";
    refused(
        &good,
        "a.npy",
        names,
        &["task.columns: got 1 names, expected 2"],
    );
    // Complex numbers and texts are no numbers to learn from.
    let mut complex = npy(&[2], C, &[1.0, 2.0]);
    let place = complex.windows(3).position(|w| w == b"<f8").unwrap();
    complex[place..place + 3].copy_from_slice(b"<c8");
    let one = "inputs = [\"0\"]\ntargets = [\"0\"]";
    refused(
        &complex,
        "a.npy",
        one,
        &["the array has the dtype '<c8', expected floats"],
    );

    let archive = npz(&[
        ("x", npy(&[3], C, &[1.0, 2.0, 3.0])),
        ("y", npy(&[2], C, &[1.0, 2.0])),
    ]);
    refused(
        &archive,
        "a.npz",
        XY,
        &["array `y` has 2 rows, expected 3 as array `x`"],
    );
    refused(b"no zip", "a.npz", XY, &["a.npz: not an NPZ file"]);
    let huge = "inputs = [\"z\"]\ntargets = [\"y\"]";
    refused(
        &archive,
        "a.npz",
        huge,
        &["task.inputs: no column `z`", "expected one of x, y"],
    );
}

/// An IDX file of unsigned bytes.
fn idx(magic: u32, shape: &[u32], values: &[u8]) -> Vec<u8> {
    let words = [&[magic], shape].concat();
    let header = words.iter().flat_map(|word| word.to_be_bytes());
    header.chain(values.iter().copied()).collect()
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Generated digits: image k is filled with k + 1 and has the label k mod 10.
fn generated(count: u8) -> (Vec<u8>, Vec<u8>) {
    let pixels: Vec<u8> = (0..count).flat_map(|k| [k + 1; 784]).collect();
    let labels: Vec<u8> = (0..count).map(|k| k % 10).collect();
    let n = u32::from(count);
    (idx(0x803, &[n, 28, 28], &pixels), idx(0x801, &[n], &labels))
}

const MNIST: &str = "kind = \"sequential_mnist\"\nimages = \"images\"\nlabels = \"labels\"\n";

fn shown(task: &TaskSpec, purpose: &str, trials: usize) -> Vec<(u8, usize)> {
    let mut stream = task.build::<f64>(1, 10, &Streams::new(0), purpose).unwrap();
    let (inputs, outputs) = task.sizes();
    let mut sample = Sample::new(1, inputs, outputs);
    let mut seen = Vec::new();
    while seen.len() < trials && stream.next(&mut sample) {
        let pixel = (sample.x[0] * 255.0).round() as u8;
        assert!(sample.x.iter().all(|x| *x == sample.x[0]));
        if sample.last {
            seen.push((pixel - 1, sample.y.iter().position(|y| *y == 1.0).unwrap()));
        }
    }
    seen
}

#[test]
fn digits_are_read_plain_or_gzipped_and_split() {
    let (images, labels) = generated(15);
    let (test_images, test_labels) = generated(4);
    let folder = folder(&[
        ("images", &images),
        ("labels", &labels),
        ("packed.gz", &gz(&images)),
        ("test-images", &gz(&test_images)),
        ("test-labels.gz", &gz(&test_labels)),
    ]);
    for text in [MNIST.to_string(), MNIST.replace("\"images\"", "\"packed\"")] {
        let mut spec = task(folder.path(), &text).unwrap();
        assert_eq!((spec.sizes(), spec.has_trials()), ((28, 10), true));
        // Four fifths are to train on, and the settings say so from now on.
        let TaskSpec::SequentialMnist(mnist) = &mut spec else {
            panic!("{spec:?}");
        };
        assert_eq!(mnist.train, Some(12));
        assert_eq!(mnist.digits.get().unwrap().counts(), (12, 3));
        let mut trained = shown(&spec, "train", 12);
        trained.sort_unstable();
        let expected: Vec<_> = (0..12).map(|k| (k, usize::from(k % 10))).collect();
        assert_eq!(trained, expected);
        assert_eq!(shown(&spec, "test", 99), [(12, 2), (13, 3), (14, 4)]);
    }
    let text = format!(
        "{MNIST}test_images = \"test-images\"\ntest_labels = \"test-labels\"\ntrain = 5\npixels_per_step = 784"
    );
    let spec = task(folder.path(), &text).unwrap();
    let mut trained = shown(&spec, "train", 5);
    trained.sort_unstable();
    assert_eq!(trained, [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
    assert_eq!(shown(&spec, "test", 99), [(0, 0), (1, 1), (2, 2), (3, 3)]);
}

#[test]
fn bad_digits_are_named() {
    let (images, labels) = generated(3);
    let refused = |images: &[u8], labels: &[u8], settings: &str, parts: &[&str]| {
        let folder = folder(&[("images", images), ("labels", labels)]);
        let error = task(folder.path(), &format!("{MNIST}{settings}")).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{error}\nlacks {part}");
        }
    };
    refused(
        &labels,
        &images,
        "",
        &[
            "images: magic number 0x00000801, expected 0x00000803",
            "swapped?",
        ],
    );
    refused(b"PNG is another", &labels, "", &["magic number 0x504e4720"]);
    refused(b"", &labels, "", &["magic number fewer than 4 bytes"]);
    refused(
        &images[..100],
        &labels,
        "",
        &["truncated IDX file: got 100 bytes, expected 2368"],
    );
    refused(
        &images[..10],
        &labels,
        "",
        &["truncated IDX file: got 10 bytes, expected at least 16"],
    );
    let vast = idx(0x803, &[u32::MAX, u32::MAX, u32::MAX], &[]);
    refused(&vast, &labels, "", &["truncated IDX file: got 16 bytes"]);
    refused(&gz(&images)[..60], &labels, "", &["damaged gzip file"]);
    // A packed file of any size is read no further than its header says.
    let long = [&images[..], &vec![0; 1 << 24]].concat();
    refused(
        &gz(&long),
        &labels,
        "",
        &["more than its header says: got 2369 bytes or more, expected 2368"],
    );
    refused(
        &idx(0x803, &[1, 20, 20], &[0; 400]),
        &labels,
        "",
        &["images of 20 x 20 pixels"],
    );
    refused(
        &images,
        &idx(0x801, &[2], &[0, 1]),
        "",
        &["labels: 2 labels, expected 3"],
    );
    refused(
        &images,
        &idx(0x801, &[3], &[0, 1, 10]),
        "",
        &["label 3: got 10, expected a digit"],
    );
    refused(
        &images,
        &labels,
        "train = 4",
        &["task.train: got 4, expected at most 3"],
    );
    refused(
        &images,
        &labels,
        "test_images = \"images\"",
        &["task.test_labels: missing"],
    );
    let folder = tempdir().unwrap();
    let error = task(folder.path(), "kind = \"sequential_mnist\"").unwrap_err();
    for part in [
        "task.images: `mnist/train-images-idx3-ubyte.gz` is not there",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "t10k-labels-idx1-ubyte.gz",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn files_beside_an_experiment_are_found_and_kept_in_its_settings() {
    let toml = |file: &Path| {
        format!(
            "steps = 10\nloss = {{ kind = \"mean_squared_error\" }}\nfeedback = {{ kind = \"symmetric\" }}\n\
             rule = {{ kind = \"rflo\" }}\n[task]\nkind = \"data\"\nfile = {:?}\n{XY}\n",
            file.to_str().unwrap()
        )
    };
    let folder = folder(&[("mine.csv", CSV.as_bytes())]);
    let path: PathBuf = folder.path().join("mine.toml");
    std::fs::write(&path, toml(Path::new("mine.csv"))).unwrap();
    let loaded = experiment::load(path.to_str().unwrap(), &[]).unwrap();
    let resolved = experiment::resolved(&loaded).unwrap();
    // From anywhere, without the experiment.
    let again = experiment::parse(&resolved, &[]).unwrap();
    assert_eq!(again, loaded);
    assert_eq!(again.task.sizes(), (1, 1));
    let error = experiment::parse(&toml(Path::new("mine.csv")), &[]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("task.file: `mine.csv` is not there")
    );
    // A share too large for what there is, and a batch.
    for (change, part) in [
        ("task.test=1.0", "task.test: got 1"),
        ("batch=6", "batch: got 6, expected at most 4"),
        ("task.test=0.0", "set evaluate.steps = 0"),
        ("task.file=other.csv", "task.file: `other.csv` is not there"),
    ] {
        let error = experiment::load(path.to_str().unwrap(), &[change.into()]).unwrap_err();
        assert!(error.to_string().contains(part), "{change}: {error}");
    }
}
