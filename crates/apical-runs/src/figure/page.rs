//! Put lines, areas and texts on a page, all in one style.

use kuva::render::color::Color;
use kuva::render::render::{PathData, Primitive, Scene, TextAnchor, TextSpan};

use super::line::{self, Frame, Point};
use super::{Colour, Weight};

/// Texts and axes.
pub const INK: [u8; 3] = [40, 40, 40];
const FONTS: &str = "Helvetica, Arial, 'DejaVu Sans', sans-serif";
/// Size of upright text.
pub const LABEL: u32 = 12;

/// Two decimals are finer than any printer and keep the SVG small.
pub fn round(v: f64) -> f64 {
    (v * 100.0).round() / 100.0
}

/// From the middle of a digit down to the line it stands on.
pub fn middle(size: u32) -> f64 {
    f64::from(size) * 0.36
}

/// Text in bold type.
pub fn bold(words: &str) -> TextSpan {
    TextSpan {
        bold: true,
        ..TextSpan::plain(words)
    }
}

/// A colour dark enough for letters.
pub fn ink(colour: Colour) -> [u8; 3] {
    colour.rgb().map(|c| (f64::from(c) * 0.75) as u8)
}

fn pale(colour: Colour) -> [u8; 3] {
    colour.rgb().map(|c| 255 - ((255 - c) as f64 * 0.38) as u8)
}

fn paint([r, g, b]: [u8; 3]) -> Color {
    Color::Rgb(r, g, b)
}

/// What is drawn so far.
pub struct Page {
    scene: Scene,
    /// Lines of text that read from bottom to top, centred on a point.
    upright: Vec<(Point, String)>,
}

impl Page {
    /// An empty page.
    pub fn new(width: f64) -> Self {
        let mut scene = Scene::new(width.ceil(), 1.0);
        scene.font_family = Some(FONTS.into());
        Self {
            scene,
            upright: Vec::new(),
        }
    }

    /// Ends the page at `height`.
    pub fn end(&mut self, height: f64) {
        self.scene.height = height.ceil();
    }

    /// A straight line.
    pub fn line(&mut self, from: Point, to: Point, colour: [u8; 3], width: f64) {
        self.scene.add(Primitive::Line {
            x1: round(from.0),
            y1: round(from.1),
            x2: round(to.0),
            y2: round(to.1),
            stroke: paint(colour),
            stroke_width: width,
            stroke_dasharray: None,
        });
    }

    /// A line with corners.
    pub fn polyline(&mut self, points: Vec<Point>, colour: [u8; 3], width: f64) {
        self.scene.add(Primitive::PolyLine {
            points: points
                .into_iter()
                .map(|(x, y)| (round(x), round(y)))
                .collect(),
            stroke: paint(colour),
            stroke_width: width,
            stroke_dasharray: None,
        });
    }

    /// A line with the look of a curve.
    pub fn stroke(&mut self, points: Vec<Point>, weight: Weight, colour: Colour) {
        match weight {
            Weight::Light => self.polyline(points, pale(colour), 0.8),
            Weight::Dark => self.polyline(points, colour.rgb(), 2.2),
            Weight::Dashed => {
                for dash in line::dash(&points, 6.0, 4.0) {
                    self.polyline(dash, colour.rgb(), 1.6);
                }
            }
        }
    }

    /// A point that stands alone on its curve.
    pub fn dot(&mut self, (x, y): Point, frame: &Frame, weight: Weight, colour: Colour) {
        let across = (frame.left..=frame.right()).contains(&x);
        if across && (frame.top..=frame.bottom()).contains(&y) {
            let (r, fill) = match weight {
                Weight::Light => (1.2, pale(colour)),
                Weight::Dashed | Weight::Dark => (2.2, colour.rgb()),
            };
            self.scene.add(Primitive::Circle {
                cx: x,
                cy: y,
                r,
                fill: paint(fill),
                fill_opacity: None,
                stroke: None,
                stroke_width: None,
            });
        }
    }

    /// A shaded shape.
    pub fn area(&mut self, shape: &[Point], colour: Colour) {
        if shape.len() < 3 {
            return;
        }
        let corners: Vec<String> = shape
            .iter()
            .map(|p| format!("{} {}", round(p.0), round(p.1)))
            .collect();
        self.scene.add(Primitive::Path(Box::new(PathData {
            d: format!("M{}Z", corners.join("L")),
            fill: Some(paint(colour.rgb())),
            stroke: Color::None,
            stroke_width: 0.0,
            opacity: Some(0.22),
            stroke_dasharray: None,
        })));
    }

    /// A filled rectangle, from its upper left corner.
    pub fn cell(&mut self, (x, y): Point, (width, height): (f64, f64), fill: [u8; 3]) {
        self.scene.add(Primitive::Rect {
            x: round(x),
            y: round(y),
            // A hair wider, or the ground would shine through between neighbours.
            width: round(width + 0.25),
            height: round(height + 0.25),
            fill: paint(fill),
            stroke: None,
            stroke_width: None,
            opacity: None,
        });
    }

    /// One line of text standing on `place`.
    pub fn text(
        &mut self,
        place: Point,
        words: &str,
        size: u32,
        anchor: TextAnchor,
        colour: [u8; 3],
    ) {
        self.spans(place, vec![TextSpan::plain(words)], size, anchor, colour);
    }

    /// One line of differently set texts.
    pub fn spans(
        &mut self,
        (x, y): Point,
        spans: Vec<TextSpan>,
        size: u32,
        anchor: TextAnchor,
        colour: [u8; 3],
    ) {
        self.scene.add(Primitive::RichText {
            x: round(x),
            y: round(y),
            spans,
            size,
            anchor,
            color: Some(paint(colour)),
        });
    }

    /// One line of text that reads from bottom to top, centred on `place`.
    pub fn upright(&mut self, place: Point, words: &str) {
        self.upright.push((place, words.to_owned()));
    }

    /// The scene with everything in it, for drawings that can turn text by themselves.
    pub fn whole(mut self) -> Scene {
        for ((x, y), words) in self.upright {
            self.scene.add(Primitive::Text {
                x: round(x),
                y: round(y),
                // The drawing library would take a dollar sign for the start of a formula.
                content: words.replace('$', "\\$"),
                size: LABEL,
                anchor: TextAnchor::Middle,
                rotate: Some(-90.0),
                bold: false,
                color: Some(paint(INK)),
            });
        }
        self.scene
    }

    /// The scene without upright text, and the upright text lying down on a second one:
    /// turned to the left, that fits over the first.
    pub fn apart(self) -> (Scene, Option<Scene>) {
        if self.upright.is_empty() {
            return (self.scene, None);
        }
        let mut turned = Page::new(self.scene.height);
        turned.end(self.scene.width);
        for ((x, y), words) in self.upright {
            let place = (self.scene.height - y, x);
            turned.text(place, &words, LABEL, TextAnchor::Middle, INK);
        }
        (self.scene, Some(turned.scene))
    }
}
