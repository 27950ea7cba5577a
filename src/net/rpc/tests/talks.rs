//! Pieces in both directions.

use bytes::Bytes;
use futures::{StreamExt, stream};

use super::{
    super::frame::{Request, encode, frame},
    *,
};

/// Gives back what it takes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Echo {
    /// Takes so many pieces and no more.
    pub(super) takes: usize,
}

impl StreamCall for Echo {
    const METHOD: &'static str = "Test.Echo";
    type Head = ();
}

impl Echo {
    pub(super) fn answer(
        self,
        input: Input,
        seen: &Arc<Seen>,
    ) -> stream::BoxStream<'static, Result<Bytes, Error>> {
        let open = Waiting(seen.clone());
        let more =
            if self.takes == 0 { stream::pending().left_stream() } else { stream::empty().right_stream() };
        let pieces = input.take(self.takes).map(Ok).chain(more);
        let pieces = pieces.map(move |piece| {
            let _ = &open;
            piece
        });
        pieces.boxed()
    }
}

/// Numbered pieces, as many as are asked for; counts them.
fn numbered(count: usize, length: usize) -> (stream::BoxStream<'static, Bytes>, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let counter = given.clone();
    let pieces = stream::iter(0..count).map(move |n| {
        counter.fetch_add(1, Ordering::SeqCst);
        Bytes::from(vec![u8::try_from(n % 256).unwrap(); length])
    });
    (pieces.boxed(), given)
}

#[tokio::test]
async fn both_sides_speak_and_both_sides_end() {
    let server = server().await;
    let client = client(server.address);
    // More than both windows together hold.
    let (input, _) = numbered(300, 5000);
    let ((), mut pieces) = client.stream(&Echo { takes: usize::MAX }, PATIENCE).await.unwrap();
    pieces.feed(input);
    for n in 0..300 {
        let piece = tokio::time::timeout(PATIENCE, pieces.next()).await.expect("in time").unwrap().unwrap();
        assert_eq!((piece.len(), piece[0]), (5000, u8::try_from(n % 256).unwrap()));
    }
    assert_eq!(tokio::time::timeout(PATIENCE, pieces.next()).await.expect("in time"), None);
    // A caller that says nothing is waited for; nothing of it is left when it goes.
    let ((), pieces) = client.stream(&Echo { takes: 1 }, PATIENCE).await.unwrap();
    drop(pieces);
    server.seen.until(|seen| seen.ended.load(Ordering::SeqCst) == 2).await;
}

#[tokio::test]
async fn what_is_not_taken_waits_at_the_caller() {
    let server = server().await;
    let client = client(server.address);
    let (input, given) = numbered(1000, 10_000);
    let ((), mut pieces) = client.stream(&Echo { takes: 0 }, PATIENCE).await.unwrap();
    pieces.feed(input);
    // The window is full when others can still talk and nothing more is asked of the input.
    let mut last = usize::MAX;
    while last != given.load(Ordering::SeqCst) {
        last = given.load(Ordering::SeqCst);
        for n in 0..20 {
            assert_eq!(client.call(&Double(n), PATIENCE).await.unwrap(), n * 2);
        }
    }
    assert!(last <= 30, "{last} pieces of 10,000 bytes");
}

#[tokio::test]
async fn who_sends_more_than_it_may_is_cut_off() {
    let server = server().await;
    let open = |method: &str, body| Request::Open {
        id: 1,
        method: method.into(),
        deadline_ms: 10_000,
        credit: 1000,
        body,
    };
    let piece = || Request::Piece { id: 1, body: vec![0; 60_000].into(), last: false };
    let talk = || open(Echo::METHOD, encode(&Echo { takes: 0 }).unwrap());
    let pour = streams::Pour { pieces: 0, length: 0, then: streams::Then::Wait };
    let flood = vec![talk(), piece(), piece(), piece(), piece(), piece()];
    let last = Request::Piece { id: 1, body: Bytes::new(), last: true };
    let after_the_end = vec![talk(), last, piece()];
    let unasked = vec![open("Test.Pour", encode(&pour).unwrap()), piece()];
    for (n, requests) in [(1, flood), (2, after_the_end), (3, unasked)] {
        let frames = requests.iter().map(|request| frame(request).unwrap().to_vec());
        let bytes = [bad_input::hello()].into_iter().chain(frames).collect::<Vec<_>>().concat();
        bad_input::throw(server.address, &bytes).await;
        assert_eq!(server.counters.read().unreadable, n);
    }
}
