//! Runs one representative path a fixed number of times, for `scripts/instructions` to count what it takes.
//!
//! usage: instructions PATH; without one it prints the paths.
//!
//! Nothing here depends on a clock, a socket, a second thread or a random number, as far as that is possible: rooms give
//! their members random ids.

mod corpus;
mod handshake;
mod path;
mod room;
mod websocket;
mod wire;

use std::process::ExitCode;

use path::Path;

/// Makes a path ready.
type Prepare = fn() -> Path;

/// Every path by its name.
const PATHS: [(&str, Prepare); 17] = [
    ("echo-16", || websocket::echo(16)),
    ("echo-1024", || websocket::echo(1 << 10)),
    ("echo-16384", || websocket::echo(16 << 10)),
    ("echo-compressed-1024", || {
        websocket::echo_compressed(1 << 10)
    }),
    ("echo-json", || websocket::echo_json(false)),
    ("echo-json-takeover", || websocket::echo_json(true)),
    ("handshake", handshake::both_sides),
    ("room-join", room::join),
    ("room-delivery-1", || room::delivery(1, false)),
    ("room-delivery-100", || room::delivery(100, false)),
    ("room-delivery-shared", || room::delivery(100, true)),
    ("encoder", || websocket::encoder(false)),
    ("encoder-takeover", || websocket::encoder(true)),
    ("inflater", || websocket::inflater(false)),
    ("inflater-takeover", || websocket::inflater(true)),
    ("receive-fragments", websocket::fragments),
    ("receive-pings", websocket::pings),
];

/// The function whose instructions are counted, with all that it calls.
#[inline(never)]
fn measured(once: &mut dyn FnMut(), times: u32) {
    for _ in 0..times {
        once();
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a script"
)]
fn main() -> ExitCode {
    // Connections with compression make timers, none of which fires.
    let runtime = room::runtime();
    let _entered = runtime.enter();
    let Some(name) = std::env::args().nth(1) else {
        for (name, prepare) in PATHS {
            println!("{name} {}", prepare().times);
        }
        return ExitCode::SUCCESS;
    };
    let Some((_, prepare)) = PATHS.iter().find(|(path, _)| *path == name) else {
        eprintln!("there is no path {name}");
        return ExitCode::FAILURE;
    };
    let Path { times, mut once } = prepare();
    // Tables are made and buffers grow at the first use.
    for _ in 0..times {
        once();
    }
    measured(&mut *once, times);
    ExitCode::SUCCESS
}
