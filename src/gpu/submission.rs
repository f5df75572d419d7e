//! What the device was given to do, and how far ahead of it the host may be.

use super::Gpu;
use crate::Result;

/// Commands that the device was given, to be [waited for](Gpu::wait_for).
#[derive(Debug, Clone)]
pub struct Submission(pub(super) wgpu::SubmissionIndex);

/// The last submission of a loop. One that waits for the submission before it leaves the device work to do while the host prepares more, and
/// never more than one submission's.
#[derive(Debug, Default)]
pub struct Behind(Option<Submission>);

impl Behind {
    /// Waits for the submission before `last`.
    ///
    /// # Errors
    /// As [`Gpu::wait_for`].
    pub fn wait(&mut self, gpu: &Gpu, last: Submission) -> Result<()> {
        self.0.replace(last).map_or(Ok(()), |before| gpu.wait_for(&before))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::gpu::OpenOptions;

    #[test]
    fn what_was_submitted_before_the_last_is_done() {
        let gpu =
            Gpu::open(&OpenOptions::default()).expect("the tests need an adapter; `make test` installs a software one");
        let done = Arc::new(AtomicUsize::new(0));
        let mut behind = Behind::default();
        for before in 0..4 {
            let last = gpu.submit(|_| ()).unwrap();
            let count = done.clone();
            gpu.queue().on_submitted_work_done(move || {
                count.fetch_add(1, Ordering::SeqCst);
            });
            behind.wait(&gpu, last).unwrap();
            assert!(done.load(Ordering::SeqCst) >= before, "of {before} before the last, {done:?} are done");
        }
    }
}
