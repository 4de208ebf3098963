//! A path whose instructions are counted.

/// One path, ready to run.
pub(crate) struct Path {
    /// Times that it is run while instructions are counted.
    pub(crate) times: u32,
    /// Runs it once.
    pub(crate) once: Box<dyn FnMut()>,
}

impl Path {
    pub(crate) fn new(times: u32, once: impl FnMut() + 'static) -> Self {
        Self {
            times,
            once: Box::new(once),
        }
    }
}
