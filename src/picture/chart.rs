//! Line charts.

use std::path::Path;

use image::RgbImage;

use super::axis::{Axis, Scale, Tick};
use super::canvas::{Canvas, Ink, TextStyle};
use super::font::{Fonts, Weight};
use super::series::Series;
use super::write_png;
use crate::{Error, Result};

const EDGE: f32 = 24.0;
const TITLE: TextStyle = TextStyle::new(21.0).bold();
const NAME: TextStyle = TextStyle::new(16.0);
const LEGEND: TextStyle = TextStyle::new(15.0);
const TICK: TextStyle = TextStyle::new(14.0).soft();
/// Length of the sample of a line in the legend, and the room between two entries.
const SAMPLE: f32 = 26.0;
const ENTRY_GAP: f32 = 26.0;
const LEGEND_ROW: f32 = 24.0;
const LINE_WIDTH: f32 = 2.2;
/// The side of a mark.
const MARK: f32 = 7.0;
/// The smallest chart that still has room for its labels, in pixels.
const SMALLEST: (usize, usize) = (240, 180);

/// A chart of named lines over common axes, with a legend above them.
///
/// ```no_run
/// # use cvdm::picture::{LineChart, Series};
/// # fn main() -> cvdm::Result<()> {
/// # let losses: Vec<f64> = vec![];
/// LineChart::new("Training")
///     .x_label("step")
///     .y_label("loss")
///     .log_y()
///     .series(Series::new("L", losses.iter().enumerate().map(|(i, &l)| (i as f64, l))).smoothed(0.98))
///     .write_png("out/loss.png")
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct LineChart {
    title: String,
    x_label: String,
    y_label: String,
    x_scale: Scale,
    y_scale: Scale,
    x_range: Option<(f64, f64)>,
    y_range: Option<(f64, f64)>,
    size: (usize, usize),
    series: Vec<Series>,
}

