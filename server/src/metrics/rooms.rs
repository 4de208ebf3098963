//! The series of rooms.

use prometheus_client::registry::{Registry, Unit};

use rooms::Counts;

/// Registers everything that is counted of rooms.
pub(super) fn register(registry: &mut Registry) -> Counts {
    let counts = Counts::default();
    let rooms = registry.sub_registry_with_prefix("rooms");
    rooms.register(
        "held",
        "Rooms with members on this node",
        counts.rooms.clone(),
    );
    rooms.register("members", "Members on this node", counts.members.clone());
    rooms.register(
        "published",
        "Messages sent into rooms from this node, by what became of them; a provisional one counts again once it is stored",
        counts.published.clone(),
    );
    rooms.register(
        "delivered",
        "Events handed to members on this node",
        counts.delivered.clone(),
    );
    rooms.register_with_unit(
        "delivery",
        "Time from an event's arrival on this node to its handing to a member; of a room's events one in 16 is measured",
        Unit::Seconds,
        counts.delivery.0.clone(),
    );
    rooms.register(
        "rendered",
        "Events written as text, JSON or protocol buffers, once for all members that get them so",
        counts.rendered.clone(),
    );
    rooms.register(
        "lagged",
        "Times that a member was further behind than its queue is long, by what its room does then",
        counts.lagged.clone(),
    );
    rooms.register(
        "dropped",
        "Events that members missed because they lagged too far, by the policy of their room",
        counts.dropped.clone(),
    );
    rooms.register(
        "gaps",
        "Gaps reported to members, by reason",
        counts.gaps.clone(),
    );
    rooms.register(
        "rejected",
        "Joins, messages and requests that were refused, by reason",
        counts.rejected.clone(),
    );
    rooms.register(
        "waiting",
        "Messages that wait for the backplane",
        counts.waiting.clone(),
    );
    rooms.register(
        "waiting_dropped",
        "Messages dropped since too many waited for the backplane",
        counts.waiting_dropped.clone(),
    );
    rooms.register(
        "backplane_up",
        "1 while the backplane takes messages, else 0",
        counts.backplane_up.clone(),
    );
    rooms.register(
        "interruptions",
        "Times that deliveries of the backplane were interrupted",
        counts.interruptions.clone(),
    );
    rooms.register(
        "key_reloads",
        "Times that the keys for tokens were read again, by result: loaded, or refused and the old ones stay",
        counts.key_reloads.clone(),
    );
    rooms.register(
        "key_fetches",
        "Times that keys for tokens were fetched from --rooms-token-jwks-url, by result: fetched, or refused and the old ones stay",
        counts.key_fetches.clone(),
    );
    counts
}
