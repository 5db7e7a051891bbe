//! Plots of measurements as SVG: points with their spread, and curves. Needs the cargo feature
//! `plots`.
//!
//! Each plot has a title and a description for screen readers, and a background, so that it is
//! legible on a dark page. The colours are those of Okabe and Ito, which colour-blind people can
//! distinguish.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::{
    BLACK, Cartesian2d, ChartBuilder, ChartContext, Circle, DashedLineSeries, DrawingArea,
    IntoDrawingArea, IntoDynElement, IntoLogRange, LineSeries, PathElement, RGBColor, Ranged,
    SVGBackend, WHITE,
};
use plotters::series::PointSeries;
use plotters::style::{Color, ShapeStyle};

/// The size of every plot, in pixels.
const SIZE: (u32, u32) = (800, 460);

/// The lengths of a dashed line's dashes, and of the gaps between them, in pixels.
const DASH: i32 = 6;
const GAP: i32 = 4;

const COLOURS: [RGBColor; 4] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(90, 90, 90),
];

/// A plot.
#[derive(Clone, Debug)]
pub struct Plot<'a> {
    /// The title.
    pub title: &'a str,
    /// What the plot shows, for screen readers.
    pub description: &'a str,
    /// The horizontal axis.
    pub x: Axis<'a>,
    /// The vertical axis.
    pub y: Axis<'a>,
    /// The data.
    pub series: Vec<Series<'a>>,
}

/// One axis of a plot.
#[derive(Clone, Debug)]
pub struct Axis<'a> {
    /// The quantity with its unit.
    pub label: &'a str,
    /// The shown range.
    pub range: Range<f64>,
    /// Labels for 0, 1, 2, … instead of numbers; empty for numbers.
    pub names: Vec<&'a str>,
    /// Whether the axis is logarithmic. Only for the vertical axis; the range must begin above 0.
    pub is_log: bool,
}

/// A series of values.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// The values.
    pub points: Vec<Point>,
    /// How they are drawn.
    pub look: Look,
    /// Series with the same number have the same colour.
    pub colour: usize,
}

/// One value with its spread.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The horizontal position.
    pub x: f64,
    /// The median.
    pub y: f64,
    /// The minimum and the maximum.
    pub spread: (f64, f64),
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A dot for each value, with a line over its spread.
    Dots,
    /// A line through all values.
    Line,
    /// The same, dashed.
    Dashed,
}

/// The plotting library failed.
#[derive(Debug, thiserror::Error)]
#[error("this plot cannot be drawn: {0}")]
pub struct PlotError(String);

impl<'a> Axis<'a> {
    /// An axis of numbers.
    pub fn new(label: &'a str, range: Range<f64>) -> Self {
        Axis {
            label,
            range,
            names: Vec::new(),
            is_log: false,
        }
    }

    /// An axis with a label at each position.
    pub fn of_names(label: &'a str, names: Vec<&'a str>) -> Self {
        Axis {
            range: -0.5..names.len() as f64 - 0.5,
            names,
            ..Axis::new(label, 0.0..1.0)
        }
    }

    fn text(&self, value: f64) -> String {
        if self.names.is_empty() {
            return if value >= 10.0 || value.fract() == 0.0 {
                format!("{value:.0}")
            } else {
                format!("{value}")
            };
        }
        let is_place = (value - value.round()).abs() < 1e-6 && value > -0.5;
        let name = self.names.get(value.round().max(0.0) as usize);
        name.filter(|_| is_place)
            .map_or(String::new(), ToString::to_string)
    }
}

impl Point {
    /// A value without a spread, for curves.
    pub fn exact(x: f64, y: f64) -> Self {
        Point {
            x,
            y,
            spread: (y, y),
        }
    }
}

