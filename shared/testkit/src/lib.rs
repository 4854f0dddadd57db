//! What tests stand on: a real nats-server per test, or a cluster of three, and waiting with a bound instead of sleeping.

mod authority;
mod eventually;
mod free_port;
mod nats_cluster;
mod nats_server;

pub use authority::{Authority, Certificate};
pub use eventually::eventually;
pub use free_port::free_port;
pub use nats_cluster::{NatsCluster, NatsClusterBuilder};
pub use nats_server::{NatsServer, NatsServerBuilder, password_of};
