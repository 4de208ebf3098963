//! One scenario: a program and a transport, step by step.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::{Sink, Stream};
use tungstenite_deflate::WebSocketStream;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::tungstenite::{Error, Message};

use super::choices;
use super::random::Random;
use super::task::{Call, Task};
use super::transport::Transport;

pub(super) struct Scenario {
    random: Random,
    role: Role,
    socket: WebSocketStream<Transport>,
    transport: Transport,
    /// One that does everything, or one that receives and one that sends.
    tasks: Vec<Task>,
    /// `next()` has given `None`.
    ended: bool,
    /// Something was fed since the last poll.
    fed: bool,
    steps: usize,
}

/// Polls that a stream whose transport is over may need to give what it has and to end.
const POLLS_TO_END: usize = 500;

impl Scenario {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1));
        let role = [Role::Server, Role::Client][random.below(2)];
        let transport = Transport::default();
        let socket = WebSocketStream::with_options(
            transport.clone(),
            BytesMut::new(),
            role,
            choices::options(&mut random),
            choices::agreed(&mut random),
        );
        let tasks = (0..=random.below(2)).map(|_| Task::default()).collect();
        Self {
            random,
            role,
            socket,
            transport,
            tasks,
            ended: false,
            fed: false,
            steps: 0,
        }
    }

    /// Gives the number of steps done.
    pub(super) async fn run(mut self) -> usize {
        for _ in 0..10 + self.random.below(80) {
            match self.random.below(8) {
                0..3 => self.change_transport(),
                3 if self.random.below(3) == 0 => {
                    let pause = Duration::from_millis(self.random.below(3000) as u64);
                    tokio::time::advance(pause).await;
                }
                _ => self.act(),
            }
            self.check_wakers().await;
            self.steps += 1;
        }
        self.end()
    }

    fn change_transport(&mut self) {
        let random = &mut self.random;
        let mut state = self.transport.state();
        match random.below(12) {
            0..4 if state.end.is_none() => {
                state.incoming.extend(choices::incoming(random, self.role));
            }
            4..6 => {
                state.arrived += [1, 2, 10, 100_000][random.below(4)];
                state.wake_reader();
            }
            6..8 => {
                state.free += [1, 3, 200, 100_000][random.below(4)];
                state.flush_waits = random.below(3) == 0;
                state.shutdown_waits = random.below(3) == 0;
                state.wake_writer();
            }
            8 if random.below(4) == 0 => {
                let end = [Ok(()), Err(choices::kind(random))][random.below(2)];
                state.end.get_or_insert(end);
                state.arrived = usize::MAX / 2;
                state.wake_reader();
            }
            9 if random.below(4) == 0 => {
                let kind = choices::kind(random);
                state.failure.get_or_insert(kind);
                state.free = 0;
                state.wake_writer();
            }
            _ => state.arrived += random.below(2),
        }
        if state.arrived > 0 {
            state.wake_reader();
        }
    }

    /// A task does something, goes on with what it has begun, or gives it up.
    fn act(&mut self) {
        let index = self.random.below(self.tasks.len());
        let sleeps = self.tasks[index].sleeps();
        // What was fed is written by whoever is polled next.
        let fed = std::mem::take(&mut self.fed);
        let call = match self.tasks[index].waits.take() {
            Some(_) if self.random.below(12) == 0 => return,
            Some(call) => call,
            None => self.call(index),
        };
        self.poll(index, call);
        // Nothing that it waits for was announced, so that nothing may have been there.
        let waits = self.tasks[index].waits.is_some();
        assert!(waits || !sleeps || fed, "a wake-up was lost");
    }

    fn call(&mut self, index: usize) -> Call {
        let receives = match self.tasks.len() {
            1 => self.random.below(2) == 0,
            _ => index == 0,
        };
        if receives {
            return Call::Next;
        }
        match self.random.below(10) {
            0..6 => Call::Feed(choices::message(&mut self.random)),
            6..9 => Call::Flush,
            _ => Call::Close,
        }
    }

    /// Polls, and keeps the call if it waits.
    fn poll(&mut self, index: usize, call: Call) {
        let task = &self.tasks[index];
        task.set_woken(false);
        let waker = task.waker();
        let waits = self
            .call_once(&call, &mut Context::from_waker(&waker))
            .is_pending();
        self.tasks[index].waits = waits.then_some(call);
    }

    fn call_once(&mut self, call: &Call, cx: &mut Context<'_>) -> Poll<()> {
        let mut socket = Pin::new(&mut self.socket);
        match call {
            Call::Next => {
                let item = ready!(socket.poll_next(cx));
                assert!(item.is_none() || !self.ended, "{item:?} after the end");
                self.ended = item.is_none();
            }
            Call::Feed(message) => {
                let result = ready!(socket.as_mut().poll_ready(cx))
                    .and_then(|()| socket.start_send(message.clone()));
                self.fed = result.is_ok();
                self.check_sent(message, result);
            }
            Call::Flush => drop(ready!(socket.poll_flush(cx))),
            Call::Close => drop(ready!(socket.poll_close(cx))),
        }
        Poll::Ready(())
    }

    /// After the end, sending fails as with tokio-tungstenite.
    fn check_sent(&self, message: &Message, result: Result<(), Error>) {
        if !self.ended {
            return;
        }
        match result.expect_err("the stream has ended") {
            Error::AlreadyClosed => {}
            Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Error::Io(_) => assert!(self.is_over(), "no failure was returned"),
            other => panic!("{other:?} for {} bytes", message.len()),
        }
    }

    fn is_over(&self) -> bool {
        let state = self.transport.state();
        state.write_over || (state.read_over && state.end != Some(Ok(())))
    }

    /// Whoever waits has left its waker somewhere.
    async fn check_wakers(&mut self) {
        for index in 0..self.tasks.len() {
            if self.tasks[index].sleeps() && !self.is_woken_by_transport(index) {
                let task = &self.tasks[index];
                for _ in 0..1000 {
                    if task.is_woken() {
                        break;
                    }
                    tokio::time::advance(Duration::from_secs(1)).await;
                }
                assert!(task.is_woken(), "{:?} waits for nothing", task.waits);
            }
        }
    }

    fn is_woken_by_transport(&self, index: usize) -> bool {
        let woken: Vec<bool> = self.tasks.iter().map(Task::is_woken).collect();
        self.transport.state().wake_all_by_ref();
        let result = self.tasks[index].is_woken();
        for (task, woken) in self.tasks.iter().zip(woken) {
            task.set_woken(woken);
        }
        result
    }

    /// The transport is over, in one of the ways in which it can be: so is the stream, without waiting for time.
    fn end(mut self) -> usize {
        let begun = tokio::time::Instant::now();
        let silent = {
            let mut state = self.transport.state();
            state.flush_waits = false;
            state.shutdown_waits = false;
            // A failure to write that was returned is enough: nothing more is to be read, for ever.
            let silent = state.write_over && self.random.below(2) == 0;
            if !silent {
                state.arrived = usize::MAX / 2;
                let end = [Ok(()), Err(io::ErrorKind::ConnectionReset)][self.random.below(2)];
                state.end.get_or_insert(end);
                state.wake_reader();
            }
            if state.failure.is_none() {
                state.free = usize::MAX / 2;
            }
            state.wake_writer();
            silent
        };
        for _ in 0..POLLS_TO_END {
            if self.ended {
                break;
            }
            let receiver = &mut self.tasks[0];
            assert!(
                !receiver.sleeps(),
                "held though the transport is over, {silent}"
            );
            let call = receiver.waits.take().unwrap_or(Call::Next);
            self.poll(0, call);
            self.steps += 1;
        }
        assert!(self.ended, "it does not end");
        let last = self.tasks.len() - 1;
        let sleeps = self.tasks[last].sleeps();
        assert!(!sleeps, "{:?} after the end", self.tasks[last].waits);
        for call in [
            Call::Feed(choices::message(&mut self.random)),
            Call::Flush,
            Call::Close,
            Call::Next,
        ] {
            self.poll(last, call);
            let waits = &self.tasks[last].waits;
            assert!(waits.is_none(), "{waits:?} after the end");
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        self.steps
    }
}
