//! `vault publish`: a folder of Markdown and the listed titles become one signed bundle.

use super::difference::Notice;
use super::ready::may_release;
use super::{CommandError, Invocation, Owner, failed, say, size, tell, unexpected};
use crate::cli::Publish;
use crate::desk::{About, Desk, DeskCall, DeskError, DeskReply};
use crate::prompt::{self, Body, Deed, Section, Sheet, Timing};
use node::invocation::quoted;
use shared::ids::{Digest, Nonce};
use shared::limits;
use shared::message::Title;
use shared::publication::{Bundle, Document, Entry};
use shared::statement::{NAMESPACE, Publication, Statement};
use shared::visible;
use std::fs;
use std::path::{Path, PathBuf};
use vault_core::Signed;

/// Folders below folders, at most.
const DEPTH: usize = 16;
/// Files that are left out and named; there may be more.
const NAMED: usize = 8;

impl Owner {
    pub(super) fn publish(&self, options: &Publish) -> Result<(), CommandError> {
        if let Some(prepared) = &options.submit {
            return self.submit(prepared);
        }
        let folder = options.folder.as_ref().ok_or_else(|| CommandError::Usage("name a folder to publish".into()))?;
        let about = self.about()?;
        may_release(&about)?;
        if about.quorum > 1 && options.prepare.is_none() {
            return Err(CommandError::Usage(format!(
                "{} owners must sign a publication: write it out with --prepare OUT, have each sign OUT/statement, then --submit OUT",
                about.quorum
            )));
        }
        let found = Found::in_folder(folder)?;
        let left_out = found.left_out();
        if let Some(names) = &left_out {
            tell(&format!(
                "Left out, because only files whose names end in .md are published: {}.",
                visible::line(names)
            ))?;
            let add = self.line("add FILE --title TITLE --listed");
            tell(&format!("Rename a text to NAME.md, or put a file in for visitors to ask for:\n  {add}"))?;
        }
        let bundle = self.bundle(found.documents, folder, &about)?;
        let bytes = bundle.to_bytes().map_err(|e| CommandError::Failed(e.to_string()))?;
        let statement = Statement::Publication(statement(&bundle, &bytes, &about)?).render();
        let notice = Notice::of(self.published()?.as_ref(), &bundle);
        match &options.prepare {
            Some(out) => {
                notice.lines().iter().try_for_each(|line| tell(line))?;
                prepare(out, &bytes, &statement, &self.invocation)
            }
            None => self.ask(&bundle, notice, left_out, &bytes, statement, options.key.as_deref()),
        }
    }

    /// What is out now, if anything is.
    fn published(&self) -> Result<Option<Bundle>, CommandError> {
        let mut desk = Desk::call(&self.socket, &DeskCall::Published)?;
        let DeskReply::Payload { bytes } = desk.reply()? else { return Err(unexpected()) };
        if bytes == 0 {
            return Ok(None);
        }
        let bundle = Bundle::from_bytes(&desk.payload(bytes)?);
        bundle.map(Some).map_err(|e| CommandError::Failed(format!("what is published now cannot be compared: {e}")))
    }

    fn bundle(&self, documents: Vec<Document>, folder: &Path, about: &About) -> Result<Bundle, CommandError> {
        let listed = self.all_items()?.into_iter().filter(|item| item.listed);
        let catalogue: Vec<Entry> =
            listed.map(|item| Entry { id: item.id, title: item.title, media_type: item.media_type }).collect();
        if documents.is_empty() && catalogue.is_empty() {
            let folder = folder.display();
            let nothing = format!(
                "{folder} has no file whose name ends in .md, hidden ones apart, and no item is listed: nothing to publish"
            );
            return Err(CommandError::Failed(nothing));
        }
        let name = self.config.owner_name.clone();
        Ok(Bundle { version: about.published + 1, name, documents, catalogue })
    }

