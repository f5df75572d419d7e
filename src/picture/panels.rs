//! Montages: rows of labelled panels, each with its colour bar.

use std::path::Path;

use image::RgbImage;

use super::axis::number;
use super::canvas::{Canvas, Ink, TextStyle};
use super::colormap::Colormap;
use super::font::{Fonts, Weight};
use super::write_png;
use crate::data::Plane;
use crate::{Error, Result};

const EDGE: usize = 20;
const GAP: usize = 20;
/// Heights of what surrounds a panel: its title above; the bar and its labels below.
const TITLE_HEIGHT: usize = 24;
const BAR_GAP: usize = 7;
const BAR_HEIGHT: usize = 9;
const BAR_LABELS: usize = 18;
const PAGE_TITLE_HEIGHT: usize = 36;
const ROW_LABEL_WIDTH: usize = 30;

const PAGE_TITLE: TextStyle = TextStyle::new(20.0).bold();
const ROW_LABEL: TextStyle = TextStyle::new(16.0).bold();
const TITLE: TextStyle = TextStyle::new(15.0);
const BAR_LABEL: TextStyle = TextStyle::new(13.0).soft();
/// The line around panels and bars, so that white ones end somewhere.
const FRAME: Ink = Ink::gray(150);

/// One plane as a picture: title, value range, colour map, colour bar with unit.
#[derive(Debug, Clone)]
pub struct Panel<'a> {
    title: String,
    plane: &'a Plane,
    range: Option<(f32, f32)>,
    map: Colormap,
    unit: String,
    bar: bool,
    /// Green and blue, where `plane` is red.
    colours: Option<[&'a Plane; 2]>,
}

impl<'a> Panel<'a> {
    /// `plane` in gray from its smallest to its largest finite value, with a colour bar.
    pub fn new(title: impl Into<String>, plane: &'a Plane) -> Self {
        let (title, unit) = (title.into(), String::new());
        Self { title, plane, range: None, map: Colormap::Gray, unit, bar: true, colours: None }
    }

    /// A photograph: red, green and blue in [0, 1], as a screen shows them. Values beyond are cut.
    pub fn colour(title: impl Into<String>, [red, green, blue]: [&'a Plane; 3]) -> Self {
        let panel = Self::new(title, red).range(0.0, 1.0).without_bar();
        Self { colours: Some([green, blue]), ..panel }
    }

    /// The values (in the plane's unit) at the two ends of the colour map. Values beyond take the colour of the end they
    /// pass, and the colour bar says “≤” or “≥” there.
    pub fn range(mut self, low: f32, high: f32) -> Self {
        self.range = Some((low, high));
        self
    }

    /// The diverging colour map from `-limit` (blue) to `limit` (red): for signed errors.
    pub fn symmetric(self, limit: f32) -> Self {
        self.range(-limit, limit).map(Colormap::Diverging)
    }

    /// The colour map.
    pub fn map(mut self, map: Colormap) -> Self {
        self.map = map;
        self
    }

    /// The unit written under the colour bar.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// Leaves the colour bar out, as for photographs.
    pub fn without_bar(mut self) -> Self {
        self.bar = false;
        self
    }

    /// Smallest and largest finite value; `None` if there is none.
    fn extent(&self) -> Option<(f32, f32)> {
        let finite = self.plane.values().iter().copied().filter(|v| v.is_finite());
        finite.fold(None, |extent, v| match extent {
            None => Some((v, v)),
            Some((low, high)) => Some((v.min(low), v.max(high))),
        })
    }

    /// Refuses colours of different sizes.
    fn check(&self) -> Result<()> {
        let size = |p: &Plane| [p.height(), p.width()];
        match self.colours.iter().flatten().find(|p| size(p) != size(self.plane)) {
            None => Ok(()),
            Some(other) => Err(Error::shape(format!(
                "the panel “{}” has a red plane of {:?} and another of {:?}; all three must have one size",
                self.title,
                size(self.plane),
                size(other)
            ))),
        }
    }

    /// The values at the ends of the colour map: those asked for, or those that show everything.
    fn ends(&self) -> Result<(f32, f32)> {
        match self.range {
            Some((low, high)) if low.is_finite() && high.is_finite() && low < high => Ok((low, high)),
            Some((low, high)) => Err(Error::input(format!(
                "the panel “{}” cannot show the range {low} to {high}: both ends have to be finite, the first the lower",
                self.title
            ))),
            None => {
                let (low, high) = self.extent().unwrap_or((0.0, 1.0));
                let (low, high) = match self.map {
                    Colormap::Diverging => (-low.abs().max(high.abs()), low.abs().max(high.abs())),
                    _ => (low, high),
                };
                // A flat plane lies in the middle of a range around it.
                let half = if low == 0.0 { 0.5 } else { (0.1 * low.abs()).max(f32::MIN_POSITIVE) };
                Ok(if low < high { (low, high) } else { (low - half, high + half) })
            }
        }
    }
}

/// Rows of panels on white paper. Small planes are enlarged by a whole factor, every value a square of equal pixels;
/// planes of more than twice the panel size are reduced to means over square blocks.
#[derive(Debug, Clone)]
pub struct Montage<'a> {
    title: String,
    panel_size: usize,
    rows: Vec<(String, Vec<Panel<'a>>)>,
}

impl Default for Montage<'_> {
    fn default() -> Self {
        Self { title: String::new(), panel_size: 256, rows: Vec::new() }
    }
}

