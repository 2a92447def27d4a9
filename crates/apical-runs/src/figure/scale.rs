//! Choose the ends of an axis and the numbers written along it.

use super::text::superscript;

/// Numbers further out than this cannot be told apart on paper and are left out.
const LARGEST: f64 = 1e300;

/// An axis: maps numbers to fractions of its length.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    log: bool,
    /// Ends, as logarithms if `log`.
    low: f64,
    high: f64,
}

/// What is written along an axis.
#[derive(Clone, Debug, Default)]
pub struct Ticks {
    /// Position as a fraction of the axis, and label.
    pub major: Vec<(f64, String)>,
    /// Positions without a label.
    pub minor: Vec<f64>,
    /// Factor to put behind the label of the axis, for example `×10³`; often empty.
    pub factor: String,
}

impl Scale {
    /// An axis from `fixed`, or else around `values` with a margin on both sides that
    /// is `margin` times their spread.
    pub fn new(
        values: impl Iterator<Item = f64>,
        fixed: Option<(f64, f64)>,
        log: bool,
        margin: f64,
    ) -> Self {
        if let Some((a, b)) = fixed
            && let (Some(a), Some(b)) = (place(a, log), place(b, log))
            && !same(a.min(b), a.max(b), log)
        {
            let (low, high) = (a.min(b), a.max(b));
            return Self { log, low, high };
        }
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter_map(|v| place(v, log)) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        } else if same(low, high, log) {
            let room = match low.abs() {
                _ if log => 0.5,
                size if size < 1e-290 => 1.0,
                size => size * 0.1,
            };
            (low, high) = (low - room, high + room);
        } else {
            let room = margin * (high - low);
            // Losses and rates do not go below zero, and neither should their axis.
            let floor = if !log && low >= 0.0 { 0.0 } else { f64::MIN };
            (low, high) = ((low - room).max(floor), high + room);
        }
        Self { log, low, high }
    }

    /// Where `value` lies: 0 at the lower end, 1 at the upper. `None` if nowhere.
    pub fn at(&self, value: f64) -> Option<f64> {
        let place = place(value, self.log)?;
        // Far outside it only matters on which side.
        Some(((place - self.low) / (self.high - self.low)).clamp(-1e6, 1e6))
    }

    /// About `count` labelled ticks, in one format.
    pub fn ticks(&self, count: usize) -> Ticks {
        if !self.log {
            return self.linear(self.low, self.high, count);
        }
        let first = (self.low - 1e-9).ceil() as i32;
        let last = (self.high + 1e-9).floor() as i32;
        if last > first {
            return self.decades(first, last, count);
        }
        let powers = (first - 2..=last + 2).flat_map(|p| [1, 2, 5].map(|m| (m, p)));
        let ticks: Vec<(i32, i32)> = powers
            .filter(|&(m, p)| self.contains(f64::from(m) * 10f64.powi(p)))
            .collect();
        if ticks.len() < 2 {
            return self.linear(10f64.powf(self.low), 10f64.powf(self.high), count);
        }
        let plain = ticks.iter().all(|&(_, p)| (-3..=3).contains(&p));
        let major = ticks.into_iter().filter_map(|(m, p)| {
            let label = if plain {
                format!("{:.*}", (-p).max(0) as usize, f64::from(m) * 10f64.powi(p))
            } else {
                format!("{m}×10{}", superscript(p))
            };
            Some((self.at(f64::from(m) * 10f64.powi(p))?, label))
        });
        Ticks {
            major: major.collect(),
            ..Ticks::default()
        }
    }

    fn contains(&self, value: f64) -> bool {
        self.at(value)
            .is_some_and(|at| (-1e-9..=1.0 + 1e-9).contains(&at))
    }

    fn decades(&self, first: i32, last: i32, count: usize) -> Ticks {
        let decades = (last - first + 1) as usize;
        let stride = decades.div_ceil(count.max(2)).max(1);
        let plain = first >= -2 && last <= 3;
        let label = |p: i32| match plain {
            true => format!("{:.*}", (-p).max(0) as usize, 10f64.powi(p)),
            false => format!("10{}", superscript(p)),
        };
        let major = (first..=last)
            .step_by(stride)
            .filter_map(|p| Some((self.at(10f64.powi(p))?, label(p))));
        let minor: Vec<f64> = if stride == 1 {
            (first - 1..=last)
                .flat_map(|p| (2..=9).map(move |m| f64::from(m) * 10f64.powi(p)))
                .filter(|&v| self.contains(v))
                .filter_map(|v| self.at(v))
                .collect()
        } else {
            (first..=last)
                .filter_map(|p| self.at(10f64.powi(p)))
                .collect()
        };
        Ticks {
            major: major.collect(),
            minor,
            factor: String::new(),
        }
    }

    fn linear(&self, low: f64, high: f64, count: usize) -> Ticks {
        let rough = (high - low) / count.max(1) as f64;
        let power = rough.log10().floor();
        let unit = 10f64.powf(power);
        let multiple = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .find(|m| m * unit >= rough * 0.7)
            .unwrap_or(10.0);
        let step = multiple * unit;
        let step_power = power as i32 + i32::from(multiple == 10.0);

        // Numbers of five digits and more, and below a hundredth, are clearer with the
        // power of ten said once.
        let size = low.abs().max(high.abs()).log10().floor() as i32;
        let exponent = match size {
            4.. => size.div_euclid(3) * 3,
            ..=-3 => size,
            _ => 0,
        };
        let decimals = usize::try_from(exponent - step_power).unwrap_or(0);
        let start = (low / step - 1e-9).ceil();
        let end = (high / step + 1e-9).floor();
        let steps = (end - start).clamp(0.0, 100.0) as usize;
        let major = (0..=steps).filter_map(|i| {
            let multiples = start + i as f64;
            let value = multiples * step;
            // From the power of the step, so that 3 steps of 0.1 are written 0.3. A sum
            // with zero turns -0 into 0.
            let shown = multiples * multiple * 10f64.powi(power as i32 - exponent) + 0.0;
            let label = format!("{shown:.decimals$}").replace('-', "−");
            Some((self.at(value)?, label))
        });
        Ticks {
            major: major.collect(),
            minor: Vec::new(),
            factor: match exponent {
                0 => String::new(),
                _ => format!("×10{}", superscript(exponent)),
            },
        }
    }
}

