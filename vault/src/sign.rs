//! Signing with the owner's SSH key, by the real `ssh-keygen` (PROTOCOL.sshsig of OpenSSH): no private key and no passphrase
//! enters this process, which reads no more of a key file than the line that says what it is. `ssh-keygen` asks for a
//! passphrase or a touch on the terminal itself.

use crate::prompt::{hold, supervise};
use rustix::process::Signal;
use shared::{limits, visible};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

const TOOL: &str = "ssh-keygen";
const AGENT_TOOL: &str = "ssh-add";
const HOW_TO_NAME: &str = "name an owner's private key with --key FILE, or as owner.key in vault.toml";
const ARMOUR: (&str, &str) = ("-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n");
/// How often a passphrase is asked for, as `ssh` does (ssh_config(5), NumberOfPasswordPrompts).
const TRIES: u32 = 3;
/// The most of the tool's own words that an error repeats.
const SAID: usize = 300;
/// The most that is listened to of what a tool says.
const HEARD: u64 = 64 * 1024;
/// The line that begins a private key file is shorter (RFC 7468, section 2; `-----BEGIN OPENSSH PRIVATE KEY-----`).
const HEADER: usize = 64;

/// Why there is no signature. Nothing was released.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    /// The file is not there.
    #[error("the key {path} is not there; {HOW_TO_NAME}; its .pub will do if the key is in ssh-agent", path = .0.display())]
    KeyMissing(PathBuf),
    /// The file is there, and the system does not let it be read.
    #[error("the key {path} cannot be read ({source}); run this as the user whose key it is, or {HOW_TO_NAME}", path = .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// The file is there and cannot be used.
    #[error("{path} cannot be read as an SSH key; name the file that `ssh-keygen -t ed25519` made", path = .0.display())]
    NoKey(PathBuf),
    /// It is somebody else's, or one that counts no more.
    #[error("the key {path} ({fingerprint}) is none of the owners' keys of this vault, which are {owners}; {HOW_TO_NAME}", path = .path.display())]
    NotAnOwners { path: PathBuf, fingerprint: String, owners: String },
    /// Others may read the private key.
    #[error("others can read the private key {path}, so {TOOL} refuses it; run: chmod 600 {path}", path = .0.display())]
    OpenToOthers(PathBuf),
    /// Only the public half is known.
    #[error("ssh-agent does not have the key of {path}; run `ssh-add` for it (and see that SSH_AUTH_SOCK is set), or name the private key file", path = .0.display())]
    NotInAgent(PathBuf),
    /// The private key stays locked.
    #[error("the passphrase of {path} was wrong {TRIES} times, so nothing was signed; run the command again", path = .0.display())]
    Passphrase(PathBuf),
    /// OpenSSH's client tools are not there.
    #[error("{TOOL} is not installed; install OpenSSH's client tools (Debian: apt install openssh-client)")]
    ToolMissing,
    /// Ctrl-C while the tool asked.
    #[error("you broke off; nothing was signed")]
    BrokenOff,
    /// A signal came.
    #[error("signing was interrupted; nothing was signed")]
    Interrupted,
    /// The statement is over [`limits::STATEMENT`].
    #[error("the statement has {0} bytes and the limit is {limit}; nothing was signed", limit = limits::STATEMENT)]
    TooLong(usize),
    /// The tool ended without one, for a reason of its own.
    #[error("{TOOL} made no signature and said: {0}")]
    NotProduced(String),
    /// It could not be run or heard.
    #[error("{TOOL} could not be run ({0}); nothing was signed - try again")]
    Io(#[from] io::Error),
}

/// An owner's key of which all is right that can be seen without signing.
#[derive(Debug)]
pub(crate) struct Key {
    path: PathBuf,
    fingerprint: String,
    touch: Touch,
}

/// Whether somebody has to touch the key for it to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touch {
    Wanted,
    NotWanted,
}

