//! The backplane of one process.

use std::sync::Arc;

use server::rooms::{Backplane, Local};

use crate::suite;

#[tokio::test]
async fn local_backplane_keeps_to_the_rules() {
    suite::check(async |settings| Arc::new(Local::new(settings)) as Arc<dyn Backplane>).await;
}
