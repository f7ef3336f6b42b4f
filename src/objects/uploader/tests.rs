//! Uploads into a directory, as a worker makes them.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use ring::digest::{SHA256, digest};

use super::*;
use crate::config::{ObjectsUrl, Texts};
use crate::objects::{Claims, Lent, Upload};

const PART: usize = 1000;

/// A store in a directory of its own.
struct Directory {
    folder: tempfile::TempDir,
    claims: Claims,
    runtime: Runtime,
}

impl Directory {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url: ObjectsUrl = format!("file://{}", folder.path().display())
            .parse()
            .unwrap();
        let store = Uploader::start(&Wanted {
            url: &url,
            options: &Texts::default(),
            timeout: Duration::from_secs(60),
            fsync: true,
        });
        Self {
            folder,
            claims: Claims {
                store: Arc::new(store.unwrap()),
                url,
                above: 0,
                buffer: 2 * PART,
                part: PART,
                header: PART,
                patience: Duration::from_secs(60),
                lent: Lent::new(1 << 20),
            },
            runtime: Builder::new_current_thread().build().unwrap(),
        }
    }

    fn begin(&self) -> Upload {
        Upload::begin(&self.claims, "2026/01/02/one.eml".to_owned())
    }

    /// The next news that is no buffer.
    fn news(&self, upload: &mut Upload) -> News {
        loop {
            match self.any(upload) {
                News::Freed(_) => {}
                news @ (News::Complete(_) | News::Failed(_)) => return news,
            }
        }
    }

    fn any(&self, upload: &mut Upload) -> News {
        let news = std::future::poll_fn(|context| upload.poll(context));
        self.runtime.block_on(news)
    }

    /// Ends all threads: what is left is what stays.
    fn files(self) -> Vec<PathBuf> {
        self.claims.store.drain(Duration::from_secs(60));
        let mut files = Vec::new();
        collect(self.folder.path(), &mut files);
        assert_eq!(self.claims.lent.octets(), 0, "every buffer is back");
        files
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if !path.to_string_lossy().contains("ringpost-probe-") {
            files.push(path);
        }
    }
}

fn buffer(content: &[u8]) -> BytesMut {
    BytesMut::from(content)
}

fn content(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at % 251) as u8).collect()
}

#[test]
fn a_small_object_and_one_of_parts_are_whole_with_their_hash() {
    for (octets, parts) in [(10, 0), (PART + 10, 1), (3 * PART, 2), (5 * PART, 5)] {
        let (directory, content) = (Directory::new(), content(octets));
        let mut upload = directory.begin();
        let (front, rest) = content.split_at(parts * PART);
        if parts > 0 {
            // Two parts of one buffer, and the others each from its own.
            upload.hand_over(buffer(&front[..PART]), PART, 1);
            for more in front[PART..].chunks(2 * PART) {
                upload.hand_over(buffer(more), PART, more.len() / PART);
            }
        }
        upload.end(buffer(rest));
        let News::Complete(sha256) = directory.news(&mut upload) else {
            panic!("it is stored")
        };
        assert_eq!(sha256.as_slice(), digest(&SHA256, &content).as_ref());
        let path = directory.folder.path().join("2026/01/02/one.eml");
        assert_eq!(fs::read(path).unwrap(), content, "{octets}");
        while upload.out() > 0 {
            directory.any(&mut upload);
        }
        upload.keep();
        assert_eq!(directory.files().len(), 1);
    }
}

#[test]
fn what_no_record_names_is_deleted_wherever_it_ended() {
    let given_up: [fn(&mut Upload, &Directory); 4] = [
        |_, _| {},
        |upload, _| upload.hand_over(buffer(&content(PART)), PART, 1),
        |upload, _| {
            upload.hand_over(buffer(&content(PART)), PART, 1);
            upload.end(buffer(b"x"));
        },
        |upload, directory| {
            upload.end(buffer(b"x"));
            assert!(matches!(directory.news(upload), News::Complete(_)));
        },
    ];
    for part_of_one in given_up {
        let directory = Directory::new();
        let mut upload = directory.begin();
        part_of_one(&mut upload, &directory);
        drop(upload);
        assert_eq!(directory.files(), [""; 0].map(PathBuf::from));
    }
}

#[test]
fn a_store_that_fails_says_why_and_is_away_until_it_is_back() {
    let directory = Directory::new();
    // A file where the directory of a day would be.
    let in_the_way = directory.folder.path().join("2026");
    fs::write(&in_the_way, "").unwrap();
    let mut upload = directory.begin();
    upload.end(buffer(b"x"));
    let News::Failed(failure) = directory.news(&mut upload) else {
        panic!("it is not stored")
    };
    assert!(failure.text.contains("file:///"), "{failure}");
    fs::remove_file(&in_the_way).unwrap();
    assert!(upload.out() == 0 || matches!(directory.any(&mut upload), News::Freed(_)));
    drop(upload);
    assert_eq!(directory.files(), [""; 0].map(PathBuf::from));
}

#[test]
fn what_begins_after_the_end_fails() {
    let directory = Directory::new();
    directory.claims.store.drain(Duration::ZERO);
    let mut upload = directory.begin();
    assert!(matches!(directory.news(&mut upload), News::Failed(_)));
}

#[test]
fn a_directory_that_does_not_exist_is_a_mistake_of_the_operator() {
    let url: ObjectsUrl = "file:///nowhere/ringpost".parse().unwrap();
    let started = Uploader::start(&Wanted {
        url: &url,
        options: &Texts::default(),
        timeout: Duration::from_secs(1),
        fsync: true,
    });
    let Err(OpenError::Unusable(failure)) = started else {
        panic!("there is none")
    };
    assert!(failure.text.contains("create the directory"), "{failure}");
}
