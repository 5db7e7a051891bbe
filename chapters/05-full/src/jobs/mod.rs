//! The jobs that this store knows, by the name that `POST /work?job=NAME` takes.

mod order_export;
mod practice;
mod trailer_transcode;

use std::sync::Arc;

use ch04_async::JobHandler;
use ch04_async::worker::Handlers;

use crate::services::Services;
use order_export::OrderExport;
use practice::Practice;
use trailer_transcode::TrailerTranscode;

/// The names of all jobs, for the answer to an unknown one.
pub const NAMES: [&str; 3] = ["order-export", "trailer-transcode", "doSomething"];

/// The handlers that a worker needs.
pub fn handlers(services: &Services) -> Arc<Handlers> {
    let [export, transcode, practice] = NAMES;
    let handlers: [(&'static str, Arc<dyn JobHandler>); 3] = [
        (export, Arc::new(OrderExport::new(services.orders.clone()))),
        (transcode, Arc::new(TrailerTranscode)),
        (practice, Arc::new(Practice)),
    ];
    Arc::new(handlers.into_iter().collect())
}
