//! Each fault that is built in on purpose is found.
