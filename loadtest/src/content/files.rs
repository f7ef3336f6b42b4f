//! Messages from the disk: a folder of .eml files, or an mbox file.
//!
//! Invariants: every message comes out with CRLF line ends only and ends with one; the original Message-ID is left out,
//! since each message that is sent gets its own; all messages together fit [`MOST_BYTES`].
//!
//! # BUGS
//! - Folders in the folder are not entered.
//! - mbox files are read as mboxrd: `>From ` loses one `>`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Wrong;

/// All messages together: they stay in memory.
const MOST_BYTES: usize = 1 << 30;
const FIX: &str = "give a folder of .eml files or an mbox file";

/// Reads all messages.
pub(super) fn read(path: &Path) -> Result<Vec<Vec<u8>>, Wrong> {
    let wrong = || Wrong::at("--corpus").given(path.display());
    let raw = if path.is_dir() {
        read_folder(path)
    } else {
        fs::read(path).map(|mbox| split_mbox(&mbox))
    };
    let raw = raw.map_err(|error| wrong().source(error).fix(FIX))?;
    let messages: Vec<Vec<u8>> = raw
        .iter()
        .filter(|message| !message.is_empty())
        .map(|message| without_message_id(&with_crlf(message)))
        .collect();
    if messages.is_empty() {
        return Err(wrong().problem("no message in it").fix(FIX));
    }
    if messages.iter().map(Vec::len).sum::<usize>() > MOST_BYTES {
        return Err(wrong()
            .problem(format_args!("more than {MOST_BYTES} bytes"))
            .fix("give a smaller part of it"));
    }
    Ok(messages)
}

/// The .eml files of a folder, in the order of their names: the same run again should send the same messages.
fn read_folder(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let entries = fs::read_dir(path)?;
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("eml"))
    });
    files.sort();
    files.iter().map(fs::read).collect()
}

/// Messages start at a line `From `, the first or one after an empty line.
fn split_mbox(mbox: &[u8]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut after_empty = true;
    for line in mbox.split_inclusive(|byte| *byte == b'\n') {
        if after_empty && line.starts_with(b"From ") {
            messages.push(Vec::new());
        } else if let Some(message) = messages.last_mut() {
            let quotes = line.iter().take_while(|byte| **byte == b'>').count();
            let quoted = quotes > 0 && line[quotes..].starts_with(b"From ");
            message.extend_from_slice(&line[usize::from(quoted)..]);
        }
        after_empty = line == b"\n" || line == b"\r\n";
    }
    for message in &mut messages {
        // The empty line before the next `From ` belongs to the separator.
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
    let mut bytes = message.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if(|next| **next == b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            byte => out.push(*byte),
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
    for line in message.split_inclusive(|byte| *byte == b'\n') {
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
