//! A sheet as terminal rows: pure, so that what the owner sees is a function of the sheet and the terminal's size.
//!
//! Rows of our own words start with a space. Everything that somebody else may have written stands behind a frame: `│` for
//! each line of it, `┊` where a line goes on. So text that imitates this program is still seen to be a quotation.

use super::sheet::{Body, Section, Sheet, whole_bundle};
use super::terminal::{Look, Size};
use shared::publication::Bundle;
use shared::statement::{
    Approval, DeliveryMode, FreezeAction, PairingAction, RecipientLine, Shown, Statement, SubjectLine,
};
use shared::visible;

/// Below this many columns or rows nothing is asked.
pub(crate) const SMALLEST: Size = Size { columns: 40, rows: 10 };
/// Columns of a label; 80 columns then hold a SHA-256 in one row, however wide its frame is.
const LABEL: usize = 11;
/// Columns before a framed value: space, label, space, frame, space.
const INDENT: usize = LABEL + 4;
/// Characters of a title in the decision's sentence; the pages before have all of it.
const TITLE: usize = 40;
/// From this width on there is room for full sentences in the status row.
const WIDE: usize = 72;

/// One terminal row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) look: Look,
    pub(super) text: String,
}

/// All rows of a sheet at one size.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) size: Size,
    rows: Vec<Row>,
}

impl Layout {
    /// The rows, page by page between a title row and a status row; `None` when the terminal is too small for them or for
    /// the decision.
    pub(super) fn new(sheet: &Sheet, statement: &Statement, size: Size) -> Option<Self> {
        if size.columns < SMALLEST.columns || size.rows < SMALLEST.rows {
            return None;
        }
        let longest = Typing { word: "mmmmmmm-mmmmmmm", typed: "", message: LONGEST_MESSAGE };
        decision(sheet, statement, size, &longest)?;
        let mut page = Writer { columns: size.columns, rows: Vec::new() };
        page.own("Nothing happens unless you read to the end and say yes there.");
        page.own("");
        page.sections(&sheet.sections);
        page.body(&sheet.body);
        page.statement(&sheet.statement);
        page.own("");
        page.own("You have now seen all of it. Nothing has been sent or signed yet.");
        Some(Self { size, rows: page.rows })
    }

    /// How many pages, at least one.
    pub(super) fn pages(&self) -> usize {
        self.rows.len().div_ceil(self.size.rows - 2)
    }

    /// The rows of page `at`, counted from 0.
    pub(super) fn page(&self, at: usize) -> &[Row] {
        self.rows.chunks(self.size.rows - 2).nth(at).unwrap_or_default()
    }
}

/// Exactly `columns` wide, for the title and status rows; less on most terminals if the text is not ASCII.
pub(super) fn bar(text: &str, columns: usize) -> Row {
    let mut text = cut(&format!(" {}", visible::line(text)), columns);
    let used: usize = text.chars().map(visible::columns).sum();
    text.extend(std::iter::repeat_n(' ', columns - used));
    Row { look: Look::Bar, text }
}

/// What may be pressed while reading.
pub(super) fn status(sheet: &Sheet, at: usize, pages: usize, columns: usize) -> String {
    let place = format!("page {} of {pages}", at + 1);
    let last = at + 1 == pages;
    let copy = matches!(sheet.body, Body::Opaque { opened: None, .. });
    if columns < WIDE {
        let next = if last { "decide" } else { "next" };
        return format!("{place} | Space {next} | b | q{}", if copy { " | o" } else { "" });
    }
    let next = if last { "Space decide" } else { "Space next page" };
    let copy = if copy { " | o open a copy" } else { "" };
    format!("{place} | {next} | b back{copy} | q decide later")
}

/// The decision screen's changing parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Typing<'a> {
    /// The challenge; empty while it is not drawn yet.
    pub(super) word: &'a str,
    /// What has been typed of it.
    pub(super) typed: &'a str,
    pub(super) message: &'a str,
}

const LONGEST_MESSAGE: &str = "A paste does not count: type the word.";

/// What a paste is answered with.
pub(super) const PASTED: &str = LONGEST_MESSAGE;

/// The decision screen.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) rows: Vec<Row>,
    /// The row that is typed into.
    pub(super) input: usize,
}

