//! A drawing of measurements with two logarithmic axes, as SVG: a power law is a straight line
//! there.

use std::fmt::Write;

/// Measurements that belong together.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// In the legend.
    pub name: &'static str,
    /// x and y, both above 0.
    pub points: Vec<(f64, f64)>,
    /// What fits them.
    pub power: Power,
}

/// `y = factor × x^exponent`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Power {
    /// The exponent.
    pub exponent: f64,
    /// The factor.
    pub factor: f64,
}

/// The power law that fits best: least squares of the logarithms.
pub(crate) fn fit(points: &[(f64, f64)]) -> Power {
    let count = points.len() as f64;
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let exponent = covariance / variance;
    let factor = (mean_y - exponent * mean_x).exp();
    Power { exponent, factor }
}

const COLOURS: [&str; 3] = ["#1f6fb4", "#d1642a", "#3a8a3a"];
/// Of the drawing, in pixels.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
/// Left, right, top and bottom edge of the field of points.
const FIELD: (f64, f64, f64, f64) = (72.0, 700.0, 44.0, 384.0);

/// One logarithmic axis: whole decades, and where they lie on the drawing.
struct Axis {
    decades: (i32, i32),
    from: f64,
    to: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Axis {
        let (mut low, mut high) = (f64::MAX, f64::MIN);
        for value in values {
            (low, high) = (low.min(value.log10()), high.max(value.log10()));
        }
        let low = low.floor() as i32;
        let decades = (low, (high.ceil() as i32).max(low + 1));
        Axis { decades, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let (low, high) = (f64::from(self.decades.0), f64::from(self.decades.1));
        self.from + (value.log10() - low) / (high - low) * (self.to - self.from)
    }

    /// The decades' values.
    fn marks(&self) -> impl Iterator<Item = f64> {
        (self.decades.0..=self.decades.1).map(|decade| 10f64.powi(decade))
    }
}

/// Draws the series, each with the line that fits it.
pub(crate) fn draw(title: &str, x_name: &str, y_name: &str, series: &[Series]) -> String {
    let (left, right, top, bottom) = FIELD;
    let points = || series.iter().flat_map(|one| one.points.iter());
    let x = Axis::new(points().map(|point| point.0), left, right);
    let y = Axis::new(points().map(|point| point.1), bottom, top);
    let mut out = format!(
        concat!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" ",
            "font-family=\"sans-serif\" font-size=\"13\">\n",
            "<rect width=\"{w}\" height=\"{h}\" fill=\"white\"/>\n",
            "<text x=\"{left}\" y=\"26\" font-size=\"16\">{title}</text>\n"
        ),
        w = WIDTH,
        h = HEIGHT,
        left = left,
        title = title
    );
    for value in x.marks() {
        let at = x.at(value);
        line(&mut out, (at, top), (at, bottom), "#ddd");
        text(&mut out, (at, bottom + 20.0), "middle", &value.to_string());
    }
    for value in y.marks() {
        let at = y.at(value);
        line(&mut out, (left, at), (right, at), "#ddd");
        text(&mut out, (left - 8.0, at + 4.0), "end", &value.to_string());
    }
    text(
        &mut out,
        ((left + right) / 2.0, HEIGHT - 14.0),
        "middle",
        x_name,
    );
    text(&mut out, (left, top - 4.0), "end", y_name);
    for (index, one) in series.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let fitted = |at: f64| y.at(one.power.factor * at.powf(one.power.exponent));
        if let (Some(first), Some(last)) = (one.points.first(), one.points.last()) {
            let (from, to) = (first.0, last.0);
            line(
                &mut out,
                (x.at(from), fitted(from)),
                (x.at(to), fitted(to)),
                colour,
            );
        }
        for point in &one.points {
            let (at_x, at_y) = (x.at(point.0), y.at(point.1));
            let _ = writeln!(
                out,
                "<circle cx=\"{at_x:.1}\" cy=\"{at_y:.1}\" r=\"4\" fill=\"{colour}\"/>"
            );
        }
        let legend = top + 20.0 + 20.0 * index as f64;
        let _ = writeln!(
            out,
            "<circle cx=\"{}\" cy=\"{}\" r=\"4\" fill=\"{colour}\"/>",
            left + 16.0,
            legend - 4.0
        );
        let name = format!("{}: exponent {:.2}", one.name, one.power.exponent);
        text(&mut out, (left + 28.0, legend), "start", &name);
    }
    out.push_str("</svg>\n");
    out
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>"
    );
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_is_found_from_its_points() {
        let points: Vec<_> = [1.0, 10.0, 1000.0f64]
            .map(|x| (x, 3.0 * x.powf(1.5)))
            .into();
        let power = fit(&points);
        assert!((power.exponent - 1.5).abs() < 1e-9 && (power.factor - 3.0).abs() < 1e-9);
    }

    #[test]
    fn points_lie_inside_the_field() {
        let points = vec![(500.0, 0.001), (256_000.0, 1.2)];
        let series = Series {
            name: "fresh",
            power: fit(&points),
            points,
        };
        let drawing = draw("title", "x", "y", &[series]);
        let (left, right, top, bottom) = FIELD;
        let mut circles = 0;
        for circle in drawing.lines().filter(|line| line.starts_with("<circle")) {
            let number = |name: &str| -> f64 {
                let (_, rest) = circle.split_once(&format!("{name}=\"")).unwrap();
                rest.split('"').next().unwrap().parse().unwrap()
            };
            assert!((left..=right).contains(&number("cx")), "{circle}");
            assert!((top..=bottom).contains(&number("cy")), "{circle}");
            circles += 1;
        }
        assert_eq!(circles, 3);
    }
}
