//! One value for each form in which events are sent.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use super::event::Rendering;

/// One value for each form, made when it is first asked for.
#[derive(Debug, Default)]
pub(super) struct Renderings([OnceLock<Arc<dyn Any + Send + Sync>>; Rendering::COUNT]);

impl Renderings {
    /// Returns the value of `rendering`. A `T` that is not that of the first call gets a value of its own.
    pub(super) fn get<T: Send + Sync + 'static>(
        &self,
        rendering: Rendering,
        make: impl Fn() -> T,
    ) -> Arc<T> {
        let shared = self.0[rendering as usize].get_or_init(|| Arc::new(make()));
        let shared = Arc::clone(shared).downcast();
        shared.unwrap_or_else(|_| Arc::new(make()))
    }
}