impl Key {
    /// Looks at a private key file, or at a public one (`.pub`) whose private half lies beside it or is in `ssh-agent`, so that
    /// nobody reads and decides for nothing; `owners` are the fingerprints of the keys that count.
    ///
    /// # Errors
    /// [`SignError`]. A wrong passphrase or an agent that says no shows only when [`Self::sign`] is called.
    pub(crate) fn look(path: &Path, owners: &[String]) -> Result<Self, SignError> {
        Self::look_with(|program| Command::new(program), path, owners)
    }

    fn look_with(tool: impl Fn(&str) -> Command, path: &Path, owners: &[String]) -> Result<Self, SignError> {
        let header = header(path)?;
        let mut fingerprints = tool(TOOL);
        fingerprints.args(["-l", "-E", "sha256", "-f"]).arg(path);
        let seen = listed(fingerprints)?;
        let Some(seen) = seen.first() else { return Err(SignError::NoKey(path.into())) };
        if !owners.contains(&seen.fingerprint) {
            let (fingerprint, owners) = (seen.fingerprint.clone(), owners.join(", "));
            return Err(SignError::NotAnOwners { path: path.into(), fingerprint, owners });
        }
        if let Err(lacking) = private_half(path, &header) {
            let mut held = tool(AGENT_TOOL);
            held.args(["-l", "-E", "sha256"]);
            if !listed(held)?.iter().any(|key| key.fingerprint == seen.fingerprint) {
                return Err(lacking);
            }
        }
        Ok(Self { path: path.into(), fingerprint: seen.fingerprint.clone(), touch: seen.touch })
    }

    /// As OpenSSH prints it.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The armoured signature of this key over `statement` in `namespace`.
    ///
    /// # Errors
    /// [`SignError`]; there is no signature then.
    pub(crate) fn sign(&self, namespace: &str, statement: &[u8]) -> Result<String, SignError> {
        self.sign_with(|| Command::new(TOOL), namespace, statement)
    }

    fn sign_with(&self, tool: impl Fn() -> Command, namespace: &str, statement: &[u8]) -> Result<String, SignError> {
        if statement.len() > limits::STATEMENT {
            return Err(SignError::TooLong(statement.len()));
        }
        // It may have gone since it was looked at.
        open(&self.path)?;
        if self.touch == Touch::Wanted {
            writeln!(io::stderr(), "If your security key blinks, touch it.")?;
        }
        // A slip must not cost the owner all that was read.
        for _ in 1..TRIES {
            match self.sign_once(tool(), namespace, statement) {
                Err(SignError::Passphrase(_)) => writeln!(io::stderr(), "That was not the passphrase.")?,
                ended => return ended,
            }
        }
        self.sign_once(tool(), namespace, statement)
    }

    fn sign_once(&self, mut tool: Command, namespace: &str, statement: &[u8]) -> Result<String, SignError> {
        tool.args(["-Y", "sign", "-n", namespace, "-f"]).arg(&self.path);
        let Run { status, output, said } = run(tool, statement)?;
        let armoured = output.starts_with(ARMOUR.0) && output.ends_with(ARMOUR.1);
        if status.success() && armoured && output.len() <= limits::SIGNATURE {
            return Ok(output);
        }
        // It restores the terminal and then dies of the signal, as programs that ask for passphrases do.
        let broken_off = [Signal::INT, Signal::QUIT].iter().any(|signal| status.signal() == Some(signal.as_raw()));
        Err(if broken_off { SignError::BrokenOff } else { explain(&self.path, &said) })
    }
}

fn open(path: &Path) -> Result<File, SignError> {
    File::open(path).map_err(|source| match source.kind() == io::ErrorKind::NotFound {
        true => SignError::KeyMissing(path.into()),
        false => SignError::Unreadable { path: path.into(), source },
    })
}

fn header(path: &Path) -> Result<Vec<u8>, SignError> {
    first_line(&mut open(path)?).map_err(|source| SignError::Unreadable { path: path.into(), source })
}

/// The first line of a key file. What stands below it in a private key without a passphrase is the secret itself, so the file is
/// read byte by byte and never past the line's end.
fn first_line(file: &mut File) -> io::Result<Vec<u8>> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while line.len() < HEADER {
        match file.read_exact(&mut byte) {
            Ok(()) if byte == *b"\n" => break,
            Ok(()) => line.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    Ok(line)
}

/// Whether a file is a private key, by its first line alone.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn is_private(path: &Path) -> io::Result<bool> {
    Ok(names_private(&first_line(&mut File::open(path)?)?))
}

