//! Lay a figure out: where its panels stand and what is in them.

use kuva::render::render::{TextAnchor, TextSpan};

use super::heat;
use super::legend::{self, Entry};
use super::line::{self, Frame, Point};
use super::page::{INK, LABEL, Page, bold, ink, middle, round};
use super::scale::{Scale, Ticks};
use super::text;
use super::{Band, Curve, Figure, Level, Mark, Panel, Weight};

const HEADING: u32 = 16;
const TITLE: u32 = 13;
const TICK: u32 = 11;

const GRID: [u8; 3] = [232, 232, 232];
const EDGE: f64 = 14.0;
/// Between neighbouring panels.
const GAP: f64 = 18.0;
const LINE: f64 = 1.3;
const TICK_LENGTH: f64 = 4.0;

/// A panel with its axes chosen and its texts broken into lines.
struct Prepared<'a> {
    panel: &'a Panel,
    x: Scale,
    y: Scale,
    x_ticks: Ticks,
    y_ticks: Ticks,
    title: Vec<String>,
    x_label: Vec<String>,
    y_label: Vec<String>,
    legend: Vec<Entry>,
    /// From the frame to the label of the vertical axis.
    y_label_distance: f64,
}

/// The whole figure as drawing instructions.
pub fn page(figure: &Figure) -> Page {
    let count = figure.panels.len();
    let columns = figure.columns.clamp(1, count.max(1));
    let rows = count.div_ceil(columns);
    let (mut width, mut height): (f64, f64) = match columns {
        1 => (400.0, 250.0),
        2 => (290.0, 190.0),
        _ => (230.0, 160.0),
    };
    for heat in figure.panels.iter().filter_map(|panel| panel.heat.as_ref()) {
        let least = heat::size(heat);
        (width, height) = (width.max(least.0), height.max(least.1));
    }
    let mut prepared: Vec<_> = figure
        .panels
        .iter()
        .enumerate()
        .map(|(i, panel)| prepare(panel, (count > 1).then_some(i), width, height))
        .collect();
    let shared = legend::shared(prepared.iter().map(|p| p.legend.as_slice()));

    // Frames of one column stand exactly below each other, so a column is as wide as its
    // widest texts need.
    let mut lefts = Vec::new();
    let mut right = EDGE;
    for column in 0..columns {
        let members = || prepared.iter().skip(column).step_by(columns);
        let distance = most(members().map(|p| p.y_label_distance));
        let left = right + distance + most(members().map(|p| lines(p.y_label.len(), LABEL)));
        right = left + width + most(members().map(right_margin)).max(GAP);
        lefts.push(left);
        for member in prepared.iter_mut().skip(column).step_by(columns) {
            member.y_label_distance = distance;
        }
    }
    let total = right.max(EDGE + 320.0);

    let mut page = Page::new(total);
    let mut y = EDGE;
    for words in text::wrap(&figure.title, HEADING, total - 2.0 * EDGE) {
        y += f64::from(HEADING) * LINE;
        let place = (EDGE, y - 4.0);
        page.spans(place, vec![bold(&words)], HEADING, TextAnchor::Start, INK);
    }
    for row in 0..rows {
        let first = row * columns;
        let members = &prepared[first..count.min(first + columns)];
        let top = y + 8.0 + most(members.iter().map(|p| lines(p.title.len(), TITLE))) + 6.0;
        y = top + height;
        for (i, member) in members.iter().enumerate() {
            let frame = Frame {
                left: lefts[i],
                top,
                width,
                height,
            };
            let letter = (count > 1).then(|| letter(first + i));
            draw(&mut page, member, &frame, letter);
            let below = top + height + bottom_margin(member);
            y = y.max(below);
            if shared.is_none() {
                let middle = frame.left + width / 2.0;
                let drawn = legend::draw(&mut page, &member.legend, middle, width + 30.0, below);
                y = y.max(drawn);
            }
        }
        y += 6.0;
    }
    if let Some(entries) = shared {
        y = legend::draw(&mut page, &entries, total / 2.0, total - 2.0 * EDGE, y);
    }
    page.end(y + EDGE);
    page
}

