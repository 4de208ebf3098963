//! State of the drone, and the box of air that it may use.

use std::fmt;

use serde::Serialize;

/// Farthest from the pad along x and along y, in metres, to either side.
pub const MAX_DISTANCE: f64 = 100.0;

/// Highest altitude, in metres above the pad.
pub const MAX_ALTITUDE: f64 = 50.0;

/// Lowest altitude of flight, in metres; nearer to the ground only `land` and `takeoff` go.
pub const MIN_ALTITUDE: f64 = 0.5;

/// A point in metres from the pad: x to the east, y to the north, z up.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Point {
    /// Metres to the east of the pad.
    pub x: f64,
    /// Metres to the north of the pad.
    pub y: f64,
    /// Metres above the pad.
    pub z: f64,
}

impl Point {
    /// The point with these coordinates.
    pub fn new(x: f64, y: f64, z: f64) -> Self {
        Self { x, y, z }
    }

    /// The point above or below this one, `z` metres above the pad.
    #[must_use]
    pub fn at_altitude(self, z: f64) -> Self {
        Self { z, ..self }
    }

    /// The straight distance to `other`, in metres.
    pub fn distance(self, other: Self) -> f64 {
        let (dx, dy, dz) = (other.x - self.x, other.y - self.y, other.z - self.z);
        (dx * dx + dy * dy + dz * dz).sqrt()
    }

    /// The point `metres` from here on the straight line to `target`, or `target` itself when that is nearer.
    pub fn towards(self, target: Self, metres: f64) -> Self {
        let distance = self.distance(target);
        if distance <= metres {
            return target;
        }
        let part = metres / distance;
        let between = |from: f64, to: f64| from + (to - from) * part;
        Self::new(
            between(self.x, target.x),
            between(self.y, target.y),
            between(self.z, target.z),
        )
    }

    /// Returns the bound that this point breaks for a drone in flight; `None` when it breaks none.
    pub fn broken_bound(self) -> Option<BrokenBound> {
        [
            ("x", self.x, -MAX_DISTANCE, MAX_DISTANCE),
            ("y", self.y, -MAX_DISTANCE, MAX_DISTANCE),
            ("altitude", self.z, MIN_ALTITUDE, MAX_ALTITUDE),
        ]
        .into_iter()
        .find(|(_, value, min, max)| !(min..=max).contains(&value))
        .map(|(name, value, min, max)| BrokenBound {
            name,
            value,
            min,
            max,
        })
    }
}

/// A bound of the space that a point breaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrokenBound {
    /// `x`, `y` or `altitude`.
    pub name: &'static str,
    /// The value that it would have, in metres.
    pub value: f64,
    /// Least allowed.
    pub min: f64,
    /// Greatest allowed.
    pub max: f64,
}

impl fmt::Display for BrokenBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            value,
            min,
            max,
        } = self;
        write!(
            f,
            "{name} would be {value:.1} m, allowed are {min} to {max}"
        )
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:.1}, {:.1}, {:.1})", self.x, self.y, self.z)
    }
}

/// The movement of the drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// On the ground, motors off, charging.
    #[default]
    Grounded,
    /// Climbing straight up to the altitude of takeoff.
    TakingOff,
    /// In the air and holding its position.
    Hovering,
    /// In the air and on the way to a point, or turning.
    Flying,
    /// Sinking straight down.
    Landing,
}

impl Phase {
    /// The name as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grounded => "grounded",
            Self::TakingOff => "taking_off",
            Self::Hovering => "hovering",
            Self::Flying => "flying",
            Self::Landing => "landing",
        }
    }

    /// Reports whether the position or the heading is changing.
    pub fn is_moving(self) -> bool {
        matches!(self, Self::TakingOff | Self::Flying | Self::Landing)
    }
}

/// The reported state of a drone.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct DroneState {
    /// Its movement.
    pub phase: Phase,
    /// Its position.
    #[serde(flatten)]
    pub position: Point,
    /// Degrees clockwise from north, 0 up to 360.
    pub heading: f64,
    /// Present speed in metres per second.
    pub speed: f64,
    /// Cruising speed asked for with `speed N`, in metres per second.
    pub cruise: f64,
    /// Charge in percent, 0 to 100.
    pub battery: f64,
    /// Metres flown since the drone was made.
    pub flown: f64,
    /// The target of its flight, if there is one.
    pub target: Option<Point>,
}

impl DroneState {
    /// The same state with lengths to the centimetre and charge and heading to the tenth.
    #[must_use]
    pub fn rounded(mut self) -> Self {
        self.position = round_position(self.position);
        self.target = self.target.map(round_position);
        self.heading = round(self.heading, 10.0) % 360.0;
        self.speed = round(self.speed, 100.0);
        self.cruise = round(self.cruise, 100.0);
        self.battery = round(self.battery, 10.0);
        self.flown = round(self.flown, 10.0);
        self
    }
}

impl fmt::Display for DroneState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DroneState {
            phase,
            position: Point { x, y, z },
            heading,
            speed,
            battery,
            ..
        } = self;
        let phase = phase.as_str();
        write!(
            f,
            "{phase} x={x:.2} y={y:.2} z={z:.2} heading={heading:.1} speed={speed:.2} battery={battery:.1}"
        )
    }
}

fn round_position(position: Point) -> Point {
    let [x, y, z] = [position.x, position.y, position.z].map(|length| round(length, 100.0));
    Point::new(x, y, z)
}

/// Rounds to the nearest `1 / steps`, never to a negative zero.
fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn towards_stops_at_the_target() {
        let start = Point::default();
        let target = Point::new(3.0, 4.0, 0.0);
        assert_eq!(start.towards(target, 2.5), Point::new(1.5, 2.0, 0.0));
        assert_eq!(start.towards(target, 9.0), target);
        assert_eq!(target.towards(target, 0.0), target);
    }

    #[test]
    fn bounds_are_told_by_name_and_value() {
        let inside = Point::new(100.0, -100.0, 50.0);
        assert_eq!(inside.broken_bound(), None);
        #[rustfmt::skip]
        let cases = [
            (Point::new(100.1, 0.0, 5.0), "x would be 100.1 m, allowed are -100 to 100"),
            (Point::new(0.0, -101.0, 5.0), "y would be -101.0 m, allowed are -100 to 100"),
            (Point::new(0.0, 0.0, 50.5), "altitude would be 50.5 m, allowed are 0.5 to 50"),
            (Point::new(0.0, 0.0, 0.2), "altitude would be 0.2 m, allowed are 0.5 to 50"),
        ];
        for (position, text) in cases {
            let text_of = position.broken_bound().map(|bound| bound.to_string());
            assert_eq!(text_of.as_deref(), Some(text));
        }
    }

    #[test]
    fn rounding_leaves_no_negative_zero_and_no_360() {
        let state = DroneState {
            position: Point::new(-0.001, 0.0, 0.0),
            heading: 359.99,
            ..DroneState::default()
        };
        let json = serde_json::to_string(&state.rounded()).unwrap();
        assert!(
            json.contains(r#""x":0.0"#) && json.contains(r#""heading":0.0"#),
            "{json}"
        );
    }
}
