//! Pictures of answers in microscopy and super-resolution.

use super::cases::ImageCases;
use super::model::ImageMethod;
use crate::Result;
use crate::data::Plane;
use crate::picture::{Colormap, Montage, Panel, nearly_highest};
use crate::repro::Session;
use crate::repro::evaluation::Evaluated;
use crate::repro::method::Method;
use crate::repro::report::Figure;
use crate::repro::table::Scored;

/// Pixels of a panel's side at most.
const PANEL: usize = 260;

/// The planes that were kept of an image: mean, deviation, rate and `∫β dt`, each a plane a channel.
fn kept<S>(evaluated: &Evaluated<S>, image: usize) -> Result<[Vec<Plane>; 4]> {
    let planes = evaluated.planes(image)?;
    let channels = planes.len() / 4;
    Ok(std::array::from_fn(|i| planes[i * channels..(i + 1) * channels].to_vec()))
}

/// An image in [0, 1], in colour if it has three channels.
fn shown<'a>(title: &str, planes: &'a [Plane]) -> Panel<'a> {
    match planes {
        [red, green, blue] => Panel::colour(title, [red, green, blue]),
        _ => Panel::new(title, &planes[0]).range(0.0, 1.0),
    }
}

/// `|a − b|`, the mean over channels.
fn error(a: &[Plane], b: &[Plane]) -> Plane {
    let of = |(a, b): (&Plane, &Plane)| Plane::from_fn(a.height(), a.width(), |y, x| (a.at(y, x) - b.at(y, x)).abs());
    Plane::mean_of(&a.iter().zip(b).map(of).collect::<Vec<_>>())
}

fn heat<'a>(title: &str, plane: &'a Plane) -> Panel<'a> {
    Panel::new(title, plane).map(Colormap::Magma)
}

/// What a diffusion model says of an image, and how wrong that is.
pub struct Maps {
    /// Mean of the samples, a plane a channel.
    pub mean: Vec<Plane>,
    /// Their standard deviation, the mean over channels.
    pub std: Plane,
    /// `|mean − truth|`, likewise.
    pub error: Plane,
    /// `∫β dt`, likewise.
    pub integral: Plane,
}

impl Maps {
    /// Those that were kept of an image.
    ///
    /// # Errors
    /// [`crate::Error::File`] if they cannot be read.
    pub fn of<S>(evaluated: &Evaluated<S>, image: usize, truth: &[Plane]) -> Result<Self> {
        let [mean, std, _, integral] = kept(evaluated, image)?;
        Ok(Self { std: Plane::mean_of(&std), error: error(&mean, truth), integral: Plane::mean_of(&integral), mean })
    }
}

/// What stands beside a row: specimens are called by their structure, photographs by their file.
fn row_label(cases: &ImageCases, image: usize) -> String {
    if cases.pixel_um.is_some() { cases.name.clone() } else { cases.all[image].name.clone() }
}

/// Answers to images of several kinds: a row of answers and a row of their errors for each image.
pub struct Answers<'a> {
    /// The images, which of them, and every method's scores on them.
    pub rows: Vec<(&'a ImageCases, usize, &'a [Scored<ImageMethod>])>,
    /// File below the report's folder.
    pub file: &'a str,
    /// Title.
    pub title: &'a str,
    /// The paper's figure.
    pub source: &'a str,
}

impl Answers<'_> {
    /// Draws them.
    ///
    /// # Errors
    /// [`crate::Error::File`] if maps cannot be read or the picture not be written.
    pub fn figure(self, session: &Session) -> Result<Figure> {
        struct Row {
            name: String,
            measured: Vec<Plane>,
            truth: Vec<Plane>,
            answers: Vec<(String, Vec<Plane>, Plane)>,
        }
        let mut rows = Vec::new();
        for (cases, image, scored) in &self.rows {
            let case = &cases.all[*image];
            let mut answers = Vec::new();
            for s in scored.iter() {
                let [mean, ..] = kept(&s.seeds[0], *image)?;
                let error = error(&mean, &case.truth);
                answers.push((s.method.name(), mean, error));
            }
            let (measured, truth) = (case.coarse.clone(), case.truth.clone());
            rows.push(Row { name: row_label(cases, *image), measured, truth, answers });
        }
        let mut montage = Montage::new().panel_size(PANEL);
        for Row { name, measured, truth, answers } in &rows {
            let high = nearly_highest(answers.iter().map(|(.., error)| error));
            let mut above = vec![shown("measured", measured)];
            above.extend(answers.iter().map(|(name, answer, _)| shown(name, answer)));
            let mut below = vec![shown("truth", truth)];
            let heat = |error| Panel::new("|error|", error).map(Colormap::Magma).range(0.0, high);
            below.extend(answers.iter().map(|(.., error)| heat(error)));
            montage = montage.row(name.clone(), above).row("", below);
        }
        montage.write_png(session.out.join(self.file))?;
        Ok(Figure {
            title: self.title.into(),
            caption: format!(
                "{}. Above: what was measured, and each method's answer; below: the truth, and each answer's absolute error on one \
                 scale an image, which ends where 99 % of the values lie.",
                self.source
            ),
            file: self.file.into(),
        })
    }
}