fn prepare(panel: &Panel, index: Option<usize>, width: f64, height: f64) -> Prepared<'_> {
    let xs = panel.curves.iter().flat_map(|c| &c.x);
    let xs = xs.chain(panel.bands.iter().flat_map(|b| &b.x));
    let xs = xs.chain(panel.marks.iter().map(|m| &m.x));
    // Points at the edge need room around them, lines do not.
    let margin = if panel.marks.is_empty() { 0.0 } else { 0.08 };
    let x = Scale::new(xs.copied(), panel.x_range, panel.log_x, margin);
    let ys = panel.curves.iter().flat_map(|c| &c.y);
    let ys = ys.chain(panel.bands.iter().flat_map(|b| b.low.iter().chain(&b.high)));
    let ys = ys.chain(panel.levels.iter().map(|l| &l.y));
    let ys = ys.chain(panel.marks.iter().map(|m| &m.y));
    let y = Scale::new(ys.copied(), panel.y_range, panel.log_y, 0.05);
    let x_ticks = across(x, width);
    let y_ticks = y.ticks((height / 35.0) as usize);
    let widest = match &panel.heat {
        Some(heat) => heat::row_names(heat),
        None => most(y_ticks.major.iter().map(|t| text::width(&t.1, TICK))),
    };
    let letter_room = if index.is_some() { 20.0 } else { 0.0 };
    Prepared {
        title: title_lines(&panel.title, index.is_some(), width - letter_room),
        x_label: text::wrap(&with_factor(&panel.x_label, &x_ticks.factor), LABEL, width),
        y_label: text::wrap(&with_factor(&panel.y_label, &y_ticks.factor), LABEL, height),
        legend: legend::entries(panel),
        panel,
        x,
        y,
        x_ticks,
        y_ticks,
        y_label_distance: TICK_LENGTH + 3.0 + widest + 6.0,
    }
}

/// As many ticks as a horizontal axis has room for.
fn across(scale: Scale, width: f64) -> Ticks {
    let most_ticks = (width / 50.0) as usize;
    let fits = |ticks: &Ticks| {
        ticks.major.windows(2).all(|pair| {
            let labels = text::width(&pair[0].1, TICK) + text::width(&pair[1].1, TICK);
            (pair[1].0 - pair[0].0) * width >= labels / 2.0 + 6.0
        })
    };
    let mut counts = (1..=most_ticks).rev().map(|count| scale.ticks(count));
    counts.find(fits).unwrap_or_default()
}

/// A panel that has a letter has a line for it even without a title.
fn title_lines(title: &str, lettered: bool, room: f64) -> Vec<String> {
    let mut lines = text::wrap(title, TITLE, room);
    if lines.is_empty() && lettered {
        lines.push(String::new());
    }
    lines
}

fn with_factor(label: &str, factor: &str) -> String {
    match (label.is_empty(), factor.is_empty()) {
        (_, true) => label.to_owned(),
        (true, false) => factor.to_owned(),
        (false, false) => format!("{label} ({factor})"),
    }
}

fn most(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(0.0, f64::max)
}

fn lines(count: usize, size: u32) -> f64 {
    count as f64 * f64::from(size) * LINE
}

fn right_margin(p: &Prepared<'_>) -> f64 {
    if p.panel.heat.is_some() {
        return heat::right_margin() + GAP;
    }
    let labels = p.panel.levels.iter().filter_map(|l| l.label.as_deref());
    let labels = labels.chain(named(p.panel).filter_map(|c| c.label.as_deref()));
    let widest = most(labels.map(|l| text::width(&text::line(l), TICK)));
    if widest > 0.0 {
        widest + 12.0 + GAP
    } else {
        GAP
    }
}

fn bottom_margin(p: &Prepared<'_>) -> f64 {
    if let Some(heat) = &p.panel.heat {
        return heat::column_names(heat) + lines(p.x_label.len(), LABEL) + 4.0;
    }
    TICK_LENGTH + lines(1, TICK) + 4.0 + lines(p.x_label.len(), LABEL) + 4.0
}

/// A, B, ... Z, AA, AB, ...
fn letter(index: usize) -> String {
    let last = char::from(b'A' + (index % 26) as u8).to_string();
    match index / 26 {
        0 => last,
        rest => letter(rest - 1) + &last,
    }
}

fn draw(page: &mut Page, p: &Prepared<'_>, frame: &Frame, letter: Option<String>) {
    match &p.panel.heat {
        Some(heat) => {
            heat::draw(page, heat, frame);
            draw_labels(page, p, frame, frame.bottom() + heat::column_names(heat));
        }
        None => draw_data(page, p, frame),
    }
    let mut y = frame.top - 6.0 - lines(p.title.len(), TITLE);
    for (i, words) in p.title.iter().enumerate() {
        y += lines(1, TITLE);
        let mut spans = Vec::new();
        if let (0, Some(letter)) = (i, &letter) {
            spans.push(bold(&format!("{letter}\u{2002}")));
        }
        spans.push(TextSpan::plain(words));
        page.spans((frame.left, y - 4.0), spans, TITLE, TextAnchor::Start, INK);
    }
}

