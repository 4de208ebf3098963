// Included behind script.rs, once for each `library`: calls that programs make seldom.

const FURTHER: &[(&str, Config, Run)] = &[
    ("Close as a message", || None, close_as_message),
    ("Close without a code as a message", || None, |_, script| {
        script.send("Close", Message::Close(None));
        script.flush();
        script.after();
    }),
    ("long reasons", || None, long_reasons),
    ("flush after Close", || None, |_, script| {
        script.feed();
        script.close(code(1000, ""));
        script.flush();
        script.flush();
        script.wrote();
    }),
    ("Close amid a message", || None, close_amid_message),
    ("control frames by hand", || None, control_by_hand),
    ("Close by hand", || None, |_, script| {
        script.send("Close frame", made(OpCode::Control(Control::Close), true, b"\x03\xe8"));
        script.wrote();
        script.text();
        script.wrote();
    }),
    ("reserved bit by hand", || None, reserved_by_hand),
    ("empty messages sent", || None, |_, script| {
        script.send("binary", Message::binary(Vec::new()));
        script.send("Ping", Message::Ping(Vec::new().into()));
        script.send("Pong", Message::Pong(Vec::new().into()));
        script.wrote();
    }),
    ("character over two frames", || None, |role, script| {
        script.wire.gives(&[frame(role, 0x01, b"\xc3"), frame(role, 0x80, b"\xa9")].concat());
        script.next();
    }),
    ("character cut by the end", || None, |role, script| {
        violation(script, &[frame(role, 0x01, b"\xc3"), frame(role, 0x80, b"")].concat());
    }),
    ("invalid text in the second frame", || None, |role, script| {
        violation(script, &[frame(role, 0x01, b"a"), frame(role, 0x80, b"\xff")].concat());
    }),
    ("surrogate in a text", || None, |role, script| violation(script, &frame(role, 0x81, b"\xed\xa0\x80"))),
    ("longest Ping", || None, |role, script| {
        script.wire.gives(&frame(role, 0x89, &[7; 125]));
        script.next();
        script.flush();
        script.wrote();
    }),
    ("Ping of 126", || None, |role, script| violation(script, &frame(role, 0x89, &[7; 126]))),
    ("longest Close", || None, |role, script| {
        let payload = [&b"\x03\xe8"[..], &[b'x'; 123]].concat();
        violation(script, &frame(role, 0x88, &payload));
    }),
    ("Close of 126", || None, |role, script| {
        let payload = [&b"\x03\xe8"[..], &[b'x'; 124]].concat();
        violation(script, &frame(role, 0x88, &payload));
    }),
    ("two Closes", || None, |role, script| {
        script.wire.gives(&[frame(role, 0x88, b"\x03\xe8"), frame(role, 0x88, b"\x03\xe9")].concat());
        script.next();
        script.next();
        script.wrote();
    }),
    ("unsolicited Pongs", || None, |role, script| {
        script.wire.gives(&[frame(role, 0x8a, b""), frame(role, 0x8a, b"pong")].concat());
        script.next();
        script.next();
        script.wrote();
    }),
    ("byte by byte", || None, |role, script| {
        for byte in frame(role, 0x81, b"slow") {
            script.wire.gives(&[byte]);
            script.next();
        }
    }),
    ("end amid a header", || None, |role, script| ends_amid(script, &frame(role, 0x81, b"cut")[..1], Ok(()))),
    ("end amid a frame", || None, |role, script| {
        ends_amid(script, &frame(role, 0x82, &[7; 9])[..8], Ok(()));
    }),
    ("end amid a message", || None, |role, script| ends_amid(script, &frame(role, 0x01, b"cut"), Ok(()))),
    ("reset amid a frame", || None, |role, script| {
        ends_amid(script, &frame(role, 0x82, &[7; 9])[..8], Err(ErrorKind::ConnectionReset));
    }),
    ("end amid a Close", || None, |role, script| ends_amid(script, &frame(role, 0x88, b"\x03\xe8")[..3], Ok(()))),
    ("longest form of a length", || None, |role, script| {
        let (masked, key) = mask_of(role);
        violation(script, &[&[0x81, masked | 0x7f, 0, 0, 0, 0, 0, 0, 0, 1][..], key, b"x"].concat());
    }),
    ("length beyond 63 bits", || None, |role, script| {
        let (masked, key) = mask_of(role);
        violation(script, &[&[0x82, masked | 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 1][..], key, b"x"].concat());
    }),
    ("length beyond the limit", || None, |role, script| {
        let (masked, key) = mask_of(role);
        violation(script, &[&[0x82, masked | 0x7f, 0, 0, 1, 0, 0, 0, 0, 0][..], key, b"x"].concat());
    }),
    ("all reserved bits", || None, |role, script| violation(script, &frame(role, 0xf1, b""))),
    ("limits exactly", small, |role, script| {
        script.wire.gives(&[frame(role, 0x01, &[b'x'; 5]), frame(role, 0x00, &[b'x'; 5]), frame(role, 0x80, b"")].concat());
        script.next();
        script.wire.gives(&[frame(role, 0x01, &[b'x'; 8]), frame(role, 0x89, &[7; 8]), frame(role, 0x80, b"xx")].concat());
        script.next();
        script.next();
    }),
    ("no limits", || Some(WebSocketConfig::default().max_message_size(None).max_frame_size(None)), |role, script| {
        script.wire.gives(&frame(role, 0x82, &[7; 60_000]));
        script.next();
    }),
    ("unmasked frames accepted", || Some(WebSocketConfig::default().accept_unmasked_frames(true)), |_, script| {
        script.wire.gives(&frame(Role::Client, 0x81, b"plain"));
        script.next();
    }),
    ("small read buffer", || Some(WebSocketConfig::default().read_buffer_size(8)), |role, script| {
        script.wire.gives(&frame(role, 0x82, &[7; 300]));
        script.next();
    }),
    ("write buffer", || Some(WebSocketConfig::default().write_buffer_size(20)), |_, script| {
        for _ in 0..4 {
            script.feed();
            script.wrote();
        }
        script.flush();
        script.wrote();
    }),
    ("many at once", || None, |_, script| {
        let texts = ["a", "b", "c"].map(|text| Ok(Message::text(text)));
        let mut texts = futures_util::stream::iter(texts);
        let result = shown(script.socket.send_all(&mut texts));
        script.note("send_all", result);
        script.wrote();
    }),
    ("transport at hand", || None, |role, script| {
        script.feed();
        let wrote = script.socket.get_ref().wrote();
        script.note("get_ref", wrote);
        script.socket.get_mut().gives(&frame(role, 0x81, b"by hand"));
        script.next();
        script.wrote();
    }),
    ("write fails while the peer closes", || None, |role, script| {
        script.wire.state().blocked = Some(Err(ErrorKind::ConnectionReset));
        script.wire.gives(&frame(role, 0x88, b"\x03\xe8"));
        script.next();
        script.next();
        script.text();
    }),
];

