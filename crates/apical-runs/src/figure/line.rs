//! Turn data into drawable lines: split at gaps, thin out, cut at the frame, dash.

/// A point on paper.
pub type Point = (f64, f64);

/// Curves with more points than this are thinned out.
const MANY: usize = 2000;
/// Parts a long curve is thinned out in; each keeps up to four points.
const PARTS: usize = 400;

/// The frame of a panel.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Extent to the right.
    pub width: f64,
    /// Extent downwards.
    pub height: f64,
}

impl Frame {
    /// Right edge.
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    /// Lower edge.
    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// The unbroken pieces of a curve with gaps.
pub fn pieces<T>(points: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut pieces = vec![Vec::new()];
    for point in points {
        match (point, pieces.last_mut()) {
            (Some(point), Some(piece)) => piece.push(point),
            (None, Some(piece)) if !piece.is_empty() => pieces.push(Vec::new()),
            _ => {}
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// Fewer points that look the same: of each part the first, the last and the extremes of
/// every height in `heights`.
pub fn thin_out<T: Copy>(points: Vec<T>, heights: &[fn(&T) -> f64]) -> Vec<T> {
    if points.len() <= MANY {
        return points;
    }
    let mut kept = Vec::new();
    for part in points.chunks(points.len().div_ceil(PARTS)) {
        let mut keep = vec![0, part.len() - 1];
        for height in heights {
            let order = |a: &usize, b: &usize| height(&part[*a]).total_cmp(&height(&part[*b]));
            keep.extend((0..part.len()).min_by(order));
            keep.extend((0..part.len()).max_by(order));
        }
        keep.sort_unstable();
        keep.dedup();
        kept.extend(keep.into_iter().map(|i| part[i]));
    }
    kept
}

/// The pieces of a line inside `frame`.
pub fn cut(line: &[Point], frame: &Frame) -> Vec<Vec<Point>> {
    let mut cut: Vec<Vec<Point>> = Vec::new();
    for pair in line.windows(2) {
        let Some((from, to)) = cut_segment(pair[0], pair[1], frame) else {
            continue;
        };
        match cut.last_mut() {
            Some(piece) if piece.last() == Some(&from) => piece.push(to),
            _ => cut.push(vec![from, to]),
        }
    }
    cut
}

/// The method of Liang and Barsky.
fn cut_segment(from: Point, to: Point, frame: &Frame) -> Option<(Point, Point)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    for (step, room) in [
        (-dx, from.0 - frame.left),
        (dx, frame.right() - from.0),
        (-dy, from.1 - frame.top),
        (dy, frame.bottom() - from.1),
    ] {
        if step == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if step < 0.0 {
            enter = enter.max(room / step);
        } else {
            leave = leave.min(room / step);
        }
    }
    let at = |t: f64| (from.0 + t * dx, from.1 + t * dy);
    // The very points where possible, so that neighbouring segments still join.
    let start = if enter > 0.0 { at(enter) } else { from };
    let end = if leave < 1.0 { at(leave) } else { to };
    (enter <= leave).then_some((start, end))
}

/// The part of a closed shape inside `frame` (the method of Sutherland and Hodgman).
pub fn cut_area(mut shape: Vec<Point>, frame: &Frame) -> Vec<Point> {
    let distances: [&dyn Fn(&Point) -> f64; 4] = [
        &|p| p.0 - frame.left,
        &|p| frame.right() - p.0,
        &|p| p.1 - frame.top,
        &|p| frame.bottom() - p.1,
    ];
    for inside in distances {
        let mut next = Vec::with_capacity(shape.len());
        for (i, to) in shape.iter().enumerate() {
            let from = &shape[(i + shape.len() - 1) % shape.len()];
            let (a, b) = (inside(from), inside(to));
            if (a < 0.0) != (b < 0.0) {
                let t = a / (a - b);
                next.push((from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1)));
            }
            if b >= 0.0 {
                next.push(*to);
            }
        }
        shape = next;
    }
    shape
}

/// Cuts a line into dashes that run on around its corners.
pub fn dash(line: &[Point], on: f64, off: f64) -> Vec<Vec<Point>> {
    let mut dashes = Vec::new();
    let Some(&first) = line.first() else {
        return dashes;
    };
    let (mut drawing, mut left, mut current) = (true, on, vec![first]);
    for pair in line.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        let mut length = (to.0 - from.0).hypot(to.1 - from.1);
        while length > left {
            let t = left / length;
            from = (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1));
            length -= left;
            current.push(from);
            if drawing {
                dashes.push(std::mem::take(&mut current));
            }
            drawing = !drawing;
            left = if drawing { on } else { off };
            current = vec![from];
        }
        left -= length;
        current.push(to);
    }
    if drawing && current.len() > 1 {
        dashes.push(current);
    }
    dashes
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame {
        left: 0.0,
        top: 0.0,
        width: 10.0,
        height: 10.0,
    };

    #[test]
    fn gaps_split_a_curve() {
        let points = [None, Some(1), Some(2), None, None, Some(3), None];
        assert_eq!(pieces(points.into_iter()), [vec![1, 2], vec![3]]);
        assert!(pieces([None::<i32>].into_iter()).is_empty());
    }

    #[test]
    fn thinning_keeps_ends_and_extremes() {
        let mut points: Vec<Point> = (0..100_000).map(|i| (f64::from(i), 0.0)).collect();
        points[54_321].1 = 7.0;
        points[54_322].1 = -7.0;
        let thin = thin_out(points.clone(), &[|p| p.1]);
        assert!(thin.len() <= 4 * PARTS);
        assert_eq!((thin.first(), thin.last()), (points.first(), points.last()));
        assert!(thin.contains(&points[54_321]) && thin.contains(&points[54_322]));
        assert!(thin.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn lines_are_cut_at_the_frame() {
        let line = [
            (-5.0, 5.0),
            (5.0, 5.0),
            (5.0, 25.0),
            (8.0, 25.0),
            (8.0, 5.0),
        ];
        let expected = [
            vec![(0.0, 5.0), (5.0, 5.0), (5.0, 10.0)],
            vec![(8.0, 10.0), (8.0, 5.0)],
        ];
        assert_eq!(cut(&line, &FRAME), expected);
        assert!(cut(&[(11.0, 0.0), (11.0, 9.0)], &FRAME).is_empty());
    }

    #[test]
    fn areas_are_cut_at_the_frame() {
        let shape = vec![(-5.0, 2.0), (15.0, 2.0), (15.0, 30.0), (-5.0, 30.0)];
        let mut cut = cut_area(shape, &FRAME);
        cut.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(cut, [(0.0, 2.0), (0.0, 10.0), (10.0, 2.0), (10.0, 10.0)]);
        assert!(cut_area(vec![(20.0, 1.0), (21.0, 1.0), (21.0, 2.0)], &FRAME).is_empty());
    }

    #[test]
    fn dashes_run_on_around_corners() {
        let dashes = dash(&[(0.0, 0.0), (3.0, 0.0), (3.0, 9.0)], 4.0, 2.0);
        let expected = [
            vec![(0.0, 0.0), (3.0, 0.0), (3.0, 1.0)],
            vec![(3.0, 3.0), (3.0, 7.0)],
        ];
        assert_eq!(dashes, expected);
    }
}