impl LineChart {
    /// A chart without lines, 1000 × 620 pixels.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            x_label: String::new(),
            y_label: String::new(),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            x_range: None,
            y_range: None,
            size: (1000, 620),
            series: Vec::new(),
        }
    }

    /// What runs along the x axis, with its unit.
    pub fn x_label(mut self, label: impl Into<String>) -> Self {
        self.x_label = label.into();
        self
    }

    /// What runs along the y axis, with its unit.
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// A logarithmic y axis; values of zero and below leave gaps.
    pub fn log_y(mut self) -> Self {
        self.y_scale = Scale::Log;
        self
    }

    /// A logarithmic x axis; points at zero and below are not drawn.
    pub fn log_x(mut self) -> Self {
        self.x_scale = Scale::Log;
        self
    }

    /// Shows at least `low ..= high` of the x axis, so that marks at the ends are whole.
    pub fn x_range(mut self, low: f64, high: f64) -> Self {
        self.x_range = Some((low, high));
        self
    }

    /// Shows exactly `low ..= high` of the y axis instead of everything; lines are cut at its ends.
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        self.y_range = Some((low, high));
        self
    }

    /// Width and height of the picture, in pixels.
    pub fn size(mut self, width: usize, height: usize) -> Self {
        self.size = (width, height);
        self
    }

    /// Adds a line. Colours follow the order (Tableau 10).
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// Draws the chart and writes it as PNG: whole or not at all, missing folders are made.
    ///
    /// # Errors
    /// As [`LineChart::render`], and [`Error::File`] if the file cannot be written.
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<()> {
        write_png(&self.render()?, path)
    }

    /// Draws the chart.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no series, one of them has nothing to draw, a smoothing weight or a band is
    /// impossible, the y range does not rise (or holds zero and below on a logarithmic axis), or the size is out of
    /// bounds.
    pub fn render(&self) -> Result<RgbImage> {
        self.check()?;
        let fonts = Fonts::load()?;
        let mut canvas = Canvas::new(self.size.0, self.size.1, &fonts)?;
        let plot = self.plot(&fonts);
        plot.draw_grid(&mut canvas);
        let [x, y, width, height] = plot.frame;
        canvas.clip(Some([x, y, width, height]));
        // All bands first, so that none hides a line.
        for (series, ink) in self.with_inks() {
            plot.draw_band(&mut canvas, series, ink);
        }
        for (series, ink) in self.with_inks() {
            plot.draw_line(&mut canvas, series, ink);
        }
        canvas.clip(None);
        canvas.rect([x - 1.0, y, 1.5, height + 1.0], Ink::SOFT);
        canvas.rect([x - 1.0, y + height, width + 1.0, 1.5], Ink::SOFT);
        plot.draw_tick_labels(&mut canvas);
        self.draw_texts(&mut canvas, &fonts, plot.frame);
        Ok(canvas.into_rgb())
    }

    fn check(&self) -> Result<()> {
        if self.series.is_empty() {
            return Err(Error::input(format!("the chart “{}” has no series: add at least one line", self.title)));
        }
        if self.size.0 < SMALLEST.0 || self.size.1 < SMALLEST.1 {
            return Err(Error::input(format!(
                "a chart of {} × {} pixels has no room for its labels: at least {} × {} are needed",
                self.size.0, self.size.1, SMALLEST.0, SMALLEST.1
            )));
        }
        if let Some((low, high)) = self.y_range
            && !(self.y_scale.holds(low) && self.y_scale.holds(high) && low < high)
        {
            return Err(Error::input(format!(
                "the y range {low} to {high} cannot be drawn: it has to rise, and to stay above zero if logarithmic"
            )));
        }
        self.series.iter().try_for_each(|series| series.check([self.x_scale, self.y_scale]))
    }

    fn with_inks(&self) -> impl Iterator<Item = (&Series, Ink)> {
        let colors = colorous::TABLEAU10;
        self.series.iter().enumerate().map(move |(i, s)| (s, Ink::rgb(colors[i % colors.len()].as_array())))
    }

    /// Places the axes in the picture.
    fn plot(&self, fonts: &Fonts) -> Plot {
        let (width, height) = (self.size.0 as f32, self.size.1 as f32);
        let drawn = |&(x, y): &(f64, f64)| self.x_scale.holds(x) && self.y_scale.holds(y);
        let band = |s: &Series| s.band.iter().flat_map(|&(x, low, high)| [(x, low), (x, high)]).collect::<Vec<_>>();
        let points: Vec<(f64, f64)> =
            self.series.iter().flat_map(|s| s.points.iter().copied().chain(band(s))).filter(drawn).collect();
        let extent = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
        };
        let asked = self.x_range.into_iter().flat_map(|(low, high)| [low, high]).filter(|x| self.x_scale.holds(*x));
        let (left, right) = extent(&mut points.iter().map(|p| p.0).chain(asked));
        let x = Axis::new(self.x_scale, left, right, 0.0);
        let y = match self.y_range {
            Some((low, high)) => Axis::new(self.y_scale, low, high, 0.0),
            None => {
                let (low, high) = extent(&mut points.iter().map(|p| p.1));
                Axis::new(self.y_scale, low, high, 0.04)
            }
        };

        let top =
            EDGE + if self.title.is_empty() { 0.0 } else { 32.0 } + self.legend_rows(fonts).len() as f32 * LEGEND_ROW;
        let bottom = EDGE + 20.0 + if self.x_label.is_empty() { 0.0 } else { 26.0 };
        let y_ticks = y.ticks(((height - top - bottom) / 60.0).max(2.0) as usize);
        let widest = y_ticks.iter().filter_map(|t| t.label.as_deref()).map(|l| fonts.width(l, TICK.weight, TICK.size));
        let left = EDGE + widest.fold(0.0, f32::max) + 10.0 + if self.y_label.is_empty() { 0.0 } else { 28.0 };
        // Whole pixels keep the grid sharp.
        let frame = [left.ceil(), top, (width - left.ceil() - EDGE - 12.0).max(1.0), (height - top - bottom).max(1.0)];
        let x_ticks = x.ticks((frame[2] / 110.0).max(2.0) as usize);
        Plot { frame, x, y, x_ticks, y_ticks, y_scale: self.y_scale }
    }

    /// Legend entries (series and x) in as many rows as their names need.
    fn legend_rows(&self, fonts: &Fonts) -> Vec<Vec<(usize, f32)>> {
        let mut rows: Vec<Vec<(usize, f32)>> = Vec::new();
        let mut x = f32::INFINITY;
        for (i, series) in self.series.iter().enumerate().filter(|(_, s)| !s.name.is_empty()) {
            let width = SAMPLE + 8.0 + fonts.width(&series.name, LEGEND.weight, LEGEND.size);
            if x + width > self.size.0 as f32 - EDGE {
                rows.push(Vec::new());
                x = EDGE;
            }
            if let Some(row) = rows.last_mut() {
                row.push((i, x));
            }
            x += width + ENTRY_GAP;
        }
        rows
    }

    fn draw_texts(&self, canvas: &mut Canvas<'_>, fonts: &Fonts, [x, y, width, height]: [f32; 4]) {
        let (page_width, page_height) = (self.size.0 as f32, self.size.1 as f32);
        let title = fonts.fit(&self.title, Weight::Bold, TITLE.size, page_width - 2.0 * EDGE);
        canvas.text(&title, EDGE, EDGE + 16.0, TITLE);
        let x_label = fonts.fit(&self.x_label, NAME.weight, NAME.size, width);
        canvas.text(&x_label, x + 0.5 * width, page_height - EDGE + 4.0, NAME.middle());
        let y_label = fonts.fit(&self.y_label, NAME.weight, NAME.size, height);
        canvas.text(&y_label, EDGE + 12.0, y + 0.5 * height, NAME.middle().upright());

        let first = EDGE + if self.title.is_empty() { 0.0 } else { 32.0 } + 10.0;
        let inks: Vec<Ink> = self.with_inks().map(|(_, ink)| ink).collect();
        for (row, entries) in self.legend_rows(fonts).into_iter().enumerate() {
            let y = first + row as f32 * LEGEND_ROW;
            for (i, x) in entries {
                let series = &self.series[i];
                if !series.band.is_empty() {
                    canvas.rect([x, y - 6.0, SAMPLE, 12.0], inks[i].with_opacity(0.2));
                }
                let dash = series.dashed.then_some(8.0);
                if series.marked {
                    draw_mark(canvas, (x + 0.5 * SAMPLE, y), inks[i]);
                } else {
                    canvas.polyline(&[(x, y), (x + SAMPLE, y)], LINE_WIDTH + 0.4, dash, inks[i]);
                }
                let name = fonts.fit(&series.name, LEGEND.weight, LEGEND.size, page_width - EDGE - x - SAMPLE - 8.0);
                canvas.text(&name, x + SAMPLE + 8.0, y + 5.0, LEGEND);
            }
        }
    }
}

