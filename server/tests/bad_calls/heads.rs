//! Heads of calls: each part is right or wrong in a known way, and the first that is wrong counts.

use http::Method;
use tonic::Code;

use crate::call::{Call, Outcome};
use crate::random::Random;

use Outcome::{Failed, Refused};

/// Paths, and what is wrong with them: no such path, or no such method of a service that there is.
#[rustfmt::skip]
const PATHS: &[(&str, Option<Outcome>)] = &[
    ("/chat.ChatService/SendMessage?x=1", None),
    ("/chat.ChatService", Some(Refused(404))),
    ("/chat.ChatService/", Some(Refused(404))),
    ("/chat.chatservice/SendMessage", Some(Refused(404))),
    ("/chat.v3.ChatService/Send", Some(Refused(404))),
    ("//chat.ChatService/SendMessage", Some(Refused(404))),
    ("/x/chat.ChatService/SendMessage", Some(Refused(404))),
    ("/chat.ChatService/Nothing", Some(Failed(Code::Unimplemented))),
    ("/chat.ChatService/sendMessage", Some(Failed(Code::Unimplemented))),
    ("/chat.ChatService/SendMessage/", Some(Failed(Code::Unimplemented))),
    ("/chat.ChatService/Send%4dessage", Some(Failed(Code::Unimplemented))),
    ("/chat.v2.ChatService/SendMessage", Some(Failed(Code::Unimplemented))),
    ("/grpc.health.v1.Health/List", Some(Failed(Code::Unimplemented))),
];

const METHODS: &[Method] = &[
    Method::GET,
    Method::HEAD,
    Method::PUT,
    Method::DELETE,
    Method::OPTIONS,
    Method::PATCH,
];

const GOOD_TYPES: &[&str] = &[
    "application/grpc",
    "application/grpc+proto",
    "application/grpc;charset=utf-8",
];
#[rustfmt::skip]
const BAD_TYPES: &[&str] = &[
    "", "application/json", "text/plain", "application/grpcx", "application/grp",
    "application/grpc-web+json", "application/grpc-web-textual", "application/x-protobuf",
];

const GOOD_TIMEOUTS: &[&str] = &["99999999H", "10H", "900S", "90M", "99999999m"];
#[rustfmt::skip]
const BAD_TIMEOUTS: &[&str] = &[
    "", "S", "10", "soon", "1s", "-1S", "+1S", "1.5S", "1 S", "123456789S", "0x1S", "1SS",
    "\u{661}S",
];

/// `identity` is no compression; no other coding is served.
#[rustfmt::skip]
const BAD_ENCODINGS: &[&str] = &[
    "gzip", "deflate", "zstd", "snappy", "br", "GZIP", "identity, gzip", "",
];

const FOREIGN: &[&str] = &[
    "https://evil.example",
    "null",
    "http://localhost",
    "https://localhost.evil",
];

/// A call whose message is right.
pub fn call(random: &mut Random) -> Call {
    let mut call = Call::good(random);
    // In the order in which the server looks at them.
    let mut wrong = [const { None }; 7];
    if random.once_in(4) {
        let (path, problem) = PATHS[random.below(PATHS.len())].clone();
        path.clone_into(&mut call.path);
        match problem {
            Some(Failed(_)) => wrong[5] = problem,
            _ => wrong[1] = problem,
        }
    }
    if random.once_in(20) {
        // A target beyond 8 KiB is not looked at.
        call.path
            .push_str(if call.path.contains('?') { "&" } else { "?" });
        call.path.push_str(&"x".repeat(8200));
        wrong[0] = Some(Refused(414));
    }
    if random.once_in(6) {
        call.fields
            .push(("origin", random.pick(FOREIGN).to_owned()));
        wrong[2] = Some(Refused(403));
    }
    if random.once_in(6) {
        call.method = METHODS[random.below(METHODS.len())].clone();
        wrong[3] = Some(Refused(405));
    }
    random.pick(GOOD_TYPES).clone_into(&mut call.fields[0].1);
    if random.once_in(6) {
        random.pick(BAD_TYPES).clone_into(&mut call.fields[0].1);
        wrong[3] = wrong[3].clone().or(Some(Refused(415)));
    }
    match random.below(12) {
        0 => call
            .fields
            .push(("grpc-timeout", random.pick(GOOD_TIMEOUTS).to_owned())),
        1 | 2 => {
            call.fields
                .push(("grpc-timeout", random.pick(BAD_TIMEOUTS).to_owned()));
            wrong[4] = Some(Failed(Code::InvalidArgument));
        }
        _ => {}
    }
    match random.below(12) {
        0 => call.fields.push(("grpc-encoding", "identity".to_owned())),
        1 | 2 => {
            call.fields
                .push(("grpc-encoding", random.pick(BAD_ENCODINGS).to_owned()));
            wrong[6] = Some(Failed(Code::Unimplemented));
        }
        _ => {}
    }
    if let Some(problem) = wrong.into_iter().flatten().next() {
        call.expected = problem;
    }
    call
}
