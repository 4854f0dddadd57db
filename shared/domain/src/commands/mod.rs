//! One decision a file: its facts, its refusals, its tests.
