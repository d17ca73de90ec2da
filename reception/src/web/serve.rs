//! The HTTP/1.1 server: bounded connections, deadlines for slow senders and for slow readers, and an orderly end.

use super::guard::{CONNECTIONS, HEAD_SECONDS, Peer, READER_SECONDS, STOP_SECONDS};
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use node::Thinned;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep, interval, sleep};

/// After a failure to accept (no file descriptors left), how long to wait for some to be freed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` until `shutdown` completes; then takes no more, lets open responses end for [`STOP_SECONDS`], and returns.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopped) = watch::channel(());
    let troubles = troubles();
    let mut flush = interval(node::WINDOW);
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => break,
            (place, accepted) = next => match (place, accepted) {
                (Ok(place), Ok((tcp, address))) => {
                    tokio::spawn(connection(tcp, address, router.clone(), place, stopped.clone()));
                }
                (_, Err(error)) => {
                    troubles.note(error.kind(), error.to_string(), Instant::now().into_std());
                    sleep(ACCEPT_PAUSE).await;
                }
                (Err(_), Ok(_)) => break,
            },
            now = flush.tick() => troubles.flush(now.into_std()),
        }
    }
    drop((listener, stopped));
    let _ = stop.send(());
    let _ = tokio::time::timeout(Duration::from_secs(STOP_SECONDS), stop.closed()).await;
}

/// What fails as long as visitors hold every file descriptor, and is tried again [`ACCEPT_PAUSE`] later.
fn troubles() -> Thinned<io::ErrorKind> {
    Thinned::new("a visitor's connection could not be accepted", "more visitors' connections could not be accepted")
}

async fn connection(
    tcp: TcpStream,
    address: SocketAddr,
    router: Router,
    _place: OwnedSemaphorePermit,
    mut stopped: watch::Receiver<()>,
) {
    // Latency only; a socket that refuses it works all the same.
    let _ = tcp.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(Extension(Peer(address.ip()))));
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(HEAD_SECONDS));
    let mut served = pin!(builder.serve_connection(TokioIo::new(Patient::new(tcp)), service));
    // A visitor who goes away in mid-response is no event worth a line.
    tokio::select! {
        _ = served.as_mut() => return,
        _ = stopped.changed() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

/// A connection that fails when its reader takes nothing for [`READER_SECONDS`].
struct Patient {
    tcp: TcpStream,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(tcp: TcpStream) -> Self {
        Self { tcp, waiting: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.waiting = None;
            return progress;
        }
        let deadline = || Box::pin(tokio::time::sleep_until(Instant::now() + Duration::from_secs(READER_SECONDS)));
        match self.waiting.get_or_insert_with(deadline).as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.watch(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.watch(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Captured;
    use std::fs::File;
    use std::process::Command;

    /// Tells a run of a test that it may open few files only.
    const FEW_FILES: &str = "WEBIZEN_TEST_FEW_FILES";

    #[tokio::test]
    async fn visitors_for_whom_no_descriptor_is_left_are_one_line_in_the_log() {
        if std::env::var_os(FEW_FILES).is_none() {
            return with_few_files(
                "web::serve::tests::visitors_for_whom_no_descriptor_is_left_are_one_line_in_the_log",
            );
        }
        let (captured, _guard) = Captured::start();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _visitor = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut held = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            held.push(file);
        }
        // As long as it takes to try ten times.
        serve(listener, Router::new(), sleep(10 * ACCEPT_PAUSE)).await;
        let log = captured.text();
        assert_eq!(log.matches("a visitor's connection could not be accepted").count(), 1, "{log}");
        assert!(log.contains("Too many open files"), "{log}");
    }

    /// Runs this test again in a process of its own, so that no other test runs out of files.
    fn with_few_files(name: &str) {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 64 && exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
        let output = command.args(["--exact", name, "--nocapture"]).env(FEW_FILES, "1").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
}