fn place(value: f64, log: bool) -> Option<f64> {
    let fits = value.abs() <= LARGEST && (!log || value >= 1.0 / LARGEST);
    fits.then(|| if log { value.log10() } else { value })
}

/// Whether two ends are too close for an axis between them.
fn same(low: f64, high: f64, log: bool) -> bool {
    // A difference of logarithms is relative already.
    let size = if log { 1.0 } else { low.abs().max(high.abs()) };
    high - low <= 1e-9 * size || high - low < 1e-290
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, log: bool) -> (Vec<String>, String) {
        let scale = Scale::new([].into_iter(), Some((low, high)), log, 0.0);
        let ticks = scale.ticks(5);
        (ticks.major.into_iter().map(|t| t.1).collect(), ticks.factor)
    }

    #[test]
    fn labels_share_one_format() {
        for (low, high, log, expected, factor) in [
            (0.0, 1.0, false, "0.0 0.2 0.4 0.6 0.8 1.0", ""),
            (0.45, 0.71, false, "0.45 0.50 0.55 0.60 0.65 0.70", ""),
            (0.0, 50_000.0, false, "0 10 20 30 40 50", "×10³"),
            (0.0, 2e6, false, "0.0 0.5 1.0 1.5 2.0", "×10⁶"),
            (-0.3, 0.3, false, "−0.3 −0.2 −0.1 0.0 0.1 0.2 0.3", ""),
            (0.0, 4e-5, false, "0 1 2 3 4", "×10⁻⁵"),
            (0.01, 100.0, true, "0.01 0.1 1 10 100", ""),
            (1e-6, 1e-2, true, "10⁻⁶ 10⁻⁵ 10⁻⁴ 10⁻³ 10⁻²", ""),
            (0.3, 3.0, true, "0.5 1 2", ""),
            (1.1, 1.9, true, "1.2 1.4 1.6 1.8", ""),
        ] {
            let (got, got_factor) = labels(low, high, log);
            assert_eq!(got.join(" "), expected);
            assert_eq!(got_factor, factor);
        }
    }

    #[test]
    fn every_range_gets_an_axis_of_finite_length() {
        let nasty = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            f64::MIN_POSITIVE,
            5e-324,
            1e-300,
            1e300,
            f64::MAX,
            f64::MIN,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1.0 + f64::EPSILON,
        ];
        for a in nasty {
            for b in nasty {
                for log in [false, true] {
                    for fixed in [None, Some((a, b))] {
                        let scale = Scale::new([a, b].into_iter(), fixed, log, 0.04);
                        assert!(scale.low < scale.high, "{a} {b} {log}");
                        let ticks = scale.ticks(5);
                        let sane = |at: f64| (-1e-6..=1.0 + 1e-6).contains(&at);
                        assert!(
                            ticks.major.iter().all(|t| sane(t.0)),
                            "{a} {b} {log} {ticks:?}"
                        );
                        assert!(ticks.major.len() < 20, "{a} {b} {log} {ticks:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn positive_data_gets_no_negative_axis() {
        let scale = Scale::new([0.001, 1.0].into_iter(), None, false, 0.05);
        assert_eq!(scale.low, 0.0);
    }
}
