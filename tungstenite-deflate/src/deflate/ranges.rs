//! Numbers that [`DeflateConfig`](super::DeflateConfig) takes only within a range.

use std::fmt;

/// Effort of a compressor, 1 (fast) to 9 (small).
///
/// ```
/// use tungstenite_deflate::deflate::{ConfigError, Level};
///
/// assert_eq!(Level::new(6)?.get(), 6);
/// assert_eq!(Level::new(10), Err(ConfigError::Level { seen: 10 }));
/// # Ok::<(), ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

/// Base-2 logarithm of an LZ77 window that this side can compress with, 9 (512 bytes) to 15 (32 KiB).
///
/// RFC 7692 §7.1.2 knows 8 too, which no compressor here can keep to.
///
/// ```
/// use tungstenite_deflate::deflate::{ConfigError, WindowBits};
///
/// assert_eq!(WindowBits::new(11)?.bytes(), 2_048);
/// assert_eq!(WindowBits::new(8), Err(ConfigError::WindowBits { seen: 8 }));
/// # Ok::<(), ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

/// A number out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The level is not one that DEFLATE compressors know.
    #[error("compression level {seen}, allowed are 1 (fast) to 9 (small)")]
    Level {
        /// The number that was given.
        seen: u8,
    },
    /// The window is not one that this side can compress with.
    #[error(
        "window of {seen} bits, allowed are 9 to 15 (RFC 7692 §7.1.2; no compressor here can keep to 8)"
    )]
    WindowBits {
        /// The number that was given.
        seen: u8,
    },
}

impl Level {
    /// The least effort.
    pub const MIN: Self = Self(1);
    /// The greatest effort.
    pub const MAX: Self = Self(9);

    /// Creates a level.
    ///
    /// # Errors
    /// The number is not in 1 to 9.
    pub const fn new(level: u8) -> Result<Self, ConfigError> {
        match level {
            1..=9 => Ok(Self(level)),
            seen => Err(ConfigError::Level { seen }),
        }
    }

    /// Returns the number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl WindowBits {
    /// The smallest window that zlib can compress with, 512 bytes.
    pub const MIN: Self = Self(9);
    /// The largest window of DEFLATE, 32 KiB (RFC 1951 §2).
    pub const MAX: Self = Self(15);

    /// Creates a window of two to the power of `bits` bytes.
    ///
    /// # Errors
    /// The number is not in 9 to 15.
    pub const fn new(bits: u8) -> Result<Self, ConfigError> {
        match bits {
            9..=15 => Ok(Self(bits)),
            seen => Err(ConfigError::WindowBits { seen }),
        }
    }

    /// Returns the logarithm.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Returns the window's length in bytes.
    pub const fn bytes(self) -> usize {
        1 << self.0
    }
}

impl TryFrom<u8> for Level {
    type Error = ConfigError;

    fn try_from(level: u8) -> Result<Self, ConfigError> {
        Self::new(level)
    }
}

impl TryFrom<u8> for WindowBits {
    type Error = ConfigError;

    fn try_from(bits: u8) -> Result<Self, ConfigError> {
        Self::new(bits)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
