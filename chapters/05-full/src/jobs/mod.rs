//! The jobs of this store, by the name in `POST /work?job=NAME`.

mod example;
mod order_export;
mod trailer_transcode;

use std::sync::Arc;

use ch04_async::JobHandler;
use ch04_async::jobs::Handlers;

use crate::services::Services;
use example::ExampleJob;
use order_export::OrderExport;
use trailer_transcode::TrailerTranscode;

/// The names of all jobs.
pub const NAMES: [&str; 3] = ["order-export", "trailer-transcode", "doSomething"];

/// The handlers for a worker, by the name of the job.
pub fn handlers(services: &Services) -> Arc<Handlers> {
    let [export, transcode, example] = NAMES;
    let handlers: [(&'static str, Arc<dyn JobHandler>); 3] = [
        (export, Arc::new(OrderExport::new(services.orders.clone()))),
        (transcode, Arc::new(TrailerTranscode)),
        (example, Arc::new(ExampleJob)),
    ];
    Arc::new(handlers.into_iter().collect())
}
