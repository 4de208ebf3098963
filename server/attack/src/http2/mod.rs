//! HTTP/2 written by hand, so that every rule of it can be broken.

mod peer;

pub(crate) use peer::{Peer, Seen, Sent};
pub(crate) use raw_http2::kind::{
    CONTINUATION, DATA, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
pub(crate) use raw_http2::setting::INITIAL_WINDOW_SIZE;
pub(crate) use raw_http2::{ACK, Block, END_HEADERS, END_STREAM, frame, one_setting as setting};
