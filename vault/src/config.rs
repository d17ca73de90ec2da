//! The configuration file `vault.toml`: what the file says, then what that means.

use crate::paths::Paths;
use node::config::{self, ConfigError, Level};
use serde::Deserialize;
use shared::limits;
use shared::message::Name;
use shared::pairing::NodeName;
use shared::tlog::Origin;
use std::path::{Path, PathBuf};

/// A configuration that the vault can run with.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// What receptions call this vault.
    pub(crate) name: NodeName,
    /// What its log is called.
    pub(crate) origin: Origin,
    /// Whose reception visitors read it is.
    pub(crate) owner_name: Name,
    /// How many owners must sign a release.
    pub(crate) quorum: usize,
    /// Seconds between the last signature and the release, at most [`limits::COOLING_MAX`].
    pub(crate) cooling: u64,
    /// The owner's SSH key: a private key file, or a public one whose private half an agent or a security key holds.
    pub(crate) owner_key: PathBuf,
    /// Users that may sit at the desk, by number.
    pub(crate) desk_uids: Vec<u32>,
    /// How much is logged.
    pub(crate) log_level: Level,
}

/// What the file says. Nothing is required at this stage, so that one reading finds every unknown key.
#[derive(Deserialize)]
pub(crate) struct Raw {
    name: Option<NodeName>,
    origin: Option<Origin>,
    #[serde(default)]
    owner: RawOwner,
    #[serde(default)]
    release: RawRelease,
    #[serde(default)]
    desk: RawDesk,
    #[serde(default)]
    log: RawLog,
}

#[derive(Default, Deserialize)]
struct RawOwner {
    name: Option<Name>,
    key: Option<PathBuf>,
    quorum: Option<usize>,
}

#[derive(Default, Deserialize)]
struct RawRelease {
    cooling: Option<Cooling>,
}

/// Seconds, within the limit.
#[derive(Deserialize)]
#[serde(try_from = "u64")]
struct Cooling(u64);

impl TryFrom<u64> for Cooling {
    type Error = String;
    fn try_from(seconds: u64) -> Result<Self, String> {
        if seconds <= limits::COOLING_MAX {
            Ok(Self(seconds))
        } else {
            Err(format!("release.cooling is at most {} seconds (7 days)", limits::COOLING_MAX))
        }
    }
}

#[derive(Default, Deserialize)]
struct RawDesk {
    uids: Option<Vec<u32>>,
}

#[derive(Default, Deserialize)]
struct RawLog {
    level: Option<Level>,
}

impl Config {
    /// Reads and checks the configuration file.
    ///
    /// # Errors
    /// [`ConfigError`]; nothing is guessed and nothing is ignored.
    pub(crate) fn read(paths: &Paths) -> Result<Self, ConfigError> {
        let path = paths.config();
        config::read::<Raw>("vault", &path)?.check(&path)
    }
}

impl Raw {
    /// What that means; `path` is for the messages.
    ///
    /// # Errors
    /// [`ConfigError::Absent`]
    pub(crate) fn check(self, path: &Path) -> Result<Config, ConfigError> {
        let absent = |key| ConfigError::Absent { path: path.to_owned(), key };
        Ok(Config {
            name: self.name.ok_or_else(|| absent("name"))?,
            origin: self.origin.ok_or_else(|| absent("origin"))?,
            owner_name: self.owner.name.ok_or_else(|| absent("owner.name"))?,
            quorum: self.owner.quorum.unwrap_or(1),
            cooling: self.release.cooling.map_or(0, |cooling| cooling.0),
            owner_key: self.owner.key.ok_or_else(|| absent("owner.key"))?,
            desk_uids: self.desk.uids.ok_or_else(|| absent("desk.uids"))?,
            log_level: self.log.level.unwrap_or_default(),
        })
    }
}

