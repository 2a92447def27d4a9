//! Figures say what they were told to say, and no data makes them fail.

use apical_runs::figure::{Band, Colour, Curve, Figure, Heat, Level, Mark, Panel, Weight};

/// Numbers that look like training: a decay to `floor` with repeatable noise.
fn seeds(colour: Colour, label: &str, start: f64, floor: f64, points: usize) -> Vec<Curve> {
    let mut state = 1_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let x: Vec<f64> = (0..points)
        .map(|i| i as f64 * 100_000.0 / points as f64)
        .collect();
    let mut curves: Vec<Curve> = Vec::new();
    for _ in 0..20 {
        let (speed, mut drift) = (10_000.0 * (1.0 + noise()), 0.0);
        let y = x
            .iter()
            .map(|x| {
                drift = 0.9 * drift + 0.02 * noise();
                floor + (start - floor) * (-x / speed).exp() + drift
            })
            .collect();
        curves.push(Curve {
            label: None,
            x: x.clone(),
            y,
            colour,
            weight: Weight::Light,
        });
    }
    let mean = (0..points)
        .map(|i| curves.iter().map(|c| c.y[i]).sum::<f64>() / 20.0)
        .collect();
    curves.push(Curve {
        label: Some(label.into()),
        x,
        y: mean,
        colour,
        weight: Weight::Dark,
    });
    curves
}

fn level(y: f64, label: &str) -> Level {
    Level {
        y,
        label: Some(label.into()),
        colour: Colour::Grey,
    }
}

fn paper() -> Figure {
    let panel = |title: &str, y_label: &str, start: f64, floor: f64, frozen: f64| Panel {
        title: title.into(),
        x_label: "Step".into(),
        y_label: y_label.into(),
        curves: [
            seeds(
                Colour::Vermilion,
                "frozen recurrent weights (control)",
                start,
                frozen,
                300,
            ),
            seeds(
                Colour::Blue,
                "learning, mean of 20 seeds",
                start,
                floor,
                300,
            ),
        ]
        .concat(),
        ..Panel::default()
    };
    let mut panels = vec![
        Panel {
            levels: vec![
                level(0.66, "marginal 0.66"),
                level(0.52, "first lag 0.52"),
                level(0.45, "both lags 0.45"),
            ],
            ..panel(
                "Training cross-entropy",
                "Cross-entropy (nats)",
                0.7,
                0.46,
                0.55,
            )
        },
        Panel {
            levels: vec![level(0.75, "chance 0.75")],
            y_range: Some((0.4, 1.0)),
            ..panel("Held-out accuracy", "Accuracy", 0.5, 0.93, 0.78)
        },
        panel("Loss of A", "Loss", 1.0, 0.1, 0.4),
        Panel {
            log_y: true,
            ..panel("Loss of J", "Loss", 100.0, 0.2, 3.0)
        },
        Panel {
            log_x: true,
            ..panel("Norm of the recurrent weights", "Norm", 2e-5, 3e-5, 2e-5)
        },
    ];
    let x: Vec<f64> = (0..50).map(|i| f64::from(i) * 0.02).collect();
    panels.push(Panel {
        title: "Alignment with the exact gradient over training".into(),
        x_label: "Fraction of training".into(),
        y_label: "Cosine".into(),
        bands: vec![Band {
            label: Some("10–90 % of seeds".into()),
            low: x.iter().map(|x| x * 0.6).collect(),
            high: x.iter().map(|x| x.sqrt()).collect(),
            x: x.clone(),
            colour: Colour::Blue,
        }],
        curves: vec![
            Curve {
                label: Some("exact gradient".into()),
                y: x.iter().map(|x| x.powf(0.7)).collect(),
                x: x.clone(),
                colour: Colour::Green,
                weight: Weight::Dashed,
            },
            Curve {
                label: None,
                y: x.iter().map(|x| x.powf(0.8)).collect(),
                x,
                colour: Colour::Blue,
                weight: Weight::Dark,
            },
        ],
        ..Panel::default()
    });
    Figure {
        title: "Copy task: online learning with local credit".into(),
        panels,
        columns: 3,
    }
}

#[test]
fn the_svg_holds_every_text() {
    let svg = paper().to_svg();
    for words in [
        "Copy task: online learning with local credit",
        "Training cross-entropy",
        "Held-out accuracy",
        "marginal 0.66",
        "first lag 0.52",
        "both lags 0.45",
        "Step (×10³)",
        "Cross-entropy (nats)",
        "learning, mean of 20 seeds",
        "exact gradient",
        "10–90 % of seeds",
    ] {
        assert!(svg.contains(words), "{words}");
    }
    assert_eq!(
        svg.matches("learning, mean of 20 seeds").count(),
        1,
        "one legend for all panels"
    );
    for letter in ["A", "B", "C", "D", "E", "F"] {
        assert!(svg.contains(&format!(">{letter}\u{2002}<")), "{letter}");
    }
    assert!(svg.starts_with("<svg viewBox=\"0 0 "));
    assert!(svg.len() < 3_000_000, "{}", svg.len());
}

#[test]
fn the_png_is_twice_as_large_as_the_svg() {
    let figure = paper();
    let svg = figure.to_svg();
    let box_ = svg.split('"').nth(1).unwrap();
    let size: Vec<u32> = box_.split(' ').map(|n| n.parse().unwrap()).collect();
    let png = figure.to_png().unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!([number(16), number(20)], [2 * size[2], 2 * size[3]]);
    if let Ok(folder) = std::env::var("APICAL_TEST_FIGURES") {
        std::fs::write(format!("{folder}/figure_test.png"), &png).unwrap();
        std::fs::write(format!("{folder}/figure_test.svg"), &svg).unwrap();
    }
}

