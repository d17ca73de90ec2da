//! Whose page it is, as far as that is known.

use std::fmt;

/// The name at the head of every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Letterhead {
    /// The owner's, signed with a publication.
    Owner(String),
    /// The reception's own, of its configuration: nothing says yet what its owner is called.
    Reception(String),
}

impl Letterhead {
    /// The owner, where that begins a sentence.
    pub(crate) fn owner_first(&self) -> &str {
        self.owner().unwrap_or("The owner")
    }

    /// The owner in the midst of a sentence.
    pub(crate) fn owner_amid(&self) -> &str {
        self.owner().unwrap_or("the owner")
    }

    /// The same, with the word: as in "{Mira, the owner,} reads it".
    pub(crate) fn the_owner(&self) -> String {
        self.owner().map_or_else(|| "the owner".to_owned(), |name| format!("{name}, the owner,"))
    }

    fn owner(&self) -> Option<&str> {
        match self {
            Self::Owner(name) => Some(name),
            Self::Reception(_) => None,
        }
    }
}

impl fmt::Display for Letterhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Owner(name) | Self::Reception(name)) = self;
        f.write_str(name)
    }
}
