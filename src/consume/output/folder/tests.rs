//! What a folder keeps, whatever ends a run.

use super::*;

fn record(offset: i64, id: &str) -> Received {
    Received {
        topic: "mail".into(),
        offset,
        headers: vec![("ce_id".into(), id.into())],
        value: format!("From {offset}\r\n").into_bytes(),
        ..Received::default()
    }
}

fn quiet(_line: &str) {}

/// Names that are not hidden.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

fn marks(next: i64) -> Marks {
    let mark = crate::consume::mark::Mark {
        next,
        ..Default::default()
    };
    Marks::from([(0, mark)])
}

fn commit(folder: &mut Folder, next: i64) {
    let source = Source::default();
    folder.flush(Some((&source, &marks(next)))).unwrap();
    folder.deliver().unwrap();
}

#[test]
fn an_eml_folder_keeps_octets_and_one_file_a_record() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("made/here");
    let mut folder = Folder::eml(&path, format::with_envelope, true, quiet).unwrap();
    folder.write(&record(1, "one")).unwrap();
    folder.write(&record(2, "")).unwrap();
    assert!(names(&path).is_empty());
    commit(&mut folder, 3);
    assert_eq!(names(&path), ["mail-0-2.eml", "one.eml"]);
    assert_eq!(fs::read(path.join("one.eml")).unwrap(), b"From 1\r\n");
    // A repeat takes the same file; another mail of the same id, in this batch or a later one, does not.
    folder.write(&record(1, "one")).unwrap();
    folder.write(&record(3, "one")).unwrap();
    folder.write(&record(4, "four")).unwrap();
    folder.write(&record(5, "four")).unwrap();
    commit(&mut folder, 6);
    assert_eq!(
        names(&path),
        [
            "four-mail-0-5.eml",
            "four.eml",
            "mail-0-2.eml",
            "one-mail-0-3.eml",
            "one.eml"
        ]
    );
    assert_eq!(fs::read(path.join("one.eml")).unwrap(), b"From 1\r\n");
}

#[test]
fn a_maildir_gets_each_record_into_new_with_the_line_ends_of_local_mail() {
    let root = tempfile::tempdir().unwrap();
    let mut folder = Folder::maildir(root.path(), format::with_envelope, false, quiet).unwrap();
    for _ in 0..3 {
        folder.write(&record(7, "same")).unwrap();
    }
    folder.flush(None).unwrap();
    folder.deliver().unwrap();
    assert_eq!(names(root.path()), ["cur", "new", "tmp"]);
    assert_eq!(names(&root.path().join("new")).len(), 3);
    assert!(names(&root.path().join("tmp")).is_empty());
    for name in names(&root.path().join("new")) {
        let octets = fs::read(root.path().join("new").join(name)).unwrap();
        assert_eq!(octets, b"From 7\n");
    }
}

#[test]
fn a_killed_run_is_finished_whichever_step_it_was_killed_at() {
    type Open = fn(&Path, Message, bool, Say) -> Result<Folder, OpenError>;
    for (open, place) in [(Folder::eml as Open, ""), (Folder::maildir, "new")] {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join(place);
        let source = Source::default();
        let mut folder = open(root.path(), format::with_envelope, true, quiet).unwrap();
        folder.write(&record(0, "a")).unwrap();
        commit(&mut folder, 1);
        // Killed while it was staging.
        folder.write(&record(1, "b")).unwrap();
        drop(folder);
        let mut folder = open(root.path(), format::with_envelope, true, quiet).unwrap();
        assert_eq!(folder.marks(&source)[&0].next, 1);
        assert_eq!(
            names(&place)
                .iter()
                .filter(|name| name.contains('.'))
                .count(),
            1
        );
        // Killed after the decision, and half delivered; what was delivered has been moved on since.
        folder.write(&record(1, "b")).unwrap();
        folder.write(&record(2, "c")).unwrap();
        folder.flush(Some((&source, &marks(3)))).unwrap();
        let first = folder.staged.first().cloned().unwrap();
        fs::remove_file(folder.staged_path(&first, folder.batch)).unwrap();
        drop(folder);
        let folder = open(root.path(), format::with_envelope, true, quiet).unwrap();
        assert_eq!(folder.marks(&source)[&0].next, 3);
        assert_eq!(
            names(&place)
                .iter()
                .filter(|name| name.contains('.'))
                .count(),
            2
        );
        assert!(!fs::read_dir(&folder.staging).unwrap().any(|entry| {
            let name = entry.unwrap().file_name();
            staged_name(name.to_str().unwrap()).is_some()
        }));
    }
}

#[test]
fn a_decided_batch_is_taken_back() {
    let root = tempfile::tempdir().unwrap();
    let source = Source::default();
    let mut folder = Folder::maildir(root.path(), format::with_envelope, true, quiet).unwrap();
    folder.write(&record(0, "a")).unwrap();
    folder.flush(Some((&source, &marks(1)))).unwrap();
    folder.take_back().unwrap();
    folder.write(&record(0, "a")).unwrap();
    commit(&mut folder, 1);
    assert_eq!(names(&root.path().join("new")).len(), 1);
    assert!(names(&root.path().join("tmp")).is_empty());
}

#[test]
fn a_folder_has_one_writer_and_one_format() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::maildir(root.path(), format::with_envelope, true, quiet).unwrap();
    let Err(error) = Folder::maildir(root.path(), format::with_envelope, false, quiet) else {
        panic!("a second writer was let in")
    };
    assert!(error.to_string().contains("another ringpost consume"));
    drop(folder);
    let Err(error) = Folder::eml(root.path(), format::with_envelope, true, quiet) else {
        panic!("another format was taken")
    };
    assert!(error.to_string().contains("--format maildir"), "{error}");
}

#[test]
fn files_of_others_are_not_taken_for_staged_ones() {
    assert_eq!(staged_name(".a.eml.ringpost-7"), Some(("a.eml", 7)));
    assert_eq!(
        staged_name("1.M2P3Q4_0_5.mx.ringpost-12"),
        Some(("1.M2P3Q4_0_5.mx", 12))
    );
    for name in [
        ".ringpost-journal",
        "a.eml",
        "1.M2P3.mx",
        ".ringpost-7",
        "x.ringpost-",
    ] {
        assert_eq!(staged_name(name), None, "{name}");
    }
}
