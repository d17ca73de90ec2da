//! `vault status` and `vault items`.

use super::{CommandError, Owner, say, say_json, size, unexpected};
use crate::cli::Output;
use crate::desk::{About, Desk, DeskCall, DeskReply};
use crate::store::Item;
use shared::visible;

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
        say(&format!("items        {}", about.items))?;
        say(&format!("waiting      {}", about.waiting))
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
        for item in items {
            let listed = if item.listed { "listed  " } else { "unlisted" };
            let title = visible::line(item.title.as_str());
            let media_type = visible::line(item.media_type.as_str());
            say(&format!("{}  {listed}  {:>10}  {media_type}  {title}", item.id, size(item.bytes)))?;
        }
        Ok(())
    }
}
