//! Entry point of the client: see the library for everything else.

use std::process::ExitCode;

fn main() -> ExitCode {
    client::run(std::env::args_os()).into()
}
