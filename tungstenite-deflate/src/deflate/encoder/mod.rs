//! A compressor for small messages: DEFLATE (RFC 1951) as a message of permessage-deflate needs it (RFC 7692 §7.2.1).
//!
//! zlib is made for streams: a connection's compressor takes 150 to 280 KB, and clearing one for the next message costs
//! more than compressing 1 KiB. Here a message without context costs no clearing at all, a context takes at most 31 KiB,
//! and the rest belongs to the thread.
//!
//! | part | does |
//! |---|---|
//! | [`history`] | keeps what was sent before; the message is appended and searched in place |
//! | [`matcher`] | finds repeated bytes, at one place for each hash |
//! | [`block`] | writes a block with fixed codes as matches are found, or chooses between fixed, dynamic and stored |
//! | [`huffman`], [`header`] | choose dynamic codes, and tell them to the receiver |
//! | [`symbols`], [`bits`] | the alphabets of RFC 1951, and bits in its order |
//!
//! Always so: equal messages after equal messages give equal bytes, whatever the thread did in between; no distance is
//! larger than the window; a message grows by at most 6 bytes, and 5 for every 60 KiB.

mod bits;
mod block;
mod context;
mod header;
mod history;
mod huffman;
mod matcher;
mod symbols;
#[cfg(test)]
mod tests;

use bytes::BytesMut;

use bits::BitWriter;
use block::{FixedSink, MAX_BLOCK, Sequences};
pub(super) use context::Context;
use matcher::{Span, Table};

/// What the messages of a thread share: some 370 KB once all of it was used.
#[derive(Debug)]
pub(super) struct Encoder {
    /// For messages without context.
    table: Table,
    /// Position of the next of these; there is nothing before 1, where an empty table points.
    position: usize,
    sequences: Sequences,
    /// Where the bits of a block land.
    room: Box<[u8]>,
    /// History and message, where these are too long for a context.
    work: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            table: Table::new(TABLE_BITS),
            position: 1,
            sequences: Sequences::default(),
            room: vec![0; ROOM].into_boxed_slice(),
            work: Vec::new(),
        }
    }
}

impl Encoder {
    /// Appends the compressed form of `message` to `out`, without the final `00 00 ff ff`.
    pub(super) fn encode(&mut self, message: &[u8], window_bits: u8, out: &mut BytesMut) {
        // A position that came round would be taken for one of this message, and the result depend on earlier ones.
        if self.position + message.len() > usize::from(u16::MAX) {
            self.table.clear();
            self.position = 1;
        }
        let span = Span {
            buffer: message,
            start: 0,
            base: low_bits(self.position),
            window: 1 << window_bits,
        };
        self.position += message.len();
        let mut output = Output {
            sequences: &mut self.sequences,
            writer: BitWriter::new(&mut self.room),
            dynamic_from: DYNAMIC_ALONE,
            out,
        };
        output.encode(span, &mut self.table);
        output.end_message();
    }

    /// Appends the compressed form of `message`, which may refer to what was sent in `context` before.
    pub(super) fn encode_in(&mut self, context: &mut Context, message: &[u8], out: &mut BytesMut) {
        let Context {
            history,
            table,
            window,
        } = context;
        let mut output = Output {
            sequences: &mut self.sequences,
            writer: BitWriter::new(&mut self.room),
            dynamic_from: DYNAMIC_IN_CONTEXT,
            out,
        };
        if let Some(start) = history.append(message) {
            let span = Span {
                buffer: history.bytes(),
                start,
                base: history.base(),
                window: *window,
            };
            output.encode(span, table);
        } else {
            // In pieces, in memory of the thread that holds a whole window beside a piece.
            let work = &mut self.work;
            work.clear();
            work.extend_from_slice(history.bytes());
            let mut base = history.base();
            for piece in message.chunks(MAX_BLOCK) {
                let surplus = work.len().saturating_sub(MAX_WINDOW);
                work.drain(..surplus);
                base = base.wrapping_add(low_bits(surplus));
                let start = work.len();
                work.extend_from_slice(piece);
                let span = Span {
                    buffer: work,
                    start,
                    base,
                    window: *window,
                };
                output.encode(span, table);
            }
            history.replace(work, base);
        }
        output.end_message();
    }
}

/// Where a message goes.
struct Output<'a> {
    sequences: &'a mut Sequences,
    writer: BitWriter<'a>,
    /// From how many bytes on dynamic codes are tried.
    dynamic_from: usize,
    out: &'a mut BytesMut,
}

impl Output<'_> {
    /// Writes a part of a message, in blocks.
    fn encode(&mut self, span: Span<'_>, table: &mut Table) {
        let mut start = span.start;
        while start < span.buffer.len() {
            let end = span.buffer.len().min(start + MAX_BLOCK);
            let block = Span {
                buffer: &span.buffer[..end],
                start,
                ..span
            };
            if end - start < self.dynamic_from {
                self.write_as_found(block, table);
            } else {
                self.sequences.clear();
                table.search(block, self.sequences);
                self.sequences
                    .write(&block.buffer[start..], &mut self.writer);
            }
            self.writer.drain(self.out);
            start = end;
        }
    }

    /// Writes a block with fixed codes, unless it is shorter without any.
    fn write_as_found(&mut self, block: Span<'_>, table: &mut Table) {
        let source = &block.buffer[block.start..];
        let before = self.writer.state();
        let start = self.writer.length();
        let stored_bits = block::stored_bits(&self.writer, source.len());
        let mut sink = FixedSink::begin(&mut self.writer);
        table.search(block, &mut sink);
        if self.writer.length() - start > stored_bits {
            self.writer.rewind(before);
            block::write_stored(source, &mut self.writer);
        }
    }

    /// An empty stored block, of which the length is left out (RFC 7692 §7.2.1).
    fn end_message(&mut self) {
        self.writer.put(0b000, 3);
        self.writer.align();
        self.writer.drain(self.out);
    }
}

/// The lowest 16 bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "positions are kept modulo 65,536; lengths and distances are no larger than 32,768"
)]
const fn low_bits(number: usize) -> u16 {
    number as u16
}

/// Places of a thread's table, as a power of two: 64 KiB.
const TABLE_BITS: u32 = 15;
/// Codes of a block take at most 9 bits for a byte, and it is then stored.
const ROOM: usize = MAX_BLOCK + MAX_BLOCK / 4 + 64;
/// Largest window of DEFLATE (RFC 1951 §2).
const MAX_WINDOW: usize = 32 * 1024;
/// Shortest message for which dynamic codes are tried, in bytes. Below, the codes themselves take what they save.
const DYNAMIC_ALONE: usize = 64;
/// The same with a context, where matches take the place of literals: at 1 KiB dynamic codes take a sixth less and twice
/// the time, at 512 bytes a twentieth less and three times the time.
const DYNAMIC_IN_CONTEXT: usize = 1024;
