//! Arrays of NumPy and Parquet columns of any type of number are read, those that are not named never.

use std::io::Write;

use apical_runs::table::{Column, Table, Values};
use npyz::Order::C;

use crate::data::{XY, folder, npy, npz, refused, steps, task};

/// An NPY file with this dtype, for those that `npy` does not write.
fn raw(dtype: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{header:<117}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend_from_slice(&(header.len() as u16).to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(bytes);
    file
}

fn text(words: &[&str], length: usize) -> Vec<u8> {
    let padded = words.iter().flat_map(|word| {
        word.chars()
            .map(u32::from)
            .chain(std::iter::repeat(0))
            .take(length)
    });
    padded.flat_map(u32::to_le_bytes).collect()
}

#[test]
fn all_types_of_numbers_are_read_and_ids_of_any_type_tell_trials_apart() {
    let half: Vec<u8> = [0x3c00u16, 0xc000, 0x3800]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let big: Vec<u8> = [1.5f64, -2.0, 0.5]
        .iter()
        .flat_map(|v| v.to_be_bytes())
        .collect();
    let days: Vec<u8> = [19_000i64, 19_000, 19_001]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let archive = npz(&[
        ("x", raw("'<f2'", "(3,)", &half)),
        ("y", raw("'>f8'", "(3,)", &big)),
        ("words", raw("'<U2'", "(3,)", &text(&["S0", "S0", "S1"], 2))),
        ("bytes", raw("'|S2'", "(3,)", b"a\0a\0b\0")),
        ("days", raw("'<M8[D]'", "(3,)", &days)),
        ("flags", npy(&[3], C, &[true, true, false])),
        ("odd", raw("'|O'", "(3,)", b"\x80\x04.")),
    ]);
    let folder = folder(&[("a.NPZ", &archive)]);
    for trial in ["words", "bytes", "days", "flags"] {
        let text = format!("kind = \"data\"\nfile = \"a.NPZ\"\n{XY}\ntrial = \"{trial}\"");
        let all = steps(&task(folder.path(), &text).unwrap());
        let of: Vec<_> = all.iter().map(|s| (s.x[0], s.y[0], s.first)).collect();
        assert_eq!(
            of,
            [(1.0, 1.5, true), (-2.0, -2.0, false), (0.5, 0.5, true)],
            "{trial}"
        );
    }
    for (settings, parts) in [
        (
            "inputs = [\"odd\"]\ntargets = [\"y\"]",
            ["array `odd` holds Python objects", "astype(float)"],
        ),
        (
            "inputs = [\"words\"]\ntargets = [\"y\"]",
            [
                "array `words` has the dtype '<U2'",
                "Text can tell trials apart",
            ],
        ),
        (
            "inputs = [\"days\"]\ntargets = [\"y\"]",
            ["array `days` has the dtype '<M8[D]'", "seconds"],
        ),
    ] {
        refused(&archive, "a.npz", settings, &parts);
    }
}

#[test]
fn fields_of_a_structured_array_are_columns() {
    let rows: Vec<u8> = [(1.0f64, 2i32), (3.0, 4)]
        .iter()
        .flat_map(|(x, y)| [&x.to_le_bytes()[..], &y.to_le_bytes()[..]].concat())
        .collect();
    let array = raw("[('x', '<f8'), ('y', '<i4')]", "(2,)", &rows);
    let folder = folder(&[("a.npy", &array), ("a.npz", &npz(&[("d", array.clone())]))]);
    for text in [
        format!("file = \"a.npy\"\n{XY}"),
        "file = \"a.npz\"\ninputs = [\"d.x\"]\ntargets = [\"d.y\"]".into(),
    ] {
        let all = steps(&task(folder.path(), &format!("kind = \"data\"\n{text}")).unwrap());
        let of: Vec<_> = all.iter().map(|s| (s.x[0], s.y[0])).collect();
        assert_eq!(of, [(1.0, 2.0), (3.0, 4.0)]);
    }
}

#[test]
fn shapes_that_do_not_fit_are_named_with_their_mend() {
    let x = npy(&[2, 3], C, &[0.0; 6]);
    let y = npy(&[3], C, &[0.0; 3]);
    let across = npz(&[("x", x), ("y", y.clone())]);
    refused(
        &across,
        "a.npz",
        XY,
        &["array `y` has 3 rows, expected 2 as array `x`", "save x.T"],
    );
    let cube = npz(&[("x", npy(&[2, 3, 1], C, &[0.0; 6])), ("y", y)]);
    refused(
        &cube,
        "a.npz",
        XY,
        &[
            "array `x` has the shape [2, 3, 1]",
            "reshape(-1, x.shape[-1])",
        ],
    );
    // Headers and shapes may claim anything: nothing is made room for that is not there.
    let mut long = raw("'<f8'", "(1,)", &[0; 8]);
    long[6] = 2;
    long[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    let zero = "inputs = [\"0\"]\ntargets = [\"0\"]";
    refused(
        &long,
        "a.npy",
        zero,
        &["the array is not in the NPY format", "longer than 1 MB"],
    );
    let vast = raw("'<f8'", "(99999999999, 99)", &[0; 8]);
    refused(&vast, "a.npy", zero, &["the array is truncated"]);
    let vast = npz(&[("0", raw("'<f8'", "(999999999999,)", &[0; 8]))]);
    refused(&vast, "a.npz", zero, &["array `0` is truncated"]);
}

#[test]
fn members_that_are_not_named_are_not_inflated() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for name in ["x", "y"] {
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(&npy(&[3], C, &[0.0, 1.0, 2.0])).unwrap();
    }
    // No array at all, and damaged: whoever touched it would say so.
    zip.start_file("bomb.npy", options).unwrap();
    zip.write_all(&vec![7; 1 << 20]).unwrap();
    let mut archive = zip.finish().unwrap().into_inner();
    let name = archive.windows(8).position(|w| w == b"bomb.npy").unwrap();
    archive[name + 40..name + 80].fill(0xff);
    let folder = folder(&[("a.npz", &archive)]);
    let text = format!("kind = \"data\"\nfile = \"a.npz\"\n{XY}");
    assert_eq!(steps(&task(folder.path(), &text).unwrap()).len(), 3);
    let bomb = "inputs = [\"bomb\"]\ntargets = [\"y\"]";
    refused(&archive, "a.npz", bomb, &["array `bomb`"]);
}

#[test]
fn parquet_is_read_as_a_table() {
    let column = |name: &str, values| Column {
        name: name.into(),
        values,
    };
    let table = Table {
        columns: vec![
            column("x.0", Values::F64(vec![0.5, 1.5, 2.5, 3.5])),
            column("x.1", Values::U64(vec![1, 2, 3, 4])),
            column("y", Values::F64(vec![1.0, f64::NAN, 3.0, 4.0])),
            column("weight", Values::F64(vec![1.0, 0.0, 1.0, 1.0])),
            column(
                "session",
                Values::Text(["a", "a", "b", "b"].map(String::from).into()),
            ),
        ],
    };
    let bytes = table.to_parquet().unwrap();
    let folder = folder(&[("a.parquet", &bytes)]);
    let settings = "inputs = [\"x\"]\ntargets = [\"y\"]\nmask = \"weight\"\ntrial = \"session\"";
    let all = steps(
        &task(
            folder.path(),
            &format!("kind = \"data\"\nfile = \"a.parquet\"\n{settings}"),
        )
        .unwrap(),
    );
    let of: Vec<_> = all.iter().map(|s| (s.x.clone(), s.y[0], s.first)).collect();
    let expected = [
        (vec![0.5, 1.0], 1.0, true),
        (vec![1.5, 2.0], 0.0, false),
        (vec![2.5, 3.0], 3.0, true),
        (vec![3.5, 4.0], 4.0, false),
    ];
    assert_eq!(of, expected);
    let words = "inputs = [\"session\"]\ntargets = [\"y\"]";
    refused(&bytes, "a.parquet", words, &["column `session` holds text"]);
    let gap = "inputs = [\"x\"]\ntargets = [\"y\"]";
    refused(
        &bytes,
        "a.parquet",
        gap,
        &["row 2, column `y`: got NaN", "mask"],
    );
    let unknown = "inputs = [\"z\"]\ntargets = [\"y\"]";
    refused(
        &bytes,
        "a.parquet",
        unknown,
        &["no column `z`", "expected one of x.0, x.1, y"],
    );
    refused(
        &bytes[..bytes.len() / 2],
        "a.parquet",
        XY,
        &["a.parquet: damaged Parquet file"],
    );
    refused(b"x,y\n1,2\n", "a.parquet", XY, &["damaged Parquet file"]);
}
