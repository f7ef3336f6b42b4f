//! One object on its way into a store: its parts, its SHA-256, and what is left of one that ends early.
//!
//! Owns: the order of the requests. Must not know: whose message it is, how the store is doing.
//!
//! A small object is one request, a larger one several: beginning, one for each part, completion, which makes it visible.
//!
//! Invariants: [`News::Complete`] is said after the store has said that the object is there, and never twice; what is given up, or
//! has failed, is aborted and deleted, after its worker has heard of it; a request has its time.
//!
//! BUGS: a request that has begun is awaited also where nobody waits for its object any more, up to `objects.timeout`; its buffer is
//! counted as lent until then.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload};
use ring::digest::{Context, SHA256};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_blocking;

use super::failure::Failure;
use super::open::Opened;
use super::seam::{Assignment, News, Order};

/// Makes the object; why it did not become one, if that is the store's doing.
pub(super) async fn run(opened: &Opened, assignment: Assignment) -> Result<(), Failure> {
    let Assignment {
        path,
        mut orders,
        news,
    } = assignment;
    let path = opened.path(&path);
    let mut making = Making {
        opened,
        path: &path,
        digest: Some(Context::new(&SHA256)),
        upload: None,
    };
    match making.make(&mut orders).await {
        Ok(true) => {
            let _ = news.send(News::Complete(making.sha256()));
            // The worker says that no record names it, or ends, and then one may.
            if let Some(Order::Discard) = orders.recv().await {
                opened.remove(&path).await;
            }
            Ok(())
        }
        Ok(false) => {
            making.abort().await;
            Ok(())
        }
        Err(failure) => {
            // Parts that wait are freed before.
            drop(orders);
            let _ = news.send(News::Failed(failure.clone()));
            making.abort().await;
            // It may have become one all the same.
            opened.remove(&path).await;
            Err(failure)
        }
    }
}

impl Opened {
    /// A request within its time.
    pub(super) async fn within<T>(
        &self,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.place.timeout, request).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Failure::of(&self.place, &error)),
            Err(_) => Err(Failure::timed_out(&self.place)),
        }
    }

    /// Deletes an object that no record names. If that does not work, it stays, as that of a process that was killed.
    async fn remove(&self, path: &Path) {
        if let Err(failure) = self.within(self.store.delete(path)).await {
            tracing::debug!("an object that no record names may stay: {failure}");
        }
    }
}

/// An object that is being made.
struct Making<'a> {
    opened: &'a Opened,
    path: &'a Path,
    /// Of what was hashed; away while another thread has it.
    digest: Option<Context>,
    /// What its parts belong to, from its beginning to its completion.
    upload: Option<Box<dyn MultipartUpload>>,
}

impl Making<'_> {
    /// Whether the object is complete; not where it was given up.
    async fn make(&mut self, orders: &mut UnboundedReceiver<Order>) -> Result<bool, Failure> {
        let first = match orders.recv().await {
            Some(Order::Last(octets)) => return self.whole(octets).await,
            Some(Order::Part(first)) => first,
            Some(Order::Discard) | None => return Ok(false),
        };
        let (store, options) = (&self.opened.store, PutMultipartOptions::default());
        let begun = store.put_multipart_opts(self.path, options);
        self.upload = Some(self.opened.within(begun).await?);
        self.part(first).await?;
        loop {
            match orders.recv().await {
                Some(Order::Part(octets)) => self.part(octets).await?,
                Some(Order::Last(octets)) => {
                    self.part(octets).await?;
                    break;
                }
                Some(Order::Discard) | None => return Ok(false),
            }
        }
        let upload = self.upload.as_mut().expect("it was begun");
        self.opened.within(upload.complete()).await?;
        self.upload = None;
        Ok(true)
    }

    /// All of it in one request.
    async fn whole(&mut self, octets: Bytes) -> Result<bool, Failure> {
        let payload = PutPayload::from(octets.clone());
        let options = PutOptions::default();
        let put = self.opened.store.put_opts(self.path, payload, options);
        self.send(self.opened.within(put), octets).await?;
        Ok(true)
    }

    /// One part. The last may be empty, and then there is none.
    async fn part(&mut self, octets: Bytes) -> Result<(), Failure> {
        if octets.is_empty() {
            return Ok(());
        }
        let upload = self.upload.as_mut().expect("it was begun");
        let put = upload.put_part(PutPayload::from(octets.clone()));
        self.send(self.opened.within(put), octets).await
    }

    /// Waits for a request with these bytes, and hashes them on another thread meanwhile.
    async fn send<R>(
        &mut self,
        request: impl Future<Output = Result<R, Failure>>,
        octets: Bytes,
    ) -> Result<(), Failure> {
        let mut digest = self.digest.take().expect("one piece at a time");
        let hashed = spawn_blocking(move || {
            digest.update(&octets);
            digest
        });
        let (sent, hashed) = tokio::join!(request, hashed);
        self.digest = Some(hashed.expect("nothing in it panics"));
        sent.map(|_| ())
    }

    /// The SHA-256 of all of it.
    fn sha256(&mut self) -> [u8; 32] {
        let digest = self.digest.take().expect("an object has one hash");
        let sha256 = digest.finish();
        sha256.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// Takes back the parts that are there.
    async fn abort(&mut self) {
        let Some(mut upload) = self.upload.take() else {
            return;
        };
        if let Err(failure) = self.opened.within(upload.abort()).await {
            tracing::debug!("parts of an object that was given up stay: {failure}");
        }
    }
}
