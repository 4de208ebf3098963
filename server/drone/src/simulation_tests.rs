//! The rules of flight, as tables and as properties.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::command::{Axis, Command};
use crate::simulation::*;
use crate::state::{MAX_ALTITUDE, MAX_DISTANCE, MIN_ALTITUDE, Phase, Point};

/// Obeys every line and lets the drone come to rest after each.
fn flown(lines: &[&str]) -> Drone {
    let mut drone = Drone::default();
    for line in lines {
        drone
            .obey(Command::from_line(line).expect(line))
            .expect(line);
        rest(&mut drone);
    }
    drone
}

/// Ticks until nothing moves; a minute and a half is enough to cross the space at the default speed.
fn rest(drone: &mut Drone) {
    for _ in 0..20 * 90 {
        if !drone.is_moving() {
            return;
        }
        drone.tick();
    }
    panic!("still {} after 90 s: {:?}", drone.doing(), drone);
}

/// Commands, then the phase, position and heading that they lead to.
type Way = (&'static [&'static str], Phase, (f64, f64, f64), f64);

#[test]
fn commands_lead_where_they_say() {
    #[rustfmt::skip]
    let cases: &[Way] = &[
        (&["takeoff"], Phase::Hovering, (0.0, 0.0, 2.0), 0.0),
        (&["takeoff", "land"], Phase::Grounded, (0.0, 0.0, 0.0), 0.0),
        (&["takeoff", "forward 10"], Phase::Hovering, (0.0, 10.0, 2.0), 0.0),
        (&["takeoff", "back 10"], Phase::Hovering, (0.0, -10.0, 2.0), 0.0),
        (&["takeoff", "left 5"], Phase::Hovering, (-5.0, 0.0, 2.0), 0.0),
        (&["takeoff", "right 5"], Phase::Hovering, (5.0, 0.0, 2.0), 0.0),
        (&["takeoff", "up 3", "down 4"], Phase::Hovering, (0.0, 0.0, 1.0), 0.0),
        (&["takeoff", "rotate 90", "forward 10"], Phase::Hovering, (10.0, 0.0, 2.0), 90.0),
        (&["takeoff", "rotate -90", "forward 10"], Phase::Hovering, (-10.0, 0.0, 2.0), 270.0),
        (&["takeoff", "rotate 720"], Phase::Hovering, (0.0, 0.0, 2.0), 0.0),
        (&["takeoff", "goto 30 30 10"], Phase::Hovering, (30.0, 30.0, 10.0), 45.0),
        (&["takeoff", "goto -20 0 5", "land"], Phase::Grounded, (-20.0, 0.0, 0.0), 270.0),
        (&["takeoff", "goto 0 0 50"], Phase::Hovering, (0.0, 0.0, 50.0), 0.0),
    ];
    for (lines, phase, (x, y, z), heading) in cases {
        let state = flown(lines).state();
        assert_eq!(state.phase, *phase, "{lines:?}");
        assert_eq!(state.position, Point::new(*x, *y, *z), "{lines:?}");
        assert!(
            (state.heading - heading).abs() < 0.1,
            "{lines:?}: {}",
            state.heading
        );
        assert_eq!((state.target, state.speed), (None, 0.0), "{lines:?}");
    }
}

