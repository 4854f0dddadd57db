//! What the process tests stand on: the history checker, and a whole system of real processes to record histories of.

pub mod checker;
