//! `reception id`: the line about this reception that the vault is given.

use crate::config::{Advertised, Config, ConfigError};
use crate::daemon::Addresses;
use crate::home::{Home, HomeError};
use crate::keys::{Keys, KeysError};
use shared::pairing::{Address, BadAddress, ReceptionLine};
use std::ffi::OsString;
use std::io::{self, Write};

/// Why there is no line to print.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeysError),
    /// The run folder.
    #[error(transparent)]
    File(#[from] HomeError),
    /// Port 0 is advertised and nothing runs.
    #[error(
        "link.advertise has port 0, which stands for the port of the running reception, and none is running; start it with \
         `reception serve`, or set the port"
    )]
    NoPort,
    /// The running reception's port is none.
    #[error("link.advertise cannot be told to the vault: {0}")]
    Address(#[from] BadAddress),
    /// The output is gone.
    #[error("cannot print the line: {0}")]
    Print(#[from] io::Error),
}

impl IdError {
    /// How the process ends.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::Config(error) => error.exit(),
            Self::Key(error) => error.exit(),
            Self::File(error) => error.exit(),
            Self::NoPort | Self::Address(_) | Self::Print(_) => node::exit::FAILURE,
        }
    }
}

/// Prints the line alone on `out`, and on `notes` what to do with it and the fingerprint to compare.
///
/// # Errors
/// [`IdError`]
pub(crate) fn id(
    home: &Home,
    variable: impl Fn(&str) -> Option<OsString>,
    out: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), IdError> {
    let config = Config::read(home)?;
    let keys = Keys::load(home, &config.name, variable)?;
    let address = dialled(home, &config.link_advertise)?;
    let pin = keys.identity.pin();
    let line = ReceptionLine { name: config.name, address, pin, witness: keys.witness };
    writeln!(out, "{line}")?;
    // No line holds a quote, a dollar sign, a backtick, a backslash or an exclamation mark.
    writeln!(notes, "Give this line to the vault, on its machine, with its --home if it has one:")?;
    writeln!(notes, "  vault pair \"{line}\"")?;
    writeln!(notes, "The vault must show this fingerprint: {pin}")?;
    Ok(())
}

/// The address with port 0 replaced by that of the running reception.
fn dialled(home: &Home, address: &Advertised) -> Result<Address, IdError> {
    let port = match address.port() {
        0 => Addresses::read(home)?.ok_or(IdError::NoPort)?.link.port(),
        port => port,
    };
    Ok(address.on_port(port)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;
    use node::files;
    use std::path::Path;

    fn home(root: &Path, advertise: &str) -> Home {
        let home = Home::find(Some(root), |_| None).unwrap();
        let options = cli::Init {
            name: "front".parse().unwrap(),
            link: "127.0.0.1:0".parse().unwrap(),
            advertise: Some(advertise.parse().unwrap()),
            http: "127.0.0.1:0".parse().unwrap(),
        };
        crate::init::init(&home, &options, &mut Vec::new()).unwrap();
        home
    }

    fn printed(home: &Home) -> Result<(String, String), IdError> {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        id(home, |_| None, &mut out, &mut notes)?;
        Ok((String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap()))
    }

    #[test]
    fn the_line_stands_alone_and_reads_back() {
        let root = tempfile::tempdir().unwrap();
        let (out, notes) = printed(&home(root.path(), "reception.example.org:7443")).unwrap();
        let line: ReceptionLine = out.parse().unwrap();
        assert_eq!(format!("{line}\n"), out);
        assert_eq!((line.name.as_str(), line.address.as_str()), ("front", "reception.example.org:7443"));
        assert!(notes.contains(&line.pin.to_string()), "{notes}");
    }

    #[test]
    fn the_vaults_command_can_be_pasted_with_the_line() {
        let root = tempfile::tempdir().unwrap();
        let (out, notes) = printed(&home(root.path(), "[2001:db8::7]:7443")).unwrap();
        let command = notes.lines().find_map(|line| line.strip_prefix("  vault ")).unwrap();
        let pasted = format!("printf '%s|' {command}");
        let said = std::process::Command::new("sh").args(["-c", &pasted]).output().unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap(), format!("pair|{}|", out.trim_end()));
    }

    #[test]
    fn port_zero_stands_for_the_running_receptions_port() {
        let root = tempfile::tempdir().unwrap();
        let home = home(root.path(), "127.0.0.1:0");
        assert!(matches!(printed(&home), Err(IdError::NoPort)));
        files::make_folder(home.run().unwrap()).unwrap();
        let running = b"http = \"127.0.0.1:8080\"\nlink = \"127.0.0.1:41234\"\n";
        files::replace(&home.addresses().unwrap(), running).unwrap();
        assert!(printed(&home).unwrap().0.contains(" address=127.0.0.1:41234 "));
    }
}
