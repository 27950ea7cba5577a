//! Pins what actix does and does not do (the table in STYLE), and what the kit makes of it.

use std::{
    cell::Cell,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
};

use actix::{
    ActorContext, ActorFutureExt, Arbiter, MailboxError, ResponseActFuture, Running, Supervised, Supervisor,
    WrapFuture,
};

use super::*;

/// Counts what it gets.
#[derive(Default)]
struct Counter {
    count: usize,
    started: Arc<AtomicUsize>,
}

impl Actor for Counter {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.started.fetch_add(1, Ordering::SeqCst);
    }
}

impl Supervised for Counter {}

#[derive(Message)]
#[rtype(result = "usize")]
struct Add;

#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

#[derive(Message)]
#[rtype(result = "()")]
struct Quit;

#[derive(Message)]
#[rtype(result = "()")]
struct Slow(Duration);

impl Handler<Add> for Counter {
    type Result = usize;

    fn handle(&mut self, _: Add, _: &mut Self::Context) -> usize {
        self.count += 1;
        self.count
    }
}

impl Handler<Panic> for Counter {
    type Result = ();

    fn handle(&mut self, _: Panic, _: &mut Self::Context) {
        panic!("on purpose");
    }
}

impl Handler<Quit> for Counter {
    type Result = ();

    fn handle(&mut self, _: Quit, context: &mut Self::Context) {
        context.stop();
    }
}

impl Handler<Slow> for Counter {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, message: Slow, _: &mut Self::Context) -> Self::Result {
        Box::pin(tokio::time::sleep(message.0).into_actor(self).map(|(), actor, _| actor.count += 100))
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[actix::test]
async fn actix_supervisor_does_not_survive_a_panic() {
    let address = Supervisor::start(|_| Counter::default());
    assert!(address.send(Panic).await.is_err());
    until("the address closes", || !address.connected()).await;
    assert!(matches!(address.send(Add).await, Err(MailboxError::Closed)));
}

#[actix::test]
async fn actix_supervisor_restarts_the_same_value_after_stop() {
    let started = Arc::new(AtomicUsize::new(0));
    let counted = started.clone();
    let address = Supervisor::start(move |_| Counter { count: 0, started: counted });
    assert_eq!(address.send(Add).await, Ok(1));
    let _ = address.send(Quit).await;
    // Not a fresh actor: the count goes on; and `started` ran a second time.
    assert_eq!(address.send(Add).await, Ok(2));
    assert_eq!(started.load(Ordering::SeqCst), 2);
}

#[actix::test]
async fn do_send_ignores_the_mailbox_bound() {
    let address = Counter::default().start();
    for _ in 0..1000 {
        address.do_send(Add);
    }
    // One more gets past the bound and parks the sender; only the next one is refused.
    assert!(address.try_send(Add).is_ok());
    assert!(address.try_send(Add).is_err(), "try_send keeps to the bound");
    until("all are handled", || address.try_send(Add).is_ok()).await;
    assert!(address.send(Add).await.unwrap() > 1000);
}

#[actix::test]
async fn a_request_that_is_dropped_is_skipped() {
    let address = Counter::default().start();
    drop(address.send(Add));
    let request = address.send(Add);
    assert_eq!(request.await, Ok(1), "the dropped one was not handled");
}

#[actix::test]
async fn do_send_to_the_dead_says_nothing_but_tell_counts() {
    let address = Counter::default().start();
    let _ = address.send(Panic).await;
    until("it is dead", || !address.connected()).await;
    address.do_send(Add);
    let link: Link<Counter> = Link::new("counter");
    link.tell(Add);
    assert_eq!(link.lost(), 1);
    assert_eq!(link.ask(Add).await, Err(AskError::Gone("counter")));
}

#[actix::test]
async fn a_handler_future_lets_other_messages_pass() {
    let address = Counter::default().start();
    let slow = address.send(Slow(Duration::from_millis(30)));
    let slow = actix::spawn(slow);
    assert!(address.send(Add).await.unwrap() < 100);
    slow.await.unwrap().unwrap();
    assert!(address.send(Add).await.unwrap() > 100, "state may have changed after an await: look again");
}

#[actix::test]
async fn a_mailbox_is_drained_before_timers() {
    struct Timed {
        handled: usize,
        fired_after: Rc<Cell<usize>>,
    }
    impl Actor for Timed {
        type Context = Context<Self>;

        fn started(&mut self, context: &mut Self::Context) {
            context.run_later(Duration::ZERO, |actor, _| actor.fired_after.set(actor.handled));
        }
    }
    impl Handler<Add> for Timed {
        type Result = usize;

        fn handle(&mut self, _: Add, _: &mut Self::Context) -> usize {
            self.handled += 1;
            self.handled
        }
    }
    let fired_after = Rc::new(Cell::new(0));
    let address = Timed { handled: 0, fired_after: fired_after.clone() }.start();
    for _ in 0..500 {
        address.do_send(Add);
    }
    until("the timer fired", || fired_after.get() > 0).await;
    assert!(fired_after.get() >= 500);
}

#[actix::test]
async fn start_outside_an_arbiter_panics() {
    let result = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async { tokio::spawn(async { Counter::default().start() }).await.is_err() })
    });
    assert!(result.join().unwrap());
}

