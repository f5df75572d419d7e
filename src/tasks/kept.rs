//! Pairs that are kept once they were read, since reading an image takes longer than all else about a patch of it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Result;
use crate::data::ResolutionPair;

/// What all kept pairs may take, in bytes.
const ROOM: usize = 256 << 20;

/// The pairs of a set by number: the first ones that are asked for, as many as there is room for.
pub struct Kept {
    places: Vec<OnceLock<ResolutionPair>>,
    left: AtomicUsize,
}

impl Kept {
    /// None yet, of so many.
    pub fn new(count: usize) -> Self {
        Self::within(count, ROOM)
    }

    fn within(count: usize, bytes: usize) -> Self {
        Self { places: (0..count).map(|_| OnceLock::new()).collect(), left: AtomicUsize::new(bytes) }
    }

    /// Pair `number`, which must be one of the set, as it was kept, or else as it is read.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn get(&self, number: usize, read: impl FnOnce() -> Result<ResolutionPair>) -> Result<ResolutionPair> {
        let place = &self.places[number];
        if let Some(pair) = place.get() {
            return Ok(pair.clone());
        }
        let pair = read()?;
        let planes = pair.low().iter().chain(pair.high());
        let bytes = planes.map(|plane| size_of_val(plane.values())).sum();
        let take = |left: usize| left.checked_sub(bytes);
        // Another thread may have put it there meanwhile.
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
            && place.set(pair.clone()).is_err()
        {
            self.left.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Plane;
    use crate::error::Error;

    #[test]
    fn what_there_is_room_for_is_read_once() {
        let pair = |value: f32| {
            ResolutionPair::new(vec![Plane::from_fn(2, 2, |_, _| value)], vec![Plane::from_fn(4, 4, |_, _| value)])
        };
        // A pair takes 80 bytes.
        let kept = Kept::within(3, 170);
        assert!(kept.get(0, || Err(Error::input("cannot be read"))).is_err());
        for number in 0..3 {
            assert_eq!(kept.get(number, || pair(0.25)).unwrap(), pair(0.25).unwrap());
        }
        let again: Vec<f32> = (0..3).map(|n| kept.get(n, || pair(0.5)).unwrap().low()[0].at(0, 0)).collect();
        assert_eq!(again, [0.25, 0.25, 0.5]);
    }
}
