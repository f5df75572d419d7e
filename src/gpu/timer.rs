//! Time on the device: a pair of timestamps around each pass.

use super::Gpu;
use crate::{Error, Result};

/// Timestamps around up to `capacity` passes.
pub struct Timer {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    capacity: u32,
    nanoseconds_per_tick: f32,
}

impl Timer {
    /// Passes that fit at most.
    pub const MOST: u32 = 2048;

    /// A timer for `capacity` passes.
    ///
    /// # Errors
    /// [`Error::Limit`] if the adapter has no timestamps or `capacity` is over [`Timer::MOST`], [`Error::OutOfMemory`] if the device has no room.
    pub fn new(gpu: &Gpu, capacity: u32) -> Result<Self> {
        if !gpu.caps().timestamps || capacity == 0 || capacity > Self::MOST {
            return Err(Error::Limit(format!(
                "timestamps around {capacity} passes: the adapter must offer TIMESTAMP_QUERY, and 1 to 2048 passes fit"
            )));
        }
        gpu.caught(|| {
            let queries = gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timer"),
                ty: wgpu::QueryType::Timestamp,
                count: capacity * 2,
            });
            let resolved = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("timer"),
                size: u64::from(capacity) * 16,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            Ok(Self { queries, resolved, capacity, nanoseconds_per_tick: gpu.queue().get_timestamp_period() })
        })
    }

    /// How many passes fit.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The writes for pass number `pass`.
    pub fn writes(&self, pass: u32) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(pass * 2),
            end_of_pass_write_index: Some(pass * 2 + 1),
        }
    }

    /// Adds the command that makes the timestamps readable.
    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..self.capacity * 2, &self.resolved, 0);
    }

    /// The nanoseconds of each pass, after the submission.
    ///
    /// # Errors
    /// As [`Gpu::read`]; [`Error::Limit`] if the device has left a timestamp out, or they do not follow each other.
    pub fn nanoseconds(&self, gpu: &Gpu) -> Result<Vec<f64>> {
        let bytes = gpu.read(&self.resolved, 0, u64::from(self.capacity) * 16)?;
        let ticks: Vec<u64> = bytes.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect();
        spans(&ticks, self.nanoseconds_per_tick)
    }
}

/// The nanoseconds from each first of two timestamps to the second. What a driver has not written reads as zeros or ones.
fn spans(ticks: &[u64], nanoseconds_per_tick: f32) -> Result<Vec<f64>> {
    let span = |t: &[u64]| match *t {
        [begin, end] if begin > 0 && end < u64::MAX && begin <= end => {
            Ok((end - begin) as f64 * f64::from(nanoseconds_per_tick))
        }
        _ => Err(Error::Limit(format!("the device's timestamps tell no time: {t:?}"))),
    };
    ticks.chunks_exact(2).map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_that_are_missing_tell_no_time() {
        assert_eq!(spans(&[1, 3, 5, 5], 2.0), Ok(vec![4.0, 0.0]));
        for missing in [[0, 0], [0, 7], [7, 0], [7, u64::MAX], [u64::MAX, u64::MAX], [7, 6]] {
            let refused = spans(&[[1, 3], missing].concat(), 2.0).unwrap_err();
            assert!(refused.to_string().contains("tell no time"), "{missing:?}: {refused}");
        }
    }
}
