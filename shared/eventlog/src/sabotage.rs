//! Faults that are built in on purpose, so that the simulation can show that it would find them. They are there only with
//! the feature `sabotage`, which nothing that is shipped has: without it every question here is answered by a constant no.

/// A line that keeps a promise, left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A live room goes on past what it did not hear.
    NoGapFill,
    /// Appends go to the log without their guards.
    UnguardedAppend,
    /// A mark is written as it was asked for, though it stood further.
    MarkGoesBack,
    /// The projector stores its checkpoint before what it tells of.
    CheckpointOutsideBatch,
    /// What was edited is erased without its edits.
    EraserMissesEdits,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Sabotage; 5] = [
        Sabotage::NoGapFill,
        Sabotage::UnguardedAppend,
        Sabotage::MarkGoesBack,
        Sabotage::CheckpointOutsideBatch,
        Sabotage::EraserMissesEdits,
    ];

    /// What it is called: its name in small letters.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Whether this line is left out, on this thread.
    #[cfg(feature = "sabotage")]
    pub fn is_on(self) -> bool {
        switch::SWITCHED_ON.get() == Some(self)
    }

    /// No line is left out.
    #[cfg(not(feature = "sabotage"))]
    pub const fn is_on(self) -> bool {
        false
    }

    /// Leaves a line out on this thread, or none any more.
    #[cfg(feature = "sabotage")]
    pub fn switch_on(line: Option<Sabotage>) {
        switch::SWITCHED_ON.set(line);
    }
}

#[cfg(feature = "sabotage")]
mod switch {
    use std::cell::Cell;

    thread_local! {
        pub(super) static SWITCHED_ON: Cell<Option<super::Sabotage>> = const { Cell::new(None) };
    }
}
