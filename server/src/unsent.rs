//! Limit on the bytes that the system takes ahead of what it sends on a connection (`TCP_NOTSENT_LOWAT`).

use std::io;

use crate::socket::Socket;

/// Has the system take no more of what is written while `bytes` wait to be sent.
///
/// Has an effect for TCP on Linux only.
///
/// # Errors
/// The system refuses.
pub(crate) fn limit(socket: &Socket, bytes: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if let Some(stream) = socket.tcp() {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        socket2::SockRef::from(stream).set_tcp_notsent_lowat(bytes)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, bytes);
    Ok(())
}

/// Limit for a member that is to get the newest message alone: 0.4 s at 40 kB/s. It costs large messages a fifth of
/// their rate, which such a member does not miss.
pub(crate) const NEWS_BYTES: usize = 16 * 1024;
