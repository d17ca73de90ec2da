//! Signals while the owner's terminal is in use: each of them means no, and leaves nothing behind but what the owner wrote.
//!
//! One thread listens from the first use on. While somebody [`hold`]s, a signal is passed on to be handled in order; else it
//! ends the process, after every [`last_act`].

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::FdFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Notice {
    /// The window has another size.
    Resized = b'w',
    /// Ctrl-C, which reaches a program that runs in the foreground as well.
    Interrupt = b'i',
    /// The process is to end.
    End = b'e',
    /// Its terminal is gone, as it is for a program that runs in the foreground.
    Hangup = b'h',
    /// The process goes on after a stop, as with Ctrl-Z and `fg`. Others had the terminal meanwhile.
    Resumed = b'r',
}

const HEARD: [(Signal, Notice); 6] = [
    (Signal::WINCH, Notice::Resized),
    (Signal::INT, Notice::Interrupt),
    (Signal::QUIT, Notice::Interrupt),
    (Signal::TERM, Notice::End),
    (Signal::HUP, Notice::Hangup),
    (Signal::CONT, Notice::Resumed),
];

/// How long a signal that ended a program is waited for here.
const MEETING: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };

/// How long a program that is asked to end may go on saving.
const PARTING: Duration = Duration::from_secs(2);

struct Registry {
    holders: Vec<(u64, PipeWriter)>,
    last: Vec<(u64, Box<dyn Fn() + Send>)>,
    next: u64,
}

impl Registry {
    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { holders: Vec::new(), last: Vec::new(), next: 0 });
static LISTENER: OnceLock<Result<(), io::ErrorKind>> = OnceLock::new();

/// While this lives, signals come here.
#[derive(Debug)]
pub(crate) struct Hold {
    id: u64,
    notices: PipeReader,
}

/// Takes signals over.
///
/// # Errors
/// When the system has no pipe or thread for it.
pub(crate) fn hold() -> io::Result<Hold> {
    listen()?;
    let (notices, sender) = io::pipe()?;
    rustix::io::ioctl_fionbio(&notices, true)?;
    rustix::io::ioctl_fionbio(&sender, true)?;
    let mut registry = registry();
    let id = registry.id();
    registry.holders.push((id, sender));
    Ok(Hold { id, notices })
}

impl Hold {
    /// Readable when [`Self::take`] has something.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.notices.as_fd()
    }

    /// Waits a moment for the signal that ended a program, which most often comes to this process as well: it would end this
    /// one if it came after the hold.
    fn meet(&mut self, ended: ExitStatus) {
        let shared = [Signal::INT, Signal::QUIT, Signal::HUP, Signal::TERM];
        if shared.iter().any(|signal| ended.signal() == Some(signal.as_raw())) {
            let mut fds = [PollFd::from_borrowed_fd(self.fd(), PollFlags::IN)];
            // A signal that was sent to the program alone never comes here.
            let _ = poll(&mut fds, Some(&MEETING));
        }
    }

    /// Whether the process was asked to end, or lost its terminal, since the last look. Other signals are forgotten.
    pub(crate) fn is_to_end(&mut self) -> bool {
        std::iter::from_fn(|| self.take())
            .fold(false, |end, notice| end | matches!(notice, Notice::End | Notice::Hangup))
    }

    /// The next signal, if one came.
    pub(super) fn take(&mut self) -> Option<Notice> {
        let mut byte = [0];
        if !matches!(self.notices.read(&mut byte), Ok(1)) {
            return None;
        }
        HEARD.iter().map(|(_, notice)| *notice).find(|notice| *notice as u8 == byte[0])
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        registry().holders.retain(|(id, _)| *id != self.id);
    }
}

/// While this lives, something is done before a signal ends the process.
#[derive(Debug)]
pub(crate) struct LastAct(u64);

impl Drop for LastAct {
    fn drop(&mut self) {
        registry().last.retain(|(id, _)| *id != self.0);
    }
}

/// Has `act` done should a signal end the process. Nothing that is [`undisturbed`] is under way then, or begins any more.
///
/// # Errors
/// When the system has no thread to listen.
pub(crate) fn last_act(act: impl Fn() + Send + 'static) -> io::Result<LastAct> {
    listen()?;
    let mut registry = registry();
    let id = registry.id();
    registry.last.push((id, Box::new(act)));
    Ok(LastAct(id))
}

/// Does all of `work`, or, where a signal is ending the process already, nothing. `work` is short, and uses nothing else of
/// this module.
pub(crate) fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let _alive = registry();
    work()
}

