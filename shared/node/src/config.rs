//! Configuration files: TOML in which nothing is ignored, and the values that both programs know.

use crate::files::{self, FileError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No file.
    #[error("{path} does not exist; `{program} init` makes it", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The program whose configuration it is.
        program: &'static str,
    },
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// A key without a default is not there.
    #[error("{path} does not set {key}; add it", path = path.display())]
    Absent {
        /// The file.
        path: PathBuf,
        /// Which.
        key: &'static str,
    },
    /// Not TOML, or a value has the wrong form.
    #[error("{path}: {reason}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what, as the parser says it.
        reason: String,
    },
    /// Keys that nobody reads: a spelling mistake must not silently leave a default in force.
    #[error("{path} has keys that are not known: {keys}; correct or remove them", path = path.display(), keys = keys.join(", "))]
    Unknown {
        /// The file.
        path: PathBuf,
        /// All of them.
        keys: Vec<String>,
    },
}

/// Reads the file at `path` as a raw configuration.
///
/// # Errors
/// [`ConfigError`]; every unknown key is named at once.
pub fn read<T: DeserializeOwned>(program: &'static str, path: &Path) -> Result<T, ConfigError> {
    let text = files::read_guarded(path)?.ok_or_else(|| ConfigError::Missing { path: path.to_owned(), program })?;
    parse(&text, path)
}

/// As [`read`], from text; `path` is for the messages.
///
/// # Errors
/// [`ConfigError`]
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigError> {
    let mut keys = Vec::new();
    let path = path.to_owned();
    let raw: Result<T, _> = toml::Deserializer::parse(text)
        .and_then(|file| serde_ignored::deserialize(file, |key| keys.push(key.to_string())));
    if !keys.is_empty() {
        return Err(ConfigError::Unknown { path, keys });
    }
    raw.map_err(|e| ConfigError::Syntax { path, reason: e.to_string() })
}

/// How much is logged about a node's own doings. What visitors write is logged at no level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What stops it from working.
    Error,
    /// What someone should look at.
    Warn,
    /// Starts, stops, the link's comings and goings, publications.
    #[default]
    Info,
    /// What helps to find a fault.
    Debug,
}

impl Level {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}
