//! Signing with the owner's SSH key, by the real `ssh-keygen` (PROTOCOL.sshsig of OpenSSH): no private key and no passphrase
//! enters this process. `ssh-keygen` asks for a passphrase or a touch on the terminal itself.

use crate::prompt::supervise;
use rustix::process::Signal;
use shared::{limits, visible};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use zeroize::Zeroizing;

const TOOL: &str = "ssh-keygen";
const AGENT_TOOL: &str = "ssh-add";
const HOW_TO_NAME: &str = "name an owner's private key with --key FILE, or as owner.key in vault.toml";
const ARMOUR: (&str, &str) = ("-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n");
/// How often a passphrase is asked for, as `ssh` does (ssh_config(5), NumberOfPasswordPrompts).
const TRIES: u32 = 3;
/// The most of the tool's own words that an error repeats.
const SAID: usize = 300;
/// A key file is smaller.
const KEY_FILE: u64 = 64 * 1024;

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
        let text = read(path)?;
        let mut fingerprints = tool(TOOL);
        fingerprints.args(["-l", "-E", "sha256", "-f"]).arg(path);
        let seen = listed(fingerprints)?;
        let Some(seen) = seen.first() else { return Err(SignError::NoKey(path.into())) };
        if !owners.contains(&seen.fingerprint) {
            let (fingerprint, owners) = (seen.fingerprint.clone(), owners.join(", "));
            return Err(SignError::NotAnOwners { path: path.into(), fingerprint, owners });
        }
        if let Err(lacking) = private_half(path, &text) {
            let mut held = tool(AGENT_TOOL);
            held.args(["-l", "-E", "sha256"]);
            if !listed(held)?.iter().any(|key| key.fingerprint == seen.fingerprint) {
                return Err(lacking);
            }
        }
        Ok(Self { path: path.into(), touch: seen.touch })
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
        read(&self.path)?;
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

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SignError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(KEY_FILE).read_to_end(&mut bytes));
    read.map_err(|source| match source.kind() == io::ErrorKind::NotFound {
        true => SignError::KeyMissing(path.into()),
        false => SignError::Unreadable { path: path.into(), source },
    })?;
    Ok(bytes)
}

