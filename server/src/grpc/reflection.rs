//! Reflection: the description of the services, for tools that know nothing of them (`grpc.reflection.v1` and `v1alpha`).

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::{Stream, StreamExt};
use prost::Message;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::server_reflection_server::ServerReflection;
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};
use tonic_reflection::pb::v1alpha;

/// Answers from the descriptions that the services were made of.
#[derive(Clone, Debug)]
pub(super) struct Reflection {
    index: Arc<Index>,
}

/// Descriptions, encoded, by what may be asked for.
#[derive(Debug, Default)]
struct Index {
    files: HashMap<String, Vec<u8>>,
    /// Fully qualified name of a service, method, message, field or enumeration, with the file that describes it.
    symbols: HashMap<String, String>,
    services: Vec<String>,
}

impl Reflection {
    /// Creates the index of all services, made of their descriptors.
    pub(super) fn new() -> Self {
        let mut index = Index::default();
        for set in [
            DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            v1alpha::FILE_DESCRIPTOR_SET,
        ] {
            let set = FileDescriptorSet::decode(set).expect("descriptions are made at build time");
            for file in set.file {
                index.add(&file);
            }
        }
        index.services.sort();
        Self {
            index: Arc::new(index),
        }
    }

    /// The answer to one question; errors are answers too.
    fn answer(&self, request: ServerReflectionRequest) -> ServerReflectionResponse {
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            message_response: Some(self.index.find(request.message_request.as_ref())),
            original_request: Some(request),
        }
    }
}

impl Index {
    /// Everything that `file` describes.
    fn add(&mut self, file: &FileDescriptorProto) {
        let (name, package) = (file.name().to_owned(), file.package());
        for service in &file.service {
            let service_name = qualified(package, service.name());
            for method in &service.method {
                self.symbol(qualified(&service_name, method.name()), &name);
            }
            self.services.push(service_name.clone());
            self.symbol(service_name, &name);
        }
        for message in &file.message_type {
            self.message(message, package, &name);
        }
        for enumeration in &file.enum_type {
            self.enumeration(enumeration, package, &name);
        }
        self.files.insert(name, file.encode_to_vec());
    }

    /// A message with its fields and whatever is described inside it.
    fn message(&mut self, message: &DescriptorProto, scope: &str, file: &str) {
        let name = qualified(scope, message.name());
        for field in &message.field {
            self.symbol(qualified(&name, field.name()), file);
        }
        for inner in &message.nested_type {
            self.message(inner, &name, file);
        }
        for enumeration in &message.enum_type {
            self.enumeration(enumeration, &name, file);
        }
        self.symbol(name, file);
    }

    /// An enumeration; its values are siblings of it, not children.
    fn enumeration(&mut self, enumeration: &EnumDescriptorProto, scope: &str, file: &str) {
        for value in &enumeration.value {
            self.symbol(qualified(scope, value.name()), file);
        }
        self.symbol(qualified(scope, enumeration.name()), file);
    }

    fn symbol(&mut self, name: String, file: &str) {
        self.symbols.insert(name, file.to_owned());
    }

    /// Returns the answer to a question, or the error that it is not known.
    fn find(&self, question: Option<&MessageRequest>) -> MessageResponse {
        match question {
            Some(MessageRequest::ListServices(_)) => {
                let service = self.services.iter().cloned();
                let service = service.map(|name| ServiceResponse { name }).collect();
                MessageResponse::ListServicesResponse(ListServiceResponse { service })
            }
            Some(MessageRequest::FileByFilename(name)) => self.file(Some(name)),
            Some(MessageRequest::FileContainingSymbol(symbol)) => {
                self.file(self.symbols.get(symbol))
            }
            // There are none, for any type that we know.
            Some(MessageRequest::AllExtensionNumbersOfType(name))
                if self.symbols.contains_key(name) =>
            {
                let numbers = ExtensionNumberResponse {
                    base_type_name: name.clone(),
                    extension_number: Vec::new(),
                };
                MessageResponse::AllExtensionNumbersResponse(numbers)
            }
            Some(
                MessageRequest::AllExtensionNumbersOfType(_)
                | MessageRequest::FileContainingExtension(_),
            ) => error(Code::NotFound, "nothing of this name has extensions here"),
            None => error(Code::InvalidArgument, "the request asks for nothing"),
        }
    }

    /// The description in the file of this name.
    fn file(&self, name: Option<&String>) -> MessageResponse {
        match name.and_then(|name| self.files.get(name)) {
            Some(file) => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
                file_descriptor_proto: vec![file.clone()],
            }),
            None => error(Code::NotFound, "nothing of this name is described here"),
        }
    }
}

/// An error as an answer, which leaves the stream to further questions.
fn error(code: Code, message: &str) -> MessageResponse {
    MessageResponse::ErrorResponse(ErrorResponse {
        error_code: code as i32,
        error_message: message.to_owned(),
    })
}

/// `name` inside `scope`.
fn qualified(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        return name.to_owned();
    }
    format!("{scope}.{name}")
}

/// Stream of answers to a call of either version.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send + 'static>>;

#[tonic::async_trait]
impl ServerReflection for Reflection {
    type ServerReflectionInfoStream = Answers<ServerReflectionResponse>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let this = self.clone();
        let answers = request
            .into_inner()
            .map(move |question| question.map(|question| this.answer(question)));
        Ok(Response::new(Box::pin(answers)))
    }
}

#[tonic::async_trait]
impl v1alpha::server_reflection_server::ServerReflection for Reflection {
    type ServerReflectionInfoStream = Answers<v1alpha::ServerReflectionResponse>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<v1alpha::ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let this = self.clone();
        let answers = request.into_inner().map(move |question| {
            let question: ServerReflectionRequest = same(&question?)?;
            same(&this.answer(question))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// `message` as the type of the other version: on the wire both are the same.
fn same<T: Message + Default>(message: &impl Message) -> Result<T, Status> {
    T::decode(message.encode_to_vec().as_slice())
        .map_err(|error| Status::internal(format!("reflection v1 and v1alpha differ: {error}")))
}

/// The descriptions of our own services.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