#[test]
fn impossible_commands_change_nothing_and_say_why() {
    #[rustfmt::skip]
    let cases: &[(&[&str], &str, &str, &str)] = &[
        (&[], "land", "landed", "already on the ground"),
        (&[], "forward 1", "on_ground", "`takeoff` first"),
        (&[], "rotate 1", "on_ground", "`takeoff` first"),
        (&[], "stop", "on_ground", "on the ground"),
        (&["takeoff"], "takeoff", "in_air", "already in the air"),
        (&["takeoff"], "forward 101", "out_of_bounds", "y would be 101.0 m"),
        (&["takeoff"], "left 100.5", "out_of_bounds", "x would be -100.5 m"),
        (&["takeoff"], "up 49", "out_of_bounds", "altitude would be 51.0 m"),
        (&["takeoff"], "down 2", "out_of_bounds", "altitude would be 0.0 m"),
        (&["takeoff"], "goto 0 0 0", "out_of_bounds", "altitude would be 0.0 m"),
    ];
    for (lines, line, code, text) in cases {
        let mut drone = flown(lines);
        let before = drone.clone();
        let refusal = drone
            .obey(Command::from_line(line).unwrap())
            .expect_err(line);
        assert_eq!(refusal.code(), *code, "{line}");
        assert!(refusal.to_string().contains(text), "{line}: {refusal}");
        assert_eq!(drone, before, "{line}");
    }
}

#[test]
fn a_new_movement_replaces_the_old_one() {
    let mut drone = flown(&["takeoff"]);
    assert!(
        !drone
            .obey(Command::Move(Axis::Forward, 50.0))
            .unwrap()
            .replaced
    );
    (0..40).for_each(|_| drone.tick());
    let before = drone.state().position;
    assert!(
        drone
            .obey(Command::Move(Axis::Right, 10.0))
            .unwrap()
            .replaced
    );
    rest(&mut drone);
    let after = drone.state().position;
    assert!(
        (after.x - 10.0).abs() < 0.02 && (after.y - before.y).abs() < 0.02,
        "{before} {after}"
    );
}

#[test]
fn takeoff_and_landing_take_no_other_movement_but_stop() {
    for (lines, doing) in [
        (&[][..], Command::Takeoff),
        (&["takeoff", "up 10"], Command::Land),
    ] {
        let mut drone = flown(lines);
        drone.obey(doing).unwrap();
        (0..10).for_each(|_| drone.tick());
        assert_eq!(
            drone.obey(Command::Move(Axis::Up, 1.0)).unwrap_err().code(),
            "busy",
            "{doing}"
        );
        assert!(drone.obey(Command::Stop).unwrap().replaced);
        rest(&mut drone);
        assert_eq!(drone.state().phase, Phase::Hovering);
        assert!(drone.state().position.z >= MIN_ALTITUDE);
    }
}

#[test]
fn landing_is_taken_back_by_takeoff() {
    let mut drone = flown(&["takeoff", "up 18"]);
    drone.obey(Command::Land).unwrap();
    (0..20).for_each(|_| drone.tick());
    drone.obey(Command::Takeoff).unwrap();
    rest(&mut drone);
    assert_eq!(drone.state().phase, Phase::Hovering);
    assert!(drone.state().position.z > 15.0, "{}", drone.state());
}

#[test]
fn stop_brakes_within_its_braking_distance() {
    let mut drone = flown(&["takeoff", "speed 10"]);
    drone.obey(Command::Move(Axis::Forward, 90.0)).unwrap();
    (0..80).for_each(|_| drone.tick());
    let before = drone.state();
    drone.obey(Command::Stop).unwrap();
    rest(&mut drone);
    let made = drone.state().position.y - before.position.y;
    let braking = before.speed * before.speed / (2.0 * ACCELERATION);
    assert!(made > 0.0 && made <= braking + 0.02, "{made} of {braking}");
}

#[test]
fn speed_never_passes_the_cruising_speed() {
    let mut drone = flown(&["takeoff", "speed 3"]);
    drone.obey(Command::Move(Axis::Forward, 30.0)).unwrap();
    let mut top: f64 = 0.0;
    while drone.is_moving() {
        drone.tick();
        top = top.max(drone.state().speed);
    }
    assert!((top - 3.0).abs() < 1e-9, "{top}");
}

#[test]
fn battery_drains_in_the_air_and_charges_on_the_ground() {
    let mut drone = flown(&["takeoff", "forward 50"]);
    let flying = drone.state().battery;
    assert!(flying < 98.0, "{flying}");
    (0..200).for_each(|_| drone.tick());
    let hovering = drone.state().battery;
    assert!(hovering < flying);
    drone.obey(Command::Land).unwrap();
    rest(&mut drone);
    (0..200).for_each(|_| drone.tick());
    assert!(drone.state().battery > hovering);
    (0..2000).for_each(|_| drone.tick());
    assert!(drone.is_settled());
}

