//! `vault add`.

use super::{CommandError, Owner, failed, say, size, unexpected};
use crate::cli::Add;
use crate::desk::{Desk, DeskCall, DeskReply};
use crate::store::{Item, NewItem};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shared::ids::Digest;
use shared::limits;
use shared::message::{MediaType, Title};
use shared::text::Text;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;

/// Files above this show their progress.
const SHOW_PROGRESS: u64 = 10 * 1024 * 1024;
/// Bytes that tell a file's type.
pub(super) const HEAD: usize = 8192;

impl Owner {
    pub(super) fn add(&self, options: &Add) -> Result<(), CommandError> {
        if options.title.is_some() && options.files.len() > 1 {
            return Err(CommandError::Usage("--title names one file; add several files one at a time".into()));
        }
        // Every file is checked before the first is sent, so that a mistake leaves nothing half done.
        let files = options.files.iter().map(|path| open(path, options)).collect::<Result<Vec<_>, _>>()?;
        let there = if options.again { Vec::new() } else { self.all_items()? };
        files.into_iter().try_for_each(|(mut file, item)| match held(&there, &mut file, &item)? {
            Some(held) if held.listed >= item.listed => say(&already(held)),
            Some(unlisted) => self.send(file, item).and_then(|()| say(&beside(unlisted))),
            None => self.send(file, item),
        })
    }

    fn send(&self, mut file: File, item: NewItem) -> Result<(), CommandError> {
        let title = shared::visible::line(item.title.as_str());
        let (bytes, listed) = (item.bytes, item.listed);
        let bar = progress(bytes, &title);
        let mut desk = Desk::call(&self.socket, &DeskCall::Add(item))?;
        let mut left = bytes;
        let mut buffer = vec![0; limits::CHUNK];
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            file.read_exact(&mut buffer[..want]).map_err(|e| {
                CommandError::Failed(format!("{title} changed while it was read ({e}); it was not added"))
            })?;
            desk.send(&buffer[..want])?;
            left -= want as u64;
            bar.inc(want as u64);
        }
        bar.finish_and_clear();
        let DeskReply::Added { id, sha256 } = desk.reply()? else { return Err(unexpected()) };
        let listed = if listed { "listed from the next publication on" } else { "not listed" };
        say(&format!("added {title}: {}, {listed}\n  item    {id}\n  sha256  {sha256}", size(bytes)))
    }
}

/// The item that holds this file's bytes under this title already; one that is listed, if there is one.
fn held<'a>(there: &'a [Item], file: &mut File, new: &NewItem) -> Result<Option<&'a Item>, CommandError> {
    let alike = |item: &&Item| item.title == new.title && item.bytes == new.bytes;
    let alike: Vec<&Item> = there.iter().filter(alike).collect();
    if alike.is_empty() {
        return Ok(None);
    }
    let unread = |e| CommandError::Failed(format!("{} cannot be read: {e}", shared::visible::line(new.title.as_str())));
    let mut bytes = Vec::new();
    (&mut *file).take(limits::ITEM).read_to_end(&mut bytes).map_err(unread)?;
    file.rewind().map_err(unread)?;
    let sha256 = Digest::of(&bytes);
    Ok(alike.into_iter().filter(|item| item.sha256 == sha256).max_by_key(|item| item.listed))
}

/// An item that is not listed does not stand for one that is to be.
fn beside(item: &Item) -> String {
    format!(
        "The same bytes stay in the vault under this title a second time, not listed, as they were:\n  item    {}",
        item.id
    )
}

fn already(item: &Item) -> String {
    let (title, listed) =
        (shared::visible::line(item.title.as_str()), if item.listed { "listed" } else { "not listed" });
    format!(
        "{title} is in the vault already, with the same bytes, {listed}; nothing was added. --again adds it once more.\n  item    \
         {}\n  sha256  {}",
        item.id, item.sha256
    )
}