/// The axes in their place: what turns numbers into pixels.
struct Plot {
    /// x, y, width, height of the area between the axes, in pixels.
    frame: [f32; 4],
    x: Axis,
    y: Axis,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    y_scale: Scale,
}

impl Plot {
    fn column(&self, x: f64) -> Option<f32> {
        self.x.fraction(x).map(|f| self.frame[0] + f as f32 * self.frame[2])
    }

    fn line(&self, y: f64) -> Option<f32> {
        // Far outside the frame the exact place matters no more, but huge coordinates would upset the rasteriser.
        self.y.fraction(y).map(|f| self.frame[1] + (1.0 - f.clamp(-10.0, 11.0) as f32) * self.frame[3])
    }

    fn draw_grid(&self, canvas: &mut Canvas<'_>) {
        let [left, top, width, height] = self.frame;
        let ink = |tick: &Tick| Ink::gray(if tick.label.is_some() { 222 } else { 242 });
        for tick in &self.y_ticks {
            if let Some(y) = self.line(tick.value) {
                canvas.rect([left, y.round(), width, 1.0], ink(tick));
            }
        }
        for tick in &self.x_ticks {
            if let Some(x) = self.column(tick.value) {
                canvas.rect([x.round(), top, 1.0, height], ink(tick));
            }
        }
    }

