//! The owner's side of the desk: blocking, one connection a call.

use super::message::{DeskCall, DeskReply, FailureKind};
use shared::frame::{self, FrameError};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    #[error("the vault is not running at {path} ({source}); start it with `vault serve`, or look at its log", path = path.display())]
    Away { path: PathBuf, source: io::Error },
    #[error("your user may not open {path}; run this as a user that desk.uids names", path = path.display())]
    Forbidden { path: PathBuf },
    #[error("{message}")]
    Failed { kind: FailureKind, message: String },
    #[error("the vault broke off ({0}); look at its log, then ask again")]
    Broken(#[from] io::Error),
    #[error("the vault answered in a way that this command does not know; are both of one version? ({0})")]
    Frame(#[from] FrameError),
    #[error("the vault gave an unexpected answer; are the command and the daemon of one version?")]
    Unexpected,
}

impl DeskError {
    /// Whether the daemon is known not to have done what it was asked for: it was never told, or it said no.
    pub(crate) fn nothing_done(&self) -> bool {
        match self {
            Self::Away { .. } | Self::Forbidden { .. } => true,
            Self::Failed { kind, .. } => matches!(kind, FailureKind::Failure | FailureKind::Refused),
            Self::Broken(_) | Self::Frame(_) | Self::Unexpected => false,
        }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Away { .. } => node::exit::PEER_AWAY,
            Self::Forbidden { .. } | Self::Failed { kind: FailureKind::Refused, .. } => node::exit::REFUSED,
            Self::Failed { kind: FailureKind::Integrity, .. } => node::exit::INTEGRITY,
            Self::Failed { kind: FailureKind::Failure | FailureKind::Unsettled, .. }
            | Self::Broken(_)
            | Self::Frame(_)
            | Self::Unexpected => node::exit::FAILURE,
        }
    }
}

/// One call's connection.
pub(crate) struct Desk {
    stream: UnixStream,
}

impl Desk {
    /// Opens a connection and sends `call`.
    pub(crate) fn call(socket: &Path, call: &DeskCall) -> Result<Self, DeskError> {
        let stream = UnixStream::connect(socket).map_err(|source| {
            let path = socket.to_owned();
            if source.kind() == io::ErrorKind::PermissionDenied {
                DeskError::Forbidden { path }
            } else {
                DeskError::Away { path, source }
            }
        })?;
        Self::begin(stream, call)
    }

    /// A daemon that turns its caller away does not read first, so its reason may be there before the call is sent.
    fn begin(stream: UnixStream, call: &DeskCall) -> Result<Self, DeskError> {
        let mut desk = Self { stream };
        desk.send(&frame::encode(call)?)?;
        Ok(desk)
    }

    /// Sends `call` and takes its one reply.
    pub(crate) fn ask(socket: &Path, call: &DeskCall) -> Result<DeskReply, DeskError> {
        Self::call(socket, call)?.reply()
    }

    /// Sends `call` and takes replies up to the list's end.
    pub(crate) fn list(socket: &Path, call: &DeskCall) -> Result<Vec<DeskReply>, DeskError> {
        let mut desk = Self::call(socket, call)?;
        let mut replies = Vec::new();
        loop {
            let reply = desk.reply()?;
            if matches!(reply, DeskReply::Done) {
                return Ok(replies);
            }
            replies.push(reply);
        }
    }

    /// The next reply.
    pub(crate) fn reply(&mut self) -> Result<DeskReply, DeskError> {
        let mut prefix = [0; frame::PREFIX];
        self.stream.read_exact(&mut prefix)?;
        let mut json = vec![0; frame::length(prefix)?];
        self.stream.read_exact(&mut json)?;
        let reply = frame::decode(&json)?;
        if let DeskReply::Failed { kind, message } = reply {
            return Err(DeskError::Failed { kind, message });
        }
        Ok(reply)
    }

    /// Sends bytes of the call, or of its payload. If the daemon has turned the call down meanwhile, its reason is the error.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), DeskError> {
        self.stream.write_all(bytes).map_err(|error| match self.reply() {
            Err(failed @ DeskError::Failed { .. }) => failed,
            Ok(_) | Err(_) => DeskError::Broken(error),
        })
    }

    /// The payload of so many bytes that follows a reply.
    ///
    /// # Errors
    /// [`DeskError::Broken`] when fewer come.
    pub(crate) fn payload(&mut self, bytes: u64) -> Result<Vec<u8>, DeskError> {
        let mut payload = Vec::new();
        (&mut self.stream).take(bytes).read_to_end(&mut payload)?;
        if (payload.len() as u64) < bytes {
            return Err(DeskError::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// What is known after a call to a daemon that does `act` with it.
    fn asked(act: impl FnOnce(&mut UnixStream) + Send + 'static) -> DeskError {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("desk.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let daemon = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut prefix = [0; frame::PREFIX];
            stream.read_exact(&mut prefix).unwrap();
            stream.read_exact(&mut vec![0; frame::length(prefix).unwrap()]).unwrap();
            act(&mut stream);
        });
        let error = Desk::ask(&socket, &DeskCall::About).err().unwrap();
        daemon.join().unwrap();
        error
    }

    /// The end of a daemon that says `bytes` and goes, whatever it is asked.
    fn gone_after(bytes: &[u8]) -> Desk {
        let (stream, mut daemon) = UnixStream::pair().unwrap();
        daemon.write_all(bytes).unwrap();
        Desk { stream }
    }

    #[test]
    fn whoever_is_turned_away_before_asking_hears_the_reason() {
        let reply = DeskReply::Failed { kind: FailureKind::Refused, message: "not you".into() };
        let desk = gone_after(&frame::encode(&reply).unwrap());
        let error = Desk::begin(desk.stream, &DeskCall::About).err().unwrap();
        assert!(error.code() == node::exit::REFUSED && error.to_string() == "not you", "{error}");
        let silent = Desk::begin(gone_after(b"").stream, &DeskCall::About).err().unwrap();
        assert!(matches!(silent, DeskError::Broken(_)), "{silent}");
    }

    #[test]
    fn a_payload_that_ends_early_was_broken_off() {
        assert_eq!(gone_after(b"all of it, and more").payload(9).unwrap(), b"all of it");
        assert_eq!(gone_after(b"").payload(0).unwrap(), b"");
        let short = gone_after(b"all of").payload(9);
        assert!(
            matches!(&short, Err(error @ DeskError::Broken(_)) if error.code() == node::exit::FAILURE),
            "{short:?}"
        );
    }

    #[test]
    fn nothing_is_called_undone_that_may_have_been_done() {
        let nowhere = Desk::ask(Path::new("/nonexistent/desk.sock"), &DeskCall::About).err().unwrap();
        assert!(matches!(nowhere, DeskError::Away { .. }) && nowhere.nothing_done());
        let lost = asked(|_| {});
        assert!(matches!(lost, DeskError::Broken(_)) && !lost.nothing_done());
        for (kind, nothing_done) in [
            (FailureKind::Failure, true),
            (FailureKind::Refused, true),
            (FailureKind::Unsettled, false),
            (FailureKind::Integrity, false),
        ] {
            let reply = frame::encode(&DeskReply::Failed { kind, message: "no".into() }).unwrap();
            let error = asked(move |stream| stream.write_all(&reply).unwrap());
            assert!(matches!(&error, DeskError::Failed { .. }) && error.nothing_done() == nothing_done, "{kind:?}");
        }
    }
}