/// What the diffusion model knows about its own answers: mean, deviation, error and `∫β dt`, a row an image.
///
/// # Errors
/// As [`Answers::figure`].
pub fn maps(
    session: &Session,
    file: &str,
    source: &str,
    rows: &[(&ImageCases, usize, &Scored<ImageMethod>)],
) -> Result<Figure> {
    let mut drawn = Vec::new();
    for (cases, image, scored) in rows {
        let truth = &cases.all[*image].truth;
        drawn.push((row_label(cases, *image), truth, Maps::of(&scored.seeds[0], *image, truth)?));
    }
    let mut montage = Montage::new().panel_size(PANEL);
    for (name, truth, Maps { mean, std, error, integral }) in &drawn {
        let high = nearly_highest([std, error]);
        let heat = |title: &str, plane| heat(title, plane).range(0.0, high);
        montage = montage.row(
            name.clone(),
            vec![
                shown("truth", truth),
                shown("mean of the samples", mean),
                heat("standard deviation", std),
                heat("|mean − truth|", error),
                self::heat("∫β dt", integral),
            ],
        );
    }
    montage.write_png(session.out.join(file))?;
    Ok(Figure {
        title: "Mean, deviation, error and schedule".into(),
        caption: format!(
            "{source}. By CVDM; deviation and error share a scale, which ends where 99 % of their values lie."
        ),
        file: file.into(),
    })
}

/// Figure 16: single samples of the first image, the place where they differ most enlarged, their errors, variance and schedule.
///
/// # Errors
/// As [`Answers::figure`].
pub fn samples_figure<S>(
    session: &Session,
    file: &str,
    cases: &ImageCases,
    evaluated: &Evaluated<S>,
) -> Result<Figure> {
    let case = &cases.all[0];
    let Maps { std, integral, .. } = Maps::of(evaluated, 0, &case.truth)?;
    let samples: Vec<Vec<Plane>> = evaluated.samples(0)?.chunks(case.truth.len()).map(<[Plane]>::to_vec).collect();
    let errors: Vec<Plane> = samples.iter().map(|sample| error(sample, &case.truth)).collect();
    let variance = std.map(|v| v * v);
    let (side, [top, left]) = busiest(&variance);
    let enlarge =
        |planes: &[Plane]| -> Result<Vec<Plane>> { planes.iter().map(|p| p.crop(top, left, side, side)).collect() };
    let true_part = enlarge(&case.truth)?;
    let parts = samples.iter().map(|sample| enlarge(sample)).collect::<Result<Vec<_>>>()?;
    let (high, most) = (nearly_highest(&errors), nearly_highest([&variance]));
    let numbered = |(i, sample)| shown(&format!("sample {}", i + 1), sample);
    Montage::new()
        .panel_size(PANEL)
        .row(
            "",
            vec![
                shown("measured", &case.coarse),
                shown("truth", &case.truth),
                shown("truth, enlarged", &true_part),
                heat("variance", &variance).range(0.0, most),
                heat("∫β dt", &integral),
            ],
        )
        .row("", samples.iter().map(Vec::as_slice).enumerate().map(numbered).collect::<Vec<_>>())
        .row("enlarged", parts.iter().map(|planes| shown("", planes)).collect::<Vec<_>>())
        .row("", errors.iter().map(|e| heat("|sample − truth|", e).range(0.0, high)).collect::<Vec<_>>())
        .write_png(session.out.join(file))?;
    Ok(Figure {
        title: format!("Samples of {} and their errors (figure 16)", cases.name),
        caption: format!(
            "The first test image, by CVDM. Variance over these {} samples; enlarged is the square of {side}² pixels in which it is \
             largest, from row {top} and column {left} on.",
            samples.len()
        ),
        file: file.into(),
    })
}

/// The side of a square, a quarter of the map's, and the corner where its mean is largest, in steps of half a side.
fn busiest(map: &Plane) -> (usize, [usize; 2]) {
    let side = (map.height().min(map.width()) / 4).max(1);
    let sum = |[top, left]: [usize; 2]| -> f64 {
        let rows = (top..top + side).flat_map(|y| (left..left + side).map(move |x| (y, x)));
        rows.map(|(y, x)| f64::from(map.at(y, x))).sum()
    };
    let step = (side / 2).max(1);
    let starts = |length: usize| (0..=length - side).step_by(step);
    let corners = starts(map.height()).flat_map(|top| starts(map.width()).map(move |left| [top, left]));
    let best = corners.max_by(|&a, &b| sum(a).total_cmp(&sum(b)));
    (side, best.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_square_holds_what_stands_out() {
        let spot = Plane::from_fn(32, 64, |y, x| if (8..12).contains(&y) && (40..44).contains(&x) { 1.0 } else { 0.1 });
        let (side, [top, left]) = busiest(&spot);
        assert_eq!(side, 8);
        assert!((4..=8).contains(&top) && (36..=40).contains(&left), "{top}, {left}");
    }
}