/// The commented file that `init` writes.
pub(crate) fn render(config: &Config) -> String {
    format!(
        "\
# The vault's configuration. A key that is not known stops the vault from starting. Changes hold from its next start on;
# `vault status` names those that wait for it.

# What receptions call this vault: letters, digits, dots, hyphens, underscores.
name = \"{name}\"
# What its evidence log is called. It stands in every statement: never change it.
origin = \"{origin}\"

[owner]
# Whose reception visitors read it is; it is part of each publication.
name = {owner}
# The owner's SSH key, for the owner's own commands: a private key file, or a public one (.pub) whose private half is in
# ssh-agent or on a security key. The daemon never reads it; it knows the public keys in allowed_signers beside this file.
key = {key}
# How many of the keys in allowed_signers must sign a release: any one of them alone, or several (m of n). It is part of the
# log's first entry: change it only together with that.
quorum = {quorum}

[release]
# Seconds between the last signature and the release, up to 604800 (7 days). Until they are over the visitor sees nothing of
# it, and `vault requests revoke` takes it back unseen.
cooling = {cooling}

[desk]
# The users, by number, whose commands the daemon obeys. They still cannot release anything without the owner's key.
uids = {uids:?}

[log]
# error, warn, info or debug. What is asked or released is logged at no level.
level = \"{level}\"
",
        name = config.name,
        origin = config.origin,
        owner = toml::Value::String(config.owner_name.as_str().into()),
        key = toml::Value::String(config.owner_key.display().to_string()),
        quorum = config.quorum,
        cooling = config.cooling,
        uids = config.desk_uids,
        level = config.log_level.as_str(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let path = Path::new("vault.toml");
        config::parse::<Raw>(text, path)?.check(path)
    }

    fn sample(key: &str) -> Config {
        Config {
            name: "workstation".parse().unwrap(),
            origin: Origin::new("vault.example.org/3f2a").unwrap(),
            owner_name: shared::text::Text::new("Sam \"Sample\"").unwrap(),
            owner_key: PathBuf::from(key),
            quorum: 2,
            cooling: 600,
            desk_uids: vec![1000, 0],
            log_level: Level::Debug,
        }
    }

    #[test]
    fn the_file_that_init_writes_says_what_it_was_given() {
        for key in ["/home/sam/.ssh/id_ed25519", "/home/o\"dd \\ path/key.pub", "/home/sam/it's \u{e9}\n"] {
            let (given, read) = (sample(key), read(&render(&sample(key))).unwrap());
            assert_eq!((read.name, read.origin, read.owner_key), (given.name, given.origin, given.owner_key));
            assert_eq!((read.desk_uids, read.log_level), (given.desk_uids, given.log_level));
            assert_eq!((read.quorum, read.cooling), (given.quorum, given.cooling));
            assert_eq!(read.owner_name, given.owner_name);
        }
    }

    #[test]
    fn what_is_missing_or_unknown_stops_the_vault() {
        let good = render(&sample("/key"));
        for (line, key) in [
            ("name = \"workstation\"", "name"),
            ("origin = ", "origin"),
            ("name = 'Sam", "owner.name"),
            ("key = ", "owner.key"),
            ("uids = ", "desk.uids"),
        ] {
            let without: String = good.lines().filter(|l| !l.starts_with(line)).map(|l| format!("{l}\n")).collect();
            assert!(matches!(read(&without), Err(ConfigError::Absent { key: found, .. }) if found == key), "{key}");
        }
        let unknown = good.replace("[log]", "colour = 1\n[log]").replace("level", "levle");
        let Err(ConfigError::Unknown { keys, .. }) = read(&unknown) else { panic!("taken") };
        assert_eq!(keys, ["desk.colour", "log.levle"]);
        for (word, bad) in
            [("debug", "loud"), ("3f2a", "3F2A"), ("workstation", "two words"), ("1000", "-1"), ("600", "604801")]
        {
            assert!(matches!(read(&good.replace(word, bad)), Err(ConfigError::Syntax { .. })), "{bad}");
        }
    }

    #[test]
    fn the_level_has_a_default_and_nothing_else_has() {
        let good = render(&sample("/key")).replace("level = \"debug\"\n", "");
        assert_eq!(read(&good).unwrap().log_level, Level::Info);
    }
}
