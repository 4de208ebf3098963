//! A whole engine driven by a script of bytes: receive, send, write, time, end, in any order.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tungstenite_deflate::deflate::ContextMemory;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite_deflate::{
    Compression, Connection, DeflateConfig, Keepalive, Limits, MemoryBudget, Options, ProtocolError,
};

use super::{Input, frames, wire};

/// The engine as a server.
pub fn server(data: &[u8]) {
    drive(Role::Server, data);
}

/// The engine as a client.
pub fn client(data: &[u8]) {
    drive(Role::Client, data);
}

/// Bytes that may wait to be written: the limit, what the engine adds of its own (Pongs, a Ping, a Close), and what a
/// header or a stored DEFLATE block adds to a message.
const MOST_OUTGOING: usize = 32 * 1024 + 64 * 160;

struct Run {
    role: Role,
    connection: Connection,
    buffer: BytesMut,
    now: Instant,
    written: Vec<u8>,
    deflate: bool,
    failed: bool,
    /// The queue was dropped, so what was written need not be whole frames.
    broken: bool,
}

fn options(choice: u8) -> Options {
    let mut websocket = WebSocketConfig::default();
    websocket.max_message_size = Some(16 * 1024);
    websocket.max_frame_size = Some(8 * 1024);
    websocket.write_buffer_size = 1024;
    websocket.max_write_buffer_size = 32 * 1024;
    let keepalive = (choice & 8 != 0).then(Keepalive::default);
    // Time is made up here, so idle contexts are looked for in a memory of its own.
    let memory = ContextMemory::new(MemoryBudget::new(1 << 20), Some(Duration::from_secs(60)));
    Options::from(websocket)
        .deflate(Some(DeflateConfig::default().memory(memory)))
        .keepalive(keepalive)
        .fragment_bytes((choice & 16 != 0).then_some(100))
        .limits(Limits::default().max_fragments(Some(64)))
}

fn drive(role: Role, data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let agreed = (choice & 2 != 0).then(|| frames::agreed(choice & 4 != 0));
    let now = Instant::now();
    let mut run = Run {
        role,
        connection: Connection::new(role, options(choice).into(), agreed, now),
        buffer: BytesMut::new(),
        now,
        written: Vec::new(),
        deflate: agreed.is_some(),
        failed: false,
        broken: false,
    };
    while !input.0.is_empty() {
        run.step(&mut input);
        run.check();
    }
    run.finish();
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 10 {
            0..=2 => {
                let count = usize::from(input.byte());
                self.receive(input.take(count));
            }
            3 => {
                let count = input.number();
                self.receive(input.take(count));
            }
            4 => {
                let count = usize::from(input.byte());
                let text = String::from_utf8_lossy(input.take(count)).into_owned();
                self.send(Message::text(text), Compression::Always);
            }
            5 => {
                let repeat = input.number();
                self.send(
                    Message::binary(vec![input.byte(); repeat]),
                    Compression::Auto,
                );
            }
            6 => {
                let payload = Bytes::copy_from_slice(input.take(130));
                self.send(Message::Ping(payload), Compression::Never);
            }
            7 => {
                let code = u16::from(input.byte()) * 32 + 1000;
                let frame = CloseFrame {
                    code: CloseCode::from(code),
                    reason: "bye".into(),
                };
                let _ = self.connection.close(Some(frame), self.now);
            }
            8 => {
                let count = input.number();
                self.write(count);
            }
            _ => match input.byte() {
                0 => {
                    self.connection.receive_eof();
                }
                1 => {
                    self.connection.transmit_failed();
                    self.broken = true;
                }
                seconds => self.pass(Duration::from_secs(seconds.into())),
            },
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        loop {
            match self.connection.receive(&mut self.buffer, self.now) {
                Ok(Some(_)) => {
                    assert!(!self.failed, "a message after the connection failed");
                }
                Ok(None) => break,
                Err(error) => self.fail(&error),
            }
        }
        if let Err(error) = self.connection.handle_wait(&mut self.buffer) {
            self.fail(&error);
        }
    }

    fn fail(&mut self, error: &ProtocolError) {
        assert!(!self.failed, "failed twice: {error}");
        self.failed = true;
    }

    fn send(&mut self, message: Message, compression: Compression) {
        let open = self.connection.is_open();
        let sent = self.connection.send_with(message, compression, self.now);
        assert!(open || sent.is_err(), "sent although not open");
    }

    fn write(&mut self, most: usize) {
        let mut left = most;
        while left > 0 && self.connection.outgoing().has_remaining() {
            let outgoing = self.connection.outgoing();
            let taken = outgoing.chunk().len().min(left);
            assert!(taken > 0, "remaining, but an empty chunk");
            self.written.extend_from_slice(&outgoing.chunk()[..taken]);
            outgoing.advance(taken);
            left -= taken;
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        if self
            .connection
            .next_timeout()
            .is_some_and(|due| due <= self.now)
            && self.connection.handle_timeout(self.now).is_err()
        {
            self.failed = true;
        }
    }

    fn check(&self) {
        assert!(
            self.connection.outgoing_bytes() <= MOST_OUTGOING,
            "{} bytes queued",
            self.connection.outgoing_bytes()
        );
        assert!(
            self.buffer.len() <= 8 * 1024 + 14,
            "{} bytes of an incomplete frame",
            self.buffer.len()
        );
        assert!(
            !self.failed || self.connection.is_receiving_over(),
            "failed, but still receiving"
        );
    }

    /// Everything that was written is well formed, and time ends every connection that waits for something.
    fn finish(mut self) {
        self.write(usize::MAX);
        if !self.broken {
            wire::frames(&self.written, self.role == Role::Client, self.deflate);
        }
        // Idle contexts are looked for several times within their timeout.
        for _ in 0..64 {
            let Some(due) = self.connection.next_timeout() else {
                return;
            };
            self.now = self.now.max(due);
            let _ = self.connection.handle_timeout(self.now);
            self.write(usize::MAX);
        }
        assert!(
            self.connection.next_timeout().is_none(),
            "deadlines without end"
        );
    }
}