impl<'a> Montage<'a> {
    /// A montage without rows whose panels aim at 256 pixels.
    pub fn new() -> Self {
        Self::default()
    }

    /// A title over everything.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The length in pixels that the longer side of a panel comes close to without passing it, as far as a whole factor
    /// allows; planes of up to twice that length are drawn one to one.
    pub fn panel_size(mut self, pixels: usize) -> Self {
        self.panel_size = pixels;
        self
    }

    /// Adds a row of panels below the others. The label stands upright to its left; an empty one takes no room if all
    /// are empty. Rows may differ in length.
    pub fn row(mut self, label: impl Into<String>, panels: impl IntoIterator<Item = Panel<'a>>) -> Self {
        self.rows.push((label.into(), panels.into_iter().collect()));
        self
    }

    /// Draws the montage and writes it as PNG: whole or not at all, missing folders are made.
    ///
    /// # Errors
    /// As [`Montage::render`], and [`Error::File`] if the file cannot be written.
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<()> {
        write_png(&self.render()?, path)
    }

    /// Draws the montage.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no panel, a range does not rise, the panel size is zero, or the picture would have
    /// more than 16384 pixels a side.
    pub fn render(&self) -> Result<RgbImage> {
        if self.panel_size == 0 || self.rows.iter().all(|(_, panels)| panels.is_empty()) {
            return Err(Error::input("a montage needs at least one panel, and a panel size above zero"));
        }
        self.rows.iter().flat_map(|(_, panels)| panels).try_for_each(Panel::check)?;
        let fonts = Fonts::load()?;
        let layout = Layout::of(self);
        let mut canvas = Canvas::new(layout.width, layout.height, &fonts)?;
        let page = (layout.width - 2 * EDGE) as f32;
        canvas.text(&fonts.fit(&self.title, Weight::Bold, PAGE_TITLE.size, page), EDGE as f32, 36.0, PAGE_TITLE);
        for (r, (label, panels)) in self.rows.iter().enumerate() {
            let (top, height) = (layout.tops[r] as f32, layout.row_heights[r] as f32);
            let label = fonts.fit(label, Weight::Bold, ROW_LABEL.size, height);
            canvas.text(&label, EDGE as f32 + 14.0, top + 0.5 * height, ROW_LABEL.middle().upright());
            for (c, panel) in panels.iter().enumerate() {
                draw_panel(&mut canvas, &fonts, panel, layout.place(r, c), self.panel_size)?;
            }
        }
        Ok(canvas.into_rgb())
    }
}

