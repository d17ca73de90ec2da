//! What a media type means to a visitor: its name, its file extension, and whether a browser may be told it.

use shared::time::Time;

struct Kind {
    essence: &'static str,
    extension: &'static str,
    words: &'static str,
}

/// Types that may be named on a download; everything else goes out as `application/octet-stream`.
const KINDS: [Kind; 14] = [
    kind("application/pdf", "pdf", "PDF document"),
    kind("text/plain", "txt", "plain text"),
    kind("text/markdown", "md", "formatted text"),
    kind("text/csv", "csv", "table (CSV)"),
    kind("text/calendar", "ics", "calendar"),
    kind("text/vcard", "vcf", "address card"),
    kind("message/rfc822", "eml", "e-mail"),
    kind("application/json", "json", "data (JSON)"),
    kind("application/zip", "zip", "archive (ZIP)"),
    kind("image/png", "png", "picture (PNG)"),
    kind("image/jpeg", "jpg", "picture (JPEG)"),
    kind("image/webp", "webp", "picture (WebP)"),
    kind("audio/mpeg", "mp3", "sound (MP3)"),
    kind("video/mp4", "mp4", "film (MP4)"),
];

const fn kind(essence: &'static str, extension: &'static str, words: &'static str) -> Kind {
    Kind { essence, extension, words }
}

/// Letters of a file's name, without its extension.
const NAME: usize = 80;

fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn known(media_type: &str) -> Option<&'static Kind> {
    let essence = essence(media_type);
    KINDS.iter().find(|kind| kind.essence == essence)
}

/// Whether it can be read on the page.
pub(crate) fn is_text(media_type: &str) -> bool {
    essence(media_type).starts_with("text/")
}

/// What a visitor reads.
pub(crate) fn words(media_type: &str) -> String {
    known(media_type).map_or_else(|| essence(media_type), |kind| kind.words.to_owned())
}

/// What a download's `Content-Type` says.
pub(crate) fn content_type(media_type: &str) -> String {
    match known(media_type) {
        Some(kind) if kind.essence.starts_with("text/") => format!("{}; charset=utf-8", kind.essence),
        Some(kind) => kind.essence.to_owned(),
        None => "application/octet-stream".to_owned(),
    }
}

/// The value of `Content-Disposition` (RFC 6266) that saves a file under this title.
pub(crate) fn attachment(title: &str, media_type: &str) -> String {
    let extension = known(media_type).map_or("bin", |kind| kind.extension);
    disposition(title, extension)
}

/// As [`attachment`], for an extension that is known.
pub(crate) fn disposition(title: &str, extension: &str) -> String {
    let name = file_name(title, extension);
    let ascii: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let encode = |b: u8| if unreserved(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    let encoded: String = name.bytes().map(encode).collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// Letters, digits, spaces and `-_.,()` of the title; nothing that means something to a shell, a path or a file system.
fn file_name(title: &str, extension: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || " -_.,()".contains(c) { c } else { '-' };
    let kept: String = title.chars().filter(|c| !c.is_control()).map(safe).take(NAME).collect();
    let suffix = format!(".{extension}");
    let stem = kept.trim_matches(|c: char| ".- ".contains(c));
    let stem = stem.strip_suffix(&suffix).unwrap_or(stem).trim_end_matches(['.', ' ']);
    let base = stem.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered =
        |word: &str| base.strip_prefix(word).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit());
    let device = ["con", "prn", "aux", "nul"].contains(&base.as_str()) || numbered("com") || numbered("lpt");
    match (stem.is_empty(), device) {
        (true, _) => format!("release{suffix}"),
        (false, true) => format!("_{stem}{suffix}"),
        (false, false) => format!("{stem}{suffix}"),
    }
}

/// A length for people: exact below 10,000 bytes, else never more than it is.
pub(crate) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} bytes"),
        1_000..10_000 => return format!("{},{:03} bytes", bytes / 1_000, bytes % 1_000),
        10_000..1_000_000 => (1_000, "kB"),
        _ => (1_000_000, "MB"),
    };
    let tenths = bytes / (unit / 10);
    if tenths >= 100 { format!("{} {name}", tenths / 10) } else { format!("{}.{} {name}", tenths / 10, tenths % 10) }
}

/// A time to wait, for people: never less than it is, and at least a second.
pub(crate) fn span(seconds: u32) -> String {
    let (count, unit) = match seconds {
        0..=1 => return "1 second".to_owned(),
        2..120 => (seconds, "seconds"),
        120..7_200 => (seconds.div_ceil(60), "minutes"),
        7_200..172_800 => (seconds.div_ceil(3_600), "hours"),
        _ => (seconds.div_ceil(86_400), "days"),
    };
    format!("{count} {unit}")
}

/// An instant for people: `22 November 2026, 09:14 UTC`.
pub(crate) fn moment(time: Time) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let text = time.to_string();
    let parts = (|| {
        let month: usize = text.get(5..7)?.parse().ok()?;
        let day: u8 = text.get(8..10)?.parse().ok()?;
        Some(format!("{day} {} {}, {} UTC", MONTHS.get(month.checked_sub(1)?)?, text.get(..4)?, text.get(11..16)?))
    })();
    parts.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_everywhere() {
        let name = |title| file_name(title, "pdf");
        assert_eq!(name("Curriculum vitae"), "Curriculum vitae.pdf");
        assert_eq!(name("report.pdf"), "report.pdf");
        assert_eq!(name("../../etc/passwd"), "etc-passwd.pdf");
        assert_eq!(name("a\"; filename=evil.exe\r\nX: y"), "a-- filename-evil.exeX- y.pdf");
        assert_eq!(name("\u{202e}fdp.exe"), "fdp.exe.pdf");
        assert_eq!(name("..."), "release.pdf");
        assert_eq!(name("NUL"), "_NUL.pdf");
        assert_eq!(name("com1.x"), "_com1.x.pdf");
        assert_eq!(file_name(&"é".repeat(200), "txt").chars().count(), NAME + 4);
    }

    #[test]
    fn the_header_is_ascii() {
        let value = attachment("Übersicht \"x\"\u{7f}", "text/plain; charset=utf-8");
        assert!(value.is_ascii() && !value.contains('\u{7f}'), "{value}");
        assert!(value.contains("filename*=UTF-8''%C3%9Cbersicht%20-x.txt"), "{value}");
        assert!(attachment("x", "text/html").contains("x.bin"));
        assert_eq!(content_type("TEXT/HTML"), "application/octet-stream");
        assert_eq!(content_type("image/svg+xml"), "application/octet-stream");
        assert_eq!(content_type("text/plain"), "text/plain; charset=utf-8");
    }

    #[test]
    fn sizes_and_moments_read_well() {
        assert_eq!(
            [size(999), size(2_324), size(9_005), size(18_924), size(1_590_000), size(64 << 20)],
            ["999 bytes", "2,324 bytes", "9,005 bytes", "18 kB", "1.5 MB", "67 MB"]
        );
        assert_eq!(moment(Time::from_unix(1_795_338_843)), "22 November 2026, 09:14 UTC");
    }
}
