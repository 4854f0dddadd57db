//! What every service is made of: configuration, telemetry, health, drain, and children that do not outlive us.

pub mod tether;
