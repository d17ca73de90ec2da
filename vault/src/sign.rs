//! Signing with the owner's SSH key, by the real `ssh-keygen` (PROTOCOL.sshsig of OpenSSH): no private key and no passphrase
//! enters this process. `ssh-keygen` asks for a passphrase or a touch on the terminal itself.

use crate::prompt::supervise;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::{limits, visible};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TOOL: &str = "ssh-keygen";
const SECURITY_KEY: &[u8] = b"sk-ssh-ed25519@openssh.com";
const ARMOUR: (&str, &str) = ("-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n");
/// The most of the tool's own words that an error repeats.
const SAID: usize = 300;
/// A key file is smaller.
const KEY_FILE: u64 = 64 * 1024;

/// Why there is no signature. Nothing was released.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    /// The file is not there.
    #[error("the key {path} is not there; name your private key, or its .pub if the key is in ssh-agent", path = .0.display())]
    KeyMissing(PathBuf),
    /// The file is there and cannot be used.
    #[error("{path} cannot be read as an SSH key; name the file that `ssh-keygen -t ed25519` made", path = .0.display())]
    NoKey(PathBuf),
    /// Others may read the private key.
    #[error("others can read the private key {path}, so {TOOL} refuses it; run: chmod 600 {path}", path = .0.display())]
    OpenToOthers(PathBuf),
    /// Only the public half is known.
    #[error("ssh-agent does not have the key of {path}; run `ssh-add` for it (and see that SSH_AUTH_SOCK is set), or name the private key file", path = .0.display())]
    NotInAgent(PathBuf),
    /// The private key stays locked.
    #[error("the passphrase of {path} was wrong, so nothing was signed; ask again", path = .0.display())]
    Passphrase(PathBuf),
    /// OpenSSH's client tools are not there.
    #[error("{TOOL} is not installed; install OpenSSH's client tools (Debian: apt install openssh-client)")]
    ToolMissing,
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

/// The armoured signature of `key`'s owner over `statement` in `namespace`.
///
/// `key` is a private key file, or a public one (`.pub`) whose private half is in `ssh-agent`.
///
/// # Errors
/// [`SignError`]; there is no signature then.
pub(crate) fn sign(key: &Path, namespace: &str, statement: &[u8]) -> Result<String, SignError> {
    sign_with(Command::new(TOOL), key, namespace, statement)
}

fn sign_with(tool: Command, key: &Path, namespace: &str, statement: &[u8]) -> Result<String, SignError> {
    if statement.len() > limits::STATEMENT {
        return Err(SignError::TooLong(statement.len()));
    }
    if is_on_security_key(key)? {
        writeln!(io::stderr(), "If your security key blinks, touch it.")?;
    }
    let Run { done, signature, said } = run(tool, key, namespace, statement)?;
    let armoured = signature.starts_with(ARMOUR.0) && signature.ends_with(ARMOUR.1);
    if done && armoured && signature.len() <= limits::SIGNATURE { Ok(signature) } else { Err(explain(key, &said)) }
}

/// What the tool left behind.
struct Run {
    done: bool,
    signature: String,
    said: String,
}

fn run(mut tool: Command, key: &Path, namespace: &str, statement: &[u8]) -> Result<Run, SignError> {
    tool.args(["-Y", "sign", "-n", namespace, "-f"]).arg(key).env("LC_ALL", "C");
    tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tool.spawn().map_err(|error| match error.kind() == io::ErrorKind::NotFound {
        true => SignError::ToolMissing,
        false => error.into(),
    })?;
    // A statement fits a pipe's buffer, and the answers are read beside the wait, so no side waits for the other.
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that has already given up says why on its standard error.
        drop(stdin.write_all(statement));
    }
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let signature = scope.spawn(|| heard(stdout));
        let said = scope.spawn(|| heard(stderr));
        let status = supervise(&mut child).map_err(|error| match error.kind() == io::ErrorKind::Interrupted {
            true => SignError::Interrupted,
            false => error.into(),
        })?;
        let joined = |thread: std::thread::ScopedJoinHandle<'_, io::Result<String>>| {
            thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
        };
        Ok(Run { done: status.success(), signature: joined(signature)?, said: joined(said)? })
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

