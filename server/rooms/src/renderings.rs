//! The forms in which events are sent, and one value for each.

use std::any::Any;
use std::sync::{Arc, OnceLock};

/// A form in which events are sent; each is made at most once per event, however many get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendering {
    /// Lines of text.
    Text,
    /// JSON objects.
    Json,
    /// Protocol buffers.
    Grpc,
}

impl Rendering {
    /// Number of the forms.
    const COUNT: usize = 3;

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Grpc => "grpc",
        }
    }
}

/// One value for each form, made when it is first asked for.
#[derive(Debug, Default)]
pub(crate) struct Renderings([OnceLock<Arc<dyn Any + Send + Sync>>; Rendering::COUNT]);

impl Renderings {
    /// Returns the value of `rendering`. A `T` that is not that of the first call gets a value of its own.
    pub(crate) fn get<T: Send + Sync + 'static>(
        &self,
        rendering: Rendering,
        make: impl Fn() -> T,
    ) -> Arc<T> {
        let shared = self.0[rendering as usize].get_or_init(|| Arc::new(make()));
        let shared = Arc::clone(shared).downcast();
        shared.unwrap_or_else(|_| Arc::new(make()))
    }
}
