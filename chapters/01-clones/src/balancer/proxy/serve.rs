//! Runs the balancer on a listener.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use http::Request;
use tokio::net::TcpListener;

use crate::balancer::load_balancer::Balancer;
use crate::web::limits::Limits;
use crate::web::request_body::RequestBody;
use crate::web::server;

/// How many header fields a client may send. The balancer adds fields (`via`, `x-forwarded-for` and
/// others), and the result must not exceed the limit of the clones.
const MAX_HEADERS: usize = 100;

/// Serves the balancer on `listener` until `shutdown` resolves and the requests in flight are
/// finished.
pub async fn run(
    listener: TcpListener,
    balancer: Arc<Balancer>,
    shutdown: impl Future<Output = ()> + Send,
) {
    run_with(Limits::default(), listener, balancer, shutdown).await;
}

/// Like [`run`], with other limits. The limit of header fields is at most 100.
pub async fn run_with(
    limits: Limits,
    listener: TcpListener,
    balancer: Arc<Balancer>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let shared = Arc::clone(&balancer);
    let service = tower::service_fn(move |request: Request<RequestBody>| {
        let balancer = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(balancer.forward(request).await) }
    });
    let limits = Limits {
        headers: limits.headers.min(MAX_HEADERS),
        ..limits
    };
    tokio::select! {
        () = server::run_with(limits, listener, service, shutdown) => {}
        () = balancer.run_probes() => {}
    }
}
