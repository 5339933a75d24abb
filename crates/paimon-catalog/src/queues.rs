//! Where the writers of this process queue up for a table.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use crate::identifier::Identifier;

/// Database and table.
type TableName = (String, String);

/// One queue for each table that has writers.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    by_table: std::sync::Mutex<HashMap<TableName, Weak<Mutex<()>>>>,
}

impl Queues {
    pub(crate) fn of(&self, identifier: &Identifier) -> Arc<Mutex<()>> {
        let key = (
            identifier.database().to_string(),
            identifier.table().to_string(),
        );
        let Ok(mut queues) = self.by_table.lock() else {
            return Arc::default();
        };
        if let Some(queue) = queues.get(&key).and_then(Weak::upgrade) {
            return queue;
        }
        queues.retain(|_, queue| queue.strong_count() > 0);
        let queue = Arc::default();
        queues.insert(key, Arc::downgrade(&queue));
        queue
    }
}
