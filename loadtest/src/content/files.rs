//! Messages from the disk: a folder of .eml files, or an mbox file.
//!
//! Invariants: every message comes out with CRLF line ends only and ends with one; the original Message-ID is left out,
//! since each message that is sent gets its own; all messages together fit [`MOST_OCTETS`].
//!
//! # BUGS
//! - Folders in the folder are not entered.
//! - mbox files are read as mboxrd: `>From ` loses one `>`.

use std::fs;
use std::path::Path;

/// All messages together: they stay in memory.
const MOST_OCTETS: usize = 1 << 30;

/// Reads all messages. The error is a text for the operator.
pub fn read(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let failed = |error: std::io::Error| {
        format!(
            "--corpus {}: {error}; give a folder of .eml files or an mbox file",
            path.display()
        )
    };
    let raw: Vec<Vec<u8>> = if path.is_dir() {
        let mut files: Vec<_> = fs::read_dir(path)
            .and_then(|entries| {
                entries
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect::<Result<_, _>>()
            })
            .map_err(failed)?;
        files.retain(|file| {
            file.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("eml"))
        });
        // Folders come in any order: the same run again should send the same messages.
        files.sort();
        files
            .iter()
            .map(fs::read)
            .collect::<Result<_, _>>()
            .map_err(failed)?
    } else {
        split_mbox(&fs::read(path).map_err(failed)?)
    };
    let messages: Vec<Vec<u8>> = raw
        .iter()
        .filter(|message| !message.is_empty())
        .map(|message| without_message_id(&with_crlf(message)))
        .collect();
    if messages.is_empty() {
        return Err(format!(
            "--corpus {}: no message in it; give a folder of .eml files or an mbox file",
            path.display()
        ));
    }
    if messages.iter().map(Vec::len).sum::<usize>() > MOST_OCTETS {
        return Err(format!(
            "--corpus {}: more than {MOST_OCTETS} octets; give a smaller part of it",
            path.display()
        ));
    }
    Ok(messages)
}

/// Messages start at a line `From `, the first or one behind an empty line.
fn split_mbox(mbox: &[u8]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut behind_empty = true;
    for line in mbox.split_inclusive(|octet| *octet == b'\n') {
        if behind_empty && line.starts_with(b"From ") {
            messages.push(Vec::new());
        } else if let Some(message) = messages.last_mut() {
            let quotes = line.iter().take_while(|octet| **octet == b'>').count();
            let quoted = quotes > 0 && line[quotes..].starts_with(b"From ");
            message.extend_from_slice(&line[usize::from(quoted)..]);
        }
        behind_empty = line == b"\n" || line == b"\r\n";
    }
    for message in &mut messages {
        // The empty line in front of the next `From ` is the separator's.
        if message.ends_with(b"\r\n\r\n") {
            message.truncate(message.len() - 2);
        } else if message.ends_with(b"\n\n") {
            message.pop();
        }
    }
    messages
}

/// Every kind of line end becomes CRLF.
fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 32 + 2);
    let mut octets = message.iter().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' => {
                octets.next_if(|next| **next == b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            octet => out.push(*octet),
        }
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn without_message_id(message: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"message-id:";
    let mut out = Vec::with_capacity(message.len());
    let (mut in_header, mut in_field) = (true, false);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        in_header &= line != b"\r\n";
        in_field = in_header
            && if line.starts_with(b" ") || line.starts_with(b"\t") {
                in_field
            } else {
                line.get(..NAME.len())
                    .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
            };
        if !in_field {
            out.extend_from_slice(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbox_is_split_and_unquoted() {
        let mbox = b"From a Mon\nSubject: 1\n\nFromage\n>From x\n>>From y\n\nFrom b Tue\nSubject: 2\n\nno end";
        assert_eq!(
            split_mbox(mbox),
            [
                &b"Subject: 1\n\nFromage\nFrom x\n>From y\n"[..],
                b"Subject: 2\n\nno end"
            ]
        );
        assert!(split_mbox(b"Subject: x\n\nno mbox\n").is_empty());
    }

    #[test]
    fn line_ends_become_crlf_and_the_message_id_goes() {
        assert_eq!(
            with_crlf(b"a\nb\r\nc\rd\r\r\n"),
            b"a\r\nb\r\nc\r\nd\r\n\r\n"
        );
        assert_eq!(with_crlf(b"a"), b"a\r\n");
        assert_eq!(
            without_message_id(
                b"A: 1\r\nMessage-Id:\r\n <x@y>\r\nB: 2\r\n\r\nMessage-ID: kept\r\n"
            ),
            b"A: 1\r\nB: 2\r\n\r\nMessage-ID: kept\r\n"
        );
    }

    #[test]
    fn a_folder_is_read_in_order_and_other_files_are_left() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("b.eml", "S: b\n\n"),
            ("a.EML", "S: a\n\n"),
            ("c.txt", "no"),
        ] {
            fs::write(folder.path().join(name), text).expect("written");
        }
        let messages = read(folder.path()).expect("two messages");
        assert_eq!(messages, [b"S: a\r\n\r\n", b"S: b\r\n\r\n"]);
        let empty = tempfile::tempdir().expect("a folder");
        assert!(read(empty.path()).is_err());
        assert!(read(&empty.path().join("none")).is_err());
    }
}
