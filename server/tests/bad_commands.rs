//! Commands to the drone and messages of `chat.v1.json` that are right, and then changed: whoever made one knows the answer.
//!
//! The same in every run; `scripts/bad-inputs` adds up what the tests print.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and prints what it counted"
)]

use drone::{Command, Dialect};
use serde_json::{Map, Value, json};
use server::fuzzing;

#[expect(dead_code, unreachable_pub, reason = "shared with the library's tests")]
#[path = "../../tungstenite-deflate/tests/bad_inputs/random.rs"]
mod random;

use random::Random;

/// Inputs of each kind.
const INPUTS: usize = 10_000;

/// An argument, with the least and the greatest that it may be.
type Argument = (&'static str, f64, f64);

/// Each command with its arguments and their ranges, as the page of commands tells them.
const COMMANDS: &[(&str, &[Argument])] = &[
    ("takeoff", &[]),
    ("land", &[]),
    ("stop", &[]),
    ("status", &[]),
    ("help", &[]),
    ("forward", &[("distance", 0.1, 300.0)]),
    ("back", &[("distance", 0.1, 300.0)]),
    ("left", &[("distance", 0.1, 300.0)]),
    ("right", &[("distance", 0.1, 300.0)]),
    ("up", &[("distance", 0.1, 300.0)]),
    ("down", &[("distance", 0.1, 300.0)]),
    ("rotate", &[("angle", -720.0, 720.0)]),
    ("speed", &[("speed", 0.5, 15.0)]),
    (
        "goto",
        &[
            ("x", -300.0, 300.0),
            ("y", -300.0, 300.0),
            ("z", 0.0, 300.0),
        ],
    ),
];

/// Commands that take a number at least.
const WITH_NUMBERS: usize = 5;

/// A number from `least` to `most`, both among them.
fn within(random: &mut Random, least: f64, most: f64) -> f64 {
    let thousandth = u32::try_from(random.below(1001)).unwrap();
    (least + (most - least) * f64::from(thousandth) / 1000.0).clamp(least, most)
}

/// A number outside.
fn outside(random: &mut Random, least: f64, most: f64) -> f64 {
    let by = random.pick(&[0.001, 1.0, 1e6, 1e300]);
    random.pick(&[least - by, most + by])
}

/// A word that names no command.
fn no_command(random: &mut Random) -> String {
    let letters = (0..=random.below(40)).map(|_| char::from(b'a' + random.byte() % 26));
    let word: String = letters.collect();
    let known = COMMANDS.iter().any(|(name, _)| *name == word) || word == "telemetry";
    if known { word + "s" } else { word }
}

/// The code of the answer, or `ok`.
fn answer(dialect: Dialect, message: &str) -> &'static str {
    match dialect.read(message).command {
        Ok(command) => {
            assert_eq!(Command::from_line(&command.to_string()), Ok(command));
            "ok"
        }
        Err(error) => error.code(),
    }
}

/// Counts inputs and prints what `scripts/bad-inputs` reads.
fn judge(what: &str, mut make: impl FnMut(&mut Random) -> (String, bool, bool)) {
    let mut random = Random(0x0d20_0e5e);
    let (mut bad, mut good, mut wrong) = (0, 0, 0);
    while bad < INPUTS {
        let (input, is_good, holds) = make(&mut random);
        if is_good {
            good += 1;
        } else {
            bad += 1;
        }
        if !holds {
            wrong += 1;
            println!("wrong: {input:?}");
        }
    }
    println!("{bad} bad inputs: {what}, {wrong} wrong; beside them {good} good ones");
    assert_eq!(wrong, 0);
}