fn draw_data(page: &mut Page, p: &Prepared<'_>, frame: &Frame) {
    for (at, _) in &p.y_ticks.major {
        let y = frame.bottom() - at * frame.height;
        page.line((frame.left, y), (frame.right(), y), GRID, 0.7);
    }
    let place = |x: f64, y: f64| -> Option<Point> {
        let x = frame.left + p.x.at(x)? * frame.width;
        Some((round(x), round(frame.bottom() - p.y.at(y)? * frame.height)))
    };
    for band in &p.panel.bands {
        draw_band(page, band, frame, &place);
    }
    let of_weight = |weight| p.panel.curves.iter().filter(move |c| c.weight == weight);
    of_weight(Weight::Light).for_each(|c| draw_curve(page, c, frame, &place));
    draw_levels(page, &p.panel.levels, p.y, frame);
    draw_end_labels(page, p.panel, p.y, frame);
    of_weight(Weight::Dashed).for_each(|c| draw_curve(page, c, frame, &place));
    of_weight(Weight::Dark).for_each(|c| draw_curve(page, c, frame, &place));
    draw_axes(page, p, frame);
    let levels = p.panel.levels.iter();
    let lines: Vec<f64> = levels
        .filter_map(|level| Some(frame.bottom() - p.y.at(level.y)? * frame.height))
        .collect();
    draw_marks(page, &p.panel.marks, frame, &lines, &place);
}

/// Names stand beside their points, above or below where another name or one of the `lines` across is in the way.
fn draw_marks(
    page: &mut Page,
    marks: &[Mark],
    frame: &Frame,
    lines: &[f64],
    place: &impl Fn(f64, f64) -> Option<Point>,
) {
    let placed: Vec<(Point, &Mark)> = marks
        .iter()
        .filter_map(|mark| Some((place(mark.x, mark.y)?, mark)))
        .collect();
    // Left, top, right and bottom of what must stay legible.
    let mut taken: Vec<[f64; 4]> = lines
        .iter()
        .map(|y| [frame.left, y - 1.0, frame.right(), y + 1.0])
        .collect();
    for ((x, y), mark) in &placed {
        page.dot((*x, *y), frame, Weight::Dark, mark.colour);
        taken.push([x - 3.0, y - 3.0, x + 3.0, y + 3.0]);
    }
    let height = f64::from(TICK);
    for ((x, y), mark) in &placed {
        let words = text::line(&mark.label);
        let width = text::width(&words, TICK);
        let at = |dx: f64, dy: f64| {
            let left = if dx < 0.0 { x - 6.0 - width } else { x + 6.0 };
            let top = y + dy - height / 2.0;
            [left, top, left + width, top + height]
        };
        let free = |b: &[f64; 4]| {
            let apart = |t: &[f64; 4]| b[0] > t[2] || t[0] > b[2] || b[1] > t[3] || t[1] > b[3];
            let within = b[0] > frame.left
                && b[2] < frame.right() + GAP
                && b[1] > frame.top - height
                && b[3] < frame.bottom() - 1.0;
            within && taken.iter().all(apart)
        };
        let steps = (0..12).flat_map(|k| [f64::from(k), -f64::from(k)]);
        let mut spots = steps.flat_map(|k| [at(1.0, k * 5.0), at(-1.0, k * 5.0)]);
        let spot = spots.find(free).unwrap_or(at(1.0, 0.0));
        taken.push(spot);
        let middle_y = spot[1] + height / 2.0;
        if (middle_y - y).abs() > height * 0.7 {
            let edge = if spot[0] > *x {
                spot[0] - 1.0
            } else {
                spot[2] + 1.0
            };
            page.line((*x, *y), (edge, middle_y), ink(mark.colour), 0.5);
        }
        let place = (spot[0], middle_y + middle(TICK));
        page.text(place, &words, TICK, TextAnchor::Start, ink(mark.colour));
    }
}

fn draw_band(
    page: &mut Page,
    band: &Band,
    frame: &Frame,
    place: &impl Fn(f64, f64) -> Option<Point>,
) {
    let points = band.x.iter().zip(&band.low).zip(&band.high);
    let points = points.map(|((&x, &low), &high)| Some((place(x, low)?, place(x, high)?)));
    for piece in line::pieces(points) {
        let piece = line::thin_out(piece, &[|p| p.0.1, |p| p.1.1]);
        let back = piece.iter().rev().map(|p| p.1);
        let shape = piece.iter().map(|p| p.0).chain(back).collect();
        page.area(&line::cut_area(shape, frame), band.colour);
    }
}

fn draw_curve(
    page: &mut Page,
    curve: &Curve,
    frame: &Frame,
    place: &impl Fn(f64, f64) -> Option<Point>,
) {
    let points = curve.x.iter().zip(&curve.y).map(|(&x, &y)| place(x, y));
    for piece in line::pieces(points) {
        if let [alone] = piece[..] {
            page.dot(alone, frame, curve.weight, curve.colour);
        }
        for inside in line::cut(&line::thin_out(piece, &[|p| p.1]), frame) {
            page.stroke(inside, curve.weight, curve.colour);
        }
    }
}

