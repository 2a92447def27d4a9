//! Tables of text are read whatever separates their cells, and what cannot be meant is named with its line.

use apical::task::TaskSpec;

use crate::data::{XY, folder, gz, refused, steps, task};

/// The task on a table of this name.
fn read(name: &str, table: &[u8], settings: &str) -> Result<TaskSpec, String> {
    let folder = folder(&[(name, table)]);
    let text = format!("kind = \"data\"\nfile = \"{name}\"\n{settings}");
    task(folder.path(), &text)
}

/// x and y of every step.
fn pairs(table: &str) -> Vec<(f64, f64)> {
    let spec =
        read("mine.csv", table.as_bytes(), XY).unwrap_or_else(|error| panic!("{table}{error}"));
    steps(&spec).iter().map(|s| (s.x[0], s.y[0])).collect()
}

#[test]
fn separators_and_comments_are_recognised() {
    for table in [
        "x,y\n1,2\n3,4\n5,6\n",
        "x;y\n1;2\n3;4\n5;6\n",
        "x\ty\n1\t2\n3\t4\n5\t6\n",
        "x|y\n1|2\n3|4\n5|6",
        "x:y\n1:2\n3:4\n5:6\n",
        "x y\n1 2\n3 4\n5 6\n",
        "sep=,\nx,y\n1,2\n3,4\n5,6\n",
        "\u{feff}sep=;\r\nx;y\r\n1;2\r\n3;4\r\n5;6\r\n",
        "\"sep=~\"\nx~y\n1~2\n3~4\n5~6\n",
        "\u{feff}\"x\",\"y\"\n1,2\n3,4\n5,6\n",
        // Lines of old and new.
        "x,y\r1,2\r3,4\r5,6\r",
        "\n\nx,y\n1,2\n\n3,4\n\n5,6\n\n",
        // numpy.savetxt puts the names into a comment.
        "# x,y\n1,2\n3,4\n5,6\n",
        "# x y\n1.0e+00 2.0e+00\n3 4\n5 6\n",
        "# recorded 2024-01-02, rig 3\n# units: mV\nx,y\n1,2\n3,4\n# a break\n5,6\n# end\n",
        // What is not used may be anything, of any name.
        "x,y,,\n1,2,,\n3,4,,\n5,6,,\n",
        "x,y,t,t\n1,2,a,b\n3,4,,\"\"\n5,6,\u{fffd},\n",
        "x,y,note\n1,2,\"two\nlines, in 1,2 quotes\"\n3,4,5\" probe\n5,6,\"5\"\" probe\" \n",
        "#,x,y\n#1,1,2\n#2,3,4\n#3,5,6\n",
    ] {
        assert_eq!(
            pairs(table),
            [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)],
            "{table}"
        );
    }
    let latin = b"x,note,y\n1,\xb5V,2\n3,,4\n5,,6\n";
    assert!(read("mine.TSV", latin, XY).is_ok());
    let packed = gz(b"x,y\n1,2\n3,4\n");
    assert_eq!(steps(&read("mine.csv.gz", &packed, XY).unwrap()).len(), 2);
}

#[test]
fn what_is_no_table_is_named() {
    for (table, parts) in [
        // The separator is taken from the names, so that no hint names a whole line.
        (
            "x|z\n1|2\n",
            &["task.targets: no column `y`", "expected one of x, z"][..],
        ),
        ("x   y\n1   2\n", &["several spaces", "read_csv"]),
        ("1,2\n3,4\n", &["no header: the first line holds numbers"]),
        (
            "x,y,x\n1,2,3\n",
            &["2 columns are called `x`, expected one"],
        ),
        (
            "x,y\n1,2\n0,33,0,44\n",
            &[
                "row 2 (line 3): got 4 cells, expected 2",
                "decimals need a point",
            ],
        ),
        (
            "# c\nx,y\n\n1,2\n# d\n3,4\n5\n",
            &["row 3 (line 7): got 1 cells"],
        ),
        (
            "x,y\n1,\"2\n3\"x,4\n",
            &["line 2 opens a quote", "line 3 closes it before more text"],
        ),
        ("PK\u{3}\u{4}..", &["a zip archive"]),
    ] {
        refused(table.as_bytes(), "mine.csv", XY, parts);
    }
    refused(b"\xff\xfex\0,\0y\0", "mine.csv", XY, &["UTF-16"]);
    let packed = gz(&[&b"x,y\n"[..], &b"1,2\n3,4\n".repeat(100)].concat());
    refused(&packed[..packed.len() - 9], "mine.csv.gz", XY, &["damaged"]);
}

