//! What the client holds up: against a scripted server over real sockets, and, where time matters, without any.

mod over_sockets;
mod server;
mod session;
