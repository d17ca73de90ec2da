//! A network that loses, doubles, delays, reorders, corrupts and parts, all by the seed.
//!
//! What happens to a datagram depends on its ordinal and its length, never on its bytes: they are encrypted under keys that
//! TLS draws from the system and so differ from run to run. For the same reason a flipped bit always lands where it makes
//! the packet undecryptable, and never where the bytes around it decide what a reader takes it for; what a reader makes of
//! strange headers is tried with junk that the seed alone determines.

use super::dice::Dice;
use link::Network;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, EndpointConfig, UdpPoller};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future as _;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// The longest that a datagram is ever on its way, in milliseconds.
pub const LATEST: u64 = 1500;

/// How bad it is, in events of a thousand datagrams.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Never arrive.
    pub loss: u64,
    /// Arrive twice.
    pub twice: u64,
    /// Arrive with a flipped bit.
    pub corrupt: u64,
    /// Come with junk from nobody.
    pub junk: u64,
    /// The longest delay, in milliseconds; each datagram draws its own, and so they overtake each other.
    pub delay: u64,
}

impl Weather {
    /// Nothing goes wrong.
    pub const FAIR: Self = Self { loss: 0, twice: 0, corrupt: 0, junk: 0, delay: 4 };

    /// As bad as the dice say.
    pub fn draw(dice: &mut Dice) -> Self {
        let bad = *dice.one(&[0, 20, 100, 250]);
        let delay = *dice.one(&[4, 40, 400, LATEST]);
        Self { loss: bad, twice: dice.from(0..200), corrupt: bad / 3, junk: dice.from(0..50), delay }
    }
}

/// What has happened to datagrams.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fates {
    /// Lost, or sent into a parted network.
    pub lost: u64,
    /// Arrived twice.
    pub twice: u64,
    /// Arrived with a flipped bit.
    pub corrupt: u64,
    /// Junk that nobody sent.
    pub junk: u64,
}

/// Where a datagram waits: by its time, then by its ordinal.
type Queue = BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)>;

#[derive(Default)]
struct Port {
    queue: Queue,
    reader: Option<Waker>,
    /// Counts who bound this address, so that a dead process's socket finds another's queue never.
    owner: u64,
}

struct State {
    start: Instant,
    seed: u64,
    weather: Weather,
    parted: BTreeSet<IpAddr>,
    ports: BTreeMap<SocketAddr, Port>,
    sockets: u64,
    sent: u64,
    fates: Fates,
    digest: Sha256,
    /// The longest datagram to a machine since somebody asked for it.
    longest: Option<(IpAddr, usize)>,
}

/// The network of one run. Clones share it.
#[derive(Clone)]
pub struct Net(Arc<Mutex<State>>);

impl Net {
    /// A quiet network.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            start: Instant::now(),
            seed,
            weather: Weather::FAIR,
            parted: BTreeSet::new(),
            ports: BTreeMap::new(),
            sockets: 0,
            sent: 0,
            fates: Fates::default(),
            digest: Sha256::new(),
            longest: None,
        })))
    }

    /// A machine on it, as of one start.
    pub fn host(&self, ip: IpAddr) -> Arc<Host> {
        Arc::new(Host { net: self.clone(), ip, up: Mutex::new(true) })
    }

    /// The weather from now on.
    pub fn set_weather(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    /// Cuts these machines off from everybody, and joins all others.
    pub fn part(&self, off: impl IntoIterator<Item = IpAddr>) {
        self.lock().parted = off.into_iter().collect();
    }

    /// Datagrams sent so far, and a hash over their order, times, ends and lengths.
    pub fn sent(&self) -> (u64, String) {
        let state = self.lock();
        (state.sent, shared::ids::hex(&state.digest.clone().finalize()))
    }

    /// What has happened to them.
    pub fn fates(&self) -> Fates {
        self.lock().fates
    }

    /// From now on the longest datagram to this machine is looked for.
    pub fn measure(&self, to: IpAddr) {
        self.lock().longest = Some((to, 0));
    }

    /// The longest since then.
    pub fn measured(&self) -> usize {
        self.lock().longest.take().map_or(0, |(_, longest)| longest)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let ordinal = self.sent;
        self.sent += 1;
        let line = format!("{ordinal} {} {from} {to} {}\n", self.start.elapsed().as_millis(), bytes.len());
        self.digest.update(line);
        if let Some((whose, longest)) = &mut self.longest
            && *whose == to.ip()
        {
            *longest = bytes.len().max(*longest);
        }
        let mut dice = Dice::of(self.seed, 0x0064_6174_6167_7261 ^ ordinal.rotate_left(24));
        let weather = self.weather;
        let lost = dice.chance(weather.loss) || self.parted.contains(&from.ip()) || self.parted.contains(&to.ip());
        let copies = 1 + u64::from(dice.chance(weather.twice));
        let corrupt = dice.chance(weather.corrupt);
        let junk = dice.chance(weather.junk);
        let fates = &mut self.fates;
        fates.lost += u64::from(lost);
        fates.twice += copies - 1;
        fates.corrupt += u64::from(corrupt);
        fates.junk += u64::from(junk);
        for copy in 0..copies * u64::from(!lost) {
            let mut bytes = bytes.to_vec();
            if corrupt && copy == 0 {
                flip(&mut bytes, &mut dice);
            }
            let delay = dice.from(1..weather.delay + 1);
            self.deliver(to, from, bytes, delay, ordinal * 4 + copy);
        }
        if junk {
            let mut bytes = vec![0; dice.from(1..1400) as usize];
            dice.fill(&mut bytes);
            self.deliver(to, from, bytes, 1, ordinal * 4 + 2);
        }
    }

    fn deliver(&mut self, to: SocketAddr, from: SocketAddr, bytes: Vec<u8>, delay: u64, place: u64) {
        let Some(port) = self.ports.get_mut(&to) else { return };
        port.queue.insert((Instant::now() + Duration::from_millis(delay), place), (from, bytes));
        if let Some(reader) = port.reader.take() {
            reader.wake();
        }
    }
}

