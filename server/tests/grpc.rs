//! gRPC over TLS on the server's port and on a plain-text one: the tutorial's exchange, health, reflection, limits.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

#[path = "common/channel.rs"]
mod channel;
mod common;

use std::convert::Infallible;

use bytes::Bytes;
use channel::{over_tls, plain};
use common::{soon, start};
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, poll_fn};
use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as ProstMessage;
use prost_types::FileDescriptorProto;
use server::grpc::proto::Message;
use server::grpc::proto::chat_service_client::ChatServiceClient;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

/// Alice's words.
fn hello() -> Message {
    Message {
        sender: "Alice".to_owned(),
        text: "Olá, gRPC!".to_owned(),
    }
}

#[tokio::test]
async fn a_message_is_answered_over_tls() {
    let server = start(&[]).await;
    let mut client = ChatServiceClient::new(over_tls(&server).await);
    let reply = soon(client.send_message(hello()))
        .await
        .unwrap()
        .into_inner()
        .reply;
    assert_eq!(reply, "Mensagem recebida: Olá, gRPC!");
    // The same port goes on serving everything else.
    assert!(server.get("/healthz").await.contains("200 OK"));
    drop(client);
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn a_message_is_answered_without_tls_where_that_is_wanted() {
    let (server, channel) = plain(&[]).await;
    let mut client = ChatServiceClient::new(channel);
    let reply = soon(client.send_message(hello()))
        .await
        .unwrap()
        .into_inner()
        .reply;
    assert_eq!(reply, "Mensagem recebida: Olá, gRPC!");
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused() {
    // R17
    let server = start(&["--max-message-bytes", "1KiB"]).await;
    let mut client = ChatServiceClient::new(over_tls(&server).await);
    let long = Message {
        text: "a".repeat(2000),
        ..hello()
    };
    let refused = soon(client.send_message(long)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    soon(client.send_message(hello())).await.unwrap();
}

/// A raw HTTP/2 connection, for what a well-bred client does not do.
async fn raw(server: &common::Running) -> SendRequest<Sending> {
    let stream = server.tls(&["h2"]).await;
    let (mut sender, connection) = soon(handshake(TokioExecutor::new(), TokioIo::new(stream)))
        .await
        .unwrap();
    tokio::spawn(async move {
        let _: Result<(), _> = connection.await;
    });
    sender.ready().await.unwrap();
    sender
}

/// The body of a raw request: what comes out of a channel, and then perhaps nothing for long.
type Sending = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// A raw call of `path` with `more` headers, and where to put its body's bytes.
fn raw_call(
    path: &str,
    more: &[(&str, &str)],
) -> (Request<Sending>, UnboundedSender<Frame<Bytes>>) {
    let (body, mut receiver) = unbounded_channel::<Frame<Bytes>>();
    let mut request = Request::post(format!("https://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    let frames = poll_fn(move |context| receiver.poll_recv(context).map(|frame| frame.map(Ok)));
    (request.body(StreamBody::new(frames.boxed())).unwrap(), body)
}

/// `message` with its prefix: not compressed, its length.
fn framed(message: &impl ProstMessage) -> Bytes {
    let message = message.encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    bytes.extend(message);
    bytes.into()
}

/// The status that a raw response ended with, in its head or in its trailers.
async fn status(response: http::Response<Incoming>) -> Code {
    let of = |headers: &http::HeaderMap| {
        headers
            .get("grpc-status")
            .map(|status| Code::from_bytes(status.as_bytes()))
    };
    if let Some(code) = of(response.headers()) {
        return code;
    }
    let body = soon(response.into_body().collect()).await.unwrap();
    of(body.trailers().unwrap()).unwrap()
}

#[tokio::test]
async fn lying_lengths_are_refused() {
    // R17
    let server = start(&[]).await;
    let mut sender = raw(&server).await;
    for (bytes, expected) in [
        (
            Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 1]),
            Code::ResourceExhausted,
        ),
        (Bytes::from_static(&[0, 0, 0, 0, 100, 1]), Code::Internal),
        (Bytes::from_static(&[0, 0, 0]), Code::Internal),
        (
            Bytes::from_static(&[0, 0, 0, 0, 2, 0xff, 0xff]),
            Code::Internal,
        ),
        (Bytes::from_static(&[1, 0, 0, 0, 1, 0]), Code::Internal),
    ] {
        let (request, body) = raw_call("/chat.ChatService/SendMessage", &[]);
        let response = sender.send_request(request);
        body.send(Frame::data(bytes.clone())).unwrap();
        drop(body);
        let seen = status(soon(response).await.unwrap()).await;
        assert_eq!(seen, expected, "{bytes:?}");
    }
    let (request, body) = raw_call("/chat.ChatService/Nothing", &[]);
    drop(body);
    let response = soon(sender.send_request(request)).await.unwrap();
    assert_eq!(status(response).await, Code::Unimplemented);
}

#[tokio::test]
async fn deadlines_are_kept() {
    // R17
    let server = start(&["--message-timeout", "700ms"]).await;
    let mut sender = raw(&server).await;
    let mut kept = Vec::new();
    let (send, watch) = (
        "/chat.ChatService/SendMessage",
        "/grpc.health.v1.Health/Watch",
    );
    for (path, timeout, expected) in [
        // A body that does not come, with a deadline and without one.
        (send, Some("100m"), Code::DeadlineExceeded),
        (send, None, Code::DeadlineExceeded),
        (send, Some("10H"), Code::DeadlineExceeded),
        // A response that would never end.
        (watch, Some("100m"), Code::DeadlineExceeded),
        (watch, Some("1n"), Code::DeadlineExceeded),
        (send, Some("soon"), Code::InvalidArgument),
    ] {
        let more: Vec<_> = timeout.iter().map(|time| ("grpc-timeout", *time)).collect();
        let (request, body) = raw_call(path, &more);
        let response = sender.send_request(request);
        if path == watch {
            body.send(Frame::data(framed(&HealthCheckRequest::default())))
                .unwrap();
            drop(body);
        } else {
            // Kept open until the answer is there.
            kept.push(body);
        }
        let seen = status(soon(response).await.unwrap()).await;
        assert_eq!(seen, expected, "{path} {timeout:?}");
    }
    drop(kept);
    let metrics = server.get("/metrics").await;
    assert!(
        metrics
            .contains("wss_grpc_calls_total{method=\"/grpc.health.v1.Health/Watch\",code=\"4\"} 2"),
        "{metrics}"
    );
}

#[tokio::test]
async fn s16_health_is_not_serving_during_the_drain_delay_while_calls_are_served() {
    let mut server = start(&["--drain-delay", "1h"]).await;
    let channel = over_tls(&server).await;
    let mut client = HealthClient::new(channel.clone());
    let mut watch = soon(client.watch(HealthCheckRequest::default()))
        .await
        .unwrap()
        .into_inner();
    let first = soon(watch.message()).await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    server.begin_stop();
    let second = soon(watch.message()).await.unwrap().unwrap();
    assert_eq!(second.status(), ServingStatus::NotServing);
    // The connection that was there and a new one.
    for channel in [channel, over_tls(&server).await] {
        let mut health = HealthClient::new(channel.clone());
        let answer = soon(health.check(HealthCheckRequest::default()))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.status(), ServingStatus::NotServing);
        let mut client = ChatServiceClient::new(channel);
        soon(client.send_message(hello())).await.unwrap();
    }
}

#[tokio::test]
async fn health_is_told_until_the_end() {
    let mut server = start(&[]).await;
    let mut client = HealthClient::new(over_tls(&server).await);
    let ask = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    for service in ["", "chat.ChatService"] {
        let answer = soon(client.check(ask(service))).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let refused = soon(client.check(ask("chat.Nothing"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let mut unknown = soon(client.watch(ask("chat.Nothing")))
        .await
        .unwrap()
        .into_inner();
    let first = soon(unknown.message()).await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    drop(unknown);
    let mut watch = soon(client.watch(ask(""))).await.unwrap().into_inner();
    let first = soon(watch.message()).await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    server.begin_stop();
    let second = soon(watch.message()).await.unwrap().unwrap();
    assert_eq!(second.status(), ServingStatus::NotServing);
    let end = soon(watch.message()).await.unwrap_err();
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    drop((watch, client));
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn a_running_call_is_finished_when_the_server_ends() {
    let mut server = start(&[]).await;
    let mut sender = raw(&server).await;
    let (request, body) = raw_call("/chat.ChatService/SendMessage", &[]);
    let bytes = framed(&hello());
    let response = tokio::spawn(sender.send_request(request));
    body.send(Frame::data(bytes.slice(..7))).unwrap();
    // A second call on the same connection shows that the first has arrived.
    let (request, other) = raw_call("/chat.ChatService/Nothing", &[]);
    drop(other);
    soon(sender.send_request(request)).await.unwrap();
    server.begin_stop();
    // GOAWAY: this connection takes no further call.
    soon(async {
        loop {
            let (request, other) = raw_call("/chat.ChatService/Nothing", &[]);
            drop(other);
            if sender.send_request(request).await.is_err() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    body.send(Frame::data(bytes.slice(7..))).unwrap();
    drop(body);
    let response = soon(response).await.unwrap().unwrap();
    assert_eq!(status(response).await, Code::Ok);
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn more_calls_than_streams_wait_for_their_turn() {
    // R17
    let server = start(&["--max-streams", "20"]).await;
    let channel = over_tls(&server).await;
    // With its answer the server's SETTINGS have come, which tell the client how many streams there may be.
    soon(ChatServiceClient::new(channel.clone()).send_message(hello()))
        .await
        .unwrap();
    let calls = (0..200).map(|_| {
        let mut client = ChatServiceClient::new(channel.clone());
        async move { client.send_message(hello()).await }
    });
    for reply in soon(futures_util::future::join_all(calls)).await {
        assert_eq!(
            reply.unwrap().into_inner().reply,
            "Mensagem recebida: Olá, gRPC!"
        );
    }
    // Twenty streams are taken by calls that do not end.
    let mut watches = Vec::new();
    for _ in 0..20 {
        let mut client = HealthClient::new(channel.clone());
        let watch = soon(client.watch(HealthCheckRequest::default()))
            .await
            .unwrap();
        watches.push(watch.into_inner());
    }
    let mut client = ChatServiceClient::new(channel.clone());
    let waiting = tokio::spawn(async move { client.send_message(hello()).await });
    for watch in &mut watches {
        let first = soon(watch.message()).await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving);
    }
    assert!(!waiting.is_finished());
    watches.pop();
    soon(waiting).await.unwrap().unwrap();
}

/// Returns the answers of reflection to `questions`, in order.
async fn ask(channel: Channel, questions: Vec<MessageRequest>) -> Vec<MessageResponse> {
    let mut client = ServerReflectionClient::new(channel);
    let questions = questions
        .into_iter()
        .map(|question| ServerReflectionRequest {
            host: "localhost".to_owned(),
            message_request: Some(question),
        });
    let answers = soon(client.server_reflection_info(futures_util::stream::iter(questions)))
        .await
        .unwrap()
        .into_inner();
    soon(
        answers
            .map(|answer| answer.unwrap().message_response.unwrap())
            .collect(),
    )
    .await
}

#[tokio::test]
async fn reflection_describes_every_service() {
    let (server, plain) = plain(&[]).await;
    for channel in [over_tls(&server).await, plain] {
        let answers = ask(
            channel,
            vec![
                MessageRequest::ListServices(String::new()),
                MessageRequest::FileContainingSymbol("chat.ChatService.SendMessage".to_owned()),
                MessageRequest::FileContainingSymbol("chat.Nothing".to_owned()),
                MessageRequest::FileByFilename("chat.proto".to_owned()),
            ],
        )
        .await;
        let MessageResponse::ListServicesResponse(services) = &answers[0] else {
            panic!("{answers:?}")
        };
        let services: Vec<_> = services
            .service
            .iter()
            .map(|service| service.name.as_str())
            .collect();
        for service in [
            "chat.ChatService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ] {
            assert!(services.contains(&service), "{service} in {services:?}");
        }
        let MessageResponse::FileDescriptorResponse(file) = &answers[1] else {
            panic!("{answers:?}")
        };
        let file = FileDescriptorProto::decode(file.file_descriptor_proto[0].as_slice()).unwrap();
        assert_eq!(file.service[0].method[0].name(), "SendMessage");
        assert!(
            matches!(&answers[2], MessageResponse::ErrorResponse(error) if error.error_code == Code::NotFound as i32),
            "{answers:?}"
        );
        assert_eq!(answers[1], answers[3]);
    }
}

#[tokio::test]
async fn reflection_of_the_older_version_says_the_same() {
    use tonic_reflection::pb::v1alpha::ServerReflectionRequest;
    use tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1alpha::server_reflection_response::MessageResponse;

    let server = start(&[]).await;
    let mut client = ServerReflectionClient::new(over_tls(&server).await);
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = soon(client.server_reflection_info(futures_util::stream::iter([question])))
        .await
        .unwrap()
        .into_inner();
    let answer = soon(answers.message()).await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!("{answer:?}")
    };
    assert!(
        services
            .service
            .iter()
            .any(|service| service.name == "chat.ChatService")
    );
}
