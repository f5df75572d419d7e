//! The report as one page: pictures inside, no script, nothing from elsewhere.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::claims::{Claim, LEVEL, Verdict};
use super::report::{Cell, Column, Departures, Figure, Format, Provenance, Report, Section, Table};
use crate::{Error, Result};

/// The page of a report whose pictures lie in `folder`.
///
/// # Errors
/// [`Error::File`] if a picture cannot be read.
pub fn html(report: &Report, folder: &Path) -> Result<String> {
    let pictures = |section: &Section| section.figures.iter().map(|f| figure(f, folder)).collect::<Result<Vec<_>>>();
    let sections: Vec<Markup> = report.sections.iter().map(|s| Ok(section(s, &pictures(s)?))).collect::<Result<_>>()?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (report.title) " – reproduction, " (report.scale) }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                (head(report))
                @for section in &sections { (section) }
                (differences(&report.departures))
                (provenance(report))
            }
        }
    };
    Ok(page.into_string())
}

/// Title, summary of the claims, and links.
fn head(report: &Report) -> Markup {
    let claims: Vec<&Claim> = report.sections.iter().flat_map(|s| &s.claims).collect();
    let count = |verdict| claims.iter().filter(|c| c.verdict == verdict).count();
    let several = report.sections.len() > 1;
    html! {
        header {
            h1 { (report.title) }
            p.soft {
                "A reproduction of results of “Conditional Variational Diffusion Models” (arXiv 2312.02246) at the scale "
                em { (report.scale) } ". " (scale_warning(&report.scale))
            }
            @if several {
                nav { @for s in &report.sections { a href={ "#" (s.name) } { (s.title) } } a href="#differences" { "What differs" } }
            }
        }
        h2 { "What holds" }
        p.count {
            "Of " (claims.len()) " claims of the paper " strong { (count(Verdict::Holds)) } " hold here, "
            strong { (count(Verdict::DoesNotHold)) } " do not, " strong { (count(Verdict::NotDecided)) } " are not decided."
        }
        div.scroll { table {
            thead { tr { th { "claim" } th { "in the paper" } th { "here" } th { "our numbers" } } }
            tbody {
                @for claim in &claims {
                    tr {
                        td { (claim.statement) }
                        td.source { (claim.source) }
                        td { (verdict(claim.verdict)) }
                        td { (claim.evidence) }
                    }
                }
            }
        } }
        p.caption {
            "A comparison over images holds, or does not, if Wilcoxon's signed-rank test (two-sided, over images, values averaged \
             over training seeds) has p < " (LEVEL) "; p-values are not corrected for the number of claims. A statement about \
             schedules holds if every seed agrees."
        }
    }
}

fn scale_warning(scale: &str) -> &'static str {
    match scale {
        "smoke" => {
            "This scale shows that everything runs. Its networks have learned nothing, and its numbers mean nothing."
        }
        "small" => {
            "Networks, training and images are a small fraction of the paper's, so that absolute numbers are not comparable with \
             it; orderings may be."
        }
        _ => "Settings are the paper's as far as it names them.",
    }
}

fn verdict(verdict: Verdict) -> Markup {
    let text = verdict.text();
    html! { span class={ "verdict " (text.replace(' ', "-")) } { (text) } }
}

fn section(section: &Section, figures: &[Markup]) -> Markup {
    html! {
        section id=(section.name) {
            h2 { (section.title) }
            p.source { "The paper's " (section.source) }
            p { (section.introduction) }
            @for t in &section.tables { (table(t)) }
            @for f in figures { (f) }
            @if !section.notes.is_empty() {
                h3 { "Notes" }
                ul { @for note in &section.notes { li { (note) } } }
            }
        }
    }
}

