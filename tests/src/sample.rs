//! Invented, harmless content.

/// What [`crate::World::published`] publishes: file names and Markdown.
pub const DOCUMENTS: &[(&str, &str)] = &[
    (
        "workshop.md",
        "# The workshop\n\nMira Example builds cabinets and chairs from local oak and ash.\n\n## Opening hours\n\nThe \
         workshop is open from Tuesday to Friday, nine to five. On Saturday visitors are welcome by appointment.\n\n## \
         Where it is\n\nThe workshop stands at the old mill, ten minutes on foot from the station.\n",
    ),
    (
        "courses.md",
        "# Courses\n\nA weekend course in sharpening costs 140 euros, with tools and soup.\n\nThe course in dovetail \
         joints takes four evenings in October.\n",
    ),
];

/// A PDF 1.4 file of one page with these words, all of its offsets right.
pub fn pdf(words: &str) -> Vec<u8> {
    let words: String = words.chars().filter(|c| c.is_ascii_alphanumeric() || " .,:".contains(*c)).collect();
    let drawing = format!("BT /F1 18 Tf 72 720 Td ({words}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{drawing}\nendstream", drawing.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    // The comment of bytes above 127 marks the file as binary (ISO 32000-1, 7.5.2).
    let mut out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut table = String::from("0000000000 65535 f \n");
    for (number, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", out.len()));
        out.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", number + 1).as_bytes());
    }
    let (start, size) = (out.len(), objects.len() + 1);
    let end = format!("xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
    out.extend_from_slice(end.as_bytes());
    out
}

/// `length` bytes that do not compress and are the same each time (xorshift64, Marsaglia 2003).
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pdf_points_where_it_says() {
        let file = pdf("Curriculum vitae (of nobody)");
        let text = String::from_utf8_lossy(&file);
        let start: usize = text.rsplit("startxref\n").next().unwrap().lines().next().unwrap().parse().unwrap();
        assert!(file[start..].starts_with(b"xref\n"));
        for (number, line) in text.lines().filter(|l| l.ends_with("00000 n ")).enumerate() {
            let at: usize = line[..10].parse().unwrap();
            assert!(file[at..].starts_with(format!("{} 0 obj", number + 1).as_bytes()));
        }
    }
}
