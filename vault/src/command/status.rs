//! `vault status` and `vault items`.

use super::requests::columns;
use super::{CommandError, Owner, say, say_json, size, unexpected};
use crate::cli::Output;
use crate::desk::{About, Desk, DeskCall, DeskReply};
use crate::store::Item;
use shared::visible;
use unicode_width::UnicodeWidthStr as _;

/// Columns of a media type in a list, and digits of an id.
const KIND: usize = 18;
const ID: usize = 8;

impl Owner {
    pub(super) fn about(&self) -> Result<About, CommandError> {
        let DeskReply::About(about) = Desk::ask(&self.socket, &DeskCall::About)? else { return Err(unexpected()) };
        Ok(*about)
    }

    pub(super) fn status(&self, output: Output) -> Result<(), CommandError> {
        let about = self.about()?;
        if output.json {
            return say_json(&about);
        }
        say(&format!("vault        {} (version {})", about.name, about.version))?;
        say(&format!("log          {}, {} entries", about.origin, about.log_size))?;
        say(&format!("log key      {}", about.log_key))?;
        for key in &about.signers {
            say(&format!("owner's key  {key}"))?;
        }
        if about.signers.len() > 1 {
            say(&format!("             {} of {} must sign a release", about.quorum, about.signers.len()))?;
        }
        if about.cooling > 0 {
            say(&format!("cooling off  {} seconds between the last signature and the release", about.cooling))?;
        }
        if let Some(since) = about.frozen {
            say(&format!("STOPPED      no release since {since}; this lets them go on: {}", self.line("thaw")))?;
        }
        if about.clock.doubt.is_some() {
            super::clock::describe(&about.clock, &self.invocation).iter().try_for_each(|line| say(line))?;
        }
        let published =
            if about.published == 0 { "nothing yet".into() } else { format!("version {}", about.published) };
        say(&format!("published    {published}"))?;
        for line in self.unlike(&about) {
            say(&line)?;
        }
        say(&format!("items        {}", about.items))?;
        say(&format!("waiting      {}", about.waiting))
    }

    /// What vault.toml says by now and the vault that runs does not go by.
    fn unlike(&self, about: &About) -> Vec<String> {
        let config = &self.config;
        let at_a_start = [
            ("name", about.name != config.name.to_string()),
            ("release.cooling", about.cooling != config.cooling),
            ("desk.uids", about.uids != config.desk_uids),
            ("log.level", about.log_level != config.log_level.as_str()),
        ];
        let never = [
            ("origin", about.origin != config.origin, about.origin.to_string()),
            ("owner.quorum", about.quorum != config.quorum, about.quorum.to_string()),
        ];
        let names: Vec<&str> = at_a_start.into_iter().filter(|(_, unlike)| *unlike).map(|(name, _)| name).collect();
        let mut lines = Vec::new();
        if !names.is_empty() {
            lines.push(format!(
                "RESTART      in vault.toml by now, but not in the vault that runs: {}",
                names.join(", ")
            ));
            lines.push(format!(
                "             It holds from the next start on. Stop the vault, then: {}",
                self.line("serve")
            ));
        }
        for (name, _, value) in never.into_iter().filter(|(_, unlike, _)| *unlike) {
            lines.push(format!("PUT BACK     {name} = {value} in vault.toml: with another the vault does not start"));
        }
        lines
    }

    pub(super) fn all_items(&self) -> Result<Vec<Item>, CommandError> {
        let replies = Desk::list(&self.socket, &DeskCall::Items)?;
        replies
            .into_iter()
            .map(|reply| {
                let DeskReply::Item(item) = reply else { return Err(unexpected()) };
                Ok(item)
            })
            .collect()
    }

    pub(super) fn items(&self, output: Output) -> Result<(), CommandError> {
        let items = self.all_items()?;
        if output.json {
            return items.iter().try_for_each(say_json);
        }
        if items.is_empty() {
            let add = self.line("add FILE --title TITLE --listed");
            return say(&format!("The vault holds no items yet. Put one in: {add}"));
        }
        let columns = columns();
        items.iter().try_for_each(|item| say(&row(item, columns)))
    }
}

/// An item in one line of a list: whole, or for a person before so many columns, who gets id, type and title shortened.
fn row(item: &Item, columns: Option<usize>) -> String {
    let (listed, size) = (if item.listed { "listed  " } else { "unlisted" }, size(item.bytes));
    let (id, title, media_type) = (item.id.to_string(), item.title.as_str(), item.media_type.as_str());
    let Some(columns) = columns else {
        return format!("{id}  {listed}  {size:>10}  {}  {}", visible::line(media_type), visible::line(title));
    };
    let kind = visible::beginning(media_type.split(';').next().unwrap_or_default(), KIND);
    let start = format!("{}  {listed}  {size:>10}  {kind:<KIND$}  ", id.get(..ID).unwrap_or(&id));
    // The last column stays free: some terminals begin a new row as soon as that is taken.
    let room = columns.saturating_sub(start.width() + 1);
    format!("{start}{}", visible::beginning(title, room.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::ids::{Digest, ItemId};
    use shared::text::Text;
    use shared::time::Time;

    #[test]
    fn an_item_fits_a_terminal_and_keeps_its_id_size_and_whether_it_is_listed() {
        let plain = "text/plain; charset=utf-8";
        let long = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        for title in ["CV", "Letter of recommendation to the practice by the river", &"\u{6771}".repeat(40)] {
            for (media_type, listed, bytes) in [(plain, true, 67_108_864), (long, false, 999)] {
                let item = Item {
                    id: ItemId([0xab; 16]),
                    title: Text::new(title).unwrap(),
                    listed,
                    media_type: Text::new(media_type).unwrap(),
                    bytes,
                    sha256: Digest([0; 32]),
                    added_at: Time::from_unix(0),
                };
                let line = row(&item, Some(80));
                assert!(line.width() < 80 && line.starts_with("abababab  "), "{}: {line}", line.width());
                assert!(line.contains(if listed { "  listed  " } else { "  unlisted  " }), "{line}");
                assert!(line.contains(&size(bytes)), "{line}");
                assert_eq!(line.contains("text/plain "), listed, "{line}");
                let whole = row(&item, None);
                assert!(
                    whole.starts_with(&"ab".repeat(16)) && whole.ends_with(&format!("{media_type}  {title}")),
                    "{whole}"
                );
            }
        }
    }
}