    /// Shows all that would become public, and signs if the owner says so.
    fn ask(
        &self,
        bundle: &Bundle,
        notice: Notice,
        left_out: Option<String>,
        bytes: &[u8],
        statement: String,
        key: Option<&Path>,
    ) -> Result<(), CommandError> {
        let key = self.key(key)?;
        let mut sections = vec![
            Section::Note("Everybody will be able to read all of this, from now on.".into()),
            Section::Field { label: "documents", value: bundle.documents.len().to_string(), note: None },
            Section::Field { label: "listed titles", value: bundle.catalogue.len().to_string(), note: None },
        ];
        let why = Some("not published: their names do not end in .md");
        sections.extend(notice.sections());
        sections.extend(left_out.map(|value| Section::Field { label: "left out", value, note: why }));
        let sheet = Sheet {
            title: format!("Publish version {}", bundle.version),
            sections,
            body: Body::Bundle { bytes: bytes.to_vec() },
            statement: statement.clone(),
            deed: Deed::Publish,
            alike: 0,
        };
        let mut terminal = super::requests::open()?;
        let answer = prompt::ask(&mut terminal, &sheet, Timing::default())?;
        drop(terminal);
        if !matches!(answer, prompt::Answer::Yes { .. }) {
            return Err(CommandError::Refused("nothing was published".into()));
        }
        let signature = key.sign(NAMESPACE, statement.as_bytes())?;
        self.send_publication(Signed::one(statement, signature), bytes)
    }

    /// Publishes what was prepared and signed elsewhere.
    fn submit(&self, folder: &Path) -> Result<(), CommandError> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(failed("read", &path))
        };
        if let Some(missing) = unprepared(folder) {
            return Err(CommandError::Usage(missing));
        }
        let text = |name: &str| {
            String::from_utf8(read(name)?).map_err(|_| CommandError::Failed(format!("{name} is not text")))
        };
        // Several owners sign the same text elsewhere: statement.sig, statement.sig.2, statement.sig.3 ...
        let mut signatures = vec![text("statement.sig")?];
        while folder.join(format!("statement.sig.{}", signatures.len() + 1)).exists() {
            signatures.push(text(&format!("statement.sig.{}", signatures.len() + 1))?);
        }
        let signed = Signed { statement: text("statement")?, signatures };
        self.send_publication(signed, &read("bundle.json")?)
    }

    fn send_publication(&self, signed: Signed, bytes: &[u8]) -> Result<(), CommandError> {
        let version =
            self.hand_in_publication(signed, bytes).map_err(|error| CommandError::handing_in(error, "status"))?;
        say(&format!("published version {version}; receptions fetch it by themselves"))
    }

    /// The version that is out.
    fn hand_in_publication(&self, signed: Signed, bytes: &[u8]) -> Result<u64, DeskError> {
        let mut desk = Desk::call(&self.socket, &DeskCall::Publish { signed, bytes: bytes.len() as u64 })?;
        desk.send(bytes)?;
        let DeskReply::Published { version } = desk.reply()? else { return Err(DeskError::Unexpected) };
        Ok(version)
    }
}

/// What a folder lacks that is to be published, and how it comes there.
fn unprepared(folder: &Path) -> Option<String> {
    let missing = |name: &str| !folder.join(name).exists();
    let out = quoted(folder);
    if missing("statement") || missing("bundle.json") {
        return Some(format!(
            "{} holds no publication that was prepared, which is a statement and a bundle.json; `vault publish DIR --prepare \
             {out}` makes both in a new folder",
            folder.display()
        ));
    }
    missing("statement.sig").then(|| {
        format!(
            "nobody has signed {} yet. Read bundle.json beside it; if you agree, sign, and submit again:\n  {}",
            folder.join("statement").display(),
            sign_elsewhere(folder)
        )
    })
}

/// The command that signs what was prepared.
fn sign_elsewhere(folder: &Path) -> String {
    format!("ssh-keygen -Y sign -n {NAMESPACE} -f KEY {}", quoted(&folder.join("statement")))
}

