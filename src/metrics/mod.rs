//! Image metrics, one file each.
