//! What a reproduction says, as data: everything that the page shows, and the numbers behind its figures' captions.

use serde::Serialize;

use super::claims::Claim;
pub use super::format::Format;
use super::part::Record;

/// A whole report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What was reproduced.
    pub title: String,
    /// The scale's name.
    pub scale: String,
    /// Tables and figures by subject.
    pub sections: Vec<Section>,
    /// What differs from the paper, by task.
    pub departures: Vec<Departures>,
    /// Where the numbers come from.
    pub provenance: Provenance,
    /// The training configuration of each model, by name, as TOML.
    pub configurations: Vec<(String, String)>,
    /// The parts that were used.
    pub parts: Vec<Record>,
}

/// One subject of the paper.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Section {
    /// Its name on the command line.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What it repeats.
    pub source: String,
    /// What was done, in sentences.
    pub introduction: String,
    /// Training seeds.
    pub seeds: Vec<u64>,
    /// The paper's claims and what became of them.
    pub claims: Vec<Claim>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Figures.
    pub figures: Vec<Figure>,
    /// What a reader has to know to judge them.
    pub notes: Vec<String>,
}

/// How a task's run differs from the paper's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Departures {
    /// The task.
    pub task: String,
    /// Every setting: the paper's, and the one that was used.
    pub settings: Vec<Setting>,
    /// What else there is to know, and why it differs.
    pub notes: Vec<String>,
}

/// A setting of the paper and of this run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// What is set.
    pub name: String,
    /// The paper's value.
    pub paper: String,
    /// The value used.
    pub here: String,
}

/// Where the numbers come from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Provenance {
    /// Version of this crate.
    pub version: String,
    /// Commit that the program was built from.
    pub commit: String,
    /// The adapter.
    pub adapter: String,
    /// Its kind and interface.
    pub interface: String,
    /// Its driver.
    pub driver: String,
    /// The data.
    pub data: String,
    /// Seconds that all parts took.
    pub seconds: f64,
}

/// Which values of a column are the better ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Small ones.
    Lower,
    /// Large ones.
    Higher,
    /// None: the column only informs.
    Neither,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// What it holds.
    pub name: String,
    /// Its unit; may be empty.
    pub unit: String,
    /// How its numbers are written.
    pub format: Format,
    /// Which values are better.
    pub better: Better,
}

impl Column {
    /// A column without a unit.
    pub fn new(name: &str, format: Format, better: Better) -> Self {
        Self { name: name.into(), unit: String::new(), format, better }
    }

    /// The same with a unit.
    pub fn unit(mut self, unit: &str) -> Self {
        self.unit = unit.into();
        self
    }
}

/// A number of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Cell {
    /// Ours; none where there is nothing to say.
    pub value: Option<f64>,
    /// Standard deviation over the training seeds, if there are several.
    pub spread: Option<f64>,
    /// The paper's.
    pub paper: Option<f64>,
}

impl Cell {
    /// A number that the paper does not give.
    pub fn of(value: f64) -> Self {
        Self { value: Some(value).filter(|v| v.is_finite()), ..Self::default() }
    }

    /// A number that may be missing.
    pub fn maybe(value: Option<f64>) -> Self {
        value.map(Self::of).unwrap_or_default()
    }
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What it is about.
    pub name: String,
    /// A number for each column.
    pub cells: Vec<Cell>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// Its title.
    pub title: String,
    /// What stands below it.
    pub caption: String,
    /// What the first column holds.
    pub head: String,
    /// The other columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Row>,
}

impl Table {
    /// Whether any number of a column has the paper's beside it.
    pub fn has_paper(&self, column: usize) -> bool {
        self.rows.iter().any(|row| row.cells[column].paper.is_some())
    }

    /// The best of our values in a column, if one is better than another.
    pub fn best(&self, column: usize) -> Option<f64> {
        let values = || self.rows.iter().filter_map(|row| row.cells[column].value);
        if self.rows.len() < 2 {
            return None;
        }
        match self.columns[column].better {
            Better::Lower => values().min_by(f64::total_cmp),
            Better::Higher => values().max_by(f64::total_cmp),
            Better::Neither => None,
        }
    }
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Its title.
    pub title: String,
    /// What it shows.
    pub caption: String,
    /// Its file beside the report.
    pub file: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_has_no_value() {
        assert_eq!([f64::NAN, f64::INFINITY, 0.5].map(|v| Cell::of(v).value), [None, None, Some(0.5)]);
    }

    #[test]
    fn the_best_of_a_column_goes_by_its_sense() {
        let row = |v| Row { name: String::new(), cells: vec![Cell::of(v); 3] };
        let column = |better| Column::new("", Format::Digits(1), better);
        let columns = vec![column(Better::Lower), column(Better::Higher), column(Better::Neither)];
        let (title, caption, head) = (String::new(), String::new(), String::new());
        let table = Table { title, caption, head, columns, rows: vec![row(1.0), row(2.0)] };
        assert_eq!([0, 1, 2].map(|c| table.best(c)), [Some(1.0), Some(2.0), None]);
    }
}