/// Whether the key, private or public, is one that wants to be touched: its type stands readable in both files.
fn is_on_security_key(key: &Path) -> Result<bool, SignError> {
    let mut text = String::new();
    let file = std::fs::File::open(key).map_err(|error| match error.kind() == io::ErrorKind::NotFound {
        true => SignError::KeyMissing(key.into()),
        false => SignError::NoKey(key.into()),
    })?;
    file.take(KEY_FILE).read_to_string(&mut text).map_err(|_| SignError::NoKey(key.into()))?;
    let text = zeroize::Zeroizing::new(text);
    if text.as_bytes().starts_with(SECURITY_KEY) {
        return Ok(true);
    }
    // Only the head of a private key file (PROTOCOL.key) is decoded: magic, cipher, key derivation, public key.
    let head: String = text.lines().filter(|line| !line.starts_with("-----")).take(4).collect();
    let head = &head[..head.len() - head.len() % 4];
    let head = STANDARD.decode(head).unwrap_or_default();
    Ok(head.windows(SECURITY_KEY.len()).any(|window| window == SECURITY_KEY))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
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
            std::fs::copy(self.folder.path().join("key.pub"), &path).unwrap();
            path
        }

        fn signers(&self) -> String {
            let key = std::fs::read_to_string(self.folder.path().join("key.pub")).unwrap();
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

    /// Its own session: no terminal to ask on, as for a program without a window.
    fn tool(agent: &str) -> Command {
        let mut tool = Command::new("setsid");
        tool.args(["--wait", TOOL]).env("SSH_AUTH_SOCK", agent).env_remove("SSH_ASKPASS").env_remove("DISPLAY");
        tool
    }

    #[test]
    fn private_key_file_signs_and_stock_tools_verify() {
        let keys = Keys::new("");
        keys.assert_signed(&sign(&keys.private(), NAMESPACE, STATEMENT).unwrap());
    }

    #[test]
    fn public_key_file_signs_through_a_real_agent() {
        let keys = Keys::new("");
        let socket = keys.folder.path().join("agent");
        let socket_name = socket.to_str().unwrap();
        let mut agent =
            Command::new("ssh-agent").args(["-D", "-a", socket_name]).stdout(Stdio::null()).spawn().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(std::time::Instant::now() < deadline, "ssh-agent does not answer");
            std::thread::yield_now();
        }
        let alone = keys.public_alone();
        let before = sign_with(tool(socket_name), &alone, NAMESPACE, STATEMENT);
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(keys.private()).env("SSH_AUTH_SOCK", socket_name).stderr(Stdio::null());
        let added = add.status().unwrap().success();
        let after = sign_with(tool(socket_name), &alone, NAMESPACE, STATEMENT);
        agent.kill().unwrap();
        agent.wait().unwrap();
        assert!(matches!(before, Err(SignError::NotInAgent(_))), "{before:?}");
        assert!(added);
        keys.assert_signed(&after.unwrap());
    }

    #[test]
    fn each_failure_says_what_to_do() {
        let (open, locked) = (Keys::new(""), Keys::new("correct horse"));
        let try_with = |key: &Path| sign_with(tool("/nonexistent"), key, NAMESPACE, STATEMENT).unwrap_err().to_string();
        assert!(try_with(Path::new("/nonexistent/key")).contains("is not there"));
        assert!(try_with(&open.public_alone()).contains("ssh-add"));
        assert!(try_with(&locked.private()).contains("passphrase"));
        let garbage = open.folder.path().join("garbage");
        std::fs::write(&garbage, b"\xff\xfe").unwrap();
        assert!(try_with(&garbage).contains("cannot be read as an SSH key"));
        std::fs::write(&garbage, b"no key").unwrap();
        assert!(try_with(&garbage).contains("cannot be read as an SSH key"));
        let shared = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(open.private(), shared).unwrap();
        assert!(try_with(&open.private()).contains("chmod 600"));
        let missing =
            sign_with(Command::new("/nonexistent/tool"), &locked.private(), NAMESPACE, STATEMENT).unwrap_err();
        assert!(missing.to_string().contains("openssh-client"));
        let silent = sign_with(Command::new("true"), &locked.private(), NAMESPACE, STATEMENT).unwrap_err();
        assert!(matches!(silent, SignError::NotProduced(_)));
        let long = vec![b'a'; limits::STATEMENT + 1];
        assert!(matches!(sign(&locked.private(), NAMESPACE, &long), Err(SignError::TooLong(16_385))));
    }

    #[test]
    fn security_keys_are_known_by_either_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let head =
            [b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none\0\0\0\0\0\0\0\x01\0\0\0\x4a\0\0\0\x1a", SECURITY_KEY]
                .concat();
        let file = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n", STANDARD.encode(head));
        for (text, expected) in
            [(file.as_str(), true), ("sk-ssh-ed25519@openssh.com AAAA", true), ("ssh-ed25519 AAAA", false)]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(is_on_security_key(&path).unwrap(), expected, "{text}");
        }
        assert!(!is_on_security_key(&Keys::new("").private()).unwrap());
    }
}
