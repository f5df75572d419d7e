//! Stopping a long run politely: the first Ctrl-C asks, the second one ends.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// The exit status of a program that Ctrl-C ended, by the shell's convention: 128 plus the number of `SIGINT`.
const INTERRUPTED: i32 = 130;

/// Signals closer than this to the first are the same wish: `timeout -s INT` signals a program and its group, which it leads.
const ONE_PRESS: Duration = Duration::from_millis(500);

/// A flag that Ctrl-C raises. Clones share it. Loops look at it between steps, save their work and return
/// [`Error::Interrupted`].
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// A flag that no key raises, only [`Interrupt::request`]: for programs with their own signal handling, and tests.
    pub fn manual() -> Self {
        Self::default()
    }

    /// Whether the work should stop at the next good moment.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks the work to stop, as the first Ctrl-C does.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Takes over Ctrl-C for the whole program, and SIGTERM and SIGHUP where there are such. The first one raises the flag and says so on standard error, with what will be done then
/// (such as "saving the run"); the second one ends the program at once with status 130. Only one handler can exist.
///
/// # Errors
/// [`Error::Input`] if the program already has a handler, or the system refuses one.
pub fn install(then: &'static str) -> Result<Interrupt> {
    let interrupt = Interrupt::default();
    let flag = interrupt.clone();
    // Not `try_set_handler`: it refuses where the shell lets background jobs ignore the signal.
    let mut first: Option<Instant> = None;
    ctrlc::set_handler(move || match first {
        Some(at) if at.elapsed() > ONE_PRESS => std::process::exit(INTERRUPTED),
        Some(_) => {}
        None => {
            first = Some(Instant::now());
            flag.request();
            // Whoever was told may be gone, and the work is to be saved all the same.
            let _ = writeln!(std::io::stderr(), "\nstopping after this step and {then}; Ctrl-C again ends at once");
        }
    })
    .map_err(|e| Error::input(format!("Ctrl-C cannot be handled: {e}; install the handler once, at the start")))?;
    Ok(interrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_flag() {
        let interrupt = Interrupt::manual();
        let clone = interrupt.clone();
        assert!(!clone.requested());
        interrupt.request();
        assert!(clone.requested());
    }

    /// Signals and exits concern a whole process, so this test plays in a child: the test program itself, told by an
    /// environment variable to run [`child`] alone.
    #[cfg(unix)]
    #[test]
    fn first_ctrl_c_asks_second_ends() {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};

        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "interrupt::tests::child", "--nocapture", "--ignored"])
            .env("CVDM_TEST_INTERRUPT", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id().to_string();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut wait_for = |word: &str| assert!(lines.any(|line| line.unwrap().contains(word)), "no “{word}”");
        let press = || assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        wait_for("ready");
        press();
        wait_for("requested");
        // A signal right behind the first is no second wish; its own word shows that the child lived on.
        press();
        wait_for("still here");
        press();
        assert_eq!(child.wait().unwrap().code(), Some(INTERRUPTED));
    }

    #[cfg(unix)]
    #[test]
    #[ignore = "the child process of first_ctrl_c_asks_second_ends"]
    fn child() {
        if std::env::var_os("CVDM_TEST_INTERRUPT").is_none() {
            return;
        }
        let interrupt = install("saving").unwrap();
        assert!(matches!(install("saving"), Err(Error::Input(_))), "a second handler is refused");
        println!("ready");
        // Ends by the second signal; gives up after a minute so that a failure leaves no process behind.
        let tick = Duration::from_millis(10);
        let mut ticks = (0..6000).inspect(|_| std::thread::sleep(tick));
        ticks.find(|_| interrupt.requested()).unwrap();
        println!("requested");
        std::thread::sleep(2 * ONE_PRESS);
        println!("still here");
        ticks.for_each(drop);
    }
}
