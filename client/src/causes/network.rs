//! Errors of the resolver and of TCP.

use std::io;

use rustix::io::Errno;
use std::io::ErrorKind as K;

use super::{Cause, causes};

/// Remedy where nobody listens.
pub(crate) const START: &str = "check the port, or start the server";
const SEE_LOG: &str = "see the server's log";
const NO_ROUTE: &str = "no route leads there";
const CHECK_ROUTE: &str = "check the address and this machine's network";
const FORBIDDEN: &str = "this machine does not permit it";
const FIREWALL: &str = "check the firewall and the sandbox of this program";
const MEMORY: &str = "this machine is out of memory";
const CLOSE_PROGRAMS: &str = "close other programs, or raise the limit";
const TIMED_OUT: &str = "the other end does not answer";
const CHECK_HOST: &str = "check that the host is up and that no firewall drops the packets";
const NO_SUCH_NAME: &str = "the name does not exist";
pub(crate) const SPELLING: &str = "check the spelling, or give the address with --resolve";
const NO_ADDRESS: &str = "the name exists but has no address of the wanted kind";
pub(crate) const OTHER_KIND: &str = "leave out -4 and -6, or give the address with --resolve";
const DNS_FAILED: &str = "the DNS server refused or failed";
const CHECK_DNS: &str = "check this machine's DNS servers, or give the address with --resolve";
const UNUSED: &str = "this machine's resolver was called wrongly";
const BUG: &str = "report this as a bug";

causes! {
    /// Describes what the resolver says, in the words of glibc, musl or macOS: the standard library passes no number on.
    of_resolver(&str), RESOLVER {
    "Name or service not known"
    | "Name does not resolve"
    | "nodename nor servname provided, or not known" => NO_SUCH_NAME, SPELLING;
    "No address associated with hostname"
    | "No address associated with nodename"
    | "Name has no usable address"
    | "Address family for hostname not supported" => NO_ADDRESS, OTHER_KIND;
    "Temporary failure in name resolution" | "Try again" => "no DNS server answers", CHECK_DNS;
    "Non-recoverable failure in name resolution" | "Non-recoverable error" => DNS_FAILED, CHECK_DNS;
    "Memory allocation failure" | "Out of memory" => MEMORY, CLOSE_PROGRAMS;
    "Parameter string not correctly encoded" => "the name has characters that DNS does not allow", SPELLING;
    "ai_family not supported"
    | "ai_socktype not supported"
    | "Servname not supported for ai_socktype"
    | "Bad value for ai_flags"
    | "Unrecognized address family or invalid length"
    | "Unrecognized socket type"
    | "Unrecognized service"
    | "Invalid flags" => UNUSED, BUG;
    } else None
}

causes! {
    /// Describes what opening a TCP connection can end with.
    of_dialling(K), DIALLING {
    K::ConnectionRefused => "nobody listens there", START;
    K::TimedOut => TIMED_OUT, CHECK_HOST;
    K::HostUnreachable => "the host cannot be reached", CHECK_HOST;
    K::NetworkUnreachable => NO_ROUTE, CHECK_ROUTE;
    K::NetworkDown => "this machine's network is down", CHECK_ROUTE;
    K::AddrNotAvailable => "the address cannot be used, or every local port is taken", CHECK_ROUTE;
    K::AddrInUse => "every local port is taken", CLOSE_PROGRAMS;
    K::WouldBlock => "this machine is out of local ports or routes", CLOSE_PROGRAMS;
    K::PermissionDenied => FORBIDDEN, FIREWALL;
    K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof =>
        "the host, or a firewall on the way, ended the connection at once", CHECK_HOST;
    K::OutOfMemory => MEMORY, CLOSE_PROGRAMS;
    K::InvalidInput => "it is not an address to connect to", "check the host and the port";
    K::Unsupported => "this machine has no such protocol", "try -4 or -6";
    K::Interrupted => "a signal interrupted it", "try again";
    } else None
}

causes! {
    /// Describes what has no kind of its own in the standard library.
    of_errno(Errno), ERRNO {
    Errno::MFILE | Errno::NFILE => "too many files and connections are open", CLOSE_PROGRAMS;
    Errno::NOBUFS => MEMORY, CLOSE_PROGRAMS;
    Errno::HOSTDOWN | Errno::NONET => "the host cannot be reached", CHECK_HOST;
    Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT | Errno::PFNOSUPPORT => "this machine has no such protocol", "try -4 or -6";
    } else None
}

