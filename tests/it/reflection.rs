//! A client that knows nothing but reflection drives a stream.

use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, MessageDescriptor, Value,
    prost_types::{self, FileDescriptorProto},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{self, count, eventually};

const RECORDER: &str = "flowtrail.v1.Recorder";

/// Messages of types that are known at run time only.
struct Dynamic {
    response: MessageDescriptor,
}

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.decoder()
    }

    fn decoder(&mut self) -> Self {
        let response = self.response.clone();
        Self { response }
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(into)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.response.clone(), from)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

async fn ask(
    channel: &Channel,
    question: v1::server_reflection_request::MessageRequest,
) -> v1::server_reflection_response::MessageResponse {
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let asked = v1::server_reflection_client::ServerReflectionClient::new(channel.clone())
        .server_reflection_info(tokio_stream::once(request))
        .await;
    let response = asked.expect("reflection").into_inner().message().await;
    let answer = response
        .expect("an answer")
        .and_then(|r| r.message_response);
    answer.expect("an answer")
}

/// The descriptors of the file that `question` is about and of all it imports.
async fn descriptors(channel: &Channel, symbol: &str) -> DescriptorPool {
    use v1::{
        server_reflection_request::MessageRequest as Question,
        server_reflection_response::MessageResponse as Answer,
    };
    let mut files: Vec<FileDescriptorProto> = Vec::new();
    let mut questions = vec![Question::FileContainingSymbol(symbol.into())];
    while let Some(question) = questions.pop() {
        let Answer::FileDescriptorResponse(found) = ask(channel, question).await else {
            panic!("no file descriptors");
        };
        for file in found.file_descriptor_proto {
            let file = FileDescriptorProto::decode(&file[..]).expect("a descriptor");
            if files.iter().any(|known| known.name == file.name) {
                continue;
            }
            let imports = file.dependency.iter().cloned();
            questions.extend(imports.map(Question::FileByFilename));
            files.push(file);
        }
    }
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_set(prost_types::FileDescriptorSet { file: files })
        .expect("descriptors that fit together");
    pool
}

/// A message of `pool` with these fields.
fn message(pool: &DescriptorPool, name: &str, fields: &[(&str, Value)]) -> DynamicMessage {
    let descriptor = pool.get_message_by_name(name).expect(name);
    let mut message = DynamicMessage::new(descriptor);
    for (field, value) in fields {
        message.set_field_by_name(field, value.clone());
    }
    message
}

async fn next(responses: &mut Streaming<DynamicMessage>, kind: &str) -> DynamicMessage {
    let response = responses.message().await.expect("a response");
    let response = response.expect("the stream goes on");
    assert!(response.has_field_by_name(kind), "{kind}, not {response:?}");
    let value = response.get_field_by_name(kind).expect("a field");
    value.as_message().expect("a message").clone()
}

#[tokio::test]
async fn a_client_that_knows_nothing_drives_a_stream() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let endpoint = Channel::from_shared(format!("http://{}", service.local_addr()));
    let channel = endpoint.unwrap().connect().await.unwrap();

    let question = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(list) =
        ask(&channel, question).await
    else {
        panic!("no list of services");
    };
    let names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
    assert!(names.iter().any(|name| name == RECORDER), "{names:?}");

    let pool = descriptors(&channel, RECORDER).await;
    let recorder = pool.get_service_by_name(RECORDER).expect("the service");
    let method = recorder.methods().next().expect("a method");
    assert!(method.is_client_streaming() && method.is_server_streaming());
    let request = |field: &str, value: DynamicMessage| {
        let mut request = DynamicMessage::new(method.input());
        request.set_field_by_name(field, Value::Message(value));
        request
    };

    let (requests, queue) = tokio::sync::mpsc::channel(4);
    let user = [("user", "acme"), ("app", "orders")].map(|(k, v)| (k, Value::String(v.into())));
    let hello = message(&pool, "flowtrail.v1.Hello", &user);
    requests.send(request("hello", hello)).await.unwrap();
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = format!("/{RECORDER}/{}", method.name()).parse().unwrap();
    let codec = Dynamic {
        response: method.output(),
    };
    let queue = tonic::Request::new(ReceiverStream::new(queue));
    let responses = client.streaming(queue, path, codec).await.unwrap();
    let mut responses = responses.into_inner();
    let welcome = next(&mut responses, "welcome").await;
    let limit = welcome.get_field_by_name("max_chunk_events").unwrap();
    assert_eq!(limit.as_u32(), Some(10_000));

    let at = message(
        &pool,
        "google.protobuf.Timestamp",
        &[("seconds", Value::I64(5))],
    );
    let step = [
        ("instance_id", Value::String("i1".into())),
        ("step_id", Value::I32(3)),
        ("start_time", Value::Message(at)),
    ];
    let step = message(&pool, "flowtrail.v1.StepRecorded", &step);
    let event = message(
        &pool,
        "flowtrail.v1.Event",
        &[("step", Value::Message(step))],
    );
    let chunk = [
        ("sequence", Value::U64(7)),
        ("events", Value::List(vec![Value::Message(event)])),
    ];
    let chunk = message(&pool, "flowtrail.v1.Chunk", &chunk);
    requests.send(request("chunk", chunk)).await.unwrap();
    let ack = next(&mut responses, "ack").await;
    let number = |field| {
        ack.get_field_by_name(field)
            .and_then(|value| value.as_u64())
    };
    assert_eq!(number("through_sequence"), Some(7));
    assert_eq!(number("recorded"), Some(1));
    drop(requests);
    assert!(responses.message().await.expect("OK").is_none());
    let stored = "select count(*) from steps where flowinstanceid = 'i1' and stepid = '3'";
    assert_eq!(count(&database, stored).await, 1);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn older_reflection_lists_the_services_and_health_knows_them() {
    use v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let endpoint = Channel::from_shared(format!("http://{}", service.local_addr()));
    let channel = endpoint.unwrap().connect().await.unwrap();
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asked = ServerReflectionClient::new(channel.clone())
        .server_reflection_info(tokio_stream::once(request))
        .await;
    let response = asked.unwrap().into_inner().message().await.unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) =
        response.and_then(|response| response.message_response)
    else {
        panic!("no list of services");
    };
    let mut names: Vec<_> = list.service.iter().map(|s| &*s.name).collect();
    names.retain(|name| name.starts_with("flowtrail."));
    names.sort_unstable();
    assert_eq!(
        names,
        ["flowtrail.v1.Apps", "flowtrail.v1.History", RECORDER]
    );

    let mut health = HealthClient::new(channel);
    for name in ["", RECORDER, "flowtrail.v1.Apps", "flowtrail.v1.History"] {
        eventually("serving", async || {
            let service = name.into();
            let check = health.check(HealthCheckRequest { service }).await;
            check.expect("known").into_inner().status() == ServingStatus::Serving
        })
        .await;
    }
    service.stop().await.unwrap();
}