#[test]
fn an_unbalanced_quote_is_refused_where_it_opens() {
    let row = |k: usize, note: &str| format!("{k},{k},{note}\n");
    let table = |notes: &dyn Fn(usize) -> String| {
        let rows: String = (0..40).map(|k| row(k, &notes(k))).collect();
        format!("x,y,note\n{rows}")
    };
    let at = |rows: &'static [usize], note: &'static str| {
        table(&move |k| {
            if rows.contains(&k) {
                note.into()
            } else {
                "ok".into()
            }
        })
    };
    for (table, part) in [
        // Row k stands on line k + 2.
        (at(&[20], "\"late"), "line 22 opens a quote"),
        (at(&[0], "\"late"), "line 2 opens a quote"),
        (at(&[39], "\"late"), "line 41 opens a quote"),
        (at(&[10, 30], "\"5 in"), "line 12 opens a quote"),
        // The next quote ends a cell: what lies between looks like rows.
        (
            table(&|k| {
                [("\"late", 7), ("early\"", 9)]
                    .iter()
                    .find(|n| n.1 == k)
                    .map_or("ok", |n| n.0)
                    .into()
            }),
            "line 9 opens a quote",
        ),
        (
            table(&|k| {
                [("\"late", 7), ("early\"", 8)]
                    .iter()
                    .find(|n| n.1 == k)
                    .map_or("ok", |n| n.0)
                    .into()
            }),
            "line 9 opens a quote",
        ),
    ] {
        refused(
            table.as_bytes(),
            "mine.csv",
            XY,
            &["mine.csv: ", part, "Close or remove"],
        );
    }
}

#[test]
fn cells_that_are_no_numbers_are_named_by_their_cause() {
    for (cell, parts) in [
        ("\"0,33\"", ["`0,33`, with a decimal comma", "Write 0.33"]),
        (
            "\"1,234.5\"",
            ["`1,234.5`, with separators of thousands", "Write 1234.5"],
        ),
        ("1 234.5", ["separators of thousands", "Write 1234.5"]),
        ("\u{2212}0.5", ["U+2212", "Replace the character"]),
        ("1.5D-03", ["Fortran", "`1.5E-03`"]),
        ("1e999", ["`1e999`", "at most 1.8e308"]),
        ("n/a", ["`n/a`, a missing value", "Fill the gap"]),
        ("a\tb\u{7}c", ["`a\\tb\\u{7}c`", "Fill the gap"]),
    ] {
        let table = format!("x,y\n1,2\n{cell},3\n");
        refused(
            table.as_bytes(),
            "mine.csv",
            XY,
            &["row 2 (line 3), column `x`: got", parts[0], parts[1]],
        );
    }
    let masked = "inputs = [\"x\"]\ntargets = [\"y\"]\nmask = \"m\"";
    let table = "x,y,m\nTrue,1,TRUE\nFalse,,false\ntrue,NA,0\n";
    let all = steps(&read("mine.csv", table.as_bytes(), masked).unwrap());
    let of: Vec<_> = all.iter().map(|s| (s.x[0], s.y[0], s.mask[0])).collect();
    assert_eq!(of, [(1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0)]);
    // A gap is let in only where it counts for nothing, and never among the inputs.
    for (table, parts) in [
        (
            "x,y,m\n1,,1\n",
            ["column `y`: got an empty cell", "task.mask"],
        ),
        (
            "x,y,m\n,1,0\n",
            ["column `x`: got an empty cell", "Fill the gap"],
        ),
        (
            "x,y,m\n1,1,\n",
            ["column `m`: got an empty cell", "Fill the gap"],
        ),
    ] {
        refused(table.as_bytes(), "mine.csv", masked, &parts);
    }
}

#[test]
fn a_wide_table_opens_at_once() {
    let columns = 200_000;
    let names: Vec<String> = (0..columns).map(|k| format!("c{k}")).collect();
    let row = vec!["0"; columns].join(",");
    let table = format!("{},x,y\n{row},1,2\n{row},3,4\n", names.join(","));
    let before = std::time::Instant::now();
    assert_eq!(pairs(&table), [(1.0, 2.0), (3.0, 4.0)]);
    // Well under a second when built for speed; comparing all names with all took minutes.
    assert!(before.elapsed().as_secs() < 20, "{:?}", before.elapsed());
}
