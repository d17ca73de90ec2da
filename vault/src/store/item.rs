//! What an item is, in the store and at the desk.

use serde::{Deserialize, Serialize};
use shared::ids::{Digest, ItemId};
use shared::message::{MediaType, Title};
use shared::time::Time;

/// An item as the owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Item {
    pub(crate) id: ItemId,
    pub(crate) title: Title,
    pub(crate) listed: bool,
    pub(crate) media_type: MediaType,
    pub(crate) bytes: u64,
    pub(crate) sha256: Digest,
    pub(crate) added_at: Time,
}

/// What the owner says of a file to be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewItem {
    pub(crate) title: Title,
    pub(crate) listed: bool,
    pub(crate) media_type: MediaType,
    pub(crate) bytes: u64,
}
