//! Branches. Source: `CreateBranchProcedure`, `FastForwardProcedure`, `MergeBranchProcedure`.

use futures::FutureExt;
use paimon_catalog::DEFAULT_BRANCH;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::{
    create_branch, delete_branch, fast_forward, merge_branch, rename_branch,
};
use paimon_core::snapshot::list_branches;
use paimon_core::table::Table;

use super::arguments::{Arguments, Kind, Parameter, optional, required};
use super::list::{Procedure, nothing_to_check};
use super::plan::table;
use super::rows::{RESULT, done};
use crate::error::to_datafusion;

const TABLE: Parameter = required(&["table"], Kind::Text);
const BRANCH: Parameter = required(&["branch"], Kind::Text);

pub(super) const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "create_branch",
        parameters: &[
            TABLE,
            BRANCH,
            optional(&["tag", "tag_name"], Kind::Text),
            optional(&["ignoreIfExists", "ignore_if_exists"], Kind::Boolean),
        ],
        result: RESULT,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let created = create(&table, arguments).await;
                created.map(|()| done()).map_err(to_datafusion)
            }
            .boxed()
        },
    },
    Procedure {
        name: "delete_branch",
        parameters: &[TABLE, BRANCH],
        result: RESULT,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                for name in arguments.required("branch").split(',') {
                    let deleted = delete_branch(&table, name.trim()).await;
                    deleted.map_err(to_datafusion)?;
                }
                Ok(done())
            }
            .boxed()
        },
    },
    Procedure {
        name: "rename_branch",
        parameters: &[
            TABLE,
            required(&["from_branch"], Kind::Text),
            required(&["to_branch"], Kind::Text),
        ],
        result: RESULT,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let from = arguments.required("from_branch");
                let renamed = rename_branch(&table, from, arguments.required("to_branch")).await;
                renamed.map(|()| done()).map_err(to_datafusion)
            }
            .boxed()
        },
    },
    Procedure {
        name: "fast_forward",
        parameters: &[TABLE, BRANCH],
        result: RESULT,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let moved = fast_forward(&table, arguments.required("branch")).await;
                moved.map(|()| done()).map_err(to_datafusion)
            }
            .boxed()
        },
    },
    Procedure {
        name: "merge_branch",
        parameters: &[
            TABLE,
            required(&["source_branch"], Kind::Text),
            optional(&["target_branch"], Kind::Text),
        ],
        result: RESULT,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let from = arguments.required("source_branch");
                let to = arguments.text("target_branch").unwrap_or(DEFAULT_BRANCH);
                let merged = merge_branch(&table, from, to, CommitContext::default()).await;
                merged.map(|_| done()).map_err(to_datafusion)
            }
            .boxed()
        },
    },
];

async fn create(table: &Table, arguments: &Arguments) -> paimon_core::Result<()> {
    let name = arguments.required("branch");
    if arguments.boolean("ignoreIfExists") {
        let known = list_branches(table.io(), table.location()).await?;
        if known.iter().any(|b| b.name == name) {
            return Ok(());
        }
    }
    create_branch(table, name, arguments.text("tag")).await
}
