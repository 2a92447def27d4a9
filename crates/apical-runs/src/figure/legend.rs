//! Collect what needs a name and set it in rows below the panels.

use kuva::render::render::TextAnchor;

use super::page::{INK, Page, middle};
use super::text;
use super::{Colour, Panel, Weight};

const SIZE: u32 = 12;
const ROW: f64 = 18.0;
const SWATCH: f64 = 24.0;
/// Between swatch and text.
const SPACE: f64 = 6.0;
/// Between entries.
const GAP: f64 = 20.0;

/// A name and what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    label: String,
    mark: Mark,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    Line(Weight, Colour),
    Area(Colour),
}

/// The entries of one panel, each once.
pub fn entries(panel: &Panel) -> Vec<Entry> {
    let curves = panel
        .curves
        .iter()
        .filter(|c| !panel.direct || c.weight == Weight::Light)
        .map(|c| (&c.label, Mark::Line(c.weight, c.colour)));
    let bands = panel.bands.iter().map(|b| (&b.label, Mark::Area(b.colour)));
    let mut entries = Vec::new();
    for (label, mark) in curves.chain(bands) {
        let label = label.as_deref().map(text::line).unwrap_or_default();
        let entry = Entry { label, mark };
        if !entry.label.is_empty() && !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    entries
}

/// One legend for all panels, if no two of them contradict each other.
pub fn shared<'a>(panels: impl Iterator<Item = &'a [Entry]>) -> Option<Vec<Entry>> {
    let mut all: Vec<Entry> = Vec::new();
    let mut closed = 0;
    for panel in panels {
        for entry in panel {
            if all.contains(entry) {
                continue;
            }
            let earlier = &all[..closed];
            if earlier
                .iter()
                .any(|e| e.label == entry.label || e.mark == entry.mark)
            {
                return None;
            }
            all.push(entry.clone());
        }
        closed = all.len();
    }
    Some(all)
}

/// Draws rows of entries centred on `middle_x`, at most `room` wide where the labels
/// allow it, below `top`; returns the lower end.
pub fn draw(page: &mut Page, entries: &[Entry], middle_x: f64, room: f64, top: f64) -> f64 {
    let width = |entry: &Entry| SWATCH + SPACE + text::width(&entry.label, SIZE);
    let mut rows: Vec<(f64, Vec<&Entry>)> = Vec::new();
    for entry in entries {
        match rows.last_mut() {
            Some((taken, row)) if *taken + GAP + width(entry) <= room => {
                *taken += GAP + width(entry);
                row.push(entry);
            }
            _ => rows.push((width(entry), vec![entry])),
        }
    }
    let mut y = top;
    for (taken, row) in rows {
        y += ROW;
        // A row wider than the page keeps its beginning on it.
        let mut x = (middle_x - taken / 2.0).max(4.0);
        for entry in row {
            let centre = y - ROW / 2.0;
            match entry.mark {
                Mark::Line(weight, colour) => {
                    page.stroke(vec![(x, centre), (x + SWATCH, centre)], weight, colour);
                }
                Mark::Area(colour) => {
                    let (right, low, high) = (x + SWATCH, centre + 5.0, centre - 5.0);
                    let corners = [(x, low), (right, low), (right, high), (x, high)];
                    page.area(&corners, colour);
                }
            }
            let place = (x + SWATCH + SPACE, centre + middle(SIZE));
            page.text(place, &entry.label, SIZE, TextAnchor::Start, INK);
            x += width(entry) + GAP;
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(label: &str, colour: Colour) -> Entry {
        Entry {
            label: label.into(),
            mark: Mark::Line(Weight::Dark, colour),
        }
    }

    #[test]
    fn panels_share_a_legend_only_if_they_agree() {
        let a = [
            entry("learning", Colour::Blue),
            entry("frozen", Colour::Grey),
        ];
        let b = [entry("learning", Colour::Blue)];
        let agreed = shared([a.as_slice(), &b].into_iter()).unwrap();
        assert_eq!(agreed, a);
        let other_name = [entry("A", Colour::Blue)];
        assert_eq!(shared([a.as_slice(), &other_name].into_iter()), None);
        let other_colour = [entry("learning", Colour::Green)];
        assert_eq!(shared([a.as_slice(), &other_colour].into_iter()), None);
    }
}
