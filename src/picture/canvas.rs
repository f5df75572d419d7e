//! A white sheet to draw on: rectangles, lines, areas, text. Coordinates are pixels, y downwards.

use image::RgbImage;
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Mask, Paint, Path, PathBuilder, Pixmap, PremultipliedColorU8, Rect, Stroke,
    StrokeDash, Transform,
};

use super::font::{Fonts, Weight};
use crate::{Error, Result};

/// The longest side of a picture, in pixels: larger ones are a mistake in a size, not a picture for people.
const MAX_SIDE: usize = 16384;

/// A colour with its opacity in `0 ..= 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ink {
    pub rgb: [u8; 3],
    pub opacity: f32,
}

impl Ink {
    /// Titles and labels.
    pub const TEXT: Self = Self::gray(30);
    /// Tick labels, units.
    pub const SOFT: Self = Self::gray(95);

    pub const fn gray(level: u8) -> Self {
        Self::rgb([level; 3])
    }

    pub const fn rgb(rgb: [u8; 3]) -> Self {
        Self { rgb, opacity: 1.0 }
    }

    pub const fn with_opacity(self, opacity: f32) -> Self {
        Self { opacity, ..self }
    }

    fn paint(self) -> Paint<'static> {
        let [r, g, b] = self.rgb;
        let mut paint = Paint::default();
        paint.set_color_rgba8(r, g, b, (self.opacity * 255.0).round() as u8);
        paint
    }
}

/// Which point of a text its position names, along the line it is written on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextStyle {
    /// Pixels an em.
    pub size: f32,
    pub weight: Weight,
    pub ink: Ink,
    pub anchor: Anchor,
    /// Written from bottom to top.
    pub upright: bool,
}

impl TextStyle {
    pub const fn new(size: f32) -> Self {
        Self { size, weight: Weight::Regular, ink: Ink::TEXT, anchor: Anchor::Start, upright: false }
    }
    pub const fn bold(self) -> Self {
        Self { weight: Weight::Bold, ..self }
    }
    pub const fn soft(self) -> Self {
        Self { ink: Ink::SOFT, ..self }
    }
    pub const fn middle(self) -> Self {
        Self { anchor: Anchor::Middle, ..self }
    }
    pub const fn end(self) -> Self {
        Self { anchor: Anchor::End, ..self }
    }
    pub const fn upright(self) -> Self {
        Self { upright: true, ..self }
    }
}

/// A sheet of `width × height` pixels, and the fonts to write on it.
pub(super) struct Canvas<'f> {
    pixmap: Pixmap,
    clip: Option<Mask>,
    fonts: &'f Fonts,
}

impl<'f> Canvas<'f> {
    /// A white sheet.
    ///
    /// # Errors
    /// [`Error::Input`] if a side is zero or longer than [`MAX_SIDE`].
    pub fn new(width: usize, height: usize, fonts: &'f Fonts) -> Result<Self> {
        let pixmap = (width <= MAX_SIDE && height <= MAX_SIDE).then(|| Pixmap::new(width as u32, height as u32));
        let mut pixmap = pixmap.flatten().ok_or_else(|| {
            Error::input(format!(
                "a picture of {width} × {height} pixels cannot be drawn: each side must lie between 1 and {MAX_SIDE}; \
                 show fewer or smaller panels"
            ))
        })?;
        pixmap.fill(Color::WHITE);
        Ok(Self { pixmap, clip: None, fonts })
    }

    /// Everything drawn from now on stays inside this rectangle; `None` lifts it.
    pub fn clip(&mut self, rect: Option<[f32; 4]>) {
        self.clip = rect.and_then(|[x, y, width, height]| {
            let mut mask = Mask::new(self.pixmap.width(), self.pixmap.height())?;
            let path = PathBuilder::from_rect(Rect::from_xywh(x, y, width, height)?);
            mask.fill_path(&path, FillRule::Winding, true, Transform::identity());
            Some(mask)
        });
    }

    /// Fills a rectangle. Empty ones leave nothing.
    pub fn rect(&mut self, [x, y, width, height]: [f32; 4], ink: Ink) {
        if let Some(rect) = Rect::from_xywh(x, y, width, height) {
            self.pixmap.fill_rect(rect, &ink.paint(), Transform::identity(), self.clip.as_ref());
        }
    }

    /// Sets one pixel, whatever is beneath; outside the sheet nothing happens.
    pub fn pixel(&mut self, x: usize, y: usize, [r, g, b]: [u8; 3]) {
        let (width, height) = (self.pixmap.width() as usize, self.pixmap.height() as usize);
        if let (true, Some(color)) = (x < width && y < height, PremultipliedColorU8::from_rgba(r, g, b, 255)) {
            self.pixmap.pixels_mut()[y * width + x] = color;
        }
    }

    /// A line through `points`; a single point becomes a dot. `dash` is the length of dashes, if any.
    pub fn polyline(&mut self, points: &[(f32, f32)], width: f32, dash: Option<f32>, ink: Ink) {
        if let [(x, y)] = *points {
            if let Some(dot) = PathBuilder::from_circle(x, y, 1.5 * width) {
                self.fill(&dot, ink);
            }
            return;
        }
        let Some(path) = through(points, false) else { return };
        let stroke = Stroke {
            width,
            line_cap: LineCap::Butt,
            line_join: LineJoin::Round,
            dash: dash.and_then(|length| StrokeDash::new(vec![length, 0.6 * length], 0.0)),
            ..Stroke::default()
        };
        self.pixmap.stroke_path(&path, &ink.paint(), &stroke, Transform::identity(), self.clip.as_ref());
    }

