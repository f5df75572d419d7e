//! Forward operators, simulators and classical baselines.
