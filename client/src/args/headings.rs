//! Headings of options that several files have.

pub(super) const EXCHANGE: &str = "Messages";
pub(super) const OUTPUT: &str = "Output";