fn draw_levels(page: &mut Page, levels: &[Level], scale: Scale, frame: &Frame) {
    for level in levels {
        let Some(at) = scale.at(level.y).filter(|at| (0.0..=1.0).contains(at)) else {
            continue;
        };
        // On whole pixels, or equal lines would come out unequally thick.
        let y = ((frame.bottom() - at * frame.height) * 2.0).round() / 2.0;
        for dash in line::dash(&[(frame.left, y), (frame.right(), y)], 5.0, 3.5) {
            page.polyline(dash, level.colour.rgb(), 1.2);
        }
    }
}

/// The curves whose names stand at their ends.
fn named(panel: &Panel) -> impl Iterator<Item = &Curve> {
    let curves = panel.curves.iter().filter(|_| panel.direct);
    curves.filter(|curve| curve.weight != Weight::Light)
}

/// Names of levels, and of curves where these have no legend, right of the frame.
fn draw_end_labels(page: &mut Page, panel: &Panel, scale: Scale, frame: &Frame) {
    let levels = panel.levels.iter();
    let levels = levels.map(|level| (Some(level.y), &level.label, level.colour));
    let ends = named(panel).map(|curve| {
        let mut points = curve.x.iter().zip(&curve.y).rev();
        let end = points.find(|(_, y)| y.is_finite()).map(|(_, y)| *y);
        (end, &curve.label, curve.colour)
    });
    let mut labels = Vec::new();
    for (y, label, colour) in levels.chain(ends) {
        let at = y
            .and_then(|y| scale.at(y))
            .filter(|at| (0.0..=1.0).contains(at));
        if let (Some(at), Some(label)) = (at, label) {
            let y = ((frame.bottom() - at * frame.height) * 2.0).round() / 2.0;
            labels.push((y, y, text::line(label), ink(colour)));
        }
    }
    // Labels of close lines move apart: down from the top, then up from the bottom.
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let gap = lines(1, TICK);
    let mut highest = frame.top;
    for label in &mut labels {
        label.1 = label.1.max(highest);
        highest = label.1 + gap;
    }
    let mut lowest = frame.bottom();
    for label in labels.iter_mut().rev() {
        label.1 = label.1.min(lowest);
        lowest = label.1 - gap;
    }
    for (line_y, y, words, colour) in labels {
        let edge = frame.right();
        page.line((edge + 1.0, line_y), (edge + 6.0, y), colour, 0.8);
        let place = (edge + 9.0, y + middle(TICK));
        page.text(place, &words, TICK, TextAnchor::Start, colour);
    }
}

fn draw_axes(page: &mut Page, p: &Prepared<'_>, frame: &Frame) {
    let (left, bottom) = (frame.left, frame.bottom());
    page.line((left, frame.top), (left, bottom + 0.5), INK, 1.0);
    page.line((left - 0.5, bottom), (frame.right(), bottom), INK, 1.0);
    let x = |at: f64| left + at * frame.width;
    let y = |at: f64| bottom - at * frame.height;
    let length = TICK_LENGTH;
    for &at in &p.x_ticks.minor {
        page.line((x(at), bottom), (x(at), bottom + length / 2.0), INK, 0.7);
    }
    for &at in &p.y_ticks.minor {
        page.line((left, y(at)), (left - length / 2.0, y(at)), INK, 0.7);
    }
    for (at, label) in &p.x_ticks.major {
        page.line((x(*at), bottom), (x(*at), bottom + length), INK, 1.0);
        let place = (x(*at), bottom + length + lines(1, TICK) - 1.0);
        page.text(place, label, TICK, TextAnchor::Middle, INK);
    }
    for (at, label) in &p.y_ticks.major {
        page.line((left, y(*at)), (left - length, y(*at)), INK, 1.0);
        let place = (left - length - 3.0, y(*at) + middle(TICK));
        page.text(place, label, TICK, TextAnchor::End, INK);
    }
    draw_labels(page, p, frame, bottom + length + lines(1, TICK) + 4.0);
}

/// The labels of both axes; that of the horizontal one below `top`.
fn draw_labels(page: &mut Page, p: &Prepared<'_>, frame: &Frame, top: f64) {
    let left = frame.left;
    let mut line_y = top;
    for words in &p.x_label {
        line_y += lines(1, LABEL);
        let place = (left + frame.width / 2.0, line_y - 3.0);
        page.text(place, words, LABEL, TextAnchor::Middle, INK);
    }
    let mut line_x = left - p.y_label_distance - lines(p.y_label.len(), LABEL);
    for words in &p.y_label {
        line_x += lines(1, LABEL);
        let place = (line_x - 2.0, frame.top + frame.height / 2.0);
        page.upright(place, words);
    }
}
