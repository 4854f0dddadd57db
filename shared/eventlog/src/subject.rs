//! The only place that spells a subject.