#[test]
fn empty_battery_lands_the_drone_and_keeps_it_down() {
    let mut drone = flown(&["takeoff", "goto 0 0 50"]);
    while drone.state.battery > RESERVE {
        drone.tick();
    }
    assert_eq!(drone.state().phase, Phase::Landing);
    for command in [
        Command::Stop,
        Command::Takeoff,
        Command::Move(Axis::Up, 1.0),
    ] {
        assert_eq!(
            drone.obey(command).unwrap_err().code(),
            "battery",
            "{command}"
        );
    }
    rest(&mut drone);
    assert!(drone.state.battery > 0.0, "the reserve reaches the ground");
    assert_eq!(drone.obey(Command::Takeoff).unwrap_err().code(), "battery");
}

/// The drone stays, by any commands at any time, in its space, with a battery that makes sense.
#[test]
fn any_commands_keep_the_drone_in_bounds() {
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut drone = Drone::default();
        for _ in 0..150 {
            let _ = drone.obey(random_command(&mut random));
            for _ in 0..random.random_range(0..120) {
                drone.tick();
                assert_in_bounds(&drone, seed);
            }
        }
    }
}

fn random_command(random: &mut StdRng) -> Command {
    let axes = [
        Axis::Forward,
        Axis::Back,
        Axis::Left,
        Axis::Right,
        Axis::Up,
        Axis::Down,
    ];
    match random.random_range(0..10) {
        0 | 1 => Command::Takeoff,
        2 => Command::Land,
        3..=5 => Command::Move(
            axes[random.random_range(0..axes.len())],
            random.random_range(0.1..300.0),
        ),
        6 => Command::Rotate(random.random_range(-720.0..720.0)),
        7 => Command::Goto(
            random.random_range(-110.0..110.0),
            random.random_range(-110.0..110.0),
            random.random_range(0.0..55.0),
        ),
        8 => Command::Speed(random.random_range(0.5..15.0)),
        _ => Command::Stop,
    }
}

fn assert_in_bounds(drone: &Drone, seed: u64) {
    let Point { x, y, z } = drone.state.position;
    assert!(
        x.abs() <= MAX_DISTANCE + 1e-9 && y.abs() <= MAX_DISTANCE + 1e-9,
        "seed {seed}: {drone:?}"
    );
    assert!((0.0..=MAX_ALTITUDE).contains(&z), "seed {seed}: {drone:?}");
    assert!(
        (0.0..360.0).contains(&drone.state.heading),
        "seed {seed}: {drone:?}"
    );
    assert!(
        drone.state.speed >= 0.0 && drone.state.speed <= 15.0,
        "seed {seed}: {drone:?}"
    );
    let charge = if drone.state.phase == Phase::Grounded {
        0.0..=100.0
    } else {
        1e-9..=100.0
    };
    assert!(
        charge.contains(&drone.state.battery),
        "seed {seed}: {drone:?}"
    );
    assert_eq!(
        drone.state.phase == Phase::Grounded,
        z == 0.0 && drone.state.target.is_none(),
        "seed {seed}: {drone:?}"
    );
}

/// Every movement that was accepted comes to its end, exactly at its target.
#[test]
fn every_accepted_flight_arrives() {
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut drone = flown(&["takeoff", "speed 15"]);
        for _ in 0..6 {
            let command = random_command(&mut random);
            if matches!(command, Command::Speed(_)) || drone.obey(command).is_err() {
                continue;
            }
            let target = drone.state.target;
            rest(&mut drone);
            if let (Some(target), Phase::Hovering) = (target, drone.state.phase) {
                assert_eq!(drone.state.position, target, "seed {seed}");
            }
        }
    }
}
