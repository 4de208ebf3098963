//! Dials a URL, sends a text, prints what comes back and what was agreed; for scripts/check-features.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::args().nth(1).expect("a URL");
    match tokio_tungstenite::connect_async(url).await {
        Ok((mut stream, response)) => {
            stream.send(Message::text("olá")).await.expect("sent");
            let answer = stream.next().await.expect("an answer").expect("a message");
            let agreed = response.headers().get("sec-websocket-extensions").is_some();
            println!("{:?} {answer} compressed={agreed}", stream.get_ref());
        }
        Err(error) => println!("error: {error}"),
    }
}
