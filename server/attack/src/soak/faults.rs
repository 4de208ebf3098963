//! Faults during a soak, one after the other.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::time::timeout;

use super::order::{Order, Orders};
use crate::attack::{Attack, Form};
use crate::dial::Dialler;
use crate::meter::Meter;
use crate::rows;
use crate::target::Target;

/// One kind of fault.
enum Fault {
    /// Tells a tenth of the members.
    Members(fn(usize) -> Order, &'static str),
    /// The certificates are read again.
    Reload,
    /// An attack of the suite, in its short form.
    Row(&'static str),
}

/// In turn.
const FAULTS: &[Fault] = &[
    Fault::Members(Order::Cut, "50 members lose their connection"),
    Fault::Row("t4-rubbish"),
    Fault::Reload,
    Fault::Row("d8-bombs"),
    Fault::Members(Order::Pause, "50 members do not read for 3 s"),
    Fault::Row("r14-resets"),
    Fault::Row("r6-chat-flood"),
    Fault::Row("r3-fragments"),
    Fault::Row("r14-hpack-bomb"),
    Fault::Row("h11-huge-heads"),
    Fault::Row("r6-pings-deaf"),
    Fault::Row("r14-continuation"),
];

/// Makes them happen.
pub(super) struct Faults<'a> {
    target: &'a Target,
    orders: &'a Orders,
    dial: Dialler,
    turn: usize,
    wrong: Vec<String>,
}

impl<'a> Faults<'a> {
    /// For the members that get `orders`.
    pub(super) fn new(target: &'a Target, orders: &'a Orders) -> Result<Self> {
        Ok(Self {
            target,
            orders,
            dial: Dialler::new(target.address(), &target.authority(), Meter::default())?,
            turn: 0,
            wrong: Vec::new(),
        })
    }

    /// Makes the next one happen, and says what it was.
    pub(super) async fn next(&mut self) -> String {
        let fault = &FAULTS[self.turn % FAULTS.len()];
        let turn = self.turn;
        self.turn += 1;
        let done = match fault {
            Fault::Members(order, what) => {
                self.orders.send_replace(order(turn));
                Ok((*what).to_owned())
            }
            Fault::Reload => self
                .target
                .signal(Signal::HUP)
                .map(|()| "the certificates are read again".to_owned()),
            Fault::Row(name) => self.row(name).await,
        };
        done.unwrap_or_else(|error| {
            let text = format!("{error:#}");
            self.wrong.push(text.clone());
            text
        })
    }

    async fn row(&self, name: &str) -> Result<String> {
        let row = rows::all().into_iter().find(|row| row.name == name);
        let row = row.with_context(|| format!("there is no row {name}"))?;
        let attack = Attack {
            target: self.target,
            dial: self.dial.clone(),
            honest: self.dial.clone(),
            form: Form::Short,
        };
        let outcome = timeout(Form::Short.limit() + PATIENCE, (row.run)(&attack))
            .await
            .with_context(|| format!("{name}: not done in time"))?
            .with_context(|| name.to_owned())?;
        Ok(format!("{name}: {outcome}"))
    }

    /// Faults whose outcome was wrong.
    pub(super) fn wrong(self) -> Vec<String> {
        self.wrong
    }
}

/// Beside 500 members an attack may take longer.
const PATIENCE: Duration = Duration::from_secs(20);