impl Plot<'_> {
    /// The plot as an SVG document.
    pub fn svg(&self) -> Result<String, PlotError> {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            self.draw(&area)
                .map_err(|error| PlotError(error.to_string()))?;
        }
        let head = format!(
            "\n<title>{}</title>\n<desc>{}</desc>",
            escaped(self.title),
            escaped(self.description)
        );
        let end = svg
            .find("<svg")
            .and_then(|begin| Some(begin + svg[begin..].find('>')? + 1));
        let end = end.ok_or_else(|| PlotError("the library wrote no <svg>".to_owned()))?;
        svg.insert_str(end, &head);
        Ok(svg)
    }

    fn draw(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        area.fill(&WHITE)?;
        let mut builder = ChartBuilder::on(area);
        builder
            .caption(self.title, ("sans-serif", 19))
            .margin(14)
            .x_label_area_size(46)
            .y_label_area_size(64);
        let x = self.x.range.clone();
        if self.y.is_log {
            let chart = builder.build_cartesian_2d(x, self.y.range.clone().log_scale())?;
            self.fill(chart)?;
        } else {
            let chart = builder.build_cartesian_2d(x, self.y.range.clone())?;
            self.fill(chart)?;
        }
        area.present()?;
        Ok(())
    }

    fn fill<'a, 'b: 'a, Y>(
        &self,
        mut chart: ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, Y>>,
    ) -> Result<(), Box<dyn std::error::Error>>
    where
        Y: Ranged<ValueType = f64> + ValueFormatter<f64> + 'a,
    {
        let places = if self.x.names.is_empty() {
            9
        } else {
            2 * self.x.names.len() + 1
        };
        chart
            .configure_mesh()
            .x_desc(self.x.label)
            .y_desc(self.y.label)
            .x_labels(places)
            .x_label_formatter(&|value| self.x.text(*value))
            .y_label_formatter(&|value| self.y.text(*value))
            .axis_desc_style(("sans-serif", 15))
            .label_style(("sans-serif", 13))
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .draw()?;
        for series in &self.series {
            let colour = COLOURS[series.colour % COLOURS.len()];
            let line = ShapeStyle::from(&colour).stroke_width(2);
            let places = || series.points.iter().map(|point| (point.x, point.y));
            let drawn = match series.look {
                Look::Line => chart.draw_series(LineSeries::new(places(), line))?,
                Look::Dashed => {
                    chart.draw_series(DashedLineSeries::new(places(), DASH, GAP, line))?
                }
                Look::Dots => {
                    let spread =
                        |point: &Point| vec![(point.x, point.spread.0), (point.x, point.spread.1)];
                    let lines = series
                        .points
                        .iter()
                        .map(|point| PathElement::new(spread(point), line));
                    chart.draw_series(lines)?;
                    chart.draw_series(PointSeries::of_element(
                        places(),
                        5,
                        colour.filled(),
                        &|place, size, style| Circle::new(place, size, style),
                    ))?
                }
            };
            let look = series.look;
            drawn.label(series.name).legend(move |(x, y)| {
                let ends = |half| vec![(x + 10 - half, y), (x + 10 + half, y)];
                match look {
                    Look::Line => PathElement::new(ends(9), line).into_dyn(),
                    Look::Dashed => DashedPathElement::new(ends(8), DASH, GAP, line).into_dyn(),
                    Look::Dots => PathElement::new(ends(3), line.stroke_width(7)).into_dyn(),
                }
            });
        }
        chart
            .configure_series_labels()
            .position(plotters::chart::SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.9))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 14))
            .draw()?;
        Ok(())
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(is_log: bool) -> String {
        let mut y = Axis::new("requests/s", 1.0..1_000.0);
        y.is_log = is_log;
        let points = (1..=8)
            .map(|n| Point::exact(f64::from(n), 100.0 * f64::from(n)))
            .collect::<Vec<_>>();
        let series = |name, look| Series {
            name,
            points: points.clone(),
            look,
            colour: 0,
        };
        let plot = Plot {
            title: "Clones & <requests>",
            description: "A line that rises.",
            x: Axis::new("clones", 0.0..9.0),
            y,
            series: vec![
                series("measured", Look::Dots),
                series("fitted", Look::Line),
                series("predicted", Look::Dashed),
            ],
        };
        plot.svg().unwrap()
    }

    #[test]
    fn plot_has_title_description_background_and_curve() {
        for is_log in [false, true] {
            let svg = plot(is_log);
            assert!(
                svg.contains("<title>Clones &amp; &lt;requests&gt;</title>"),
                "{svg}"
            );
            assert!(svg.contains("<desc>A line that rises.</desc>"));
            let background = format!("width=\"{}\" height=\"{}\"", SIZE.0, SIZE.1);
            let rect = svg
                .find("<rect")
                .map(|begin| &svg[begin..begin + 120])
                .unwrap_or_default();
            assert!(
                rect.contains(&background) && rect.contains("#FFFFFF"),
                "the plot has no white background: {rect}"
            );
            assert!(svg.matches("<circle").count() == 8, "a dot for each value");
            assert!(svg.contains("<polyline"), "the curve is missing");
            assert!(svg.contains("requests/s") && svg.contains("measured"));
        }
    }

    #[test]
    fn legend_shows_each_look() {
        let svg = plot(false);
        let (_, legend) = svg.rsplit_once("</text>").unwrap();
        let lines = legend.matches("<polyline").count();
        assert_eq!(
            lines, 4,
            "one line for the dots, one for the line, two dashes for the dashed line: {legend}"
        );
    }

    #[test]
    fn every_tag_is_closed() {
        let svg = plot(false);
        let count = |what: &str| svg.matches(what).count();
        let opened = count("<") - count("</");
        assert_eq!(opened, count("</") + count("/>"), "{svg}");
    }

    #[test]
    fn labels_appear_at_their_positions_only() {
        let axis = Axis::of_names("strategy", vec!["round-robin", "peak-ewma"]);
        assert_eq!(
            [0.0, 0.5, 1.0, -0.5, 7.0].map(|at| axis.text(at)),
            ["round-robin", "", "peak-ewma", "", ""]
        );
    }
}