fn close_as_message(role: Role, script: &mut Script<'_>) {
    script.send("Close", Message::Close(code(1000, "bye")));
    script.wrote();
    script.text();
    script.send("Close", Message::Close(code(1001, "again")));
    script.send("Ping", Message::Ping("p".into()));
    script.wire.gives(&frame(role, 0x88, b"\x03\xe8bye"));
    script.next();
    script.wire.state().end = Some(Ok(()));
    script.after();
}

fn long_reasons(_: Role, script: &mut Script<'_>) {
    for length in [0, 122, 123, 124, 200] {
        let wire = Wire::default();
        let socket = WebSocketStream::from_raw_socket(wire.clone(), Role::Server, None);
        let mut socket = socket.now_or_never().unwrap();
        let result = shown(socket.close(code(1000, &"x".repeat(length))));
        script.note(format!("close with {length}"), result);
        script.note(format!("wrote {length}"), wire.wrote());
    }
}

fn close_amid_message(_: Role, script: &mut Script<'_>) {
    let [text, more] = [Data::Text, Data::Continue].map(OpCode::Data);
    script.send("first frame", made(text, false, b"a"));
    script.close(code(1000, ""));
    script.send("last frame", made(more, true, b"b"));
    script.wrote();
}

fn control_by_hand(_: Role, script: &mut Script<'_>) {
    let made = |control, is_final, payload: &'static [u8]| made(OpCode::Control(control), is_final, payload);
    script.send("Ping frame", made(Control::Ping, true, b"p"));
    script.send("Pong frame", made(Control::Pong, true, b"q"));
    script.wrote();
    script.send("fragmented Ping", made(Control::Ping, false, b"p"));
    script.send("Ping frame of 126", made(Control::Ping, true, &[7; 126]));
    script.send("reserved control", made(Control::Reserved(11), true, b""));
    script.wrote();
}

fn reserved_by_hand(_: Role, script: &mut Script<'_>) {
    let header = FrameHeader { rsv2: true, opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
    script.send("reserved bit", Message::Frame(Frame::from_payload(header, "x".into())));
    script.wrote();
}

fn ends_amid(script: &mut Script<'_>, bytes: &[u8], end: Result<(), ErrorKind>) {
    script.wire.gives(bytes);
    script.wire.state().end = Some(end);
    script.next();
    script.next();
    script.terminated();
    script.text();
}

/// The bit and the key that mask what the other side of `role` sends.
fn mask_of(role: Role) -> (u8, &'static [u8]) {
    if role == Role::Server { (0x80, &[0; 4]) } else { (0, &[]) }
}

/// The transport taken back in the middle of a frame, and while something is queued.
fn taken_back(role: Role, calls: &mut Vec<Call>) {
    let wire = Wire::default();
    let socket = WebSocketStream::from_raw_socket(wire.clone(), role, None);
    let mut socket = socket.now_or_never().unwrap();
    wire.gives(&frame(role, 0x81, b"unfinished")[..7]);
    calls.push(("taken back", "next".into(), shown(socket.next())));
    calls.push(("taken back", "feed".into(), shown(socket.feed(Message::text("fed")))));
    let back = socket.into_inner();
    calls.push(("taken back", "into_inner".into(), back.wrote()));
    calls.push(("taken back", "left to read".into(), back.state().incoming.len().to_string()));
    let socket = WebSocketStream::from_partially_read(back, frame(role, 0x81, b"anew"), role, None);
    let mut socket = socket.now_or_never().unwrap();
    calls.push(("taken back", "next".into(), shown(socket.next())));
    drop(socket);
    calls.push(("taken back", "wrote".into(), wire.wrote()));
}