    fn draw_tick_labels(&self, canvas: &mut Canvas<'_>) {
        let [left, top, _, height] = self.frame;
        for Tick { value, label } in &self.y_ticks {
            if let (Some(label), Some(y)) = (label, self.line(*value)) {
                canvas.text(label, left - 9.0, y + 5.0, TICK.end());
            }
        }
        for Tick { value, label } in &self.x_ticks {
            if let (Some(label), Some(x)) = (label, self.column(*value)) {
                canvas.text(label, x, top + height + 20.0, TICK.middle());
            }
        }
    }

    fn draw_band(&self, canvas: &mut Canvas<'_>, series: &Series, ink: Ink) {
        let place = |&(x, low, high): &(f64, f64, f64)| {
            // A lower end of zero lies infinitely far down a logarithmic axis: the band then reaches the bottom.
            let bottom = if self.y_scale.holds(low) { self.line(low)? } else { self.frame[1] + self.frame[3] };
            Some(((self.column(x)?, bottom), (self.column(x)?, self.line(high)?)))
        };
        for run in runs(series.band.iter().map(place)) {
            let (lower, upper): (Vec<_>, Vec<_>) = run.into_iter().unzip();
            let outline: Vec<_> = upper.into_iter().chain(lower.into_iter().rev()).collect();
            canvas.area(&outline, ink.with_opacity(0.2));
        }
    }

    fn draw_line(&self, canvas: &mut Canvas<'_>, series: &Series, ink: Ink) {
        let dash = series.dashed.then_some(9.0);
        if series.marked {
            let places = series.points.iter().filter_map(|&(x, y)| Some((self.column(x)?, self.line(y)?)));
            places.for_each(|place| draw_mark(canvas, place, ink));
        } else if series.smoothing > 0.0 {
            self.draw_points(canvas, &series.points, 1.0, None, ink.with_opacity(0.28));
            self.draw_points(canvas, &series.average(self.y_scale), LINE_WIDTH, dash, ink);
        } else {
            self.draw_points(canvas, &series.points, LINE_WIDTH, dash, ink);
        }
    }

    fn draw_points(&self, canvas: &mut Canvas<'_>, points: &[(f64, f64)], width: f32, dash: Option<f32>, ink: Ink) {
        for run in runs(points.iter().map(|&(x, y)| Some((self.column(x)?, self.line(y)?)))) {
            canvas.polyline(&thin_out(&run), width, dash, ink);
        }
    }
}

/// A small square around a place.
fn draw_mark(canvas: &mut Canvas<'_>, (x, y): (f32, f32), ink: Ink) {
    canvas.rect([x - 0.5 * MARK, y - 0.5 * MARK, MARK, MARK], ink);
}

/// The stretches of `items` between gaps.
fn runs<T>(items: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut runs = vec![Vec::new()];
    for item in items {
        match (item, runs.last_mut()) {
            (Some(item), Some(run)) => run.push(item),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Keeps of all neighbours in one column of pixels the first, lowest, highest and last: the same line to the eye, at a
/// cost that no longer grows with the length of training.
fn thin_out(points: &[(f32, f32)]) -> Vec<(f32, f32)> {
    let mut kept = Vec::new();
    for column in points.chunk_by(|a, b| a.0.floor() == b.0.floor()) {
        if column.len() <= 4 {
            kept.extend_from_slice(column);
            continue;
        }
        let by_height = |&i: &usize, &j: &usize| column[i].1.total_cmp(&column[j].1);
        let lowest = (0..column.len()).min_by(by_height).unwrap_or(0);
        let highest = (0..column.len()).max_by(by_height).unwrap_or(0);
        let mut indices = vec![0, lowest, highest, column.len() - 1];
        indices.sort_unstable();
        indices.dedup();
        kept.extend(indices.into_iter().map(|i| column[i]));
    }
    kept
}

#[cfg(test)]
mod tests;