fn prepare(out: &Path, bytes: &[u8], statement: &str, invocation: &Invocation) -> Result<(), CommandError> {
    fs::create_dir(out).map_err(super::new_folder(out))?;
    for (name, content) in [("bundle.json", bytes), ("statement", statement.as_bytes())] {
        let path = out.join(name);
        fs::write(&path, content).map_err(failed("write", &path))?;
    }
    tell(&format!("Read {}: it is what everybody will read. If you agree:", out.join("bundle.json").display()))?;
    tell(&format!("  {}", sign_elsewhere(out)))?;
    tell(
        "If several owners must sign, rename each signature before the next: statement.sig.2, statement.sig.3, and so on.",
    )?;
    tell(&format!("  {}", invocation.line(&format!("publish --submit {}", quoted(out)))))
}

fn statement(bundle: &Bundle, bytes: &[u8], about: &About) -> Result<Publication, CommandError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|e| CommandError::Failed(e.to_string()))?;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(Publication {
        vault: about.origin.clone(),
        version: bundle.version,
        bundle: Digest::of(bytes),
        bytes: bytes.len() as u64,
        documents: count(bundle.documents.len()),
        catalogue: count(bundle.catalogue.len()),
        prepared_at: crate::daemon::now(),
        nonce: Nonce(nonce),
    })
}

/// What is in a folder. Only Markdown is published, and the name says which files are that.
#[derive(Debug, Default)]
struct Found {
    documents: Vec<Document>,
    /// Other files, and links, which are not followed. Names that begin with a dot are passed over, folders too; of these only
    /// Markdown is named, which its owner may look for.
    others: Vec<String>,
}

impl Found {
    /// All below `folder`, in the order of their paths.
    fn in_folder(folder: &Path) -> Result<Self, CommandError> {
        if folder.is_file() {
            return Err(CommandError::Usage(format!(
                "{} is a file, and what is published is a whole folder, in place of what was published before: put the file \
                 into the folder of your pages, under a name that ends in .md, then `vault publish DIR`",
                folder.display()
            )));
        }
        let mut found = Self::default();
        found.collect(folder, folder, 0)?;
        found.documents.sort_by(|a, b| a.path.cmp(&b.path));
        found.others.sort();
        Ok(found)
    }

    fn collect(&mut self, root: &Path, folder: &Path, depth: usize) -> Result<(), CommandError> {
        if depth > DEPTH {
            return Err(CommandError::Failed(format!("{} lies too deep; publish a flatter folder", folder.display())));
        }
        let mut entries: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed("read", folder))? {
            entries.push(entry.map_err(failed("read", folder))?.path());
        }
        entries.sort();
        for path in entries {
            let kind = fs::symlink_metadata(&path).map_err(failed("look at", &path))?.file_type();
            let below = path.strip_prefix(root).unwrap_or(&path);
            let name = below.to_string_lossy().into_owned();
            let markdown = kind.is_file() && path.extension().is_some_and(|e| e.eq_ignore_ascii_case("md"));
            let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
            match (hidden, markdown) {
                (true, true) => self.others.push(format!("{name} (hidden)")),
                (true, false) => {}
                (false, true) => self.documents.push(document(below, &path)?),
                (false, false) if kind.is_dir() => self.collect(root, &path, depth + 1)?,
                (false, false) if kind.is_symlink() => self.others.push(format!("{name} (a link)")),
                (false, false) => self.others.push(name),
            }
        }
        Ok(())
    }

    /// The names of what is not published, or of the first of them.
    fn left_out(&self) -> Option<String> {
        let named = self.others.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.others.len() {
            0 => None,
            1..=NAMED => Some(named),
            count => Some(format!("{named}, and {} more", count - NAMED)),
        }
    }
}

