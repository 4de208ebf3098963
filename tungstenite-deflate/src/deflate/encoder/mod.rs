//! A compressor for small messages: DEFLATE (RFC 1951) as a message of permessage-deflate needs it (RFC 7692 §7.2.1).
//!
//! zlib is made for streams: a connection's compressor takes 150 to 280 KB, and clearing one for the next message costs
//! more than compressing 1 KiB. Here a message without context costs no clearing at all, a context takes 7.4 KB for a
//! history of 2 KiB, and the rest belongs to the thread.
//!
//! | part | does |
//! |---|---|
//! | [`history`] | keeps what was sent before; the message is appended and searched in place |
//! | [`chains`] | finds repeated bytes in a history, at several positions for each hash |
//! | [`matcher`] | finds repeated bytes in a message by itself or a long one, at one position for each hash |
//! | [`investment`] | decides when messages that grow are sent uncompressed |
//! | [`block`] | writes a block with fixed or dynamic codes, or stored |
//! | [`huffman`], [`header`] | choose dynamic codes, and tell them to the receiver |
//! | [`span`] | the bytes that a search covers, and comparisons of them |
//! | [`symbols`], [`bits`] | the alphabets of RFC 1951, and bits in its order |
//!
//! | message | searched by | codes |
//! |---|---|---|
//! | without context, or the first of one | [`matcher`], the thread's table | the shortest |
//! | in a context | [`chains`] | dynamic ones only where many bytes are literals |
//! | longer than the history | [`matcher`], with the history entered first | the shortest |
//!
//! Always so: equal messages after equal messages give equal bytes, whatever the thread did in between; no distance is
//! larger than the window; a message grows by at most 6 bytes, and 5 for every 60 KiB.

mod bits;
mod block;
mod chains;
mod context;
mod header;
mod history;
mod huffman;
mod investment;
mod matcher;
mod span;
mod symbols;
#[cfg(test)]
mod tests;

use bytes::BytesMut;

use bits::{BitWriter, low_bits};
use block::{MAX_BLOCK, Sequences};
use chains::Chains;
pub(super) use context::Context;
use matcher::Table;
use span::SearchRange;

/// Results of [`Encoder::encode_in`] that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Every message, whatever its size.
    Always,
    /// Those that get smaller, and a few others so that later ones get smaller.
    WhenItPays,
}

/// Tables and buffers shared by the messages of a thread: some 370 KB once all of them were used.
#[derive(Debug)]
pub(super) struct Encoder {
    /// For messages without context, and for those that are longer than a history.
    table: Table,
    /// Position of the next of these; there is nothing before 1, where an empty table points.
    position: usize,
    sequences: Sequences,
    /// Buffer for the bits of a block.
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

/// Chains in which a message was searched, and so entered.
#[derive(Clone, Copy, Debug)]
enum Searched {
    /// Nowhere: it is still to be entered.
    Outside,
    /// In the history, from this index on.
    InHistory(usize),
    /// In [`Encoder::work`], from this index on.
    InWork(usize),
}

impl Encoder {
    /// Appends the compressed form of `message` to `out`, without the final `00 00 ff ff`.
    pub(super) fn encode(&mut self, message: &[u8], window_bits: u8, out: &mut BytesMut) {
        let span = SearchRange {
            buffer: message,
            start: 0,
            base: self.claim_positions(message.len()),
            window: 1 << window_bits,
            message: 0,
            gaps: &[],
            after_gaps: 0,
        };
        let mut output = Output::new(&mut self.sequences, &mut self.room, out);
        output.encode(span, &mut self.table);
        output.end_message();
    }

    /// Appends the compressed form of `message`, which may refer to what was sent in `context` before; and returns how many
    /// bytes before the message it refers to.
    ///
    /// `None` if the message is to be sent uncompressed: `out` and the history are then as before.
    pub(super) fn encode_in(
        &mut self,
        context: &mut Context,
        message: &[u8],
        demand: Demand,
        out: &mut BytesMut,
    ) -> Option<usize> {
        if demand == Demand::WhenItPays && context.investment.skips() {
            return None;
        }
        let start = out.len();
        let (reach, searched) = if context.history.bytes().is_empty() {
            self.encode(message, context.window_bits, out);
            (0, Searched::Outside)
        } else if message.len() > context.history.capacity() {
            (self.encode_long(context, message, out), Searched::Outside)
        } else {
            self.encode_chained(context, message, out)
        };
        let smaller = out.len() - start < message.len();
        let sent = context.investment.accepts(smaller) || demand == Demand::Always;
        if sent {
            self.keep(context, message, searched);
            Some(reach)
        } else {
            self.take_back(context, searched);
            out.truncate(start);
            None
        }
    }

    /// Compresses a message that fits into the history, or would if that were empty.
    fn encode_chained(
        &mut self,
        context: &mut Context,
        message: &[u8],
        out: &mut BytesMut,
    ) -> (usize, Searched) {
        let start = context.history.append(message);
        let (buffer, start, searched) = if let Some(start) = start {
            (context.history.bytes(), start, Searched::InHistory(start))
        } else {
            let start = context.history.bytes().len();
            self.work.clear();
            self.work.extend_from_slice(context.history.bytes());
            self.work.extend_from_slice(message);
            (&self.work[..], start, Searched::InWork(start))
        };
        let span = context
            .history
            .span(buffer, start, 1 << context.window_bits);
        let mut output = Output::new(&mut self.sequences, &mut self.room, out);
        output.encode_chained(span, &mut context.chains);
        output.end_message();
        (output.reach, searched)
    }