/// Whether a file has what signs without an agent: it is a private key, or a public one with the private key beside it, where
/// `ssh-keygen` looks for that.
fn private_half(path: &Path, bytes: &[u8]) -> Result<(), SignError> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let private = if String::from_utf8_lossy(first).contains("PRIVATE KEY") {
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
        let status = supervise(&mut child).map_err(|error| match error.kind() == io::ErrorKind::Interrupted {
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
        (&mut pipe).take(KEY_FILE).read_to_end(&mut bytes)?;
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use shared::sshsig::{self, PublicKey, Signers};
    use shared::statement::NAMESPACE;

    const STATEMENT: &[u8] = b"webizen statement v1\nkind: freeze\n";

    struct Keys {
        folder: tempfile::TempDir,
    }

    impl Keys {
        fn new(passphrase: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut tool = Command::new(TOOL);
            tool.args(["-q", "-t", "ed25519", "-N", passphrase, "-C", "owner@example.org", "-f"]);
            assert!(tool.arg(folder.path().join("key")).status().unwrap().success());
            Self { folder }
        }

        fn private(&self) -> PathBuf {
            self.folder.path().join("key")
        }

        /// The public half alone, in a place where its private half is not.
        fn public_alone(&self) -> PathBuf {
            let path = self.folder.path().join("alone.pub");
            std::fs::copy(self.public(), &path).unwrap();
            path
        }

        fn public(&self) -> PathBuf {
            self.folder.path().join("key.pub")
        }

        fn fingerprints(&self) -> Vec<String> {
            let line = std::fs::read_to_string(self.public()).unwrap();
            vec![PublicKey::from_openssh(&line).unwrap().fingerprint()]
        }

        fn signers(&self) -> String {
            let key = std::fs::read_to_string(self.public()).unwrap();
            format!("owner namespaces=\"{NAMESPACE}\" {key}")
        }

        /// Both the stock tool and our own verifier take it.
        fn assert_signed(&self, signature: &str) {
            let (signers, file) = (self.folder.path().join("signers"), self.folder.path().join("sig"));
            std::fs::write(&signers, self.signers()).unwrap();
            std::fs::write(&file, signature).unwrap();
            let mut verify = Command::new(TOOL);
            verify.args(["-Y", "verify", "-n", NAMESPACE, "-I", "owner", "-f"]).arg(&signers).arg("-s").arg(&file);
            let mut child = verify.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(STATEMENT).unwrap();
            assert!(child.wait().unwrap().success());
            let signers = Signers::parse(&self.signers()).unwrap();
            let key = PublicKey::from_openssh(self.signers().split_once("\" ").unwrap().1.trim()).unwrap();
            assert_eq!(
                sshsig::verify(&signers, NAMESPACE, STATEMENT, signature).unwrap().fingerprint(),
                key.fingerprint()
            );
        }
    }

    /// Their own session: no terminal to ask on, as for a program without a window.
    fn tools(agent: &str) -> impl Fn(&str) -> Command {
        let agent = agent.to_owned();
        move |program| {
            let mut tool = Command::new("setsid");
            tool.args(["--wait", program]).env("SSH_AUTH_SOCK", &agent).env_remove("SSH_ASKPASS").env_remove("DISPLAY");
            tool
        }
    }

    const NO_AGENT: &str = "/nonexistent";

    #[test]
    fn private_key_file_signs_and_stock_tools_verify() {
        let keys = Keys::new("");
        let key = Key::look_with(tools(NO_AGENT), &keys.private(), &keys.fingerprints()).unwrap();
        assert_eq!(key.touch, Touch::NotWanted);
        keys.assert_signed(&key.sign(NAMESPACE, STATEMENT).unwrap());
        let long = vec![b'a'; limits::STATEMENT + 1];
        assert!(matches!(key.sign(NAMESPACE, &long), Err(SignError::TooLong(16_385))));
        // The public file names the private one beside it.
        let beside = Key::look_with(tools(NO_AGENT), &keys.public(), &keys.fingerprints()).unwrap();
        keys.assert_signed(&beside.sign(NAMESPACE, STATEMENT).unwrap());
    }

    /// A real agent, until it is dropped.
    struct Agent {
        process: std::process::Child,
        socket: String,
    }

    impl Agent {
        fn new(folder: &Path) -> Self {
            let socket = folder.join("agent").display().to_string();
            let mut command = Command::new("ssh-agent");
            let process = command.args(["-D", "-a", &socket]).stdout(Stdio::null()).spawn().unwrap();
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
            while std::os::unix::net::UnixStream::connect(&socket).is_err() {
                assert!(std::time::Instant::now() < deadline, "ssh-agent does not answer");
                std::thread::yield_now();
            }
            Self { process, socket }
        }

        fn change(&self, arguments: &[&str]) {
            let mut add = Command::new(AGENT_TOOL);
            add.args(arguments).env("SSH_AUTH_SOCK", &self.socket).stderr(Stdio::null());
            assert!(add.status().unwrap().success(), "{arguments:?}");
        }
    }

    impl Drop for Agent {
        fn drop(&mut self) {
            drop(self.process.kill());
            drop(self.process.wait());
        }
    }

    #[test]
    fn public_key_file_signs_through_a_real_agent() {
        let keys = Keys::new("");
        let agent = Agent::new(keys.folder.path());
        let (alone, owners) = (keys.public_alone(), keys.fingerprints());
        let look = || Key::look_with(tools(&agent.socket), &alone, &owners);
        assert!(matches!(look(), Err(SignError::NotInAgent(_))));
        agent.change(&["-q", keys.private().to_str().unwrap()]);
        let key = look().unwrap();
        keys.assert_signed(&key.sign_with(|| tools(&agent.socket)(TOOL), NAMESPACE, STATEMENT).unwrap());
        // What changes after the look is said when it comes to signing.
        agent.change(&["-q", "-D"]);
        let after = key.sign_with(|| tools(&agent.socket)(TOOL), NAMESPACE, STATEMENT);
        assert!(matches!(after, Err(SignError::NotInAgent(_))), "{after:?}");
    }

    #[test]
    fn each_failure_before_signing_says_what_to_do() {
        let open = Keys::new("");
        let look = |key: &Path| {
            Key::look_with(tools(NO_AGENT), key, &open.fingerprints()).map(drop).map_err(|error| error.to_string())
        };
        let said = |key: &Path| look(key).unwrap_err();
        assert!(said(Path::new("/nonexistent/key")).contains("is not there; name an owner's private key with --key"));
        assert!(said(open.folder.path()).contains("cannot be read (Is a directory"));
        assert!(said(&open.public_alone()).contains("ssh-add"));
        let garbage = open.folder.path().join("garbage");
        for bytes in [&b"\xff\xfe"[..], b"no key", b""] {
            std::fs::write(&garbage, bytes).unwrap();
            assert!(said(&garbage).contains("cannot be read as an SSH key"));
        }
        let other = Keys::new("");
        let (whose, words) = (&other.fingerprints()[0], said(&other.private()));
        assert!(words.contains(whose) && words.contains(&open.fingerprints()[0]), "{words}");
        let shared = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(open.private(), shared).unwrap();
        assert!(said(&open.private()).contains("chmod 600"));
        // The agent has no use for the file.
        let agent = Agent::new(other.folder.path());
        std::fs::set_permissions(open.private(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        agent.change(&["-q", open.private().to_str().unwrap()]);
        std::fs::set_permissions(open.private(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(Key::look_with(tools(&agent.socket), &open.private(), &open.fingerprints()).is_ok());
        let missing = |_: &str| Command::new("/nonexistent/tool");
        let missing = Key::look_with(missing, &open.private(), &open.fingerprints()).unwrap_err();
        assert!(missing.to_string().contains("openssh-client"));
    }

    #[test]
    fn each_failure_of_signing_says_what_to_do() {
        let locked = Keys::new("correct horse");
        let key = Key::look_with(tools(NO_AGENT), &locked.private(), &locked.fingerprints()).unwrap();
        let sign = |tool: &dyn Fn() -> Command| key.sign_with(tool, NAMESPACE, STATEMENT).unwrap_err();
        let wrong = sign(&|| tools(NO_AGENT)(TOOL)).to_string();
        assert!(wrong.contains("wrong 3 times, so nothing was signed; run the command again"), "{wrong}");
        assert!(matches!(sign(&|| Command::new("/nonexistent/tool")), SignError::ToolMissing));
        assert!(matches!(sign(&|| Command::new("true")), SignError::NotProduced(_)));
        let interrupted = || {
            let mut tool = Command::new("sh");
            tool.args(["-c", "kill -INT $$"]);
            tool
        };
        assert_eq!(sign(&interrupted).to_string(), "you broke off; nothing was signed");
        std::fs::remove_file(locked.private()).unwrap();
        assert!(matches!(sign(&|| tools(NO_AGENT)(TOOL)), SignError::KeyMissing(_)));
    }

    #[test]
    fn a_wrong_passphrase_is_asked_for_again_up_to_three_times() {
        let locked = Keys::new("correct horse");
        let (asked, asker) = (locked.folder.path().join("asked"), locked.folder.path().join("asker"));
        let key = Key::look_with(tools(NO_AGENT), &locked.private(), &locked.fingerprints()).unwrap();
        for (right_at, asked_for) in [(1, 1), (2, 2), (3, 3), (4, 3)] {
            let count = format!("echo >> '{0}'; [ $(wc -l < '{0}') -ge {right_at} ]", asked.display());
            std::fs::write(&asker, format!("#!/bin/sh\n{count} && echo 'correct horse' || echo wrong\n")).unwrap();
            std::fs::set_permissions(&asker, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
            std::fs::write(&asked, "").unwrap();
            let tool = || {
                let mut tool = tools(NO_AGENT)(TOOL);
                tool.env("SSH_ASKPASS", &asker).env("SSH_ASKPASS_REQUIRE", "force");
                tool
            };
            let signed = key.sign_with(tool, NAMESPACE, STATEMENT);
            assert_eq!(std::fs::read(&asked).unwrap().len(), asked_for);
            assert_eq!(signed.is_ok(), right_at <= 3);
            signed.iter().for_each(|signature| locked.assert_signed(signature));
        }
    }

    #[test]
    fn security_keys_are_known_by_either_file() {
        let keys = Keys::new("");
        let plain = std::fs::read_to_string(keys.public()).unwrap();
        let PublicKey::Ed25519 { key } = PublicKey::from_openssh(&plain).unwrap() else { unreachable!() };
        let public = PublicKey::SkEd25519 { key, application: "ssh:".into() };
        let blob = STANDARD.decode(public.to_openssh().split(' ').nth(1).unwrap()).unwrap();
        let put = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
        let head = [b"openssh-key-v1\0", &put(b"none")[..], &put(b"none"), &put(b""), &[0, 0, 0, 1], &put(&blob)];
        let private = STANDARD.encode([head.concat(), put(&[0; 8])].concat());
        let private = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{private}\n-----END OPENSSH PRIVATE KEY-----\n");
        let path = keys.folder.path().join("sk");
        std::fs::write(&path, private).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(path.with_extension("pub"), public.to_openssh()).unwrap();
        for file in [path.clone(), path.with_extension("pub")] {
            let key = Key::look_with(tools(NO_AGENT), &file, &[public.fingerprint()]).unwrap();
            assert_eq!(key.touch, Touch::Wanted, "{file:?}");
        }
    }
}