fn open(path: &Path, options: &Add) -> Result<(File, NewItem), CommandError> {
    let mut file = File::open(path).map_err(failed("read", path))?;
    let metadata = file.metadata().map_err(failed("look at", path))?;
    let refuse = |why: String| CommandError::Failed(format!("{}: {why}", path.display()));
    if !metadata.is_file() {
        return Err(refuse("not a file".into()));
    }
    if metadata.len() > limits::ITEM {
        return Err(refuse(format!("it has {} and an item has at most 64 MiB; split it", size(metadata.len()))));
    }
    if metadata.len() == 0 {
        return Err(refuse("it is empty; there would be nothing to release".into()));
    }
    let mut head = Vec::new();
    (&mut file).take(HEAD as u64).read_to_end(&mut head).map_err(failed("read", path))?;
    file.rewind().map_err(failed("read", path))?;
    let title = title(options.title.as_deref(), path).map_err(refuse)?;
    let media_type = match &options.media_type {
        Some(given) => given.clone(),
        None => detect(&head, path).map_err(|e| refuse(format!("the media type: {e}")))?,
    };
    Ok((file, NewItem { title, listed: options.listed, media_type, bytes: metadata.len() }))
}

/// What the owner says, else the file's name; in one line, because that is what becomes of it in lists and on pages.
fn title(given: Option<&str>, path: &Path) -> Result<Title, String> {
    const REMEDY: &str = "give a title with --title";
    let name = || path.file_name().unwrap_or_default().to_str();
    let words = given.or_else(name).ok_or_else(|| format!("its name is not UTF-8; {REMEDY}"))?;
    match words.chars().find(|c| c.is_control()) {
        Some(control) => {
            let code = u32::from(control);
            Err(format!("the title would contain a control character, U+{code:04X}; {REMEDY} that has none"))
        }
        None => Title::new(words).map_err(|e| format!("the title: {e}; {REMEDY}")),
    }
}

/// By the file's first bytes; text by its extension.
pub(super) fn detect(head: &[u8], path: &Path) -> Result<MediaType, shared::text::BadText> {
    if let Some(kind) = infer::get(head) {
        return Text::new(kind.mime_type());
    }
    // A character cut at the end of the sample is no sign of a binary file.
    let text = std::str::from_utf8(head).map_or_else(|e| e.error_len().is_none(), |_| true);
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    Text::new(match (text && !head.contains(&0), extension.as_str()) {
        (false, _) => "application/octet-stream",
        (true, "md" | "markdown") => "text/markdown; charset=utf-8",
        (true, "csv") => "text/csv; charset=utf-8",
        (true, "html" | "htm") => "text/html; charset=utf-8",
        (true, "json") => "application/json",
        (true, _) => "text/plain; charset=utf-8",
    })
}

fn progress(bytes: u64, title: &str) -> ProgressBar {
    let target = if bytes > SHOW_PROGRESS { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{msg}  {wide_bar}  {bytes} of {total_bytes}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(bytes), target).with_style(style).with_message(title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_of_text() {
        use std::os::unix::ffi::OsStrExt as _;
        assert_eq!(title(None, Path::new("a/Lebenslauf ü.pdf")).unwrap().as_str(), "Lebenslauf ü.pdf");
        assert_eq!(title(Some("CV"), Path::new("a\nb")).unwrap().as_str(), "CV");
        let latin = Path::new(std::ffi::OsStr::from_bytes(b"Lebensl\xe4ufe.pdf"));
        assert!(title(Some("CV"), latin).is_ok());
        for (given, path, words) in [
            (None, latin, "its name is not UTF-8"),
            (None, Path::new("one\ntwo"), "U+000A"),
            (Some("one\ttwo"), Path::new("x"), "U+0009"),
            (Some("\u{1b}[2J"), Path::new("x"), "U+001B"),
            (Some(" "), Path::new("x"), "it is empty"),
        ] {
            let error = title(given, path).unwrap_err();
            assert!(error.contains(words) && error.contains("give a title with --title"), "{error}");
        }
    }

    #[test]
    fn types_are_told_by_content_first() {
        for (head, name, media_type) in [
            (&b"%PDF-1.7\n"[..], "letter.txt", "application/pdf"),
            (b"\x89PNG\r\n\x1a\n", "x", "image/png"),
            (b"# Title\n", "note.md", "text/markdown; charset=utf-8"),
            (b"caf\xc3", "note", "text/plain; charset=utf-8"),
            (b"caf\xe9 au lait", "note.txt", "application/octet-stream"),
            (b"a\0b", "note.txt", "application/octet-stream"),
        ] {
            assert_eq!(detect(head, Path::new(name)).unwrap().as_str(), media_type, "{name}");
        }
    }
}