/// The Markdown at `path`, which is called `below` within the folder.
fn document(below: &Path, path: &Path) -> Result<Document, CommandError> {
    let below = below.to_str().ok_or_else(|| {
        CommandError::Failed(format!(
            "{}: its name is not UTF-8, and everybody is to read it; rename it",
            path.display()
        ))
    })?;
    let markdown = fs::read_to_string(path).map_err(failed("read", path))?;
    if markdown.len() > limits::DOCUMENT {
        return Err(CommandError::Failed(format!(
            "{} has {}; the limit is 256 KiB; split it",
            path.display(),
            size(markdown.len() as u64)
        )));
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let heading = markdown.lines().find_map(|line| line.strip_prefix("# ")).map(str::trim).filter(|h| !h.is_empty());
    let title = heading.and_then(|h| Title::new(h).ok()).map_or_else(|| Title::new(name), Ok);
    let title = title.map_err(|e| CommandError::Failed(format!("{}: its title: {e}", path.display())))?;
    Ok(Document { path: below.into(), title, markdown })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_markdown_by_name_is_left_out_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("sub/.git")).unwrap();
        for name in ["b.md", "a.MD", "notes.txt", "sub/page.markdown", "md", ".hidden", "sub/.git/config", "sub/c.md"] {
            fs::write(at(name), "# Title\n").unwrap();
        }
        std::os::unix::fs::symlink(at("b.md"), at("link.md")).unwrap();
        let found = Found::in_folder(folder.path()).unwrap();
        let paths: Vec<_> = found.documents.iter().map(|document| document.path.as_str()).collect();
        assert_eq!(paths, ["a.MD", "b.md", "sub/c.md"]);
        assert_eq!(found.left_out().unwrap(), "link.md (a link), md, notes.txt, sub/page.markdown");
        for number in 0..NAMED {
            fs::write(at(&format!("{number}.pdf")), "x").unwrap();
        }
        let many = Found::in_folder(folder.path()).unwrap().left_out().unwrap();
        assert!(many.starts_with("0.pdf, 1.pdf") && many.ends_with("7.pdf, and 4 more"), "{many}");
        fs::create_dir(at("empty")).unwrap();
        assert_eq!(Found::in_folder(&at("empty")).unwrap().left_out(), None);
    }

    #[test]
    fn what_is_hidden_is_not_published_and_hidden_markdown_is_named() {
        let folder = tempfile::tempdir().unwrap();
        // The folder that the owner names is meant, whatever it is called.
        let root = folder.path().join(".pages");
        fs::create_dir_all(root.join(".trash/deep")).unwrap();
        fs::create_dir_all(root.join("sub")).unwrap();
        for name in [".draft.md", ".trash/old.md", ".trash/deep/older.md", "sub/.b.MD", ".notes", "..md", "sub/a.md"] {
            fs::write(root.join(name), "# Title\n").unwrap();
        }
        let found = Found::in_folder(&root).unwrap();
        let paths: Vec<_> = found.documents.iter().map(|document| document.path.as_str()).collect();
        assert_eq!(paths, ["sub/a.md"]);
        assert_eq!(found.left_out().unwrap(), "..md (hidden), .draft.md (hidden), sub/.b.MD (hidden)");
    }

    #[test]
    fn a_page_whose_name_is_no_text_is_refused_and_another_file_is_named() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &[u8]| folder.path().join(std::ffi::OsStr::from_bytes(name));
        fs::write(at(b"\xe4.txt"), "x").unwrap();
        fs::write(at(b"a.md"), "# Title\n").unwrap();
        let found = Found::in_folder(folder.path()).unwrap();
        assert_eq!((found.documents.len(), found.left_out().as_deref()), (1, Some("\u{fffd}.txt")));
        fs::write(at(b"\xe4.md"), "# Title\n").unwrap();
        let error = Found::in_folder(folder.path()).unwrap_err();
        assert!(error.to_string().contains("not UTF-8") && error.to_string().ends_with("rename it"), "{error}");
    }

    #[test]
    fn a_file_in_place_of_a_folder_is_refused_with_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Found::in_folder(file.path()).unwrap_err();
        assert_eq!(error.code(), node::exit::USAGE);
        assert!(error.to_string().contains("ends in .md, then `vault publish DIR`"), "{error}");
        let error = Found::in_folder(&file.path().with_extension("gone")).unwrap_err();
        assert!(error.to_string().starts_with("cannot read "), "{error}");
    }
}
