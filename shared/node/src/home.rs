//! The three folders that a node keeps its files in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Neither `--home` nor systemd says where the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing says where the files are: give --home DIR, or run as the systemd unit does, with {0} set")]
pub struct Nowhere(&'static str);

/// A node's three folders.
#[derive(Debug, Clone)]
pub struct Home {
    config: PathBuf,
    state: PathBuf,
    run: Option<PathBuf>,
}

impl Home {
    /// `DIR/config`, `DIR/state` and `DIR/run` for `--home DIR`; else the first of each list that systemd passes in
    /// `CONFIGURATION_DIRECTORY`, `STATE_DIRECTORY` and `RUNTIME_DIRECTORY` (systemd.exec(5)).
    ///
    /// # Errors
    /// [`Nowhere`] when neither is there; the run folder is asked for only when it is needed.
    pub fn find(home: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Nowhere> {
        if let Some(home) = home {
            let (config, state, run) = (home.join("config"), home.join("state"), Some(home.join("run")));
            return Ok(Self { config, state, run });
        }
        let folder = |name: &'static str| {
            let list = variable(name).ok_or(Nowhere(name))?;
            std::env::split_paths(&list).find(|p| p.is_absolute()).ok_or(Nowhere(name))
        };
        let (config, state) = (folder("CONFIGURATION_DIRECTORY")?, folder("STATE_DIRECTORY")?);
        Ok(Self { config, state, run: folder("RUNTIME_DIRECTORY").ok() })
    }

    /// The configuration's folder.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The folder of what must survive a restart.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The folder of what must not.
    ///
    /// # Errors
    /// [`Nowhere`]
    pub fn run(&self) -> Result<&Path, Nowhere> {
        self.run.as_deref().ok_or(Nowhere("RUNTIME_DIRECTORY"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_from_the_option_or_from_systemd() {
        let home = Home::find(Some(Path::new("/srv/r")), |_| None).unwrap();
        assert_eq!(home.config(), Path::new("/srv/r/config"));
        assert_eq!(home.run(), Ok(Path::new("/srv/r/run")));
        let unit = |name: &str| match name {
            "CONFIGURATION_DIRECTORY" => Some(OsString::from("/etc/reception:/etc/other")),
            "STATE_DIRECTORY" => Some(OsString::from("/var/lib/reception")),
            _ => None,
        };
        let home = Home::find(None, unit).unwrap();
        assert_eq!((home.config(), home.state()), (Path::new("/etc/reception"), Path::new("/var/lib/reception")));
        assert_eq!(home.run(), Err(Nowhere("RUNTIME_DIRECTORY")));
        let error = Home::find(None, |_| None).unwrap_err();
        assert!(error.to_string().contains("--home DIR"), "{error}");
    }
}