/// The decision screen, or `None` when it does not fit. Where it is tight, blank rows go first, then what the title says,
/// then what the pages before have said of a delay.
pub(super) fn decision(sheet: &Sheet, statement: &Statement, size: Size, typing: &Typing<'_>) -> Option<Decision> {
    let wide = size.columns >= WIDE;
    let mut full = Writer { columns: size.columns, rows: vec![bar(&sheet.title, size.columns)] };
    full.own("");
    full.words(Look::Bold, "YOUR DECISION: nothing has been sent or signed yet");
    full.own("");
    let title = full.rows.len();
    full.own(&deed(sheet, statement, size.columns));
    let delay = full.rows.len();
    full.delays(&sheet.sections);
    let delay = delay..full.rows.len();
    full.own("");
    full.words(Look::Bold, &format!("{} {}", invitation(&sheet.body, statement), typing.word));
    full.own("");
    let mark = full.rows.len();
    full.own(&if wide { format!("Type it here, then Enter: {}", typing.typed) } else { format!("> {}", typing.typed) });
    full.own("");
    full.words(Look::Alarm, typing.message);
    full.own("");
    full.own(match (may_refuse(statement), wide) {
        (true, true) => "r refuse for good | q or Esc decide later | b back to reading",
        (false, true) => "q or Esc decide later | b back to reading",
        (true, false) => "r refuse | q or Esc later | b back",
        (false, false) => "q or Esc later | b back",
    });
    let mut rows: Vec<(usize, Row)> = full.rows.into_iter().enumerate().collect();
    if rows.len() > size.rows {
        rows.retain(|(_, row)| !row.text.trim().is_empty());
    }
    if rows.len() > size.rows {
        rows.retain(|(at, _)| *at >= title);
    }
    if rows.len() > size.rows {
        rows.retain(|(at, _)| !delay.contains(at));
    }
    let input = rows.iter().position(|(at, _)| *at == mark)?;
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    (rows.len() <= size.rows).then_some(Decision { rows, input })
}

/// Only a draft for a visitor's request can be refused; for everything else "later" is no.
pub(super) fn may_refuse(statement: &Statement) -> bool {
    matches!(statement, Statement::Approval(_))
}

fn invitation(body: &Body, statement: &Statement) -> &'static str {
    match (statement, body) {
        (_, Body::Nothing) => "To sign exactly this type the word:",
        (Statement::Question(_), _) => "To ask exactly this type the word:",
        (Statement::Refusal(_), _) => "To refuse in exactly these words type the word:",
        (Statement::Publication(_), _) => "To publish exactly these bytes type the word:",
        _ => "To release exactly these bytes type the word:",
    }
}

/// What exactly a yes does, in one sentence of our own words, from the statement alone.
fn deed(sheet: &Sheet, statement: &Statement, columns: usize) -> String {
    let bytes = sheet.body.measure().map_or_else(String::new, |(length, digest)| {
        format!("{} bytes (SHA-256 {}…)", grouped(length), &digest.to_string()[..16])
    });
    match statement {
        Statement::Approval(a) => approval(a, &bytes, columns),
        Statement::Question(q) => format!("Your question, {bytes}, goes to {}.", recipient(q.recipient)),
        Statement::Refusal(r) if r.words.is_some() => {
            format!("Your words, {bytes}, go to {}, and the request is closed for good.", recipient(r.recipient))
        }
        Statement::Refusal(_) => "The request is closed for good, and the visitor gets no word about it.".into(),
        Statement::Publication(p) => {
            format!("Version {} of your publication, exactly {bytes}, goes to anyone who asks.", p.version)
        }
        Statement::Revocation(_) => "The approval ends: nobody can collect any more. What was collected is out.".into(),
        Statement::Keys(k) => format!(
            "From now on only the keys listed under SHA-256 {}… speak for you; it takes {} of them.",
            &k.signers.to_string()[..16],
            k.threshold
        ),
        Statement::Pairing(p) => {
            let act = match p.action {
                PairingAction::Pair => "may bring you requests and carry what you release",
                PairingAction::Unpair => "is cut off",
            };
            format!("The reception with the key {}… {act}.", &p.pin.to_string()[..16])
        }
        Statement::Freeze(f) => match f.action {
            FreezeAction::Freeze => "All releases stop until you allow them again.".into(),
            FreezeAction::Thaw => "Releases that you approved may go on.".into(),
        },
        Statement::Erasure(e) => format!(
            "What the request holds (SHA-256 {}…) is deleted here. Copies elsewhere stay.",
            &e.payload.to_string()[..16]
        ),
        Statement::Recovery(r) => format!("A new log begins, and the old one of {} entries is given up.", r.old_size),
    }
}

