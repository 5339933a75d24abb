//! Who commits.

use paimon_datafusion::CommitIdentity;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct IdentityMessage {
    #[prost(string, tag = "1")]
    pub user: String,
    #[prost(sint64, tag = "2")]
    pub identifier: i64,
}

impl From<CommitIdentity> for IdentityMessage {
    fn from(identity: CommitIdentity) -> Self {
        Self {
            user: identity.user,
            identifier: identity.identifier,
        }
    }
}

impl From<IdentityMessage> for CommitIdentity {
    fn from(message: IdentityMessage) -> Self {
        Self {
            user: message.user,
            identifier: message.identifier,
        }
    }
}