causes! {
    /// Describes what an open connection can end with.
    of_connection(K), CONNECTION {
    K::UnexpectedEof => "the other end closed the connection", SEE_LOG;
    K::ConnectionReset => "the other end reset the connection", SEE_LOG;
    K::ConnectionAborted => "the connection was aborted", SEE_LOG;
    K::BrokenPipe | K::NotConnected | K::WriteZero => "the other end had closed the connection", SEE_LOG;
    K::TimedOut => TIMED_OUT, CHECK_HOST;
    K::HostUnreachable => "the host cannot be reached any more", CHECK_HOST;
    K::NetworkUnreachable => NO_ROUTE, CHECK_ROUTE;
    K::NetworkDown => "this machine's network is down", CHECK_ROUTE;
    K::PermissionDenied => FORBIDDEN, FIREWALL;
    K::OutOfMemory => MEMORY, CLOSE_PROGRAMS;
    } else None
}

/// The cause of an error of `connect(2)`.
pub(crate) fn dialling(error: &io::Error) -> Option<Cause> {
    let errno = Errno::from_io_error(error);
    of_dialling(error.kind()).or_else(|| of_errno(errno?))
}

/// An error of `connect(2)` in words, with what to do about it.
pub(crate) fn explained(error: &io::Error) -> (String, &'static str) {
    super::explained(&error.to_string(), dialling(error))
}

/// The cause of an error of an open connection.
pub(crate) fn connection(error: &io::Error) -> Option<Cause> {
    let errno = Errno::from_io_error(error);
    of_connection(error.kind()).or_else(|| of_errno(errno?))
}

/// Returns a sentence for an error of the resolver, and a remedy.
pub(crate) fn resolver(error: &io::Error) -> (String, &'static str) {
    let text = error.to_string();
    let said = text
        .strip_prefix("failed to lookup address information: ")
        .unwrap_or(&text);
    super::explained(said, of_resolver(said).or_else(|| dialling(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors of connect(2), socket(2), send(2) and recv(2), save faults of this program's own (EBADF, EFAULT, …).
    #[test]
    fn every_error_of_a_socket_has_a_cause() {
        for errno in [
            Errno::ACCESS,
            Errno::PERM,
            Errno::ADDRINUSE,
            Errno::ADDRNOTAVAIL,
            Errno::AFNOSUPPORT,
            Errno::AGAIN,
            Errno::CONNREFUSED,
            Errno::CONNRESET,
            Errno::CONNABORTED,
            Errno::HOSTDOWN,
            Errno::HOSTUNREACH,
            Errno::INTR,
            Errno::INVAL,
            Errno::MFILE,
            Errno::NETDOWN,
            Errno::NETUNREACH,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
            Errno::NONET,
            Errno::PIPE,
            Errno::PROTONOSUPPORT,
            Errno::TIMEDOUT,
        ] {
            let error = io::Error::from(errno);
            assert!(dialling(&error).is_some(), "{error}");
        }
        for errno in [
            Errno::CONNRESET,
            Errno::CONNABORTED,
            Errno::HOSTUNREACH,
            Errno::NETDOWN,
            Errno::NETUNREACH,
            Errno::NOTCONN,
            Errno::PIPE,
            Errno::TIMEDOUT,
        ] {
            let error = io::Error::from(errno);
            assert!(connection(&error).is_some(), "{error}");
        }
    }

    #[test]
    fn unknown_errors_are_shown_and_nothing_is_claimed() {
        for errno in [
            Errno::XDEV,
            Errno::NOTTY,
            Errno::DOM,
            Errno::from_raw_os_error(4000),
        ] {
            let error = io::Error::from(errno);
            assert_eq!(explained(&error), (error.to_string(), ""));
        }
        let odd = io::Error::other("failed to lookup address information: a \x1b[2J new one");
        assert_eq!(resolver(&odd), ("a \\x1b[2J new one".to_owned(), ""));
        let known = io::Error::other("failed to lookup address information: Try again");
        assert_eq!(resolver(&known).1, CHECK_DNS);
    }
}
