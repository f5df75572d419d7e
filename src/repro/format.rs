//! How numbers are written, in tables and in sentences.

use serde::Serialize;

/// How a number, or a column of them, is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// With this many digits after the point.
    Digits(usize),
    /// With this many, and a sign.
    Signed(usize),
    /// As a probability: "0.013", "< 0.001".
    P,
}

impl Format {
    /// The number in this format.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Digits(digits) => format!("{value:.digits$}").replace('-', "−"),
            Self::Signed(digits) => format!("{value:+.digits$}").replace('-', "−"),
            Self::P if value < 0.001 => "< 0.001".into(),
            Self::P => format!("{value:.3}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_their_column_says() {
        assert_eq!(Format::Digits(3).text(0.12345), "0.123");
        assert_eq!((Format::Signed(2).text(-0.5), Format::Signed(2).text(0.5)), ("−0.50".into(), "+0.50".into()));
        assert_eq!((Format::P.text(0.0004), Format::P.text(0.0481)), ("< 0.001".into(), "0.048".into()));
    }
}
