//! The decoders that belong to one node alone, compiled from the node's own files.

/// The vault's configuration.
#[allow(dead_code, reason = "the vault's commands use the rest")]
#[path = "../../../vault/src/config.rs"]
pub(crate) mod vault_config;

/// The reception's configuration.
#[allow(dead_code, reason = "the reception uses the rest")]
#[path = "../../../reception/src/config.rs"]
pub(crate) mod reception_config;

/// What the owner's commands and the vault's daemon say to each other.
#[path = "../../../vault/src/desk/message.rs"]
pub(crate) mod desk;

#[allow(dead_code, reason = "the vault uses the rest")]
#[path = "../../../vault/src/paths.rs"]
pub(crate) mod paths;

#[allow(dead_code, reason = "the reception uses the rest")]
#[path = "../../../reception/src/home.rs"]
pub(crate) mod home;

#[path = "../../../vault/src/store/item.rs"]
pub(crate) mod store;

/// A sealed request as a file of the reception's.
#[path = "../../../reception/src/spool/entry.rs"]
pub(crate) mod entry;
