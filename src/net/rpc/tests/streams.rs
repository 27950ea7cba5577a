use futures::{StreamExt, stream};

use super::*;

/// Pieces as told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pour {
    pub(super) pieces: usize,
    pub(super) length: usize,
    pub(super) then: Then,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Then {
    End,
    Fail,
    Panic,
    Wait,
    RefuseAtOnce,
}

impl StreamCall for Pour {
    const METHOD: &'static str = "Test.Pour";
    type Head = String;
}

/// Of a method that is a call.
#[derive(Debug, Serialize, Deserialize)]
struct Wrong(u64);

impl StreamCall for Wrong {
    const METHOD: &'static str = "Test.Double";
    type Head = ();
}

#[derive(Debug, Serialize, Deserialize)]
struct WrongCall;

impl Call for WrongCall {
    const METHOD: &'static str = "Test.Pour";
    type Answer = ();
}

type Poured = stream::BoxStream<'static, Result<bytes::Bytes, Error>>;

impl Pour {
    pub(super) fn pour(self, seen: &Arc<Seen>) -> Result<(String, Poured), Error> {
        if matches!(self.then, Then::RefuseAtOnce) {
            return Err(Error::new(ErrorKind::Conflict, "no pieces today"));
        }
        let head = format!("{} pieces", self.pieces);
        let open = Waiting(seen.clone());
        let seen = seen.clone();
        let pieces = stream::unfold((0, open), move |(n, open)| {
            let (pour, seen) = (self.clone(), seen.clone());
            async move {
                if n < pour.pieces {
                    seen.poured.fetch_add(1, Ordering::SeqCst);
                    seen.changed.notify_waiters();
                    let piece = vec![u8::try_from(n % 256).unwrap(); pour.length];
                    return Some((Ok(piece.into()), (n + 1, open)));
                }
                match pour.then {
                    Then::Fail if n == pour.pieces => {
                        Some((Err(Error::new(ErrorKind::NotFound, "the file is gone")), (n + 1, open)))
                    }
                    Then::Panic => panic!("as you wish"),
                    Then::Wait => std::future::pending().await,
                    Then::End | Then::Fail | Then::RefuseAtOnce => None,
                }
            }
        });
        Ok((head, pieces.boxed()))
    }
}

async fn open(client: &Client, pieces: usize, length: usize, then: Then) -> (String, Pieces) {
    client.stream(&Pour { pieces, length, then }, PATIENCE).await.unwrap()
}

async fn next(pieces: &mut Pieces) -> Option<Result<bytes::Bytes, Error>> {
    tokio::time::timeout(PATIENCE, pieces.next()).await.expect("in time")
}

#[tokio::test]
async fn a_head_and_pieces_arrive_as_they_were_given() {
    let server = server().await;
    let client = client(server.address);
    let (head, mut pieces) = open(&client, 300, 5000, Then::End).await;
    assert_eq!(head, "300 pieces");
    for n in 0..300 {
        let piece = next(&mut pieces).await.unwrap().unwrap();
        assert_eq!((piece.len(), piece[0]), (5000, u8::try_from(n % 256).unwrap()));
    }
    assert_eq!(next(&mut pieces).await, None);
    assert_eq!(next(&mut pieces).await, None);
    assert_eq!(server.seen.ended.load(Ordering::SeqCst), 1);
    // Of nothing, and longer than the window.
    let (_, mut empty) = open(&client, 5000, 0, Then::End).await;
    let mut count = 0;
    while let Some(piece) = next(&mut empty).await {
        assert!(piece.unwrap().is_empty());
        count += 1;
    }
    assert_eq!(count, 5000);
    let (_, mut long) = open(&client, 2, 1_000_000, Then::End).await;
    let mut total = 0;
    while let Some(piece) = next(&mut long).await {
        total += piece.unwrap().len();
    }
    assert_eq!(total, 2_000_000);
}

