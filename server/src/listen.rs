//! Connections: accepted up to a limit, each within its limits, and all of them ended in order.
//!
//! A connection that sends no whole head in time is closed, be it slow, idle or silent; so is one that does not take its
//! answer ([`Wire`]). Beyond the limit on connections new ones wait to be accepted. On the way out the listener stays
//! while requests run, so that probes hear that the server is leaving; then connections end, each after what it is about.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::shared::Shared;
use crate::wire::Wire;

/// How long to wait when no connection can be accepted, for want of descriptors say.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until `stopped` says so and all requests have ended.
pub(crate) async fn listen(
    listener: TcpListener,
    router: Router,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let most = shared.options.connections.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
    let places = Arc::new(Semaphore::new(most));
    let (close, closing) = watch::channel(false);
    let drained = async {
        // An error means that the server was dropped: that is a stop too.
        let _ = stopped.wait_for(|stop| *stop).await;
        shared.drain().await;
    };
    tokio::pin!(drained);
    loop {
        tokio::select! {
            (stream, place) = accept(&listener, &places) => {
                tokio::spawn(converse(stream, place, router.clone(), shared.clone(), closing.clone()));
            }
            () = &mut drained => break,
        }
    }
    drop(listener);
    close.send_replace(true);
    // Never closed: an error cannot come.
    let _ = places.acquire_many(most as u32).await;
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { continue };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn converse(
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    router: Router,
    shared: Arc<Shared>,
    mut closing: watch::Receiver<bool>,
) {
    let options = &shared.options;
    // Small answers go out at once.
    let _ = stream.set_nodelay(true);
    let _counted = shared.metrics.connections.count();
    let wire = Wire::new(stream, options.stall_timeout, shared.metrics.clone());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_timeout)
        .max_buf_size(options.head_bytes.max(8192))
        .serve_connection(TokioIo::new(wire), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let closed = async {
        // An error means that the listener is gone: that is an end too.
        let _ = closing.wait_for(|close| *close).await;
    };
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = closed => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection broke off");
    }
}