/// On a narrow screen without what the pages before have said.
fn approval(approval: &Approval, bytes: &str, columns: usize) -> String {
    let devices =
        if approval.collections == 1 { "one device".into() } else { format!("{} devices", approval.collections) };
    let what = match &approval.subject {
        SubjectLine::Item(title) => shortened(title),
        SubjectLine::Question(_) => "Your answer".into(),
    };
    let until = approval.not_after.to_string().replacen('T', " ", 1).replace(":00Z", "Z").replace('Z', " UTC");
    let blind = match approval.shown {
        Shown::NotShown => ", which you have not opened,",
        Shown::Whole | Shown::CopyOpened => ",",
    };
    let read = match (columns >= WIDE, approval.delivery) {
        (false, _) => "",
        (true, DeliveryMode::Plain) => " The reception can read them on their way.",
        (true, DeliveryMode::Sealed) => " They are sealed: the reception cannot read them on their way.",
    };
    let to = recipient(approval.recipient);
    format!("{what}, exactly {bytes}{blind} goes to {to}, on {devices}, until {until}.{read}")
}

/// An item's title as the owner wrote it, cut where it would crowd out the rest.
fn shortened(title: &str) -> String {
    let visible = visible::line(title);
    let cut: String = visible.chars().take(TITLE).collect();
    if cut.len() < visible.len() { format!("\u{201c}{cut}\u{2026}\u{201d}") } else { format!("\u{201c}{cut}\u{201d}") }
}