/// Flips one bit that the packet's authentication covers. In a packet with a short header that is any bit but those of its
/// first byte (RFC 9001, section 5.4); of other datagrams the last packet's tag is damaged.
fn flip(bytes: &mut [u8], dice: &mut Dice) {
    let short = bytes.first().is_some_and(|first| first & 0x80 == 0);
    let from = if short { 9 } else { bytes.len().saturating_sub(16) };
    let at = dice.from(from as u64..bytes.len() as u64) as usize;
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << dice.from(0..8);
    }
}

/// A machine from one start to its next fall: once unplugged, it neither sends nor hears anything ever again.
pub struct Host {
    net: Net,
    ip: IpAddr,
    up: Mutex<bool>,
}

impl Host {
    /// The power is gone.
    pub fn unplug(&self) {
        *self.up.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.net.lock().ports.retain(|address, _| address.ip() != self.ip);
    }

    fn is_up(&self) -> bool {
        *self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One machine as its programs see it.
pub struct Plug(pub Arc<Host>);

impl Network for Plug {
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let mut state = self.0.net.lock();
        state.sockets += 1;
        let owner = state.sockets;
        let port = if address.port() == 0 { 40_000 + (owner % 20_000) as u16 } else { address.port() };
        let address = SocketAddr::new(self.0.ip, port);
        if !self.0.is_up() || state.ports.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        state.ports.insert(address, Port { owner, ..Port::default() });
        let timer = Mutex::new((Box::pin(sleep_until(Instant::now())), Turn::Give));
        Ok(Arc::new(Socket { host: self.0.clone(), address, owner, timer }))
    }

    fn prepare(&self, config: &mut EndpointConfig) {
        let (seed, sockets) = {
            let state = self.0.net.lock();
            (state.seed, state.sockets)
        };
        config.rng_seed(Some(Dice::of(seed, 0x656e_6470_6f69_6e74 ^ sockets).bytes()));
    }
}

/// Whether a socket may give a datagram at the next look. It gives one a look, since quinn measures by the machine's clock
/// how many it takes at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Give,
    Rest,
}

struct Socket {
    host: Arc<Host>,
    address: SocketAddr,
    owner: u64,
    timer: Mutex<(Pin<Box<Sleep>>, Turn)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut state = self.host.net.lock();
        if state.ports.get(&self.address).is_some_and(|port| port.owner == self.owner) {
            state.ports.remove(&self.address);
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.address)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.host.is_up() {
            self.host.net.lock().send(self.address, transmit.destination, transmit.contents);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.host.net.lock();
        let Some(port) = state.ports.get_mut(&self.address).filter(|port| port.owner == self.owner) else {
            return Poll::Pending;
        };
        port.reader = Some(cx.waker().clone());
        loop {
            let Some((&(at, place), _)) = port.queue.first_key_value() else { return Poll::Pending };
            if at > Instant::now() {
                timer.0.as_mut().reset(at);
                ready!(timer.0.as_mut().poll(cx));
                continue;
            }
            if std::mem::replace(&mut timer.1, Turn::Give) == Turn::Rest {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let Some((from, bytes)) = port.queue.remove(&(at, place)) else { return Poll::Pending };
            let len = bytes.len().min(bufs[0].len());
            bufs[0][..len].copy_from_slice(&bytes[..len]);
            meta[0] = RecvMeta { addr: from, len, stride: len, ecn: None, dst_ip: None };
            timer.1 = Turn::Rest;
            return Poll::Ready(Ok(1));
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
