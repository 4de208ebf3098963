//! Every attack of the suite.

mod bombs;
mod connections;
mod contexts;
mod floods;
mod fragments;
mod heads;
mod held;
mod history;
mod http2;
mod readers;
mod tls;
mod tokens;

use crate::row::Row;

/// All rows, in the order in which they run.
pub(crate) fn all() -> Vec<&'static Row> {
    [
        bombs::ROWS,
        contexts::ROWS,
        fragments::ROWS,
        floods::ROWS,
        readers::ROWS,
        connections::ROWS,
        tls::ROWS,
        heads::ROWS,
        tokens::ROWS,
        held::ROWS,
        history::ROWS,
        http2::ROWS,
    ]
    .into_iter()
    .flatten()
    .collect()
}
