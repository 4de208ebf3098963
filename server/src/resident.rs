//! Resident memory of this process, as the system tells.

/// Bytes of this process that are resident; `None` where the system does not tell.
pub(crate) fn resident_bytes() -> Option<u64> {
    Resident::open()?.bytes()
}

/// Resident memory of this process, as the system reports it.
#[derive(Debug)]
pub(crate) struct Resident {
    #[cfg(target_os = "linux")]
    statm: std::fs::File,
}

#[cfg(target_os = "linux")]
impl Resident {
    /// Opens what tells it, once: each look is then a single system call.
    pub(crate) fn open() -> Option<Self> {
        let statm = std::fs::File::open("/proc/self/statm").ok()?;
        Some(Self { statm })
    }

    /// Bytes that are resident.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let mut text = [0; 128];
        let length = std::os::unix::fs::FileExt::read_at(&self.statm, &mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..length)?).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }
}

#[cfg(not(target_os = "linux"))]
impl Resident {
    /// There is nothing that tells it here.
    pub(crate) fn open() -> Option<Self> {
        None
    }

    pub(crate) fn bytes(&self) -> Option<u64> {
        None
    }
}