fn names_private(header: &[u8]) -> bool {
    String::from_utf8_lossy(header).contains("PRIVATE KEY")
}

/// Whether a file has what signs without an agent: it is a private key, or a public one with the private key beside it, where
/// `ssh-keygen` looks for that.
fn private_half(path: &Path, header: &[u8]) -> Result<(), SignError> {
    let private = if names_private(header) {
        path.to_owned()
    } else {
        let beside = path.extension().is_some_and(|e| e == "pub").then(|| path.with_extension(""));
        beside.filter(|beside| beside.is_file()).ok_or_else(|| SignError::NotInAgent(path.into()))?
    };
    let metadata = File::open(&private).and_then(|file| file.metadata());
    let metadata = metadata.map_err(|source| SignError::Unreadable { path: private.clone(), source })?;
    let own = metadata.uid() == rustix::process::getuid().as_raw();
    if own && metadata.mode() & 0o077 != 0 { Err(SignError::OpenToOthers(private)) } else { Ok(()) }
}

/// A key as OpenSSH's tools list it: `256 SHA256:… comment (ED25519)`.
#[derive(Debug)]
struct Listed {
    fingerprint: String,
    touch: Touch,
}

/// What a tool lists; nothing where it fails, or has nothing.
fn listed(tool: Command) -> Result<Vec<Listed>, SignError> {
    let said = run(tool, b"")?.output;
    let keys = said.lines().filter_map(|line| {
        let fingerprint = line.split(' ').nth(1).filter(|word| word.starts_with("SHA256:"))?.to_owned();
        let touch = if line.ends_with("-SK)") { Touch::Wanted } else { Touch::NotWanted };
        Some(Listed { fingerprint, touch })
    });
    Ok(keys.collect())
}

/// What a tool left behind.
struct Run {
    status: ExitStatus,
    output: String,
    said: String,
}

fn run(mut tool: Command, input: &[u8]) -> Result<Run, SignError> {
    tool.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut hold = hold()?;
    let mut child = tool.spawn().map_err(|error| match error.kind() == io::ErrorKind::NotFound {
        true => SignError::ToolMissing,
        false => error.into(),
    })?;
    // A statement fits a pipe's buffer, and the answers are read beside the wait, so no side waits for the other.
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that has already given up says why on its standard error.
        drop(stdin.write_all(input));
    }
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let output = scope.spawn(|| heard(stdout));
        let said = scope.spawn(|| heard(stderr));
        let status =
            supervise(&mut hold, &mut child).map_err(|error| match error.kind() == io::ErrorKind::Interrupted {
                true => SignError::Interrupted,
                false => error.into(),
            })?;
        let joined = |thread: std::thread::ScopedJoinHandle<'_, io::Result<String>>| {
            thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
        };
        Ok(Run { status, output: joined(output)?, said: joined(said)? })
    })
}

/// All of it, as far as anybody may say.
fn heard(pipe: Option<impl Read>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(HEARD).read_to_end(&mut bytes)?;
        // The rest is thrown away, so that the tool can end.
        io::copy(&mut pipe, &mut io::sink())?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn explain(key: &Path, said: &str) -> SignError {
    let says = |words: &str| said.contains(words);
    if says("UNPROTECTED PRIVATE KEY") {
        SignError::OpenToOthers(key.into())
    } else if says("incorrect passphrase") {
        SignError::Passphrase(key.into())
    } else if says("No private key found for public key") || says("agent refused operation") {
        SignError::NotInAgent(key.into())
    } else if says("Couldn't load public key") || says("invalid format") || says("error in libcrypto") {
        SignError::NoKey(key.into())
    } else {
        let words: Vec<String> = said.lines().filter(|l| !l.starts_with("Signing data")).map(visible::line).collect();
        SignError::NotProduced(words.join("; ").chars().take(SAID).collect())
    }
}

#[cfg(test)]
mod tests;