fn recipient(line: RecipientLine) -> String {
    match line {
        RecipientLine::Ticket(hash) => format!("whoever holds ticket {}…", &hash.to_string()[..16]),
        RecipientLine::HpkeX25519(hash) => format!("whoever holds key {}…", &hash.to_string()[..16]),
    }
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Decimal digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Appends rows that fit.
struct Writer {
    columns: usize,
    rows: Vec<Row>,
}

impl Writer {
    fn push(&mut self, look: Look, text: String) {
        self.rows.push(Row { look, text });
    }

    /// Our own words, wrapped between words.
    fn words(&mut self, look: Look, text: &str) {
        for text in words(text, self.columns - 2) {
            self.push(look, format!(" {text}"));
        }
    }

    fn own(&mut self, text: &str) {
        self.words(Look::Plain, text);
    }

    fn heading(&mut self, text: &str) {
        self.own("");
        self.words(Look::Bold, text);
    }

    /// A value that may be hostile, behind its label and a frame.
    fn field(&mut self, mut label: &str, value: &str) {
        if label.len() > LABEL {
            self.own(label);
            label = "";
        }
        for (at, row) in visible::one_line(value, self.columns - LABEL - 2).enumerate() {
            let label = if at == 0 { label } else { "" };
            self.push(Look::Plain, format!(" {label:<LABEL$} {row}"));
        }
    }

    fn remark(&mut self, text: &str) {
        for text in words(text, self.columns - INDENT - 1) {
            self.push(Look::Plain, format!("{:INDENT$}{text}", ""));
        }
    }

    fn sections(&mut self, sections: &[Section]) {
        for section in sections {
            match section {
                Section::Field { label, value, note } => {
                    self.field(label, value);
                    if let Some(note) = note {
                        self.remark(&format!("({note})"));
                    }
                }
                Section::Note(words) | Section::Delay(words) => self.own(&visible::line(words)),
            }
        }
    }

    fn delays(&mut self, sections: &[Section]) {
        for section in sections {
            if let Section::Delay(words) = section {
                self.own(words);
            }
        }
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Nothing => {}
            Body::Text { bytes } => {
                self.heading(&format!("WHAT WOULD LEAVE: {} bytes of text, all of it", grouped(bytes.len() as u64)));
                self.digest(body);
                self.reading_aid(bytes.contains(&b'\\') || visible_differs(bytes));
                self.quote("the text begins", "the text ends", bytes);
            }
            Body::Opaque { media_type, opened, .. } => self.opaque(body, media_type, opened.as_deref()),
            // A bundle that does not parse never gets here: the sheet's check comes first.
            Body::Bundle { bytes } => {
                if let Ok(bundle) = whole_bundle(bytes) {
                    self.bundle(body, &bundle);
                }
            }
        }
    }

    fn digest(&mut self, body: &Body) {
        if let Some((_, digest)) = body.measure() {
            self.field("SHA-256", &digest.to_string());
        }
    }

    fn reading_aid(&mut self, escapes: bool) {
        self.own("Each line starts with │; ┊ goes on with a line too long for the screen.");
        if escapes {
            self.own(r"Signs that cannot be shown: \t is a tab, \\ a backslash, \{…} any other.");
        }
    }

    fn opaque(&mut self, body: &Body, media_type: &str, opened: Option<&std::path::Path>) {
        let length = body.measure().map_or(0, |(length, _)| length);
        self.heading(&format!("WHAT WOULD LEAVE: a file of {} bytes that is not text", grouped(length)));
        self.field("file type", media_type);
        self.field("size", &format!("{} bytes", grouped(length)));
        self.digest(body);
        match opened {
            None => {
                self.own("This screen cannot show it. Press o to open a copy and look at it before you decide.");
                self.own("If you do not, your signature will say so (shown: not-shown).");
            }
            Some(path) => {
                self.field("your copy", &path.display().to_string());
                self.own("The copy is there: look at it before you decide. Another program shows it, not");
                self.own("this one, so your signature will say: shown: copy-opened.");
            }
        }
    }

    fn bundle(&mut self, body: &Body, bundle: &Bundle) {
        let length = body.measure().map_or(0, |(length, _)| length);
        self.heading(&format!(
            "WHAT EVERYBODY COULD READ: {} and {}, {} bytes, all of it",
            counted(bundle.documents.len(), "document"),
            counted(bundle.catalogue.len(), "title"),
            grouped(length)
        ));
        self.digest(body);
        self.field("name", bundle.name.as_str());
        self.field("version", &bundle.version.to_string());
        self.reading_aid(bundle.documents.iter().any(|d| visible_differs(d.markdown.as_bytes())));
        for (at, document) in bundle.documents.iter().enumerate() {
            self.heading(&format!("Document {} of {}", at + 1, bundle.documents.len()));
            self.field("title", document.title.as_str());
            self.field("path", &document.path);
            self.quote("the document begins", "the document ends", document.markdown.as_bytes());
        }
        for (at, entry) in bundle.catalogue.iter().enumerate() {
            self.heading(&format!("Title {} of {}, for which anybody may then ask", at + 1, bundle.catalogue.len()));
            self.field("title", entry.title.as_str());
            self.field("file type", entry.media_type.as_str());
            self.field("item", &entry.id.to_string());
        }
    }

    /// Bytes that may be hostile, whole, between two rules.
    fn quote(&mut self, begins: &str, ends: &str, bytes: &[u8]) {
        self.rule('┌', begins);
        for row in visible::rows(bytes, self.columns) {
            self.push(Look::Plain, row);
        }
        self.rule('└', ends);
    }

    /// The statement: its lines are in visible form already, or it would not parse.
    fn statement(&mut self, statement: &str) {
        self.heading("WHAT YOU WOULD SIGN, word for word");
        self.rule('┌', "the statement begins");
        for line in statement.lines() {
            // A line that is no visible form never gets here; if it did, its own visible form would be shown.
            let text = visible::unline(line).unwrap_or_else(|_| line.to_owned());
            for row in visible::one_line(&text, self.columns) {
                self.push(Look::Plain, row);
            }
        }
        self.rule('└', "the statement ends");
    }

    fn rule(&mut self, corner: char, words: &str) {
        const LINE: char = '─';
        let mut text = format!("{corner}{LINE}{LINE} {words} ");
        let used: usize = text.chars().map(visible::columns).sum();
        let room = self.columns.saturating_sub(used) / visible::columns(LINE);
        text.extend(std::iter::repeat_n(LINE, room));
        self.push(Look::Plain, text);
    }
}

/// Whether some of the bytes are shown as other signs.
fn visible_differs(bytes: &[u8]) -> bool {
    visible::rows(bytes, usize::MAX / 2).any(|row| row.contains('\\'))
}

/// Cut hard into pieces of at most `room` columns, at least one; characters without width stay with the one before.
fn pieces(text: &str, room: usize) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        let wide = visible::columns(c);
        if used + wide > room && wide > 0 {
            out.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(last) = out.last_mut() {
            last.push(c);
        }
    }
    out
}

/// Wrapped at spaces; a longer word is cut.
fn words(text: &str, room: usize) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        for (at, piece) in pieces(word, room).into_iter().enumerate() {
            let wide: usize = piece.chars().map(visible::columns).sum();
            let gap = usize::from(at == 0 && used > 0);
            if at > 0 || used + gap + wide > room {
                out.push(String::new());
                used = 0;
            }
            if let Some(last) = out.last_mut() {
                last.push_str(if used > 0 { " " } else { "" });
                last.push_str(&piece);
            }
            used += usize::from(used > 0) + wide;
        }
    }
    out
}

/// As much as fits.
pub(super) fn cut(text: &str, columns: usize) -> String {
    pieces(text, columns).into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
