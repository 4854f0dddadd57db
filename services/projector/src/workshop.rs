//! Where what blocks is done: whatever reads or writes views may wait for the disk.

/// A place to work in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Workshop {
    /// On threads of its own, beside everything else.
    #[default]
    Threads,
    /// On the spot, while everything else waits: the order of things then hangs on no scheduler but Tokio's, and what a
    /// simulation did once it does again.
    Here,
}

impl Workshop {
    /// Does something that blocks. It fails, in words, only where the work panicked or the process stops.
    pub(crate) async fn blocking<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        match self {
            Workshop::Threads => tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string()),
            Workshop::Here => Ok(work()),
        }
    }
}
