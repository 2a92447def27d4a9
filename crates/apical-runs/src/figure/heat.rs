//! Draw a table of numbers as coloured cells.

use kuva::render::render::TextAnchor;

use super::line::Frame;
use super::page::{INK, LABEL, Page, middle};
use super::{Colour, Heat, text};

const CELL: u32 = 9;
const TICK: u32 = 11;
/// Least size of a cell.
const WIDTH: f64 = 30.0;
const HEIGHT: f64 = 21.0;
/// Between frame, scale and its numbers.
const SPACE: f64 = 10.0;
const SCALE: f64 = 9.0;
const STEPS: usize = 40;

/// Least width and height of the frame.
pub fn size(heat: &Heat) -> (f64, f64) {
    (
        WIDTH * heat.columns.len() as f64,
        HEIGHT * heat.rows.len() as f64,
    )
}

/// Width of the names of the rows.
pub fn row_names(heat: &Heat) -> f64 {
    let widths = heat
        .rows
        .iter()
        .map(|name| text::width(&text::line(name), TICK));
    widths.fold(0.0, f64::max)
}

/// Height of the names of the columns, which stand upright.
pub fn column_names(heat: &Heat) -> f64 {
    let widths = heat
        .columns
        .iter()
        .map(|name| text::width(&text::line(name), LABEL));
    widths.fold(0.0, f64::max) + 8.0
}

/// Room to the right for the scale and its numbers.
pub fn right_margin() -> f64 {
    SPACE + SCALE + 5.0 + text::width("−1.0", TICK)
}

/// Cells, names and scale.
pub fn draw(page: &mut Page, heat: &Heat, frame: &Frame) {
    let width = frame.width / heat.columns.len().max(1) as f64;
    let height = frame.height / heat.rows.len().max(1) as f64;
    for (i, name) in heat.rows.iter().enumerate() {
        let y = frame.top + (i as f64 + 0.5) * height;
        let place = (frame.left - 6.0, y + middle(TICK));
        page.text(place, &text::line(name), TICK, TextAnchor::End, INK);
        for (j, value) in heat.values.get(i).into_iter().flatten().enumerate() {
            if j >= heat.columns.len() || !value.is_finite() {
                continue;
            }
            let corner = (frame.left + j as f64 * width, frame.top + i as f64 * height);
            page.cell(corner, (width, height), shade(*value));
            let words = number(*value);
            let ink = if value.abs() > 0.6 { [255; 3] } else { INK };
            let place = (corner.0 + width / 2.0, y + middle(CELL));
            page.text(place, &words, CELL, TextAnchor::Middle, ink);
        }
    }
    for (j, name) in heat.columns.iter().enumerate() {
        let name = text::line(name);
        let x = frame.left + (j as f64 + 0.5) * width;
        let y = frame.bottom() + 6.0 + text::width(&name, LABEL) / 2.0;
        page.upright((x + middle(LABEL), y), &name);
    }
    let left = frame.right() + SPACE;
    let step = frame.height / STEPS as f64;
    for k in 0..STEPS {
        let value = 1.0 - 2.0 * (k as f64 + 0.5) / STEPS as f64;
        let corner = (left, frame.top + k as f64 * step);
        page.cell(corner, (SCALE, step), shade(value));
    }
    for (value, words) in [
        (1.0, "1"),
        (0.5, "0.5"),
        (0.0, "0"),
        (-0.5, "−0.5"),
        (-1.0, "−1"),
    ] {
        let y = frame.top + 0.5 * (1.0 - value) * frame.height;
        let place = (left + SCALE + 5.0, y + middle(TICK));
        page.text(place, words, TICK, TextAnchor::Start, INK);
    }
}

/// `.53`, `−.07`, `1.0`: two digits say enough in a small cell.
fn number(value: f64) -> String {
    let words = format!("{value:.2}").replace('-', "−");
    match words.as_str() {
        "1.00" => "1.0".into(),
        "−1.00" => "−1.0".into(),
        "−0.00" => ".00".into(),
        _ => words.replacen("0.", ".", 1),
    }
}

/// White at 0, blue towards 1, vermilion towards −1.
fn shade(value: f64) -> [u8; 3] {
    let (end, part) = if value < 0.0 {
        (Colour::Vermilion.rgb(), -value)
    } else {
        (Colour::Blue.rgb(), value)
    };
    end.map(|c| (255.0 - (255.0 - f64::from(c)) * part.min(1.0)).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_signed() {
        let words = [0.534, -0.071, 0.999, -0.001, 0.0, -1.0].map(number);
        assert_eq!(words, [".53", "−.07", "1.0", ".00", ".00", "−1.0"]);
    }

    #[test]
    fn zero_is_white_and_signs_have_colours() {
        assert_eq!(shade(0.0), [255; 3]);
        assert_eq!(shade(1.0), Colour::Blue.rgb());
        assert_eq!(shade(-2.0), Colour::Vermilion.rgb());
    }
}
