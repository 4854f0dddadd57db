//! The projector: folds the event log into sled and answers queries.

mod fold;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod scene;
mod store;
mod views;