/// Where the panels lie, in pixels.
struct Layout {
    width: usize,
    height: usize,
    /// Upper edge of the planes of a row (below their titles), and the height of the tallest.
    tops: Vec<usize>,
    row_heights: Vec<usize>,
    /// Left edge of the panels of a column, and the width of the widest.
    lefts: Vec<usize>,
    column_widths: Vec<usize>,
}

impl Layout {
    fn of(montage: &Montage<'_>) -> Self {
        let size = |panel: &Panel<'_>| drawn_size(panel.plane, montage.panel_size);
        let columns = montage.rows.iter().map(|(_, panels)| panels.len()).max().unwrap_or(0);
        let column_widths: Vec<usize> = (0..columns)
            .map(|c| montage.rows.iter().filter_map(|(_, p)| p.get(c)).map(|p| size(p).1).max().unwrap_or(0))
            .collect();
        let labelled = montage.rows.iter().any(|(label, _)| !label.is_empty());
        let mut x = EDGE + if labelled { ROW_LABEL_WIDTH } else { 0 };
        let mut lefts = Vec::new();
        for width in &column_widths {
            lefts.push(x);
            x += width + GAP;
        }

        let mut y = EDGE + if montage.title.is_empty() { 0 } else { PAGE_TITLE_HEIGHT };
        let (mut tops, mut row_heights) = (Vec::new(), Vec::new());
        for (_, panels) in &montage.rows {
            let titled = panels.iter().any(|p| !p.title.is_empty());
            let height = panels.iter().map(|p| size(p).0).max().unwrap_or(0);
            let barred = panels.iter().any(|p| p.bar);
            y += if titled { TITLE_HEIGHT } else { 0 };
            tops.push(y);
            row_heights.push(height);
            y += height + if barred { BAR_GAP + BAR_HEIGHT + BAR_LABELS } else { 0 } + GAP;
        }
        Self { width: x - GAP + EDGE, height: y - GAP + EDGE, tops, row_heights, lefts, column_widths }
    }

    /// Where the panel in row `r`, column `c` belongs.
    fn place(&self, r: usize, c: usize) -> Place {
        Place { column: self.lefts[c], top: self.tops[r], column_width: self.column_widths[c] }
    }
}

/// A panel's place: the left edge and width of its column, in whose middle the plane stands, and the plane's upper edge.
#[derive(Debug, Clone, Copy)]
struct Place {
    column: usize,
    top: usize,
    column_width: usize,
}

/// By which whole factor a plane is enlarged, or reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zoom {
    Enlarge(usize),
    Reduce(usize),
}

fn zoom(plane: &Plane, panel_size: usize) -> Zoom {
    let side = plane.height().max(plane.width());
    if side > 2 * panel_size {
        Zoom::Reduce(side.div_ceil(2 * panel_size))
    } else {
        Zoom::Enlarge((panel_size / side).max(1))
    }
}

/// Height and width of a plane on paper.
fn drawn_size(plane: &Plane, panel_size: usize) -> (usize, usize) {
    match zoom(plane, panel_size) {
        Zoom::Enlarge(factor) => (plane.height() * factor, plane.width() * factor),
        Zoom::Reduce(factor) => (plane.height().div_ceil(factor), plane.width().div_ceil(factor)),
    }
}

/// The value that a pixel shows. A NaN in a block makes its mean one, so that it is seen.
fn shown(plane: &Plane, zoom: Zoom, y: usize, x: usize) -> f32 {
    match zoom {
        Zoom::Enlarge(factor) => plane.at(y / factor, x / factor),
        Zoom::Reduce(factor) => {
            let rows = y * factor..((y + 1) * factor).min(plane.height());
            let columns = x * factor..((x + 1) * factor).min(plane.width());
            let count = rows.len() * columns.len();
            let sum: f64 = rows.flat_map(|y| columns.clone().map(move |x| f64::from(plane.at(y, x)))).sum();
            (sum / count as f64) as f32
        }
    }
}