    /// Compresses a message that is longer than the history.
    fn encode_long(&mut self, context: &Context, message: &[u8], out: &mut BytesMut) -> usize {
        let history = context.history.newest();
        let mut base = self.claim_positions(history.len() + message.len());
        let work = &mut self.work;
        work.clear();
        work.extend_from_slice(history);
        let mut message_start = work.len();
        let mut output = Output::new(&mut self.sequences, &mut self.room, out);
        for piece in message.chunks(MAX_BLOCK) {
            let surplus = work.len().saturating_sub(MAX_WINDOW);
            work.drain(..surplus);
            base = base.wrapping_add(low_bits(surplus));
            message_start = message_start.saturating_sub(surplus);
            let start = work.len();
            work.extend_from_slice(piece);
            let span = SearchRange {
                buffer: work,
                start,
                base,
                window: 1 << context.window_bits,
                message: message_start,
                gaps: &[],
                after_gaps: 0,
            };
            if start == message_start {
                self.table.remember(span, 0, start);
            }
            output.encode(span, &mut self.table);
        }
        output.end_message();
        output.reach
    }

    /// Positions of the thread's table for so many bytes; the first one, modulo 65,536.
    fn claim_positions(&mut self, count: usize) -> u16 {
        // A position that came round would be taken for one of this message, and the result depend on earlier ones.
        if self.position + count > usize::from(u16::MAX) {
            self.table.clear();
            self.position = 1;
        }
        let first = low_bits(self.position);
        self.position += count;
        first
    }

    /// Adds a message that is sent to the history.
    fn keep(&self, context: &mut Context, message: &[u8], searched: Searched) {
        match searched {
            Searched::Outside => context.remember(message),
            Searched::InHistory(_) => {}
            Searched::InWork(_) => context.history.replace(&self.work),
        }
    }

    /// Takes a message that is not sent out of the history.
    fn take_back(&self, context: &mut Context, searched: Searched) {
        let Context {
            history, chains, ..
        } = context;
        match searched {
            Searched::Outside => {}
            Searched::InHistory(start) => {
                chains.remove(history.span(history.bytes(), start, 0));
                history.truncate(start);
            }
            Searched::InWork(start) => chains.remove(history.span(&self.work, start, 0)),
        }
    }
}

/// Destination of a message.
struct Output<'a> {
    sequences: &'a mut Sequences,
    writer: BitWriter<'a>,
    out: &'a mut BytesMut,
    /// The farthest reference before the message, in bytes.
    reach: usize,
}

impl<'a> Output<'a> {
    fn new(sequences: &'a mut Sequences, room: &'a mut [u8], out: &'a mut BytesMut) -> Self {
        Self {
            sequences,
            writer: BitWriter::new(room),
            out,
            reach: 0,
        }
    }

    /// Writes a part of a message, in blocks, after a search by one position for each hash.
    fn encode(&mut self, span: SearchRange<'_>, table: &mut Table) {
        let mut start = span.start;
        while start < span.buffer.len() {
            let end = span.buffer.len().min(start + MAX_BLOCK);
            let block = SearchRange {
                buffer: &span.buffer[..end],
                start,
                ..span
            };
            self.sequences.clear();
            table.search(block, self.sequences);
            self.write(block, DYNAMIC_ALONE);
            start = end;
        }
    }

    /// Writes a message of one block after a search by chains.
    fn encode_chained(&mut self, span: SearchRange<'_>, chains: &mut Chains) {
        if span.start == span.buffer.len() {
            return;
        }
        self.sequences.clear();
        chains.search(span, FIXED_LITERAL, self.sequences);
        self.write(span, DYNAMIC_IN_CONTEXT);
    }

    fn write(&mut self, block: SearchRange<'_>, dynamic_from: usize) {
        let source = &block.buffer[block.start..];
        let reach = self.sequences.write(source, dynamic_from, &mut self.writer);
        self.reach = self.reach.max(reach);
        self.writer.drain(self.out);
    }

    /// An empty stored block, of which the length is left out (RFC 7692 §7.2.1).
    fn end_message(&mut self) {
        self.writer.put(0b000, 3);
        self.writer.align();
        self.writer.drain(self.out);
    }
}

/// Entries of a thread's table, as a power of two: 64 KiB.
const TABLE_BITS: u32 = 15;
/// Codes of a block take at most 9 bits for a byte, and it is then stored.
const ROOM: usize = MAX_BLOCK + MAX_BLOCK / 4 + 64;
/// Largest window of DEFLATE (RFC 1951 §2).
const MAX_WINDOW: usize = 32 * 1024;
/// Fewest symbols for which dynamic codes are tried. Below, the codes themselves take what they save.
const DYNAMIC_ALONE: usize = 48;
/// The same in a context, where the time counts more: to choose the codes takes as long as to find the matches.
const DYNAMIC_IN_CONTEXT: usize = 192;
/// Quarters of a bit that a literal takes with fixed codes.
const FIXED_LITERAL: usize = 32;