#[tokio::test]
async fn failures_of_streams_come_last() {
    let server = server().await;
    let client = client(server.address);
    let refused = Pour { pieces: 0, length: 0, then: Then::RefuseAtOnce };
    let refused = client.stream(&refused, PATIENCE).await.unwrap_err();
    assert_eq!(refused, Error::new(ErrorKind::Conflict, "no pieces today"));

    let (_, mut failing) = open(&client, 1, 10, Then::Fail).await;
    assert!(next(&mut failing).await.unwrap().is_ok());
    let error = next(&mut failing).await.unwrap().unwrap_err();
    assert_eq!(error, Error::new(ErrorKind::NotFound, "the file is gone"));
    assert_eq!(next(&mut failing).await, None);

    let (_, mut panicking) = open(&client, 0, 0, Then::Panic).await;
    assert_eq!(next(&mut panicking).await.unwrap().unwrap_err().kind, ErrorKind::Internal);

    assert_eq!(client.stream(&Wrong(1), PATIENCE).await.unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(client.call(&WrongCall, PATIENCE).await.unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(client.call(&Double(1), PATIENCE).await.unwrap(), 2, "and all on one connection");
}

/// What nobody reads is not asked of the stream, and holds up nobody else.
#[tokio::test]
async fn a_slow_reader_holds_only_its_own_stream() {
    let server = server().await;
    let client = client(server.address);
    let (_, mut slow) = open(&client, 1000, 10_000, Then::End).await;
    server.seen.until(|seen| seen.poured.load(Ordering::SeqCst) >= 20).await;
    let (_, mut quick) = open(&client, 1000, 10_000, Then::End).await;
    let mut count = 0;
    while let Some(piece) = next(&mut quick).await {
        piece.unwrap();
        count += 1;
        if count % 100 == 0 {
            assert_eq!(client.call(&Double(count), PATIENCE).await.unwrap(), 2 * count);
        }
    }
    assert_eq!(count, 1000);
    let slow_ones = server.seen.poured.load(Ordering::SeqCst) - 1000;
    assert!(slow_ones <= 27, "256 KiB are 26 pieces, and one waits: {slow_ones}");
    let mut count = 0;
    while let Some(piece) = next(&mut slow).await {
        piece.unwrap();
        count += 1;
    }
    assert_eq!(count, 1000);
}

#[tokio::test]
async fn a_stream_ends_when_its_reader_goes_away() {
    let server = server().await;
    let client = client(server.address);
    let (_, waiting) = open(&client, 1, 1, Then::Wait).await;
    let (_, stuck) = open(&client, 1000, 10_000, Then::Wait).await;
    drop(waiting);
    server.seen.until(|seen| seen.ended.load(Ordering::SeqCst) == 1).await;
    drop(stuck);
    server.seen.until(|seen| seen.ended.load(Ordering::SeqCst) == 2).await;
    let (_, kept) = open(&client, 1, 1, Then::Wait).await;
    drop(client);
    tokio::task::yield_now().await;
    assert_eq!(server.seen.ended.load(Ordering::SeqCst), 2, "the stream holds the connection");
    drop(kept);
    server.seen.until(|seen| seen.ended.load(Ordering::SeqCst) == 3).await;
}

#[tokio::test]
async fn a_stream_ends_with_an_error_when_the_other_side_goes_away() {
    let server = server().await;
    let client = client(server.address);
    let (_, mut pieces) = open(&client, 1, 1, Then::Wait).await;
    next(&mut pieces).await.unwrap().unwrap();
    server.stop.cancel();
    let error = next(&mut pieces).await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unknown);
    assert_eq!(next(&mut pieces).await, None);
}

#[tokio::test]
async fn streams_take_places_and_give_them_back() {
    let server = server().await;
    let client = client(server.address);
    let (_, one) = open(&client, 1, 1, Then::Wait).await;
    let (_, _two) = open(&client, 1, 1, Then::Wait).await;
    let third = Pour { pieces: 1, length: 1, then: Then::End };
    let refused = client.stream(&third, PATIENCE).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Overloaded);
    drop(one);
    server.seen.until(|seen| seen.ended.load(Ordering::SeqCst) == 1).await;
    // The place comes back just after the stream has ended.
    let deadline = Instant::now() + PATIENCE;
    while client.stream(&third, PATIENCE).await.is_err() {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}