    /// Fills the area that `points` enclose.
    pub fn area(&mut self, points: &[(f32, f32)], ink: Ink) {
        if let Some(path) = through(points, true) {
            self.fill(&path, ink);
        }
    }

    /// Writes `text` with its anchor on the baseline at (`x`, `y`).
    pub fn text(&mut self, text: &str, x: f32, y: f32, style: TextStyle) {
        let Some(outline) = self.fonts.outline(text, style.weight, style.size) else { return };
        let width = self.fonts.width(text, style.weight, style.size);
        let shift = match style.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -0.5 * width,
            Anchor::End => -width,
        };
        let turn = if style.upright { -90.0 } else { 0.0 };
        let transform = Transform::from_translate(shift, 0.0).post_rotate(turn).post_translate(x, y);
        if let Some(path) = outline.transform(transform) {
            self.fill(&path, style.ink);
        }
    }

    fn fill(&mut self, path: &Path, ink: Ink) {
        self.pixmap.fill_path(path, &ink.paint(), FillRule::Winding, Transform::identity(), self.clip.as_ref());
    }

    /// The finished picture.
    pub fn into_rgb(self) -> RgbImage {
        // The sheet is opaque white to begin with and stays opaque, so premultiplied colours are the colours.
        let pixels = self.pixmap.pixels();
        let width = self.pixmap.width();
        RgbImage::from_fn(width, self.pixmap.height(), |x, y| {
            let p = pixels[(y * width + x) as usize];
            image::Rgb([p.red(), p.green(), p.blue()])
        })
    }
}

/// The path through `points`, if there are enough of them.
fn through(points: &[(f32, f32)], close: bool) -> Option<Path> {
    let (&(x, y), rest) = points.split_first()?;
    let mut path = PathBuilder::new();
    path.move_to(x, y);
    for &(x, y) in rest {
        path.line_to(x, y);
    }
    if close {
        path.close();
    }
    path.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Ink = Ink::rgb([255, 0, 0]);

    #[test]
    fn refuses_sizes_that_cannot_be() {
        let fonts = Fonts::load().unwrap();
        for (width, height) in [(0, 10), (10, 0), (MAX_SIDE + 1, 1)] {
            assert!(matches!(Canvas::new(width, height, &fonts), Err(Error::Input(_))), "{width} × {height}");
        }
    }

    #[test]
    fn shapes_cover_their_pixels_and_no_others() {
        let fonts = Fonts::load().unwrap();
        let mut canvas = Canvas::new(20, 10, &fonts).unwrap();
        canvas.rect([2.0, 3.0, 4.0, 2.0], RED);
        canvas.polyline(&[(10.0, 0.0), (10.0, 10.0)], 2.0, None, Ink::gray(0).with_opacity(0.5));
        canvas.pixel(19, 9, [1, 2, 3]);
        canvas.pixel(20, 9, [9, 9, 9]);
        let image = canvas.into_rgb();
        assert_eq!(image.pixels().filter(|p| p.0 == [255, 0, 0]).count(), 8);
        assert_eq!((image.get_pixel(2, 3).0, image.get_pixel(6, 3).0), ([255, 0, 0], [255; 3]));
        assert!(image.get_pixel(9, 5).0[0].abs_diff(127) <= 1 && image.get_pixel(11, 5).0 == [255; 3]);
        assert_eq!(image.get_pixel(19, 9).0, [1, 2, 3]);
    }

    #[test]
    fn a_clip_holds_until_lifted() {
        let fonts = Fonts::load().unwrap();
        let mut canvas = Canvas::new(10, 10, &fonts).unwrap();
        canvas.clip(Some([0.0, 0.0, 5.0, 10.0]));
        canvas.rect([0.0, 0.0, 10.0, 5.0], RED);
        canvas.clip(None);
        canvas.rect([0.0, 5.0, 10.0, 5.0], RED);
        assert_eq!(canvas.into_rgb().pixels().filter(|p| p.0 == [255, 0, 0]).count(), 75);
    }

    /// Bounding box of everything that is not white: left, top, right, bottom.
    fn ink_box(image: &RgbImage) -> [u32; 4] {
        let dark = image.enumerate_pixels().filter(|(_, _, p)| p.0 != [255; 3]);
        dark.fold([u32::MAX, u32::MAX, 0, 0], |b, (x, y, _)| [b[0].min(x), b[1].min(y), b[2].max(x), b[3].max(y)])
    }

    #[test]
    fn text_lies_where_its_anchor_says() {
        let fonts = Fonts::load().unwrap();
        let draw = |style| {
            let mut canvas = Canvas::new(200, 200, &fonts).unwrap();
            canvas.text("HHHHHH", 100.0, 100.0, style);
            ink_box(&canvas.into_rgb())
        };
        let [left, _, right, bottom] = draw(TextStyle::new(16.0));
        assert!((100..104).contains(&left) && right > 150 && bottom == 99, "start: {left} {right} {bottom}");
        let [left, _, right, _] = draw(TextStyle::new(16.0).middle());
        assert!((100 - left).abs_diff(right - 100) <= 2, "middle: {left} {right}");
        let [_, _, right, _] = draw(TextStyle::new(16.0).end());
        assert!((96..100).contains(&right), "end: {right}");
        let [left, top, right, bottom] = draw(TextStyle::new(16.0).upright());
        assert!(right == 99 && bottom < 100 && top < 50 && left > 80, "upright: {left} {top} {right} {bottom}");
    }
}
