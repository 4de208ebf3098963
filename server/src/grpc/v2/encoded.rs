//! Events on their way out as bytes, so that those which many members get are encoded once.

use std::marker::PhantomData;

use bytes::{BufMut, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic_prost::ProstDecoder;

use super::event;
use crate::grpc::proto_v2::event::Kind;

/// An event as it stands on the wire, without gRPC's prefix; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct EncodedEvent(Bytes);

impl EncodedEvent {
    /// Encodes an event.
    pub(super) fn new(kind: Kind) -> Self {
        Self(event::event(kind).encode_to_vec().into())
    }
}

/// Protocol buffers in, events that are already encoded out.
#[derive(Debug)]
pub(crate) struct EncodedCodec<U>(PhantomData<U>);

/// Puts the bytes where they belong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncodedEncoder;

impl<U> Default for EncodedCodec<U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<U: Message + Default + Send + 'static> Codec for EncodedCodec<U> {
    type Encode = EncodedEvent;
    type Decode = U;
    type Encoder = EncodedEncoder;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> EncodedEncoder {
        EncodedEncoder
    }

    fn decoder(&mut self) -> ProstDecoder<U> {
        ProstDecoder::default()
    }
}

impl Encoder for EncodedEncoder {
    type Item = EncodedEvent;
    type Error = Status;

    fn encode(&mut self, item: EncodedEvent, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item.0);
        Ok(())
    }
}
