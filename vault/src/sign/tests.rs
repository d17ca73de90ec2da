//! Signing by the real tools.

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
        assert_eq!(sshsig::verify(&signers, NAMESPACE, STATEMENT, signature).unwrap().fingerprint(), key.fingerprint());
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

/// A pipe in the file's place shows what was read: it holds what was not.
#[test]
fn no_byte_of_a_private_key_below_its_header_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let mut key = File::options().read(true).write(true).open(&path).unwrap();
    let header = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
    // As much as a pipe holds (pipe(7)), so that whoever reads on sees no end before all of it is gone.
    let secret = vec![b's'; 65_536 - header.len()];
    key.write_all(&[header.as_bytes(), &secret].concat()).unwrap();
    let tool = |_: &str| {
        let mut tool = Command::new("sh");
        let (listed, signed) = ("256 SHA256:known owner (ED25519)", ARMOUR.0.to_owned() + ARMOUR.1);
        tool.args(["-c", &format!("[ $1 = -l ] && echo '{listed}' || printf %s '{signed}'"), "sh"]);
        tool
    };
    let looked = Key::look_with(tool, &path, &["SHA256:known".into()]).unwrap();
    assert_eq!(rustix::io::ioctl_fionread(&key).unwrap(), secret.len() as u64);
    looked.sign_with(|| tool(TOOL), NAMESPACE, STATEMENT).unwrap();
    assert_eq!(rustix::io::ioctl_fionread(&key).unwrap(), secret.len() as u64);
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
