//! Names of services and methods.

/// Names of the services that do the work, as health knows them.
pub(super) const SERVICES: [&str; 2] = ["chat.ChatService", "chat.v2.ChatService"];

/// Every method, as metrics name it; what else is asked for is counted together.
pub(super) const METHODS: [&str; 8] = [
    "/chat.ChatService/SendMessage",
    "/chat.v2.ChatService/Send",
    "/chat.v2.ChatService/Subscribe",
    "/chat.v2.ChatService/Converse",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