/// A line of text and the answer to it.
fn line(random: &mut Random) -> (String, &'static str) {
    let (name, arguments) = random.pick(COMMANDS);
    let mut words = vec![name.to_owned()];
    for (_, least, most) in arguments {
        words.push(within(random, *least, *most).to_string());
    }
    let mut expected = "ok";
    match random.below(8) {
        0 => {
            words[0] = no_command(random);
            expected = "unknown_command";
        }
        1 => {
            words.push(random.pick(&["1", "now", "\u{e9}", "-"]).to_owned());
            expected = "argument_count";
        }
        2 if words.len() > 1 => {
            words.pop();
            expected = "argument_count";
        }
        3 if words.len() > 1 => {
            let bad = [
                "ten", "1,5", "0x10", "--3", "1e", "1_000", "\u{663}", "1m", "+-1", ".",
            ];
            let at = 1 + random.below(arguments.len());
            random.pick(&bad).clone_into(&mut words[at]);
            expected = "argument_type";
        }
        4 if words.len() > 1 => {
            let at = random.below(arguments.len());
            let (_, least, most) = arguments[at];
            words[1 + at] = match random.below(4) {
                0 => random
                    .pick(&["NaN", "inf", "-inf", "1e999", "infinity"])
                    .to_owned(),
                _ => outside(random, least, most).to_string(),
            };
            expected = "argument_range";
        }
        5 => {
            words.clear();
            expected = "empty";
        }
        6 => {
            let word = random.pick(&["{", "{}", "{\"command\":\"land\"}", "{land"]);
            words.insert(0, word.to_owned());
            expected = "malformed";
        }
        _ => {}
    }
    let mut line = String::new();
    for word in words {
        let space = [" ", "\t", "   ", "\n", "\u{a0}"];
        line.push_str(if line.is_empty() {
            random.pick(&["", " "])
        } else {
            random.pick(&space)
        });
        line.push_str(&if random.once_in(3) {
            word.to_ascii_uppercase()
        } else {
            word
        });
    }
    line.push_str(random.pick(&["", "\n", "\r\n", "  "]));
    if random.once_in(20) {
        line.push_str(&" ".repeat(513));
    }
    // What is longer than any command is not looked at.
    let expected = if line.len() > 512 {
        "too_long"
    } else {
        expected
    };
    (line, expected)
}

/// A JSON object and the answer to it.
fn object(random: &mut Random) -> (String, &'static str) {
    let from = if random.once_in(3) { 0 } else { WITH_NUMBERS };
    let (name, arguments) = COMMANDS[from + random.below(COMMANDS.len() - from)];
    let mut object = Map::new();
    object.insert("command".into(), name.into());
    for (argument, least, most) in arguments {
        object.insert((*argument).into(), within(random, *least, *most).into());
    }
    let good_ids = [
        json!(7),
        json!(null),
        json!("seven"),
        json!(-1.5),
        json!("\u{e9}".repeat(64)),
    ];
    if random.once_in(2) {
        object.insert("id".into(), good_ids[random.below(good_ids.len())].clone());
    }
    let mut expected = "ok";
    let mut cut = false;
    match random.below(11) {
        0 => {
            object.insert("command".into(), no_command(random).into());
            expected = "unknown_command";
        }
        1 => {
            // Upper case is another name in JSON.
            object.insert("command".into(), name.to_uppercase().into());
            expected = "unknown_command";
        }
        2 => {
            let bad = [
                json!(7),
                json!(null),
                json!(["land"]),
                json!({}),
                json!(true),
            ];
            object.insert("command".into(), bad[random.below(bad.len())].clone());
            expected = "malformed";
        }
        3 => {
            object.remove("command");
            expected = "malformed";
        }
        4 => {
            let bad = [json!([1]), json!({}), json!(true), json!("i".repeat(65))];
            object.insert("id".into(), bad[random.below(bad.len())].clone());
            expected = "malformed";
        }
        5 => {
            object.insert("more".into(), 1.into());
            expected = "malformed";
        }
        6 if !arguments.is_empty() => {
            let (argument, ..) = arguments[random.below(arguments.len())];
            let bad = [json!("1"), json!(null), json!([1]), json!(true)];
            object.insert(argument.into(), bad[random.below(bad.len())].clone());
            expected = "argument_type";
        }
        7 if !arguments.is_empty() => {
            let (argument, ..) = arguments[random.below(arguments.len())];
            object.remove(argument);
            expected = "argument_type";
        }
        8 if !arguments.is_empty() => {
            let (argument, least, most) = arguments[random.below(arguments.len())];
            object.insert(argument.into(), outside(random, least, most).into());
            expected = "argument_range";
        }
        9 => {
            cut = true;
            expected = "malformed";
        }
        _ => {}
    }
    let mut text = Value::Object(object).to_string();
    if cut {
        // No beginning of an object is JSON.
        let end = random.below(text.len());
        text.truncate(
            (0..=end)
                .rev()
                .find(|end| text.is_char_boundary(*end))
                .unwrap(),
        );
    } else if random.once_in(20) {
        text.push_str(&" ".repeat(513));
    }
    let expected = if text.len() > 512 {
        "too_long"
    } else {
        expected
    };
    (text, expected)
}

