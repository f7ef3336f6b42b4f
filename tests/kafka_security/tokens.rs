//! A token endpoint (RFC 6749 4.4) for the tests: it signs what the test's brokers trust.
//!
//! Owns: its key, its HTTP, what it answers. Must not know: brokers, ringpost.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

/// The client that gets tokens, and its secret.
pub const CLIENT: &str = "ringpost";
pub const SECRET: &str = "hunter2-client";
/// The name of the one key.
const KEY: &str = "key-of-tests";

/// What signs.
pub struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    /// A new key.
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        Self { key, random }
    }

    /// Writes its public half as a JSON Web Key Set (RFC 7517).
    pub fn publish(&self, file: &Path) {
        let point = &self.key.public_key().as_ref()[1..];
        let [x, y] = [&point[..32], &point[32..]].map(|half| URL_SAFE_NO_PAD.encode(half));
        let set = format!(
            r#"{{"keys":[{{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"{KEY}","x":"{x}","y":"{y}"}}]}}"#
        );
        std::fs::write(file, set).unwrap();
    }

    /// A token that lives this long.
    fn token(&self, seconds: u64) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let header = format!(r#"{{"alg":"ES256","kid":"{KEY}","typ":"JWT"}}"#);
        let claims = format!(
            r#"{{"sub":"{CLIENT}","aud":"kafka","scope":"mail","iat":{now},"exp":{}}}"#,
            now + seconds
        );
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A running endpoint. It ends with the process: nothing interrupts an accept.
pub struct Endpoint {
    /// Its URL.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    signer: &'static Signer,
    seconds: u64,
    given: AtomicUsize,
    /// Answers 503 while it is set.
    down: AtomicUsize,
    tokens: Mutex<Vec<String>>,
}

impl Endpoint {
    /// One whose tokens live this long.
    pub fn start(signer: &'static Signer, seconds: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/oauth2/token", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            signer,
            seconds,
            given: AtomicUsize::new(0),
            down: AtomicUsize::new(0),
            tokens: Mutex::default(),
        });
        let answers = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = Arc::clone(&answers);
                std::thread::spawn(move || answers.serve(stream));
            }
        });
        Self { url, shared }
    }

    /// How many tokens it has given.
    pub fn given(&self) -> usize {
        self.shared.given.load(Ordering::SeqCst)
    }

    /// Whether it answers 503.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(usize::from(down), Ordering::SeqCst);
    }

    /// The tokens that it has given.
    pub fn tokens(&self) -> Vec<String> {
        self.shared.tokens.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some((head, body)) = request(&mut reader) {
            let (status, answer) = self.answer(&head, &body);
            let whole = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
                answer.len()
            );
            if reader.get_mut().write_all(whole.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, head: &str, body: &str) -> (&'static str, String) {
        if self.down.load(Ordering::SeqCst) > 0 {
            return ("503 Service Unavailable", String::new());
        }
        assert!(
            head.starts_with("POST /oauth2/token HTTP/1.1\r\n"),
            "{head}"
        );
        assert_eq!(body, "grant_type=client_credentials&scope=mail");
        let login = STANDARD.encode(format!("{CLIENT}:{SECRET}"));
        let right = head.lines().any(|line| {
            let (name, value) = line.split_once(": ").unwrap_or_default();
            name.eq_ignore_ascii_case("authorization") && value == format!("Basic {login}")
        });
        if !right {
            let refusal = r#"{"error":"invalid_client","error_description":"unknown client"}"#;
            return ("401 Unauthorized", refusal.to_owned());
        }
        let token = self.signer.token(self.seconds);
        self.tokens.lock().unwrap().push(token.clone());
        self.given.fetch_add(1, Ordering::SeqCst);
        let answer = format!(
            r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{}}}"#,
            self.seconds
        );
        ("200 OK", answer)
    }
}

/// The head and the body of the next request; none where the client has gone.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1);
    let length = length.and_then(|rest| rest.lines().next()?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}
