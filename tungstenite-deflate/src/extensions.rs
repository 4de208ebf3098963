//! Grammar of Sec-WebSocket-Extensions (RFC 6455 §9.1).