/// A message of `chat.v1.json`, and whether it is one.
fn chat(random: &mut Random) -> (String, bool) {
    let mut object = Map::new();
    let mut good = true;
    let mut spoil = |object: &mut Map<String, Value>, field: &str, bad: Value| {
        object.insert(field.into(), bad);
        good = false;
    };
    if random.once_in(2) {
        object.insert("type".into(), "message".into());
        object.insert(
            "text".into(),
            random.pick(&["", "ol\u{e1}", "a\nb\u{0}"]).into(),
        );
        let ids = ["7", "x~!", &"i".repeat(64)];
        if random.once_in(2) {
            object.insert("id".into(), random.pick(&ids).into());
        }
        match random.below(4) {
            0 => {
                let bad = [json!(1), json!(null), json!(["a"]), json!({}), json!(true)];
                spoil(&mut object, "text", bad[random.below(bad.len())].clone());
            }
            1 => {
                let long = "i".repeat(65);
                let bad = [
                    json!(""),
                    json!("a b"),
                    json!("\u{e9}"),
                    json!("\u{7f}"),
                    json!(7),
                    json!(long),
                ];
                spoil(&mut object, "id", bad[random.below(bad.len())].clone());
            }
            _ => {}
        }
    } else {
        object.insert("type".into(), "history".into());
        let place = format!("{:016x}:{}", random.next(), random.below(1000));
        for field in ["before", "after"] {
            if random.once_in(2) {
                object.insert(field.into(), place.clone().into());
            }
        }
        if random.once_in(2) {
            object.insert("limit".into(), random.below(1000).into());
        }
        match random.below(4) {
            0 => {
                let bad = [json!(-1), json!(1.5), json!("3"), json!([]), json!(1e30)];
                spoil(&mut object, "limit", bad[random.below(bad.len())].clone());
            }
            1 => {
                let bad = [
                    "",
                    ":",
                    "7",
                    "xyz:1",
                    "0000000000c0ffee:",
                    "0000000000c0ffee:-1",
                ];
                let field = random.pick(&["before", "after"]);
                spoil(&mut object, field, random.pick(&bad).into());
            }
            _ => {}
        }
    }
    match random.below(6) {
        0 => {
            let bad = [
                json!("Message"),
                json!(""),
                json!(1),
                json!(null),
                json!("messages"),
            ];
            spoil(&mut object, "type", bad[random.below(bad.len())].clone());
        }
        1 => {
            object.remove("type");
            good = false;
        }
        // What a later version may add is left aside.
        2 => drop(object.insert("more".into(), json!([1, {"a": null}]))),
        _ => {}
    }
    let mut text = Value::Object(object).to_string();
    if random.once_in(4) {
        let end = random.below(text.len());
        text.truncate(
            (0..=end)
                .rev()
                .find(|end| text.is_char_boundary(*end))
                .unwrap(),
        );
        good = false;
    }
    (text, good)
}

#[test]
fn lines_to_the_drone_get_the_answer_that_they_ask_for() {
    judge("lines to the drone", |random| {
        let (line, expected) = line(random);
        let holds = answer(Dialect::Text, &line) == expected;
        (line, expected == "ok", holds)
    });
}

#[test]
fn objects_to_the_drone_get_the_answer_that_they_ask_for() {
    judge("JSON to the drone", |random| {
        let (text, expected) = object(random);
        let holds = answer(Dialect::Json, &text) == expected;
        (text, expected == "ok", holds)
    });
}

#[test]
fn messages_to_the_chat_are_read_or_refused() {
    judge("JSON to the chat", |random| {
        let (text, good) = chat(random);
        let holds = fuzzing::chat_request(text.as_bytes()) == good;
        (text, good, holds)
    });
}