/// Waits for a program that has the terminal and was started under `hold`. It gets Ctrl-C and Ctrl-Z itself, and goes on after
/// a stop as this process does; it is ended when this process is asked to end.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] when this process was asked to end, else the system's.
pub(crate) fn supervise(hold: &mut Hold, child: &mut Child) -> io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    let end = pidfd_open(pid, PidfdFlags::empty())?;
    loop {
        let mut fds = [PollFd::new(&end, PollFlags::IN), PollFd::from_borrowed_fd(hold.fd(), PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ended = if fds[0].revents().is_empty() { None } else { Some(child.wait()?) };
        if let Some(status) = ended {
            hold.meet(status);
        }
        while let Some(notice) = hold.take() {
            if matches!(notice, Notice::End | Notice::Hangup) {
                let stopped = if ended.is_some() { Ok(()) } else { stop(child, pid, &end, notice) };
                return stopped.and(Err(io::ErrorKind::Interrupted.into()));
            }
        }
        if let Some(status) = ended {
            return Ok(status);
        }
    }
}

/// Ends a program. It is asked first: it may be in the middle of saving.
fn stop(child: &mut Child, pid: Pid, end: &OwnedFd, why: Notice) -> io::Result<()> {
    // One that has lost its terminal as well knows, and a second signal has some give up what they were about to save.
    if why != Notice::Hangup || !parted(end) {
        // What a shell has started is not told by it, and no more its own once it has ended.
        let started = started_by(pid);
        // One that has ended by itself is not waited for yet, so no other has its number, and nothing is lost on it.
        kill_process(pid, Signal::TERM)?;
        for process in started {
            // It may have ended meanwhile.
            let _ = kill_process(process, Signal::TERM);
        }
        if !parted(end) {
            child.kill()?;
        }
    }
    child.wait().map(drop)
}

/// What a process has started and still runs, as far as the system tells (proc_pid_task(5), `children`).
fn started_by(parent: Pid) -> Vec<Pid> {
    let id = parent.as_raw_nonzero();
    let listed = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let children = listed.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?));
    children.flat_map(|child| std::iter::once(child).chain(started_by(child))).collect()
}

/// Whether this becomes readable within [`PARTING`].
fn parted(end: &impl AsFd) -> bool {
    let deadline = Instant::now() + PARTING;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left =
            rustix::event::Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(end, PollFlags::IN)], Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            found => return matches!(found, Ok(1..)),
        }
    }
}

/// A program that was started, and all that it starts: while any of it runs, a pipe has an end to write to.
pub(crate) struct Offspring(PipeReader);

impl Offspring {
    /// Starts `command`.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn of(command: &mut Command) -> io::Result<(Child, Self)> {
        let (alive, inherited) = io::pipe()?;
        rustix::io::fcntl_setfd(&inherited, FdFlags::empty())?;
        // Nobody writes to it, and this process's own end is closed when this returns.
        Ok((command.spawn()?, Self(alive)))
    }

    /// Waits for the last of it, but not for long.
    pub(crate) fn wait(&self) {
        // What goes on all the same is waited for no more.
        let _: bool = parted(&self.0);
    }
}

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen() -> io::Result<()> {
    LISTENER.get_or_init(|| start().map_err(|error| error.kind())).map_err(io::Error::from)
}

/// Returns when the handlers are in place.
fn start() -> io::Result<()> {
    let (ready, started) = std::sync::mpsc::channel();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(async {
            let streams: io::Result<Vec<_>> =
                HEARD.iter().map(|(s, _)| signal(SignalKind::from_raw(s.as_raw()))).collect();
            match streams {
                Ok(streams) if ready.send(Ok(())).is_ok() => run(streams).await,
                Ok(_) => {}
                Err(error) => drop(ready.send(Err(error))),
            }
        });
    })?;
    started.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

async fn run(mut streams: Vec<tokio::signal::unix::Signal>) {
    loop {
        let which = std::future::poll_fn(|context| {
            let ready = streams.iter_mut().position(|stream| stream.poll_recv(context).is_ready());
            ready.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        });
        let (signal, notice) = HEARD[which.await];
        pass_on(signal, notice);
    }
}

fn pass_on(signal: Signal, notice: Notice) {
    let registry = registry();
    if registry.holders.is_empty() {
        if matches!(notice, Notice::Interrupt | Notice::End | Notice::Hangup) {
            registry.last.iter().for_each(|(_, act)| act());
            // The registry stays locked: whoever is about to do something undisturbed waits for good.
            std::process::exit(128 + signal.as_raw());
        }
        return;
    }
    for (_, holder) in &registry.holders {
        // A full pipe already holds notices that will be seen.
        let mut holder = holder;
        drop(holder.write(&[notice as u8]));
    }
}
