//! Text as outlines of the embedded font.

use tiny_skia::{Path, PathBuilder, Transform};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

use crate::{Error, Result};

/// Regular for labels, bold for titles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// DejaVu Sans in two weights. It has Greek letters, superscripts and the mathematical signs that labels use.
pub(super) struct Fonts {
    regular: Face<'static>,
    bold: Face<'static>,
}

impl Fonts {
    /// Reads the tables of the embedded fonts; outlines are read when drawn.
    pub fn load() -> Result<Self> {
        let parse = |bytes| {
            Face::parse(bytes, 0)
                .map_err(|e| Error::file("DejaVuSans.ttf (embedded)", format!("the font cannot be read: {e}")))
        };
        Ok(Self { regular: parse(dejavu::sans::regular())?, bold: parse(dejavu::sans::bold())? })
    }

    fn face(&self, weight: Weight) -> &Face<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }

    /// Width of `text` in pixels at `size` pixels an em.
    pub fn width(&self, text: &str, weight: Weight, size: f32) -> f32 {
        let face = self.face(weight);
        let scale = size / f32::from(face.units_per_em());
        place(face, text).last().map_or(0.0, |(glyph, x)| (x + advance(face, glyph)) * scale)
    }

    /// The outline of `text`, in pixels, starting at (0, 0) on the baseline with y downwards; `None` if nothing of it
    /// leaves ink.
    pub fn outline(&self, text: &str, weight: Weight, size: f32) -> Option<Path> {
        let face = self.face(weight);
        let mut outline = Outline { path: PathBuilder::new(), x: 0.0 };
        for (glyph, x) in place(face, text) {
            outline.x = x;
            // A space has no outline, which is no error.
            let _ = face.outline_glyph(glyph, &mut outline);
        }
        let scale = size / f32::from(face.units_per_em());
        outline.path.finish()?.transform(Transform::from_scale(scale, -scale))
    }

    /// `text`, cut and ended with “…” where it is wider than `limit` pixels.
    pub fn fit(&self, text: &str, weight: Weight, size: f32, limit: f32) -> String {
        if self.width(text, weight, size) <= limit {
            return text.to_owned();
        }
        let mut short: Vec<char> = text.chars().collect();
        while short.pop().is_some() {
            let candidate = short.iter().collect::<String>().trim_end().to_owned() + "…";
            if self.width(&candidate, weight, size) <= limit {
                return candidate;
            }
        }
        String::new()
    }
}

/// Every glyph of `text` with the x (font units) at which it starts, kerned.
fn place<'a>(face: &'a Face<'static>, text: &'a str) -> impl Iterator<Item = (GlyphId, f32)> + 'a {
    let mut x = 0.0;
    let mut previous: Option<GlyphId> = None;
    text.chars().map(move |c| {
        // Glyph 0 is the font's own box for letters it lacks.
        let glyph = face.glyph_index(c).unwrap_or(GlyphId(0));
        if let Some(previous) = previous {
            x += advance(face, previous) + kerning(face, previous, glyph);
        }
        previous = Some(glyph);
        (glyph, x)
    })
}

fn advance(face: &Face<'_>, glyph: GlyphId) -> f32 {
    f32::from(face.glyph_hor_advance(glyph).unwrap_or(0))
}

fn kerning(face: &Face<'_>, left: GlyphId, right: GlyphId) -> f32 {
    let tables = face.tables().kern.into_iter().flat_map(|kern| kern.subtables);
    tables
        .filter(|table| table.horizontal && !table.variable)
        .find_map(|table| table.glyphs_kerning(left, right))
        .map_or(0.0, f32::from)
}

/// Collects the outline of one glyph after another, in font units with y upwards.
struct Outline {
    path: PathBuilder,
    x: f32,
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.x + x, y);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.x + x, y);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.path.quad_to(self.x + x1, y1, self.x + x, y);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.path.cubic_to(self.x + x1, y1, self.x + x2, y2, self.x + x, y);
    }
    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_every_sign_that_labels_use() {
        let fonts = Fonts::load().unwrap();
        for c in "γβσμρτλαεΔφ−×·≤≥…²³⁰¹⁴⁵⁶⁷⁸⁹⁻₀₁₂µ∂∇∞%°√½".chars()
        {
            assert!(fonts.regular.glyph_index(c).is_some() && fonts.bold.glyph_index(c).is_some(), "no glyph for {c}");
        }
    }

    #[test]
    fn widths_scale_and_kern() {
        let fonts = Fonts::load().unwrap();
        let width = |text, size| fonts.width(text, Weight::Regular, size);
        assert_eq!(width("", 10.0), 0.0);
        assert!((width("loss", 20.0) - 2.0 * width("loss", 10.0)).abs() < 1e-3);
        assert!(width("AV", 100.0) < width("A", 100.0) + width("V", 100.0) - 1.0, "AV is kerned");
        assert!(fonts.width("loss", Weight::Bold, 20.0) > width("loss", 20.0));
    }

    #[test]
    fn outline_stands_on_the_baseline_within_its_width() {
        let fonts = Fonts::load().unwrap();
        let bounds = fonts.outline("HIH", Weight::Regular, 50.0).unwrap().bounds();
        // The cap height of DejaVu Sans is 1493 of 2048 units.
        assert!(bounds.bottom().abs() < 0.01 && (bounds.top() + 50.0 * 1493.0 / 2048.0).abs() < 0.1, "{bounds:?}");
        assert!(bounds.left() > 0.0 && bounds.right() < fonts.width("HIH", Weight::Regular, 50.0), "{bounds:?}");
        assert!(fonts.outline("  ", Weight::Regular, 50.0).is_none());
    }

    #[test]
    fn long_text_is_cut_to_fit() {
        let fonts = Fonts::load().unwrap();
        let cut = fonts.fit("a very long title indeed", Weight::Bold, 14.0, 80.0);
        assert!(cut.starts_with("a very") && cut.ends_with('…'), "{cut}");
        assert!(fonts.width(&cut, Weight::Bold, 14.0) <= 80.0);
        assert_eq!(fonts.fit("short", Weight::Bold, 14.0, 80.0), "short");
        assert_eq!(fonts.fit("short", Weight::Bold, 14.0, 1.0), "");
    }
}
