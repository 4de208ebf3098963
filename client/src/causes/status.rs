//! Refusals of the opening handshake: every registered status (RFC 9110 §15 and its registry).

use super::causes;

const SEE_LOG: &str = "see the server's log";
const CHECK_PATH: &str = "check the URL's path";
const LOOK: &str = "look at it with --show-handshake";
const FEWER_HEADERS: &str = "leave headers out";
const LATER: &str = "try later, or use --reconnect";

causes! {
    /// Describes a status other than 101. A 5xx that is not registered is a fault of the server as well (RFC 9110 §15).
    of_status(u16), STATUS {
    200 => "this is a plain web page, not a WebSocket", CHECK_PATH;
    201..=299 => "the server took it for an ordinary request, not a WebSocket handshake", CHECK_PATH;
    301 | 302 | 303 | 307 | 308 => "it is a redirect", "dial its Location, or add --follow";
    400 => "the server does not understand the request", LOOK;
    401 => "credentials are wanted", "--user NAME or --bearer-file FILE";
    402 => "the server wants a payment", "";
    403 => "the server forbids it", "it may want --origin, --user or --bearer-file";
    404 => "nothing is served at this path", CHECK_PATH;
    405 | 426 => "this path takes no WebSocket handshake of this kind", "check the URL's path and --http2";
    406 | 415 => "the server does not offer or take the wanted format", "check the headers and --subprotocol";
    407 => "a proxy wants credentials", "--proxy http://USER:PASSWORD@HOST:PORT";
    408 => "the request came too slowly", "check the network, and try again";
    409 | 412 | 423 | 424 | 428 => "the server's state does not permit it now", SEE_LOG;
    410 => "what was served at this path is gone", CHECK_PATH;
    411 | 413 | 416 | 417 => "the server wants or refuses a body or a condition of the request", FEWER_HEADERS;
    414 => "the URL is too long for the server", "shorten the URL's query";
    421 => "the server does not serve this name", "check the URL's host";
    422 => "the server cannot use what the request says", "check the URL's query and the headers";
    425 => "the server wants the request again after the TLS handshake", "try again";
    429 => "too many connections or requests from here", "try later";
    431 => "the headers are too long for the server", FEWER_HEADERS;
    451 => "the law forbids it where the server or you are", "";
    501 => "the server does not support this request", "check the URL and --http2";
    502 => "the gateway cannot reach the server behind it", "check that the server behind the gateway runs";
    503 => "the server is full or going away", LATER;
    504 => "the server behind the gateway did not answer it", "check that the server behind the gateway runs";
    505 => "the server does not speak this HTTP version", "leave out --http2, or add it";
    507 => "the server has no storage left", SEE_LOG;
    511 => "the network wants you to log in first", "open a page in a browser and log in";
    500..=599 => "the server has a fault", SEE_LOG;
    } else None
}
