//! Programs in the manner of tokio-tungstenite's users, run with the original and with tungstenite-deflate.
#![allow(clippy::large_futures, reason = "the original's are")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::result_large_err, reason = "tungstenite's callback")]

/// Both sides with tungstenite-deflate under tokio-tungstenite's name.
mod replaced {
    use tokio_tungstenite as server;
    use tokio_tungstenite as client;
    include!("programs/all.rs");
}

/// Both sides with the original: what the programs expect is what it does.
mod original {
    use original as server;
    use original as client;
    include!("programs/all.rs");
}

mod original_client {
    use original as client;
    use tokio_tungstenite as server;
    include!("programs/all.rs");
}

mod original_server {
    use original as server;
    use tokio_tungstenite as client;
    include!("programs/all.rs");
}
