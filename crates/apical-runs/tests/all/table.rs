//! Tables read back as they were written, as CSV and as Parquet.

use std::fs::File;
use std::io::Write;

use apical_runs::table::{Column, Table};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};

fn sample() -> Table {
    Table {
        columns: vec![
            Column::f64(
                "loss",
                vec![0.1 + 0.2, f64::NAN, -0.0, 1e300, f64::INFINITY],
            ),
            Column::u64("seed", vec![0, 1, 2, u64::MAX, 4]),
            Column::text(
                "note, \"quoted\"",
                ["plain", "a,b", "say \"x\"", "two\nlines", ""]
                    .map(str::to_owned)
                    .to_vec(),
            ),
        ],
    }
}

#[test]
fn csv_quotes_and_round_trips() {
    let bytes = sample().to_csv().unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    assert_eq!(
        reader.headers().unwrap(),
        vec!["loss", "seed", "note, \"quoted\""]
    );
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let loss: Vec<Option<u64>> = rows
        .iter()
        .map(|r| (!r[0].is_empty()).then(|| r[0].parse::<f64>().unwrap().to_bits()))
        .collect();
    let expected = [
        Some(0.1 + 0.2),
        None,
        Some(-0.0),
        Some(1e300),
        Some(f64::INFINITY),
    ];
    assert_eq!(loss, expected.map(|x: Option<f64>| x.map(f64::to_bits)));
    assert_eq!(&rows[0][0], "0.30000000000000004");
    assert_eq!(rows[3][1].parse::<u64>().unwrap(), u64::MAX);
    let notes: Vec<&str> = rows.iter().map(|r| &r[2]).collect();
    assert_eq!(notes, ["plain", "a,b", "say \"x\"", "two\nlines", ""]);
}

#[test]
fn parquet_round_trips_with_nulls() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&sample().to_parquet().unwrap()).unwrap();
    let rows = read(file);
    assert_eq!(rows.len(), 5);
    let fields =
        |row: &Row| -> Vec<Field> { row.get_column_iter().map(|(_, f)| f.clone()).collect() };
    assert_eq!(
        fields(&rows[0]),
        [
            Field::Double(0.1 + 0.2),
            Field::ULong(0),
            Field::Str("plain".into())
        ]
    );
    assert_eq!(
        fields(&rows[1]),
        [Field::Null, Field::ULong(1), Field::Str("a,b".into())]
    );
    assert_eq!(fields(&rows[3])[1], Field::ULong(u64::MAX));
    assert_eq!(fields(&rows[4])[0], Field::Double(f64::INFINITY));
    let names: Vec<&str> = rows[0].get_column_iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["loss", "seed", "note, \"quoted\""]);
}

#[test]
fn tables_without_rows_still_have_columns() {
    let table = Table {
        columns: vec![Column::f64("loss", vec![]), Column::text("note", vec![])],
    };
    assert_eq!(table.to_csv().unwrap(), b"loss,note\n");
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&table.to_parquet().unwrap()).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    assert_eq!(schema.num_columns(), 2);
    assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
}

#[test]
fn tables_that_do_not_hold_together_are_refused() {
    let uneven = Table {
        columns: vec![
            Column::f64("loss", vec![1.0]),
            Column::u64("seed", vec![1, 2]),
        ],
    };
    let twice = Table {
        columns: vec![Column::f64("loss", vec![1.0]), Column::u64("loss", vec![1])],
    };
    for (table, words) in [
        (uneven, "column `seed`: got 2 rows, expected 1"),
        (twice, "column `loss`: got this name twice"),
        (Table::default(), "without columns"),
    ] {
        for message in [
            table.to_csv().unwrap_err().to_string(),
            table.to_parquet().unwrap_err().to_string(),
        ] {
            assert!(message.contains(words), "{message}");
        }
    }
}

fn read(file: File) -> Vec<Row> {
    let reader = SerializedFileReader::new(file).unwrap();
    reader
        .get_row_iter(None)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}
