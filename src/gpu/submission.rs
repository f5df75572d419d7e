//! What the device was given to do, and how far ahead of it the host may be.

use super::Gpu;
use crate::Result;

/// Commands that the device was given, to be [waited for](Gpu::wait_for).
#[derive(Debug, Clone)]
pub struct Submission(pub(super) wgpu::SubmissionIndex);

/// The last submission of a loop. One that waits for the submission before it leaves the device work to do while the host prepares more, and
/// never more than one submission's.
#[derive(Debug, Default)]
pub(crate) struct Behind(Option<Submission>);

impl Behind {
    /// Waits for the submission before `last`.
    ///
    /// # Errors
    /// As [`Gpu::check`].
    pub fn wait(&mut self, gpu: &Gpu, last: Submission) -> Result<()> {
        self.0.replace(last).map_or(Ok(()), |before| gpu.wait_for(&before))
    }
}
