//! What a file keeps, whatever ends a run or happens to the file.

use super::*;
use crate::consume::format;
use crate::consume::mark::Mark;
use crate::consume::output::form::Choice;

fn record(offset: i64) -> Received {
    Received {
        offset,
        value: format!("Subject: {offset}\r\n\r\n{}\r\n", "x".repeat(100)).into_bytes(),
        ..Received::default()
    }
}

fn quiet(_line: &str) {}

fn source() -> Source {
    Source::default()
}

fn marks(next: i64) -> Marks {
    let mark = Mark {
        next,
        ..Default::default()
    };
    Marks::from([(0, mark)])
}

fn open(path: &Path) -> RecordFile {
    RecordFile::open(Form::Mbox, format::mbox, path, true, quiet).unwrap()
}

fn mails(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut mails: Vec<String> = text
        .split("From MAILER-DAEMON ")
        .map(str::to_owned)
        .collect();
    assert_eq!(mails.remove(0), "", "{text}");
    for mail in &mails {
        assert!(mail.ends_with("x\n\n"), "{mail:?}");
    }
    mails
}

#[test]
fn what_was_not_flushed_with_marks_is_cut_at_every_length() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("mbox");
    let mut file = open(&path);
    file.write(&record(0)).unwrap();
    file.flush(Some((&source(), &marks(1)))).unwrap();
    let whole = fs::metadata(&path).unwrap().len();
    file.write(&record(1)).unwrap();
    file.write(&record(2)).unwrap();
    file.flush(None).unwrap();
    drop(file);
    let octets = fs::read(&path).unwrap();
    for length in usize::try_from(whole).unwrap()..=octets.len() {
        fs::write(&path, &octets[..length]).unwrap();
        let mut file = open(&path);
        assert_eq!(file.marks(&source())[&0].next, 1);
        assert_eq!(fs::metadata(&path).unwrap().len(), whole);
        file.write(&record(1)).unwrap();
        file.flush(None).unwrap();
        drop(file);
        assert_eq!(mails(&path).len(), 2);
    }
}

#[test]
fn what_others_append_after_a_run_that_ended_in_order_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("mbox");
    let mut file = open(&path);
    file.write(&record(0)).unwrap();
    file.flush(Some((&source(), &marks(1)))).unwrap();
    file.end_run(&source(), &[0]).unwrap();
    drop(file);
    let mut theirs = File::options().append(true).open(&path).unwrap();
    theirs.write_all(b"From MAILER-DAEMON y\nx").unwrap();
    let mut file = open(&path);
    assert_eq!(file.marks(&source())[&0].committed, Some(1));
    file.write(&record(1)).unwrap();
    file.flush(Some((&source(), &marks(2)))).unwrap();
    drop(file);
    assert_eq!(mails(&path).len(), 3);
    assert_eq!(open(&path).marks(&source())[&0].next, 2);
}

#[test]
fn the_first_record_of_all_is_cut_too() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("mbox");
    let mut file = open(&path);
    file.write(&record(0)).unwrap();
    file.flush(None).unwrap();
    drop(file);
    assert!(fs::metadata(&path).unwrap().len() > 0);
    open(&path);
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn what_somebody_else_wrote_is_kept_and_its_last_line_ended() {
    let root = tempfile::tempdir().unwrap();
    for (form, before, after) in [
        (Form::Json, "{\"half\"", "{\"half\"\n"),
        (Form::Json, "{}\n", "{}\n"),
        (Form::Mbox, "From x\nA: b", "From x\nA: b\n\n"),
        (Form::Mbox, "From x\nA: b\n", "From x\nA: b\n\n"),
        (Form::Mbox, "From x\n\n", "From x\n\n"),
        (Form::Summary, "", ""),
    ] {
        let path = root.path().join(form.name());
        let _ = fs::remove_file(journal_path(&path).unwrap_or_default());
        fs::write(&path, before).unwrap();
        drop(RecordFile::open(form, form.writer(Choice::default()), &path, true, quiet).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), after);
    }
}

#[test]
fn an_edited_moved_or_shortened_file_is_appended_to_and_its_offsets_forgotten() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("mbox");
    let edits: [fn(&Path); 4] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::rename(path, path.with_extension("old")).unwrap(),
        |path| {
            let text = fs::read_to_string(path).unwrap();
            fs::write(path, text.replace('x', "y")).unwrap();
        },
        |path| {
            let octets = fs::read(path).unwrap();
            fs::write(path, &octets[..octets.len() / 2]).unwrap();
        },
    ];
    for edit in edits {
        let _ = fs::remove_file(&path);
        let mut file = open(&path);
        file.write(&record(0)).unwrap();
        file.flush(Some((&source(), &marks(1)))).unwrap();
        drop(file);
        edit(&path);
        let left = fs::metadata(&path).map_or(0, |left| left.len());
        let file = open(&path);
        assert!(file.marks(&source()).is_empty());
        assert!(fs::metadata(&path).unwrap().len() >= left);
    }
}

#[test]
fn a_flush_is_taken_back_whole() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("mbox");
    let mut file = open(&path);
    file.write(&record(0)).unwrap();
    file.flush(Some((&source(), &marks(1)))).unwrap();
    file.write(&record(1)).unwrap();
    file.flush(Some((&source(), &marks(2)))).unwrap();
    assert_eq!(mails(&path).len(), 2);
    file.take_back().unwrap();
    assert_eq!(mails(&path).len(), 1);
    assert_eq!(file.marks(&source())[&0].next, 1);
    file.write(&record(2)).unwrap();
    file.flush(Some((&source(), &marks(3)))).unwrap();
    drop(file);
    assert_eq!(open(&path).marks(&source())[&0].next, 3);
    assert_eq!(mails(&path).len(), 2);
}

#[test]
fn one_file_has_one_writer_and_a_truncated_one_gets_no_hole() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("mbox");
    let mut file = open(&path);
    for durable in [true, false] {
        let second = RecordFile::open(Form::Mbox, format::mbox, &path, durable, quiet);
        let Err(error) = second else {
            panic!("a second writer was let in")
        };
        assert!(error.to_string().contains("another ringpost consume"));
    }
    file.write(&record(0)).unwrap();
    file.flush(Some((&source(), &marks(1)))).unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    file.write(&record(1)).unwrap();
    file.flush(Some((&source(), &marks(2)))).unwrap();
    drop(file);
    assert_eq!(mails(&path).len(), 1);
    assert_eq!(open(&path).marks(&source())[&0].next, 2);
}

#[test]
fn without_a_group_a_file_starts_empty_and_has_no_journal() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("mbox");
    let mut file = open(&path);
    file.write(&record(0)).unwrap();
    file.flush(Some((&source(), &marks(1)))).unwrap();
    drop(file);
    let file = RecordFile::open(Form::Mbox, format::mbox, &path, false, quiet).unwrap();
    drop(file);
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}