fn draw_panel(
    canvas: &mut Canvas<'_>,
    fonts: &Fonts,
    panel: &Panel<'_>,
    place: Place,
    panel_size: usize,
) -> Result<()> {
    let (low, high) = panel.ends()?;
    let zoom = zoom(panel.plane, panel_size);
    let (height, width) = drawn_size(panel.plane, panel_size);
    let left = place.column + (place.column_width - width) / 2;
    let middle = place.column as f32 + 0.5 * place.column_width as f32;

    let title = fonts.fit(&panel.title, TITLE.weight, TITLE.size, (place.column_width + GAP - 6) as f32);
    canvas.text(&title, middle, place.top as f32 - 8.0, TITLE.middle());

    framed(canvas, [left, place.top, width, height], |y, x| {
        if let Some([green, blue]) = panel.colours {
            let value = |plane| (255.0 * shown(plane, zoom, y, x).clamp(0.0, 1.0)).round() as u8;
            return [panel.plane, green, blue].map(value);
        }
        // In f64, where the difference of two finite f32 cannot overflow.
        let (value, low, high) = (shown(panel.plane, zoom, y, x), f64::from(low), f64::from(high));
        panel.map.rgb(((f64::from(value) - low) / (high - low)) as f32)
    });
    if !panel.bar {
        return Ok(());
    }
    // The bar spans the column, so that its labels have room also under a narrow plane.
    let (x, y) = (place.column, place.top + height + BAR_GAP);
    let steps = (place.column_width.max(2) - 1) as f32;
    framed(canvas, [x, y, place.column_width, BAR_HEIGHT], |_, x| panel.map.rgb(x as f32 / steps));

    let beyond = panel.extent().unwrap_or((low, high));
    let low_label = format!("{}{}", if beyond.0 < low { "≤ " } else { "" }, number(f64::from(low)));
    let high_label = format!("{}{}", if beyond.1 > high { "≥ " } else { "" }, number(f64::from(high)));
    let baseline = (y + BAR_HEIGHT) as f32 + 14.0;
    let right = (place.column + place.column_width) as f32;
    canvas.text(&low_label, x as f32, baseline, BAR_LABEL);
    canvas.text(&high_label, right, baseline, BAR_LABEL.end());
    // The unit stands in the middle, in what room the longer label leaves on either side.
    let label_width = |text: &str| fonts.width(text, BAR_LABEL.weight, BAR_LABEL.size);
    let room = place.column_width as f32 - 2.0 * label_width(&low_label).max(label_width(&high_label)) - 12.0;
    // A unit cut short says nothing: it stands whole or not at all.
    if label_width(&panel.unit) <= room {
        canvas.text(&panel.unit, middle, baseline, BAR_LABEL.middle());
    }
    Ok(())
}

/// A rectangle (x, y, width, height) of pixels `color(row, column)` with a thin frame just outside it.
fn framed(canvas: &mut Canvas<'_>, [left, top, width, height]: [usize; 4], color: impl Fn(usize, usize) -> [u8; 3]) {
    canvas.rect([left as f32 - 1.0, top as f32 - 1.0, width as f32 + 2.0, height as f32 + 2.0], FRAME);
    for y in 0..height {
        for x in 0..width {
            canvas.pixel(left + x, top + y, color(y, x));
        }
    }
}

/// The value below which 99 % of all maps' values lie, an end for [`Panel::range`], so that single pixels do not darken the rest.
pub fn nearly_highest<'a>(maps: impl IntoIterator<Item = &'a Plane>) -> f32 {
    let mut all: Vec<f32> = maps.into_iter().flat_map(Plane::values).copied().collect();
    all.sort_unstable_by(f32::total_cmp);
    all[(all.len() - 1) * 99 / 100].max(1e-3)
}

#[cfg(test)]
mod tests;
