//! The role that answers requests. All clones are the same except for their name, and keep no data.

use ch01_clones::web::server;
use tokio::net::TcpListener;

use crate::http::{CloneState, router};

/// Serves until `shutdown` resolves and the requests in flight are answered.
pub async fn run(
    listener: TcpListener,
    state: CloneState,
    shutdown: impl Future<Output = ()> + Send,
) {
    server::run(listener, router(state), shutdown).await;
}
