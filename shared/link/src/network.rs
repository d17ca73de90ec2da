//! Where UDP sockets come from: the system, or a network that a simulator makes up.

use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, Runtime, TokioRuntime};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Once};

/// Asked of the kernel for each direction of a UDP socket, in bytes; it may give less (`net.core.rmem_max`, `wmem_max`).
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// A network that links can run over. Timers are tokio's in any case, so that a paused clock holds a link, too.
pub trait Network: Send + Sync + 'static {
    /// Binds a UDP socket; port 0 lets the network choose.
    ///
    /// # Errors
    /// When the address cannot be had.
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>>;

    /// Changes how an endpoint draws what it must not repeat. A simulator seeds it, so that a run can be had again; by
    /// default the system's randomness stays.
    fn prepare(&self, _config: &mut EndpointConfig) {}
}

/// The system's own network.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Network for System {
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let socket = TokioRuntime.wrap_udp_socket(socket(address)?)?;
        warn_without_offload(&*socket);
        Ok(socket)
    }
}

/// An endpoint on a socket of `network`.
pub(crate) fn open(
    network: &dyn Network,
    address: SocketAddr,
    mut config: EndpointConfig,
    server: Option<quinn::ServerConfig>,
) -> io::Result<Endpoint> {
    network.prepare(&mut config);
    Endpoint::new_with_abstract_socket(config, server, network.bind(address)?, Arc::new(TokioRuntime))
}

fn socket(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.bind(&address.into())?;
    let (receive, send) = (socket.recv_buffer_size()?, socket.send_buffer_size()?);
    tracing::debug!(receive, send, asked = SOCKET_BUFFER, "UDP socket buffers, in bytes");
    Ok(socket.into())
}

/// Without generic segmentation offload the link carries a fifth, at the same load.
fn warn_without_offload(socket: &dyn AsyncUdpSocket) {
    static SAID: Once = Once::new();
    if socket.max_transmit_segments() <= 1 {
        SAID.call_once(|| tracing::warn!("the kernel has no UDP segmentation offload: large payloads will be slow"));
    }
}
