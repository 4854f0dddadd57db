//! Has the crate compiled again when the page was built, and lets it compile where it was not.
//!
//! `dist` is what `npm run build` leaves here; a fresh clone has none, and then nothing is embedded but the
//! fallback. Cargo runs a script again whenever a path that it watches is missing, so `dist` is watched only once
//! it is there; until then the package is, which notices that `dist` appears.

use std::path::Path;

fn main() {
    let watched = if Path::new("dist").is_dir() { "dist" } else { "." };
    println!("cargo::rerun-if-changed={watched}");
    println!("cargo::rerun-if-changed=build.rs");
}
