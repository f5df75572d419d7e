//! Colour maps: a number between 0 and 1 becomes a colour.

/// How numbers become colours. All maps are those of common plotting libraries, so that pictures compare at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Colormap {
    /// Black to white, linear in the 8-bit value: the usual choice for measurements and reconstructions.
    #[default]
    Gray,
    /// Dark violet over green to yellow; perceptually uniform and readable with colour blindness.
    Viridis,
    /// Black over purple to pale yellow; perceptually uniform, for quantities that start at zero such as a deviation.
    Magma,
    /// Blue over white to red (ColorBrewer RdBu reversed), for signed errors: white is ½, so give it a symmetric range.
    Diverging,
}

impl Colormap {
    /// The colour of values that are not numbers. No map comes near it.
    pub const MISSING: [u8; 3] = [255, 0, 255];

    /// The colour (8-bit sRGB) of `value` in `0 ..= 1`. Values beyond, infinities included, take the colour of the end
    /// they pass; NaN gives [`Colormap::MISSING`].
    pub fn rgb(self, value: f32) -> [u8; 3] {
        if value.is_nan() {
            return Self::MISSING;
        }
        let value = f64::from(value.clamp(0.0, 1.0));
        let color = match self {
            Self::Gray => {
                // A float-to-integer cast saturates, so this never wraps.
                let level = (value * 255.0).round() as u8;
                return [level; 3];
            }
            Self::Viridis => colorous::VIRIDIS.eval_continuous(value),
            Self::Magma => colorous::MAGMA.eval_continuous(value),
            Self::Diverging => colorous::RED_BLUE.eval_continuous(1.0 - value),
        };
        color.as_array()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Colormap; 4] = [Colormap::Gray, Colormap::Viridis, Colormap::Magma, Colormap::Diverging];

    /// Rec. 709 luma of the 8-bit values: enough to order colours by brightness.
    fn luma([r, g, b]: [u8; 3]) -> f32 {
        0.2126 * f32::from(r) + 0.7152 * f32::from(g) + 0.0722 * f32::from(b)
    }

    #[test]
    fn known_colours() {
        assert_eq!([0.0, 0.5, 1.0].map(|v| Colormap::Gray.rgb(v)[0]), [0, 128, 255]);
        assert_eq!(Colormap::Viridis.rgb(0.0), [68, 1, 84]);
        assert_eq!(Colormap::Viridis.rgb(1.0), [253, 231, 37]);
        assert_eq!(Colormap::Magma.rgb(0.0), [0, 0, 4]);
        let [low, middle, high] = [0.0, 0.5, 1.0].map(|v| Colormap::Diverging.rgb(v));
        assert!(low[2] > low[0] + 60, "low is blue: {low:?}");
        assert!(high[0] > high[2] + 60, "high is red: {high:?}");
        assert!(middle.iter().all(|&c| c > 230), "the middle is nearly white: {middle:?}");
    }

    #[test]
    fn ends_clamp() {
        for map in ALL {
            for low in [-0.1, -1e30, f32::NEG_INFINITY] {
                assert_eq!(map.rgb(low), map.rgb(0.0), "{map:?} at {low}");
            }
            for high in [1.1, 1e30, f32::INFINITY] {
                assert_eq!(map.rgb(high), map.rgb(1.0), "{map:?} at {high}");
            }
        }
    }

    #[test]
    fn sequential_maps_only_brighten() {
        for map in [Colormap::Gray, Colormap::Viridis, Colormap::Magma] {
            let lumas: Vec<f32> = (0..=64).map(|i| luma(map.rgb(i as f32 / 64.0))).collect();
            assert!(lumas.is_sorted() && lumas[64] > lumas[0] + 150.0, "{map:?}: {lumas:?}");
        }
    }

    #[test]
    fn missing_is_far_from_every_colour() {
        for map in ALL {
            assert_eq!(map.rgb(f32::NAN), Colormap::MISSING);
            for i in 0..=256 {
                let color = map.rgb(i as f32 / 256.0);
                let squared: i32 =
                    color.iter().zip(Colormap::MISSING).map(|(&a, b)| (i32::from(a) - i32::from(b)).pow(2)).sum();
                assert!(squared > 100 * 100, "{map:?} comes near the colour of NaN: {color:?}");
            }
        }
    }
}
