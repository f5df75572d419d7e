//! What a device reports on the side, as errors of whoever caused it: threads may share a device.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{Error, Result};

/// What a device has reported that was no one's call: above all, that it is lost.
#[derive(Clone, Default)]
pub(super) struct Failures(Arc<Mutex<Option<Error>>>);

impl Failures {
    /// Those of `device`, from now on.
    pub fn of(device: &wgpu::Device) -> Self {
        let failures = Self::default();
        let sink = failures.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| sink.keep(error(&e))));
        let sink = failures.clone();
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                sink.keep(Error::DeviceLost(format!("{message}; start again from the last checkpoint")));
            }
        });
        failures
    }

    /// Keeps the first, but for the loss of the device, which counts for more.
    fn keep(&self, error: Error) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() || is_loss(&error) {
            *kept = Some(error);
        }
    }

    /// The first since the last call, if any; that the device is lost, every time.
    pub fn check(&self) -> Result<()> {
        self.check_loss()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    fn check_loss(&self) -> Result<()> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone().filter(is_loss).map_or(Ok(()), Err)
    }

    /// Does some work on `device`, with the first error that wgpu reports of it: of this thread, and of no call before.
    pub fn caught<T>(&self, device: &wgpu::Device, work: impl FnOnce() -> Result<T>) -> Result<T> {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        let scopes = [Internal, Validation, OutOfMemory].map(|filter| device.push_error_scope(filter));
        let result = work();
        // All of them, the last one first.
        let reported: Vec<_> = scopes.into_iter().rev().map(|scope| pollster::block_on(scope.pop())).collect();
        // A lost device refuses everything, and does not say why.
        self.check_loss()?;
        reported.iter().flatten().next().map_or(result, |e| Err(error(e)))
    }
}

fn is_loss(error: &Error) -> bool {
    matches!(error, Error::DeviceLost(_))
}

fn error(e: &wgpu::Error) -> Error {
    match e {
        wgpu::Error::OutOfMemory { .. } => {
            Error::OutOfMemory("an allocation failed; use a smaller batch, image or network, or another adapter".into())
        }
        other => Error::Validation(other.to_string()),
    }
}
