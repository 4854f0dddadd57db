//! Tests over a real nats-server.