#[test]
fn curves_keep_their_gaps_and_their_points() {
    let curve = Curve {
        x: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        y: vec![1.0, 2.0, f64::NAN, 1.0, f64::INFINITY, 3.0],
        colour: Colour::Blue,
        ..Curve::default()
    };
    let svg = single(Panel {
        curves: vec![curve],
        ..Panel::default()
    })
    .to_svg();
    // One line of two points, then two points that stand alone.
    let blue = "#0072b2";
    assert_eq!(
        svg.matches(&format!("stroke=\"{blue}\"")).count(),
        1,
        "{svg}"
    );
    assert_eq!(svg.matches("<circle").count(), 2);
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn text_cannot_break_the_svg() {
    let panel = Panel {
        title: "<b> & \"c\" \u{0}\u{1b}".into(),
        y_label: "cost in $ per $".into(),
        ..Panel::default()
    };
    let svg = single(panel).to_svg();
    assert!(svg.contains("&lt;b&gt; &amp; &quot;c&quot;"));
    assert!(svg.contains("cost in $ per $"));
    assert!(!svg.contains(['\u{0}', '\u{1b}']));
}

#[test]
fn nothing_makes_drawing_fail() {
    let numbers = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX, 5e-324];
    let mut panels = vec![Panel::default()];
    for &a in &numbers {
        for &b in &numbers {
            for log in [false, true] {
                let curve = |y: Vec<f64>, weight| Curve {
                    label: Some("x".into()),
                    x: vec![a, b, 1.0],
                    y,
                    weight,
                    ..Curve::default()
                };
                panels.push(Panel {
                    x_range: Some((a, b)),
                    y_range: (!log).then_some((0.0, 1e-3)),
                    log_x: log,
                    log_y: log,
                    curves: vec![
                        curve(vec![], Weight::Dark),
                        curve(vec![a], Weight::Light),
                        curve(vec![a, a, a], Weight::Dashed),
                        curve(vec![a, b, a], Weight::Dark),
                    ],
                    bands: vec![Band {
                        x: vec![a, b],
                        low: vec![b, a],
                        high: vec![a],
                        ..Band::default()
                    }],
                    levels: vec![level(a, "level"); 20],
                    ..Panel::default()
                });
            }
        }
    }
    for columns in [0, 1, 3] {
        for (i, some) in panels.chunks(12).enumerate() {
            let figure = Figure {
                title: String::new(),
                panels: some.to_vec(),
                columns,
            };
            let svg = figure.to_svg();
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
            assert!(columns != 3 || i % 3 != 0 || figure.to_png().is_ok());
        }
    }
    assert!(Figure::default().to_png().is_ok());
}

fn single(panel: Panel) -> Figure {
    Figure {
        title: String::new(),
        panels: vec![panel],
        columns: 1,
    }
}

#[test]
fn heat_maps_name_their_rows_and_columns_and_leave_missing_cells_empty() {
    let heat = |rows: &[&str], columns: &[&str], values: Vec<Vec<f64>>| Figure {
        panels: vec![Panel {
            title: "alignment".into(),
            heat: Some(Heat {
                rows: rows.iter().map(|name| (*name).into()).collect(),
                columns: columns.iter().map(|name| (*name).into()).collect(),
                values,
            }),
            ..Panel::default()
        }],
        ..Figure::default()
    };
    let values = vec![vec![0.53, f64::NAN], vec![-0.07, 1.0]];
    let svg = heat(&["RFLO", "UORO"], &["RTRL", "R<FLO"], values).to_svg();
    for words in [
        "RFLO",
        "UORO",
        "RTRL",
        "R&lt;FLO",
        ".53",
        "−.07",
        "1.0",
        "alignment",
    ] {
        assert!(svg.contains(words), "{words}");
    }
    assert!(!svg.contains("NaN"));
    // Tables that do not fit their names are drawn as far as they go.
    for (rows, columns, values) in [
        (&[][..], &[][..], Vec::new()),
        (&["a"][..], &[][..], vec![vec![1.0]]),
        (&["a", "b"][..], &["c"][..], vec![vec![9e99, 1.0, 2.0]]),
    ] {
        let figure = heat(rows, columns, values);
        assert!(figure.to_svg().ends_with("</svg>\n") || figure.to_svg().contains("</svg>"));
        assert!(!figure.to_png().unwrap().is_empty());
    }
}

#[test]
fn names_of_points_keep_out_of_each_others_way() {
    let mark = |x: f64, y: f64, label: &str| Mark {
        x,
        y,
        label: label.into(),
        colour: Colour::Green,
    };
    let figure = Figure {
        panels: vec![Panel {
            marks: vec![
                mark(0.5, 1.0, "first"),
                mark(0.5, 1.0, "second"),
                mark(0.5, 1.0, "third"),
                mark(f64::NAN, 1.0, "nowhere"),
                mark(0.9, 0.2, "far"),
            ],
            ..Panel::default()
        }],
        ..Figure::default()
    };
    let svg = figure.to_svg();
    assert!(!svg.contains("nowhere"));
    let place = |name: &str| {
        let end = svg.find(name).unwrap_or_else(|| panic!("{name}"));
        let text = &svg[svg[..end].rfind("<text").unwrap()..end];
        let number = |key: &str| -> f64 {
            let value = text.split(key).nth(1).unwrap().split('"').nth(1).unwrap();
            value.parse().unwrap()
        };
        (number(" x="), number(" y="))
    };
    let places = ["first", "second", "third", "far"].map(place);
    for (k, a) in places.iter().enumerate() {
        for b in &places[..k] {
            assert!(
                (a.1 - b.1).abs() > 10.0 || (a.0 - b.0).abs() > 20.0,
                "{a:?} {b:?}"
            );
        }
    }
}
