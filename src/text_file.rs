//! Small files of text, such as pages and pictures: there whole, or not at all.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Writes a file beside its place, and gives it its name when it is whole; what had the name before is replaced.
///
/// # Errors
/// [`ErrorKind::Io`] when it can't be written, or is a directory.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let attempt = || {
        // The folder of a bare name is the current one.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any new file, less what the process's mask takes away.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.prefix(".partita-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok::<(), std::io::Error>(())
    };
    attempt().map_err(|error| {
        let what = format!("the file '{}' can't be written", path.display());
        Error::new(ErrorKind::Io, what).caused_by(error)
    })
}

/// Text as it stands in HTML and XML, between tags and in attributes; what XML has no way to write becomes `�`.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.html");
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        // Nothing else is left there.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let error = write(&dir.path().join("no/such/page.html"), "three").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.message().ends_with("no/such/page.html' can't be written"), "{error}");
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        assert_eq!(write(&dir.path().join("folder"), "four").unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a < b & \"c\" > 'd'\u{1b}\u{0}é"), "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;��é");
    }
}
