//! How far a long run is, on standard error: a bar on a terminal, a plain line now and then in a log.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// The time between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// A terminal is redrawn this often at most: steps can be far faster.
const REDRAWS_PER_SECOND: u8 = 8;
const TEMPLATE: &str =
    "{prefix} {bar:32.cyan/blue} {pos}/{len} {percent}% · {speed} · {elapsed_precise} · {remaining}  {msg}";

/// A line on standard error. That nobody can read it is no reason to end a run.
pub fn tell(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Counts the steps of a run and tells rate, elapsed and remaining time.
///
/// ```
/// # use cvdm::Progress;
/// let mut progress = Progress::new(100, "training");
/// for step in 0..100 {
///     progress.set_message(format!("loss {:.3}", 1.0 / f64::from(step + 1)));
///     progress.advance(1);
/// }
/// progress.finish();
/// ```
pub struct Progress {
    total: u64,
    label: String,
    done: u64,
    /// Steps that were done before this run: they took none of its time.
    before: u64,
    message: String,
    started: Instant,
    output: Output,
    /// Where lines go: standard error, or what a test reads.
    log: Box<dyn Write + Send>,
}

enum Output {
    Bar(ProgressBar),
    Lines { last: Instant, interval: Duration },
}

impl Progress {
    /// A run of `total` steps, named `label`. Shows a bar if standard error is a terminal, else a line every ten seconds.
    pub fn new(total: u64, label: impl Into<String>) -> Self {
        let label = label.into();
        let output = if std::io::stderr().is_terminal() {
            let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
            let bar =
                ProgressBar::with_draw_target(Some(total), target).with_style(style(0)).with_prefix(label.clone());
            // Slow steps still show the time passing.
            bar.enable_steady_tick(Duration::from_secs(1));
            Output::Bar(bar)
        } else {
            Output::Lines { last: Instant::now(), interval: LINE_INTERVAL }
        };
        Self::with_output(total, label, output, Box::new(std::io::stderr()))
    }

    fn with_output(total: u64, label: String, output: Output, log: Box<dyn Write + Send>) -> Self {
        Self { total, label, done: 0, before: 0, message: String::new(), started: Instant::now(), output, log }
    }

    /// Starts at step `done` of the total: for a run that is resumed. Rate and remaining time count from there.
    pub fn resumed_at(mut self, done: u64) -> Self {
        (self.done, self.before) = (done, done);
        if let Output::Bar(bar) = &self.output {
            bar.set_style(style(done));
            bar.set_position(done);
        }
        self
    }

    /// Another total, once it is known better.
    pub fn set_total(&mut self, total: u64) {
        self.total = total;
        if let Output::Bar(bar) = &self.output {
            bar.set_length(total);
        }
    }

    /// What to say beside the numbers, such as the current loss. Shown with the next redraw or line.
    pub fn set_message(&mut self, message: impl Into<String>) {
        self.message = message.into();
        if let Output::Bar(bar) = &self.output {
            bar.set_message(self.message.clone());
        }
    }

    /// Counts `n` more steps.
    pub fn advance(&mut self, n: u64) {
        self.done += n;
        match &mut self.output {
            Output::Bar(bar) => bar.inc(n),
            Output::Lines { last, interval } => {
                let now = Instant::now();
                if now - *last >= *interval {
                    *last = now;
                    self.say();
                }
            }
        }
    }

    /// Writes a line of its own without disturbing the bar.
    pub fn println(&mut self, line: impl AsRef<str>) {
        // A log that cannot be written to is no reason to end a training run, so errors are let go.
        let mut write = || drop(writeln!(self.log, "{}", line.as_ref()));
        match &self.output {
            Output::Bar(bar) => bar.suspend(write),
            Output::Lines { .. } => write(),
        }
    }

    /// Ends the display and leaves a last line with what was done, be it all or less.
    pub fn finish(mut self) {
        if let Output::Bar(bar) = &self.output {
            bar.finish_and_clear();
        }
        self.say();
    }

    fn say(&mut self) {
        self.println(self.line(self.started.elapsed()));
    }

    /// The state as one line, `elapsed` after the start.
    fn line(&self, elapsed: Duration) -> String {
        let rate = rate(self.done, self.before, elapsed);
        let mut line = format!("{}: {}/{}", self.label, self.done, self.total);
        if let Some(percent) = (100 * self.done).checked_div(self.total) {
            line += &format!(" ({percent} %)");
        }
        line += &format!(", {}, {} elapsed", per_second(rate), HumanDuration(elapsed));
        if let Some(left) = left(self.total.saturating_sub(self.done), rate) {
            line += &format!(", {} left", HumanDuration(left));
        }
        if !self.message.is_empty() {
            line += &format!(", {}", self.message);
        }
        line
    }
}

/// Steps a second over the whole run, resumed steps not counted.
fn rate(done: u64, before: u64, elapsed: Duration) -> f64 {
    let steps = done.saturating_sub(before);
    if steps == 0 || elapsed.is_zero() { 0.0 } else { steps as f64 / elapsed.as_secs_f64() }
}

/// The time that `steps` more take; `None` if there are none or no rate is known.
fn left(steps: u64, rate: f64) -> Option<Duration> {
    if steps == 0 || rate <= 0.0 {
        return None;
    }
    Duration::try_from_secs_f64(steps as f64 / rate).ok()
}

/// The rate in the unit that keeps it above one: slow steps are better told in seconds each.
fn per_second(rate: f64) -> String {
    match rate {
        r if r <= 0.0 => "–/s".to_owned(),
        r if r < 1.0 => format!("{:.2} s each", 1.0 / r),
        r if r < 100.0 => format!("{r:.2}/s"),
        r => format!("{r:.0}/s"),
    }
}

fn style(before: u64) -> ProgressStyle {
    let speed = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = out.write_str(&per_second(rate(state.pos(), before, state.elapsed())));
    };
    let remaining = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let steps = state.len().unwrap_or(0).saturating_sub(state.pos());
        let _ = match left(steps, rate(state.pos(), before, state.elapsed())) {
            Some(left) => write!(out, "{} left", HumanDuration(left)),
            None => Ok(()),
        };
    };
    ProgressStyle::with_template(TEMPLATE)
        // The template is a constant that a test reads; were it wrong, a plain bar would do.
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
        .with_key("speed", speed)
        .with_key("remaining", remaining)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A log that a test can read.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn lines(&self) -> Vec<String> {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
        }
    }

    fn with_lines(interval: Duration) -> (Progress, Log) {
        let log = Log::default();
        let output = Output::Lines { last: Instant::now(), interval };
        (Progress::with_output(100, "training".into(), output, Box::new(log.clone())), log)
    }

    #[test]
    fn lines_come_at_their_interval_and_at_the_end() {
        let (mut progress, log) = with_lines(Duration::from_secs(3600));
        (0..100).for_each(|_| progress.advance(1));
        assert!(log.lines().is_empty(), "an hour has not passed");
        progress.set_message("loss 0.5");
        progress.println("checkpoint");
        progress.finish();
        let lines = log.lines();
        assert_eq!((lines.len(), lines[0].as_str()), (2, "checkpoint"));
        assert!(lines[1].starts_with("training: 100/100 (100 %), "), "{}", lines[1]);
        assert!(lines[1].ends_with("loss 0.5") && !lines[1].contains("left"), "{}", lines[1]);

        let (mut progress, log) = with_lines(Duration::ZERO);
        (0..3).for_each(|_| progress.advance(10));
        assert_eq!(log.lines().len(), 3);
        assert!(log.lines()[2].starts_with("training: 30/100 (30 %), "), "{}", log.lines()[2]);
    }

    #[test]
    fn a_line_tells_rate_elapsed_and_left() {
        let (mut progress, _) = with_lines(Duration::from_secs(3600));
        progress.advance(20);
        assert_eq!(
            progress.line(Duration::from_secs(60)),
            "training: 20/100 (20 %), 3.00 s each, 60 seconds elapsed, 4 minutes left"
        );
        assert_eq!(progress.line(Duration::ZERO), "training: 20/100 (20 %), –/s, 0 seconds elapsed");
    }

    #[test]
    fn resumed_steps_do_not_count_for_the_rate() {
        let (progress, _) = with_lines(Duration::from_secs(3600));
        let mut progress = progress.resumed_at(80);
        progress.advance(10);
        let line = progress.line(Duration::from_secs(5));
        assert_eq!(line, "training: 90/100 (90 %), 2.00/s, 5 seconds elapsed, 5 seconds left");
    }

    #[test]
    fn odd_totals_are_no_trouble() {
        let log = Log::default();
        let output = Output::Lines { last: Instant::now(), interval: Duration::ZERO };
        let mut progress = Progress::with_output(0, "nothing".into(), output, Box::new(log.clone()));
        progress.advance(1);
        assert!(log.lines()[0].starts_with("nothing: 1/0, "), "{:?}", log.lines());
    }

    #[test]
    fn the_bar_shows_everything() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
        for key in ["speed", "elapsed", "remaining", "msg", "prefix", "pos", "len"] {
            assert!(TEMPLATE.contains(&format!("{{{key}")), "{key}");
        }
        // A hidden bar counts like a drawn one.
        let bar = ProgressBar::with_draw_target(Some(10), ProgressDrawTarget::hidden()).with_style(style(0));
        let mut progress = Progress::with_output(10, "p".into(), Output::Bar(bar.clone()), Box::new(Log::default()));
        progress = progress.resumed_at(4);
        progress.advance(2);
        progress.set_message("loss 0.5");
        progress.set_total(20);
        assert_eq!((bar.position(), bar.message().as_str(), bar.is_finished()), (6, "loss 0.5", false));
        assert_eq!((bar.length(), progress.total), (Some(20), 20));
        progress.finish();
        assert!(bar.is_finished());
    }

    #[test]
    fn rates_keep_a_readable_unit() {
        let cases = [(0.0, "–/s"), (0.25, "4.00 s each"), (12.345, "12.35/s"), (1234.5, "1234/s")];
        for (rate, text) in cases {
            assert_eq!(per_second(rate), text);
        }
    }
}
