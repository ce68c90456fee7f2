//! A connection's bytes: counted, and given up when nobody takes them.
//!
//! Invariant: a connection on which something is to be sent and nothing could be for a whole while is closed. So an asker
//! that stopped reading holds its place, and what was made for it, no longer than that. It does not judge slow readers:
//! a byte now and then is enough.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::metrics::Metrics;

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    /// How long nothing may be taken.
    stall: Duration,
    /// When that is over; counts while `is_full`.
    late: Pin<Box<Sleep>>,
    is_full: bool,
    metrics: Arc<Metrics>,
}

impl Wire {
    /// Over a connection that was accepted.
    pub(crate) fn new(stream: TcpStream, stall: Duration, metrics: Arc<Metrics>) -> Wire {
        Wire { stream, stall, late: Box::pin(sleep(stall)), is_full: false, metrics }
    }

    /// What a write came to; one that has to wait fails when it waited too long.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = outcome {
            self.is_full = false;
            if let Ok(bytes) = outcome {
                self.metrics.sent.inc_by(bytes as u64);
            }
            return Poll::Ready(outcome);
        }
        if !self.is_full {
            self.is_full = true;
            self.late.as_mut().reset(Instant::now() + self.stall);
        }
        ready!(self.late.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was read for too long")))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.metrics.received.inc_by((buffer.filled().len() - before) as u64);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