#[actix::test]
async fn arbiters_are_single_threads() {
    let arbiter = Arbiter::new();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for _ in 0..4 {
        let sender = sender.clone();
        arbiter.spawn_fn(move || {
            tokio::spawn(async move {
                let _ = sender.send(std::thread::current().id());
            });
        });
    }
    let first = receiver.recv().await.unwrap();
    for _ in 0..3 {
        assert_eq!(receiver.recv().await.unwrap(), first);
    }
    arbiter.stop();
}

#[actix::test]
async fn supervise_rebuilds_after_a_panic_and_republishes() {
    let arbiter = Arbiter::new();
    let link: Link<Counter> = Link::new("counter");
    let (fatal, mut reports) = Fatal::channel();
    let started = Arc::new(AtomicUsize::new(0));
    let counted = started.clone();
    supervise(&arbiter.handle(), Kind::CheckRunner, link.clone(), fatal, move || Counter {
        count: 0,
        started: counted.clone(),
    });
    until("it runs", || link.is_running()).await;
    assert_eq!(link.ask(Add).await, Ok(1));
    assert!(link.ask(Panic).await.is_err());
    until("it was rebuilt", || link.restarts() == 1 && link.is_running()).await;
    assert_eq!(link.ask(Add).await, Ok(1), "a fresh actor, from the factory");
    assert!(reports.try_recv().is_err());
    arbiter.stop();
}

#[actix::test]
async fn supervise_lets_a_stop_be_a_stop_and_ends_the_agent_where_it_must() {
    let (fatal, mut reports) = Fatal::channel();
    let link: Link<Counter> = Link::new("counter");
    supervise_here(Kind::CheckRunner, link.clone(), fatal.clone(), Counter::default, || {});
    let _ = link.ask(Quit).await;
    until("it is gone", || !link.is_running()).await;
    assert_eq!(link.restarts(), 0);
    supervise_here(Kind::PlanApplier, link.clone(), fatal, Counter::default, || {});
    let _ = link.ask(Panic).await;
    assert_eq!(reports.recv().await.unwrap(), "PlanApplier panicked");
}

#[actix::test]
async fn whoever_ends_late_does_not_cut_off_the_next_one() {
    let (fatal, _reports) = Fatal::channel();
    let link: Link<Counter> = Link::new("counter");
    supervise_here(Kind::CheckRunner, link.clone(), fatal.clone(), Counter::default, || {});
    let first = link.inner.current.load_full().unwrap();
    supervise_here(Kind::CheckRunner, link.clone(), fatal, Counter::default, || {});
    let _ = first.send(Quit).await;
    until("the first is gone", || !first.connected()).await;
    // Whoever looks after it has had its turn when this one has answered a few times.
    for count in 1..=5 {
        tokio::task::yield_now().await;
        assert_eq!(link.ask(Add).await, Ok(count));
    }
}

#[actix::test]
async fn an_ask_has_a_time_limit() {
    struct Sleeper;
    impl Actor for Sleeper {
        type Context = Context<Self>;

        fn stopping(&mut self, _: &mut Self::Context) -> Running {
            Running::Stop
        }
    }
    impl Handler<Slow> for Sleeper {
        type Result = ResponseActFuture<Self, ()>;

        fn handle(&mut self, message: Slow, _: &mut Self::Context) -> Self::Result {
            Box::pin(tokio::time::sleep(message.0).into_actor(self))
        }
    }
    let (fatal, _reports) = Fatal::channel();
    let link: Link<Sleeper> = Link::new("sleeper");
    supervise_here(Kind::CheckRunner, link.clone(), fatal, || Sleeper, || {});
    let answer = link.ask_within(Slow(Duration::from_secs(60)), Duration::from_millis(10)).await;
    assert_eq!(answer, Err(AskError::Late("sleeper")));
}