fn table(table: &Table) -> Markup {
    let indices = 0..table.columns.len();
    html! {
        h3 { (table.title) }
        div.scroll { table.numbers {
            thead { tr {
                th { (table.head) }
                @for i in indices.clone() {
                    (column_head(&table.columns[i]))
                    @if table.has_paper(i) { th.paper { "paper" } }
                }
            } }
            tbody {
                @for row in &table.rows { tr {
                    th { (row.name) }
                    @for i in indices.clone() {
                        @let format = table.columns[i].format;
                        (cell(&row.cells[i], format, table.best(i)))
                        @if table.has_paper(i) { td.paper { (row.cells[i].paper.map_or("–".into(), |v| format.text(v))) } }
                    }
                } }
            }
        } }
        p.caption { (table.caption) }
    }
}

fn column_head(column: &Column) -> Markup {
    html! { th { (column.name) @if !column.unit.is_empty() { small { (column.unit) } } } }
}

fn cell(cell: &Cell, format: Format, best: Option<f64>) -> Markup {
    // By what is written, so that equal numbers are marked alike.
    let is_best = cell.value.zip(best).is_some_and(|(v, b)| format.text(v) == format.text(b));
    html! {
        td.best[is_best] {
            @match cell.value { Some(v) => { (format.text(v)) } None => { "–" } }
            @if let Some(spread) = cell.spread { span.spread { " ± " (format.text(spread)) } }
        }
    }
}

fn figure(figure: &Figure, folder: &Path) -> Result<Markup> {
    let path = folder.join(&figure.file);
    let bytes = std::fs::read(&path).map_err(|e| Error::file(&path, format!("cannot be read: {e}")))?;
    let source = format!("data:image/png;base64,{}", STANDARD.encode(bytes));
    Ok(html! {
        figure {
            img src=(source) alt=(figure.title);
            figcaption { strong { (figure.title) } p.caption { (figure.caption) } }
        }
    })
}

fn differences(departures: &[Departures]) -> Markup {
    html! {
        section id="differences" {
            h2 { "What differs from the paper" }
            @for Departures { task, settings, notes } in departures {
                @let differing = settings.iter().filter(|s| s.paper != s.here).count();
                h3 { (task) }
                p {
                    @if differing == 0 { "None of the settings." }
                    @else { (differing) " of " (settings.len()) " settings, shaded; the same for every method." }
                }
                div.scroll { table {
                    thead { tr { th { "setting" } th { "paper" } th { "here" } } }
                    tbody { @for s in settings {
                        tr.differs[s.paper != s.here] { th { (s.name) } td { (s.paper) } td { (s.here) } }
                    } }
                } }
                @for note in notes { p.caption { (note) } }
            }
        }
    }
}

fn provenance(report: &Report) -> Markup {
    let Provenance { version, commit, adapter, interface, driver, data, seconds } = &report.provenance;
    let lines = [
        ("program", format!("cvdm {version}, commit {commit}")),
        ("adapter", format!("{adapter} ({interface})")),
        ("driver", driver.clone()),
        ("data", data.clone()),
        ("time of all parts", duration(*seconds)),
    ];
    let others = report.parts.iter().filter(|p| {
        let m = &p.made_by;
        (&m.version, &m.commit, &m.adapter, &m.driver) != (version, commit, adapter, driver)
    });
    let others = others.count();
    html! {
        section id="provenance" {
            h2 { "Where the numbers come from" }
            div.scroll { table { tbody { @for (name, value) in &lines { tr { th { (name) } td { (value) } } } } } }
            @if others > 0 {
                p { (others) " of " (report.parts.len()) " parts were computed by another build or on another adapter; see the list." }
            }
            @for (name, toml) in &report.configurations {
                details { summary { "Training configuration of " (name) } pre { (toml) } }
            }
            details {
                summary { "All " (report.parts.len()) " parts" }
                div.scroll { table.numbers {
                    thead { tr { th { "part" } th { "seconds" } th { "folder" } th { "commit" } th { "adapter" } } }
                    tbody { @for p in &report.parts {
                        tr {
                            th { (p.name) } td { (format!("{:.1}", p.seconds)) } td { (p.folder) } td { (p.made_by.commit) }
                            td { (p.made_by.adapter) }
                        }
                    } }
                } }
            }
        }
    }
}

/// Seconds in the unit that suits them.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}
